use crate::{Cx, Module, Result};
use azura_core::Tensor;

/// Activations are layers without parameters: a name and the operation it stands for.
macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident => $op:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default)]
        pub struct $name;

        impl Module for $name {
            fn forward(&self, x: &Tensor, _: &mut Cx) -> Result<Tensor> {
                Ok(x.$op()?)
            }
        }
    )*};
}

activations! {
    /// The rectifier `max(x, 0)`, element by element. Any shape.
    Relu => relu;
    /// The logistic function `1 / (1 + e^-x)`, element by element. Any shape.
    Sigmoid => sigmoid;
    /// The hyperbolic tangent, element by element. Any shape.
    Tanh => tanh;
}
