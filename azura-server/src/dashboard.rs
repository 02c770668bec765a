//! The dashboard: a built bundle that is part of the binary, and the addresses of its pages.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use poem::{
    Endpoint, Request, Response, Result, Route, get,
    http::{StatusCode, header},
};
use rust_embed::{Embed, EmbeddedFile};

use crate::views::content_type;

/// What Vite has built from `dashboard/`.
#[derive(Embed)]
#[folder = "dashboard/dist"]
struct Bundle;

/// The page that all addresses of the dashboard show; it reads from the address what is asked for.
const INDEX: &str = "index.html";
/// Where the dashboard's pages live: never where the API does.
const PAGES: [&str; 4] = ["/runs", "/new", "/compare", "/models"];
/// Files whose names are hashes of what is in them: they never change.
const HASHED: &str = "assets/";

/// Adds the dashboard to the routes.
pub(crate) fn add(routes: Route) -> Route {
    let files = Bundle::iter().filter(|name| !name.ends_with(".sha256"));
    let routes = files.fold(routes, |routes, name| routes.at(format!("/{name}"), get(Part(name))));
    let index = || get(Part(INDEX.into()));
    let routes = PAGES.iter().fold(routes.at("/", index()), |routes, page| {
        routes.at(page, index()).at(format!("{page}/*"), index())
    });
    routes.at("/favicon.ico", get(Part("icon.svg".into())))
}

/// A file of the bundle.
struct Part(Cow<'static, str>);

impl Endpoint for Part {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let Some(EmbeddedFile { data, metadata }) = Bundle::get(&self.0) else {
            return Err(StatusCode::NOT_FOUND.into());
        };
        let tag = format!("\"{}\"", BASE64_STANDARD.encode(metadata.sha256_hash()));
        let lasts = if self.0.starts_with(HASHED) { "max-age=31536000, immutable" } else { "no-cache" };
        let response = Response::builder()
            .header(header::ETAG, tag)
            .header(header::CACHE_CONTROL, lasts)
            .content_type(kind(&self.0))
            .header(header::CONTENT_LENGTH, data.len());
        let response = match run_of(request.uri().path()).filter(|_| self.0 == INDEX) {
            Some(run) => response.header(header::LINK, preload(run)),
            None => response,
        };
        Ok(response.body(data.into_owned()))
    }
}

/// The run that the page of an address shows.
fn run_of(path: &str) -> Option<&str> {
    let run = path.strip_prefix("/runs/")?.split('/').next()?;
    let plain = run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    (!run.is_empty() && plain).then_some(run)
}

/// Says what the page of a run will ask for, so that a browser can fetch it while it still reads the scripts.
fn preload(run: &str) -> String {
    let parts = ["details", "history"]
        .map(|part| format!("</api/v1/experiments/{run}/{part}>; rel=preload; as=fetch; crossorigin"));
    parts.join(", ")
}

/// What a file is. Only here are there scripts and styles.
fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => content_type(name),
    }
}
