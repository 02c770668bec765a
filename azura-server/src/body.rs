//! How much a client may send.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt as _};
use poem::{
    Body, Endpoint, IntoResponse, Request, Response, Result,
    http::{StatusCode, header},
};
use tokio::time::timeout;

use crate::{error::ApiError, guard::shorten};

/// The longest body that is taken.
const LIMIT: usize = 1 << 20;
/// How much of a longer body is read and thrown away, and for how long, so that a client that sends before it reads sees the answer.
const THROWN_AWAY: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(2);

/// Lets in what is not compressed and not too long, counted as it comes: what a client says beforehand about the length is not relied on.
pub(crate) async fn limited<E: Endpoint>(next: Arc<E>, mut request: Request) -> Result<Response> {
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let body = read(request.take_body(), announced.unwrap_or(0)).await?;
    if let Some(encoding) = request.header(header::CONTENT_ENCODING)
        && !encoding.eq_ignore_ascii_case("identity")
    {
        let message = format!(
            "The body is said to be compressed (`Content-Encoding: {}`): send it as it is.",
            shorten(encoding)
        );
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_ENCODING", message).into());
    }
    request.set_body(body);
    next.call(request).await.map(IntoResponse::into_response)
}

async fn read(body: Body, announced: u64) -> Result<Vec<u8>, ApiError> {
    let mut chunks = pin!(body.into_bytes_stream());
    let mut taken = Vec::new();
    if announced > LIMIT as u64 {
        return Err(refuse(chunks).await);
    }
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| {
            let message = "The body is shorter than was announced, or broken.";
            ApiError::new(StatusCode::BAD_REQUEST, "BODY_INCOMPLETE", message)
        })?;
        if taken.len() + chunk.len() > LIMIT {
            return Err(refuse(chunks).await);
        }
        taken.extend_from_slice(&chunk);
    }
    Ok(taken)
}

async fn refuse<C: AsRef<[u8]>, E>(chunks: impl Stream<Item = Result<C, E>> + Unpin) -> ApiError {
    // Whether the client stops in time does not matter: it is refused.
    let _ = timeout(PATIENCE, throw_away(chunks)).await;
    let message = format!("The body is longer than {LIMIT} bytes, the most that is taken here.");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", message)
}

async fn throw_away<C: AsRef<[u8]>, E>(mut chunks: impl Stream<Item = Result<C, E>> + Unpin) {
    let mut left = THROWN_AWAY;
    while let Some(Ok(chunk)) = chunks.next().await {
        let Some(rest) = left.checked_sub(chunk.as_ref().len()) else { return };
        left = rest;
    }
}
