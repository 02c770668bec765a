//! From a config to levels that a model can train on.

use std::{ops::Range, path::Path, sync::Arc};

use azura_core::Ids;

use super::{config::Config, network::ids};
use crate::{
    Batch, Dataset, Result,
    config::{Invalid, Problem, check_again},
    data::{Audio, DataError, DatasetFile, MuLaw, Parts},
    pipeline::Sources,
};

/// Weights that a model may have.
const MOST_PARAMETERS: usize = 20_000_000;
/// Numbers that a batch may keep for its derivatives: 1 GiB of `f32`.
const MOST_BATCH_VALUES: usize = 1 << 28;

const FILE: &str = "/data_sourcing/file";
const DATASET: &str = "/data_sourcing/dataset";

/// A config's sound, ready for training.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Prepared {
    /// The sound, at the rate of the config.
    pub audio: Audio,
    /// The level of each sample.
    pub levels: Arc<[u8]>,
    /// The samples of the three parts.
    pub parts: Parts,
    /// What the model learns from.
    pub train: Sequences,
    /// What the training is watched by, where that is wanted.
    pub validation: Option<Sequences>,
    /// What the model is judged by.
    pub test: Sequences,
}

/// Pieces of `length` levels, one after the other, each with the levels that follow one step later. What is left at the end is left out.
#[derive(Clone, Debug)]
pub struct Sequences {
    levels: Arc<[u8]>,
    length: usize,
    range: Range<usize>,
}

/// Levels `[batch, time]`, and those one step later, `[batch · time]`.
impl Dataset for Sequences {
    type X = Ids;
    type Y = Ids;

    fn len(&self) -> usize {
        self.range.len().saturating_sub(1) / self.length
    }

    fn batch(&self, indices: &[usize], _: Option<Batch<Ids, Ids>>) -> Result<Batch<Ids, Ids>> {
        let levels = |later: usize| {
            let piece = move |&i: &usize| {
                let start = self.range.start + i * self.length + later;
                self.levels[start..start + self.length].iter().copied()
            };
            indices.iter().flat_map(piece)
        };
        let (len, all) = (indices.len(), indices.len() * self.length);
        Ok(Batch { x: ids(&[len, self.length], levels(0))?, y: ids(&[all], levels(1))?, len })
    }
}

/// What the schema and the sound say against a config; empty if there is nothing.
pub(super) fn check_data(config: &Config, sources: &Sources) -> Vec<Problem> {
    prepare(config, sources).err().map(|invalid| invalid.0).unwrap_or_default()
}

/// Reads, resamples and splits the sound of a config.
///
/// # Errors
/// [`Invalid`] with the problems that the schema and the sound tell of.
pub fn prepare(config: &Config, sources: &Sources) -> Result<Prepared, Invalid> {
    check_again(config)?;
    let audio = open(config, sources).map_err(|problem| Invalid(vec![problem.of(&["/data_sourcing"])]))?;
    let training = &config.training_params;
    let parts = Parts::by_fraction(audio.samples.len(), training.validation_size, training.test_size);
    let length = config.model_params.sequence_length;
    let mut problems = training.problems();
    if let Err(error) = parts.check_window(length, 1, training.validation_size > 0.0) {
        let place = match (&error, &config.data_sourcing.file) {
            (DataError::TooFewRows { .. }, None) => DATASET,
            (DataError::TooFewRows { .. }, Some(_)) => FILE,
            _ => "/model_params/sequence_length",
        };
        // A sample is a row of this series.
        problems.push(Problem::new(place, error.to_string().replace("row", "sample")));
    }
    problems.extend(too_big(config, parts.train.len() / length));
    if !problems.is_empty() {
        return Err(Invalid(problems));
    }
    let levels: Arc<[u8]> = audio.samples.iter().map(|&x| MuLaw::encode(x)).collect();
    let part = |range: &Range<usize>| Sequences { levels: Arc::clone(&levels), length, range: range.clone() };
    Ok(Prepared {
        train: part(&parts.train),
        validation: (!parts.validation.is_empty()).then(|| part(&parts.validation)),
        test: part(&parts.test),
        audio,
        parts,
        levels,
    })
}

fn open(config: &Config, sources: &Sources) -> Result<Audio, Problem> {
    let sourcing = &config.data_sourcing;
    let (pointer, audio) = match (&sourcing.file, &sourcing.dataset) {
        (Some(file), _) => {
            let pointer = FILE;
            if !sources.allow_files {
                let message = "files can be named on the command line only; name a data set instead";
                return Err(Problem::new(pointer, message));
            }
            (pointer, Audio::open(Path::new(file)))
        }
        (None, Some(id)) => (DATASET, sources.datasets.get(id).and_then(DatasetFile::sound)),
        (None, None) => return Ok(Audio::melody(sourcing.sample_rate, sourcing.seconds)),
    };
    let mut audio = audio.map_err(|error| Problem::new(pointer, error.to_string()))?;
    audio.samples.truncate((sourcing.seconds * f64::from(audio.rate)).ceil() as usize);
    Ok(audio.resampled(sourcing.sample_rate))
}

/// What would not fit into a machine's memory, of so many training pieces.
fn too_big(config: &Config, pieces: usize) -> Vec<Problem> {
    let model = &config.model_params;
    let (embedding, hidden, layers) = (model.embedding_size, model.hidden_size, model.num_layers);
    let cell = |inputs: usize| 4 * hidden * (inputs + hidden + 1);
    let parameters = MuLaw::LEVELS * (embedding + hidden + 1) + cell(embedding) + (layers - 1) * cell(hidden);
    let mut problems = Vec::new();
    if parameters > MOST_PARAMETERS {
        let message = format!("the model would have {parameters} parameters; at most {MOST_PARAMETERS}");
        problems.push(Problem::new("/model_params/hidden_size", message));
    }
    let batch = config.training_params.batch_size.min(pieces);
    // Logits and probabilities; four gates, state and output of each step and layer.
    let piece = model.sequence_length * (2 * MuLaw::LEVELS + embedding + 6 * hidden * layers);
    if batch.saturating_mul(piece) > MOST_BATCH_VALUES {
        let fits = MOST_BATCH_VALUES / piece;
        let message =
            format!("a batch of {batch} pieces needs more than 1 GiB; at most {fits} fit at these sizes");
        problems.push(Problem::new("/training_params/batch_size", message));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_each_other_and_targets_are_one_step_later() {
        let levels: Arc<[u8]> = (0..=20).collect();
        let pieces = Sequences { levels, length: 3, range: 5..13 };
        // Levels 5 to 12: pieces 5, 6, 7 and 8, 9, 10 have a level after them; 11, 12 are left over.
        assert_eq!(pieces.len(), 2);
        let batch = pieces.batch(&[1, 0], None).unwrap();
        assert_eq!(batch.x, ndarray::arr2(&[[8, 9, 10], [5, 6, 7]]).into_dyn());
        assert_eq!(batch.y, ndarray::arr1(&[9, 10, 11, 6, 7, 8]).into_dyn());
    }
}
