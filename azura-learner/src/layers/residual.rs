use crate::{Cx, Error, Module, Result, visit};
use azura_core::Tensor;

/// A module beside a shortcut (He et al. 2016): `y = x + module(x)`, for a module that keeps the
/// shape. Names of parameters are `module`, a dot, and the module's own.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Cx, Module, Relu, Residual};
///
/// let x = Tensor::from_vec(&[2], vec![3.0, -1.0])?;
/// let y = Residual::new(Relu).forward(&x, &mut Cx::eval())?;
/// assert_eq!(y.to_vec(), [6.0, -1.0]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug)]
pub struct Residual<M> {
    module: M,
}

impl<M: Module> Residual<M> {
    /// `module` beside a shortcut.
    pub fn new(module: M) -> Self {
        Self { module }
    }
}

impl<M: Module> Module for Residual<M> {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        let y = cx.call("module", &self.module, x)?;
        if y.shape() != x.shape() {
            let (found, wants) = (y.shape(), x.shape());
            return Err(Error::Argument(format!("Residual: the module makes {found:?} of {wants:?}")));
        }
        Ok(x.add(&y)?)
    }

    visit! { parts: module; }
}
