//! What one step is made of.

use super::data;
use azura_core::Tensor;
use azura_learner::{
    Callback, CallbackError, ClipGradients, DataLoader, Flow, Learner, Linear, Result, Sgd, StateDict,
    TrainCx, loss, parameters, seeded,
};
use std::sync::{Arc, Mutex};

fn model() -> Linear {
    Linear::new(1, 1, &mut seeded(1))
}

/// The weight and the bias.
fn weights(learner: &mut Learner<Linear>) -> Vec<f32> {
    let state = StateDict::of(&parameters(learner.model_mut()));
    ["weight", "bias"].into_iter().flat_map(|name| state.get(name).unwrap().1.to_vec()).collect()
}

/// Writes down the gradients of every step: of the weight, then of the bias.
struct Gradients(Arc<Mutex<Vec<Vec<f32>>>>);

impl Callback for Gradients {
    fn on_gradients(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        let grads = cx.grads.as_ref().unwrap();
        let mut found = Vec::new();
        cx.model.visit(&mut |_, param| found.extend(grads.get(param).unwrap().iter().copied()));
        self.0.lock().unwrap().push(found);
        Ok(Flow::Continue)
    }
}

#[test]
fn accumulated_batches_make_the_step_of_one_large_batch() {
    // 7 samples: batches of 2, 2, 2 and 1 in groups of two, or 4 and 3. 5 samples: the last group is one batch.
    // 8 samples in groups of three: 6 and 2.
    for (samples, group) in [(7, 2), (5, 2), (8, 3), (7, 100)] {
        let fit = |learner: Learner<Linear>, batch| {
            let steps = Arc::new(Mutex::new(Vec::new()));
            let mut learner = learner.callback(Gradients(Arc::clone(&steps)));
            let dataset = data(samples).dataset().clone();
            let fit = learner.fit(&mut DataLoader::new(dataset, batch), None, 3).unwrap();
            let steps = steps.lock().unwrap().len();
            (weights(&mut learner), fit.history.last("loss").unwrap(), steps)
        };
        let new = || Learner::new(model(), Sgd::new(0.5), loss::mse);
        let (found, found_loss, found_steps) = fit(new().accumulate(group), 2);
        let (expected, expected_loss, expected_steps) = fit(new(), 2 * group);
        assert_eq!((found_steps, 3 * samples.div_ceil(2 * group)), (expected_steps, found_steps));
        let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
        assert!(found.iter().zip(&expected).all(close), "{samples}, {group}: {found:?} {expected:?}");
        assert!((found_loss - expected_loss).abs() < 1e-6);
        // Small batches without it would have come elsewhere.
        let (other, ..) = fit(new(), 2);
        assert!(other.iter().zip(&expected).any(|(a, b)| (a - b).abs() > 1e-3));
    }
}

#[test]
fn gradients_are_clipped_before_the_step() {
    let first = |clip: Option<ClipGradients>| {
        let steps = Arc::new(Mutex::new(Vec::new()));
        let mut learner: Learner<Linear> = Learner::new(model(), Sgd::new(1.0), loss::mse);
        if let Some(clip) = clip {
            learner = learner.callback(clip);
        }
        let mut learner = learner.callback(Gradients(Arc::clone(&steps)));
        let before = weights(&mut learner);
        learner.fit(&mut data(2), None, 1).unwrap();
        let grads = steps.lock().unwrap()[0].clone();
        // A step of 1 is the gradient itself.
        for ((before, after), grad) in before.iter().zip(weights(&mut learner)).zip(&grads) {
            assert!((before - after - grad).abs() < 1e-6);
        }
        grads
    };
    let plain = first(None);
    let norm = plain[0].hypot(plain[1]);
    assert!(norm > 0.2 && plain[0].abs() < plain[1].abs(), "{plain:?}");
    let by_norm = first(Some(ClipGradients::norm(0.1).unwrap()));
    assert!(by_norm.iter().zip(&plain).all(|(a, b)| (a - b * 0.1 / norm).abs() < 1e-6), "{by_norm:?}");
    assert_eq!(first(Some(ClipGradients::norm(100.0).unwrap())), plain);
    // Between the two.
    let limit = f32::midpoint(plain[0].abs(), plain[1].abs());
    let by_value = first(Some(ClipGradients::value(limit).unwrap()));
    assert_eq!(by_value, [plain[0], limit.copysign(plain[1])]);

    let error = ClipGradients::norm(0.0).unwrap_err().to_string();
    assert_eq!(error, "ClipGradients: max_norm = 0 must be greater than 0");
    assert!(ClipGradients::value(f32::NAN).is_err());
}

#[test]
fn a_loss_of_shapes_that_would_broadcast_ends_the_training_at_once() {
    let flat = |y: &Tensor, target: &Tensor| loss::mse(y, &target.reshape(&[target.len()])?);
    let error =
        Learner::new(model(), Sgd::new(0.1), flat).fit(&mut data(4), None, 1).unwrap_err().to_string();
    assert!(error.contains("broadcast, they would be [2, 2]"), "{error}");
}
