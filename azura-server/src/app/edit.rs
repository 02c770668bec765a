//! What people say of a run, and its end.

use std::{collections::BTreeMap, io, sync::Arc};

use azura_learner::config::{Invalid, Problem};
use azura_queue::QueueError;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::{App, AppError, Result};
use crate::runs::{self, ARCHIVED, NAME, NOTES, Run, STARRED, TAGS};

const MAX_NAME: usize = 200;
const MAX_NOTES: usize = 10_000;
const MAX_TAGS: usize = 20;
const MAX_TAG: usize = 50;

/// Changes of what people say of a run: what is `None` stays, and an empty text or list is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// What it is called, beside its id: at most 200 characters, in one line.
    pub name: Option<String>,
    /// Notes in Markdown, of at most 10 000 characters.
    pub notes: Option<String>,
    /// At most 20 words of at most 50 characters.
    pub tags: Option<Vec<String>>,
    /// Whether it stands out.
    pub starred: Option<bool>,
    /// Whether lists leave it out.
    pub archived: Option<bool>,
}

impl Notes {
    fn problems(&self) -> Vec<Problem> {
        let too_long = |text: &String, most: usize| text.chars().count() > most;
        let line = |text: &String, most| too_long(text, most) || text.chars().any(char::is_control);
        let one_line = |most| format!("must be one line of at most {most} characters");
        let mut problems = Vec::new();
        if self.name.as_ref().is_some_and(|name| line(name, MAX_NAME)) {
            problems.push(Problem::new("/name", one_line(MAX_NAME)));
        }
        if self.notes.as_ref().is_some_and(|notes| too_long(notes, MAX_NOTES)) {
            problems.push(Problem::new("/notes", format!("must have at most {MAX_NOTES} characters")));
        }
        let tags = self.tags.as_deref().unwrap_or_default();
        if tags.len() > MAX_TAGS {
            problems.push(Problem::new("/tags", format!("must be at most {MAX_TAGS}")));
        }
        let wrong = tags.iter().enumerate().filter(|(_, tag)| tag.trim().is_empty() || line(tag, MAX_TAG));
        problems.extend(wrong.map(|(i, _)| Problem::new(format!("/tags/{i}"), one_line(MAX_TAG))));
        problems
    }

    /// The labels that say the same.
    fn labels(self) -> BTreeMap<String, Option<String>> {
        let text = |text: String| Some(text).filter(|text| !text.trim().is_empty());
        let flag = |on: bool| on.then(|| "true".to_owned());
        let tags = |tags: Vec<String>| (!tags.is_empty()).then(|| json!(tags).to_string());
        let labels = [
            (NAME, self.name.map(text)),
            (NOTES, self.notes.map(text)),
            (TAGS, self.tags.map(tags)),
            (STARRED, self.starred.map(flag)),
            (ARCHIVED, self.archived.map(flag)),
        ];
        labels.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

impl App {
    /// Changes what is said of a run, in every state.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`], [`AppError::Request`].
    pub async fn annotate(self: &Arc<Self>, id: &str, notes: Notes) -> Result<Run> {
        let problems = notes.problems();
        if !problems.is_empty() {
            let wrong = Invalid(problems);
            return Err(AppError::Request { message: wrong.first(5, "; "), problems: wrong.0 });
        }
        let mut record = self.record(id).await?;
        record.labels = self.queue.annotate(&record.id, &notes.labels()).await?;
        if record.state.is_terminal() {
            let (app, of_disk) = (Arc::clone(self), record.clone());
            spawn_blocking(move || app.runs.relabel(&of_disk)).await.map_err(io::Error::other)??;
        }
        let (app, run) = (Arc::clone(self), self.with_progress(Run::new(record)).await?);
        Ok(spawn_blocking(move || app.outline(run)).await.map_err(io::Error::other)?)
    }

    /// Removes a run that has ended: its record, its log and its files.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`]; [`AppError::Running`] if it has not ended.
    pub async fn delete(self: &Arc<Self>, id: &str) -> Result<()> {
        let record = self.record(id).await?;
        let name = runs::experiment_id(&record);
        if !record.state.is_terminal() {
            return Err(AppError::Running(name));
        }
        // The files first: of a record without files nothing is restored.
        let (app, of_disk) = (Arc::clone(self), record.clone());
        spawn_blocking(move || app.runs.remove(&of_disk)).await.map_err(io::Error::other)??;
        match self.queue.delete(&record.id).await {
            Err(QueueError::NotFinished { .. }) => Err(AppError::Running(name)),
            // Somebody else was faster.
            Ok(()) | Err(QueueError::NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Run {
    /// What it is called beside its id.
    pub fn name(&self) -> Option<&str> {
        self.label(NAME)
    }

    /// Notes of people, in Markdown.
    pub fn notes(&self) -> Option<&str> {
        self.label(NOTES)
    }

    /// Words by which it is found.
    pub fn tags(&self) -> Vec<String> {
        self.label(TAGS).and_then(|tags| serde_json::from_str(tags).ok()).unwrap_or_default()
    }

    /// Whether it stands out.
    pub fn is_starred(&self) -> bool {
        self.label(STARRED).is_some()
    }

    /// Whether lists leave it out.
    pub fn is_archived(&self) -> bool {
        self.label(ARCHIVED).is_some()
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.record.labels.get(key).map(String::as_str)
    }
}
