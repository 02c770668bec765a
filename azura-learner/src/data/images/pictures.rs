//! Pictures as a model wants them.

use std::sync::Arc;

use super::{Augment, Images};
use crate::data::Scaler;

/// Some of the pictures of a set, scaled, and in training augmented. The set is stored once and shared by all parts.
///
/// ```
/// # use azura_learner::data::{CsvImages, Images, Pictures, Scaler, ScalerKind};
/// let images = Images::from_csv(b"0,16,7\n4,8,3\n", &CsvImages { size: Some([1, 2]), ..CsvImages::default() })?;
/// let scaler = Scaler::fit(ScalerKind::MinMax, &[0.0, 16.0]);
/// let part = Pictures::new(images.into(), vec![1], scaler);
/// let mut pixels = [0.0; 2];
/// part.gather(&[0], &mut pixels);
/// assert_eq!(pixels, [0.25, 0.5]);
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pictures {
    images: Arc<Images>,
    indices: Vec<usize>,
    scaler: Scaler,
    augment: Option<(Augment, u64)>,
    epoch: u64,
}

impl Pictures {
    /// The pictures of these indices.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn new(images: Arc<Images>, indices: Vec<usize>, scaler: Scaler) -> Self {
        assert!(indices.iter().all(|&i| i < images.len()), "indices of pictures");
        Self { images, indices, scaler, augment: None, epoch: 0 }
    }

    /// Changes them in each epoch from 1 on, by a seed; not in epoch 0.
    #[must_use]
    pub fn augmented(mut self, augment: Augment, seed: u64) -> Self {
        self.augment = Some((augment, seed));
        self
    }

    /// Begins an epoch.
    pub fn begin(&mut self, epoch: usize) {
        self.epoch = epoch as u64;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The set that they are of.
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// Their places in the set.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// Copies pictures into `out`, shape `[indices, channels, height, width]`.
    ///
    /// # Panics
    /// If `out` has another size or an index is too great.
    pub fn gather(&self, indices: &[usize], out: &mut [f32]) {
        let shape = self.images.shape();
        let size = shape.iter().product::<usize>();
        assert_eq!(out.len(), indices.len() * size, "the buffer does not have the batch's size");
        for (&i, out) in indices.iter().zip(out.chunks_exact_mut(size)) {
            let sample = self.indices[i];
            out.copy_from_slice(self.images.image(sample));
            if let Some((augment, seed)) = self.augment.as_ref().filter(|_| self.epoch > 0) {
                augment.apply(out, shape, self.images.range(), [*seed, self.epoch, sample as u64]);
            }
            for x in out {
                *x = self.scaler.transform(f64::from(*x));
            }
        }
    }

    /// The class of a picture.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn label(&self, i: usize) -> u32 {
        self.images.labels()[self.indices[i]]
    }
}
