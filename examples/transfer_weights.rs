//! Takes over what another model has learned, by the names of its weights: the body is kept, the head is new.
//!
//! ```text
//! cargo run --release -p azura-examples --bin transfer_weights
//! ```

#![expect(clippy::print_stdout, reason = "a program for people")]

use azura_learner::{
    Adam, Cx, DataLoader, Learner, Linear, Module, Result, Sequential, StateDict, Tanh, TensorDataset,
    azura_core::Tensor, parameters, seeded, visit,
};
use std::f32::consts::PI;

/// A body that finds out what there is in a number, and a head that makes something of it.
struct Net {
    body: Sequential,
    head: Linear,
}

impl Net {
    fn new(seed: u64) -> Self {
        let rng = &mut seeded(seed);
        let body = Sequential::new()
            .push(Linear::new(1, 32, rng))
            .push(Tanh)
            .push(Linear::new(32, 32, rng))
            .push(Tanh);
        Self { body, head: Linear::new(32, 1, rng) }
    }
}

impl Module for Net {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        let found = cx.call("body", &self.body, x)?;
        cx.call("head", &self.head, &found)
    }

    visit! { parts: body, head; }
}

/// Trains a net to follow `f` from -1 to 1; the net, and its loss after the last epoch.
fn train(net: Net, f: impl Fn(f32) -> f32, epochs: usize) -> Result<(Net, f64)> {
    let x: Vec<f32> = (0..128).map(|i| i as f32 / 64.0 - 1.0).collect();
    let y = x.iter().copied().map(f).collect();
    let data = TensorDataset::new(&Tensor::from_vec(&[128, 1], x)?, &Tensor::from_vec(&[128, 1], y)?)?;
    let mut learner = Learner::new(net, Adam::new(0.005), Tensor::mse);
    let fit = learner.fit(&mut DataLoader::new(data, 16).shuffle(7), None, epochs)?;
    Ok((learner.into_model(), fit.history.last("loss").unwrap_or(f64::NAN)))
}

fn main() -> Result<()> {
    let (mut first, loss) = train(Net::new(1), |x| (PI * x).sin(), 200)?;
    println!("a sine, from nothing: loss {loss:.6}");
    // As a file would hold it.
    let saved = StateDict::of(&parameters(&mut first)).to_bytes();

    let (mut second, mut saved) = (Net::new(2), StateDict::from_bytes(&saved)?);
    saved.take("body.").load_into(&mut parameters(&mut second.body))?;
    let turned = |x: f32| 0.5 - 2.0 * (PI * x).sin();
    let (_, with) = train(second, turned, 20)?;
    let (_, without) = train(Net::new(2), turned, 20)?;
    println!("another one after 20 epochs, with the body of the first: loss {with:.6}");
    println!("the same from nothing: loss {without:.6}");
    Ok(())
}
