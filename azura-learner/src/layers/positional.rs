use crate::{Cx, Error, Module, Result};
use azura_core::{
    Tensor,
    ndarray::{Array, Ix2},
};

/// Adds to each step of `[.., time, size]` what tells its position p (Vaswani et al. 2017, section 3.5):
///
/// ```text
/// y[p, 2 i]     = x[p, 2 i]     + sin(p / 10000^(2 i / size))
/// y[p, 2 i + 1] = x[p, 2 i + 1] + cos(p / 10000^(2 i / size))
/// ```
///
/// Without parameters.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Cx, Module, PositionalEncoding};
///
/// let y = PositionalEncoding::new(2, 10).forward(&Tensor::zeros(&[1, 2, 2]), &mut Cx::eval())?;
/// assert_eq!(y.to_vec(), [0.0, 1.0, 1.0_f32.sin(), 1.0_f32.cos()]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug)]
pub struct PositionalEncoding {
    /// `[length, size]`
    table: Tensor,
}

impl PositionalEncoding {
    /// For sequences of at most `length` steps of `size` numbers.
    pub fn new(size: usize, length: usize) -> Self {
        let table = Array::<f32, Ix2>::from_shape_fn([length, size], |(p, i)| {
            let angle = p as f64 / 10_000_f64.powf((i - i % 2) as f64 / size as f64);
            (if i % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
        });
        Self { table: table.into() }
    }
}

impl Module for PositionalEncoding {
    fn forward(&self, x: &Tensor, _: &mut Cx) -> Result<Tensor> {
        let (length, size) = (self.table.shape()[0], self.table.shape()[1]);
        match *x.shape() {
            [.., time, last] if time <= length && last == size => Ok(x.add(&self.table.slice(0, 0..time)?)?),
            ref shape => Err(Error::Argument(format!(
                "PositionalEncoding: wants [.., time, {size}] with a time of at most {length}, not {shape:?}"
            ))),
        }
    }
}
