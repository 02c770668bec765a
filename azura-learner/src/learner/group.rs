//! Batches that make one step together.

use azura_core::Grads;

/// The mean gradients of the samples of some batches. Each batch's gradients are the mean over its own samples, so that
/// it counts by their number.
#[derive(Debug, Default)]
pub(super) struct Group {
    grads: Grads<f32>,
    samples: usize,
}

impl Group {
    /// Takes the gradients of another batch in. Those of the first one stay as they are, bit by bit.
    pub(super) fn add(&mut self, mut grads: Grads<f32>, samples: usize) {
        if self.samples == 0 {
            *self = Self { grads, samples };
            return;
        }
        let all = self.samples + samples;
        self.grads.scale((self.samples as f64 / all as f64) as f32);
        grads.scale((samples as f64 / all as f64) as f32);
        self.grads.merge(grads);
        self.samples = all;
    }

    /// The mean, if there was a batch. The next group begins.
    pub(super) fn take(&mut self) -> Option<Grads<f32>> {
        let Self { grads, samples } = std::mem::take(self);
        (samples > 0).then_some(grads)
    }
}
