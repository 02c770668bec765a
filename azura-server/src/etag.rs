//! What a client has already is not sent to it again.

use std::{fs::Metadata, sync::Arc, time::UNIX_EPOCH};

use poem::{
    Endpoint, IntoResponse, Request, Response, Result,
    http::{HeaderValue, Method, StatusCode, header},
    web::headers::{ETag, HeaderMapExt as _, IfNoneMatch},
};
use uuid::Uuid;

/// Answers that are made at once. Others, as a stream of events, are not waited for to the end.
const WHOLE: [&str; 4] = ["application/json", "text/markdown", "text/html", "image/svg+xml"];

/// Gives what is read an `ETag`, and answers 304 to whom names it in `If-None-Match`.
pub(crate) async fn tagged<E: Endpoint>(next: Arc<E>, mut request: Request) -> Result<Response> {
    let known = request.headers().typed_get::<IfNoneMatch>();
    let named = request.header(header::IF_NONE_MATCH).unwrap_or_default().to_owned();
    // A HEAD is answered as a GET is, and the HTTP library sends no body with it. A WebSocket begins with a GET alone.
    if request.method() == Method::HEAD && request.header(header::UPGRADE).is_none() {
        request.set_method(Method::GET);
    }
    let read = request.method() == Method::GET;
    let mut response = next.call(request).await?.into_response();
    if !read || response.status() != StatusCode::OK {
        return Ok(response);
    }
    let kind = response.content_type().unwrap_or_default();
    if !response.headers().contains_key(header::ETAG) && WHOLE.iter().any(|whole| kind.starts_with(whole)) {
        let body = response.take_body().into_bytes().await?;
        if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", of_bytes(&body))) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
        response.set_body(body);
    }
    let tag = response.headers().typed_get::<ETag>();
    if let (Some(known), Some(tag)) = (known, tag)
        && !known.precondition_passes(&tag)
    {
        // The other headers stay: a cache takes them over.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.set_status(StatusCode::NOT_MODIFIED);
        response.set_body(());
        // It knows its own answer by the tag that it has: that of a compressed one is weak.
        let weak =
            response.header(header::ETAG).map(|tag| format!("W/{tag}")).filter(|weak| named.contains(weak));
        if let Some(weak) = weak.and_then(|weak| HeaderValue::try_from(weak).ok()) {
            response.headers_mut().insert(header::ETAG, weak);
        }
    }
    Ok(response)
}

/// The same for the same bytes alone.
fn of_bytes(bytes: &[u8]) -> Uuid {
    Uuid::new_v5(&Uuid::nil(), bytes)
}

/// The weak tag of a file, which is not read for it.
pub(crate) fn of_file(metadata: &Metadata) -> String {
    let changed = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    format!("W/\"{:x}-{:x}\"", metadata.len(), changed.unwrap_or_default().as_nanos())
}
