//! A report as a page: rendered here, and sanitised, since a report may quote what others wrote.

use std::{borrow::Cow, collections::HashSet};

use ammonia::Builder;
use azura_learner::report::STYLE;
use pulldown_cmark::{Event, Options, Parser, html};

use crate::names;

/// The page of a report in Markdown. HTML in it is shown as text, links lead to web addresses, and pictures are the report's own.
pub(crate) fn page(title: &str, markdown: &str) -> String {
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let mut body = String::new();
    html::push_html(
        &mut body,
        events.map(|event| match event {
            Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
            event => event,
        }),
    );
    let body = Builder::default()
        .url_schemes(HashSet::from(["http", "https"]))
        .attribute_filter(|element, attribute, value| match (element, attribute) {
            ("img", "src") if !is_picture(value) => None,
            _ => Some(Cow::Borrowed(value)),
        })
        .clean(&body);
    let title = ammonia::clean_text(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n<main>\n{body}</main>\n</html>\n"
    )
}

/// Whether an address is that of one of the report's pictures.
fn is_picture(address: &str) -> bool {
    address.strip_prefix("images/").is_some_and(names::is_safe)
}
