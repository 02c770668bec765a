//! The operations: forward and derivative together, one file per family.
//!
//! How they are written: a named method checks shapes and returns `Result`, [`TensorBase::record`] runs the forward
//! and takes the derivative. [`OPS`] names them all; tests fail for a name without a gradient check, a
//! value computed by hand and values of PyTorch's.

mod activation;
mod arrange;
mod attention;
mod axes;
mod broadcast;
mod classify;
mod conv;
mod cumsum;
mod dropout;
mod elementwise;
mod embedding;
mod extremes;
mod gru;
mod index;
mod lanes;
mod linear;
mod logsumexp;
mod loss;
mod lstm;
mod matmul;
mod norm;
mod pool;
mod reduce;
mod rnn;
mod shape;
mod softmax;
mod sums;
mod table;
mod variance;

pub use crate::kernels::lstm::{Direction, Steps};
pub use attention::Attention;
pub use classify::ClassLoss;
pub use conv::Conv;
pub use gru::{GruInputs, GruOutput};
pub use lstm::{LstmInputs, LstmOutput};
pub use norm::BatchNorm;

use crate::{Data, Element};
use ndarray::IxDyn;

/// The name of every operation that [`TensorBase::record`](crate::TensorBase::record) is called with in this crate.
#[rustfmt::skip] // lines for each family
pub const OPS: &[&str] = &[
    "add", "sub", "mul", "div", "pow", "minimum", "maximum", "where",
    "neg", "abs", "sign", "exp", "expm1", "ln", "log1p", "sqrt", "square", "powf", "sin", "cos", "sigmoid", "tanh",
    "scale", "shift", "clamp",
    "relu", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "softplus",
    "sum", "mean", "var", "std", "max", "min", "logsumexp", "cumsum",
    "reshape", "permute", "slice", "concat", "pad", "flip", "expand",
    "index_select", "gather", "scatter_add",
    "matmul", "linear",
    "attention",
    "dropout", "mse", "lstm", "gru",
    "softmax", "log_softmax", "nll", "cross_entropy",
    "conv2d", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d",
    "layer_norm", "batch_norm", "batch_norm_with", "embedding", "bce_with_logits", "huber", "quantile",
];

/// Row-major elements of any data, without a copy where they are laid out so already.
pub(crate) fn standard<E: Element>(data: &Data<E>) -> Data<E> {
    if data.is_standard_layout() {
        data.clone()
    } else {
        data.as_standard_layout().into_owned().into_shared()
    }
}

/// The elements of data that is known to be in row-major order.
pub(crate) fn slice<E: Element>(data: &Data<E>) -> &[E] {
    data.as_slice().unwrap_or_default()
}

/// Data from row-major elements whose number is known to fit the shape.
pub(crate) fn from_vec<E: Element>(shape: &[usize], values: Vec<E>) -> Data<E> {
    debug_assert_eq!(shape.iter().product::<usize>(), values.len());
    match Data::from_shape_vec(IxDyn(shape), values) {
        Ok(data) => data,
        Err(_) => unreachable!("the number of elements was derived from the shape"),
    }
}
