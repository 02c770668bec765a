//! Timing.

use super::Step;
use azura_learner::Result;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Steps before the first that counts, at least.
const WARM_UP: usize = 5;

/// What was measured of some steps.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Figures {
    /// The median time of a step.
    pub median: Duration,
    /// The shortest time of a step.
    pub min: Duration,
    /// How many were timed.
    pub count: usize,
    /// The mean over the elements of what the very first step gave: the loss, or the mean output of a forward pass.
    pub first: f32,
    /// The same of the last step.
    pub last: f32,
}

/// Times steps for as long as this, after a quarter of it to warm up.
///
/// # Errors
/// Whatever a step returns.
pub fn measure(mut step: Step, time: Duration) -> Result<Figures> {
    let mut last = step()?;
    let first = last.mean_all()?.item()?;
    let begin = Instant::now();
    for _ in 1..WARM_UP {
        step()?;
    }
    while begin.elapsed() < time / 4 {
        step()?;
    }
    let (begin, mut times) = (Instant::now(), Vec::new());
    while begin.elapsed() < time || times.is_empty() {
        let start = Instant::now();
        last = step()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let last = last.mean_all()?.item()?;
    Ok(Figures { median: times[times.len() / 2], min: times[0], count: times.len(), first, last })
}

impl Figures {
    /// The line that the program of every peer prints.
    pub fn json(&self, name: &str) -> Value {
        let us = |time: Duration| time.as_nanos() as f64 / 1e3;
        json!({
            "w": name,
            "median_us": us(self.median),
            "min_us": us(self.min),
            "n": self.count,
            "l0": self.first,
            "l": self.last,
            "rss_mb": peak_memory(),
        })
    }
}

/// How much memory this process had at most, in MiB, where the system tells.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some((line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 102.4).round() / 10.0)
}
