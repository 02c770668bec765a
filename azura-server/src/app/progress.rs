//! How far a run that is worked on has come, without reading its log.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use azura_queue::{Entry, EventKind, Keep, QueueError, Seq, State, TaskId};

use super::{App, Result};
use crate::runs::Run;

/// The most points of the course of a loss.
const POINTS: u64 = 32;
/// The courses of more runs than this are not remembered.
const REMEMBERED: usize = 1000;

/// The last epoch that a run has told of.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// The number of the entry in its log.
    pub seq: Seq,
    /// The attempt that told it.
    pub attempt: u32,
    /// The epoch, from 1.
    pub epoch: u64,
    /// How many epochs are planned.
    pub total_epochs: u64,
    /// The loss, unless it is no number.
    pub loss: Option<f64>,
    /// The loss on the validation part, if the epoch was validated.
    pub val_loss: Option<f64>,
    /// The learning rate, if it is told.
    pub lr: Option<f64>,
}

impl Progress {
    fn of(entry: &Entry) -> Option<Self> {
        let figure = |name: &str| entry.details[name].as_f64();
        let progress = || {
            Some(Self {
                seq: entry.seq?,
                attempt: entry.attempt,
                epoch: entry.details["epoch"].as_u64()?,
                total_epochs: entry.details["total_epochs"].as_u64()?,
                loss: figure("loss"),
                val_loss: figure("val_loss"),
                lr: figure("lr"),
            })
        };
        (entry.kind == EventKind::Progress).then(progress).flatten()
    }
}

/// The loss of each run that is worked on, as it is shown in a small picture.
#[derive(Debug, Default)]
pub(super) struct Courses(Mutex<HashMap<TaskId, Points>>);

/// What was read of a log: the entries whose numbers are multiples of a power of two, the epoch and the loss of those that tell of one. As the log
/// grows every second one is left out, so that each entry is read once, and few are.
type Points = Vec<(Seq, Option<(u64, Option<f64>)>)>;

impl Courses {
    fn all(&self) -> MutexGuard<'_, HashMap<TaskId, Points>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, task: TaskId, points: Points) {
        let mut all = self.all();
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(task, points);
    }
}

/// The distance of the entries that are read of a log of this length.
fn step(last: Seq) -> Seq {
    (last / POINTS + 1).next_power_of_two()
}

/// The losses by epoch. What a later attempt did again stands for what was there before.
fn losses(points: &Points, newest: &Progress) -> Vec<Option<f64>> {
    let mut course: Vec<(u64, Option<f64>)> = Vec::new();
    let epochs = points.iter().filter_map(|(_, told)| *told);
    for (epoch, loss) in epochs.chain([(newest.epoch, newest.loss)]) {
        let kept = course.iter().rposition(|(before, _)| *before < epoch).map_or(0, |last| last + 1);
        course.truncate(kept);
        course.push((epoch, loss));
    }
    course.into_iter().map(|(_, loss)| loss).collect()
}

impl App {
    /// The last epoch that was told of a task, by this attempt if one is given.
    pub(super) async fn progress(&self, task: &TaskId, by: Option<u32>) -> Result<Option<Progress>> {
        match self.queue.newest(task, Keep::All).await {
            Ok(entry) => {
                let told = entry.as_ref().and_then(Progress::of);
                Ok(told.filter(|told| by.is_none_or(|attempt| told.attempt == attempt)))
            }
            Err(QueueError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds to a run how far it has come, or came, unless it has results that say more.
    pub(super) async fn with_progress(&self, mut run: Run) -> Result<Run> {
        let (task, attempt) = (run.record.id, run.record.attempt);
        let state = run.record.state;
        if state != State::Started {
            self.courses.all().remove(&task);
        }
        run.progress = match state {
            State::Started => self.progress(&task, Some(attempt)).await?,
            State::Failure | State::Revoked => self.progress(&task, None).await?,
            _ => None,
        };
        if let (State::Started, Some(progress)) = (state, &run.progress) {
            run.losses = self.losses(task, progress).await?;
        }
        Ok(run)
    }

    /// The course of the loss up to this epoch, thinned.
    async fn losses(&self, task: TaskId, newest: &Progress) -> Result<Vec<Option<f64>>> {
        let before = newest.seq - 1;
        let step = step(before);
        let mut points = self.courses.all().get(&task).cloned().unwrap_or_default();
        points.retain(|(seq, _)| seq % step == 0);
        let read = points.last().map_or(0, |(seq, _)| *seq);
        for seq in (read + step..=before).step_by(step as usize) {
            let entry = match self.queue.read(&task, seq - 1, 1).await {
                Ok(entries) => entries.into_iter().next(),
                Err(QueueError::NotFound(_)) => None,
                Err(error) => return Err(error.into()),
            };
            let told = entry.as_ref().and_then(Progress::of);
            points.push((seq, told.map(|told| (told.epoch, told.loss))));
        }
        let losses = losses(&points, newest);
        self.courses.remember(task, points);
        Ok(losses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest(epoch: u64, loss: f64) -> Progress {
        let (seq, attempt, total_epochs, loss) = (1, 1, 9, Some(loss));
        Progress { seq, attempt, epoch, total_epochs, loss, val_loss: None, lr: None }
    }

    #[test]
    fn few_entries_of_a_log_are_read_and_none_anew_as_it_grows() {
        assert_eq!([0, 31, 32, 63, 64, 100_000].map(step), [1, 1, 2, 2, 4, 4096]);
        for last in 1..10_000 {
            assert!(last / step(last) < POINTS, "{last}");
            assert_eq!(step(last + 1) % step(last), 0);
        }
    }

    #[test]
    fn what_was_done_again_counts() {
        let told = |epoch: u64| Some((epoch, Some(epoch as f64)));
        let points = vec![(2, None), (4, told(2)), (6, told(4)), (8, None), (10, Some((3, None)))];
        assert_eq!(losses(&points, &newest(5, 0.5)), [Some(2.0), None, Some(0.5)]);
        assert_eq!(losses(&points, &newest(1, 0.5)), [Some(0.5)]);
    }
}
