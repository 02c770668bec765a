//! What is kept of experiments: what people say of them, their files, and that they can be removed.

use poem::Body;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::Path,
    payload::{Binary, Json},
    types::MaybeUndefined,
};

use super::{PREFIX, Views};
use crate::{
    Notes,
    error::ApiResult,
    headers,
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

/// A file of a run.
#[derive(ApiResponse)]
enum StoredFile {
    #[oai(status = 200)]
    File(
        Binary<Body>,
        #[oai(header = "Content-Type")] String,
        #[oai(header = "Content-Length")] String,
        #[oai(header = "Content-Disposition")] String,
        #[oai(header = "Content-Security-Policy")] String,
    ),
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
}

impl Keeping {
    async fn stored(&self, id: &str, name: &str) -> ApiResult<StoredFile> {
        let (file, length) = self.0.file(id, name).await?;
        let kind = content_type(name);
        let how = if kind == "application/octet-stream" { "attachment" } else { "inline" };
        // A name of a file has no quotes in it.
        let plain = name.rsplit('/').next().unwrap_or(name);
        Ok(StoredFile::File(
            Binary(Body::from_async_read(file)),
            kind.to_owned(),
            length.to_string(),
            format!("{how}; filename=\"{plain}\""),
            headers::ARTEFACT.to_owned(),
        ))
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
