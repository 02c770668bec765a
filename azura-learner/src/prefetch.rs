//! Batches made ahead of time.

use crate::{Batch, Batches, DataLoader, Dataset, Error, Result, loader::Plan};
use std::{
    fmt, io,
    panic::resume_unwind,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

/// A loader whose batches are made on a thread of their own while the model works on those before: for samples that take time
/// to read, such as pictures. The batches and their order are those of the loader; made by [`DataLoader::prefetch`].
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Batches, DataLoader, TensorDataset};
///
/// let x = Tensor::from_vec(&[5, 1], vec![0.0, 1.0, 2.0, 3.0, 4.0])?;
/// let mut loader = DataLoader::new(TensorDataset::new(&x, &x)?, 2).shuffle(42).prefetch(2);
/// loader.begin(1);
/// let mut samples = 0;
/// while let Some(batch) = loader.next_batch()? {
///     samples += batch.len;
/// }
/// assert_eq!(samples, 5);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[must_use]
pub struct Prefetch<D: Dataset> {
    dataset: Arc<D>,
    plan: Plan,
    depth: usize,
    epoch: Option<io::Result<Epoch<D::X, D::Y>>>,
    current: Option<Batch<D::X, D::Y>>,
}

/// An epoch that is being made.
struct Epoch<X, Y> {
    made: Receiver<Result<Batch<X, Y>>>,
    /// Where batches go whose memory may be used again.
    used: Sender<Batch<X, Y>>,
    maker: JoinHandle<()>,
}

impl<D: Dataset> DataLoader<D> {
    /// Makes up to `depth` batches (at least 1) ahead, on a thread.
    pub fn prefetch(self, depth: usize) -> Prefetch<D> {
        Prefetch {
            dataset: Arc::new(self.dataset),
            plan: self.plan,
            depth: depth.max(1),
            epoch: None,
            current: None,
        }
    }
}

impl<D: Dataset> Prefetch<D> {
    /// Ends the epoch that is being made. A maker that panicked panics here, as it would have without a thread.
    fn end(&mut self) -> std::thread::Result<()> {
        let Some(Ok(Epoch { made, used, maker })) = self.epoch.take() else { return Ok(()) };
        // Nobody takes batches any more: the maker ends at its next one.
        drop((made, used));
        maker.join()
    }
}

impl<D> Batches<D::X, D::Y> for Prefetch<D>
where
    D: Dataset<X: Send, Y: Send> + 'static,
{
    fn len(&self) -> usize {
        self.plan.len()
    }

    fn begin(&mut self, epoch: usize) {
        let _ = self.end();
        match Arc::get_mut(&mut self.dataset) {
            Some(dataset) => dataset.begin(epoch),
            None => unreachable!("the thread of the last epoch has ended, and nobody else has the data set"),
        }
        self.plan.begin(epoch);
        let mut batches = Vec::with_capacity(self.plan.len());
        while let Some(indices) = self.plan.next_batch() {
            batches.push(indices.to_vec());
        }
        let (give, made) = sync_channel(self.depth);
        let (used, again) = channel();
        let dataset = Arc::clone(&self.dataset);
        let make = move || {
            for indices in batches {
                if give.send(dataset.batch(&indices, again.try_recv().ok())).is_err() {
                    return;
                }
            }
        };
        let maker = Builder::new().name("prefetch".into()).spawn(make);
        self.epoch = Some(maker.map(|maker| Epoch { made, used, maker }));
    }

    fn next_batch(&mut self) -> Result<Option<&Batch<D::X, D::Y>>> {
        let epoch = match &self.epoch {
            Some(Ok(epoch)) => epoch,
            Some(Err(error)) => {
                return Err(Error::Argument(format!("prefetch: the system gave no thread: {error}")));
            }
            None => return Ok(None),
        };
        if let Some(batch) = self.current.take() {
            let _ = epoch.used.send(batch);
        }
        if let Ok(batch) = epoch.made.recv() {
            return Ok(Some(self.current.insert(batch?)));
        }
        self.end().map_or_else(|panic| resume_unwind(panic), |()| Ok(None))
    }
}

impl<D: Dataset> Drop for Prefetch<D> {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl<D: Dataset> fmt::Debug for Prefetch<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefetch")
            .field("plan", &self.plan)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TensorDataset;
    use azura_core::Tensor;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn loader() -> DataLoader<TensorDataset> {
        let x = Tensor::from_vec(&[10, 1], (0..10).map(|i| i as f32).collect()).unwrap();
        DataLoader::new(TensorDataset::new(&x, &x).unwrap(), 3).shuffle(7)
    }

    fn epoch(loader: &mut dyn Batches, number: usize) -> Vec<f32> {
        loader.begin(number);
        let mut seen = Vec::new();
        while let Some(batch) = loader.next_batch().unwrap() {
            seen.extend(batch.x.to_vec());
        }
        assert!(loader.next_batch().unwrap().is_none());
        seen
    }

    #[test]
    fn batches_are_those_of_the_loader_and_an_epoch_may_be_left() {
        let (mut plain, mut ahead) = (loader(), loader().prefetch(2));
        assert_eq!(Batches::len(&ahead), 4);
        for number in 1..4 {
            assert_eq!(epoch(&mut ahead, number), epoch(&mut plain, number));
            ahead.begin(9);
            ahead.next_batch().unwrap();
        }
    }

    /// Its second batch fails, its third panics.
    struct Broken(bool);

    impl Dataset for Broken {
        type X = Tensor;
        type Y = Tensor;

        fn len(&self) -> usize {
            3
        }

        fn batch(&self, indices: &[usize], _: Option<Batch>) -> Result<Batch> {
            match (indices[0], self.0) {
                (1, false) => Err(Error::NoData("broken".into())),
                (1, true) => panic!("broken"),
                _ => Ok(Batch { x: Tensor::zeros(&[1]), y: Tensor::zeros(&[1]), len: 1 }),
            }
        }
    }

    #[test]
    fn what_goes_wrong_on_the_thread_goes_wrong_here() {
        let mut loader = DataLoader::new(Broken(false), 1).prefetch(1);
        loader.begin(1);
        assert!(loader.next_batch().unwrap().is_some());
        assert!(loader.next_batch().unwrap_err().to_string().contains("broken"));

        let mut loader = DataLoader::new(Broken(true), 1).prefetch(1);
        loader.begin(1);
        assert!(loader.next_batch().unwrap().is_some());
        let panic = catch_unwind(AssertUnwindSafe(|| loader.next_batch().map(|_| ()))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"broken"));
    }

    /// Shows of each sample the epoch in which it is asked for.
    struct Epochs(usize);

    impl Dataset for Epochs {
        type X = Tensor;
        type Y = Tensor;

        fn len(&self) -> usize {
            5
        }

        fn begin(&mut self, epoch: usize) {
            self.0 = epoch;
        }

        fn batch(&self, indices: &[usize], _: Option<Batch>) -> Result<Batch> {
            let x = Tensor::from_vec(&[indices.len()], vec![self.0 as f32; indices.len()])?;
            Ok(Batch { y: x.clone(), x, len: indices.len() })
        }
    }

    #[test]
    fn a_data_set_hears_of_each_epoch_also_when_one_was_left() {
        let loader = || DataLoader::new(Epochs(9), 2);
        let (mut plain, mut ahead) = (loader(), loader().prefetch(1));
        for epoch in [1, 2, 0, 7] {
            assert_eq!(self::epoch(&mut plain, epoch), [epoch as f32; 5]);
            assert_eq!(self::epoch(&mut ahead, epoch), [epoch as f32; 5]);
            ahead.begin(epoch + 1);
        }
    }
}
