//! How the learning rate changes in the course of a training.

use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// What becomes of the learning rate, as in PyTorch; [`LrSchedule`](crate::LrSchedule) applies it. Steps are epochs or
/// optimizer steps, counted from 0, and `base` is the rate that the optimizer starts with.
///
/// ```
/// use azura_learner::Schedule;
///
/// let schedule = Schedule::cosine(1, 11);
/// assert_eq!(schedule.lr(0.1, 0), 0.05); // warming up
/// assert_eq!(schedule.lr(0.1, 1), 0.1);
/// assert!((schedule.lr(0.1, 6) - 0.05).abs() < 1e-12); // half way down
/// assert_eq!(schedule.lr(0.1, 11), 0.0);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Schedule {
    /// `base` throughout.
    Constant,
    /// `base gamma^floor(step / step_size)`.
    Step {
        /// Steps of one rate, 1 or more.
        step_size: usize,
        /// The factor from one rate to the next, above 0.
        gamma: f64,
    },
    /// `base gamma^step`.
    Exponential {
        /// The factor from step to step, above 0.
        gamma: f64,
    },
    /// `base (step + 1) / (warmup + 1)` before step `warmup`, then with x going from 0 there to 1 at step `total`
    /// `min_lr + (base - min_lr) (1 + cos(pi x)) / 2` (Loshchilov and Hutter 2017, without restarts), then `min_lr`. In
    /// PyTorch `LinearLR` and `CosineAnnealingLR`.
    Cosine {
        /// Steps that rise.
        warmup: usize,
        /// The step at which the least rate is reached, `warmup` or more.
        total: usize,
        /// The least rate.
        min_lr: f64,
    },
    /// From `base / div_factor` up to `base` at step `pct_start * total - 1`, and down to
    /// `base / div_factor / final_div_factor` at step `total - 1`, each as half a cosine (Smith and Topin 2018). What
    /// PyTorch does to the momentum with it by default is not done here.
    OneCycle {
        /// The steps of the whole cycle, 1 or more.
        total: usize,
        /// The part of them that rises, 0 to 1.
        pct_start: f64,
        /// How far below `base` it starts, above 0.
        div_factor: f64,
        /// How far below its start it ends, above 0.
        final_div_factor: f64,
    },
    /// Down when a metric no longer falls.
    ReduceOnPlateau(Plateau),
}

/// A learning rate that goes down when a metric no longer falls.
///
/// After more than `patience` epochs in a row whose metric was not below `best * (1 - threshold)`, the rate becomes
/// `max(factor * rate, min_lr)`. Epochs without the metric (not validated) do not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Plateau {
    /// The metric, `val_loss` by default.
    pub metric: String,
    /// What the rate is multiplied with, in `0 < factor < 1`; 0.1 by default.
    pub factor: f64,
    /// Epochs without an improvement that are borne; 10 by default.
    pub patience: usize,
    /// The part by which the metric must fall to count as better; 1e-4 by default.
    pub threshold: f64,
    /// Epochs after a reduction in which none is counted; 0 by default.
    pub cooldown: usize,
    /// The least rate; 0 by default.
    pub min_lr: f64,
}

impl Default for Plateau {
    fn default() -> Self {
        Self {
            metric: "val_loss".into(),
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            cooldown: 0,
            min_lr: 0.0,
        }
    }
}

impl Schedule {
    /// [`Schedule::Cosine`] down to 0.
    pub fn cosine(warmup: usize, total: usize) -> Self {
        Self::Cosine { warmup, total, min_lr: 0.0 }
    }

    /// [`Schedule::OneCycle`] with PyTorch's constants: 0.3 of the steps rise, from 1/25, and the end is 1e-4 of the
    /// start.
    pub fn one_cycle(total: usize) -> Self {
        Self::OneCycle { total, pct_start: 0.3, div_factor: 25.0, final_div_factor: 1e4 }
    }

    /// The learning rate at a step. Of [`Schedule::ReduceOnPlateau`] it is `base`, since that depends on the metric.
    pub fn lr(&self, base: f64, step: usize) -> f64 {
        match *self {
            Self::Constant | Self::ReduceOnPlateau(_) => base,
            Self::Step { step_size, gamma } => base * gamma.powf((step / step_size.max(1)) as f64),
            Self::Exponential { gamma } => base * gamma.powf(step as f64),
            Self::Cosine { warmup, .. } if step < warmup => base * (step + 1) as f64 / (warmup + 1) as f64,
            Self::Cosine { total, min_lr, .. } if step >= total => min_lr,
            Self::Cosine { warmup, total, min_lr } => {
                cosine(base, min_lr, (step - warmup) as f64 / (total - warmup) as f64)
            }
            Self::OneCycle { total, pct_start, div_factor, final_div_factor } => {
                let (first, last) = (base / div_factor, base / div_factor / final_div_factor);
                let (step, end) = (step.min(total.saturating_sub(1)) as f64, total as f64 - 1.0);
                let peak = pct_start * total as f64 - 1.0;
                if step < peak {
                    cosine(first, base, step / peak)
                } else if end > peak {
                    cosine(base, last, (step - peak) / (end - peak))
                } else {
                    base
                }
            }
        }
    }

    /// Whether all numbers are in their range.
    pub(crate) fn check(&self) -> Result<()> {
        let above_0 =
            |name: &'static str, x: f64| (name, x, x > 0.0 && x.is_finite(), "a finite number above 0");
        let least = |x: f64| ("min_lr", x, x >= 0.0 && x.is_finite(), "a finite number, 0 or more");
        let count = |name: &'static str, x: usize| (name, x as f64, x > 0, "1 or more");
        let checks = match *self {
            Self::Constant => Vec::new(),
            Self::Step { step_size, gamma } => vec![count("step_size", step_size), above_0("gamma", gamma)],
            Self::Exponential { gamma } => vec![above_0("gamma", gamma)],
            Self::Cosine { warmup, total, min_lr } => {
                vec![least(min_lr), ("total", total as f64, total >= warmup, "no less than the warm-up")]
            }
            Self::OneCycle { total, pct_start, div_factor, final_div_factor } => vec![
                count("total", total),
                ("pct_start", pct_start, (0.0..=1.0).contains(&pct_start), "0 to 1"),
                above_0("div_factor", div_factor),
                above_0("final_div_factor", final_div_factor),
            ],
            Self::ReduceOnPlateau(Plateau { factor, threshold, min_lr, .. }) => vec![
                ("factor", factor, factor > 0.0 && factor < 1.0, "above 0 and below 1"),
                ("threshold", threshold, (0.0..1.0).contains(&threshold), "0 or more and below 1"),
                least(min_lr),
            ],
        };
        match checks.into_iter().find(|(_, _, allowed, _)| !allowed) {
            None => Ok(()),
            Some((name, found, _, wants)) => {
                Err(Error::Argument(format!("learning rate schedule: {name} = {found} must be {wants}")))
            }
        }
    }
}

/// From one rate to another along half a cosine, by the `part` of the way, 0 to 1.
fn cosine(from: f64, to: f64, part: f64) -> f64 {
    to + (from - to) * (1.0 + (PI * part).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_its_end_a_schedule_stays_where_it_is() {
        assert_eq!(Schedule::cosine(0, 10).lr(0.1, 1000).to_bits(), 0.0_f64.to_bits());
        let cycle = Schedule::one_cycle(10);
        assert_eq!(cycle.lr(0.1, 1000).to_bits(), cycle.lr(0.1, 9).to_bits());
        // No step goes up, none goes down, or there is but one.
        for (pct_start, total) in [(0.0, 10), (1.0, 10), (0.5, 2), (0.5, 1)] {
            let cycle = Schedule::OneCycle { total, pct_start, div_factor: 25.0, final_div_factor: 1e4 };
            assert!((0..12).all(|step| (0.0..=0.1).contains(&cycle.lr(0.1, step))), "{cycle:?}");
        }
    }

    #[test]
    fn numbers_out_of_their_range_are_refused() {
        let plateau = |plateau| Schedule::ReduceOnPlateau(plateau);
        for (schedule, why) in [
            (Schedule::Step { step_size: 0, gamma: 0.5 }, "step_size = 0 must be 1 or more"),
            (Schedule::Exponential { gamma: f64::NAN }, "gamma = NaN must be a finite number above 0"),
            (Schedule::cosine(5, 4), "total = 4 must be no less than the warm-up"),
            (Schedule::one_cycle(0), "total = 0 must be 1 or more"),
            (
                plateau(Plateau { factor: 1.0, ..Plateau::default() }),
                "factor = 1 must be above 0 and below 1",
            ),
            (
                plateau(Plateau { min_lr: -1.0, ..Plateau::default() }),
                "min_lr = -1 must be a finite number, 0 or more",
            ),
        ] {
            assert_eq!(schedule.check().unwrap_err().to_string(), format!("learning rate schedule: {why}"));
        }
        assert!(
            [Schedule::Constant, Schedule::one_cycle(1), plateau(Plateau::default())]
                .iter()
                .all(|s| s.check().is_ok())
        );
    }

    #[test]
    fn a_config_names_its_kind() {
        let json = r#"{"kind": "reduce_on_plateau", "patience": 3}"#;
        let expected = Schedule::ReduceOnPlateau(Plateau { patience: 3, ..Plateau::default() });
        assert_eq!(serde_json::from_str::<Schedule>(json).unwrap(), expected);
        let json = r#"{"kind": "cosine", "warmup": 2, "total": 10, "min_lr": 0.0}"#;
        assert_eq!(serde_json::from_str::<Schedule>(json).unwrap(), Schedule::cosine(2, 10));
    }
}
