use super::{Optimizer, OptimizerState, each, restore};
use crate::{Parameters, Result, StateDict, StateError};
use azura_core::{Grads, kernels::flushed};

/// `RMSprop` (Hinton, lecture 6e of "Neural Networks for Machine Learning", 2012), as in PyTorch:
///
/// ```text
/// g = gradient + weight_decay * w
/// s = alpha s + (1 - alpha) g^2
/// m = alpha m + (1 - alpha) g                          if centered, else 0
/// u = momentum * u + g / (sqrt(s - m^2) + eps)
/// w -= lr * u
/// ```
///
/// Defaults: `alpha = 0.99`, `eps = 1e-8`, no momentum, no weight decay, not centered.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Cx, Linear, Module, Optimizer, RmsProp, parameters, seeded};
///
/// let mut layer = Linear::new(1, 1, &mut seeded(1));
/// let mut rmsprop = RmsProp::new(0.01);
/// let x = Tensor::from_vec(&[4, 1], vec![0.0, 1.0, 2.0, 3.0])?;
/// let target = Tensor::from_vec(&[4, 1], vec![1.0, 3.0, 5.0, 7.0])?; // 2 x + 1
/// let mut losses = Vec::new();
/// for _ in 0..200 {
///     let loss = layer.forward(&x, &mut Cx::train(seeded(1)))?.mse(&target)?;
///     losses.push(loss.item()?);
///     rmsprop.step(&mut parameters(&mut layer), &loss.backward()?)?;
/// }
/// assert!(losses[199] < 0.1 * losses[0], "{losses:?}");
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RmsProp {
    lr: f64,
    alpha: f64,
    eps: f64,
    momentum: f64,
    weight_decay: f64,
    /// s of each parameter.
    square: StateDict,
    /// u of each parameter, with momentum.
    velocity: Option<StateDict>,
    /// m of each parameter, if centered.
    mean: Option<StateDict>,
}

impl RmsProp {
    /// With this learning rate and the usual constants.
    pub fn new(lr: f64) -> Self {
        Self {
            lr,
            alpha: 0.99,
            eps: 1e-8,
            momentum: 0.0,
            weight_decay: 0.0,
            square: StateDict::default(),
            velocity: None,
            mean: None,
        }
    }

    /// Sets the decay of the mean of squares, in `0 <= alpha < 1`.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// Sets what is added to the denominator, above 0.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// Sets how much of the last step is made again, in `0 <= momentum < 1`.
    #[must_use]
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self.velocity = (momentum != 0.0).then(StateDict::default);
        self
    }

    /// Sets how much of a weight is added to its gradient.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self
    }

    /// Divides by the spread of gradients around their mean instead of their size (Graves 2013).
    #[must_use]
    pub fn centered(mut self) -> Self {
        self.mean = Some(StateDict::default());
        self
    }
}

impl Optimizer for RmsProp {
    fn step(&mut self, model: &mut dyn Parameters, grads: &Grads<f32>) -> Result<()> {
        let numbers = [self.lr, self.alpha, self.eps, self.momentum, self.weight_decay];
        let [lr, alpha, eps, momentum, decay] = numbers.map(|x| x as f32);
        let rest = (1.0 - self.alpha) as f32;
        let moments = [Some(&mut self.square), self.velocity.as_mut(), self.mean.as_mut()];
        each("RmsProp", model, grads, moments, |w, grad, [square, mut velocity, mut mean]| {
            let numbers = w.iter_mut().zip(grad).zip(square.unwrap_or_default()).enumerate();
            for (i, ((w, &g), square)) in numbers {
                let g = g + decay * *w;
                *square = alpha * *square + rest * g * g;
                let mut spread = *square;
                if let Some(mean) = &mut mean {
                    mean[i] = flushed(alpha * mean[i] + rest * g);
                    // Not below 0, where rounding may bring it.
                    spread = (spread - mean[i] * mean[i]).max(0.0);
                }
                let mut step = g / (spread.sqrt() + eps);
                if let Some(velocity) = &mut velocity {
                    step = flushed(step + momentum * velocity[i]);
                    velocity[i] = step;
                }
                *w -= lr * step;
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
        let moments = [Some(&self.square), self.velocity.as_ref(), self.mean.as_ref()];
        let moments = moments.into_iter().flatten().cloned().collect();
        OptimizerState { lr: self.lr, moments, ..OptimizerState::default() }
    }

    fn load(&mut self, state: OptimizerState) -> Result<(), StateError> {
        let lr = state.lr;
        restore([Some(&mut self.square), self.velocity.as_mut(), self.mean.as_mut()], state)?;
        self.lr = lr;
        Ok(())
    }
}
