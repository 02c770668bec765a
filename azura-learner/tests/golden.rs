//! A small LSTM beside PyTorch: outputs, all gradients, and twenty steps of each optimizer.
//! `scripts/golden.py` made the file of what PyTorch computes.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

use azura_core::{Direction, LstmInputs, Param, Steps, Tensor};
use azura_learner::{
    Adam, Cx, Linear, Lstm, Module, Optimizer, Parameters, Sequential, Sgd, StateDict, parameters, seeded,
};
use serde_json::Value;

const BATCH: usize = 4;
const TIME: usize = 6;
const INPUTS: usize = 3;
const HIDDEN: usize = 5;

/// Both sides round in `f32`, in different orders.
const TOLERANCE: f64 = 2e-6;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/training.json")).unwrap()
}

/// Multiples of 1/1024 in -1..1, as `numbers` in the script.
fn numbers(shape: &[usize], seed: u32) -> Tensor {
    let mut state = seed;
    let values = (0..shape.iter().product()).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 21) as f32 / 1024.0 - 1.0
    });
    Tensor::from_vec(shape, values.collect()).unwrap()
}

fn weights() -> [(&'static str, Tensor); 3] {
    [
        ("weight_ih", numbers(&[4 * HIDDEN, INPUTS], 1)),
        ("weight_hh", numbers(&[4 * HIDDEN, HIDDEN], 2)),
        ("bias", numbers(&[4 * HIDDEN], 3)),
    ]
}

fn close(what: &str, found: &[f32], expected: &Value) {
    let expected: Vec<f64> = expected.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs() / expected.abs().max(1.0);
        assert!(error < TOLERANCE, "{what}[{i}]: {found} where PyTorch has {expected}");
    }
}

#[test]
fn an_lstm_and_its_gradients_are_those_of_pytorch() {
    let golden = &golden()["lstm"];
    let [w_ih, w_hh, bias] = weights().map(|(_, values)| Param::new(values.into_data()));
    let x = Param::new(numbers(&[BATCH, TIME, INPUTS], 6).into_data());
    let [h0, c0] = [8, 9].map(|seed| Param::new(numbers(&[BATCH, HIDDEN], seed).into_data()));
    let inputs = LstmInputs {
        weight_ih: &w_ih.tracked(),
        weight_hh: &w_hh.tracked(),
        bias: &bias.tracked(),
        state: Some((&h0.tracked(), &c0.tracked())),
        direction: Direction::Forward,
    };
    let out = x.tracked().lstm(&inputs, Steps::All).unwrap();
    close("y", &out.y.to_vec(), &golden["y"]);
    close("h", &out.h.to_vec(), &golden["h"]);
    close("c", &out.c.to_vec(), &golden["c"]);

    let by_y = out.y.mul(&numbers(out.y.shape(), 10)).unwrap().sum_all().unwrap();
    let by_c = out.c.mul(&numbers(out.c.shape(), 11)).unwrap().sum_all().unwrap();
    let grads = by_y.add(&by_c).unwrap().backward().unwrap();
    let all = [("x", x), ("h0", h0), ("c0", c0), ("weight_ih", w_ih), ("weight_hh", w_hh), ("bias", bias)];
    for (name, param) in all {
        let found: Vec<f32> = grads.get(&param).unwrap().iter().copied().collect();
        close(name, &found, &golden["gradients"][name]);
    }
}

#[test]
fn twenty_steps_of_each_optimizer_are_those_of_pytorch() {
    let golden = golden();
    let optimizers: [(&str, Box<dyn Optimizer>); 2] =
        [("adam", Box::new(Adam::new(0.02))), ("sgd", Box::new(Sgd::new(0.1)))];
    let (x, target) = (numbers(&[BATCH, TIME, INPUTS], 6), numbers(&[BATCH, 1], 7));
    for (name, mut optimizer) in optimizers {
        let rng = &mut seeded(0);
        let mut model = Sequential::new()
            .push(Lstm::new(INPUTS, HIDDEN, rng).last_step())
            .push(Linear::new(HIDDEN, 1, rng));
        let linear = [("weight", numbers(&[1, HIDDEN], 4)), ("bias", numbers(&[1], 5))];
        let named = weights().map(|(name, values)| (format!("0.{name}"), values)).into_iter();
        let named: Vec<_> = named.chain(linear.map(|(name, values)| (format!("1.{name}"), values))).collect();
        parameters(&mut model).visit_mut(&mut |name, param| {
            let (_, values) = named.iter().find(|(known, _)| known == name).unwrap();
            param.set(&values.to_vec()).unwrap();
        });

        let mut losses = Vec::new();
        for _ in 0..20 {
            let y = model.forward(&x, &mut Cx::train(seeded(0))).unwrap();
            let loss = y.mse(&target).unwrap();
            losses.push(loss.item().unwrap());
            let grads = loss.backward().unwrap();
            drop((y, loss));
            optimizer.step(&mut parameters(&mut model), &grads).unwrap();
        }
        close(&format!("{name}: losses"), &losses, &golden[name]["losses"]);
        let state = StateDict::of(&parameters(&mut model));
        let (_, weight_hh) = state.get("0.weight_hh").unwrap();
        // Twenty steps add up the rounding of twenty steps.
        let golden_weights = &golden[name]["weight_hh"];
        close(&format!("{name}: weight_hh"), weight_hh, golden_weights);
        assert!(losses[19] < 0.5 * losses[0], "{name}: {losses:?}");
    }
}
