//! Which address answers what. Each handler parses, asks the app, converts.

mod keeping;
mod live;
mod query;
mod written;

use std::{collections::HashMap, sync::Arc};

use poem::{
    Endpoint, EndpointExt as _, IntoEndpoint, Request, Route, get,
    http::{StatusCode, Uri},
    middleware::CatchPanic,
};
use poem_openapi::{
    ApiResponse, OpenApi, OpenApiService,
    param::{Path, Query},
    payload::{Binary, Html, Json, PlainText},
};
use serde_json::Value;

use crate::{
    Access, App, RunQuery, Submission, VERSION, body, compress, dashboard,
    error::{self, ApiError, ApiResult},
    etag, headers, report,
    runs::Run,
    series,
    views::{
        CancelledView, ChoicesView, ExperimentView, Fields, HealthView, HistoryView, PipelineConfigView,
        PipelineView, SubmittedView, ValidView, VersionView,
    },
    ws,
};
use query::States;
use written::{Room, Written};

const PREFIX: &str = "/api/v1";
/// What also answers without the prefix, with all that is below it.
const UNVERSIONED: [&str; 3] = ["/experiments", "/pipelines", "/ws"];

const DESCRIPTION: &str = "Submit experiments, list them, follow them, read their results.

Everything below `/api/v1/experiments` and `/api/v1/pipelines` also answers without `/api/v1`.

Live progress is a WebSocket at `/ws/task_status/{task_id}`: JSON frames `{\"state\", \"seq\", \"attempt\", \"details\"}`, first all that \
happened so far, then live, with `?after=SEQ` only what came after that number. The last frame is `SUCCESS`, `FAILURE` or `REVOKED`; the \
server then closes with 1000. It closes with 4404 if there is no such task, with 1013 (after a frame `{\"state\": \"RESYNC\", \"after\": SEQ}`) if \
the watcher is too slow, with 1001 when it shuts down, with 1008 if nothing is heard of the watcher for 40 s, and with 1011 if the log \
cannot be read. With `?level=batch`, frames without `seq` tell of single batches. The same frames, without those of batches, are an event stream at \
`/api/v1/experiments/{id}/events`, and what happens to all experiments is one at `/api/v1/events`.

What is read has an `ETag`: a `GET` that names it in `If-None-Match` is answered with 304 and no body while there is nothing new.

Every error is `{\"detail\": {\"error_code\", \"message\"}}`.";

/// Everything that the server answers, behind [`protect`]: to be served as it is, or nested into the routes of another program.
///
/// Routes of one's own beside it need that protection too:
///
/// ```
/// # use std::sync::Arc;
/// # use azura_server::{Access, App, Runs};
/// # fn routes(app: &Arc<App>) -> impl poem::Endpoint {
/// let routes = poem::Route::new()
///     .at("/hello", poem::get(poem::endpoint::make_sync(|_| "hello")))
///     .nest("/", azura_server::routes(app, Access::loopback()));
/// azura_server::protect(routes, Access::loopback())
/// # }
/// ```
pub fn routes(app: &Arc<App>, access: Access) -> impl Endpoint + 'static {
    let views = Views { app: Arc::clone(app), defaults: Arc::new(defaults(app)) };
    let apis = (Api(views.clone()), keeping::Keeping(views.clone()), live::Live(views), Health);
    let api = OpenApiService::new(apis, "AzuraForge", VERSION).description(DESCRIPTION);
    let watch = ws::task_status.data(Arc::clone(app));
    let document = api.spec_endpoint();
    let api = Arc::new(api.into_endpoint());
    let routes = Route::new()
        .at(format!("{PREFIX}/openapi.json"), get(document))
        .at(format!("{PREFIX}/ws/task_status/:id"), get(watch))
        .nest_no_strip(PREFIX, Arc::clone(&api))
        .at("/healthz", api);
    protect(
        dashboard::add(routes)
            .around(dashboard::lost)
            .around(etag::tagged)
            .before(|request| async { Ok(versioned(request)) }),
        access,
    )
}

/// Puts what every endpoint of a server on a loopback needs around one: only requests for this server, from its own pages or from other programs,
/// and of a bearable length; a panic is an answer; browsers are told to be careful.
pub fn protect(endpoint: impl IntoEndpoint<Endpoint: 'static>, access: Access) -> impl Endpoint + 'static {
    let access = Arc::new(access);
    endpoint
        .into_endpoint()
        .around(body::limited)
        .before(move |request: Request| {
            let access = Arc::clone(&access);
            async move { access.check(&request).map(|()| request).map_err(poem::Error::from) }
        })
        .with(CatchPanic::new().with_handler(|_| ApiError::internal("a handler panicked")))
        .around(error::uniform)
        .around(compress::compressed)
        .around(headers::secured)
}

/// Puts the prefix before what is an alias for something below it.
fn versioned(mut request: Request) -> Request {
    let path = request.uri().path();
    let alias =
        |root: &&str| path.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if UNVERSIONED.iter().any(alias) {
        let mut parts = request.uri().clone().into_parts();
        let full = parts.path_and_query.and_then(|path| format!("{PREFIX}{path}").parse().ok());
        parts.path_and_query = full;
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// An app, and how its runs are shown.
#[derive(Clone)]
struct Views {
    app: Arc<App>,
    /// The default config of each pipeline.
    defaults: Arc<HashMap<String, Value>>,
}

impl Views {
    fn view(&self, run: Run) -> ExperimentView {
        let defaults = self.defaults.get(run.pipeline()).unwrap_or(&Value::Null);
        ExperimentView::new(run, defaults)
    }
}

impl std::ops::Deref for Views {
    type Target = Arc<App>;

    fn deref(&self) -> &Arc<App> {
        &self.app
    }
}

fn defaults(app: &App) -> HashMap<String, Value> {
    app.pipelines().into_iter().map(|info| (info.name, info.default_config)).collect()
}

/// What is about experiments and pipelines.
struct Api(Views);

/// A report as it was written.
#[derive(ApiResponse)]
enum Markdown {
    #[oai(status = 200, content_type = "text/markdown; charset=utf-8")]
    Text(PlainText<String>),
}

/// A report as a page.
#[derive(ApiResponse)]
enum ReportPage {
    #[oai(status = 200)]
    Page(Html<String>, #[oai(header = "Content-Security-Policy")] String),
}

/// A picture.
#[derive(ApiResponse)]
enum Picture {
    #[oai(status = 200, content_type = "image/svg+xml")]
    Svg(Binary<Vec<u8>>, #[oai(header = "Content-Security-Policy")] String),
}

/// A run was submitted.
#[derive(ApiResponse)]
enum Submitted {
    #[oai(status = 202)]
    Task(Json<SubmittedView>),
}

/// A page of a list.
#[derive(ApiResponse)]
enum Listed {
    #[oai(status = 200)]
    Page(
        Written<ExperimentView>,
        /// Where the next page begins, to be given as `cursor`; absent on the last one.
        #[oai(header = "X-Next-Cursor")]
        Option<String>,
    ),
}

/// A run was asked to stop.
#[derive(ApiResponse)]
enum Cancelled {
    #[oai(status = 202)]
    Task(Json<CancelledView>),
}

#[OpenApi(prefix_path = PREFIX)]
#[expect(clippy::unused_async, reason = "the macro asks for async functions")]
impl Api {
    /// All pipelines, by name.
    #[oai(path = "/pipelines", method = "get")]
    async fn pipelines(&self) -> Json<Vec<PipelineView>> {
        Json(self.0.pipelines().into_iter().map(PipelineView::from).collect())
    }

    /// A pipeline's default config, the schema of its configs, and a form made of it.
    #[oai(path = "/pipelines/:id/config", method = "get")]
    async fn pipeline_config(&self, id: Path<String>) -> ApiResult<Json<PipelineConfigView>> {
        Ok(Json(self.0.pipeline(&id)?.into()))
    }

    /// Checks a config without starting anything.
    ///
    /// The config need not say which pipeline it is for, and may be a grid. With anything wrong, 422 as for `POST /experiments`.
    #[oai(path = "/pipelines/:id/validate", method = "post")]
    async fn validate(&self, id: Path<String>, config: Json<Value>) -> ApiResult<Json<ValidView>> {
        Ok(Json(ValidView::of(self.0.validate(&id, config.0).await?.len())))
    }

    /// What there is to choose from in a config where the schema leaves that to the data: the names of data sets, and of a data set's columns.
    ///
    /// What is wrong with the config counts as left out.
    #[oai(path = "/pipelines/:id/choices", method = "post")]
    async fn choices(&self, id: Path<String>, config: Json<Value>) -> ApiResult<Json<ChoicesView>> {
        Ok(Json(self.0.choices(&id, config.0).await?.into()))
    }

    /// Submits an experiment.
    ///
    /// The body is a config: `pipeline_name`, and whatever is to differ from that pipeline's defaults. A config that cannot be used is
    /// refused with 422 and everything that is wrong with it: `errors` has a JSON pointer and a message for each problem.
    ///
    /// A list, or text with commas, for a value that is none makes a grid: a run for each combination, 256 at most, and all or none of them are
    /// submitted. Then the answer has `batch_id` and `task_ids` instead of `task_id`.
    #[oai(path = "/experiments", method = "post")]
    async fn submit(&self, config: Json<Value>) -> ApiResult<Submitted> {
        Ok(Submitted::Task(Json(self.0.submit(config.0).await?.into())))
    }

    /// Experiments, newest first.
    ///
    /// Page by page: the header `X-Next-Cursor` of one is the `cursor` of the next. A page is shorter than `limit` where it would not stay below 1 MiB.
    /// Series in results are thinned to at most 100 points, the ends and the extremes among them; the details of an experiment have them whole.
    #[oai(path = "/experiments", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn experiments(
        &self,
        /// How many at most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<u32>,
        /// Where the page begins.
        cursor: Query<Option<String>>,
        /// Only in one of these states, with commas between: `SUCCESS,FAILURE`.
        status: Query<Option<States>>,
        /// Only of this pipeline.
        pipeline: Query<Option<String>>,
        /// Only runs of this grid.
        batch_id: Query<Option<String>>,
        /// Only those that have this text in their ids, name, tags, pipeline, batch or data set, in small or capital letters.
        q: Query<Option<String>>,
        /// Only those that are archived, instead of those that are not.
        #[oai(default)]
        archived: Query<bool>,
        /// How much of each: `all`, or `summary` for lists, where `config` and `results` are null.
        #[oai(default = "all_fields")]
        fields: Query<Fields>,
    ) -> ApiResult<Listed> {
        let whole = fields.0 == Fields::All;
        let query = RunQuery {
            limit: limit.0 as usize,
            cursor: cursor.0,
            states: status.0.map(|states| states.0).unwrap_or_default(),
            pipeline: pipeline.0,
            batch: batch_id.0,
            text: q.0,
            archived: archived.0,
            whole,
        };
        let (views, mut room) = (self.0.clone(), Room::default());
        let take = move |run| {
            let view = views.view(run);
            room.take(&if whole { view } else { view.summary() })
        };
        let page = self.0.list_while(&query, take).await?;
        Ok(Listed::Page(Written::of(&page.items), page.next))
    }

    /// All there is to know of an experiment, by its id or its task's.
    #[oai(path = "/experiments/:id/details", method = "get")]
    async fn details(
        &self,
        id: Path<String>,
        /// So many points of each series in the results at most, as far as there is room the least and the greatest of each stretch. Without, all of them.
        #[oai(validator(minimum(value = "2"), maximum(value = "1000000")))]
        points: Query<Option<u32>>,
    ) -> ApiResult<Json<ExperimentView>> {
        let mut run = self.0.find(&id).await?;
        if let (Some(points), Some(results)) = (points.0, &mut run.results) {
            series::thin_all(Arc::make_mut(results), points as usize);
        }
        Ok(Json(self.0.view(run)))
    }

    /// The course of an experiment so far, by epoch.
    ///
    /// What comes after it is told by the WebSocket `/ws/task_status/{task_id}?after=SEQ`, and by `/experiments/{id}/events?after=SEQ`.
    #[oai(path = "/experiments/:id/history", method = "get")]
    async fn history(
        &self,
        id: Path<String>,
        /// So many epochs at most: the ends, and the least and the greatest value of each figure in each stretch, as far as there is room for that. Without,
        /// all of them.
        #[oai(validator(minimum(value = "2"), maximum(value = "1000000")))]
        points: Query<Option<u32>>,
    ) -> ApiResult<Json<HistoryView>> {
        let (state, course) = self.0.course(&id).await?;
        Ok(Json(HistoryView::new(state, course, points.0)))
    }

    /// Cancels an experiment.
    ///
    /// A waiting one ends at once, a running one after its current batch. One that has ended stays as it is.
    #[oai(path = "/experiments/:id/cancel", method = "post")]
    async fn cancel(&self, id: Path<String>) -> ApiResult<Cancelled> {
        Ok(Cancelled::Task(Json(self.0.cancel(&id).await?.into())))
    }

    /// Asks the model of an experiment that has succeeded, and waits for the answer.
    ///
    /// What may be asked is the pipeline's own. A forecaster: `prediction_steps` (1 by default), and rows to forecast from as `data`; it answers
    /// `prediction`, `target_col`, `actual_history` and `forecasted_series`. Files in an answer are base64, under `files`. A request holds at most
    /// 10 000 values in all, or 1000 pictures for a classifier. One that cannot be used is refused with 422, as a config is.
    #[oai(path = "/experiments/:id/predict", method = "post")]
    async fn predict(
        &self,
        client: &Request,
        id: Path<String>,
        request: Json<Value>,
    ) -> ApiResult<Json<Value>> {
        tokio::select! {
            answer = self.0.predict(&id, request.0) => Ok(Json(answer?)),
            // What is not waited for is not made.
            () = self.0.clients().left(client.remote_addr().as_socket_addr()) => {
                let message = "The client closed the connection before the prediction was done.";
                Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "CLIENT_LEFT", message))
            }
        }
    }

    /// Goes on with an experiment that was cancelled or has failed.
    ///
    /// A new one of the same config begins where its last checkpoint was taken, and ends as it would have ended. The old one stays as it is. 409 if
    /// it has not ended, has succeeded, has no checkpoint, or another one goes on with it and has not ended.
    #[oai(path = "/experiments/:id/resume", method = "post")]
    async fn resume(&self, id: Path<String>) -> ApiResult<Submitted> {
        Ok(Submitted::Task(Json(Submission::Run(self.0.resume(&id).await?).into())))
    }

    /// Submits the config of an experiment once more.
    #[oai(path = "/experiments/:id/rerun", method = "post")]
    async fn rerun(&self, id: Path<String>) -> ApiResult<Submitted> {
        Ok(Submitted::Task(Json(self.0.rerun(&id).await?.into())))
    }

    /// The report of an experiment, as Markdown. Its pictures are linked as `images/NAME`.
    #[oai(path = "/experiments/:id/report/content", method = "get")]
    async fn report(&self, id: Path<String>) -> ApiResult<Markdown> {
        Ok(Markdown::Text(PlainText(self.0.report(&id).await?.1)))
    }

    /// The report of an experiment, as a page.
    #[oai(path = "/experiments/:id/report/html", method = "get")]
    async fn report_page(&self, id: Path<String>) -> ApiResult<ReportPage> {
        let (run, text) = self.0.report(&id).await?;
        Ok(ReportPage::Page(Html(report::page(&run, &text)), headers::REPORT.to_owned()))
    }

    /// A picture of an experiment's report.
    #[oai(path = "/experiments/:id/report/images/:name", method = "get")]
    async fn image(&self, id: Path<String>, name: Path<String>) -> ApiResult<Picture> {
        Ok(Picture::Svg(Binary(self.0.image(&id, &name).await?), headers::ARTEFACT.to_owned()))
    }

    /// Which server this is.
    #[oai(path = "/version", method = "get")]
    async fn version(&self) -> Json<VersionView> {
        Json(VersionView::this())
    }
}

/// What asks nobody.
struct Health;

#[OpenApi]
#[expect(clippy::unused_async, reason = "the macro asks for async functions")]
impl Health {
    /// Whether the server lives.
    #[oai(path = "/healthz", method = "get")]
    async fn health(&self) -> Json<HealthView> {
        Json(HealthView::ok())
    }
}

fn default_limit() -> u32 {
    100
}

fn all_fields() -> Fields {
    Fields::All
}
