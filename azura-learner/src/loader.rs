//! Batches in a seeded order.

use crate::{Error, Result, rng};
use azura_core::Tensor;

/// Inputs and targets of some samples.
#[derive(Debug, Clone)]
pub struct Batch<X = Tensor, Y = Tensor> {
    /// The inputs.
    pub x: X,
    /// The targets.
    pub y: Y,
    /// How many samples these are.
    pub len: usize,
}

/// Samples by index.
pub trait Dataset: Send + Sync {
    /// The inputs of a batch.
    type X;
    /// The targets of a batch.
    type Y;

    /// The number of samples.
    fn len(&self) -> usize;

    /// Whether there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins epoch `epoch`, for data sets that show their samples otherwise each time. What they show depends on nothing but
    /// the sample and this number. 0 is an evaluation, which wants them as they are.
    fn begin(&mut self, _epoch: usize) {}

    /// The samples of these indices, gathered into one batch. `last` is the batch before, no longer needed: its
    /// memory may be used again.
    ///
    /// # Errors
    /// If a sample cannot be read.
    fn batch(
        &self,
        indices: &[usize],
        last: Option<Batch<Self::X, Self::Y>>,
    ) -> Result<Batch<Self::X, Self::Y>>;
}

/// Where the learner gets its batches from, an epoch at a time.
pub trait Batches<X = Tensor, Y = Tensor>: Send {
    /// The number of batches in an epoch.
    fn len(&self) -> usize;

    /// Whether an epoch has no batch.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins epoch `epoch`. The order of its samples depends on nothing but the loader's seed and this number.
    fn begin(&mut self, epoch: usize);

    /// The next batch of the epoch; `None` at its end.
    ///
    /// # Errors
    /// If a sample cannot be read.
    fn next_batch(&mut self) -> Result<Option<&Batch<X, Y>>>;
}

/// Cuts a [`Dataset`] into batches, in order or shuffled by a seed. The memory of a batch is used again for the next.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Batches, DataLoader, TensorDataset};
///
/// let x = Tensor::from_vec(&[5, 1], vec![0.0, 1.0, 2.0, 3.0, 4.0])?;
/// let mut loader = DataLoader::new(TensorDataset::new(&x, &x)?, 2).shuffle(42);
/// loader.begin(1);
/// let mut sizes = Vec::new();
/// while let Some(batch) = loader.next_batch()? {
///     sizes.push(batch.x.shape()[0]);
/// }
/// assert_eq!(sizes, [2, 2, 1]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct DataLoader<D: Dataset> {
    pub(crate) dataset: D,
    pub(crate) plan: Plan,
    current: Option<Batch<D::X, D::Y>>,
}

/// Which samples make up which batch of an epoch.
#[derive(Debug)]
pub(crate) struct Plan {
    batch_size: usize,
    seed: Option<u64>,
    drop_last: bool,
    order: Vec<usize>,
    position: usize,
}

impl Plan {
    /// The number of batches in an epoch.
    pub(crate) fn len(&self) -> usize {
        let samples = self.order.len();
        if self.drop_last { samples / self.batch_size } else { samples.div_ceil(self.batch_size) }
    }

    pub(crate) fn begin(&mut self, epoch: usize) {
        self.position = 0;
        if let Some(seed) = self.seed {
            // From the natural order, so that an epoch's order does not depend on the epochs before it.
            self.order.iter_mut().enumerate().for_each(|(i, index)| *index = i);
            rng::shuffle(&mut rng::stream(seed, epoch as u64), &mut self.order);
        }
    }

    /// The samples of the next batch; `None` at the end of the epoch.
    pub(crate) fn next_batch(&mut self) -> Option<&[usize]> {
        let rest = &self.order[self.position.min(self.order.len())..];
        if rest.is_empty() || (self.drop_last && rest.len() < self.batch_size) {
            return None;
        }
        let indices = &rest[..rest.len().min(self.batch_size)];
        self.position += indices.len();
        Some(indices)
    }
}

impl<D: Dataset> DataLoader<D> {
    /// Batches of `batch_size` samples (at least 1) in the data set's order; the last may be smaller.
    pub fn new(dataset: D, batch_size: usize) -> Self {
        let order = (0..dataset.len()).collect();
        let plan = Plan { batch_size: batch_size.max(1), seed: None, drop_last: false, order, position: 0 };
        Self { dataset, plan, current: None }
    }

    /// Shuffles each epoch anew, by `seed` and the epoch's number.
    pub fn shuffle(mut self, seed: u64) -> Self {
        self.plan.seed = Some(seed);
        self
    }

    /// Leaves out a last batch that is smaller than the others.
    pub fn drop_last(mut self) -> Self {
        self.plan.drop_last = true;
        self
    }

    /// The data set.
    pub fn dataset(&self) -> &D {
        &self.dataset
    }
}

impl<D: Dataset<X: Send, Y: Send>> Batches<D::X, D::Y> for DataLoader<D> {
    fn len(&self) -> usize {
        self.plan.len()
    }

    fn begin(&mut self, epoch: usize) {
        self.dataset.begin(epoch);
        self.plan.begin(epoch);
    }

    fn next_batch(&mut self) -> Result<Option<&Batch<D::X, D::Y>>> {
        let Some(indices) = self.plan.next_batch() else { return Ok(None) };
        let batch = self.dataset.batch(indices, self.current.take())?;
        Ok(Some(self.current.insert(batch)))
    }
}

/// Samples along the first axis of two tensors.
#[derive(Debug, Clone)]
pub struct TensorDataset {
    x: Tensor,
    y: Tensor,
}

impl TensorDataset {
    /// `x` holds the inputs and `y` the targets, `[samples, ..]` both.
    ///
    /// # Errors
    /// If the two differ in their number of samples, or have no axis.
    pub fn new(x: &Tensor, y: &Tensor) -> Result<Self> {
        match (x.shape().first(), y.shape().first()) {
            (Some(a), Some(b)) if a == b => {
                // In row-major order, so that a sample is one slice.
                let rows = |data: &Tensor| data.detach().reshape(data.shape());
                Ok(Self { x: rows(x)?, y: rows(y)? })
            }
            _ => Err(Error::Argument(format!(
                "a data set wants as many targets as inputs along the first axis, found shapes {:?} and {:?}",
                x.shape(),
                y.shape()
            ))),
        }
    }
}

impl Dataset for TensorDataset {
    type X = Tensor;
    type Y = Tensor;

    fn len(&self) -> usize {
        self.x.shape()[0]
    }

    fn batch(&self, indices: &[usize], last: Option<Batch>) -> Result<Batch> {
        let (x, y) = last.map_or((None, None), |last| (Some(last.x), Some(last.y)));
        let rows = |from: &Tensor, last: Option<Tensor>| {
            let mut shape = from.shape().to_vec();
            shape[0] = indices.len();
            let width: usize = shape[1..].iter().product();
            gather(&shape, last, |into| {
                let Some(source) = from.data().as_slice() else {
                    unreachable!("`new` has made it row-major")
                };
                for (&index, row) in indices.iter().zip(into.chunks_exact_mut(width.max(1))) {
                    row.copy_from_slice(&source[index * width..(index + 1) * width]);
                }
            })
        };
        Ok(Batch { x: rows(&self.x, x), y: rows(&self.y, y), len: indices.len() })
    }
}

/// A tensor of the given shape that `fill` writes, in the memory of `last` where that fits. (If somebody else still
/// holds `last`, writing copies it first; only time is lost.)
pub(crate) fn gather(shape: &[usize], last: Option<Tensor>, fill: impl FnOnce(&mut [f32])) -> Tensor {
    let last = last.map(Tensor::into_data).filter(|data| data.shape() == shape && data.is_standard_layout());
    let mut data = last.unwrap_or_else(|| azura_core::Data::zeros(shape));
    if let Some(slice) = data.view_mut().as_slice_mut() {
        fill(slice);
    }
    Tensor::constant(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loader(samples: usize, batch_size: usize) -> DataLoader<TensorDataset> {
        let x = Tensor::from_vec(&[samples, 1], (0..samples).map(|i| i as f32).collect()).unwrap();
        DataLoader::new(TensorDataset::new(&x, &x).unwrap(), batch_size)
    }

    fn epoch(loader: &mut DataLoader<TensorDataset>, number: usize) -> Vec<f32> {
        loader.begin(number);
        let mut seen = Vec::new();
        while let Some(batch) = loader.next_batch().unwrap() {
            assert_eq!(batch.x.to_vec(), batch.y.to_vec());
            assert_eq!(batch.len, batch.x.shape()[0]);
            seen.extend(batch.x.to_vec());
        }
        seen
    }

    #[test]
    fn an_epoch_shows_every_sample_once_in_an_order_of_its_own() {
        let mut shuffled = loader(10, 3).shuffle(42);
        let (first, second) = (epoch(&mut shuffled, 1), epoch(&mut shuffled, 2));
        assert_ne!(first, second);
        // Epoch 2 does not depend on epoch 1 having run.
        assert_eq!(epoch(&mut loader(10, 3).shuffle(42), 2), second);
        let mut sorted = first;
        sorted.sort_by(f32::total_cmp);
        assert_eq!(sorted, epoch(&mut loader(10, 3), 1));
    }

    #[test]
    fn drop_last_leaves_out_the_small_batch() {
        let mut loader = loader(10, 4).drop_last();
        assert_eq!(Batches::len(&loader), 2);
        assert_eq!(epoch(&mut loader, 1).len(), 8);
    }

    #[test]
    fn the_memory_of_a_batch_is_used_again() {
        let mut loader = loader(8, 4);
        loader.begin(1);
        let first = loader.next_batch().unwrap().unwrap().x.data().as_ptr();
        assert_eq!(loader.next_batch().unwrap().unwrap().x.data().as_ptr(), first);
    }

    #[test]
    fn a_data_set_may_be_laid_out_in_any_order() {
        // Two samples of three numbers, as columns: sample 1 is the second column, 1, 3, 5.
        let columns = Tensor::from_vec(&[3, 2], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let x = columns.transpose().unwrap();
        assert!(!x.data().is_standard_layout());
        let set = TensorDataset::new(&x, &x).unwrap();
        let batch = set.batch(&[1, 0], None).unwrap();
        assert_eq!(batch.x.to_vec(), [1.0, 3.0, 5.0, 0.0, 2.0, 4.0]);
        assert_eq!(batch.y.to_vec(), batch.x.to_vec());
    }

    #[test]
    fn inputs_and_targets_must_be_as_many() {
        let error = TensorDataset::new(&Tensor::zeros(&[3, 1]), &Tensor::zeros(&[4, 1])).unwrap_err();
        assert!(error.to_string().contains("[3, 1] and [4, 1]"), "{error}");
    }
}
