//! Twenty steps of training from the same weights: three kinds of model, and one model with every optimizer.

use crate::numbers::{close, fill, ids, list, numbers};
use azura_learner::{
    Adam, AdamW, BatchNorm2d, Conv2d, Cx, Flatten, Linear, Lstm, MaxPool2d, Module, Optimizer,
    Parameters as _, PositionalEncoding, Relu, RmsProp, Sequential, Sgd, Stack, TransformerEncoderLayer,
    azura_core::{Conv, Result, Tensor},
    loss::{CrossEntropy, cross_entropy, mse},
    parameters, seeded,
};
use serde_json::Value;

fn forecaster(layers: usize) -> Sequential {
    let rng = &mut seeded(0);
    let stack = Stack { layers, ..Stack::default() };
    let lstm = Lstm::stacked(3, 5, stack, rng).unwrap().last_step();
    Sequential::new().push(lstm).push(Linear::new(5, 1, rng))
}

fn cnn() -> Sequential {
    let rng = &mut seeded(0);
    let same = Conv { padding: [1, 1], ..Conv::default() };
    Sequential::new()
        .push(Conv2d::new(1, 4, [3, 3], same, rng).unwrap())
        .push(BatchNorm2d::new(4))
        .push(Relu)
        .push(MaxPool2d::new([2, 2]))
        .push(Conv2d::new(4, 6, [3, 3], Conv::default(), rng).unwrap())
        .push(Relu)
        .push(Flatten)
        .push(Linear::new(24, 3, rng))
}

fn transformer() -> Sequential {
    let rng = &mut seeded(0);
    Sequential::new()
        .push(Linear::new(3, 8, rng))
        .push(PositionalEncoding::new(8, 5))
        .push(TransformerEncoderLayer::new(8, 2, 16, rng).unwrap().causal())
        .push(Flatten)
        .push(Linear::new(40, 1, rng))
}

/// The loss of some output.
type Loss = fn(&Tensor) -> Result<Tensor>;

/// Trains and compares: the losses within `tolerance`, the weights and the loss of an evaluation after it within ten times
/// that, since each step hands its rounding on.
fn train(
    name: &str,
    mut model: Sequential,
    mut optimizer: impl Optimizer,
    x: &Tensor,
    loss: Loss,
    tolerance: f64,
) {
    let golden: Value = serde_json::from_str(include_str!("trainings.json")).unwrap();
    let golden = &golden[name];
    fill(&mut model);
    let (mut losses, mut cx) = (Vec::new(), Cx::train(seeded(0)));
    for _ in 0..20 {
        let loss = loss(&model.forward(x, &mut cx).unwrap()).unwrap();
        losses.push(loss.item().unwrap());
        let grads = loss.backward().unwrap();
        drop(loss);
        optimizer.step(&mut parameters(&mut model), &grads).unwrap();
        cx.apply(&mut parameters(&mut model)).unwrap();
    }
    for (step, (&found, expected)) in losses.iter().zip(list(&golden["losses"])).enumerate() {
        let error = (f64::from(found) / expected - 1.0).abs();
        assert!(
            error <= tolerance,
            "{name}, step {step}: {found} where PyTorch has {expected}, off by {error:.1e}"
        );
    }
    assert!(losses[19] < 0.8 * losses[0], "{name} has learned nothing: {losses:?}");
    let mut expected = golden["params"].as_array().unwrap().iter();
    parameters(&mut model).visit(&mut |param_name, param| {
        if param.is_trained() {
            close(
                &format!("{name}: {param_name}"),
                param.as_slice(),
                expected.next().unwrap(),
                10.0 * tolerance,
            );
        }
    });
    let eval = loss(&model.forward(x, &mut Cx::eval()).unwrap()).unwrap();
    close(&format!("{name}: evaluation"), &eval.to_vec(), &golden["eval"], 10.0 * tolerance);
}

fn to_target(y: &Tensor) -> Result<Tensor> {
    mse(y, &numbers(&[4, 1], 7))
}

#[test]
fn an_lstm_a_cnn_and_a_transformer_learn_as_in_pytorch() {
    let sequence = numbers(&[4, 6, 3], 6);
    train("lstm", forecaster(2), Adam::new(0.02), &sequence, to_target, 1e-5);
    let to_class = |y: &Tensor| cross_entropy(CrossEntropy::default())(y, &ids(&[6], 9, 3));
    train("cnn", cnn(), Sgd::new(0.05).momentum(0.9), &numbers(&[6, 1, 8, 8], 8), to_class, 1e-5);
    train("transformer", transformer(), AdamW::new(0.01).eps(1e-4), &numbers(&[4, 5, 3], 6), to_target, 1e-5);
}

#[test]
fn twenty_steps_of_each_optimizer_are_those_of_pytorch() {
    let run = |name: &str, optimizer: Box<dyn Optimizer>| {
        // The first steps of RMSprop are long, since its mean of squares begins at 0.
        let tolerance = if name.starts_with("rmsprop") { 3e-5 } else { 1e-5 };
        train(name, forecaster(1), optimizer, &numbers(&[4, 6, 3], 6), to_target, tolerance);
    };
    let all = |adam: Adam| adam.betas(0.8, 0.95).eps(1e-4).weight_decay(0.01);
    let all_w = |adam: AdamW| adam.betas(0.8, 0.95).eps(1e-4).weight_decay(0.5);
    run("sgd", Box::new(Sgd::new(0.1)));
    run("sgd momentum", Box::new(Sgd::new(0.05).momentum(0.9)));
    run("sgd nesterov", Box::new(Sgd::new(0.05).momentum(0.9).nesterov().weight_decay(0.01)));
    run("adam", Box::new(Adam::new(0.02)));
    run("adam with all", Box::new(all(Adam::new(0.02))));
    run("adamw", Box::new(AdamW::new(0.02)));
    run("adamw with all", Box::new(all_w(AdamW::new(0.02))));
    run("rmsprop", Box::new(RmsProp::new(0.002)));
    run("rmsprop momentum", Box::new(RmsProp::new(0.002).alpha(0.9).momentum(0.5)));
    let rmsprop = RmsProp::new(0.002).alpha(0.9).eps(1e-4).weight_decay(0.01).momentum(0.5).centered();
    run("rmsprop with all", Box::new(rmsprop));
}
