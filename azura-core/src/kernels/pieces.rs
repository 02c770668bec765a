//! How rows are shared out among threads: by their length, never by the number of threads.

use super::Kernel;
use std::sync::{Mutex, PoisonError};

/// Numbers that are worth a thread's while.
pub(super) const PIECE: usize = 1 << 15;

/// How many numbers a piece of whole rows of `columns` has.
pub(super) fn per_piece(columns: usize) -> usize {
    (PIECE / columns.max(1)).max(1) * columns.max(1)
}

/// As [`per_piece`], for pieces that each have sums of their own, as long as a row: enough rows that the sums take
/// little memory, and not so many that they lose digits.
pub(super) fn per_summed_piece(columns: usize) -> usize {
    (PIECE / columns.max(1)).clamp(16, 1024) * columns.max(1)
}

/// Adds up rows of `columns` numbers into the first, halves to halves.
pub(super) fn add_up<T: Kernel>(mut rows: &mut [T], columns: usize) -> &mut [T] {
    while rows.len() > columns {
        let (first, second) = rows.split_at_mut((rows.len() / columns).div_ceil(2) * columns);
        for (a, &b) in first.iter_mut().zip(&*second) {
            *a = *a + b;
        }
        rows = first;
    }
    rows
}

/// As [`run`] if `parallel`, else one job after the other on this thread.
pub(super) fn each<J: Send>(jobs: impl Iterator<Item = J>, parallel: bool, f: impl Fn(J) + Sync + Send) {
    if parallel { run(jobs, f) } else { jobs.for_each(f) }
}

/// Does all jobs, each once: on rayon's current pool if they are several, and on this thread, which need not wait
/// until another one has woken up.
pub(super) fn run<J: Send>(jobs: impl Iterator<Item = J>, f: impl Fn(J) + Sync + Send) {
    let jobs: Vec<J> = jobs.collect();
    let threads = if jobs.len() > 1 { rayon::current_num_threads().min(jobs.len()) } else { 1 };
    let jobs = Mutex::new(jobs.into_iter());
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(job) = next() {
            f(job);
        }
    };
    if threads < 2 {
        return work();
    }
    rayon::in_place_scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| work());
        }
        work();
    });
}
