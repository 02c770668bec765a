//! Says of pictures which class they are of.

mod config;
mod network;
mod predict;
mod prepare;
mod report;

pub use config::{Config, DataSourcing, ModelKind, ModelParams};
pub use prepare::{Inputs, Prepared, prepare};

use super::training::keep;
use crate::{
    Batch, Choices, Dataset, Pipeline, PipelineError, Prediction, Result, RunCx, SavedRun, Sources,
    config::Problem,
    data::{DatasetKind, Pictures},
    loader::gather,
    loss::{CrossEntropy, cross_entropy},
    metrics::Confusion,
    pipeline::ConfigError,
    results::{ClassificationResults, Results},
};
use azura_core::{Ids, Tensor, ndarray::Array1};
use serde_json::{Value, json};

/// A CNN or a dense network over pictures: CSV, a folder or a zip in, classes, figures and report out.
///
/// The pictures are split at random, each class by itself; pixels are scaled by those of the training part alone. The weights that were
/// best on validation are judged on the test part, beside always saying the most frequent class of the training part.
///
/// A run that has ended well is asked for `{"data": [[pixels], ..]}`, numbers as in the data that it learned from, `[channels, height, width]` row by
/// row, and answers `{"prediction", "predictions": [{"class", "probability", "probabilities"}], "class_names"}`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageClassifier;

impl Pipeline for ImageClassifier {
    type Config = Config;
    const NAME: &'static str = "image_classifier";
    const DESCRIPTION: &'static str = "Says of pictures which class they are of: CNN or dense, with accuracy, figures for each class and a confusion matrix.";

    fn check(&self, config: &Config, sources: &Sources) -> Vec<Problem> {
        prepare::check_data(config, sources)
    }

    fn choices(&self, _config: &Config, sources: &Sources) -> Choices {
        Choices::from([("/data_sourcing/dataset".into(), sources.datasets.ids(DatasetKind::Images))])
    }

    fn run(&self, config: Config, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        let prepared = prepare(&config, cx.sources()).map_err(ConfigError::from)?;
        let (inputs, training) = (&prepared.inputs, &config.training_params);
        let classes = inputs.class_names.len();
        let network = network::network(&config.model_params, inputs.shape, classes, training.seed)?;

        let (publisher, loss) = (publisher(cx, &prepared), cross_entropy(CrossEntropy::default()));
        let (mut learner, history) =
            training.train(cx, publisher, network, loss, &prepared.train, prepared.validation.as_ref())?;
        let judged = training.judge(&learner, &prepared.test, true)?;
        let logits = judged.output.unwrap_or_else(|| Tensor::zeros(&[0, classes]));
        let probabilities = logits.softmax(-1)?.to_vec();
        let said: Vec<(u32, f32)> = classes_of(&probabilities, classes).collect();
        let results = results(&prepared, &said, history)?.metric("loss", Some(judged.loss));
        let report = report::report(&config, &cx.sources().datasets, &prepared, &results, &said)?;
        keep(cx, learner.model_mut(), inputs, &report)?;
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

/// Shows watchers the accuracy on the validation part.
fn publisher(cx: &RunCx<'_>, prepared: &Prepared) -> crate::Publish {
    let classes = prepared.inputs.class_names.len();
    let validation = prepared.validation.as_ref();
    let truth: Vec<u32> =
        validation.map(|part| (0..part.len()).map(|i| part.label(i)).collect()).unwrap_or_default();
    cx.publisher(ImageClassifier::NAME).validation_view(move |logits| {
        let said: Vec<u32> = classes_of(&logits.to_vec(), classes).map(|said| said.0).collect();
        Some(json!({ "accuracy": Confusion::new(classes, &truth, &said).accuracy() }))
    })
}

/// The class of each row of scores that has the greatest one, and that score; of equals the first.
fn classes_of(scores: &[f32], classes: usize) -> impl Iterator<Item = (u32, f32)> {
    let best = |row: &[f32]| {
        (0..).zip(row.iter().copied()).reduce(|best, next| if next.1 > best.1 { next } else { best })
    };
    scores.chunks(classes.max(1)).filter_map(best)
}

/// The results of what was said of the test part.
fn results(
    prepared: &Prepared,
    said: &[(u32, f32)],
    history: crate::History,
) -> Result<Results, serde_json::Error> {
    let names = &prepared.inputs.class_names;
    let truth: Vec<u32> = (0..prepared.test.len()).map(|i| prepared.test.label(i)).collect();
    let confusion = |said: &[u32]| Confusion::new(names.len(), &truth, said);
    let found = confusion(&said.iter().map(|said| said.0).collect::<Vec<_>>());
    let always = confusion(&vec![most_frequent(&prepared.train, names.len()); truth.len()]);
    let mut results = Results::new(history)
        .metric("accuracy", found.accuracy())
        .baseline("most_frequent_class", "accuracy", always.accuracy())
        .with(&ClassificationResults {
            confusion_matrix: found.counts().to_vec(),
            class_names: names.clone(),
        })?;
    results.metrics.insert("classification_report".into(), found.report(names)?.into());
    Ok(results)
}

/// The most frequent class of a part, of equals the first.
fn most_frequent(part: &Pictures, classes: usize) -> u32 {
    let mut counts = vec![0_usize; classes];
    (0..part.len()).for_each(|i| counts[part.label(i) as usize] += 1);
    let most = counts.iter().max();
    counts.iter().position(|count| Some(count) == most).unwrap_or(0) as u32
}

/// Pictures `[batch, channels, height, width]` and their classes `[batch]`.
impl Dataset for Pictures {
    type X = Tensor;
    type Y = Ids;

    fn len(&self) -> usize {
        Self::len(self)
    }

    fn begin(&mut self, epoch: usize) {
        Self::begin(self, epoch);
    }

    fn batch(&self, indices: &[usize], last: Option<Batch<Tensor, Ids>>) -> Result<Batch<Tensor, Ids>> {
        let [channels, height, width] = self.images().shape();
        let shape = [indices.len(), channels, height, width];
        let labels: Array1<u32> = indices.iter().map(|&i| self.label(i)).collect();
        Ok(Batch {
            x: gather(&shape, last.map(|last| last.x), |into| self.gather(indices, into)),
            y: labels.into_dyn().into_shared(),
            len: indices.len(),
        })
    }
}
