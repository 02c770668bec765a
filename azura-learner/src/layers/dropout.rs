use crate::{Cx, Error, Module, Result};
use azura_core::Tensor;
use rand_chacha::rand_core::Rng as _;

/// Dropout: in training each element becomes 0 with probability `p`, the others are multiplied by `1 / (1 - p)`.
/// In evaluation it does nothing. Any shape.
#[derive(Debug)]
pub struct Dropout {
    p: f64,
}

impl Dropout {
    /// Dropout with probability `p`.
    ///
    /// # Errors
    /// If `p` does not lie in `0 <= p < 1`.
    pub fn new(p: f64) -> Result<Self> {
        if (0.0..1.0).contains(&p) {
            Ok(Self { p })
        } else {
            Err(Error::Argument(format!("dropout: p = {p} must lie in 0 <= p < 1")))
        }
    }
}

impl Module for Dropout {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        match cx.rng() {
            Some(rng) if self.p > 0.0 => Ok(x.dropout(self.p, || rng.next_u32())?),
            _ => Ok(x.clone()),
        }
    }
}
