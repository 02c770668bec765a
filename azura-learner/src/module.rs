//! Modules: what has parameters and a forward pass.

use crate::{Result, Rng};
use azura_core::{Param, Tensor};
use std::{fmt, marker::PhantomData};

/// A layer or a model: parameters by name, and a forward pass from an `X` to a tensor.
///
/// ```
/// use azura_core::{Param, Tensor};
/// use azura_learner::{Cx, Linear, Module, Result, seeded};
///
/// /// Two dense layers with a shortcut.
/// struct Block { inner: Linear, gain: Param }
///
/// impl Module for Block {
///     fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
///         let y = self.inner.forward(x, cx)?.tanh()?;
///         Ok(y.mul(&cx.param(&self.gain))?.add(x)?)
///     }
///     fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
///         self.inner.visit(&mut |name, param| f(&format!("inner.{name}"), param));
///         f("gain", &self.gain);
///     }
///     fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
///         self.inner.visit_mut(&mut |name, param| f(&format!("inner.{name}"), param));
///         f("gain", &mut self.gain);
///     }
/// }
///
/// let block = Block { inner: Linear::new(3, 3, &mut seeded(1)), gain: Param::new(azura_core::ndarray::arr0(1.0)) };
/// let y = block.forward(&Tensor::zeros(&[5, 3]), &mut Cx::eval())?;
/// assert_eq!(y.shape(), [5, 3]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
pub trait Module<X: ?Sized = Tensor>: Send + Sync {
    /// The output for `x`. Parameters enter by [`Cx::param`], so that the same code serves training and evaluation.
    ///
    /// # Errors
    /// If `x` has a shape that the module does not take.
    fn forward(&self, x: &X, cx: &mut Cx) -> Result<Tensor>;

    /// Shows every parameter with its name, each once. Containers put their own name and a dot before those of their
    /// parts. A parameter that is not shown would neither train nor be saved: [`Learner::fit`](crate::Learner::fit)
    /// refuses such a model at its first step.
    fn visit(&self, _f: &mut dyn FnMut(&str, &Param)) {}

    /// As [`visit`](Self::visit), to change the parameters. Same names, same order.
    fn visit_mut(&mut self, _f: &mut dyn FnMut(&str, &mut Param)) {}
}

impl<X: ?Sized, M: Module<X> + ?Sized> Module<X> for Box<M> {
    fn forward(&self, x: &X, cx: &mut Cx) -> Result<Tensor> {
        (**self).forward(x, cx)
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        (**self).visit(f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        (**self).visit_mut(f);
    }
}

/// How a forward pass runs: for training, with a seeded generator, or for evaluation.
#[derive(Debug)]
pub struct Cx {
    /// Training needs a generator and evaluation has none: the two are one fact.
    rng: Option<Rng>,
}

impl Cx {
    /// For training: parameters are tracked, dropout drops as `rng` says.
    pub fn train(rng: Rng) -> Self {
        Self { rng: Some(rng) }
    }

    /// For evaluation: parameters are constants, dropout does nothing.
    pub fn eval() -> Self {
        Self { rng: None }
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
}

/// The parameters of a model whatever it computes: what optimizers, state dicts and callbacks need of it.
pub trait Parameters {
    /// Shows every parameter with its name.
    fn visit(&self, f: &mut dyn FnMut(&str, &Param));

    /// Shows every parameter with its name, to be changed.
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param));

    /// The number of trained numbers.
    fn count(&self) -> usize {
        let mut count = 0;
        self.visit(&mut |_, param| count += param.data().len());
        count
    }
}

/// The parameters of `model`.
///
/// ```
/// use azura_learner::{Linear, Parameters, parameters, seeded};
///
/// let mut layer = Linear::new(3, 2, &mut seeded(0));
/// assert_eq!(parameters(&mut layer).count(), 3 * 2 + 2);
/// ```
pub fn parameters<X: ?Sized, M: Module<X> + ?Sized>(model: &mut M) -> impl Parameters {
    Of { model, input: PhantomData::<fn(&X)> }
}

struct Of<'a, X: ?Sized, M: ?Sized> {
    model: &'a mut M,
    input: PhantomData<fn(&X)>,
}

impl<X: ?Sized, M: Module<X> + ?Sized> Parameters for Of<'_, X, M> {
    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        self.model.visit(f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        self.model.visit_mut(f);
    }
}

impl fmt::Debug for dyn Parameters + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_map();
        self.visit(&mut |name, param| {
            list.entry(&name, &param.shape());
        });
        list.finish()
    }
}
