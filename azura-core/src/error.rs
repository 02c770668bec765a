//! What can go wrong: shapes, axes, and a graph used twice.

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a tensor operation. Each names the operation and the shapes it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two inputs whose shapes do not go together.
    #[error("{op}: shapes {left:?} and {right:?} do not fit: {why}")]
    Shapes {
        /// The operation's name.
        op: &'static str,
        /// Shape of the first input.
        left: Vec<usize>,
        /// Shape of the other input.
        right: Vec<usize>,
        /// What the operation asks for.
        why: String,
    },
    /// One input whose shape the operation cannot take.
    #[error("{op}: shape {shape:?}: {why}")]
    Shape {
        /// The operation's name.
        op: &'static str,
        /// The shape it was given.
        shape: Vec<usize>,
        /// What the operation asks for.
        why: String,
    },
    /// An axis that the input does not have, or one named twice.
    #[error("{op}: axis {axis} does not exist, or is named twice, in shape {shape:?}")]
    Axis {
        /// The operation's name.
        op: &'static str,
        /// The axis as given; negative axes count from the end.
        axis: isize,
        /// The input's shape.
        shape: Vec<usize>,
    },
    /// An argument outside of what the operation allows.
    #[error("{op}: {why}")]
    Argument {
        /// The operation's name.
        op: &'static str,
        /// What was found and what is allowed.
        why: String,
    },
    /// `backward` starts from a single number.
    #[error("backward: starts from a scalar, not from shape {shape:?}; reduce it first, e.g. by `mean_all`")]
    NotScalar {
        /// Shape of the tensor `backward` was called on.
        shape: Vec<usize>,
    },
    /// `backward` of a tensor that depends on no parameter.
    #[error("backward: this tensor depends on no tracked parameter, so there is nothing to differentiate")]
    Untracked,
    /// A second `backward` through a part of a graph that the first has used up.
    #[error(
        "backward: the saved values of `{op}` were freed by an earlier backward; run the forward pass again"
    )]
    Consumed {
        /// The operation that was walked a second time.
        op: &'static str,
    },
    /// A derivative that returned the wrong number of gradients or a wrong shape: a bug in the operation.
    #[error("{op}: its derivative returned {found} where {expected} was expected")]
    Derivative {
        /// The operation's name.
        op: &'static str,
        /// What came back.
        found: String,
        /// What should have come back.
        expected: String,
    },
}

impl Error {
    pub(crate) fn shapes(op: &'static str, left: &[usize], right: &[usize], why: impl Into<String>) -> Self {
        Self::Shapes { op, left: left.to_vec(), right: right.to_vec(), why: why.into() }
    }

    pub(crate) fn shape(op: &'static str, shape: &[usize], why: impl Into<String>) -> Self {
        Self::Shape { op, shape: shape.to_vec(), why: why.into() }
    }

    pub(crate) fn argument(op: &'static str, why: impl Into<String>) -> Self {
        Self::Argument { op, why: why.into() }
    }
}
