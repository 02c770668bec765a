//! Streams of events: of all runs, and of one.

use std::{pin::Pin, sync::Arc, time::Duration};

use azura_queue::Entry;
use futures_util::{
    Stream, StreamExt as _,
    future::{self, select},
    stream,
};
use poem::{
    IntoResponse, Request, Response,
    http::{HeaderValue, StatusCode, header},
    web::sse::{Event, SSE},
};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::{ToJSON, Type as _},
};

use tokio::time::sleep;

use super::{PREFIX, Views};
use crate::{
    News,
    error::ApiResult,
    views::{DeletedView, HelloView, RunningView},
    ws,
};

pub(super) struct Live(pub Views);

/// How often something is sent, so that a connection that leads nowhere is noticed.
const ALIVE: Duration = Duration::from_secs(15);
/// When a browser comes back that has lost its connection, in milliseconds.
const RETRY: u64 = 2000;

/// Events as they happen, or, to somebody who has seen all there will be, nothing.
enum Events {
    Stream(SSE),
    Nothing,
}

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        let Self::Stream(stream) = self else { return StatusCode::NO_CONTENT.into_response() };
        let mut response = stream.keep_alive(ALIVE).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl ApiResponse for Events {
    fn meta() -> MetaResponses {
        let response = |status, description, content| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content,
            headers: Vec::new(),
        };
        let events = MetaMediaType { content_type: "text/event-stream", schema: String::schema_ref() };
        let stream = response(200, "Events as they happen.", vec![events]);
        MetaResponses { responses: vec![stream, response(204, "There is nothing more.", Vec::new())] }
    }

    fn register(_: &mut Registry) {}
}

#[OpenApi(prefix_path = PREFIX)]
impl Live {
    /// What happens to all experiments, as an event stream.
    ///
    /// `hello` `{version}` comes first, and whenever something may have been missed: what was read before is to be read again. Then `experiment`, a
    /// summary as in a list, of each that is new or has changed; `progress` `{experiment_id, task_id, attempt, seq, epoch, total_epochs, loss,
    /// val_loss?, lr?}` of each that trains, at most four times a second, the newest always; and `deleted` `{experiment_id, task_id}`, where
    /// `experiment_id` may be null. Every 15 s there is `alive` `{}`, so that a client knows a dead line. The stream ends when the server shuts down.
    #[oai(path = "/events", method = "get")]
    async fn events(&self, client: &Request) -> ApiResult<Events> {
        let (news, views) = (self.0.news().await?, self.0.clone());
        let news = news.map(move |news| Some(event(&views, news))).chain(stream::once(async { None }));
        let alive = stream::unfold((), async |()| {
            sleep(ALIVE).await;
            Some((Some(Event::message("{}").event_type("alive")), ()))
        });
        let told = stream::select(news, Box::pin(alive)).take_while(|event| future::ready(event.is_some()));
        Ok(self.stream(client, told.filter_map(future::ready)))
    }

    /// What happens to an experiment, as an event stream.
    ///
    /// Its whole log, then what comes: each event has the JSON of a frame of the WebSocket as its data, and its number as its id. The stream
    /// ends after the last one. 204, upon which browsers do not come back, if the experiment has ended and there is nothing more.
    #[oai(path = "/experiments/:id/events", method = "get")]
    async fn run_events(
        &self,
        client: &Request,
        id: Path<String>,
        /// Only what came after this number.
        #[oai(default)]
        after: Query<u64>,
        /// The same, as browsers say it that come back; it counts more.
        #[oai(name = "Last-Event-ID")]
        last: Header<Option<u64>>,
    ) -> ApiResult<Events> {
        let after = last.0.unwrap_or(after.0);
        let ended = self.0.record(&id).await?.state.is_terminal();
        let mut entries = self.0.follow(&id, after).await?.peekable();
        if ended {
            match Pin::new(&mut entries).peek().await {
                // What the queue had forgotten has a log that is its end alone, told to whoever has not seen that.
                Some(Ok(entry)) if entry.seq == Some(after) => return Ok(Events::Nothing),
                None => return Ok(Events::Nothing),
                _ => {}
            }
        }
        // What cannot be told ends the stream; whoever comes back is told why.
        let told = entries.take_while(|entry| future::ready(entry.is_ok()));
        let told = told.filter_map(|entry| future::ready(entry.ok().as_ref().and_then(logged)));
        Ok(self.stream(client, told))
    }
}

impl Live {
    /// Sends events until there are no more, the client leaves, or the server shuts down.
    fn stream(&self, client: &Request, events: impl Stream<Item = Event> + Send + 'static) -> Events {
        let address = client.remote_addr().as_socket_addr().copied();
        let (shutdown, clients) = (self.0.shutdown().clone(), Arc::clone(self.0.clients()));
        let end = select(
            Box::pin(async move { shutdown.cancelled().await }),
            Box::pin(async move { clients.left(address.as_ref()).await }),
        );
        let first = stream::once(async { Event::retry(RETRY) });
        Events::Stream(SSE::new(first.chain(events).take_until(end)))
    }
}

/// A stored entry; what only passes is not told here.
fn logged(entry: &Entry) -> Option<Event> {
    Some(Event::message(ws::frame(entry)).id(entry.seq?.to_string()))
}

fn event(views: &Views, news: News) -> Event {
    let (kind, data) = match news {
        News::Anew => ("hello", HelloView::this().to_json_string()),
        News::Run(run) => ("experiment", views.view((*run).clone()).summary().to_json_string()),
        News::Progress { experiment_id, task_id, progress } => {
            ("progress", RunningView::new(experiment_id, task_id, progress).to_json_string())
        }
        News::Deleted { experiment_id, task_id } => {
            ("deleted", DeletedView::new(experiment_id, task_id).to_json_string())
        }
    };
    Event::message(data).event_type(kind)
}
