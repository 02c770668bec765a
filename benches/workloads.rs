//! The workloads that training is timed on: one step is forward, loss, backward and Adam, in `f32`.

use azura_learner::{
    Adam, Cx, Dropout, Linear, Lstm, Module, Optimizer, Result, Sequential, Tanh,
    azura_core::{Tensor, ndarray},
    parameters, seeded,
};

/// A model and one batch for it.
#[derive(Debug)]
pub struct Workload {
    model: Sequential,
    adam: Adam,
    x: Tensor,
    y: Tensor,
    cx: Cx,
}

/// The names that [`Workload::new`] knows, with what they stand for.
pub const NAMES: &[(&str, &str)] = &[
    ("W1", "LSTM(11, 100), last step, Dropout(0.2), Linear(100, 1), MSE; batch 32, 60 steps"),
    ("W2", "LSTM(10, 128), last step, Dropout(0.2), Linear(128, 1), MSE; batch 32, 168 steps"),
    ("W6", "Linear(4, 16), Tanh, Linear(16, 1), MSE; batch 8"),
];

impl Workload {
    /// The workload of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn new(name: &str) -> Result<Self> {
        let rng = &mut seeded(1);
        let forecaster = |inputs, hidden, rng: &mut _| -> Result<Sequential> {
            let lstm = Lstm::new(inputs, hidden, rng).last_step();
            Ok(Sequential::new().push(lstm).push(Dropout::new(0.2)?).push(Linear::new(hidden, 1, rng)))
        };
        let (model, x) = match name {
            "W1" => (forecaster(11, 100, rng)?, numbers(&[32, 60, 11])),
            "W2" => (forecaster(10, 128, rng)?, numbers(&[32, 168, 10])),
            "W6" => {
                let model =
                    Sequential::new().push(Linear::new(4, 16, rng)).push(Tanh).push(Linear::new(16, 1, rng));
                (model, numbers(&[8, 4]))
            }
            _ => return Err(azura_learner::Error::Argument(format!("no workload `{name}`"))),
        };
        let y = numbers(&[x.shape()[0], 1]);
        Ok(Self { model, adam: Adam::new(1e-3), x, y, cx: Cx::train(seeded(2)) })
    }

    /// One training step; returns the loss.
    ///
    /// # Errors
    /// None for the workloads there are.
    pub fn step(&mut self) -> Result<f32> {
        let loss = self.model.forward(&self.x, &mut self.cx)?.mse(&self.y)?;
        let grads = loss.backward()?;
        let value = loss.item()?;
        drop(loss);
        self.adam.step(&mut parameters(&mut self.model), &grads)?;
        Ok(value)
    }
}

/// Numbers in -1..1 that look random.
fn numbers(shape: &[usize]) -> Tensor {
    let mut state = 1_u32;
    let array = ndarray::ArrayD::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    });
    Tensor::from(array)
}
