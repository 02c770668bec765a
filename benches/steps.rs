//! `cargo bench -p azura-benches --bench steps`: steps of the workloads, on all processors.

use azura_benches::COMPARED;
use criterion::Criterion;
use std::time::Duration;

fn main() {
    let mut criterion =
        Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3)).configure_from_args();
    for workload in COMPARED {
        let mut step = workload.start().expect("it starts");
        criterion.bench_function(workload.name(), |bencher| bencher.iter(|| step().expect("it runs")));
    }
    criterion.final_summary();
}
