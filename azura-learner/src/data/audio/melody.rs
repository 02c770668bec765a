//! A sound for those who have none at hand.

use std::f64::consts::TAU;

use super::Audio;

/// A minor pentatonic phrase, as semitones and beats.
const PHRASE: [(i32, u64); 8] = [(0, 1), (3, 1), (5, 1), (7, 2), (10, 1), (7, 1), (5, 1), (3, 2)];
/// Where it begins each time, in semitones from A3 (220 Hz).
const ROOTS: [i32; 4] = [0, 5, 7, 0];
const BEATS_A_SECOND: u64 = 5;
/// Strength of the harmonics, from the fundamental up.
const HARMONICS: [f64; 4] = [0.6, 0.25, 0.1, 0.05];
/// Seconds in which a note falls to 1/e, and in which it begins.
const DECAY: f64 = 0.25;
const ATTACK: f64 = 0.01;

impl Audio {
    /// A short phrase of plucked notes on four roots in turn, eight seconds in all, again and again as long as is wanted: the same
    /// samples each time.
    ///
    /// A note of frequency f is `(1 - e^(-t/0.01 s)) e^(-t/0.25 s) · Σ aₖ sin(2πkft)` with four harmonics, as far as they are below
    /// half of the rate.
    pub fn melody(rate: u32, seconds: f64) -> Self {
        let rate = rate.max(1);
        let count = (seconds.max(0.0) * f64::from(rate)).round() as usize;
        let beats: u64 = PHRASE.iter().map(|note| note.1).sum();
        let sample = |n: usize| {
            // In whole numbers of 1 / (5 rate) seconds, so that no note begins a sample early or late.
            let (at, beat) = (BEATS_A_SECOND * n as u64, u64::from(rate));
            let root = ROOTS[(at / (beat * beats) % ROOTS.len() as u64) as usize];
            let mut into = at % (beat * beats);
            for (semitones, length) in PHRASE {
                if into < length * beat {
                    let seconds = into as f64 / (BEATS_A_SECOND * beat) as f64;
                    return note(220.0 * (f64::from(root + semitones) / 12.0).exp2(), seconds, rate);
                }
                into -= length * beat;
            }
            0.0
        };
        Self { rate, samples: (0..count).map(|n| sample(n) as f32).collect() }
    }
}

fn note(hertz: f64, t: f64, rate: u32) -> f64 {
    let audible = (1_i32..).zip(HARMONICS).filter(|(k, _)| f64::from(*k) * hertz < f64::from(rate) / 2.0);
    let tone: f64 = audible.map(|(k, a)| a * (TAU * f64::from(k) * hertz * t).sin()).sum();
    0.8 * (1.0 - (-t / ATTACK).exp()) * (-t / DECAY).exp() * tone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phrase_comes_again_and_stays_within_bounds() {
        // Four times ten beats of 0.2 s: eight seconds.
        let sound = Audio::melody(8000, 16.0);
        let (first, second) = sound.samples.split_at(64_000);
        assert!(first.iter().zip(second).all(|(a, b)| (a - b).abs() < 1e-6));
        let greatest = sound.samples.iter().fold(0.0_f32, |max, x| max.max(x.abs()));
        assert!((0.3..=0.8).contains(&greatest), "{greatest}");
        // Of the first note, 220 Hz, a period is 36.36 samples: eleven periods are 400, within the first beat.
        let moved: f32 = (400..800).map(|n| sound.samples[n] * sound.samples[n + 400]).sum();
        let square: f32 = (400..800).map(|n| sound.samples[n].powi(2)).sum();
        // A note falls by e^(-0.05 / 0.25) in that time.
        assert!((moved / square - (-0.2_f32).exp()).abs() < 0.01, "{}", moved / square);
    }
}
