//! Times one workload and prints a line of JSON: `workload W1 --seconds 2 --threads 2`. `peers/run` calls it in turn with
//! other libraries, whose programs take the same arguments and print the same line.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use azura_benches::{Workload, measure};
use azura_learner::azura_core::kernels;
use clap::{Parser, ValueEnum};
use std::{error::Error, time::Duration};

/// Times the steps of one workload and prints one line of JSON: the workload `w`, the `median_us` and `min_us` of a step
/// in microseconds, the number `n` of steps, the first and the last loss `l0` and `l` (of a forward pass: the mean of the
/// output), and the peak memory `rss_mb` in MiB.
#[derive(Debug, Parser)]
struct Args {
    /// What to time.
    workload: Workload,
    /// For how long; a quarter of it before, to warm up.
    #[arg(long, default_value = "2", value_parser = seconds)]
    seconds: Duration,
    /// On how many threads.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// The instruction set, if not the processor's best.
    #[arg(long)]
    isa: Option<Isa>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Isa {
    Avx512,
    Avx2,
    Portable,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "wants a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err("wants more than 0 seconds".to_owned()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Args { workload, seconds, threads, isa } = Args::parse();
    rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global()?;
    if let Some(isa) = isa {
        let wanted = match isa {
            Isa::Avx512 => kernels::Isa::Avx512,
            Isa::Avx2 => kernels::Isa::Avx2,
            Isa::Portable => kernels::Isa::Portable,
        };
        let found = kernels::limit(wanted);
        if found != wanted {
            return Err(format!("this processor has no {wanted:?}, only {found:?}").into());
        }
    }
    println!("{}", measure(workload.start()?, seconds)?.json(workload.name()));
    Ok(())
}
