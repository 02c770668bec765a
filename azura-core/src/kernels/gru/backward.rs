//! The backward pass.

use super::{Dims, Direction, Saved, Steps, Weights, block, cell};
use crate::kernels::{
    Kernel, Mat, axpy,
    buffers::Buffer,
    gemm::gemm_here,
    isa::isa,
    pack::{Packed, Room},
    sequence::transpose,
};

/// Which gradients are wanted beside those of the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// That of x.
    pub x: bool,
    /// That of h0.
    pub state: bool,
}

/// What a backward pass gives.
#[derive(Debug)]
pub struct Gradients<T> {
    /// `[batch, steps, input]`, if wanted.
    pub x: Option<Vec<T>>,
    /// `[3 hidden, input]`
    pub w_ih: Vec<T>,
    /// `[3 hidden, hidden]`
    pub w_hh: Vec<T>,
    /// `[3 hidden]`
    pub b_ih: Vec<T>,
    /// `[3 hidden]`
    pub b_hh: Vec<T>,
    /// `[batch, hidden]`, if wanted.
    pub state: Option<Vec<T>>,
}

/// The gradients of a loss whose gradient with respect to y is `dy`.
///
/// `weights` are those of the forward pass. The gradient of the last state is part of `dy`.
///
/// # Panics
/// When a slice does not have the length that the forward pass asks for.
pub fn backward<T: Kernel>(
    saved: Saved<T>,
    weights: Weights<'_, T>,
    dy: &[T],
    wanted: Wanted,
) -> Gradients<T> {
    let Saved { dims, steps, direction, rows, gates } = saved;
    weights.check(&dims);
    assert_eq!(dy.len(), steps.count(&dims) * dims.state(), "dy has the wrong length");
    let mut dh = if steps == Steps::Last { dy.to_vec() } else { vec![T::zero(); dims.state()] };
    let zeros = |like: &[T]| vec![T::zero(); like.len()];
    let mut all = Gradients {
        x: wanted.x.then(|| vec![T::zero(); dims.batch * dims.steps * dims.input]),
        w_ih: zeros(weights.w_ih),
        w_hh: zeros(weights.w_hh),
        b_ih: zeros(weights.b_ih),
        b_hh: zeros(weights.b_hh),
        state: None,
    };
    if !dims.is_empty() {
        let (hidden, input, gate_rows) = (dims.hidden, dims.input, 3 * dims.hidden);
        let mut room = Room::new(isa(), gate_rows, hidden);
        let layer = Layer {
            dims,
            direction,
            w_ih: Mat::new(weights.w_ih, gate_rows, input),
            w_hh: room.pack(Mat::new(weights.w_hh, gate_rows, hidden), false),
            wants_state: wanted.state,
        };
        let joined = (input + 1 + 1 + hidden) * gate_rows;
        let mut sums = Buffer::new(dims.chunks() * joined);
        let mut dx = all.x.as_mut().map(|dx| dx.chunks_mut(dims.chunk() * dims.steps * input.max(1)));
        let chunks = dh
            .chunks_mut(dims.chunk() * hidden)
            .zip(sums.chunks_mut(joined))
            .enumerate()
            .map(|(i, (dh, sum))| {
                let first = i * dims.chunk();
                let dy = if steps == Steps::All { &dy[first * hidden..] } else { &[] };
                let dx = dx.as_mut().and_then(Iterator::next);
                let part = |row: usize| first * row..(first + dh.len() / hidden) * row;
                let rows = &rows[part(dims.steps * dims.row())];
                let gates = &gates[part(dims.steps * dims.gates())];
                Chunk { rows, gates, dy, dh, dx, sum }
            })
            .collect();
        dims.run(chunks, |chunk: Chunk<'_, T>| chunk.run(&layer));
        let (sum, others) = sums.split_at_mut(joined);
        others.chunks_exact(joined).for_each(|other| axpy(T::one(), other, sum));
        let (x, rest) = sum.split_at(input * gate_rows);
        let (b_ih, rest) = rest.split_at(gate_rows);
        let (b_hh, h) = rest.split_at(gate_rows);
        transpose(x, gate_rows, &mut all.w_ih);
        transpose(h, gate_rows, &mut all.w_hh);
        all.b_ih.copy_from_slice(b_ih);
        all.b_hh.copy_from_slice(b_hh);
        // With x, n came first.
        all.w_ih.rotate_left(hidden * input);
        all.b_ih.rotate_left(hidden);
    }
    all.state = wanted.state.then_some(dh);
    all
}

/// What all chunks read.
struct Layer<'a, T> {
    dims: Dims,
    direction: Direction,
    w_ih: Mat<'a, T>,
    w_hh: Packed<'a, T>,
    wants_state: bool,
}

/// Some rows of the batch, with their part of everything.
struct Chunk<'a, T> {
    rows: &'a [T],
    gates: &'a [T],
    /// From the first row on, all steps; empty if only the last step counts.
    dy: &'a [T],
    dh: &'a mut [T],
    dx: Option<&'a mut [T]>,
    /// Where the gradients of `[w_ih, b_ih]` and `[b_hh, w_hh]` go, transposed: a row for each number of `[x, 1]` and
    /// of `[1, h]`.
    sum: &'a mut [T],
}

impl<T: Kernel> Chunk<'_, T> {
    fn run(mut self, layer: &Layer<'_, T>) {
        let dims = &layer.dims;
        let Dims { steps, input, hidden, .. } = *dims;
        let (width, gates, step) = (dims.row(), dims.gates(), self.dh.len());
        let count = step / hidden;
        // Gradients of some steps are collected, and used for those of the weights while they are in the cache.
        let block = block(count, steps);
        let mut dgates = Buffer::new(block * 4 * step);
        let mut dx_block = Buffer::new(if self.dx.is_some() { block * count * input } else { 0 });
        self.sum.fill(T::zero());
        let (by_x, by_h) = self.sum.split_at_mut((input + 1) * 3 * hidden);
        for start in (0..steps).step_by(block).rev() {
            let end = steps.min(start + block);
            for t in (start..end).rev() {
                if !self.dy.is_empty() {
                    let time = layer.direction.time(t, steps);
                    axpy(T::one(), &self.dy[time * dims.state()..][..step], self.dh);
                }
                let before = &self.rows[t * count * width..][..count * width][input + 1..];
                let dgates = &mut dgates[(t - start) * 4 * step..][..4 * step];
                cell::backward(
                    hidden,
                    &self.gates[t * 4 * step..][..4 * step],
                    before,
                    width,
                    self.dh,
                    dgates,
                );
                if t > 0 || layer.wants_state {
                    let by_h = Mat::new(dgates, count, gates).part(0..count, hidden..gates);
                    layer.w_hh.multiply(by_h, self.dh, hidden, true);
                }
            }
            let terms = (end - start) * count;
            let dgates = Mat::new(&dgates, terms, gates);
            let rows = Mat::new(&self.rows[start * count * width..], terms, width);
            let (from_x, from_h) =
                (dgates.part(0..terms, 0..3 * hidden), dgates.part(0..terms, hidden..gates));
            gemm_here(rows.part(0..terms, 0..input + 1).t(), from_x, by_x, 3 * hidden, true);
            gemm_here(rows.part(0..terms, input..width).t(), from_h, by_h, 3 * hidden, true);
            if let Some(dx) = &mut self.dx {
                // The weights of n are the last rows of w_ih.
                let (n, rz) = (dgates.part(0..terms, 0..hidden), dgates.part(0..terms, hidden..3 * hidden));
                let (w_rz, w_n) = (
                    layer.w_ih.part(0..2 * hidden, 0..input),
                    layer.w_ih.part(2 * hidden..3 * hidden, 0..input),
                );
                gemm_here(n, w_n, &mut dx_block, input, false);
                gemm_here(rz, w_rz, &mut dx_block, input, true);
                for (t, dx_step) in (start..end).zip(dx_block.chunks_exact(count * input.max(1))) {
                    dims.hand_out(dx_step, dx, layer.direction.time(t, steps));
                }
            }
        }
    }
}
