//! Sound from a model that is trained.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{SAMPLE, config::Config, generated, network::Voice, prepare::Prepared, samples};
use crate::{
    PipelineError, Prediction, Result, Rng, SavedRun,
    config::{Invalid, Problem, parse},
    data::{Audio, MuLaw},
    seeded,
};

/// Samples of an answer: what a model of the default size makes in well under a minute.
const MOST_SAMPLES: usize = 160_000;

/// What a generator can be asked.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Request {
    /// Samples to make.
    #[schemars(range(min = 1, max = MOST_SAMPLES))]
    prediction_steps: Option<usize>,
    /// The same in seconds.
    #[schemars(range(min = 0.001, max = 60.0))]
    seconds: Option<f64>,
    #[schemars(range(min = 0.0, max = 10.0))]
    temperature: Option<f64>,
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    seed: Option<u64>,
}

/// What a model goes on from: saved with it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Start {
    /// Samples a second.
    pub(super) sample_rate: u32,
    /// The newest levels of the recording, oldest first.
    levels: Vec<u8>,
}

impl Start {
    /// The end of a recording, so many levels of it.
    pub(super) fn after(prepared: &Prepared, count: usize) -> Self {
        let levels = &prepared.levels[prepared.levels.len().saturating_sub(count)..];
        Self { sample_rate: prepared.audio.rate, levels: levels.to_vec() }
    }

    /// So many samples that come after it.
    pub(super) fn go_on(
        &self,
        voice: &Voice,
        count: usize,
        temperature: f64,
        rng: &mut Rng,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Audio> {
        let made = voice.go_on(&self.levels, count, temperature, rng, cancelled)?;
        Ok(Audio::new(self.sample_rate, made.into_iter().map(MuLaw::decode).collect()))
    }
}

pub(super) fn predict(
    config: &Config,
    run: &SavedRun<'_>,
    request: &Value,
) -> Result<Prediction, PipelineError> {
    let request: Request = parse(request).map_err(PipelineError::Request)?;
    if request.prediction_steps.is_some() && request.seconds.is_some() {
        let problem = Problem::new("/seconds", "say either `prediction_steps` or `seconds`");
        return Err(PipelineError::Request(Invalid(vec![problem])));
    }
    let start: Start = run.json("inputs.json")?;
    if start.levels.is_empty() {
        return Err(PipelineError::Value("the run's inputs.json is damaged: it holds no levels".into()));
    }
    let mut voice = Voice::new(&config.model_params, config.training_params.seed)?;
    run.load(&mut voice)?;
    let seconds = request.seconds.unwrap_or(config.generation.seconds);
    let count = request.prediction_steps.unwrap_or_else(|| samples(seconds, start.sample_rate));
    if count > MOST_SAMPLES {
        let (rate, most) = (start.sample_rate, MOST_SAMPLES as f64 / f64::from(start.sample_rate));
        let message = format!(
            "{seconds} s are {count} samples at {rate} Hz; at most {MOST_SAMPLES}, which are {most:.2} s, are made at once"
        );
        return Err(PipelineError::Request(Invalid(vec![Problem::new("/seconds", message)])));
    }
    let temperature = request.temperature.unwrap_or(config.generation.temperature);
    let rng = &mut seeded(request.seed.unwrap_or(config.training_params.seed));
    let made = start.go_on(&voice, count, temperature, rng, &|| run.is_cancelled())?;
    Ok(Prediction::of(&generated(&made))?.file(SAMPLE, made.to_wav()))
}
