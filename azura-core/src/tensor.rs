//! The tensor: shared data, and perhaps a node of the graph.

use crate::{Element, Error, Result, graph::Node};
use ndarray::{ArcArray, Array, ArrayBase, Dimension, IxDyn};
use std::{fmt, sync::Arc};

/// Shared, copy-on-write, n-dimensional data: cloning and viewing cost nothing.
pub type Data<E> = ArcArray<E, IxDyn>;

/// Integers: indices, class labels, tokens. They have no gradient and are no tensors.
///
/// ```
/// use azura_core::Ids;
///
/// let labels: Ids = ndarray::arr1(&[0, 2, 1]).into_dyn().into_shared();
/// assert_eq!(labels.shape(), [3]);
/// ```
pub type Ids = ArcArray<u32, IxDyn>;

/// Yes or no for each place. Has no gradient and is no tensor.
///
/// ```
/// use azura_core::{Mask, Tensor};
///
/// let x = Tensor::from_vec(&[2], vec![-1.0, 3.0])?;
/// let positive: Mask = x.data().mapv(|x| x > 0.0).into_shared();
/// assert_eq!(positive.as_slice(), Some(&[false, true][..]));
/// # Ok::<(), azura_core::Error>(())
/// ```
pub type Mask = ArcArray<bool, IxDyn>;

/// An n-dimensional array that may remember how it was computed.
///
/// A tensor is *tracked* when any of its inputs is, parameters included; only tracked tensors belong to a graph.
/// Cloning is O(1).
///
/// ```
/// use azura_core::{Param, Tensor};
///
/// let w = Param::new(ndarray::arr1(&[1.0, 2.0, 3.0]));
/// let x = Tensor::from_vec(&[3], vec![4.0, 5.0, 6.0])?;     // plain data
/// let y = w.tracked().mul(&x)?.sum_all()?;                  // 1*4 + 2*5 + 3*6
/// assert_eq!(y.item()?, 32.0);
///
/// let grads = y.backward()?;
/// assert_eq!(grads.get(&w).unwrap().as_slice().unwrap(), [4.0, 5.0, 6.0]);
/// # Ok::<(), azura_core::Error>(())
/// ```
#[derive(Clone)]
pub struct TensorBase<E: Element> {
    data: Data<E>,
    node: Option<Arc<Node<E>>>,
}

/// The tensor that users write: `f32`.
pub type Tensor = TensorBase<f32>;

impl<E: Element> TensorBase<E> {
    /// Plain data: a tensor that is not tracked.
    pub fn constant(data: Data<E>) -> Self {
        Self { data, node: None }
    }

    pub(crate) fn with_node(data: Data<E>, node: Option<Arc<Node<E>>>) -> Self {
        Self { data, node }
    }

    /// A constant of the given shape from its elements in row-major order.
    ///
    /// # Errors
    /// If `values` has another length than the shape asks for.
    pub fn from_vec(shape: &[usize], values: Vec<E>) -> Result<Self> {
        let found = values.len();
        match Array::from_shape_vec(IxDyn(shape), values) {
            Ok(array) => Ok(Self::constant(array.into_shared())),
            Err(_) => Err(Error::shape("from_vec", shape, format!("cannot hold {found} values"))),
        }
    }

    /// A constant without axes.
    pub fn scalar(value: E) -> Self {
        Self::constant(ndarray::arr0(value).into_dyn().into_shared())
    }

    /// A constant full of zeros.
    ///
    /// # Panics
    /// If the shape asks for more elements than can be addressed.
    pub fn zeros(shape: &[usize]) -> Self {
        Self::constant(Data::zeros(IxDyn(shape)))
    }

    /// The elements. Cloning what this returns shares them.
    pub fn data(&self) -> &Data<E> {
        &self.data
    }

    /// The elements alone, letting go of the graph.
    pub fn into_data(self) -> Data<E> {
        self.data
    }

    /// The length of each axis.
    pub fn shape(&self) -> &[usize] {
        self.data.shape()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Whether `backward` would reach a parameter from here.
    pub fn is_tracked(&self) -> bool {
        self.node.is_some()
    }

    pub(crate) fn node(&self) -> Option<&Arc<Node<E>>> {
        self.node.as_ref()
    }

    /// The same elements, cut off from the graph.
    pub fn detach(&self) -> Self {
        Self::constant(self.data.clone())
    }

    /// The value of a tensor with exactly one element.
    ///
    /// # Errors
    /// If there is not exactly one element.
    pub fn item(&self) -> Result<E> {
        match self.data.first() {
            Some(&value) if self.data.len() == 1 => Ok(value),
            _ => Err(Error::shape("item", self.shape(), "holds not exactly one element")),
        }
    }

    /// The elements in row-major order.
    pub fn to_vec(&self) -> Vec<E> {
        self.data.iter().copied().collect()
    }
}

/// Any owned or shared `ndarray` becomes a constant.
impl<E, S, D> From<ArrayBase<S, D>> for TensorBase<E>
where
    E: Element,
    S: ndarray::DataOwned<Elem = E>,
    D: Dimension,
{
    fn from(array: ArrayBase<S, D>) -> Self {
        Self::constant(array.into_owned().into_dyn().into_shared())
    }
}

impl<E: Element> fmt::Debug for TensorBase<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Tensor");
        out.field("shape", &self.shape());
        match self.node() {
            Some(node) => out.field("from", &node.name()),
            None => out.field("from", &"data"),
        };
        if self.len() <= 8 { out.field("data", &self.to_vec()).finish() } else { out.finish_non_exhaustive() }
    }
}
