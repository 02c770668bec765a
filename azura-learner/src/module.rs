//! Modules: what has parameters and a forward pass.

use crate::{Cx, Result};
use azura_core::{Param, Tensor};
use std::{fmt, marker::PhantomData};

/// A layer or a model: parameters by name, and a forward pass from an `X` to a tensor.
///
/// ```
/// use azura_core::{Param, Tensor};
/// use azura_learner::{Cx, Linear, Module, Result, seeded, visit};
///
/// /// A dense layer with a shortcut.
/// struct Block { gain: Param, inner: Linear }
///
/// impl Module for Block {
///     fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
///         let y = cx.call("inner", &self.inner, x)?.tanh()?;
///         Ok(y.mul(&cx.param(&self.gain))?.add(x)?)
///     }
///     visit! { params: gain; parts: inner; }
/// }
///
/// let block = Block { gain: Param::new(azura_core::ndarray::arr0(1.0)), inner: Linear::new(3, 3, &mut seeded(1)) };
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

    /// The name in a [`Summary`](crate::Summary): that of the type.
    fn name(&self) -> String {
        type_name::<Self>()
    }

    /// Shows every parameter and buffer with its name, each once. Containers put their own name and a dot before those
    /// of their parts; [`visit!`](crate::visit!) writes this method and the next. A parameter that is not shown would
    /// neither train nor be saved: [`Learner::fit`](crate::Learner::fit) refuses such a model at its first step.
    fn visit(&self, _f: &mut dyn FnMut(&str, &Param)) {}

    /// As [`visit`](Self::visit), to change the parameters. Same names, same order.
    fn visit_mut(&mut self, _f: &mut dyn FnMut(&str, &mut Param)) {}
}

impl<X: ?Sized, M: Module<X> + ?Sized> Module<X> for Box<M> {
    fn forward(&self, x: &X, cx: &mut Cx) -> Result<Tensor> {
        (**self).forward(x, cx)
    }

    fn name(&self) -> String {
        (**self).name()
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        (**self).visit(f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        (**self).visit_mut(f);
    }
}

/// The name of a type without its path, and without the arguments of a generic type, which have paths of their own.
pub(crate) fn type_name<T: ?Sized>() -> String {
    let path = std::any::type_name::<T>().split('<').next().unwrap_or_default();
    path.rsplit("::").next().unwrap_or_default().to_owned()
}

/// Writes [`Module::visit`] and [`Module::visit_mut`]: for the fields that are parameters or buffers, and for those
/// that are modules, whose own names follow theirs and a dot.
///
/// ```
/// use azura_core::{Param, Tensor};
/// use azura_learner::{Cx, Linear, Module, Result, StateDict, parameters, seeded, visit};
///
/// struct Scaled { gain: Param, dense: Linear }
///
/// impl Module for Scaled {
///     fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
///         Ok(cx.call("dense", &self.dense, x)?.mul(&cx.param(&self.gain))?)
///     }
///     visit! { params: gain; parts: dense; }
/// }
///
/// let gain = Param::new(azura_core::ndarray::arr0(2.0));
/// let mut model = Scaled { gain, dense: Linear::new(3, 3, &mut seeded(1)) };
/// let state = StateDict::of(&parameters(&mut model));
/// assert!(state.names().eq(["dense.bias", "dense.weight", "gain"]));
/// ```
#[macro_export]
macro_rules! visit {
    ($(params: $($param:tt),+;)? $(parts: $($part:tt),+;)?) => {
        fn visit(&self, f: &mut dyn FnMut(&str, &$crate::azura_core::Param)) {
            $($(f(stringify!($param), &self.$param);)+)?
            $($(self.$part.visit(&mut |name, param| f(&format!("{}.{name}", stringify!($part)), param));)+)?
        }

        fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut $crate::azura_core::Param)) {
            $($(f(stringify!($param), &mut self.$param);)+)?
            $($(self.$part.visit_mut(&mut |name, param| f(&format!("{}.{name}", stringify!($part)), param));)+)?
        }
    };
}

/// The parameters of a model whatever it computes: what optimizers, state dicts and callbacks need of it.
pub trait Parameters {
    /// Shows every parameter and buffer with its name.
    fn visit(&self, f: &mut dyn FnMut(&str, &Param));

    /// Shows every parameter and buffer with its name, to be changed.
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param));

    /// The number of trained numbers; those of buffers are none.
    fn count(&self) -> usize {
        let mut count = 0;
        self.visit(&mut |_, param| count += if param.is_trained() { param.data().len() } else { 0 });
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
