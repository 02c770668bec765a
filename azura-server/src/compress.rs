//! Answers that are text go compressed to those who can read that.

use std::sync::Arc;

use async_compression::{Level, tokio::bufread::GzipEncoder};
use poem::{
    Body, Endpoint, IntoResponse, Request, Response, Result,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use tokio::io::BufReader;

/// What is shorter fits into a packet as it is.
const WORTH_IT: u64 = 1024;

/// Compresses with gzip what is worth it. Pictures and sound are compressed already, and a stream of events is to be read at once.
pub(crate) async fn compressed<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let wanted = takes_gzip(request.headers());
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

/// Whether a client says that it reads gzip, by name, or by `*` if it does not name it, and does not want the plain text more. A weight of 0 says no,
/// as does one that is no number. See RFC 9110, 12.5.3.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let said = headers.get_all(header::ACCEPT_ENCODING);
    let codings = said.iter().filter_map(|said| said.to_str().ok()).flat_map(|said| said.split(','));
    let weights: Vec<_> = codings.map(weight).collect();
    let of = |name: &str| {
        weights.iter().find(|(coding, _)| coding.eq_ignore_ascii_case(name)).map(|(_, weight)| *weight)
    };
    let gzip = of("gzip").or_else(|| of("x-gzip")).or_else(|| of("*")).unwrap_or(0.0);
    gzip > 0.0 && of("identity").is_none_or(|plain| plain <= gzip)
}

/// A coding and its weight: `gzip;q=0.5`.
fn weight(coding: &str) -> (&str, f32) {
    let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
    let said = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let weight =
        said.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| key.eq_ignore_ascii_case("q"));
    (name.trim(), weight.map_or(1.0, |(_, value)| value.parse().unwrap_or(0.0)))
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
        for said in [
            "gzip",
            "GZip",
            "x-gzip",
            "*",
            "br, gzip",
            "gzip;q=0.5",
            "deflate;q=1.0, gzip; q=0.001",
            "*;q=0, gzip",
            "identity;q=0.5, *;q=0.8",
            "identity, gzip",
        ] {
            assert!(takes(said), "{said}");
        }
        for said in
            ["", "identity", "br", "gzip;q=0", "gzip; q=0.0", "xgzip", "gzipped, br"].into_iter().chain([
                "gzip;q=0, *",
                "*, gzip;Q=0",
                "gzip; q = 0",
                "*;q=0",
                "gzip;q=nan",
                "gzip;q=",
                "identity, gzip;q=0.5",
            ])
        {
            assert!(!takes(said), "{said}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
