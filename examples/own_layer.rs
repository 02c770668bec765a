//! A layer of one's own, made of operations: no derivative is written. It is shown by `summary`, trained, saved and loaded by name like any other.
//!
//! ```text
//! cargo run --release -p azura-examples --bin own_layer
//! ```
//!
//! The layer is the gated linear unit, `(W x + b) sigmoid(V x + c)`, of Dauphin, Fan, Auli and Grangier, "Language Modeling with Gated
//! Convolutional Networks" (2017).

#![expect(clippy::print_stdout, reason = "a program for people")]

use azura_learner::{
    Adam, Cx, DataLoader, Learner, Linear, Module, Result, Rng, Sequential, StateDict, TensorDataset,
    azura_core::Tensor, parameters, seeded, summary, visit,
};

/// `[.., inputs]` to `[.., outputs]`.
struct GatedLinear {
    value: Linear,
    gate: Linear,
}

impl GatedLinear {
    fn new(inputs: usize, outputs: usize, rng: &mut Rng) -> Self {
        Self { value: Linear::new(inputs, outputs, rng), gate: Linear::new(inputs, outputs, rng) }
    }
}

impl Module for GatedLinear {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        let gate = cx.call("gate", &self.gate, x)?.sigmoid()?;
        Ok(cx.call("value", &self.value, x)?.mul(&gate)?)
    }

    visit! { parts: value, gate; }
}

fn model(seed: u64) -> Sequential {
    let rng = &mut seeded(seed);
    Sequential::new().push(GatedLinear::new(2, 16, rng)).push(Linear::new(16, 1, rng))
}

fn main() -> Result<()> {
    // The product of two numbers, which no linear layer can learn.
    let x: Vec<f32> =
        (0..256).flat_map(|i| [(i / 16) as f32 / 8.0 - 1.0, (i % 16) as f32 / 8.0 - 1.0]).collect();
    let y = x.chunks(2).map(|pair| pair[0] * pair[1]).collect();
    let x = Tensor::from_vec(&[256, 2], x)?;
    let data = TensorDataset::new(&x, &Tensor::from_vec(&[256, 1], y)?)?;

    println!("{}", summary(&model(1), &x)?);
    let mut learner = Learner::new(model(1), Adam::new(0.01), Tensor::mse);
    let fit = learner.fit(&mut DataLoader::new(data, 16).shuffle(1), None, 60)?;
    println!("loss: {:.5}", fit.history.last("loss").unwrap_or(f64::NAN));

    let saved = StateDict::of(&parameters(learner.model_mut())).to_bytes();
    let mut again = model(2);
    StateDict::from_bytes(&saved)?.load_into(&mut parameters(&mut again))?;
    let names: Vec<_> = StateDict::from_bytes(&saved)?.names().map(str::to_owned).collect();
    println!("saved: {}", names.join(" "));
    let cx = &mut Cx::eval();
    let same = again.forward(&x, cx)?.to_vec() == learner.model().forward(&x, cx)?.to_vec();
    println!("the loaded model says the same: {same}");
    Ok(())
}
