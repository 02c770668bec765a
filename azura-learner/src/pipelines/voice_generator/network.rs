//! The model, and how it goes on by itself.

use azura_core::{Ids, Tensor, ndarray::ArrayD};

use super::config::ModelParams;
use crate::{
    Cx, Embedding, Error, Linear, Lstm, LstmRun, Module, Result, Rng, Stack, data::MuLaw, rng::uniform,
    seeded, visit,
};

/// From levels `[batch, time]` to logits of the level that comes next, `[batch · time, levels]`.
#[derive(Debug)]
pub(super) struct Voice {
    embedding: Embedding,
    lstm: Lstm,
    next: Linear,
}

impl Voice {
    pub(super) fn new(model: &ModelParams, seed: u64) -> Result<Self> {
        let rng = &mut seeded(seed);
        let stack = Stack { layers: model.num_layers, dropout: model.dropout, ..Stack::default() };
        Ok(Self {
            embedding: Embedding::new(MuLaw::LEVELS, model.embedding_size, rng),
            lstm: Lstm::stacked(model.embedding_size, model.hidden_size, stack, rng)?,
            next: Linear::new(model.hidden_size, MuLaw::LEVELS, rng),
        })
    }

    /// The logits of hidden states `[batch, time, hidden]`.
    fn logits(&self, hidden: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        let features = hidden.shape().last().copied().unwrap_or_default();
        let rows = hidden.len() / features.max(1);
        cx.call("next", &self.next, &hidden.reshape(&[rows, features])?)
    }

    /// Goes on from `before` (at least one level) by so many levels. The state of the LSTM is carried along, so that one more level costs one step.
    ///
    /// # Errors
    /// [`Error::Cancelled`] as soon as `cancelled` says so.
    pub(super) fn go_on(
        &self,
        before: &[u8],
        count: usize,
        temperature: f64,
        rng: &mut Rng,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>> {
        let cx = &mut Cx::eval();
        let step = |levels: &[u8], state: Option<&LstmRun>, cx: &mut Cx| {
            let x = self.embedding.forward(&ids(&[1, levels.len()], levels.iter().copied())?, cx)?;
            self.lstm.run(&x, state.map(|run| (&run.h, &run.c)), cx)
        };
        let mut run = step(before, None, cx)?;
        let mut made = Vec::with_capacity(count);
        while made.len() < count {
            if cancelled() {
                return Err(Error::Cancelled);
            }
            let time = run.y.shape()[1];
            let logits = self.logits(&run.y.slice(1, time - 1..time)?, cx)?;
            let level = draw(&logits.to_vec(), temperature, rng);
            made.push(level);
            run = step(&[level], Some(&run), cx)?;
        }
        Ok(made)
    }
}

impl Module<Ids> for Voice {
    fn forward(&self, x: &Ids, cx: &mut Cx) -> Result<Tensor> {
        let x = cx.call("embedding", &self.embedding, x)?;
        let hidden = cx.call("lstm", &self.lstm, &x)?;
        self.logits(&hidden, cx)
    }

    visit! { parts: embedding, lstm, next; }
}

/// Levels as the model takes them.
pub(super) fn ids(shape: &[usize], levels: impl Iterator<Item = u8>) -> Result<Ids> {
    let levels = levels.map(u32::from).collect();
    let array = ArrayD::from_shape_vec(shape, levels).map_err(|error| Error::Argument(error.to_string()))?;
    Ok(array.into_shared())
}

/// A level, drawn by the softmax of the logits divided by the temperature; at 0 the likeliest, of equals the first.
fn draw(logits: &[f32], temperature: f64, rng: &mut Rng) -> u8 {
    let (best, most) = logits
        .iter()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, (i, &x)| if x > best.1 { (i, x) } else { best });
    if temperature <= 0.0 {
        return best as u8;
    }
    let weight = |&x: &f32| (f64::from(x - most) / temperature).exp();
    let sum: f64 = logits.iter().map(weight).sum();
    let mut left = f64::from(uniform(rng, 0.0, 1.0)) * sum;
    for (i, x) in logits.iter().enumerate() {
        left -= weight(x);
        if left < 0.0 {
            return i as u8;
        }
    }
    best as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice() -> Voice {
        let model =
            ModelParams { embedding_size: 4, hidden_size: 8, num_layers: 2, ..ModelParams::default() };
        Voice::new(&model, 7).unwrap()
    }

    #[test]
    fn going_on_step_by_step_is_what_a_pass_over_the_whole_says() {
        let (voice, before) = (voice(), [128, 130, 120, 7]);
        let made = voice.go_on(&before, 20, 0.0, &mut seeded(1), &|| false).unwrap();
        let mut all = before.to_vec();
        for level in made {
            let logits = voice
                .forward(&ids(&[1, all.len()], all.iter().copied()).unwrap(), &mut Cx::eval())
                .unwrap()
                .to_vec();
            let last = &logits[logits.len() - 256..];
            let most = last.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert!(last[usize::from(level)] >= most - 1e-5);
            all.push(level);
        }
    }

    #[test]
    fn seeds_and_temperatures() {
        let go_on =
            |temperature, seed| voice().go_on(&[128], 50, temperature, &mut seeded(seed), &|| false).unwrap();
        assert_eq!(go_on(1.0, 1), go_on(1.0, 1));
        assert_ne!(go_on(1.0, 1), go_on(1.0, 2));
        assert_eq!(go_on(0.0, 1), go_on(0.0, 2));
    }

    #[test]
    fn levels_are_drawn_as_often_as_they_are_likely() {
        // Weights e^(ln 3 / 1) and 1, and at half the temperature 9 and 1.
        let logits = [3.0_f32.ln(), 0.0];
        let share = |temperature| {
            let rng = &mut seeded(5);
            (0..4000).filter(|_| draw(&logits, temperature, rng) == 0).count() as f64 / 4000.0
        };
        // Four standard errors: 4 · sqrt(0.75 · 0.25 / 4000) = 0.027.
        assert!((share(1.0) - 0.75).abs() < 0.027, "{}", share(1.0));
        assert!((share(0.5) - 0.9).abs() < 0.019, "{}", share(0.5));
        assert_eq!(draw(&[1.0, 5.0, 5.0], 0.0, &mut seeded(1)), 1);
    }

    #[test]
    fn nobody_waits_for_a_sound_that_was_cancelled() {
        let asked = std::cell::Cell::new(0);
        let cancelled = || asked.replace(asked.get() + 1) == 3;
        let made = voice().go_on(&[128], 1_000_000, 1.0, &mut seeded(1), &cancelled);
        assert!(matches!(made, Err(Error::Cancelled)));
        assert_eq!(asked.get(), 4, "before each of three levels, and before the one that is not made");
    }
}
