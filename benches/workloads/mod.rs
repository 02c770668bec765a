//! The workloads that this repository is timed on, next to other libraries: `peers/` does the same work with each of them.
//!
//! A training step is forward, loss, backward and Adam, in `f32`; a forward step is the forward pass in evaluation.

mod data;
mod models;
mod timing;

pub use data::{classes, numbers, numbers_within};
pub use timing::{Figures, measure};

use azura_learner::{
    Adam, Cx, Dropout, Linear, Lstm, Module, Optimizer as _, Relu, Result, Sequential, Stack, Tanh,
    azura_core::{
        ClassLoss, Ids, Tensor,
        kernels::{Mat, gemm},
    },
    parameters, seeded,
};
use models::{Attention, Audio, Cnn};

/// One step of a workload: gives the loss of a training step or the output of a forward step.
pub type Step = Box<dyn FnMut() -> Result<Tensor>>;

/// The workloads by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// LSTM(11, 100), last step, Dropout(0.2), Linear(100, 1), MSE; batch 32, 60 steps.
    #[value(name = "W1")]
    Stock,
    /// LSTM(10, 128), last step, Dropout(0.2), Linear(128, 1), MSE; batch 32, 168 steps.
    #[value(name = "W2")]
    Weather,
    /// Linear 784-256-128-10 with `ReLU`, cross entropy; batch 64.
    #[value(name = "W3")]
    Mlp,
    /// Twice Conv(3x3, pad 1)-ReLU-MaxPool(2), 3 to 16 to 32 channels, Linear(2048, 10), cross entropy; batch 64 of 3x32x32.
    #[value(name = "W4")]
    Cnn,
    /// Embedding(256, 64), LSTM(64, 256), Linear(256, 256) of every step, cross entropy; batch 32, 128 steps.
    #[value(name = "W5")]
    Audio,
    /// Linear(4, 16), Tanh, Linear(16, 1), MSE; batch 8: what the framework itself costs.
    #[value(name = "W6")]
    Tiny,
    /// Self-attention with one head and four Linear(128, 128), MSE; batch 32, 64 steps.
    #[value(name = "W7")]
    Attention,
    /// The forward pass of W1, in evaluation.
    #[value(name = "W1f")]
    StockForward,
    /// The forward pass of W3, in evaluation.
    #[value(name = "W3f")]
    MlpForward,
    /// A product of 512 x 512 x 512, as a measure of what the processor gives.
    #[value(name = "product")]
    Product,
}

/// Those that peers are compared on.
pub const COMPARED: [Workload; 9] = [
    Workload::Stock,
    Workload::Weather,
    Workload::Mlp,
    Workload::Cnn,
    Workload::Audio,
    Workload::Tiny,
    Workload::Attention,
    Workload::StockForward,
    Workload::MlpForward,
];

impl Workload {
    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stock => "W1",
            Self::Weather => "W2",
            Self::Mlp => "W3",
            Self::Cnn => "W4",
            Self::Audio => "W5",
            Self::Tiny => "W6",
            Self::Attention => "W7",
            Self::StockForward => "W1f",
            Self::MlpForward => "W3f",
            Self::Product => "product",
        }
    }

    /// W1 with so many samples, steps and LSTMs one upon the other, ready to take steps: how its cost grows.
    ///
    /// # Errors
    /// None.
    pub fn stock(batch: usize, steps: usize, depth: usize) -> Result<Step> {
        let rng = &mut seeded(1);
        let stack = Stack { layers: depth, ..Stack::default() };
        let lstm = Lstm::stacked(11, 100, stack, rng)?.last_step();
        let model = Sequential::new().push(lstm).push(Dropout::new(0.2)?).push(Linear::new(100, 1, rng));
        Ok(training(model, numbers(&[batch, steps, 11]), mse(&[batch, 1])))
    }

    /// A fresh model and one batch for it, ready to take steps.
    ///
    /// # Errors
    /// None for the workloads there are.
    pub fn start(self) -> Result<Step> {
        let rng = &mut seeded(1);
        Ok(match self {
            Self::Stock => training(forecaster(11, 100)?, numbers(&[32, 60, 11]), mse(&[32, 1])),
            Self::Weather => training(forecaster(10, 128)?, numbers(&[32, 168, 10]), mse(&[32, 1])),
            Self::Mlp => training(mlp(), numbers(&[64, 784]), cross_entropy(64, 10)),
            Self::Cnn => training(Cnn::new(rng), numbers(&[64, 3, 32, 32]), cross_entropy(64, 10)),
            Self::Audio => training(Audio::new(rng), classes(&[32, 128], 256), cross_entropy(32 * 128, 256)),
            Self::Tiny => {
                let model =
                    Sequential::new().push(Linear::new(4, 16, rng)).push(Tanh).push(Linear::new(16, 1, rng));
                training(model, numbers(&[8, 4]), mse(&[8, 1]))
            }
            Self::Attention => {
                training(Attention::new(128, rng), numbers(&[32, 64, 128]), mse(&[32, 64, 128]))
            }
            Self::StockForward => forward(forecaster(11, 100)?, numbers(&[32, 60, 11])),
            Self::MlpForward => forward(mlp(), numbers(&[64, 784])),
            Self::Product => product(512),
        })
    }
}

/// Steps that train `model` on one batch.
fn training<X: 'static>(
    mut model: impl Module<X> + 'static,
    x: X,
    loss: impl Fn(&Tensor) -> Result<Tensor> + 'static,
) -> Step {
    let (mut adam, mut cx) = (Adam::new(1e-3), Cx::train(seeded(2)));
    Box::new(move || {
        let loss = loss(&model.forward(&x, &mut cx)?)?;
        let grads = loss.backward()?;
        // What the graph still holds is free before the parameters change.
        let loss = loss.detach();
        adam.step(&mut parameters(&mut model), &grads)?;
        Ok(loss)
    })
}

/// Steps that evaluate `model` on one batch.
fn forward(model: impl Module + 'static, x: Tensor) -> Step {
    Box::new(move || model.forward(&x, &mut Cx::eval()))
}

fn product(n: usize) -> Step {
    let x = numbers(&[n, n]).to_vec();
    let mut y = vec![0.0; n * n];
    Box::new(move || {
        gemm(Mat::new(&x, n, n), Mat::new(&x, n, n), &mut y, n, false);
        Ok(Tensor::scalar(y[0]))
    })
}

fn mse(shape: &[usize]) -> impl Fn(&Tensor) -> Result<Tensor> + use<> {
    let target = numbers(shape);
    move |y| Ok(y.mse(&target)?)
}

fn cross_entropy(rows: usize, count: u32) -> impl Fn(&Tensor) -> Result<Tensor> {
    let targets: Ids = classes(&[rows], count);
    move |y| Ok(y.cross_entropy(&targets, &ClassLoss::default())?)
}

fn forecaster(inputs: usize, hidden: usize) -> Result<Sequential> {
    let rng = &mut seeded(1);
    let lstm = Lstm::new(inputs, hidden, rng).last_step();
    Ok(Sequential::new().push(lstm).push(Dropout::new(0.2)?).push(Linear::new(hidden, 1, rng)))
}

fn mlp() -> Sequential {
    let rng = &mut seeded(1);
    Sequential::new()
        .push(Linear::new(784, 256, rng))
        .push(Relu)
        .push(Linear::new(256, 128, rng))
        .push(Relu)
        .push(Linear::new(128, 10, rng))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_workload_steps_and_training_lowers_the_loss() {
        for workload in Workload::value_variants() {
            assert_eq!(workload.to_possible_value().unwrap().get_name(), workload.name());
            let mut step = workload.start().unwrap();
            let mut loss = || step().unwrap().mean_all().unwrap().item().unwrap();
            let (first, trains) = (loss(), !matches!(workload.name(), "W1f" | "W3f" | "product"));
            let last = (0..10).map(|_| loss()).last().unwrap();
            assert!(last.is_finite());
            assert_eq!(last < first, trains, "{workload:?}: from {first} to {last}");
        }
    }
}
