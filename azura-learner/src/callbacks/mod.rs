//! Callbacks: what watches a training, and may change or stop it.

mod best_checkpoint;
mod checkpoint;
mod clip_gradients;
mod early_stopping;
mod epoch_log;
mod from_fn;
mod gradient_stats;
mod lr_schedule;
mod progress_bar;
mod publish;
mod terminate_on_nan;

pub use best_checkpoint::BestCheckpoint;
pub use checkpoint::Checkpoint;
pub use clip_gradients::ClipGradients;
pub use early_stopping::EarlyStopping;
pub use epoch_log::{CsvLog, JsonLog};
pub use from_fn::{FromFn, from_fn};
pub use gradient_stats::GradientStats;
pub use lr_schedule::LrSchedule;
pub use progress_bar::ProgressBar;
pub use publish::{ProgressEvent, Publish};
pub use terminate_on_nan::TerminateOnNan;

use crate::{
    Error, History, Metrics, Optimizer, Parameters, Snapshot, StateDict, module::type_name,
    snapshot::Requests,
};
use azura_core::{Grads, Tensor};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::sync::Arc;

/// What a callback may return as its error: anything that is one.
pub type CallbackError = Box<dyn std::error::Error + Send + Sync>;

/// Whether the training goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// It goes on.
    Continue,
    /// It ends after the current batch, for this reason.
    Stop(String),
}

/// How a training ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// All epochs were run.
    Completed,
    /// A callback asked to stop, for this reason.
    Stopped(String),
    /// It was cancelled from outside.
    Cancelled,
    /// It failed; the error's text.
    Failed(String),
}

/// What has just happened in the loop, in this order:
///
/// ```text
/// TrainBegin
///   EpochBegin
///     BatchBegin  Gradients  BatchEnd       for each batch; gradients only before a step
///     ValidationBegin  ValidationEnd        on validated epochs
///   EpochEnd                                not of an epoch that was cut short
/// Exception                                 if the training fails
/// TrainEnd                                  exactly once, last, on every path
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The training begins.
    TrainBegin,
    /// An epoch begins.
    EpochBegin,
    /// A batch begins.
    BatchBegin,
    /// The gradients of a step are there, and not yet used: [`TrainCx::grads`]. They are those of a batch, or of
    /// several that are [accumulated](crate::Learner::accumulate).
    Gradients,
    /// A batch was learned, with this loss.
    BatchEnd {
        /// The loss of the batch.
        loss: f32,
    },
    /// A validation begins.
    ValidationBegin,
    /// A validation has ended; its metrics are in [`TrainCx::metrics`].
    ValidationEnd {
        /// The model's output for all validation samples in order, if a callback
        /// [wants it](Callback::wants_validation_output).
        output: Option<&'a Tensor>,
    },
    /// An epoch has ended; [`TrainCx::history`] holds it.
    EpochEnd,
    /// The training fails.
    Exception {
        /// Why.
        error: &'a Error,
    },
    /// The training has ended.
    TrainEnd {
        /// How.
        outcome: &'a Outcome,
    },
}

/// Where a training stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The epoch, from 1; 0 before the first.
    pub epoch: usize,
    /// How many epochs are planned.
    pub total_epochs: usize,
    /// The batch within the epoch, from 1; 0 before the first.
    pub batch: usize,
    /// The batches of an epoch.
    pub total_batches: usize,
    /// The optimizer's steps so far.
    pub step: usize,
}

/// What a callback sees and may change. Made afresh for every event.
#[derive(Debug)]
#[non_exhaustive]
pub struct TrainCx<'a> {
    /// Where the training stands.
    pub progress: Progress,
    /// The epochs so far.
    pub history: &'a History,
    /// The metrics of the current epoch so far. What is put here before the epoch's end enters the history.
    pub metrics: &'a mut Metrics,
    /// Why the training is about to end, if a callback has asked for that.
    pub stop: Option<&'a str>,
    /// The parameters of the model.
    pub model: &'a mut dyn Parameters,
    /// The optimizer, with its learning rate.
    pub optimizer: &'a mut dyn Optimizer,
    /// The gradients, at [`Event::Gradients`] only.
    pub grads: Option<&'a mut Grads<f32>>,
    /// Who wants the state at the end of the epoch: [`TrainCx::snapshot`].
    pub(crate) requests: &'a mut Requests,
}

impl TrainCx<'_> {
    /// Asks for the whole state of the training, as it will be when every callback has seen the end of this epoch. `take` is
    /// called then, on the training's thread, so that it should not take long; never if the epoch is cut short.
    pub fn snapshot(&mut self, take: impl FnOnce(Arc<Snapshot>) + Send + 'static) {
        self.requests.0.push(Box::new(take));
    }
}

/// What a callback carries over an interruption: a small value, and tensors where it keeps some.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CallbackState {
    /// Everything but tensors, as JSON. Numbers that are not finite have no place there.
    pub value: Value,
    /// Tensors, such as the best weights so far.
    pub tensors: StateDict,
}

impl CallbackState {
    /// A state without tensors.
    ///
    /// # Errors
    /// If `value` has no JSON form.
    pub fn new(value: &impl Serialize) -> Result<Self, CallbackError> {
        Ok(Self { value: serde_json::to_value(value)?, ..Self::default() })
    }

    /// Adds tensors.
    #[must_use]
    pub fn tensors(mut self, tensors: StateDict) -> Self {
        self.tensors = tensors;
        self
    }

    /// The value as it was before it was JSON.
    ///
    /// # Errors
    /// If it is no such value.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, CallbackError> {
        Ok(T::deserialize(&self.value)?)
    }
}

/// The methods that `on_event` dispatches to, handed to `$make`.
macro_rules! hooks {
    ($make:ident) => {
        $make! {
            /// The training begins.
            on_train_begin();
            /// An epoch begins.
            on_epoch_begin();
            /// A batch begins.
            on_batch_begin();
            /// The gradients of a step are in [`TrainCx::grads`], to be looked at or changed.
            on_gradients();
            /// A batch was learned.
            on_batch_end(loss: f32);
            /// A validation begins.
            on_validation_begin();
            /// A validation has ended.
            on_validation_end(output: Option<&Tensor>);
            /// An epoch has ended.
            on_epoch_end();
            /// The training fails.
            on_exception(error: &Error);
            /// The training has ended. Comes exactly once, last.
            on_train_end(outcome: &Outcome);
        }
    };
}

/// Each continues by default.
macro_rules! defaults {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*);)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// An error ends the training as failed, after every callback has seen the event.
        #[allow(unused_variables, reason = "named for the documentation")]
        fn $name(&mut self, $($arg: $type,)* cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
            Ok(Flow::Continue)
        }
    )*};
}

/// A box does what the callback within does, so that one may wrap another.
macro_rules! forwards {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*);)*) => {$(
        fn $name(&mut self, $($arg: $type,)* cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
            (**self).$name($($arg,)* cx)
        }
    )*};
}

/// Something that is told of every event of a training.
///
/// Every callback sees every event, also after another asked to stop; the first reason wins, and an error beats a
/// stop. Implement one of the methods, or [`on_event`](Self::on_event) for all.
///
/// ```
/// use azura_learner::{Callback, CallbackError, Flow, TrainCx};
///
/// /// Halves the learning rate every ten epochs.
/// struct Halve;
///
/// impl Callback for Halve {
///     fn on_epoch_end(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
///         if cx.progress.epoch % 10 == 0 {
///             cx.optimizer.set_lr(cx.optimizer.lr() / 2.0);
///         }
///         Ok(Flow::Continue)
///     }
/// }
/// ```
pub trait Callback: Send {
    /// The name in error texts.
    fn name(&self) -> String {
        type_name::<Self>()
    }

    /// Callbacks of lower order see an event first; equal ones in the order in which they were added.
    fn order(&self) -> i32 {
        0
    }

    /// The metric it watches. One that the training never produces is an error at the start.
    fn monitors(&self) -> Option<&str> {
        None
    }

    /// The metrics that it adds to each epoch, which others may then watch.
    fn provides(&self) -> &[&str] {
        &[]
    }

    /// Whether [`Event::ValidationEnd`] shall carry the model's output. Collecting it takes memory.
    fn wants_validation_output(&self) -> bool {
        false
    }

    /// Called for every event; calls one of the methods below.
    ///
    /// # Errors
    /// An error ends the training as failed, after every callback has seen the event.
    fn on_event(&mut self, event: &Event<'_>, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        match event {
            Event::TrainBegin => self.on_train_begin(cx),
            Event::EpochBegin => self.on_epoch_begin(cx),
            Event::BatchBegin => self.on_batch_begin(cx),
            Event::Gradients => self.on_gradients(cx),
            Event::BatchEnd { loss } => self.on_batch_end(*loss, cx),
            Event::ValidationBegin => self.on_validation_begin(cx),
            Event::ValidationEnd { output } => self.on_validation_end(*output, cx),
            Event::EpochEnd => self.on_epoch_end(cx),
            Event::Exception { error } => self.on_exception(error, cx),
            Event::TrainEnd { outcome } => self.on_train_end(outcome, cx),
        }
    }

    hooks!(defaults);

    /// The state that a checkpoint carries, as it is at the end of an epoch; `None` if nothing is to be carried.
    ///
    /// # Errors
    /// If it cannot be told.
    fn save(&self) -> Result<Option<CallbackState>, CallbackError> {
        Ok(None)
    }

    /// Takes back what [`save`](Self::save) gave, before a training goes on. The event after it is the training's
    /// beginning, with the number of the saved epoch as [`Progress::epoch`].
    ///
    /// # Errors
    /// If the state is not its own; nothing is changed then.
    fn load(&mut self, _state: CallbackState) -> Result<(), CallbackError> {
        Ok(())
    }
}

impl<C: Callback + ?Sized> Callback for Box<C> {
    fn name(&self) -> String {
        (**self).name()
    }

    fn order(&self) -> i32 {
        (**self).order()
    }

    fn monitors(&self) -> Option<&str> {
        (**self).monitors()
    }

    fn provides(&self) -> &[&str] {
        (**self).provides()
    }

    fn wants_validation_output(&self) -> bool {
        (**self).wants_validation_output()
    }

    fn on_event(&mut self, event: &Event<'_>, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        (**self).on_event(event, cx)
    }

    hooks!(forwards);

    fn save(&self) -> Result<Option<CallbackState>, CallbackError> {
        (**self).save()
    }

    fn load(&mut self, state: CallbackState) -> Result<(), CallbackError> {
        (**self).load(state)
    }
}
