//! The one form of an error on the wire: `{"detail": {"error_code", "message", "errors"?}}`.

use std::{fmt, sync::Arc};

use azura_learner::{ConfigError, config::Problem};
use azura_queue::QueueError;
use poem::{
    Endpoint, IntoResponse, Request, Response, Result,
    error::{MethodNotAllowedError, NotFoundError, ParsePathError, ParseQueryError, WebSocketError},
    http::StatusCode,
};
use poem_openapi::{
    ApiResponse, Object,
    error::{ContentTypeError, ParseParamError, ParseRequestPayloadError},
    payload::{Json, Payload as _},
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type as _,
};

use crate::{AppError, guard::shorten};

/// What a client is told when something did not work.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: String,
    message: String,
    problems: Vec<Problem>,
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;

/// An error.
#[derive(Object)]
struct ErrorView {
    detail: ErrorDetail,
}

/// What went wrong.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct ErrorDetail {
    /// What kind of error, for programs.
    error_code: String,
    /// What happened, for people.
    message: String,
    /// Everything that is wrong with a config or with what a model is asked.
    errors: Option<Vec<ProblemView>>,
}

/// One thing that is wrong with a config or with what a model is asked.
#[derive(Object)]
struct ProblemView {
    /// Where, as a JSON pointer.
    pointer: String,
    /// What was found and what is allowed.
    message: String,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), problems: Vec::new() }
    }

    /// Something that is not the client's business: it is logged under a number, and the client is told the number.
    pub(crate) fn internal(error: impl fmt::Display) -> Self {
        let id = uuid::Uuid::new_v4();
        tracing::error!(%id, %error, "a request failed");
        let message = format!("Something went wrong here. The server's log tells more about it, under {id}.");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", message)
    }

    fn config(error: &ConfigError) -> Self {
        Self {
            problems: error.problems(),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.code(), error.to_string())
        }
    }

    /// Whatever a request was refused with before it came to one of our handlers.
    fn of_poem(error: poem::Error, method: &poem::http::Method, path: &str) -> Response {
        if error.is_from_response() {
            return error.into_response();
        }
        let (status, code, message) = if error.is::<NotFoundError>() || error.is::<ParsePathError>() {
            (StatusCode::NOT_FOUND, "ROUTE_NOT_FOUND", format!("There is nothing at `{}`.", shorten(path)))
        } else if error.is::<MethodNotAllowedError>() {
            (
                StatusCode::METHOD_NOT_ALLOWED,
                "METHOD_NOT_ALLOWED",
                format!("{path} does not answer to {method}."),
            )
        } else if let Some(error) = error.downcast_ref::<ParseRequestPayloadError>() {
            (StatusCode::BAD_REQUEST, "BODY_MALFORMED", format!("The body is not JSON: {}.", error.reason))
        } else if let Some(error) = error.downcast_ref::<ContentTypeError>() {
            let found = match error {
                ContentTypeError::NotSupported { content_type } => {
                    format!("it says `Content-Type: {content_type}`")
                }
                ContentTypeError::ExpectContentType => "it does not say what it is".to_owned(),
            };
            let message =
                format!("The body must be JSON, sent with `Content-Type: application/json`; {found}.");
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message)
        } else if let Some(error) = error.downcast_ref::<ParseParamError>() {
            let message = format!("The parameter `{}` cannot be used: {}", error.name, error.reason);
            (StatusCode::UNPROCESSABLE_ENTITY, "PARAMETER_INVALID", message)
        } else if let Some(error) = error.downcast_ref::<ParseQueryError>() {
            let message = format!("The query cannot be used: {error}");
            (StatusCode::UNPROCESSABLE_ENTITY, "PARAMETER_INVALID", message)
        } else if error.is::<WebSocketError>() {
            let message = format!("{path} speaks WebSocket only: connect to it with `ws://`.");
            (StatusCode::UPGRADE_REQUIRED, "WEBSOCKET_REQUIRED", message)
        } else if error.status().is_client_error() {
            (error.status(), "REQUEST_INVALID", format!("The request cannot be used: {error}."))
        } else {
            return Self::internal(error).into_response();
        };
        Self::new(status, code, message).into_response()
    }
}

/// Gives every error below it the one form.
pub(crate) async fn uniform<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let (method, path) = (request.method().clone(), request.original_uri().path().to_owned());
    match next.call(request).await {
        Ok(response) => Ok(response.into_response()),
        Err(error) => Ok(ApiError::of_poem(error, &method, &path)),
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        let (status, code) = match &error {
            AppError::Config(error) => return Self::config(error),
            AppError::Request { message, problems } => {
                let (status, problems) = (StatusCode::UNPROCESSABLE_ENTITY, problems.clone());
                return Self { problems, ..Self::new(status, "REQUEST_INVALID", message) };
            }
            AppError::Queue(QueueError::Unavailable(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "QUEUE_UNAVAILABLE")
            }
            AppError::Queue(QueueError::InvalidCursor(_)) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "PARAMETER_INVALID")
            }
            AppError::Queue(_) | AppError::Storage(_) => return Self::internal(error),
            AppError::NoExperiment(_) => (StatusCode::NOT_FOUND, "EXPERIMENT_NOT_FOUND"),
            AppError::NotResumable(..) => (StatusCode::CONFLICT, "EXPERIMENT_NOT_RESUMABLE"),
            AppError::NoPipeline(..) => (StatusCode::NOT_FOUND, "CONFIG_NOT_FOUND"),
            AppError::NoReport(_) | AppError::Elsewhere(_) => (StatusCode::NOT_FOUND, "REPORT_NOT_FOUND"),
            AppError::NoModel(..) => (StatusCode::CONFLICT, "EXPERIMENT_NOT_FINISHED"),
            AppError::Prediction(_) => (StatusCode::INTERNAL_SERVER_ERROR, "PREDICTION_TASK_FAILED"),
            AppError::Late { .. } => (StatusCode::GATEWAY_TIMEOUT, "PREDICTION_TIMEOUT"),
            AppError::Running(_) => (StatusCode::CONFLICT, "EXPERIMENT_RUNNING"),
            AppError::NoFile(_) | AppError::NoFiles(_) => (StatusCode::NOT_FOUND, "FILE_NOT_FOUND"),
            AppError::NoImage(_) => (StatusCode::NOT_FOUND, "REPORT_IMAGE_NOT_FOUND"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<Problem> for ProblemView {
    fn from(problem: Problem) -> Self {
        Self { pointer: shorten(&problem.pointer), message: problem.message }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let errors = Some(self.problems).filter(|problems| !problems.is_empty());
        let errors = errors.map(|problems| problems.into_iter().map(ProblemView::from).collect());
        let detail = ErrorDetail { error_code: self.code, message: self.message, errors };
        Json(ErrorView { detail }).with_status(self.status).into_response()
    }
}

impl From<ApiError> for poem::Error {
    fn from(error: ApiError) -> Self {
        Self::from_response(error.into_response())
    }
}

impl ApiResponse for ApiError {
    fn meta() -> MetaResponses {
        let content =
            MetaMediaType { content_type: Json::<ErrorView>::CONTENT_TYPE, schema: ErrorView::schema_ref() };
        let any = MetaResponse {
            description: "What went wrong.",
            status: None,
            status_range: None,
            content: vec![content],
            headers: Vec::new(),
        };
        MetaResponses { responses: vec![any] }
    }

    fn register(registry: &mut Registry) {
        ErrorView::register(registry);
    }
}
