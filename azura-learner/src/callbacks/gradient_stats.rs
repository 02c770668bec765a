use super::{Callback, CallbackError, Flow, TrainCx};
use azura_core::ndarray::Axis;
use std::collections::BTreeMap;

/// Measures the gradients, and adds to the metrics of each epoch:
///
/// ```text
/// grad_norm          mean over the epoch's steps of sqrt(sum g^2) over all gradients
/// grad_norm.NAME     the same over the gradient of one parameter
/// dead_units         share of the units whose gradient was 0 in every step of the epoch
/// ```
///
/// A unit is a row of a trained parameter of two or more axes along its first one: an output of a
/// [`Linear`](crate::Linear), a channel of a [`Conv2d`](crate::Conv2d), a word of an [`Embedding`](crate::Embedding).
/// One that is dead learned nothing: a [`Relu`](crate::Relu) behind it that is 0 for every sample, or a word that no sample has. Without
/// such a parameter there is no `dead_units`.
///
/// Gradients are measured before they are [clipped](crate::ClipGradients).
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{DataLoader, GradientStats, Learner, Linear, Sgd, TensorDataset, loss, seeded};
///
/// let x = Tensor::from_vec(&[2, 1], vec![0.0, 1.0])?;
/// let mut data = DataLoader::new(TensorDataset::new(&x, &x)?, 2);
/// let mut learner =
///     Learner::new(Linear::new(1, 1, &mut seeded(1)), Sgd::new(0.5), loss::mse).callback(GradientStats::new());
/// let fit = learner.fit(&mut data, None, 9)?;
/// assert!(fit.history.last("grad_norm") < fit.history.get("grad_norm")[0]);
/// assert_eq!(fit.history.last("dead_units"), Some(0.0));
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct GradientStats {
    steps: usize,
    /// Of norms over the steps of the epoch, by metric.
    sums: BTreeMap<String, f64>,
    /// Which units of which parameter had a gradient.
    alive: BTreeMap<String, Vec<bool>>,
}

const NORM: &str = "grad_norm";
const DEAD: &str = "dead_units";

impl GradientStats {
    /// With nothing measured.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Callback for GradientStats {
    /// Before those that change gradients.
    fn order(&self) -> i32 {
        -10
    }

    fn provides(&self) -> &[&str] {
        &[NORM]
    }

    fn on_epoch_begin(&mut self, _: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        *self = Self::default();
        Ok(Flow::Continue)
    }

    fn on_gradients(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        let Some(grads) = &cx.grads else { return Ok(Flow::Continue) };
        self.steps += 1;
        *self.sums.entry(NORM.into()).or_default() += grads.global_norm();
        cx.model.visit(&mut |name, param| {
            let Some(grad) = grads.get(param) else { return };
            let norm = grad.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
            *self.sums.entry(format!("{NORM}.{name}")).or_default() += norm;
            if grad.ndim() < 2 {
                return;
            }
            let alive = self.alive.entry(name.into()).or_insert_with(|| vec![false; grad.shape()[0]]);
            for (alive, row) in alive.iter_mut().zip(grad.axis_iter(Axis(0))) {
                *alive = *alive || row.iter().any(|&g| g != 0.0);
            }
        });
        let steps = self.steps as f64;
        cx.metrics.extend(self.sums.iter().map(|(name, sum)| (name.clone(), sum / steps)));
        let units = self.alive.values().map(Vec::len).sum::<usize>();
        if units > 0 {
            let dead = self.alive.values().flatten().filter(|alive| !**alive).count();
            cx.metrics.insert(DEAD.into(), dead as f64 / units as f64);
        }
        Ok(Flow::Continue)
    }
}
