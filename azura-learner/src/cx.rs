//! What a forward pass is told, and what it leaves behind.

use crate::{Error, Module, Parameters, Result, Rng, summary::Trace};
use azura_core::{Param, ParamId, Tensor};
use std::{
    collections::BTreeMap,
    fmt::{self, Display},
};

type Change = Box<dyn FnOnce(&mut [f32]) + Send>;

/// How a forward pass runs: for training, with a seeded generator, or for evaluation.
#[derive(Default)]
pub struct Cx {
    /// Training needs a generator and evaluation has none: the two are one fact.
    rng: Option<Rng>,
    /// What becomes of buffers after the step, in the order in which it was asked for.
    changes: BTreeMap<ParamId, Vec<Change>>,
    trace: Option<Trace>,
}

impl Cx {
    /// For training: parameters are tracked, dropout drops as `rng` says.
    pub fn train(rng: Rng) -> Self {
        Self { rng: Some(rng), ..Self::default() }
    }

    /// For evaluation: parameters are constants, dropout does nothing.
    pub fn eval() -> Self {
        Self::default()
    }

    /// For evaluation, with a record of which parts are called.
    pub(crate) fn tracing() -> Self {
        Self { trace: Some(Trace::default()), ..Self::default() }
    }

    pub(crate) fn into_trace(self) -> Trace {
        self.trace.unwrap_or_default()
    }

    /// Whether this is a training pass.
    pub fn is_training(&self) -> bool {
        self.rng.is_some()
    }

    /// The generator of a training pass.
    pub fn rng(&mut self) -> Option<&mut Rng> {
        self.rng.as_mut()
    }

    /// A parameter as this pass wants it: tracked in training, constant in evaluation.
    pub fn param(&self, param: &Param) -> Tensor {
        if self.is_training() { param.tracked() } else { param.constant() }
    }

    /// The output of a part: [`Module::forward`], seen by a [`Summary`](crate::Summary) as a row of this `name`.
    ///
    /// # Errors
    /// That of the part.
    pub fn call<X: ?Sized, M: Module<X> + ?Sized>(
        &mut self,
        name: impl Display,
        part: &M,
        x: &X,
    ) -> Result<Tensor> {
        self.enter(name, part, |cx| part.forward(x, cx))
    }

    /// As [`call`](Self::call), for a part whose output comes from another method than `forward`.
    ///
    /// # Errors
    /// That of `forward`.
    pub fn enter<X: ?Sized, M: Module<X> + ?Sized>(
        &mut self,
        name: impl Display,
        part: &M,
        forward: impl FnOnce(&mut Self) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let Some(trace) = &mut self.trace else { return forward(self) };
        let row = trace.enter(name.to_string(), part.name());
        let y = forward(self)?;
        if let Some(trace) = &mut self.trace {
            trace.leave(row, y.shape(), |f| part.visit(f));
        }
        Ok(y)
    }

    /// Asks in training for a change of a buffer, which [`apply`](Self::apply) makes once the step is done; in
    /// evaluation nothing changes. Several changes of one buffer are made one after the other.
    pub fn update(&mut self, buffer: &Param, change: impl FnOnce(&mut [f32]) + Send + 'static) {
        if self.is_training() {
            self.changes.entry(buffer.id()).or_default().push(Box::new(change));
        }
    }

    /// Makes the changes of buffers that training passes have asked for since the last call. A
    /// [`Learner`](crate::Learner) does so after each step.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// use azura_learner::{BatchNorm1d, Cx, Module, StateDict, parameters, seeded};
    ///
    /// let mut norm = BatchNorm1d::new(1);
    /// let mut cx = Cx::train(seeded(1));
    /// norm.forward(&Tensor::from_vec(&[2, 1], vec![10.0, 30.0])?, &mut cx)?;
    /// cx.apply(&mut parameters(&mut norm))?;
    /// let state = StateDict::of(&parameters(&mut norm));
    /// assert_eq!(state.get("running_mean"), Some((&[1][..], &[2.0][..]))); // 0.9 * 0 + 0.1 * 20
    /// # Ok::<(), azura_learner::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a buffer that was changed is none of those that `model` shows.
    pub fn apply(&mut self, model: &mut dyn Parameters) -> Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        model.visit_mut(&mut |_, buffer| {
            for change in self.changes.remove(&buffer.id()).into_iter().flatten() {
                buffer.update(change);
            }
        });
        let hidden = std::mem::take(&mut self.changes).len();
        if hidden == 0 {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "the model cannot be trained: `visit_mut` does not show {hidden} of the buffers that it changes"
        )))
    }
}

impl fmt::Debug for Cx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").field("rng", &self.rng).finish_non_exhaustive()
    }
}
