//! What the programs of the Rust peers have in common: arguments, numbers, timing, the line that they print.

use std::time::{Duration, Instant};

pub struct Args {
    pub workload: String,
    pub seconds: f64,
    pub threads: usize,
}

/// `WORKLOAD --seconds S --threads N`.
pub fn args() -> Args {
    let mut args = Args { workload: String::new(), seconds: 2.0, threads: 1 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} wants a value"));
        match word.as_str() {
            "--seconds" => args.seconds = value().parse().expect("a number of seconds"),
            "--threads" => args.threads = value().parse().expect("a number of threads"),
            _ => args.workload = word,
        }
    }
    args
}

/// The generator of `../workloads/data.rs`.
fn bits(count: usize) -> impl Iterator<Item = u32> {
    let mut state = 1_u32;
    (0..count).map(move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    })
}

/// Numbers in -1..1.
pub fn numbers(shape: &[usize]) -> Vec<f32> {
    bits(shape.iter().product()).map(|x| x as f32 / 8_388_608.0 - 1.0).collect()
}

/// Integers below `count`.
pub fn classes(len: usize, count: u32) -> Vec<u32> {
    bits(len).map(|x| x % count).collect()
}

/// Times steps as `../workloads/timing.rs` does; `value` makes a number of what a step gave.
pub fn measure<T>(args: &Args, mut step: impl FnMut() -> T, value: impl Fn(T) -> f32) {
    let time = Duration::from_secs_f64(args.seconds);
    let first = value(step());
    let begin = Instant::now();
    for _ in 0..4 {
        step();
    }
    while begin.elapsed() < time / 4 {
        step();
    }
    let (begin, mut times) = (Instant::now(), Vec::new());
    let mut last = None;
    while begin.elapsed() < time || times.is_empty() {
        drop(last.take());
        let start = Instant::now();
        last = Some(step());
        times.push(start.elapsed().as_nanos() as f64 / 1e3);
    }
    times.sort_by(f64::total_cmp);
    let last = value(last.expect("there was a step"));
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    println!(
        r#"{{"w": "{}", "median_us": {}, "min_us": {}, "n": {}, "l0": {first}, "l": {last}, "rss_mb": {:.1}}}"#,
        args.workload,
        times[times.len() / 2],
        times[0],
        times.len(),
        kib / 1024.0
    );
}
