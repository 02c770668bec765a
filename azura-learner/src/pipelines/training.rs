//! What the trainings of all pipelines have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Adam, AdamW, Batches, BestCheckpoint, ClipGradients, DataLoader, Dataset, EarlyStopping as Stop,
    Evaluation, History, Learner, LrSchedule, Module, Optimizer, Outcome, PipelineError, Plateau, Publish,
    Result, RmsProp, RunCx, Schedule, Sgd, StateDict, config::Problem, parameters, report::Report,
};
use azura_core::Tensor;

/// How the model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Training")]
#[non_exhaustive]
pub struct TrainingParams {
    /// How often the training part is gone through.
    #[schemars(title = "Epochs", range(min = 1, max = 100_000))]
    pub epochs: usize,
    /// Step size of the optimizer.
    #[schemars(title = "Learning rate", range(max = 10.0), extend("exclusiveMinimum" = 0))]
    pub lr: f64,
    /// The rule by which weights follow their gradients.
    #[schemars(title = "Optimizer")]
    pub optimizer: OptimizerKind,
    /// How the learning rate changes.
    #[schemars(title = "Learning rate schedule")]
    pub lr_schedule: ScheduleKind,
    /// The greatest norm of all gradients together; greater ones are scaled down to it. Off where empty.
    #[schemars(title = "Gradient norm limit", range(max = 1e6), extend("exclusiveMinimum" = 0))]
    pub clip_norm: Option<f64>,
    /// Samples in a step.
    #[schemars(title = "Batch size", range(min = 1, max = 65_536))]
    pub batch_size: usize,
    /// Share of the data by which the model is judged; of a series the newest.
    #[schemars(title = "Test share", range(max = 0.5), extend("exclusiveMinimum" = 0))]
    pub test_size: f64,
    /// Share of the data by which the training is watched, of a series what lies before the test part; 0 for none.
    #[schemars(title = "Validation share", range(min = 0.0, max = 0.4))]
    pub validation_size: f64,
    /// Epochs from one validation to the next.
    #[schemars(title = "Validate every", range(min = 1, max = 100_000))]
    pub validate_every: usize,
    /// Fixes all that is random: equal seeds give equal results.
    #[schemars(title = "Seed", range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub seed: u64,
    /// Stops when the validation loss no longer falls. Off where empty.
    #[schemars(title = "Early stopping")]
    pub early_stopping: Option<EarlyStopping>,
}

/// The rule by which weights follow their gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OptimizerKind {
    /// Adam: each weight has a step size of its own.
    #[default]
    Adam,
    /// Adam with weight decay of its own, 0.01.
    #[serde(rename = "adamw")]
    AdamW,
    /// Plain stochastic gradient descent.
    Sgd,
    /// `RMSprop`: gradients relative to their usual size.
    #[serde(rename = "rmsprop")]
    RmsProp,
}

/// How the learning rate changes in the course of a training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScheduleKind {
    /// It stays as it is.
    #[default]
    Constant,
    /// Up within the first twentieth of all steps, then down to 0 as a cosine.
    Cosine,
    /// From 1/25 of it up within the first 30 % of all steps, then down to almost 0.
    OneCycle,
    /// To a half whenever the validation loss has not fallen for 5 validations.
    ReduceOnPlateau,
}

/// When to stop before the last epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Early stopping")]
#[non_exhaustive]
pub struct EarlyStopping {
    /// Validations without improvement that are waited for.
    #[schemars(title = "Patience", range(min = 1, max = 100_000))]
    pub patience: usize,
    /// What the loss must fall by to count as improved.
    #[schemars(title = "Least improvement", range(min = 0.0, max = 1e6))]
    pub min_delta: f64,
}

impl Default for TrainingParams {
    fn default() -> Self {
        Self {
            epochs: 40,
            lr: 0.003,
            optimizer: OptimizerKind::default(),
            lr_schedule: ScheduleKind::default(),
            clip_norm: None,
            batch_size: 32,
            test_size: 0.2,
            validation_size: 0.1,
            validate_every: 1,
            seed: 42,
            early_stopping: None,
        }
    }
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { patience: 10, min_delta: 0.0 }
    }
}

/// What trained a model on a data set, with the model, and how that went.
type Trained<M, D> = (Learner<M, <D as Dataset>::X, <D as Dataset>::Y>, History);

/// What says whether the validation loss is watched, and is there.
const WATCHED: &[&str] =
    &["/training_params/early_stopping", "/training_params/lr_schedule", "/training_params/validation_size"];

impl TrainingParams {
    /// What is wrong with them that their schema allows.
    pub fn problems(&self) -> Vec<Problem> {
        let watches = [
            (self.early_stopping.is_some(), "early_stopping"),
            (self.lr_schedule == ScheduleKind::ReduceOnPlateau, "lr_schedule"),
        ];
        let blind = watches.into_iter().filter(|(wanted, _)| *wanted && self.validation_size == 0.0);
        let message = "watches the validation loss, but `validation_size` is 0";
        let problem = |(_, key)| Problem::new(format!("/training_params/{key}"), message);
        blind.map(|key| problem(key).of(WATCHED)).collect()
    }

    /// The optimizer that they ask for.
    pub fn optimizer(&self) -> Box<dyn Optimizer> {
        match self.optimizer {
            OptimizerKind::Adam => Box::new(Adam::new(self.lr)),
            OptimizerKind::AdamW => Box::new(AdamW::new(self.lr)),
            OptimizerKind::Sgd => Box::new(Sgd::new(self.lr)),
            OptimizerKind::RmsProp => Box::new(RmsProp::new(self.lr)),
        }
    }

    /// The schedule that they ask for, of a training with so many batches in an epoch.
    fn schedule(&self, batches: usize) -> Result<Option<LrSchedule>> {
        const WAITED: usize = 5;
        let steps = self.epochs.saturating_mul(batches).max(1);
        Ok(match self.lr_schedule {
            ScheduleKind::Constant => None,
            ScheduleKind::Cosine => Some(LrSchedule::new(Schedule::cosine(steps / 20, steps))?.per_step()),
            ScheduleKind::OneCycle => Some(LrSchedule::new(Schedule::one_cycle(steps))?.per_step()),
            ScheduleKind::ReduceOnPlateau => {
                let plateau = Plateau { factor: 0.5, patience: WAITED, ..Plateau::default() };
                Some(LrSchedule::new(Schedule::ReduceOnPlateau(plateau))?)
            }
        })
    }

    /// Trains `model` on `train` within a run, watched by `validation` and told of by `publisher`. At the end it has the weights that were best on
    /// validation, or the last ones without.
    ///
    /// # Errors
    /// Those of [`Learner::fit`]; [`PipelineError::Cancelled`].
    pub fn train<M, D>(
        &self,
        cx: &mut RunCx<'_>,
        publisher: Publish,
        model: M,
        loss: impl Fn(&Tensor, &D::Y) -> azura_core::Result<Tensor> + Send + 'static,
        train: &D,
        validation: Option<&D>,
    ) -> Result<Trained<M, D>, PipelineError>
    where
        M: Module<D::X>,
        D: Dataset<X: Send + 'static, Y: Send + 'static> + Clone,
    {
        let mut train = self.loader(train).shuffle(self.seed);
        let mut validation = validation.map(|part| self.loader(part));
        let mut learner =
            Learner::new(model, self.optimizer(), loss).seed(self.seed).validate_every(self.validate_every);
        if validation.is_some() {
            learner = learner.callback(BestCheckpoint::new("val_loss"));
        }
        if let Some(norm) = self.clip_norm {
            learner = learner.callback(ClipGradients::norm(norm)?);
        }
        if let Some(schedule) = self.schedule(train.len())? {
            learner = learner.callback(schedule);
        }
        if let Some(stopping) = &self.early_stopping {
            learner =
                learner.callback(Stop::new("val_loss", stopping.patience).min_delta(stopping.min_delta));
        }
        let mut learner = cx.attach(learner, publisher);
        let watch = validation.as_mut().map(|loader| loader as &mut dyn Batches<D::X, D::Y>);
        let fit = learner.fit(&mut train, watch, self.epochs)?;
        if fit.outcome == Outcome::Cancelled {
            return Err(PipelineError::Cancelled);
        }
        Ok((learner, fit.history))
    }

    /// Judges what was trained by `test`: its loss, and its output if `keep_output`.
    ///
    /// # Errors
    /// Those of [`Learner::evaluate`]; [`PipelineError::Execution`] if the loss is no finite number.
    pub fn judge<M, D>(
        &self,
        learner: &Learner<M, D::X, D::Y>,
        test: &D,
        keep_output: bool,
    ) -> Result<Evaluation, PipelineError>
    where
        M: Module<D::X>,
        D: Dataset<X: Send + 'static, Y: Send + 'static> + Clone,
    {
        let judged = learner.evaluate(&mut self.loader(test), keep_output)?;
        if !judged.loss.is_finite() {
            let message = format!("the test loss is {}, so that the model cannot be judged", judged.loss);
            return Err(PipelineError::Execution(message));
        }
        Ok(judged)
    }

    fn loader<D: Dataset + Clone>(&self, part: &D) -> DataLoader<D> {
        DataLoader::new(part.clone(), self.batch_size)
    }
}

/// Writes what a run can be asked with, and its report: `model.safetensors`, `inputs.json`, `report.md` and all that belongs to it.
pub(super) fn keep<X: ?Sized>(
    cx: &RunCx<'_>,
    model: &mut impl Module<X>,
    inputs: &impl Serialize,
    report: &Report,
) -> Result<(), PipelineError> {
    cx.write("model.safetensors", &StateDict::of(&parameters(model)).to_bytes())?;
    cx.write_json("inputs.json", inputs)?;
    report.write(cx)
}
