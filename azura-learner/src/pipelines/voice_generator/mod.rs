//! Learns from a recording to make sound like it.

mod config;
mod network;
mod predict;
mod prepare;
mod report;

pub use config::{Config, DataSourcing, Generation, ModelParams};
pub use prepare::{Prepared, Sequences, prepare};

use super::training::keep;
use crate::{
    Choices, History, Pipeline, PipelineError, Prediction, RunCx, SavedRun, Sources,
    config::Problem,
    data::{Audio, DatasetKind, MuLaw},
    loss::{CrossEntropy, cross_entropy},
    pipeline::ConfigError,
    results::{AudioResults, GeneratedAudio, Results},
    seeded,
};
use network::Voice;
use predict::Start;
use serde_json::Value;

/// The WAV file that a run makes, and that answers a request.
const SAMPLE: &str = "generated_sample.wav";

/// An embedding, an LSTM and a linear layer over µ-law levels of sound: a WAV file in, sound like it out.
///
/// The sound is split by time. Every step of a piece says which of 256 levels comes next, and the loss is the cross entropy over all of them. The weights
/// that were best on validation are judged on the test part, beside how often each level occurs in the training part, and beside knowing nothing.
///
/// A run that has ended well is asked for `{"prediction_steps": samples, or "seconds", "temperature", "seed"}`, goes on from the end of its
/// recording by 160 000 samples at most, and answers `{"generated_audio": {"file_name", "sample_rate", "seconds"}}` and the WAV file.
#[derive(Debug, Clone, Copy, Default)]
pub struct VoiceGenerator;

impl Pipeline for VoiceGenerator {
    type Config = Config;
    const NAME: &'static str = "voice_generator";
    const DESCRIPTION: &'static str = "Learns from a recording, or from a melody of its own, to make sound like it: µ-law levels, embedding, LSTM.";

    fn check(&self, config: &Config, sources: &Sources) -> Vec<Problem> {
        prepare::check_data(config, sources)
    }

    fn choices(&self, _config: &Config, sources: &Sources) -> Choices {
        Choices::from([("/data_sourcing/dataset".into(), sources.datasets.ids(DatasetKind::Audio))])
    }

    fn run(&self, config: Config, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        let prepared = prepare(&config, cx.sources()).map_err(ConfigError::from)?;
        let training = &config.training_params;
        let voice = Voice::new(&config.model_params, training.seed)?;

        let (publisher, loss) = (cx.publisher(Self::NAME), cross_entropy(CrossEntropy::default()));
        let (mut learner, history) =
            training.train(cx, publisher, voice, loss, &prepared.train, prepared.validation.as_ref())?;
        let judged = training.judge(&learner, &prepared.test, false)?;

        let start = Start::after(&prepared, config.model_params.sequence_length);
        let count = samples(config.generation.seconds, start.sample_rate);
        let rng = &mut seeded(training.seed);
        let (temperature, cancelled) = (config.generation.temperature, || cx.is_cancelled());
        let made = start.go_on(learner.model_mut(), count, temperature, rng, &cancelled)?;
        let results = results(&prepared, history, judged.loss, &made)?;
        cx.write(SAMPLE, &made.to_wav())?;
        let report = report::report(&config, &cx.sources().datasets, &prepared, &results, &made)?;
        keep(cx, learner.model_mut(), &start, &report)?;
        Ok(results)
    }

    fn predict(
        &self,
        config: Config,
        run: &SavedRun<'_>,
        request: &Value,
    ) -> Result<Prediction, PipelineError> {
        predict::predict(&config, run, request)
    }
}

/// Samples in so many seconds, at least one.
fn samples(seconds: f64, rate: u32) -> usize {
    ((seconds * f64::from(rate)).round() as usize).max(1)
}

fn generated(audio: &Audio) -> AudioResults {
    let generated_audio =
        GeneratedAudio { file_name: SAMPLE.into(), sample_rate: audio.rate, seconds: audio.seconds() };
    AudioResults { generated_audio }
}

/// Perplexity is e to the cross entropy: among how many levels the next one seems to lie.
fn results(
    prepared: &Prepared,
    history: History,
    cross_entropy: f64,
    made: &Audio,
) -> Result<Results, serde_json::Error> {
    let uniform = (MuLaw::LEVELS as f64).ln();
    let [train, test] =
        [&prepared.parts.train, &prepared.parts.test].map(|part| &prepared.levels[part.clone()]);
    let unigram = unigram(train, test);
    let mut results = Results::new(history)
        .metric("cross_entropy", Some(cross_entropy))
        .metric("perplexity", Some(cross_entropy.exp()));
    for (name, nats) in [("unigram", unigram), ("uniform", uniform)] {
        results = results.baseline(name, "cross_entropy", Some(nats)).baseline(
            name,
            "perplexity",
            Some(nats.exp()),
        );
    }
    results.with(&generated(made))
}

/// The cross entropy of levels when all that is known is how often each occurs in other ones, each counted once more than it does (Laplace).
fn unigram(known: &[u8], levels: &[u8]) -> f64 {
    let mut counts = [1_u32; MuLaw::LEVELS];
    for &level in known {
        counts[usize::from(level)] += 1;
    }
    let all = (known.len() + MuLaw::LEVELS) as f64;
    let nats = |&level: &u8| -(f64::from(counts[usize::from(level)]) / all).ln();
    levels.iter().map(nats).sum::<f64>() / levels.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unigrams_by_hand() {
        // Counts 2 + 1 of level 7, 1 + 1 of level 9, of 3 + 256: -(ln(3/259) + ln(2/259)) / 2.
        let expected = -((3.0_f64 / 259.0).ln() + (2.0_f64 / 259.0).ln()) / 2.0;
        assert!((unigram(&[7, 7, 9], &[7, 9]) - expected).abs() < 1e-12);
        // Of nothing known, all are equal.
        assert!((unigram(&[], &[1, 2, 3]) - 256.0_f64.ln()).abs() < 1e-12);
    }
}
