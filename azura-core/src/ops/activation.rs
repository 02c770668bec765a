//! Activation functions.

use super::{broadcast, table::unary};
use crate::{Element, Result, TensorBase, kernels};

unary! {
    /// The rectifier `max(x, 0)`; NaN stays NaN. Its derivative at 0 is taken as 0.
    relu: each(|x: E| if x < E::zero() { E::zero() } else { x }),
        output(|g, y| if y > E::zero() { g } else { E::zero() });
    /// The leaky rectifier: `x` above 0, `slope * x` elsewhere. Its derivative at 0 is `slope`.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2], vec![-4.0, 3.0])?;
    /// assert_eq!(x.leaky_relu(0.25)?.to_vec(), [-1.0, 3.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    leaky_relu(slope): each(|x| if x > E::zero() { x } else { slope * x }),
        input(|g, x| if x > E::zero() { g } else { slope * g });
    /// The exponential linear unit: `x` above 0, `alpha (e^x - 1)` elsewhere (Clevert et al. 2016). Its derivative at 0
    /// is `alpha`.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2], vec![-1000.0, 3.0])?;
    /// assert_eq!(x.elu(0.5)?.to_vec(), [-0.5, 3.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    elu(alpha): each(|x: E| if x > E::zero() { x } else { alpha * x.exp_m1() }),
        input(|g, x| if x > E::zero() { g } else { g * (alpha * x.exp()) });
    /// The Gaussian error linear unit `x P(x)`, `P` the normal distribution `(1 + erf(x / sqrt 2)) / 2` (Hendrycks and
    /// Gimpel 2016).
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let y = Tensor::from_vec(&[3], vec![-30.0, 0.0, 30.0])?.gelu()?;
    /// assert_eq!(y.to_vec(), [0.0, 0.0, 30.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    gelu: kernel(kernels::gelu_into), input_slice(kernels::gelu_backward);
    /// The approximation `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2` of [`gelu`](Self::gelu), which some models
    /// were trained with.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::scalar(1.0);
    /// let difference = x.gelu()?.item()? - x.gelu_tanh()?.item()?;
    /// assert!(difference != 0.0 && difference.abs() < 1e-3);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    gelu_tanh: kernel(kernels::gelu_tanh_into), input_slice(kernels::gelu_tanh_backward);
    /// The sigmoid linear unit `x / (1 + e^-x)`, also called swish.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let y = Tensor::from_vec(&[3], vec![-200.0, 0.0, 200.0])?.silu()?;
    /// assert_eq!(y.to_vec(), [0.0, 0.0, 200.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    silu: kernel(kernels::silu_into), input_slice(kernels::silu_backward);
    /// The smooth rectifier `ln(1 + e^x)`, computed as `max(x, 0) + ln(1 + e^-|x|)`, which overflows nowhere.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let y = Tensor::from_vec(&[2], vec![-1000.0, 1000.0])?.softplus()?;
    /// assert_eq!(y.to_vec(), [0.0, 1000.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    softplus: each(|x: E| x.max(E::zero()) + (-x.abs()).exp().ln_1p()), input_slice(kernels::sigmoid_backward);
}
