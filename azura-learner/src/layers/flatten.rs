use crate::{Cx, Error, Module, Result};
use azura_core::Tensor;

/// Makes one axis of all but the first: `[batch, ..]` to `[batch, n]`, in row-major order.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Cx, Flatten, Module};
///
/// let y = Flatten.forward(&Tensor::zeros(&[8, 16, 4, 4]), &mut Cx::eval())?;
/// assert_eq!(y.shape(), [8, 256]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Flatten;

impl Module for Flatten {
    fn forward(&self, x: &Tensor, _: &mut Cx) -> Result<Tensor> {
        let Some((&batch, rest)) = x.shape().split_first() else {
            return Err(Error::Argument("Flatten: wants [batch, ..], not a scalar".into()));
        };
        Ok(x.reshape(&[batch, rest.iter().product()])?)
    }
}
