//! The model that a config asks for, what it is trained by, and what it takes of a machine.

use azura_core::Tensor;

use super::config::{Config, ModelKind, ModelParams};
use crate::{
    Cx, Dropout, Error, Flatten, Gru, LayerNorm, Linear, Lstm, Module, PositionalEncoding, Relu, Result,
    Sequential, Stack, TransformerEncoderLayer, config::Problem, loss, seeded,
};

/// Weights that a model may have.
const MOST_PARAMETERS: usize = 20_000_000;
/// Numbers that a batch may keep for its derivatives: 1 GiB of `f32`.
const MOST_BATCH_VALUES: usize = 1 << 28;
/// Numbers of a forecast over a part of the data: 128 MiB of `f32`.
const MOST_OUTPUTS: usize = 1 << 25;
/// How much wider the small networks of a transformer are than its rows (Vaswani et al. 2017).
const WIDER: usize = 4;

/// From windows `[batch, time, width]` to `[batch, outputs]`.
pub(super) fn network(config: &Config, width: usize) -> Result<Sequential> {
    let model = &config.model_params;
    let ModelParams { hidden_size: hidden, num_layers: layers, dropout, .. } = *model;
    let rng = &mut seeded(config.training_params.seed);
    let stack = Stack { layers, dropout, ..Stack::default() };
    let network = Sequential::new();
    let network = match model.kind {
        ModelKind::Lstm => {
            network.push(Lstm::stacked(width, hidden, stack, rng)?.last_step()).push(Dropout::new(dropout)?)
        }
        ModelKind::Gru => {
            network.push(Gru::stacked(width, hidden, stack, rng)?.last_step()).push(Dropout::new(dropout)?)
        }
        ModelKind::Mlp => (0..layers).try_fold(network.push(Flatten), |network, layer| {
            let inputs = if layer == 0 { model.sequence_length * width } else { hidden };
            Ok::<_, Error>(
                network.push(Linear::new(inputs, hidden, rng)).push(Relu).push(Dropout::new(dropout)?),
            )
        })?,
        ModelKind::Transformer => {
            let rows = network
                .push(Linear::new(width, hidden, rng))
                .push(PositionalEncoding::new(hidden, model.sequence_length));
            let encoded = (0..layers).try_fold(rows, |network, _| {
                let layer = TransformerEncoderLayer::new(hidden, model.num_heads, WIDER * hidden, rng)?;
                Ok::<_, Error>(network.push(layer.norm_first().dropout(dropout)?))
            })?;
            encoded.push(LastStep).push(LayerNorm::new(hidden))
        }
    };
    Ok(network.push(Linear::new(hidden, model.outputs(), rng)))
}

/// The last step of `[batch, time, size]`, as `[batch, size]`.
struct LastStep;

impl Module for LastStep {
    fn forward(&self, x: &Tensor, _: &mut Cx) -> Result<Tensor> {
        match *x.shape() {
            [_, time, _] if time > 0 => Ok(x.slice(1, time - 1..time)?.squeeze(1)?),
            ref shape => Err(Error::Argument(format!("LastStep: wants [batch, time, size], not {shape:?}"))),
        }
    }
}

/// The mean squared error of the points; with an interval, the quantile losses of its two ends are added to it.
pub(super) fn loss(
    model: &ModelParams,
) -> impl Fn(&Tensor, &Tensor) -> azura_core::Result<Tensor> + Send + 'static {
    let (horizon, tail) = (model.horizon, model.interval.map(|share| (1.0 - share) as f32 / 2.0));
    move |y, target| {
        let Some(tail) = tail else { return loss::mse(y, target) };
        let part = |i: usize| y.slice(1, i * horizon..(i + 1) * horizon);
        let lower = loss::quantile(tail)(&part(1)?, target)?;
        let upper = loss::quantile(1.0 - tail)(&part(2)?, target)?;
        loss::mse(&part(0)?, target)?.add(&lower)?.add(&upper)
    }
}

/// What no model can be made of, or would not fit into a machine's memory: for `width` numbers in a row of input, so many
/// rows in the training part, and in the largest part.
pub(super) fn problems(config: &Config, width: usize, train_rows: usize, most_rows: usize) -> Vec<Problem> {
    let model = &config.model_params;
    let ModelParams { hidden_size: hidden, num_heads: heads, sequence_length: length, .. } = *model;
    let mut problems = Vec::new();
    if model.kind == ModelKind::Transformer && !hidden.is_multiple_of(heads) {
        let message = format!("{heads} heads do not share {hidden} hidden units evenly; it must divide them");
        problems.push(Problem::new("/model_params/num_heads", message));
    }
    let parameters = parameters(model, width);
    if parameters > MOST_PARAMETERS {
        let message = format!("the model would have {parameters} parameters; at most {MOST_PARAMETERS}");
        problems.push(Problem::new("/model_params/hidden_size", message));
    }
    let windows = config.training_params.batch_size.min(train_rows.saturating_sub(length));
    let window = values(model, width);
    if windows.saturating_mul(window) > MOST_BATCH_VALUES {
        let fits = MOST_BATCH_VALUES / window;
        let message =
            format!("a batch of {windows} windows needs more than 1 GiB; at most {fits} fit at these sizes");
        problems.push(Problem::new("/training_params/batch_size", message));
    }
    if most_rows.saturating_mul(model.outputs()) > MOST_OUTPUTS {
        let fits = (MOST_OUTPUTS * model.horizon / model.outputs() / most_rows).max(1);
        let message = format!("is too far for a forecast of {most_rows} rows; at most {fits}");
        problems.push(Problem::new("/model_params/horizon", message));
    }
    problems
}

/// The weights of a model.
fn parameters(model: &ModelParams, width: usize) -> usize {
    let (h, more) = (model.hidden_size, model.num_layers - 1);
    let below = match model.kind {
        ModelKind::Lstm => 4 * h * (width + h + 1) + more * 4 * h * (2 * h + 1),
        ModelKind::Gru => 3 * h * (width + h + 2) + more * 3 * h * (2 * h + 2),
        ModelKind::Mlp => h * (model.sequence_length * width + 1) + more * h * (h + 1),
        // Attention 4 (h² + h), network 2 WIDER h² + (WIDER + 1) h, two norms 4 h; the embedding, and the last norm.
        ModelKind::Transformer => {
            model.num_layers * h * ((4 + 2 * WIDER) * h + 9 + WIDER) + h * (width + 1) + 2 * h
        }
    };
    below + (h + 1) * model.outputs()
}

/// Numbers that are kept of a window for the derivatives.
fn values(model: &ModelParams, width: usize) -> usize {
    let (h, layers) = (model.hidden_size, model.num_layers);
    let steps = match model.kind {
        // Four gates, state and output of each step, and what is dropped between layers. A GRU has three gates, and a share of one
        // besides.
        ModelKind::Lstm | ModelKind::Gru => width + 6 * h * layers + h * (layers - 1),
        ModelKind::Mlp => width,
        // Of each layer: two norms, queries, keys and values as they come and by heads, what attention gives and its
        // projection, two sums and two drops; and three times the network's width.
        ModelKind::Transformer => width + 2 * h + layers * h * (14 + 3 * WIDER),
    };
    let whole = if model.kind == ModelKind::Mlp { 3 * h * layers } else { h };
    model.sequence_length * steps + whole + model.outputs()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Parameters as _, config::parse};

    fn config(model: &Value) -> Config {
        parse(&json!({"model_params": model})).unwrap()
    }

    #[test]
    fn every_kind_gives_its_outputs_and_has_the_weights_that_were_counted() {
        for kind in ["lstm", "gru", "mlp", "transformer"] {
            for layers in [1, 3] {
                let config = config(
                    &json!({"kind": kind, "sequence_length": 5, "hidden_size": 8, "num_layers": layers,
                                            "num_heads": 2, "horizon": 2, "interval": 0.8}),
                );
                let mut network = network(&config, 3).unwrap();
                let y = network.forward(&Tensor::zeros(&[4, 5, 3]), &mut Cx::eval()).unwrap();
                assert_eq!(y.shape(), [4, 6], "{kind}");
                let count = crate::parameters(&mut network).count();
                assert_eq!(count, parameters(&config.model_params, 3), "{kind} of {layers}");
            }
        }
    }

    #[test]
    fn only_the_last_step_is_left() {
        let x = Tensor::from_vec(&[2, 2, 2], (0..8).map(|i| i as f32).collect()).unwrap();
        let y = LastStep.forward(&x, &mut Cx::eval()).unwrap();
        assert_eq!((y.shape(), y.to_vec()), (&[2, 2][..], vec![2.0, 3.0, 6.0, 7.0]));
        assert!(LastStep.forward(&Tensor::zeros(&[2, 0, 2]), &mut Cx::eval()).is_err());
    }

    #[test]
    fn a_loss_of_points_and_ends() {
        let model = config(&json!({"horizon": 1, "interval": 0.8})).model_params;
        let y = Tensor::from_vec(&[1, 3], vec![3.0, 1.0, 2.0]).unwrap();
        let target = Tensor::from_vec(&[1, 1], vec![5.0]).unwrap();
        // (5 - 3)² + 0.1 (5 - 1) + 0.9 (5 - 2)
        let found = loss(&model)(&y, &target).unwrap().item().unwrap();
        assert!((found - 7.1).abs() < 1e-5, "{found}");
        let plain = config(&json!({})).model_params;
        assert_eq!(loss(&plain)(&Tensor::zeros(&[1, 1]), &target).unwrap().to_vec(), [25.0]);
    }

    #[test]
    fn what_no_model_can_be_made_of() {
        let found = |model: &Value| {
            let problems = problems(&config(model), 10, 1000, 1_000_000);
            problems.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            found(&json!({"kind": "transformer", "hidden_size": 10, "num_heads": 4})),
            ["/model_params/num_heads: 4 heads do not share 10 hidden units evenly; it must divide them"]
        );
        assert_eq!(found(&json!({"kind": "gru", "hidden_size": 10, "num_heads": 4})), [] as [&str; 0]);
        // 2^25 / 3 000 000 = 11.2
        assert_eq!(
            found(&json!({"horizon": 12, "interval": 0.9})),
            ["/model_params/horizon: is too far for a forecast of 1000000 rows; at most 11"]
        );
        // 2048 (10 000 · 10 + 1) and 2049 of the output
        assert_eq!(
            found(&json!({"kind": "mlp", "hidden_size": 2048, "sequence_length": 10_000})),
            ["/model_params/hidden_size: the model would have 204804097 parameters; at most 20000000"]
        );
    }
}
