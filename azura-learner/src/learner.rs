//! The training loop.

mod checks;
mod group;
mod resume;

use crate::{
    Batches, Callback, Cx, Error, Event, Flow, History, Metrics, Module, Optimizer, Outcome, Parameters,
    Progress, Result, Snapshot, TrainCx, parameters, rng, snapshot::Requests,
};
use azura_core::{Grads, Tensor};
use checks::check_visits;
use group::Group;
use serde_json::Value;
use std::{
    fmt,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

type Loss<Y> = Box<dyn Fn(&Tensor, &Y) -> azura_core::Result<Tensor> + Send>;

/// Trains a model.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Adam, DataLoader, Learner, Linear, Outcome, Sequential, Tanh, TensorDataset, loss, seeded};
///
/// let x: Vec<f32> = (0..64).map(|i| i as f32 / 32.0 - 1.0).collect();
/// let y = x.iter().map(|x| x * x).collect();
/// let data = TensorDataset::new(&Tensor::from_vec(&[64, 1], x)?, &Tensor::from_vec(&[64, 1], y)?)?;
///
/// let rng = &mut seeded(1);
/// let model = Sequential::new().push(Linear::new(1, 16, rng)).push(Tanh).push(Linear::new(16, 1, rng));
/// let mut learner = Learner::new(model, Adam::new(0.01), loss::mse);
/// let fit = learner.fit(&mut DataLoader::new(data, 8).shuffle(1), None, 40)?;
///
/// assert_eq!(fit.outcome, Outcome::Completed);
/// assert!(fit.history.last("loss").unwrap() < 0.01);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[must_use]
pub struct Learner<M, X = Tensor, Y = Tensor> {
    model: M,
    optimizer: Box<dyn Optimizer>,
    loss: Loss<Y>,
    callbacks: Vec<Box<dyn Callback>>,
    cancelled: Box<dyn Fn() -> bool + Send>,
    seed: u64,
    validate_every: usize,
    accumulate: usize,
    non_finite: bool,
    config: Value,
    resumes: Option<Snapshot>,
    input: PhantomData<fn(&X)>,
}

/// What a training that did not fail has to tell.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Fit {
    /// How it ended.
    pub outcome: Outcome,
    /// What was measured.
    pub history: History,
}

/// What a pass over a data set without training has to tell.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Evaluation {
    /// The mean loss over all samples.
    pub loss: f64,
    /// The model's output for all samples in order, `[samples, ..]`, if asked for.
    pub output: Option<Tensor>,
}

impl<X: 'static, Y: 'static, M: Module<X>> Learner<M, X, Y> {
    /// Trains `model` by `optimizer` to make `loss(output, target)` small.
    pub fn new(
        model: M,
        optimizer: impl Optimizer + 'static,
        loss: impl Fn(&Tensor, &Y) -> azura_core::Result<Tensor> + Send + 'static,
    ) -> Self {
        Self {
            model,
            optimizer: Box::new(optimizer),
            loss: Box::new(loss),
            callbacks: Vec::new(),
            cancelled: Box::new(|| false),
            seed: 42,
            validate_every: 1,
            accumulate: 1,
            non_finite: false,
            config: Value::Null,
            resumes: None,
            input: PhantomData,
        }
    }

    /// Adds a callback.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self.callbacks.sort_by_key(Callback::order);
        self
    }

    /// Asks this before each batch, of training and of evaluation, whether to end as cancelled.
    pub fn cancelled(mut self, cancelled: impl Fn() -> bool + Send + 'static) -> Self {
        self.cancelled = Box::new(cancelled);
        self
    }

    /// Seeds what is random in the forward pass (default 42).
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Validates every `n`th epoch only, and the last one.
    pub fn validate_every(mut self, n: usize) -> Self {
        self.validate_every = n.max(1);
        self
    }

    /// Makes one step of every `n` batches: by the mean gradients of all their samples, as one large batch would, in
    /// the memory of a small one. The last group of an epoch may be smaller. (Layers that look at a whole batch, such
    /// as batch normalisation, still see the small ones.)
    pub fn accumulate(mut self, n: usize) -> Self {
        self.accumulate = n.max(1);
        self
    }

    /// Goes on although a loss becomes infinite or NaN, which otherwise fails the training. For those who would rather
    /// [stop](crate::TerminateOnNan).
    pub fn allow_non_finite(mut self) -> Self {
        self.non_finite = true;
        self
    }

    /// Says what the training is made of. A snapshot carries it, and a training that is made of something else does not go on
    /// from that.
    pub fn config(mut self, config: impl Into<Value>) -> Self {
        self.config = config.into();
        self
    }

    /// Lets the next [`fit`](Self::fit) go on where `snapshot` was taken, with the epoch after it, as if there had been no
    /// interruption. Everything else is to be made as it was; `fit` tells what does not fit, and then nothing is changed.
    /// There may be more epochs than were planned before.
    pub fn resume(mut self, snapshot: Snapshot) -> Self {
        self.resumes = Some(snapshot);
        self
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The model, to be changed.
    pub fn model_mut(&mut self) -> &mut M {
        &mut self.model
    }

    /// The model alone.
    pub fn into_model(self) -> M {
        self.model
    }

    /// Trains for `epochs` epochs of `train`, validating on `validation`.
    ///
    /// # Errors
    /// If there is no batch, a callback watches a metric that will not exist, a callback fails, a forward pass
    /// fails, the loss becomes infinite or NaN, or the model does not show every parameter that it uses. Callbacks have
    /// been told of it by then.
    ///
    /// # Panics
    /// Only where the model, the loss or a callback does; callbacks are told first.
    pub fn fit(
        &mut self,
        train: &mut dyn Batches<X, Y>,
        validation: Option<&mut dyn Batches<X, Y>>,
        epochs: usize,
    ) -> Result<Fit> {
        let mut run = Run {
            progress: Progress { total_epochs: epochs, total_batches: train.len(), ..Progress::default() },
            history: History::default(),
            metrics: Metrics::new(),
            stop: None,
            requests: Requests::default(),
            visits_checked: false,
            forward: Cx::train(rng::stream(self.seed, FORWARD_STREAM)),
        };
        let ended = catch_unwind(AssertUnwindSafe(|| self.epochs(&mut run, train, validation)));
        match ended.map(|ended| ended.or_else(cancelled_is_an_outcome)) {
            Ok(Ok(outcome)) => {
                // The outcome stands; a callback that fails at the end still fails the training.
                self.tell(&mut run, &Event::TrainEnd { outcome: &outcome }, None)?;
                Ok(Fit { outcome, history: run.history })
            }
            Ok(Err(error)) => {
                self.tell_failure(&mut run, &error);
                Err(error)
            }
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().copied();
                let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
                let text = format!("the training panicked: {}", text.unwrap_or("without a message"));
                self.tell_failure(&mut run, &Error::Argument(text));
                resume_unwind(panic)
            }
        }
    }

    /// The mean loss over `data`, and the output if `keep_output`, in evaluation mode.
    ///
    /// # Errors
    /// If a forward pass fails or there is no batch; [`Error::Cancelled`] if somebody asked to cancel.
    pub fn evaluate(&self, data: &mut dyn Batches<X, Y>, keep_output: bool) -> Result<Evaluation> {
        let mut cx = Cx::eval();
        let (mut sum, mut samples, mut outputs) = (0.0, 0, Vec::new());
        data.begin(0);
        loop {
            if (self.cancelled)() {
                return Err(Error::Cancelled);
            }
            let Some(batch) = data.next_batch()? else { break };
            let output = self.model.forward(&batch.x, &mut cx)?;
            sum += f64::from((self.loss)(&output, &batch.y)?.item()?) * batch.len as f64;
            samples += batch.len;
            if keep_output {
                outputs.push(output);
            }
        }
        if samples == 0 {
            return Err(Error::NoData("the data set to evaluate on is empty".into()));
        }
        let output =
            if keep_output { Some(Tensor::concat(0, &outputs.iter().collect::<Vec<_>>())?) } else { None };
        Ok(Evaluation { loss: sum / samples as f64, output })
    }

    /// All epochs; the outcome unless something fails.
    fn epochs(
        &mut self,
        run: &mut Run,
        train: &mut dyn Batches<X, Y>,
        mut validation: Option<&mut dyn Batches<X, Y>>,
    ) -> Result<Outcome> {
        self.check_monitors(validation.is_some())?;
        let empty = |what| Err(Error::NoData(format!("the {what} data give no batch")));
        if train.is_empty() {
            return empty("training");
        }
        if validation.as_ref().is_some_and(|data| data.is_empty()) {
            return empty("validation");
        }
        if let Some(snapshot) = self.resumes.take() {
            self.restore(run, snapshot)?;
        }
        self.tell(run, &Event::TrainBegin, None)?;
        for epoch in run.progress.epoch + 1..=run.progress.total_epochs {
            if let Some(outcome) = self.interrupted(run) {
                return Ok(outcome);
            }
            run.progress = Progress { epoch, batch: 0, ..run.progress };
            run.metrics.clear();
            self.tell(run, &Event::EpochBegin, None)?;
            if let Some(outcome) = self.train_epoch(run, train)? {
                return Ok(outcome);
            }
            let last = epoch == run.progress.total_epochs;
            if let Some(validation) = &mut validation
                && (last || epoch % self.validate_every == 0)
            {
                self.validate(run, *validation)?;
            }
            run.history.push(&run.metrics);
            self.tell(run, &Event::EpochEnd, None)?;
            self.hand_over(run)?;
        }
        Ok(run.stop.take().map_or(Outcome::Completed, Outcome::Stopped))
    }

    /// One pass over the training data; an outcome if it was cut short.
    fn train_epoch(&mut self, run: &mut Run, train: &mut dyn Batches<X, Y>) -> Result<Option<Outcome>> {
        let (mut sum, mut samples, mut group) = (0.0, 0, Group::default());
        train.begin(run.progress.epoch);
        // Cancel is polled before the batch is asked for, so that a slow source is not waited for; and not behind the
        // last one, so that an epoch which has learned all it will is not thrown away.
        while run.progress.batch < run.progress.total_batches {
            if let Some(outcome) = self.interrupted(run) {
                return Ok(Some(outcome));
            }
            let Some(batch) = train.next_batch()? else { break };
            run.progress.batch += 1;
            self.tell(run, &Event::BatchBegin, None)?;
            let output = self.model.forward(&batch.x, &mut run.forward)?;
            let loss = (self.loss)(&output, &batch.y)?;
            let value = loss.item()?;
            self.check_finite("loss", value.into(), run.progress)?;
            group.add(loss.backward()?, batch.len);
            // The graph lets go of the parameters before they change, so that they change in place.
            drop((output, loss));
            sum += f64::from(value) * batch.len as f64;
            samples += batch.len;
            let Progress { batch, total_batches, .. } = run.progress;
            if batch % self.accumulate == 0 || batch == total_batches {
                self.step(run, &mut group)?;
            }
            self.tell(run, &Event::BatchEnd { loss: value }, None)?;
        }
        // Of a source that gave fewer batches than it had announced.
        self.step(run, &mut group)?;
        if samples == 0 {
            return Err(Error::NoData("the training data give no sample".into()));
        }
        run.metrics.insert("loss".into(), sum / samples as f64);
        Ok(None)
    }

    /// One step of the optimizer, if there are gradients.
    fn step(&mut self, run: &mut Run, group: &mut Group) -> Result<()> {
        let Some(mut grads) = group.take() else { return Ok(()) };
        if !std::mem::replace(&mut run.visits_checked, true) {
            check_visits(&mut parameters(&mut self.model), &grads)?;
        }
        self.tell(run, &Event::Gradients, Some(&mut grads))?;
        self.optimizer.step(&mut parameters(&mut self.model), &grads)?;
        run.forward.apply(&mut parameters(&mut self.model))?;
        run.progress.step += 1;
        Ok(())
    }

    fn validate(&mut self, run: &mut Run, data: &mut dyn Batches<X, Y>) -> Result<()> {
        self.tell(run, &Event::ValidationBegin, None)?;
        let keep_output = self.callbacks.iter().any(Callback::wants_validation_output);
        let evaluation = self.evaluate(data, keep_output)?;
        self.check_finite("validation loss", evaluation.loss, run.progress)?;
        run.metrics.insert("val_loss".into(), evaluation.loss);
        self.tell(run, &Event::ValidationEnd { output: evaluation.output.as_ref() }, None)
    }

    fn check_finite(&self, what: &'static str, loss: f64, at: Progress) -> Result<()> {
        let Progress { epoch, batch, .. } = at;
        if self.non_finite || loss.is_finite() {
            Ok(())
        } else {
            Err(Error::NonFinite { what, epoch, batch, loss })
        }
    }

    /// Whether the training was cancelled, or a callback asked to stop.
    fn interrupted(&self, run: &mut Run) -> Option<Outcome> {
        if (self.cancelled)() { Some(Outcome::Cancelled) } else { run.stop.take().map(Outcome::Stopped) }
    }

    /// A metric that never comes would be waited for in silence.
    fn check_monitors(&self, validated: bool) -> Result<()> {
        let mut known = if validated { vec!["loss", "val_loss"] } else { vec!["loss"] };
        known.extend(self.callbacks.iter().flat_map(Callback::provides));
        for callback in &self.callbacks {
            if let Some(metric) = callback.monitors()
                && !known.contains(&metric)
            {
                return Err(Error::UnknownMetric {
                    callback: callback.name(),
                    metric: metric.to_owned(),
                    known: known.join(", "),
                });
            }
        }
        Ok(())
    }

    /// Tells every callback, also after one has panicked. The first reason to stop is kept; the first error is
    /// returned; the first panic goes on when all have been told.
    fn tell(&mut self, run: &mut Run, event: &Event<'_>, mut grads: Option<&mut Grads<f32>>) -> Result<()> {
        let (mut failed, mut panicked) = (None, None);
        for callback in &mut self.callbacks {
            let mut model = parameters(&mut self.model);
            let mut cx = TrainCx {
                progress: run.progress,
                history: &run.history,
                metrics: &mut run.metrics,
                stop: run.stop.as_deref(),
                model: &mut model as &mut dyn Parameters,
                optimizer: &mut *self.optimizer,
                grads: grads.as_deref_mut(),
                requests: &mut run.requests,
            };
            match catch_unwind(AssertUnwindSafe(|| callback.on_event(event, &mut cx))) {
                Ok(Ok(Flow::Continue)) => {}
                Ok(Ok(Flow::Stop(reason))) => {
                    run.stop.get_or_insert(reason);
                }
                Ok(Err(source)) => {
                    failed.get_or_insert_with(|| Error::Callback { callback: callback.name(), source });
                }
                Err(panic) => {
                    panicked.get_or_insert(panic);
                }
            }
        }
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
        failed.map_or(Ok(()), Err)
    }

    /// The training has failed: an error or panic of a callback that hears of it must not hide why.
    fn tell_failure(&mut self, run: &mut Run, error: &Error) {
        let outcome = Outcome::Failed(error.to_string());
        for event in [Event::Exception { error }, Event::TrainEnd { outcome: &outcome }] {
            let _ = catch_unwind(AssertUnwindSafe(|| self.tell(run, &event, None)));
        }
    }
}

fn cancelled_is_an_outcome(error: Error) -> Result<Outcome> {
    if let Error::Cancelled = error { Ok(Outcome::Cancelled) } else { Err(error) }
}

/// Apart from the streams that shuffle epochs, which are numbered from 1.
const FORWARD_STREAM: u64 = u64::MAX;

/// The state of one training.
struct Run {
    progress: Progress,
    history: History,
    metrics: Metrics,
    stop: Option<String>,
    requests: Requests,
    /// Whether the model was seen to show all its parameters.
    visits_checked: bool,
    forward: Cx,
}

impl<M: fmt::Debug, X, Y> fmt::Debug for Learner<M, X, Y> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let callbacks: Vec<_> = self.callbacks.iter().map(Callback::name).collect();
        f.debug_struct("Learner")
            .field("model", &self.model)
            .field("optimizer", &self.optimizer)
            .field("callbacks", &callbacks)
            .finish_non_exhaustive()
    }
}
