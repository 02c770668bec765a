//! Scaled dot-product attention, forward and backward, of many entries of a batch.
//!
//! Some queries are worked on at a time, so that their scores stay in the cache, and of a large pass no more of them is
//! ever in memory: its derivative computes them anew (Rabe and Staats 2021, Dao et al. 2022). Scores lie in rows of one key each,
//! with the queries side by side in the lanes of vector registers: nothing has to be summed across lanes, and the
//! products with keys and values need no transposed copy of these. A causal pass skips keys that none of its queries
//! may see. Each entry is one job, so that the number of threads does not matter.

#[cfg(test)]
mod tests;

use super::{Kernel, Mat, buffers::Buffer, gemm::gemm_here, isa::multiversion, lanes::LANES, pieces::each};

/// Most queries that are worked on together: four registers of the widest kind.
const QUERIES: usize = 4 * LANES;
/// Keys after which the sums so far are added up, so that many lose no digits.
const KEYS: usize = 64;
/// Weights of all entries that are kept for the derivative, if they are not more; else it computes them anew.
const KEPT: usize = 1 << 20;
/// A pass of fewer multiplications than this stays on the calling thread.
const PARALLEL: usize = 1 << 21;

/// The sizes of a pass; any may be 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dims<T> {
    pub(crate) batch: usize,
    pub(crate) queries: usize,
    pub(crate) keys: usize,
    /// Numbers of a query and of a key.
    pub(crate) width: usize,
    /// Numbers of a value.
    pub(crate) values: usize,
    /// What scores are multiplied with.
    pub(crate) scale: T,
    /// Query i sees the keys up to i only.
    pub(crate) causal: bool,
}

/// One entry of the batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a, T> {
    /// `[queries, width]`
    pub(crate) q: Mat<'a, T>,
    /// `[keys, width]`
    pub(crate) k: Mat<'a, T>,
    /// `[keys, values]`
    pub(crate) v: Mat<'a, T>,
    pub(crate) mask: Option<Marks<'a>>,
}

/// Whether a key may be seen: a row for each key, with a mark for each query, or one for all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks<'a> {
    pub(crate) all: &'a [bool],
    pub(crate) row: usize,
}

/// The gradients by q, k and v, each for the whole batch, if wanted.
pub(crate) type Gradients<T> = [Option<Vec<T>>; 3];

/// The weights of a small pass, for the derivative.
#[derive(Debug)]
pub(crate) struct Saved<T>(Option<Buffer<T>>);

/// `softmax(scale q k') v` of each entry: `[batch, queries, values]`; and what the derivative can do with, if it is to
/// be saved. A query that sees no key gets zeros.
pub(crate) fn forward<'a, T: Kernel>(
    dims: &Dims<T>,
    entry: impl Fn(usize) -> Entry<'a, T> + Sync,
    save: bool,
) -> (Vec<T>, Saved<T>) {
    let size = dims.queries * dims.values;
    let mut y = vec![T::zero(); dims.batch * size];
    let mut kept = dims.kept().filter(|_| save).map(|len| dims.room(dims.batch * len));
    let mut parts = dims.parts(kept.as_deref_mut());
    let jobs = y.chunks_exact_mut(size.max(1)).enumerate().map(|(i, y)| (i, y, parts()));
    each(jobs, dims.parallel(), |(i, y, kept)| dims.forward(&entry(i), y, kept));
    drop(parts);
    (y, Saved(kept))
}

/// The gradients of a loss whose gradient by the result of [`forward`] is `dy`, `[queries, values]` for each entry.
pub(crate) fn backward<'a, T: Kernel>(
    dims: &Dims<T>,
    entry: impl Fn(usize) -> Entry<'a, T> + Sync,
    Saved(mut kept): Saved<T>,
    dy: impl Fn(usize) -> Mat<'a, T> + Sync,
    wanted: [bool; 3],
) -> Gradients<T> {
    let mut parts = dims.parts(kept.as_deref_mut());
    let sizes = [dims.queries * dims.width, dims.keys * dims.width, dims.keys * dims.values];
    let mut all = [0, 1, 2].map(|i| wanted[i].then(|| vec![T::zero(); dims.batch * sizes[i]]));
    // Where nothing is wanted, or it has no numbers, there is nothing to write to.
    let mut rest = all.each_mut().map(|of| of.as_deref_mut().unwrap_or_default());
    let jobs = (0..dims.batch).map(|i| {
        let of_entry = [0, 1, 2].map(|of| {
            let all = std::mem::take(&mut rest[of]);
            let (first, others) = all.split_at_mut(sizes[of].min(all.len()));
            rest[of] = others;
            first
        });
        (i, of_entry, parts())
    });
    each(jobs, dims.parallel(), |(i, grads, kept)| dims.backward(&entry(i), dy(i), grads, kept));
    all
}

/// Some queries of an entry, and which keys they see.
struct Block<'a> {
    start: usize,
    count: usize,
    /// Keys beyond these are seen by none.
    keys: usize,
    causal: bool,
    mask: Option<Marks<'a>>,
}

impl Block<'_> {
    /// Length of a row of scores; what is beyond `count` is padding.
    fn row(&self) -> usize {
        self.count.next_multiple_of(LANES)
    }

    /// Takes out the scores of queries that do not see this key.
    #[inline(always)]
    fn hide<T: Kernel>(&self, key: usize, scores: &mut [T]) {
        let none = T::neg_infinity();
        match self.mask {
            Some(Marks { all, row: 1 }) if !all[key] => scores.fill(none),
            None | Some(Marks { row: 1, .. }) => {}
            Some(Marks { all, row }) => {
                for (x, &seen) in scores.iter_mut().zip(&all[key * row + self.start..][..self.count]) {
                    *x = if seen { *x } else { none };
                }
            }
        }
        if self.causal {
            let later = key.saturating_sub(self.start).min(self.count);
            scores[..later].fill(none);
        }
    }
}

impl<T: Kernel> Dims<T> {
    fn parallel(&self) -> bool {
        let sizes = [self.queries, self.keys, self.width.saturating_add(self.values)];
        sizes.iter().fold(self.batch, |a, &b| a.saturating_mul(b)) >= PARALLEL
    }

    /// Queries of a block; the last one may have fewer.
    fn block(&self) -> usize {
        let blocks = self.queries.div_ceil(QUERIES).max(1);
        self.queries.div_ceil(blocks).next_multiple_of(LANES).max(1)
    }

    /// All queries, in blocks of about the same size.
    fn blocks<'a>(&self, mask: Option<Marks<'a>>) -> impl Iterator<Item = Block<'a>> + use<'a, T> {
        let Self { queries, keys, causal, .. } = *self;
        let size = self.block();
        (0..queries).step_by(size).map(move |start| {
            let count = size.min(queries - start);
            let keys = if causal { keys.min(start + count) } else { keys };
            Block { start, count, keys, causal, mask }
        })
    }

    /// Weights of an entry, if so few of all are worth keeping.
    fn kept(&self) -> Option<usize> {
        let len = self.queries.next_multiple_of(self.block()).saturating_mul(self.keys);
        (len.saturating_mul(self.batch) <= KEPT).then_some(len)
    }

    /// The parts of the entries, one after the other.
    fn parts<'a>(&self, kept: Option<&'a mut [T]>) -> impl FnMut() -> Option<&'a mut [T]> + use<'a, T> {
        let mut rest = kept.zip(self.kept());
        move || rest.as_mut().and_then(|(rest, len)| rest.split_off_mut(..*len))
    }

    /// Room for scores. Padding takes part in what is computed, so it holds numbers.
    fn room(&self, len: usize) -> Buffer<T> {
        let mut room = Buffer::new(len);
        if !self.queries.is_multiple_of(self.block()) || !self.queries.is_multiple_of(LANES) {
            room.fill(T::zero());
        }
        room
    }

    /// Where the weights of a block are: among the kept ones, or in a room for one block.
    fn place<'a>(&self, block: &Block<'_>, kept: &'a mut Option<&mut [T]>, room: &'a mut [T]) -> &'a mut [T] {
        match kept {
            Some(kept) => &mut kept[block.start * self.keys..][..block.keys * block.row()],
            None => &mut room[..block.keys * block.row()],
        }
    }

    /// The weight of each key for each query; 0 for all where it sees none.
    fn weights(&self, entry: &Entry<'_, T>, block: &Block<'_>, weights: &mut [T]) {
        let Block { start, count, keys, .. } = *block;
        let q = entry.q.part(start..start + count, 0..self.width);
        let k = entry.k.part(0..keys, 0..self.width);
        gemm_here(k, q.t(), weights, block.row(), false);
        let mut sums = [T::zero(); QUERIES];
        exponentials(self.scale, block, weights, &mut sums);
        let factors = sums.map(|sum| if sum == T::zero() { sum } else { sum.recip() });
        multiply_rows(weights, &factors[..block.row()]);
    }

    fn forward(&self, entry: &Entry<'_, T>, y: &mut [T], mut kept: Option<&mut [T]>) {
        let values = self.values;
        let mut room = self.room(if kept.is_some() { 0 } else { self.keys * QUERIES });
        for block in self.blocks(entry.mask) {
            let weights = self.place(&block, &mut kept, &mut room);
            self.weights(entry, &block, weights);
            let Block { start, count, keys, .. } = block;
            let weights = Mat::strided(weights, keys, count, block.row(), 1);
            let y = &mut y[start * values..][..count * values];
            gemm_here(weights.t(), entry.v.part(0..keys, 0..values), y, values, false);
        }
    }

    fn backward(
        &self,
        entry: &Entry<'_, T>,
        dy: Mat<'_, T>,
        [dq, dk, dv]: [&mut [T]; 3],
        mut kept: Option<&mut [T]>,
    ) {
        let Self { width, values, .. } = *self;
        let mut room = self.room(if kept.is_some() { 0 } else { self.keys * QUERIES });
        let mut slopes = self.room(self.keys * QUERIES);
        for block in self.blocks(entry.mask) {
            let anew = kept.is_none();
            let weights = self.place(&block, &mut kept, &mut room);
            if anew {
                self.weights(entry, &block, weights);
            }
            let Block { start, count, keys, .. } = block;
            let row = block.row();
            let dy = dy.part(start..start + count, 0..values);
            if !dv.is_empty() {
                gemm_here(Mat::strided(weights, keys, count, row, 1), dy, dv, values, true);
            }
            if dq.is_empty() && dk.is_empty() {
                continue;
            }
            gemm_here(entry.v.part(0..keys, 0..values), dy.t(), &mut slopes, row, false);
            by_scores(self.scale, weights, &mut slopes[..keys * row], row);
            if !dk.is_empty() {
                let q = entry.q.part(start..start + count, 0..width);
                gemm_here(Mat::strided(&slopes, keys, count, row, 1), q, dk, width, true);
            }
            if !dq.is_empty() {
                let k = entry.k.part(0..keys, 0..width);
                gemm_here(
                    Mat::strided(&slopes, keys, count, row, 1).t(),
                    k,
                    &mut dq[start * width..],
                    width,
                    false,
                );
            }
        }
    }
}

multiversion! {
    /// Turns products into `e^(scale product - greatest)`, where `greatest` is that of the query, and sums them up.
    fn exponentials<T, const FMA: bool>(scale: T, block: &Block<'_>, scores: &mut [T], sums: &mut [T; QUERIES]) {
        let row = block.row();
        let mut most = [T::neg_infinity(); QUERIES];
        for (key, scores) in scores.chunks_exact_mut(row).enumerate() {
            for x in &mut *scores {
                *x = *x * scale;
            }
            block.hide(key, scores);
            for (&x, most) in scores.iter().zip(&mut most) {
                *most = if x > *most { x } else { *most };
            }
        }
        // All is hidden, or NaN, which the maximum does not see.
        for most in &mut most {
            *most = if *most == T::neg_infinity() { T::zero() } else { *most };
        }
        for keys in scores.chunks_mut(KEYS * row) {
            let mut part = [T::zero(); QUERIES];
            for scores in keys.chunks_exact_mut(row) {
                for ((x, &most), sum) in scores.iter_mut().zip(&most).zip(&mut part) {
                    *x = (*x - most).exp_negative_::<FMA>();
                    *sum = *sum + *x;
                }
            }
            for (sum, part) in sums.iter_mut().zip(part) {
                *sum = *sum + part;
            }
        }
    }
}

multiversion! {
    fn multiply_rows<T, const FMA: bool>(rows: &mut [T], factors: &[T]) {
        for row in rows.chunks_exact_mut(factors.len()) {
            for (x, &factor) in row.iter_mut().zip(factors) {
                *x = *x * factor;
            }
        }
    }
}

multiversion! {
    /// Turns the gradients by the weights p into those by the products, `scale p (g - sum p g)`.
    fn by_scores<T, const FMA: bool>(scale: T, weights: &[T], grads: &mut [T], row: usize) {
        let mut sums = [T::zero(); QUERIES];
        for (weights, grads) in weights.chunks(KEYS * row).zip(grads.chunks(KEYS * row)) {
            let mut part = [T::zero(); QUERIES];
            for (weights, grads) in weights.chunks_exact(row).zip(grads.chunks_exact(row)) {
                for ((&p, &g), sum) in weights.iter().zip(grads).zip(&mut part) {
                    *sum = p.mul_add_::<FMA>(g, *sum);
                }
            }
            for (sum, part) in sums.iter_mut().zip(part) {
                *sum = *sum + part;
            }
        }
        for (weights, grads) in weights.chunks_exact(row).zip(grads.chunks_exact_mut(row)) {
            for ((&p, g), &sum) in weights.iter().zip(grads).zip(&sums) {
                *g = scale * p * (*g - sum);
            }
        }
    }
}
