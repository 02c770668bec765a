//! `cargo bench -p azura-benches`: training steps of the workloads.

use azura_benches::{NAMES, Workload};
use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, _) in NAMES {
        let mut workload = Workload::new(name).expect("a name from the list");
        criterion.bench_function(&format!("step {name}"), |bencher| bencher.iter(|| workload.step()));
    }
    criterion.final_summary();
}
