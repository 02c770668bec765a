//! How rows are shared out among threads: by their length, never by the number of threads.

use std::sync::{Mutex, PoisonError};

/// Numbers that are worth a thread's while.
const PIECE: usize = 1 << 15;

/// How many numbers a piece of whole rows of `columns` has.
pub(super) fn per_piece(columns: usize) -> usize {
    (PIECE / columns.max(1)).max(1) * columns.max(1)
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
