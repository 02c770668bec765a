//! The dashboard: a built bundle that is part of the binary, and the addresses of its pages.

use std::{borrow::Cow, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use poem::{
    Body, Endpoint, IntoResponse, Request, Response, Result, Route,
    error::NotFoundError,
    get,
    http::{HeaderValue, Method, StatusCode, header},
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
/// Where none are, whatever a browser asks for.
const NO_PAGES: [&str; 5] = ["/api", "/assets", "/healthz", "/readyz", "/metrics"];
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

/// Shows the dashboard, which says that there is nothing, to a browser that looks for a page where there is none.
pub(crate) async fn lost<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let browses = request.method() == Method::GET && wants_a_page(&request);
    match next.call(request).await {
        Err(error) if browses && error.is::<NotFoundError>() => {
            let mut page = Part(INDEX.into()).answer("")?;
            page.set_status(StatusCode::NOT_FOUND);
            page.headers_mut().remove(header::ETAG);
            page.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
            Ok(page)
        }
        answer => answer.map(IntoResponse::into_response),
    }
}

fn wants_a_page(request: &Request) -> bool {
    let path = request.uri().path();
    let below =
        |root: &&str| path.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let html = request.header(header::ACCEPT).is_some_and(|kinds| kinds.contains("text/html"));
    html && !NO_PAGES.iter().any(below)
}

/// A file of the bundle.
struct Part(Cow<'static, str>);

impl Endpoint for Part {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        self.answer(request.uri().path())
    }
}

impl Part {
    /// The file, at an address.
    fn answer(&self, path: &str) -> Result<Response> {
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
        let response = match run_of(path).filter(|_| self.0 == INDEX) {
            Some(run) => response.header(header::LINK, preload(run)),
            None => response,
        };
        Ok(response.body(match data {
            Cow::Borrowed(bytes) => Body::from(bytes),
            Cow::Owned(bytes) => Body::from(bytes),
        }))
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
    let parts = ["details", "history"].map(|part| {
        format!("</api/v1/experiments/{run}/{part}?points=4000>; rel=preload; as=fetch; crossorigin")
    });
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
