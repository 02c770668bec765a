//! A report as one page, with its pictures in it.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html::push_html};

/// The style of a report as a page: light and dark, on screen and on paper.
pub const STYLE: &str = include_str!("report.css");

/// The page of a report: HTML without scripts that loads nothing. HTML in the text is shown as text, links lead to web addresses, and of pictures
/// those are shown that are given, whose SVG is ours.
pub(super) fn page(markdown: &str, images: &[(String, String)]) -> String {
    let mut title = String::new();
    let mut in_title = false;
    let mut skipped = 0_usize;
    let mut events = Vec::new();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            // What a picture's alternative text is made of goes with it.
            Event::End(TagEnd::Image) => skipped -= 1,
            _ if skipped > 0 => {}
            Event::Start(Tag::Image { dest_url, .. }) => {
                skipped += 1;
                let known = images.iter().find(|(name, _)| dest_url.strip_prefix("images/") == Some(name));
                let figure = known.map(|(_, svg)| format!("<figure>\n{svg}</figure>"));
                events.extend(figure.map(|figure| Event::InlineHtml(figure.into())));
            }
            Event::Start(Tag::Link { dest_url, .. }) if !is_web(&dest_url) => {}
            Event::Html(html) | Event::InlineHtml(html) => events.push(Event::Text(html)),
            event => {
                match &event {
                    Event::Start(Tag::Heading { .. }) => in_title = title.is_empty(),
                    Event::End(TagEnd::Heading(_)) => in_title = false,
                    Event::Text(text) | Event::Code(text) if in_title => title += text,
                    _ => {}
                }
                events.push(event);
            }
        }
    }
    let mut body = String::new();
    push_html(&mut body, events.into_iter());
    let mut escaped = String::new();
    push_html(&mut escaped, [Event::Text(title.into())].into_iter());
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{escaped}</title>\n<style>\n{STYLE}</style>\n<main>\n{body}</main>\n</html>\n"
    )
}

fn is_web(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_page_with_its_pictures_and_nothing_foreign() {
        let markdown = "# Forecast of `a<b`\n\n![Loss](images/loss.svg) ![no](https://e.org/x.png) ![no](images/../x.svg)\n\n\
            <script>x</script>\n\n[web](https://e.org) [bad](javascript:alert(1)) [file](file:///etc)\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n";
        let page = page(markdown, &[("loss.svg".into(), "<svg>curve</svg>\n".into())]);
        assert!(page.contains("<title>Forecast of a&lt;b</title>"), "{page}");
        assert!(page.contains("<figure>\n<svg>curve</svg>") && page.contains("<table>"), "{page}");
        assert!(
            !page.contains("<img") && !page.contains("<script") && page.contains("&lt;script&gt;"),
            "{page}"
        );
        assert!(page.contains("href=\"https://e.org\"") && page.matches("href=").count() == 1, "{page}");
        assert!(page.contains("bad") && page.contains("file"), "what a link says stays");
    }
}
