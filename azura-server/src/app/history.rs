//! The course of a run, of its log.

use std::{collections::BTreeMap, io, sync::Arc};

use azura_learner::report::thin;
use azura_queue::{Entry, EventKind, Seq, State};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::{App, Result};
use crate::runs;

/// How many entries are read at a time: each may hold a forecast.
const READ: usize = 1000;
const EPOCH: &str = "epoch";

/// What a log tells of a run up to a place in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Course {
    /// The number of the last entry that it is made of.
    pub seq: Seq,
    /// The attempt of that entry.
    pub attempt: u32,
    /// The epochs, rising. What a later attempt did again stands for what was there before.
    pub epochs: Vec<u64>,
    /// Every number that is told of epochs, by name: `loss`, `val_loss`, `lr`, `total_epochs`. Each as long as `epochs`.
    pub figures: BTreeMap<String, Vec<Option<f64>>>,
    /// The newest forecast of the validation part.
    pub validation: Option<Value>,
    /// What else happened: everything but progress.
    pub events: Vec<Entry>,
}

impl Course {
    /// What a log tells up to its end, which is told by the queue alone.
    pub(crate) fn of(log: &[Entry]) -> Self {
        let mut course = Self::default();
        log.iter().filter(|entry| !entry.kind.is_terminal()).cloned().for_each(|entry| course.add(entry));
        course
    }

    fn add(&mut self, mut entry: Entry) {
        self.seq = entry.seq.unwrap_or(self.seq);
        self.attempt = entry.attempt;
        match entry.kind {
            EventKind::Progress => {
                let Some(epoch) = entry.details[EPOCH].as_u64() else { return };
                self.truncate(|there| there < epoch);
                self.push(epoch, &entry.details);
                match entry.details["validation_data"].take() {
                    Value::Null => {}
                    newest => self.validation = Some(newest),
                }
            }
            kind => {
                if kind == EventKind::Started {
                    let from = entry.details["from_epoch"].as_u64().unwrap_or(0);
                    self.truncate(|there| there <= from);
                }
                self.events.push(entry);
            }
        }
    }

    /// Keeps the epochs before the first that is not to stay.
    fn truncate(&mut self, stays: impl Fn(u64) -> bool) {
        let kept = self.epochs.iter().rposition(|&epoch| stays(epoch)).map_or(0, |last| last + 1);
        self.epochs.truncate(kept);
        self.figures.values_mut().for_each(|column| column.truncate(kept));
    }

    /// Keeps so many epochs at most: the ends, and of each stretch those with the least and the greatest value of each figure, if there is room for
    /// a stretch, of two epochs for each figure.
    pub(crate) fn thin(&mut self, points: usize) {
        let numbers = |column: &Vec<Option<f64>>| -> Vec<f64> {
            column.iter().map(|value| value.unwrap_or(f64::NAN)).collect()
        };
        // How many epochs there are to be is no curve.
        let curves = self.figures.iter().filter(|(name, _)| *name != "total_epochs");
        let columns: Vec<_> = curves.map(|(_, column)| numbers(column)).collect();
        let columns: Vec<_> = columns.iter().map(Vec::as_slice).collect();
        if self.epochs.len() <= points || columns.is_empty() {
            return;
        }
        let kept = thin(&columns, points);
        self.epochs = kept.iter().map(|&at| self.epochs[at]).collect();
        for column in self.figures.values_mut() {
            *column = kept.iter().map(|&at| column[at]).collect();
        }
    }

    fn push(&mut self, epoch: u64, details: &Value) {
        let before = self.epochs.len();
        self.epochs.push(epoch);
        let figures = details.as_object().into_iter().flatten();
        for (name, value) in figures.filter(|(name, _)| *name != EPOCH) {
            let Some(value) = value.as_f64() else { continue };
            if let Some(column) = self.figures.get_mut(name) {
                column.push(Some(value));
            } else {
                let mut column = vec![None; before];
                column.push(Some(value));
                self.figures.insert(name.clone(), column);
            }
        }
        self.figures.values_mut().for_each(|column| column.resize(before + 1, None));
    }
}

impl App {
    /// The course of a run so far, and its state. What comes after it can be [followed](Self::follow) from [`Course::seq`] on.
    ///
    /// # Errors
    /// [`AppError::NoExperiment`](super::AppError::NoExperiment).
    pub async fn course(self: &Arc<Self>, id: &str) -> Result<(State, Course)> {
        let record = self.record(id).await?;
        // What is known of a run that has ended need not be read again entry by entry.
        let mut course = Course::default();
        if record.state.is_terminal() {
            let (app, task, name) = (Arc::clone(self), record.id, runs::experiment_id(&record));
            let kept =
                spawn_blocking(move || app.runs.course(&name, task)).await.map_err(io::Error::other)?;
            course = kept.unwrap_or_default();
        }
        // While one part is gone through, the next is read.
        let begin = course.seq;
        let parts = (0..).map(|n| self.queue.read(&record.id, begin + n * READ as Seq, READ));
        let mut parts = stream::iter(parts).buffered(2);
        while let Some(entries) = parts.try_next().await? {
            let (more, seen) = (entries.len() == READ, Some(course.seq));
            // Of a log whose beginning is gone, the first part tells what follows.
            for entry in entries.into_iter().filter(|entry| entry.seq > seen) {
                course.add(entry);
            }
            if !more {
                break;
            }
        }
        Ok((record.state, course))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_thin_course_keeps_its_peaks_and_its_ends() {
        let mut course = Course::default();
        for epoch in 1..=1000_u32 {
            let loss = if epoch == 333 { 99.0 } else { 1.0 / f64::from(epoch) };
            course.push(
                epoch.into(),
                &json!({"loss": loss, "val_loss": if epoch % 500 == 0 { json!(3) } else { Value::Null }}),
            );
        }
        let whole = course.clone();
        course.thin(1000);
        assert_eq!(course, whole);
        course.thin(50);
        let at = |epoch: u64| course.epochs.iter().position(|&kept| kept == epoch).unwrap();
        assert!(course.epochs.len() <= 50 && course.epochs.is_sorted(), "{:?}", course.epochs);
        assert_eq!((course.figures["loss"][at(1)], course.figures["loss"][at(333)]), (Some(1.0), Some(99.0)));
        assert_eq!(
            (course.figures["val_loss"][at(500)], course.figures["val_loss"][at(1000)]),
            (Some(3.0), Some(3.0))
        );
        assert!(course.figures.values().all(|column| column.len() == course.epochs.len()));
    }

    #[test]
    fn what_a_later_attempt_did_again_counts() {
        let mut course = Course::default();
        let mut seq = 0;
        let mut tell = |kind, attempt, details| {
            seq += 1;
            course.add(Entry::new(
                kind,
                Some(seq),
                attempt,
                details,
                "2026-03-01T12:00:00Z".parse().unwrap(),
            ));
        };
        let epoch = |epoch: u32, loss: f64| json!({"epoch": epoch, "total_epochs": 4, "loss": loss, "status_text": "x"});
        tell(EventKind::Started, 1, json!({"attempt": 1, "from_epoch": 0}));
        tell(EventKind::Progress, 1, epoch(1, 9.0));
        let validated =
            json!({"epoch": 2, "loss": 8.0, "val_loss": 7.5, "validation_data": {"y_true": [1.0]}});
        tell(EventKind::Progress, 1, validated);
        tell(EventKind::Progress, 1, epoch(3, 7.0));
        tell(EventKind::Started, 2, json!({"attempt": 2, "from_epoch": 2}));
        tell(EventKind::Progress, 2, epoch(3, 6.0));
        tell(EventKind::Progress, 2, json!({"epoch": 4, "loss": null}));
        let column = |values: [f64; 3]| values.into_iter().map(Some).chain([None]).collect::<Vec<_>>();
        let figures = BTreeMap::from([
            ("loss".to_owned(), column([9.0, 8.0, 6.0])),
            ("total_epochs".to_owned(), vec![Some(4.0), None, Some(4.0), None]),
            ("val_loss".to_owned(), vec![None, Some(7.5), None, None]),
        ]);
        assert_eq!((course.seq, course.attempt, &course.epochs[..]), (7, 2, &[1, 2, 3, 4][..]));
        assert_eq!((course.figures, course.validation), (figures, Some(json!({"y_true": [1.0]}))));
        assert_eq!(course.events.len(), 2);
    }
}
