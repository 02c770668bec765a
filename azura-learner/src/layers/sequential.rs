use crate::{Cx, Module, Result, visit};
use azura_core::{Param, Tensor};
use std::fmt;

/// Modules one after the other. Parameter names are the position, a dot, and the module's own name: `0.weight`.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Cx, Linear, Module, Sequential, Tanh, seeded};
///
/// let rng = &mut seeded(1);
/// let model = Sequential::new().push(Linear::new(4, 16, rng)).push(Tanh).push(Linear::new(16, 1, rng));
/// let y = model.forward(&Tensor::zeros(&[8, 4]), &mut Cx::eval())?;
/// assert_eq!(y.shape(), [8, 1]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Default)]
#[must_use]
pub struct Sequential(Vec<Box<dyn Module>>);

impl Sequential {
    /// No module yet: the identity.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a module at the end.
    pub fn push(mut self, module: impl Module + 'static) -> Self {
        self.0.push(Box::new(module));
        self
    }
}

impl Module for Sequential {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        self.0.iter().enumerate().try_fold(x.clone(), |x, (i, module)| cx.call(i, module, &x))
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        for (i, module) in self.0.iter().enumerate() {
            module.visit(&mut |name, param| f(&format!("{i}.{name}"), param));
        }
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        for (i, module) in self.0.iter_mut().enumerate() {
            module.visit_mut(&mut |name, param| f(&format!("{i}.{name}"), param));
        }
    }
}

impl fmt::Debug for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        self.visit(&mut |name, param| {
            map.entry(&name, &param.shape());
        });
        map.finish()
    }
}

/// A module of any input, and one of tensors after it; `0.` and `1.` go before their parameters' names.
impl<X: ?Sized, A: Module<X>, B: Module> Module<X> for (A, B) {
    fn forward(&self, x: &X, cx: &mut Cx) -> Result<Tensor> {
        let x = cx.call(0, &self.0, x)?;
        cx.call(1, &self.1, &x)
    }

    fn name(&self) -> String {
        "Pair".into()
    }

    visit! { parts: 0, 1; }
}
