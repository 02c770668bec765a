use crate::{Cx, Module, Result};
use azura_core::Tensor;

/// Activations are layers without parameters: a name, perhaps a constant with its default, and the operation. Those
/// without a constant say in their documentation what they make of 0.
macro_rules! activations {
    ($(
        $(#[$doc:meta])*
        $name:ident $(($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr))? => $op:ident $(, 0 => $at_0:literal)?;
    )*) => {$(
        activations!(@struct $(#[$doc])* $name $($at_0)? $($(#[$field_doc])* $field: $type = $default)?);

        impl Module for $name {
            fn forward(&self, x: &Tensor, _: &mut Cx) -> Result<Tensor> {
                Ok(x.$op($(self.$field)?)?)
            }
        }
    )*};
    (@struct $(#[$doc:meta])* $name:ident $at_0:literal) => {
        $(#[$doc])*
        ///
        /// ```
        /// use azura_core::Tensor;
        #[doc = concat!("use azura_learner::{Cx, Module, ", stringify!($name), "};")]
        ///
        #[doc = concat!("let y = ", stringify!($name), ".forward(&Tensor::zeros(&[2, 3]), &mut Cx::eval())?;")]
        #[doc = concat!("assert_eq!((y.shape(), y.to_vec()), (&[2, 3][..], vec![", $at_0, "; 6]));")]
        /// # Ok::<(), azura_learner::Error>(())
        /// ```
        #[derive(Debug, Clone, Copy, Default)]
        pub struct $name;
    };
    (@struct $(#[$doc:meta])* $name:ident $(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name {
            $(#[$field_doc])*
            pub $field: $type,
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $field: $default }
            }
        }
    };
}

activations! {
    /// The rectifier `max(x, 0)`, element by element. Any shape.
    Relu => relu, 0 => "0.0";
    /// The leaky rectifier, element by element: `x` above 0, `slope x` elsewhere. Any shape.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// use azura_learner::{Cx, LeakyRelu, Module};
    ///
    /// let x = Tensor::from_vec(&[2], vec![-4.0, 3.0])?;
    /// let y = LeakyRelu { slope: 0.25 }.forward(&x, &mut Cx::eval())?;
    /// assert_eq!(y.to_vec(), [-1.0, 3.0]);
    /// # Ok::<(), azura_learner::Error>(())
    /// ```
    LeakyRelu(
        /// By default 0.01.
        slope: f32 = 0.01
    ) => leaky_relu;
    /// The exponential linear unit (Clevert et al. 2016), element by element: `x` above 0, `alpha (e^x - 1)` elsewhere.
    /// Any shape.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// use azura_learner::{Cx, Elu, Module};
    ///
    /// let x = Tensor::from_vec(&[2], vec![-100.0, 3.0])?;
    /// let y = Elu { alpha: 0.5 }.forward(&x, &mut Cx::eval())?;
    /// assert_eq!(y.to_vec(), [-0.5, 3.0]);
    /// # Ok::<(), azura_learner::Error>(())
    /// ```
    Elu(
        /// By default 1.
        alpha: f32 = 1.0
    ) => elu;
    /// The Gaussian error linear unit `x P(x)` (Hendrycks and Gimpel 2016), element by element; `P` is the normal
    /// distribution `(1 + erf(x / sqrt 2)) / 2`. Any shape.
    Gelu => gelu, 0 => "0.0";
    /// The approximation `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2` of [`Gelu`], element by element. Any
    /// shape.
    GeluTanh => gelu_tanh, 0 => "0.0";
    /// The sigmoid linear unit `x / (1 + e^-x)`, also called swish, element by element. Any shape.
    Silu => silu, 0 => "0.0";
    /// The logistic function `1 / (1 + e^-x)`, element by element. Any shape.
    Sigmoid => sigmoid, 0 => "0.5";
    /// The hyperbolic tangent, element by element. Any shape.
    Tanh => tanh, 0 => "0.0";
    /// The softmax `e^x / sum e^x` along an axis. Any shape that has it. The losses of logits do without it.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// use azura_learner::{Cx, Module, Softmax};
    ///
    /// let x = Tensor::from_vec(&[1, 2], vec![7.0, 7.0])?;
    /// assert_eq!(Softmax::default().forward(&x, &mut Cx::eval())?.to_vec(), [0.5, 0.5]);
    /// # Ok::<(), azura_learner::Error>(())
    /// ```
    Softmax(
        /// Counts from the end if negative; by default the last one, -1.
        axis: isize = -1
    ) => softmax;
}
