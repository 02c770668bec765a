//! Sound.

mod melody;
mod mulaw;
mod resample;
mod wav;

pub use mulaw::MuLaw;

/// Sound of one channel: samples from -1 to 1, so many a second.
///
/// ```
/// # use azura_learner::data::Audio;
/// let audio = Audio::melody(8000, 3.0);
/// assert_eq!(audio.samples.len(), 24_000);
/// assert_eq!(audio.resampled(4000).samples.len(), 12_000);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Audio {
    /// Samples a second, in Hz; at least 1.
    pub rate: u32,
    /// The samples.
    pub samples: Vec<f32>,
}

impl Audio {
    /// Samples at a rate in Hz; a rate of 0 is taken as 1.
    pub fn new(rate: u32, samples: Vec<f32>) -> Self {
        Self { rate: rate.max(1), samples }
    }

    /// How long it is, in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }
}
