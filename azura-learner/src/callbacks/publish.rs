use super::{Callback, CallbackError, Flow, TrainCx};
use crate::Metrics;
use azura_core::Tensor;
use serde::Serialize;
use serde_json::Value;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// What [`Publish`] tells the outside.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ProgressEvent {
    /// At each epoch's end.
    Epoch {
        /// The epoch, from 1.
        epoch: usize,
        /// How many epochs are planned.
        total_epochs: usize,
        /// The metrics of the epoch: `loss`, and `val_loss` on validated ones.
        #[serde(flatten)]
        metrics: Metrics,
        /// A sentence for people.
        status_text: String,
        /// The pipeline that trains, if one does.
        #[serde(skip_serializing_if = "Option::is_none")]
        pipeline_name: Option<String>,
        /// What the pipeline shows of a validation, on validated epochs.
        #[serde(skip_serializing_if = "Option::is_none")]
        validation_data: Option<Value>,
    },
    /// At most ten times a second, within an epoch.
    Batch {
        /// The epoch, from 1.
        epoch: usize,
        /// How many epochs are planned.
        total_epochs: usize,
        /// The batch within the epoch, from 1.
        batch: usize,
        /// The batches of the epoch.
        total_batches: usize,
        /// The loss of the batch.
        loss: f32,
    },
}

/// Batches are told at most this often.
const BATCH_INTERVAL: Duration = Duration::from_millis(100);

type Sink = Box<dyn Fn(&ProgressEvent) + Send>;
type View = Box<dyn FnMut(&Tensor) -> Option<Value> + Send>;

/// Tells one closure of every epoch, and of some batches. The closure must not block: it runs on the training thread.
///
/// ```
/// use azura_learner::{ProgressEvent, Publish};
///
/// let publish = Publish::new(|event: &ProgressEvent| {
///     if let ProgressEvent::Epoch { status_text, .. } = event {
///         println!("{status_text}");
///     }
/// });
/// # let _ = publish;
/// ```
pub struct Publish {
    sink: Sink,
    pipeline: Option<String>,
    view: Option<View>,
    validation_data: Option<Value>,
    /// How many epochs the sink knows already; if nobody says, those before an interruption.
    known: Option<usize>,
    last_batch: Option<Instant>,
}

impl Publish {
    /// Tells `sink`.
    pub fn new(sink: impl Fn(&ProgressEvent) + Send + 'static) -> Self {
        Self {
            sink: Box::new(sink),
            pipeline: None,
            view: None,
            validation_data: None,
            known: None,
            last_batch: None,
        }
    }

    /// Says which pipeline trains.
    #[must_use]
    pub fn pipeline(mut self, name: impl Into<String>) -> Self {
        self.pipeline = Some(name.into());
        self
    }

    /// Says that just the first `epochs` epochs were told before an interruption. A training that goes on from a later one tells at
    /// its beginning of those between, from its history; one that goes on from an earlier one does not tell of them again.
    /// Without this, all that were before the interruption count as told.
    #[must_use]
    pub fn after(mut self, epochs: usize) -> Self {
        self.known = Some(epochs);
        self
    }

    /// Makes `validation_data` of the model's output for the validation samples.
    #[must_use]
    pub fn validation_view(mut self, view: impl FnMut(&Tensor) -> Option<Value> + Send + 'static) -> Self {
        self.view = Some(Box::new(view));
        self
    }
}

impl Publish {
    fn tell(&self, epoch: usize, metrics: Metrics, validation_data: Option<Value>, cx: &TrainCx<'_>) {
        if self.known.is_some_and(|known| epoch <= known) {
            return;
        }
        let total_epochs = cx.progress.total_epochs;
        let text: Vec<_> = metrics.iter().map(|(name, value)| format!("{name} {value:.6}")).collect();
        (self.sink)(&ProgressEvent::Epoch {
            epoch,
            total_epochs,
            metrics,
            status_text: format!("Epoch {epoch}/{total_epochs} done, {}", text.join(", ")),
            pipeline_name: self.pipeline.clone(),
            validation_data,
        });
    }
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

impl Callback for Publish {
    fn wants_validation_output(&self) -> bool {
        self.view.is_some()
    }

    fn on_train_begin(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        let resumed = cx.progress.epoch;
        for epoch in self.known.map_or(resumed, |known| known.min(resumed)) + 1..=resumed {
            let metrics =
                cx.history.iter().filter_map(|(name, all)| Some((name.to_owned(), all[epoch - 1]?)));
            self.tell(epoch, metrics.collect(), None, cx);
        }
        Ok(Flow::Continue)
    }

    fn on_batch_end(&mut self, loss: f32, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        let now = Instant::now();
        if self.last_batch.is_none_or(|last| now.duration_since(last) >= BATCH_INTERVAL) {
            self.last_batch = Some(now);
            let at = cx.progress;
            (self.sink)(&ProgressEvent::Batch {
                epoch: at.epoch,
                total_epochs: at.total_epochs,
                batch: at.batch,
                total_batches: at.total_batches,
                loss,
            });
        }
        Ok(Flow::Continue)
    }

    fn on_validation_end(
        &mut self,
        output: Option<&Tensor>,
        _: &mut TrainCx<'_>,
    ) -> Result<Flow, CallbackError> {
        if let (Some(view), Some(output)) = (&mut self.view, output) {
            self.validation_data = view(output);
        }
        Ok(Flow::Continue)
    }

    fn on_epoch_end(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        let validation_data = self.validation_data.take();
        self.tell(cx.progress.epoch, cx.metrics.clone(), validation_data, cx);
        Ok(Flow::Continue)
    }
}
