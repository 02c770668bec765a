//! Many matrix products at once.

use super::{Kernel, Mat, gemm, gemm::PARALLEL};
use rayon::{iter::IndexedParallelIterator, prelude::*};

/// A piece of work for a thread has at least so many multiplications, if there are as many.
const PIECE: usize = 1 << 18;

/// At which places of a batch the matrices of a factor are used, several if it was repeated.
#[derive(Debug)]
pub(crate) struct Places {
    /// The first place of each matrix.
    pub(crate) starts: Vec<usize>,
    /// How far from its first place all of a matrix are.
    pub(crate) repeats: Vec<usize>,
}

impl Places {
    /// Where matrix `i` is used.
    pub(crate) fn of(&self, i: usize) -> impl Iterator<Item = usize> + '_ {
        let start = self.starts[i];
        self.repeats.iter().map(move |repeat| start + repeat)
    }

    /// How many matrices there are.
    pub(crate) fn count(&self) -> usize {
        self.starts.len()
    }
}

/// `c_i = sum of a b over the pairs (a, b) of terms(i)`, for each of the m x n matrices `c_i` that follow each other in
/// `c`. A sum over no terms is 0.
///
/// Large work runs on rayon's current pool, a few matrices at a time; the result is the same to the bit for any number
/// of threads.
///
/// # Panics
/// When a term is not m x k times k x n.
pub fn gemm_batch<'a, T: Kernel, I>(m: usize, n: usize, c: &mut [T], terms: impl Fn(usize) -> I + Sync)
where
    I: Iterator<Item = (Mat<'a, T>, Mat<'a, T>)>,
{
    let one = |(i, c): (usize, &mut [T])| {
        let mut empty = true;
        for (a, b) in terms(i) {
            assert!((a.rows(), b.cols()) == (m, n), "a product has another shape");
            gemm(a, b, c, n, !empty);
            empty = false;
        }
        if empty {
            c.fill(T::zero());
        }
    };
    let size = m.saturating_mul(n);
    if size == 0 {
        return;
    }
    let work = |i| terms(i).map(|(a, _)| a.cols()).sum::<usize>().saturating_mul(size);
    // All have as much to do as the first.
    let each = if c.len() < size { 0 } else { work(0) };
    if each.saturating_mul(c.len() / size) < PARALLEL {
        c.chunks_exact_mut(size).enumerate().for_each(one);
    } else {
        let together = (PIECE / each.max(1)).max(1);
        c.par_chunks_exact_mut(size).enumerate().with_min_len(together).for_each(one);
    }
}
