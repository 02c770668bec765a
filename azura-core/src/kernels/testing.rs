//! What the tests share. One that wants equal bits from two runs belongs into [`each_isa`], which others change.

use super::{Isa, Kernel, buffers, isa, limit};
use std::sync::{Mutex, PoisonError};

/// Reproducible numbers in -1 .. 1.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (f64::midpoint(self.next(), 1.0) * n as f64) as usize
    }

    pub(crate) fn vec<T: Kernel>(&mut self, len: usize) -> Vec<T> {
        (0..len).map(|_| T::from(self.next()).unwrap()).collect()
    }
}

/// Runs the test on every instruction set that this processor has, one test at a time, the free buffers full of NaN.
pub(crate) fn each_isa(mut test: impl FnMut(Isa)) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for set in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
        if limit(set) == set {
            buffers::poison();
            test(isa());
        }
    }
}

/// The result of `run`, which must be the same for pools of 1, 2 and 4 threads.
pub(crate) fn same_for_any_threads<R: PartialEq + Send>(run: impl Fn() -> R + Sync) -> R {
    let results = [1, 2, 4].map(|threads| {
        buffers::poison();
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&run)
    });
    let [one, two, four] = results;
    assert!(one == two && two == four, "results depend on the number of threads");
    one
}

/// Asserts that the numbers differ by at most `tolerance`, relative to the largest of `want`.
pub(crate) fn assert_close<A: Kernel, B: Kernel>(what: &str, got: &[A], want: &[B], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let want: Vec<f64> = want.iter().map(|x| x.to_f64().unwrap()).collect();
    let largest = want.iter().fold(1e-3, |a: f64, b| a.max(b.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (got.to_f64().unwrap() - want).abs() / largest;
        assert!(error <= tolerance, "{what}[{i}]: {:?} instead of {want}", got.to_f64());
    }
}
