//! Scaled dot-product attention, `softmax(scale q k') v` for each entry of a batch.
//!
//! Every entry, or some of the queries of a long one, goes through all steps while it is in the cache. Of the steps
//! in between only the probabilities are kept, for the derivative.

use super::{
    Kernel, Mat,
    batch::{Places, gemm_batch},
    buffers::Buffer,
    fresh::place,
    gemm,
    gemm::PARALLEL,
    isa::multiversion,
    pieces::each,
    softmax::{softmax_backward_rows, softmax_rows},
};
use std::ops::Range;

/// Scores that are worked on together, unless they are of fewer than `QUERIES` queries.
const SCORES: usize = 1 << 16;
/// So many rows on the left repay what a product does with its right side.
const QUERIES: usize = 64;

/// The lengths, all but `d` above 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dims {
    pub(crate) entries: usize,
    /// Queries.
    pub(crate) l: usize,
    /// Keys, and values.
    pub(crate) s: usize,
    /// Numbers of a query and of a key.
    pub(crate) d: usize,
    /// Numbers of a value.
    pub(crate) e: usize,
}

impl Dims {
    /// Queries that are worked on together.
    fn together(self) -> usize {
        let pieces = self.l.div_ceil((SCORES / self.s).max(QUERIES));
        self.l.div_ceil(pieces).next_multiple_of(8).min(self.l)
    }

    /// The entries, and which queries of them.
    fn pieces(self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let (l, together) = (self.l, self.together());
        let rows = move |i| (0..l).step_by(together).map(move |start| (i, start..l.min(start + together)));
        (0..self.entries).flat_map(rows)
    }

    /// The scores of an entry.
    fn of<T>(self, scores: &[T], entry: usize) -> Mat<'_, T> {
        Mat::new(&scores[entry * self.l * self.s..], self.l, self.s)
    }

    fn parallel(self) -> bool {
        let scores = self.entries.saturating_mul(self.l).saturating_mul(self.s);
        scores.saturating_mul(self.d + self.e) >= PARALLEL
    }
}

/// A matrix for each entry: queries `l x d`, keys `s x d`, values `s x e`.
#[derive(Debug)]
pub(crate) struct Inputs<'a, T> {
    pub(crate) q: Vec<Mat<'a, T>>,
    pub(crate) k: Vec<Mat<'a, T>>,
    pub(crate) v: Vec<Mat<'a, T>>,
    pub(crate) scale: T,
}

/// Which keys a query may attend to.
#[derive(Debug)]
pub(crate) struct Allowed<'a> {
    /// None that comes after it.
    pub(crate) causal: bool,
    pub(crate) mask: Option<Marks<'a>>,
}

/// Marks in rows, one for each key.
#[derive(Debug)]
pub(crate) struct Marks<'a> {
    pub(crate) all: &'a [bool],
    /// Where those of each entry begin.
    pub(crate) starts: &'a [usize],
    /// From one query's row to the next one's: 0 if they share one.
    pub(crate) step: usize,
}

/// The probabilities, for the derivative.
#[derive(Debug)]
pub(crate) struct Saved<T>(Buffer<T>);

/// The next numbers, if they are wanted.
fn next<'a, T>(rest: &mut Option<&'a mut [T]>, count: usize) -> Option<&'a mut [T]> {
    rest.as_mut().and_then(|rest| rest.split_off_mut(..count))
}

/// `[entries, l, e]`, and if `save` what the derivative needs.
pub(crate) fn forward<T: Kernel>(
    dims: Dims,
    x: &Inputs<'_, T>,
    allowed: &Allowed<'_>,
    save: bool,
) -> (Vec<T>, Option<Saved<T>>) {
    let Dims { entries, l, s, d, e } = dims;
    let mut y = vec![T::zero(); entries * l * e];
    let mut saved = save.then(|| Buffer::new(entries * l * s));
    let (mut to_y, mut to_p) = (y.as_mut_slice(), saved.as_deref_mut());
    let jobs = dims.pieces().map(|(i, rows)| {
        let y = to_y.split_off_mut(..rows.len() * e).unwrap_or_default();
        (i, next(&mut to_p, rows.len() * s), y, rows)
    });
    each(jobs, dims.parallel(), |(i, p, y, rows)| {
        let count = rows.len();
        let mut scores = Buffer::new(count * s);
        gemm(x.q[i].part(rows.clone(), 0..d), x.k[i].t(), &mut scores, s, false);
        scaled(&mut scores, x.scale);
        allowed.apply(i, rows, &mut scores, s);
        let mut own;
        let p = if let Some(p) = p {
            p
        } else {
            own = Buffer::new(count * s);
            &mut *own
        };
        // SAFETY: exponentials are written, all of which have content.
        softmax_rows(&scores, s, unsafe { place(p) });
        for (scores, p) in scores.chunks_exact(s).zip(p.chunks_exact_mut(s)) {
            // Nothing to attend to.
            if scores.iter().all(|&score| score == T::neg_infinity()) {
                p.fill(T::zero());
            }
        }
        gemm(Mat::new(p, count, s), x.v[i], y, e, false);
    });
    (y, saved.map(Saved))
}

impl Allowed<'_> {
    /// Minus infinity for what these queries of an entry may not attend to.
    fn apply<T: Kernel>(&self, i: usize, queries: Range<usize>, scores: &mut [T], s: usize) {
        if let Some(Marks { all, starts, step }) = &self.mask {
            for (query, scores) in queries.clone().zip(scores.chunks_exact_mut(s)) {
                masked(scores, &all[starts[i] + query * step..][..s]);
            }
        }
        if self.causal {
            for (query, scores) in queries.zip(scores.chunks_exact_mut(s)) {
                scores[s.min(query + 1)..].fill(T::neg_infinity());
            }
        }
    }
}

multiversion! {
    fn scaled<T, const FMA: bool>(x: &mut [T], scale: T) {
        for x in x {
            *x = *x * scale;
        }
    }
}

multiversion! {
    fn masked<T, const FMA: bool>(scores: &mut [T], marks: &[bool]) {
        for (score, &mark) in scores.iter_mut().zip(marks) {
            *score = if mark { *score } else { T::neg_infinity() };
        }
    }
}

/// The numbers of one piece of work.
struct Job<'a, T> {
    entry: usize,
    rows: Range<usize>,
    p: &'a mut [T],
    dq: Option<&'a mut [T]>,
    dk: Option<&'a mut [T]>,
    dv: Option<&'a mut [T]>,
}

/// The gradients by q, k and v that are wanted, given that of the result. Of each input, `wanted` says which entries
/// it is used for.
///
/// With probabilities P and the gradient G of the result, `dv = P'G`, `dS = P (G v' - sum P G v')` by the scores,
/// `dq = scale dS k` and `dk = scale dS'q`. For dq and dk, v is needed and the other one; what is not needed may be
/// empty.
pub(crate) fn backward<T: Kernel>(
    dims: Dims,
    x: &Inputs<'_, T>,
    saved: Saved<T>,
    grad: &[Mat<'_, T>],
    wanted: [Option<&Places>; 3],
) -> [Option<Vec<T>>; 3] {
    let Dims { l, s, d, e, .. } = dims;
    let Saved(mut p) = saved;
    let sizes = [l * d, s * d, s * e];
    let zeros = |i: usize| wanted[i].map(|places| vec![T::zero(); places.count() * sizes[i]]);
    let [mut dq, mut dk, mut dv] = [0, 1, 2].map(zeros);
    let by_scores = wanted[0].is_some() || wanted[1].is_some();
    // Sums over what several pieces have in common are formed for all pieces together: of keys and values also over the
    // pieces of an entry.
    let whole = dims.together() == l;
    let alone = wanted.map(|places| places.is_some_and(Places::alone));
    let [here_q, here_k, here_v] = [alone[0], whole && alone[1], whole && alone[2]];
    if let (Some(dv), Some(places), false) = (&mut dv, wanted[2], here_v) {
        gemm_batch(s, e, dv, |i| places.of(i).map(|i| (dims.of(&p, i).t(), grad[i])));
    }

    let mut to_p = &mut *p;
    let [mut to_q, mut to_k, mut to_v] = [(&mut dq, here_q), (&mut dk, here_k), (&mut dv, here_v)]
        .map(|(values, here)| if here { values.as_deref_mut() } else { None });
    let jobs = dims.pieces().map(|(entry, rows)| Job {
        entry,
        p: to_p.split_off_mut(..rows.len() * s).unwrap_or_default(),
        dq: next(&mut to_q, rows.len() * d),
        dk: next(&mut to_k, s * d),
        dv: next(&mut to_v, s * e),
        rows,
    });
    each(jobs, dims.parallel(), |Job { entry, rows, p, dq, dk, dv }| {
        let count = rows.len();
        let grad = grad[entry].part(rows.clone(), 0..e);
        if let Some(dv) = dv {
            gemm(Mat::new(p, count, s).t(), grad, dv, e, false);
        }
        if !by_scores {
            return;
        }
        let mut ds = Buffer::new(count * s);
        gemm(grad, x.v[entry].t(), &mut ds, s, false);
        softmax_backward_rows(p, s, &mut ds);
        // In the place of the probabilities, which have done their work.
        p.copy_from_slice(&ds);
        scaled(p, x.scale);
        let ds = Mat::new(p, count, s);
        if let Some(dq) = dq {
            gemm(ds, x.k[entry], dq, d, false);
        }
        if let Some(dk) = dk {
            gemm(ds.t(), x.q[entry], dk, d, false);
        }
    });

    if let (Some(dq), Some(places), false) = (&mut dq, wanted[0], here_q) {
        gemm_batch(l, d, dq, |i| places.of(i).map(|i| (dims.of(&p, i), x.k[i])));
    }
    if let (Some(dk), Some(places), false) = (&mut dk, wanted[1], here_k) {
        gemm_batch(s, d, dk, |i| places.of(i).map(|i| (dims.of(&p, i).t(), x.q[i])));
    }
    [dq, dk, dv]
}

#[cfg(test)]
mod tests;
