//! Work that is cut into jobs by its shape.

use rayon::prelude::*;

/// Runs `run` for each job, on rayon's current pool if `parallel`.
pub(super) fn each<J: Send>(jobs: impl Iterator<Item = J>, parallel: bool, run: impl Fn(J) + Send + Sync) {
    if parallel {
        jobs.collect::<Vec<_>>().into_par_iter().for_each(run);
    } else {
        jobs.for_each(run);
    }
}
