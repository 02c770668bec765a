//! Optimizers.

mod adam;
mod rmsprop;
mod schedule;
mod sgd;

pub use adam::{Adam, AdamW};
pub use rmsprop::RmsProp;
pub use schedule::{Plateau, Schedule};
pub use sgd::Sgd;

use crate::{Error, Parameters, Result, StateDict, StateError};
use azura_core::Grads;
use std::fmt::Debug;

/// Changes parameters by their gradients.
pub trait Optimizer: Debug + Send {
    /// One step: updates, in place, every parameter of `model` that has a gradient.
    ///
    /// # Errors
    /// If it remembers a parameter of the same name and another shape: it has served another model.
    fn step(&mut self, model: &mut dyn Parameters, grads: &Grads<f32>) -> Result<()>;

    /// The learning rate.
    fn lr(&self) -> f64;

    /// Sets the learning rate.
    fn set_lr(&mut self, lr: f64);

    /// All that changes from step to step, so that an optimizer which [loads](Self::load) it goes on bit-equally.
    fn save(&self) -> OptimizerState;

    /// Takes back what [`save`](Self::save) gave. Constants, such as Adam's betas, are not part of it.
    ///
    /// # Errors
    /// If the state is that of another kind of optimizer; nothing is changed then.
    fn load(&mut self, state: OptimizerState) -> Result<(), StateError>;
}

/// What an optimizer carries from one step to the next, as a checkpoint holds it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OptimizerState {
    /// The learning rate, which callbacks may change.
    pub lr: f64,
    /// Steps taken so far, where the optimizer counts them.
    pub steps: u64,
    /// What is kept of the gradients so far, each by the names of the parameters: two moments for [`Adam`], none for a
    /// plain [`Sgd`].
    pub moments: Vec<StateDict>,
}

impl OptimizerState {
    /// The moments of an optimizer that keeps `N` of them.
    ///
    /// # Errors
    /// If there are not as many.
    pub fn into_moments<const N: usize>(self) -> Result<[StateDict; N], StateError> {
        let other = |moments: Vec<_>| StateError::Optimizer { found: moments.len(), expected: N };
        self.moments.try_into().map_err(other)
    }
}

/// Calls `f` for every parameter of `model` that has a gradient: with its values, the gradient, and what is kept of
/// those before, as zeros at first.
fn each<const N: usize>(
    optimizer: &str,
    model: &mut dyn Parameters,
    grads: &Grads<f32>,
    mut kept: [Option<&mut StateDict>; N],
    mut f: impl FnMut(&mut [f32], &[f32], [Option<&mut [f32]>; N]),
) -> Result<()> {
    let mut fits = Ok(());
    model.visit_mut(&mut |name, param| {
        let Some(grad) = grads.get(param) else { return };
        let grad = grad.as_standard_layout();
        let shape = param.shape();
        let mut known = true;
        let moments = kept.each_mut().map(|kept| {
            let values = kept.as_mut()?.get_or_zeros(name, shape);
            known &= values.is_some();
            values
        });
        if known {
            param.update(|w| f(w, grad.as_slice().unwrap_or_default(), moments));
        } else {
            fits = Err(Error::Argument(format!(
                "{optimizer} has served another model, in which `{name}` did not have the shape {shape:?}"
            )));
        }
    });
    fits
}

/// Puts the moments of a saved state where an optimizer keeps them.
fn restore<const N: usize>(
    kept: [Option<&mut StateDict>; N],
    state: OptimizerState,
) -> Result<(), StateError> {
    let (found, expected) = (state.moments.len(), kept.iter().flatten().count());
    if found != expected {
        return Err(StateError::Optimizer { found, expected });
    }
    kept.into_iter().flatten().zip(state.moments).for_each(|(kept, saved)| *kept = saved);
    Ok(())
}

impl<O: Optimizer + ?Sized> Optimizer for Box<O> {
    fn step(&mut self, model: &mut dyn Parameters, grads: &Grads<f32>) -> Result<()> {
        (**self).step(model, grads)
    }

    fn lr(&self) -> f64 {
        (**self).lr()
    }

    fn set_lr(&mut self, lr: f64) {
        (**self).set_lr(lr);
    }

    fn save(&self) -> OptimizerState {
        (**self).save()
    }

    fn load(&mut self, state: OptimizerState) -> Result<(), StateError> {
        (**self).load(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cx, Linear, Module, parameters, seeded};
    use azura_core::Tensor;

    fn steps(optimizer: &mut dyn Optimizer, layer: &mut Linear, count: usize) -> Result<()> {
        let x = Tensor::from_vec(&[3, 2], vec![0.3, -1.0, 0.7, 0.1, -0.4, 0.9])?;
        let target = Tensor::from_vec(&[3, 1], vec![1.0, -2.0, 0.5])?;
        for _ in 0..count {
            let loss = layer.forward(&x, &mut Cx::train(seeded(0)))?.mse(&target)?;
            optimizer.step(&mut parameters(layer), &loss.backward()?)?;
        }
        Ok(())
    }

    #[test]
    fn a_saved_optimizer_goes_on_bit_equally() {
        let optimizers: [fn(f64) -> Box<dyn Optimizer>; 6] = [
            |lr| Box::new(Adam::new(lr)),
            |lr| Box::new(AdamW::new(lr)),
            |lr| Box::new(Sgd::new(lr)),
            |lr| Box::new(Sgd::new(lr).momentum(0.9).nesterov()),
            |lr| Box::new(RmsProp::new(lr)),
            |lr| Box::new(RmsProp::new(lr).momentum(0.9).centered()),
        ];
        for make in optimizers {
            let (mut optimizer, mut layer) = (make(0.1), Linear::new(2, 1, &mut seeded(1)));
            steps(&mut optimizer, &mut layer, 3).unwrap();
            optimizer.set_lr(0.03);
            let (mut state, weights) = (optimizer.save(), StateDict::of(&parameters(&mut layer)));
            steps(&mut optimizer, &mut layer, 3).unwrap();

            // Moments survive being written to a file.
            for moment in &mut state.moments {
                *moment = StateDict::from_bytes(&moment.to_bytes()).unwrap();
            }
            let (mut again, mut other) = (make(0.1), Linear::new(2, 1, &mut seeded(2)));
            weights.load_into(&mut parameters(&mut other)).unwrap();
            again.load(state).unwrap();
            steps(&mut again, &mut other, 3).unwrap();
            assert_eq!(StateDict::of(&parameters(&mut other)), StateDict::of(&parameters(&mut layer)));
            assert_eq!(again.save(), optimizer.save());
        }
    }

    #[test]
    fn a_state_of_another_kind_is_refused_and_nothing_changes() {
        let (mut adam, mut sgd) = (Adam::new(0.1), Sgd::new(0.2));
        let error = sgd.load(adam.save()).unwrap_err().to_string();
        assert_eq!(
            error,
            "the state is that of another optimizer: it holds 2 moments of each parameter, not 0"
        );
        assert!(adam.load(sgd.save()).is_err());
        assert_eq!((adam.save(), sgd.save()), (Adam::new(0.1).save(), Sgd::new(0.2).save()));
    }

    #[test]
    fn an_optimizer_that_has_served_another_model_says_so() {
        let mut adam = Adam::new(0.1);
        steps(&mut adam, &mut Linear::new(2, 1, &mut seeded(1)), 1).unwrap();
        let mut wider = Linear::new(2, 4, &mut seeded(1));
        let loss = wider.forward(&Tensor::zeros(&[3, 2]), &mut Cx::train(seeded(0))).unwrap();
        let grads = loss.sum_all().unwrap().backward().unwrap();
        let error = adam.step(&mut parameters(&mut wider), &grads).unwrap_err().to_string();
        assert_eq!(error, "Adam has served another model, in which `bias` did not have the shape [4]");
    }
}
