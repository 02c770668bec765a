//! Trains a small network inside a program of one's own and watches it by a callback.
//!
//! ```text
//! cargo run --release -p azura-examples --bin train_embedded
//! ```

#![expect(clippy::print_stdout, reason = "a program for people")]

use azura_learner::{
    Adam, Callback, CallbackError, Cx, DataLoader, Flow, Learner, Linear, Module, Result, Sequential, Tanh,
    TensorDataset, TrainCx, azura_core::Tensor, seeded,
};

/// Prints every tenth epoch, and stops when the loss is small enough.
struct Watch {
    goal: f64,
}

impl Callback for Watch {
    fn on_epoch_end(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        let (epoch, loss) = (cx.progress.epoch, cx.metrics["loss"]);
        if epoch % 10 == 0 {
            println!("epoch {epoch:3}: loss {loss:.5}");
        }
        if loss < self.goal {
            Ok(Flow::Stop(format!("loss below {}", self.goal)))
        } else {
            Ok(Flow::Continue)
        }
    }
}

fn main() -> Result<()> {
    // The sine over one period, to be learned from 128 points.
    let x: Vec<f32> = (0..128).map(|i| i as f32 / 64.0 - 1.0).collect();
    let y = x.iter().map(|x| (std::f32::consts::PI * x).sin()).collect();
    let data = TensorDataset::new(&Tensor::from_vec(&[128, 1], x)?, &Tensor::from_vec(&[128, 1], y)?)?;

    let rng = &mut seeded(7);
    let model = Sequential::new().push(Linear::new(1, 32, rng)).push(Tanh).push(Linear::new(32, 1, rng));
    let mut learner = Learner::new(model, Adam::new(0.01), Tensor::mse).callback(Watch { goal: 1e-3 });
    let fit = learner.fit(&mut DataLoader::new(data, 16).shuffle(7), None, 500)?;
    println!("ended after {} epochs: {:?}", fit.history.epochs(), fit.outcome);

    let at = Tensor::from_vec(&[3, 1], vec![-0.5, 0.0, 0.5])?;
    let found = learner.model().forward(&at, &mut Cx::eval())?.to_vec();
    println!("sin(pi x) at -0.5, 0, 0.5: {:.2} {:.2} {:.2}", found[0], found[1], found[2]);
    Ok(())
}
