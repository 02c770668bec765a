#![doc = include_str!("../README.md")]

mod element;
mod error;
mod gradcheck;
mod grads;
mod graph;
pub mod kernels;
mod ops;
mod param;
mod tensor;

pub use element::Element;
pub use error::{Error, Result};
pub use gradcheck::{Report, gradcheck};
pub use grads::Grads;
pub use graph::{Inputs, Vjp};
pub use ops::Attention;
pub use ops::BatchNorm;
pub use ops::ClassLoss;
pub use ops::Conv;
pub use ops::{Direction, GruInputs, GruOutput, LstmInputs, LstmOutput, OPS, Steps};
pub use param::{Param, ParamBase, ParamId};
pub use tensor::{Data, Ids, Mask, Tensor, TensorBase};

/// The array library whose types appear here, so that users take the same version.
pub use ndarray;
