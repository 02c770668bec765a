//! A training that is killed and goes on: it ends as if nothing had happened.
//!
//! ```text
//! cargo run --bin resume
//! ```

#![expect(clippy::print_stdout, reason = "a program for people")]

use azura_learner::{
    Adam, Checkpoint, DataLoader, Dropout, Learner, Linear, Sequential, Snapshot, StateDict, Tanh,
    TensorDataset, azura_core::Tensor, loss, parameters, seeded,
};
use std::{error::Error, path::Path};

const EPOCHS: usize = 40;

/// Everything is made as it was the first time; what has changed since is in the checkpoint.
fn learner(checkpoints: Option<&Path>) -> Result<Learner<Sequential>, Box<dyn Error>> {
    let rng = &mut seeded(1);
    let model = Sequential::new()
        .push(Linear::new(1, 16, rng))
        .push(Tanh)
        .push(Dropout::new(0.1)?)
        .push(Linear::new(16, 1, rng));
    let learner = Learner::new(model, Adam::new(0.01), loss::mse).config(serde_json::json!({"hidden": 16}));
    Ok(match checkpoints {
        Some(folder) => learner.callback(Checkpoint::new(folder)),
        None => learner,
    })
}

fn data() -> Result<DataLoader<TensorDataset>, Box<dyn Error>> {
    let x: Vec<f32> = (0..64).map(|i| i as f32 / 32.0 - 1.0).collect();
    let y = x.iter().map(|x| (3.0 * x).sin()).collect();
    let data = TensorDataset::new(&Tensor::from_vec(&[64, 1], x)?, &Tensor::from_vec(&[64, 1], y)?)?;
    Ok(DataLoader::new(data, 8).shuffle(1))
}

fn weights(learner: &mut Learner<Sequential>) -> Vec<u8> {
    StateDict::of(&parameters(learner.model_mut())).to_bytes()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut whole = learner(None)?;
    let expected = whole.fit(&mut data()?, None, EPOCHS)?;

    // As good as killed: nothing is left of it but its checkpoints.
    let folder = tempfile::tempdir()?;
    learner(Some(folder.path()))?.fit(&mut data()?, None, 15)?;

    // What a program that may have been interrupted does at its start.
    let mut resumed = learner(Some(folder.path()))?;
    if let Some(snapshot) = Snapshot::newest(folder.path())?.snapshot {
        println!("goes on after epoch {}", snapshot.epoch);
        resumed = resumed.resume(snapshot);
    }
    let fit = resumed.fit(&mut data()?, None, EPOCHS)?;
    println!("loss {:.5} after epoch {}", fit.history.last("loss").unwrap_or(f64::NAN), fit.history.epochs());
    println!("same history: {}", fit.history == expected.history);
    println!("same weights, bit by bit: {}", weights(&mut resumed) == weights(&mut whole));
    Ok(())
}
