//! The two number types of a tensor.

use crate::kernels::Kernel;
use std::{
    fmt::{Debug, Display},
    iter::Sum,
    ops::{AddAssign, DivAssign, MulAssign, SubAssign},
};

/// A number a tensor can hold: `f32` for work, `f64` for gradient checks.
///
/// Sealed by [`Kernel`]: the kernels of this crate know exactly these two.
pub trait Element:
    Kernel
    + num_traits::Float
    + ndarray::LinalgScalar
    + ndarray::ScalarOperand
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
    + Debug
    + Display
    + Default
    + Send
    + Sync
    + 'static
{
    /// The nearest number of this type.
    fn of(value: f64) -> Self;

    /// The same number as `f64`, exactly.
    fn f64(self) -> f64;
}

impl Element for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }

    fn f64(self) -> f64 {
        self.into()
    }
}

impl Element for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn f64(self) -> f64 {
        self
    }
}
