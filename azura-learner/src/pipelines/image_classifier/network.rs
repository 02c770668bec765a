//! The models that a config can ask for, and what they need.

use azura_core::Conv;

use super::config::{Config, ModelKind, ModelParams};
use crate::{Conv2d, Dropout, Flatten, Linear, MaxPool2d, Relu, Result, Sequential, config::Problem, seeded};

/// Weights that a model may have.
const MOST_PARAMETERS: usize = 20_000_000;
/// Numbers that a batch may keep for its derivatives: 1 GiB of `f32`.
const MOST_BATCH_VALUES: usize = 1 << 28;

/// One layer: what comes out of it, as channels, height and width.
enum Layer {
    Conv { from: usize, to: [usize; 3], halved: bool },
    Dense { from: usize, to: usize },
}

/// The layers for pictures of this shape, `[channels, height, width]`.
fn layers(model: &ModelParams, shape: [usize; 3], classes: usize) -> Vec<Layer> {
    let ([mut channels, mut height, mut width], mut layers) = (shape, Vec::new());
    if model.kind == ModelKind::Cnn {
        for &outputs in &model.channels {
            let halved = height >= 2 && width >= 2;
            layers.push(Layer::Conv { from: channels, to: [outputs, height, width], halved });
            channels = outputs;
            if halved {
                (height, width) = (height / 2, width / 2);
            }
        }
    }
    let mut from = channels * height * width;
    for &to in model.hidden_sizes.iter().chain([&classes]) {
        layers.push(Layer::Dense { from, to });
        from = to;
    }
    layers
}

/// A model from pictures `[batch, channels, height, width]` to logits `[batch, classes]`.
pub(super) fn network(
    model: &ModelParams,
    shape: [usize; 3],
    classes: usize,
    seed: u64,
) -> Result<Sequential> {
    let rng = &mut seeded(seed);
    let (mut network, mut flat) = (Sequential::new(), false);
    let layers = layers(model, shape, classes);
    let last = layers.len() - 1;
    for (i, layer) in layers.into_iter().enumerate() {
        match layer {
            Layer::Conv { from, to, halved } => {
                let same = Conv { padding: [1, 1], ..Conv::default() };
                network = network.push(Conv2d::new(from, to[0], [3, 3], same, rng)?).push(Relu);
                if halved {
                    network = network.push(MaxPool2d::new([2, 2]));
                }
            }
            Layer::Dense { from, to } => {
                if !flat {
                    network = network.push(Flatten);
                    flat = true;
                }
                network = network.push(Linear::new(from, to, rng));
                if i < last {
                    network = network.push(Relu).push(Dropout::new(model.dropout)?);
                }
            }
        }
    }
    Ok(network)
}

/// What would not fit into a machine's memory, of so many training pictures.
pub(super) fn too_big(config: &Config, shape: [usize; 3], classes: usize, pictures: usize) -> Vec<Problem> {
    let (mut parameters, mut values) = (0_usize, shape.iter().product::<usize>());
    for layer in layers(&config.model_params, shape, classes) {
        let (weights, outputs) = match layer {
            Layer::Conv { from, to, .. } => (to[0] * (9 * from + 1), 2 * to.iter().product::<usize>()),
            Layer::Dense { from, to } => (to.saturating_mul(from + 1), 3 * to),
        };
        parameters = parameters.saturating_add(weights);
        values = values.saturating_add(outputs);
    }
    let mut problems = Vec::new();
    if parameters > MOST_PARAMETERS {
        let message = format!("the model would have {parameters} parameters; at most {MOST_PARAMETERS}");
        problems.push(Problem::new("/model_params", message));
    }
    let batch = config.training_params.batch_size.min(pictures);
    if batch.saturating_mul(values) > MOST_BATCH_VALUES {
        let fits = MOST_BATCH_VALUES / values;
        let message =
            format!("a batch of {batch} pictures needs more than 1 GiB; at most {fits} fit at these sizes");
        problems.push(Problem::new("/training_params/batch_size", message));
    }
    problems
}
