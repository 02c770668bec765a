//! `cargo bench -p azura-benches --bench steps`: steps of the workloads, on all processors, and how the cost of
//! W1 grows with samples, steps and layers.

use azura_benches::{COMPARED, Workload};
use criterion::Criterion;
use std::time::Duration;

fn main() {
    let mut criterion =
        Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3)).configure_from_args();
    for workload in COMPARED {
        let mut step = workload.start().expect("it starts");
        criterion.bench_function(workload.name(), |bencher| bencher.iter(|| step().expect("it runs")));
    }
    for times in [1, 4, 16] {
        let grown = [("samples", 32 * times, 60, 1), ("steps", 32, 60 * times, 1), ("layers", 32, 60, times)];
        for (what, batch, steps, depth) in grown {
            let mut step = Workload::stock(batch, steps, depth).expect("it starts");
            criterion.bench_function(&format!("W1 x{times} {what}"), |bencher| {
                bencher.iter(|| step().expect("it runs"));
            });
        }
    }
    criterion.final_summary();
}
