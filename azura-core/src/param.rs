//! Parameters: what training changes.

use crate::{Data, Element, Error, Result, TensorBase, graph::Node};
use ndarray::{ArrayBase, DataOwned, Dimension};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Names one parameter within a process. Ids rise in order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamId(u64);

impl ParamId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A value owned by its layer. It enters a graph as [`tracked`](Self::tracked) and an evaluation as
/// [`constant`](Self::constant), and changes by [`update`](Self::update).
///
/// ```
/// use azura_core::Param;
///
/// let mut w = Param::new(ndarray::arr1(&[1.0, 2.0]));
/// let loss = w.tracked().square()?.sum_all()?;
/// let grads = loss.backward()?;
/// let dw = grads.get(&w).unwrap().clone();
/// w.update(|w| w.iter_mut().zip(&dw).for_each(|(w, dw)| *w -= 0.5 * dw));
/// assert_eq!(w.as_slice(), [0.0, 0.0]);
/// # Ok::<(), azura_core::Error>(())
/// ```
pub struct ParamBase<E: Element> {
    id: ParamId,
    /// Always in row-major order, so that it is a slice.
    data: Data<E>,
    trained: bool,
}

/// The parameter that users write: `f32`.
pub type Param = ParamBase<f32>;

impl<E: Element> ParamBase<E> {
    /// A parameter that starts with these values.
    pub fn new<S: DataOwned<Elem = E>, D: Dimension>(values: ArrayBase<S, D>) -> Self {
        let values = values.into_owned().into_dyn();
        let data = if values.is_standard_layout() {
            values.into_shared()
        } else {
            values.as_standard_layout().into_owned().into_shared()
        };
        Self { id: ParamId::next(), data, trained: true }
    }

    /// A buffer: values that a layer keeps and that are saved with its parameters, but that are not trained. It enters
    /// every graph as a constant.
    ///
    /// ```
    /// use azura_core::Param;
    ///
    /// let running_mean = Param::buffer(ndarray::arr1(&[0.0_f32, 0.0]));
    /// assert!(!running_mean.is_trained() && !running_mean.tracked().is_tracked());
    /// ```
    pub fn buffer<S: DataOwned<Elem = E>, D: Dimension>(values: ArrayBase<S, D>) -> Self {
        Self { trained: false, ..Self::new(values) }
    }

    /// Whether gradients flow back to it: to a parameter they do, to a [`buffer`](Self::buffer) they do not.
    pub fn is_trained(&self) -> bool {
        self.trained
    }

    /// This parameter's id, by which [`Grads`](crate::Grads) knows it.
    pub fn id(&self) -> ParamId {
        self.id
    }

    /// The length of each axis.
    pub fn shape(&self) -> &[usize] {
        self.data.shape()
    }

    /// The values.
    pub fn data(&self) -> &Data<E> {
        &self.data
    }

    /// The values in row-major order.
    pub fn as_slice(&self) -> &[E] {
        self.data.as_slice().unwrap_or_default()
    }

    /// A tensor of these values that gradients flow back to. All tensors of one parameter share their gradient. Of a
    /// [`buffer`](Self::buffer) it is a [`constant`](Self::constant).
    pub fn tracked(&self) -> TensorBase<E> {
        TensorBase::with_node(self.data.clone(), self.trained.then(|| Node::leaf(self.id, &self.data)))
    }

    /// A tensor of these values that gradients do not flow back to.
    pub fn constant(&self) -> TensorBase<E> {
        TensorBase::constant(self.data.clone())
    }

    /// Changes the values, given in row-major order. They stay where they are in memory, unless a tensor still
    /// shares them; then they are copied first and that tensor keeps the old ones.
    pub fn update<R>(&mut self, f: impl FnOnce(&mut [E]) -> R) -> R {
        let mut view = self.data.view_mut();
        f(view.as_slice_mut().unwrap_or_default())
    }

    /// Replaces the values.
    ///
    /// # Errors
    /// If there are not as many `values` as the shape asks for.
    pub fn set(&mut self, values: &[E]) -> Result<()> {
        if values.len() != self.data.len() {
            return Err(Error::shape("set", self.shape(), format!("cannot hold {} values", values.len())));
        }
        self.update(|own| own.copy_from_slice(values));
        Ok(())
    }
}

impl<E: Element> fmt::Debug for ParamBase<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Param").field("id", &self.id.0).field("shape", &self.shape()).finish_non_exhaustive()
    }
}

const _: fn() = || {
    fn is_shareable<T: Send + Sync>() {}
    is_shareable::<ParamBase<f32>>();
    is_shareable::<TensorBase<f32>>();
    is_shareable::<Arc<Node<f64>>>();
};
