use super::{Optimizer, OptimizerState};
use crate::{Parameters, Result, StateError};
use azura_core::Grads;

/// Stochastic gradient descent, `w -= lr * g`.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Cx, Linear, Module, Optimizer, Sgd, parameters, seeded};
///
/// let mut layer = Linear::new(1, 1, &mut seeded(1));
/// let mut sgd = Sgd::new(0.1);
/// let x = Tensor::from_vec(&[4, 1], vec![0.0, 1.0, 2.0, 3.0])?;
/// let target = Tensor::from_vec(&[4, 1], vec![1.0, 3.0, 5.0, 7.0])?; // 2 x + 1
/// let mut loss = 0.0;
/// for _ in 0..200 {
///     let y = layer.forward(&x, &mut Cx::train(seeded(1)))?.mse(&target)?;
///     loss = y.item()?;
///     sgd.step(&mut parameters(&mut layer), &y.backward()?)?;
/// }
/// assert!(loss < 1e-3, "{loss}");
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sgd {
    lr: f64,
}

impl Sgd {
    /// With this learning rate.
    pub fn new(lr: f64) -> Self {
        Self { lr }
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, model: &mut dyn Parameters, grads: &Grads<f32>) -> Result<()> {
        let lr = self.lr as f32;
        model.visit_mut(&mut |_, param| {
            if let Some(grad) = grads.get(param) {
                param.update(|w| w.iter_mut().zip(grad).for_each(|(w, &g)| *w -= lr * g));
            }
        });
        Ok(())
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    fn save(&self) -> OptimizerState {
        OptimizerState { lr: self.lr, ..OptimizerState::default() }
    }

    fn load(&mut self, state: OptimizerState) -> Result<(), StateError> {
        let lr = state.lr;
        let [] = state.into_moments()?;
        self.lr = lr;
        Ok(())
    }
}
