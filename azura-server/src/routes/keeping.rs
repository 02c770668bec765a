//! What is kept of experiments: what people say of them, their files, and that they can be removed.

use poem::{Body, IntoResponse, Response, http::header};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::Path,
    payload::{Binary, Json, Payload as _},
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::MaybeUndefined,
};

use super::{PREFIX, Views};
use crate::{
    Notes,
    error::ApiResult,
    etag, headers,
    views::{ExperimentView, FileView, content_type},
};

pub(super) struct Keeping(pub Views);

/// What is to change of what people say of an experiment. What is left out stays; null removes.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct NotesView {
    /// One line of at most 200 characters.
    name: MaybeUndefined<String>,
    /// Markdown of at most 10 000 characters.
    notes: MaybeUndefined<String>,
    /// At most 20 of at most 50 characters.
    tags: MaybeUndefined<Vec<String>>,
    starred: MaybeUndefined<bool>,
    /// Whether lists leave it out.
    archived: MaybeUndefined<bool>,
}

/// It is gone.
#[derive(ApiResponse)]
enum Deleted {
    #[oai(status = 204)]
    Gone,
}

/// All files of a run.
#[derive(ApiResponse)]
enum Archive {
    #[oai(status = 200, content_type = "application/zip")]
    Zip(Binary<Body>, #[oai(header = "Content-Disposition")] String),
}

/// A file of a run, as what it is.
struct StoredFile(Response);

impl IntoResponse for StoredFile {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for StoredFile {
    fn meta() -> MetaResponses {
        let file = MetaMediaType { content_type: "*/*", schema: Binary::<Vec<u8>>::schema_ref() };
        let found = MetaResponse {
            description: "The file.",
            status: Some(200),
            status_range: None,
            content: vec![file],
            headers: Vec::new(),
        };
        MetaResponses { responses: vec![found] }
    }

    fn register(_: &mut Registry) {}
}

#[OpenApi(prefix_path = PREFIX)]
impl Keeping {
    /// Changes what people say of an experiment.
    #[oai(path = "/experiments/:id", method = "patch")]
    async fn annotate(&self, id: Path<String>, notes: Json<NotesView>) -> ApiResult<Json<ExperimentView>> {
        let run = self.0.annotate(&id, notes.0.into()).await?;
        Ok(Json(self.0.view(run).summary()))
    }

    /// Removes an experiment that has ended, with its files. 409 if it has not.
    #[oai(path = "/experiments/:id", method = "delete")]
    async fn delete(&self, id: Path<String>) -> ApiResult<Deleted> {
        self.0.delete(&id).await?;
        Ok(Deleted::Gone)
    }

    /// The files that an experiment has left, by name.
    #[oai(path = "/experiments/:id/files", method = "get")]
    async fn files(&self, id: Path<String>) -> ApiResult<Json<Vec<FileView>>> {
        Ok(Json(self.0.files(&id).await?.into_iter().map(FileView::from).collect()))
    }

    /// A file that an experiment has left.
    #[oai(path = "/experiments/:id/files/:name", method = "get")]
    async fn file(&self, id: Path<String>, name: Path<String>) -> ApiResult<StoredFile> {
        self.stored(&id, &name).await
    }

    /// A picture among the files that an experiment has left.
    #[oai(path = "/experiments/:id/files/images/:name", method = "get")]
    async fn picture(&self, id: Path<String>, name: Path<String>) -> ApiResult<StoredFile> {
        self.stored(&id, &format!("images/{}", name.0)).await
    }

    /// All files that an experiment has left, as a zip: in a folder of the experiment's name.
    #[oai(path = "/experiments/:id/archive", method = "get")]
    async fn archive(&self, id: Path<String>) -> ApiResult<Archive> {
        let (run, chunks) = self.0.archive(&id).await?;
        let name = format!("attachment; filename=\"{run}.zip\"");
        Ok(Archive::Zip(Binary(Body::from_bytes_stream(chunks)), name))
    }
}

impl Keeping {
    async fn stored(&self, id: &str, name: &str) -> ApiResult<StoredFile> {
        let (file, metadata) = self.0.file(id, name).await?;
        let kind = content_type(name);
        let how = if kind == "application/octet-stream" { "attachment" } else { "inline" };
        // A name of a file has no quotes in it.
        let plain = name.rsplit('/').next().unwrap_or(name);
        let response = Response::builder()
            .content_type(kind)
            .header(header::CONTENT_LENGTH, metadata.len())
            .header(header::ETAG, etag::of_file(&metadata))
            .header(header::CONTENT_DISPOSITION, format!("{how}; filename=\"{plain}\""))
            .header(header::CONTENT_SECURITY_POLICY, headers::ARTEFACT);
        Ok(StoredFile(response.body(Body::from_async_read(file))))
    }
}

impl From<NotesView> for Notes {
    fn from(view: NotesView) -> Self {
        /// Null is what is empty.
        fn change<T: Default>(value: MaybeUndefined<T>) -> Option<T> {
            match value {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(T::default()),
                MaybeUndefined::Value(value) => Some(value),
            }
        }
        Self {
            name: change(view.name),
            notes: change(view.notes),
            tags: change(view.tags),
            starred: change(view.starred),
            archived: change(view.archived),
        }
    }
}
