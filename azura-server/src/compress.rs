//! Answers that are text go compressed to those who can read that.

use std::sync::Arc;

use async_compression::{Level, tokio::bufread::GzipEncoder};
use poem::{
    Body, Endpoint, IntoResponse, Request, Response, Result,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};
use tokio::io::BufReader;

/// What is shorter fits into a packet as it is.
const WORTH_IT: u64 = 1024;

/// Compresses with gzip what is worth it. Pictures and sound are compressed already, and a stream of events is to be read at once.
pub(crate) async fn compressed<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let wanted = request.method() != Method::HEAD && takes_gzip(request.headers());
    let mut response = next.call(request).await?.into_response();
    if !is_text(response.headers()) {
        return Ok(response);
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let length = response.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if !wanted || response.status() != StatusCode::OK || length.is_some_and(|length| length < WORTH_IT) {
        return Ok(response);
    }
    // Most servers are near, where time counts more than bytes.
    let whole = BufReader::new(response.take_body().into_async_read());
    response.set_body(Body::from_async_read(GzipEncoder::with_quality(whole, Level::Fastest)));
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    // Equal in meaning, but not byte for byte.
    let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| tag.starts_with('"'));
    if let Some(weak) = tag.and_then(|tag| format!("W/{tag}").parse().ok()) {
        headers.insert(header::ETAG, weak);
    }
    Ok(response)
}

/// Whether a client says that it reads gzip: by name or by `*`, and not with `q=0`.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let said = headers.get_all(header::ACCEPT_ENCODING);
    let mut codings = said.iter().filter_map(|said| said.to_str().ok()).flat_map(|said| said.split(','));
    codings.any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name == "*" || name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse().ok());
        named && weight.unwrap_or(1.0) > 0.0
    })
}

fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    let text = kind.starts_with("text/") && kind != "text/event-stream";
    let like = ["application/json", "application/x-ndjson", "image/svg+xml"];
    (text || like.contains(&kind)) && !headers.contains_key(header::CONTENT_ENCODING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_ask_for_it() {
        let takes = |said: &str| {
            takes_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, said.parse().unwrap())]))
        };
        for said in ["gzip", "GZip", "*", "br, gzip", "gzip;q=0.5", "deflate;q=1.0, gzip; q=0.001"] {
            assert!(takes(said), "{said}");
        }
        for said in ["", "identity", "br", "gzip;q=0", "gzip; q=0.0", "xgzip", "gzipped, br"] {
            assert!(!takes(said), "{said}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
