use super::{Optimizer, OptimizerState, each, restore};
use crate::{Parameters, Result, StateDict, StateError};
use azura_core::{Grads, kernels::flushed};

/// Stochastic gradient descent, as in PyTorch:
///
/// ```text
/// g = gradient + weight_decay * w
/// v = momentum * v + g                   with momentum
/// w -= lr * g                            plain
/// w -= lr * v                            with momentum (Polyak 1964)
/// w -= lr * (g + momentum * v)           with Nesterov's (Sutskever et al. 2013)
/// ```
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
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
    /// v of each parameter, with momentum.
    velocity: Option<StateDict>,
}

impl Sgd {
    /// With this learning rate, and nothing else.
    pub fn new(lr: f64) -> Self {
        Self { lr, momentum: 0.0, nesterov: false, weight_decay: 0.0, velocity: None }
    }

    /// Sets how much of its velocity a weight keeps, in `0 <= momentum < 1`.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self.velocity = (momentum != 0.0).then(StateDict::default);
        self
    }

    /// Looks ahead with momentum, as Nesterov's method does. Without momentum it changes nothing.
    #[must_use]
    pub fn nesterov(mut self) -> Self {
        self.nesterov = true;
        self
    }

    /// Sets how much of a weight is added to its gradient.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, model: &mut dyn Parameters, grads: &Grads<f32>) -> Result<()> {
        let [lr, momentum, decay] = [self.lr, self.momentum, self.weight_decay].map(|x| x as f32);
        let nesterov = self.nesterov;
        each("Sgd", model, grads, [self.velocity.as_mut()], |w, grad, [velocity]| match velocity {
            None => w.iter_mut().zip(grad).for_each(|(w, &g)| *w -= lr * (g + decay * *w)),
            Some(velocity) => {
                for ((w, &g), v) in w.iter_mut().zip(grad).zip(velocity) {
                    let g = g + decay * *w;
                    *v = flushed(momentum * *v + g);
                    *w -= lr * if nesterov { g + momentum * *v } else { *v };
                }
            }
        })
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    fn save(&self) -> OptimizerState {
        let moments = self.velocity.iter().cloned().collect();
        OptimizerState { lr: self.lr, moments, ..OptimizerState::default() }
    }

    fn load(&mut self, state: OptimizerState) -> Result<(), StateError> {
        let lr = state.lr;
        restore([self.velocity.as_mut()], state)?;
        self.lr = lr;
        Ok(())
    }
}
