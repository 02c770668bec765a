//! Times training steps: `training_step NAME SECONDS THREADS` prints the median and the fastest, in milliseconds.
//! `peers/run` calls it in turn with other libraries.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use azura_benches::{NAMES, Workload};
use std::{
    error::Error,
    time::{Duration, Instant},
};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = std::env::args().collect();
    let [_, name, seconds, threads] = args.as_slice() else {
        for (name, text) in NAMES {
            println!("{name}: {text}");
        }
        return Err("usage: training_step NAME SECONDS THREADS".into());
    };
    rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build_global()?;
    let mut workload = Workload::new(name)?;
    let limit = Duration::from_secs_f64(seconds.parse()?);
    for _ in 0..10 {
        workload.step()?;
    }
    let begin = Instant::now();
    let mut times = Vec::new();
    while begin.elapsed() < limit {
        let start = Instant::now();
        workload.step()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("{:.4} {:.4}", times[times.len() / 2], times[0]);
    Ok(())
}
