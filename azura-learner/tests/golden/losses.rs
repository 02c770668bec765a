//! The losses and their gradients.

use crate::numbers::{close, ids, numbers};
use azura_learner::{
    azura_core::{Param, Result, Tensor},
    loss::{CrossEntropy, bce_with_logits, cross_entropy, huber, mae, mse, quantile},
};
use serde_json::Value;

const TOLERANCE: f64 = 2e-6;

fn loss(name: &str, y: &Tensor) -> Result<Tensor> {
    let target = numbers(&[4, 3], 2);
    let weight = Tensor::from_vec(&[3], vec![0.5, 2.0, 1.0])?;
    let all = CrossEntropy {
        weight: Some(weight),
        label_smoothing: 0.125,
        ignore_index: Some(2),
        ..CrossEntropy::default()
    };
    match name {
        "mse" => mse(y, &target),
        "mae" => mae(y, &target),
        "huber" => huber(0.5)(y, &target),
        "quantile" => quantile(0.875)(y, &target),
        "bce_with_logits" => bce_with_logits(y, &target.data().mapv(|t| f32::from(u8::from(t > 0.0))).into()),
        "cross_entropy" => cross_entropy(CrossEntropy::default())(y, &ids(&[4], 3, 3)),
        "cross_entropy with all" => cross_entropy(all)(y, &ids(&[4], 3, 3)),
        "cross_entropy 3d" => cross_entropy(all)(y, &ids(&[4, 5], 3, 3)),
        "cross_entropy last axis" => {
            cross_entropy(CrossEntropy { class_axis: -1, ..all })(y, &ids(&[4, 5], 3, 3))
        }
        _ => unreachable!("{name}"),
    }
}

#[test]
fn every_loss_and_its_gradient_are_those_of_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("losses.json")).unwrap();
    let cases = golden.as_object().unwrap().iter().filter(|(name, _)| *name != "made_by");
    assert_eq!(cases.clone().count(), 9);
    for (name, golden) in cases {
        let shape: &[usize] = match &**name {
            "cross_entropy 3d" => &[4, 3, 5],
            "cross_entropy last axis" => &[4, 5, 3],
            _ => &[4, 3],
        };
        let y = Param::new(numbers(shape, 1).into_data());
        let loss = loss(name, &y.tracked()).unwrap();
        close(&format!("{name}: loss"), &loss.to_vec(), &golden["loss"], TOLERANCE);
        let grads = loss.backward().unwrap();
        let gradient: Vec<f32> = grads.get(&y).unwrap().iter().copied().collect();
        close(&format!("{name}: gradient"), &gradient, &golden["y"], TOLERANCE);
    }
}
