//! The course of a run, as charts read it.

use std::collections::BTreeMap;

use azura_queue::{Entry, State};
use poem_openapi::Object;
use serde_json::Value;

use super::{Status, iso};
use crate::app::Course;

/// The course of a run so far.
#[derive(Object)]
pub(crate) struct HistoryView {
    /// Follow it from here on, with `?after=`.
    seq: u64,
    attempt: u32,
    status: Status,
    /// `epoch`, and by name each figure that was told of epochs: columns of equal length. What a later attempt did again stands for what was there
    /// before.
    columns: BTreeMap<String, Vec<Option<f64>>>,
    /// How many epochs were told: more than there are in the columns if those are thinned.
    epochs: usize,
    /// The newest forecast of the validation part, or null.
    validation: Option<Value>,
    /// Everything that happened besides progress.
    events: Vec<EventView>,
}

/// Something that happened to a run.
#[derive(Object)]
struct EventView {
    state: String,
    seq: Option<u64>,
    attempt: u32,
    time: String,
    details: Value,
}

impl HistoryView {
    /// With so many epochs at most.
    pub(crate) fn new(state: State, mut course: Course, points: Option<u32>) -> Self {
        let told = course.epochs.len();
        if let Some(points) = points {
            course.thin(points as usize);
        }
        let mut columns = course.figures;
        let epochs = course.epochs.iter().map(|&epoch| Some(epoch as f64)).collect();
        columns.insert("epoch".to_owned(), epochs);
        let event = |event: Entry| EventView {
            state: event.kind.as_str().to_owned(),
            seq: event.seq,
            attempt: event.attempt,
            time: iso(event.at),
            details: event.details,
        };
        Self {
            seq: course.seq,
            attempt: course.attempt,
            status: state.into(),
            columns,
            epochs: told,
            validation: course.validation,
            events: course.events.into_iter().map(event).collect(),
        }
    }
}
