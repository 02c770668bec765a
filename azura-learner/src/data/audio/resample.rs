//! Another number of samples a second.

use std::f64::consts::PI;

use super::Audio;

/// Zeros of the filter on each side: at 32 it falls from passing to stopping within about 6 % of the lower rate.
const ZEROS: f64 = 32.0;

impl Audio {
    /// The same sound at another rate in Hz (0 is taken as 1): of `n` samples it has `n · new / old`, rounded up.
    ///
    /// Each sample is a sum over those around it, weighted by a sinc that cuts off at half of the lower rate, under a Hann window over
    /// 32 of its zeros to each side, with weights that add up to 1 (Smith, Digital Audio Resampling). What
    /// is above half of the lower rate is lost, as it must be. Beyond its ends there is silence.
    #[must_use]
    pub fn resampled(&self, rate: u32) -> Self {
        let rate = rate.max(1);
        if rate == self.rate || self.samples.is_empty() {
            return Self { rate, samples: self.samples.clone() };
        }
        let divisor = gcd(rate, self.rate);
        // One sample of the new sound is `from / to` of the old one's.
        let (to, from) = (u64::from(rate / divisor), u64::from(self.rate / divisor));
        let count = (self.samples.len() as u64 * to).div_ceil(from) as usize;
        let cutoff = (f64::from(rate) / f64::from(self.rate)).min(1.0);
        let reach = (ZEROS / cutoff).ceil() as i64;
        let mut samples = vec![0.0; count];
        // Every `to`th sample lies alike between the old ones, and has the same weights.
        for phase in 0..(to as usize).min(count) {
            let between = (phase as u64 * from % to) as f64 / to as f64;
            let weights: Vec<f64> = (-reach..=reach).map(|k| weight(k as f64 - between, cutoff)).collect();
            let sum: f64 = weights.iter().sum();
            for n in (phase..count).step_by(to as usize) {
                let first = (n as u64 * from / to) as i64 - reach;
                let skipped = (-first).max(0) as usize;
                let old = self.samples.get((first + skipped as i64) as usize..).unwrap_or_default();
                let pairs = weights[skipped.min(weights.len())..].iter().zip(old);
                samples[n] = (pairs.map(|(w, &x)| w * f64::from(x)).sum::<f64>() / sum) as f32;
            }
        }
        Self { rate, samples }
    }
}

/// The filter at so many old samples from its middle.
fn weight(x: f64, cutoff: f64) -> f64 {
    let place = x * cutoff;
    if place.abs() >= ZEROS {
        return 0.0;
    }
    let sinc = if place == 0.0 { 1.0 } else { (PI * place).sin() / (PI * place) };
    sinc * (0.5 + 0.5 * (PI * place / ZEROS).cos())
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn sine(rate: u32, hertz: f64, count: usize) -> Vec<f32> {
        (0..count).map(|n| (TAU * hertz * n as f64 / f64::from(rate) + 0.3).sin() as f32).collect()
    }

    /// The greatest difference, away from the ends, where the sound begins and stops.
    fn difference(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        let inner = 400..a.len() - 400;
        a[inner.clone()].iter().zip(&b[inner]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_sine_is_the_same_sine_at_any_rate() {
        for (from, to) in [(44_100, 8000), (8000, 44_100), (8000, 16_000), (48_000, 8000), (8000, 7999)] {
            let seconds = 1;
            let sound = Audio::new(from, sine(from, 440.0, (from * seconds) as usize));
            let found = sound.resampled(to);
            assert_eq!((found.rate, found.samples.len()), (to, (to * seconds) as usize));
            let apart = difference(&found.samples, &sine(to, 440.0, to as usize));
            assert!(apart < 1e-3, "{from} to {to}: {apart}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_silent() {
        // 5 kHz would come back as 3 kHz at 8 kHz.
        let found = Audio::new(44_100, sine(44_100, 5000.0, 44_100)).resampled(8000);
        assert!(difference(&found.samples, &vec![0.0; 8000]) < 1e-3);
    }

    #[test]
    fn ends_and_odd_lengths() {
        assert_eq!(Audio::new(8000, vec![]).resampled(44_100).samples, [0.0; 0]);
        assert_eq!(Audio::new(3, vec![1.0; 10]).resampled(2).samples.len(), 7);
        let one = Audio::new(8000, vec![0.5]).resampled(16_000);
        assert!(one.samples.len() == 2 && (one.samples[0] - 0.5).abs() < 0.01);
        assert_eq!(Audio::new(8000, vec![0.25; 9]).resampled(8000).samples, [0.25; 9]);
    }
}
