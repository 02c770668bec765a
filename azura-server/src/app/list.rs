//! Which runs there are.

use std::{io, sync::Arc};

use azura_queue::{ListQuery, Page, State};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::{App, MAX_LIST, Result};
use crate::{
    TASK,
    runs::{ARCHIVED, BATCH_ID, EXPERIMENT_ID, Run},
    series,
};

/// Which runs to list. The default asks for the newest 100 that are not archived.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunQuery {
    /// How many at most, from 1 to 1000.
    pub limit: usize,
    /// Go on where the page ended that gave this as its [`Page::next`].
    pub cursor: Option<String>,
    /// Only in one of these states; empty: in any.
    pub states: Vec<State>,
    /// Only of this pipeline.
    pub pipeline: Option<String>,
    /// Only runs of this grid.
    pub batch: Option<String>,
    /// Only archived runs, or only those that are not.
    pub archived: bool,
    /// Only runs in which each of these words is found, in small or capital letters: somewhere in the ids, name, tags, pipeline, batch, data set or target,
    /// or, as `lr=0.01`, as a parameter of the config and its value.
    pub text: Option<String>,
    /// Whether what is in the folders of runs is read, with series thinned to 100 points. Without, they have no results but what is in their records.
    pub whole: bool,
}

impl Default for RunQuery {
    fn default() -> Self {
        Self {
            limit: 100,
            cursor: None,
            states: Vec::new(),
            pipeline: None,
            batch: None,
            archived: false,
            text: None,
            whole: false,
        }
    }
}

/// A few hints leave out almost as much as many, and a storage has limits.
const HINTS: usize = 16;

impl RunQuery {
    /// What the queue can tell apart itself.
    fn asked(&self, place: Option<String>, limit: usize) -> ListQuery {
        let mut asked = ListQuery::default().name(TASK).limit(limit);
        asked.states.clone_from(&self.states);
        asked.cursor = place;
        if let Some(batch) = &self.batch {
            asked = asked.label(BATCH_ID, batch);
        }
        let archived = self.archived.then(|| ARCHIVED.to_owned());
        asked.hints.extend(archived.into_iter().chain(self.pipeline.clone()));
        asked.hints.extend(self.words().flat_map(sure).take(HINTS).map(str::to_owned));
        // What was sent without its run's id, and not worked on, is found by the one that is made of its task.
        asked.hinted(EXPERIMENT_ID)
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.text.iter().flat_map(|text| text.split_whitespace())
    }

    fn matches(&self, run: &Run) -> bool {
        run.is_archived() == self.archived
            && self.pipeline.as_deref().is_none_or(|pipeline| run.pipeline() == pipeline)
            && self.words().all(|word| run.mentions(&word.to_lowercase()))
    }
}

/// What is written in a record in which a word is found. Of a parameter that is the end of its path, and its value if there is one way to write it.
fn sure(word: &str) -> impl Iterator<Item = &str> {
    let (path, value) = word.split_once('=').map_or((word, None), |(path, value)| (path, Some(value)));
    let name = value.and(path.rsplit_once('.')).map_or(path, |(_, name)| name);
    [Some(name), value.filter(|value| has_one_form(value))]
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
}

/// Whether a value is written so in JSON whenever it is [one that is written so](is): of `3` that is the beginning of `3.0`, and not the other way round.
fn has_one_form(value: &str) -> bool {
    let Ok(number) = value.replace(',', ".").parse::<f64>() else { return true };
    // Beyond these, programs write numbers with an exponent, or not.
    let plain = number == 0.0 || (1e-4..1e15).contains(&number.abs());
    plain && number.to_string() == value
}

impl Run {
    /// Whether a word in small letters is somewhere in what it is found by.
    fn mentions(&self, text: &str) -> bool {
        let data = ["/data_sourcing/dataset", "/data_sourcing/ticker", "/feature_engineering/target_col"];
        let data = data.map(|place| self.config().pointer(place).and_then(Value::as_str).unwrap_or_default());
        let labels = [self.name(), self.label(crate::runs::BATCH_NAME), self.label(BATCH_ID)];
        let has = |place: &str| place.to_lowercase().contains(text);
        has(&self.experiment_id())
            || has(&self.record.id.to_string())
            || has(self.pipeline())
            || data.into_iter().any(has)
            || labels.into_iter().flatten().any(has)
            || self.tags().iter().any(|tag| has(tag))
            || text.split_once('=').is_some_and(|(name, value)| has_parameter(self.config(), name, value))
    }
}

/// Whether a config has a parameter of this name, or of a path that ends so, with this value, both in small letters.
fn has_parameter(config: &Value, name: &str, value: &str) -> bool {
    let mut open = vec![(String::new(), config)];
    while let Some((path, there)) = open.pop() {
        let named = || path.strip_suffix(name).is_some_and(|before| before.ends_with('.'));
        match there {
            Value::Object(record) => {
                open.extend(
                    record.iter().map(|(key, inner)| (format!("{path}.{}", key.to_lowercase()), inner)),
                );
            }
            there if named() && is(there, value) => return true,
            _ => {}
        }
    }
    false
}

/// Whether a value is the one that is written so: of numbers the number counts, also with a decimal comma, of a list an entry.
fn is(there: &Value, written: &str) -> bool {
    match there {
        Value::Number(number) => written.replace(',', ".").parse() == Ok(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => text.to_lowercase() == written,
        Value::Array(items) => items.iter().any(|item| is(item, written)),
        Value::Bool(flag) => written.parse() == Ok(*flag),
        Value::Null => written == "null",
        Value::Object(_) => false,
    }
}

/// How many runs the queue is asked about at a time.
const AT_ONCE: usize = 8;

impl App {
    /// A page of the runs that the query asks for, newest first.
    ///
    /// # Errors
    /// [`AppError::Queue`](super::AppError::Queue), also if the cursor is from no earlier page.
    pub async fn list(self: &Arc<Self>, query: &RunQuery) -> Result<Page<Run>> {
        self.list_while(query, Some).await
    }

    /// A page of what becomes of the runs that the query asks for. It ends before the first run of which `take` makes nothing.
    pub(crate) async fn list_while<T: Send + 'static>(
        self: &Arc<Self>,
        query: &RunQuery,
        mut take: impl FnMut(Run) -> Option<T> + Send + 'static,
    ) -> Result<Page<T>> {
        let (found, more) = self.search(query).await?;
        let with_progress =
            async |(run, cursor)| -> Result<_> { Ok((self.with_progress(run).await?, cursor)) };
        let found: Vec<(Run, String)> =
            stream::iter(found).map(with_progress).buffered(AT_ONCE).try_collect().await?;
        let (app, whole) = (Arc::clone(self), query.whole);
        let taken = spawn_blocking(move || {
            let mut items = Vec::new();
            for (run, cursor) in found {
                let mut run = if whole { app.whole(run) } else { app.outline(run) };
                if let Some(results) = &mut run.results {
                    series::thin_all(Arc::make_mut(results), series::FEW);
                }
                match take(run) {
                    Some(item) => items.push((item, cursor)),
                    None => return Page::new(items, true),
                }
            }
            Page::new(items, more)
        });
        Ok(taken.await.map_err(io::Error::other)?)
    }

    /// The runs that the query asks for, each with the cursor of what comes behind it, and whether anything may.
    async fn search(&self, query: &RunQuery) -> Result<(Vec<(Run, String)>, bool)> {
        let limit = query.limit.clamp(1, MAX_LIST);
        let (mut found, mut place, mut length) = (Vec::new(), query.cursor.clone(), limit);
        loop {
            let page = self.queue.list(&query.asked(place, length)).await?;
            let runs = page.items.into_iter().map(Run::new).zip(page.cursors);
            for (run, cursor) in runs.filter(|(run, _)| query.matches(run)) {
                if found.len() == limit {
                    return Ok((found, true));
                }
                found.push((run, cursor));
            }
            if page.next.is_none() || found.len() == limit {
                return Ok((found, page.next.is_some()));
            }
            // Of what is rare more is looked through at a time.
            (place, length) = (page.next, MAX_LIST.min(2 * length));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_queue_is_asked_for_what_is_sure_to_be_in_a_record() {
        let hints =
            |text: &str| RunQuery { text: Some(text.into()), ..RunQuery::default() }.asked(None, 1).hints;
        assert_eq!(hints(" Nightly training_params.lr=0.01 x= ="), ["Nightly", "lr", "0.01", "x"]);
        // What may be written otherwise: 0.01, 3, 1e-5, 1e16, and so on.
        for value in [
            "0,01",
            "0.010",
            "1e-2",
            ".5",
            "3.0",
            "+3",
            "03",
            "10000000000000000",
            "0.00001",
            "nan",
            "inf",
            "-0.0",
        ] {
            let sure = hints(&format!("lr={value}"));
            assert!(sure == ["lr"], "{value}: {sure:?}");
        }
        for value in ["0.5", "3", "-3", "0.0001", "0", "gru", "true", "null"] {
            assert_eq!(hints(&format!("lr={value}")), ["lr", value]);
        }
    }

    #[test]
    fn parameters_are_found_by_name_and_value() {
        let config = json!({
            "training_params": {"lr": 0.01, "lr_schedule": null, "early_stopping": {"patience": 10}},
            "model_params": {"Kind": "GRU", "channels": [8, 16], "deep": true},
        });
        for (name, value, found) in [
            ("lr", "0.01", true),
            ("lr", "1e-2", true),
            ("lr", "0.010", true),
            ("lr", "0,01", true),
            ("lr", "0.1", false),
            ("r", "0.01", false),
            ("training_params.lr", "0.01", true),
            ("model_params.lr", "0.01", false),
            ("early_stopping.patience", "10", true),
            ("patience", "1", false),
            ("kind", "gru", true),
            ("kind", "gr", false),
            ("channels", "16", true),
            ("lr_schedule", "null", true),
            ("deep", "true", true),
            ("early_stopping", "10", false),
            ("", "0.01", false),
        ] {
            assert_eq!(has_parameter(&config, name, value), found, "{name}={value}");
        }
    }
}
