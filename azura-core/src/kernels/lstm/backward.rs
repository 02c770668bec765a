//! The backward pass.

use super::{Dims, Direction, Saved, Steps, Weights, cell};
use crate::kernels::{
    Kernel, Mat, axpy,
    buffers::Buffer,
    gemm::gemm_here,
    isa::isa,
    math::tanh_into,
    pack::{DEPTH, Packed, Room},
    sequence::transpose,
};

/// Which gradients are wanted beside those of the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// That of x.
    pub x: bool,
    /// Those of h0 and c0.
    pub state: bool,
}

/// What a backward pass gives.
#[derive(Debug)]
pub struct Gradients<T> {
    /// `[batch, steps, input]`, if wanted.
    pub x: Option<Vec<T>>,
    /// `[4 hidden, input]`
    pub w_ih: Vec<T>,
    /// `[4 hidden, hidden]`
    pub w_hh: Vec<T>,
    /// `[4 hidden]`
    pub bias: Vec<T>,
    /// Those of h0 and c0, `[batch, hidden]` each, if wanted.
    pub state: Option<(Vec<T>, Vec<T>)>,
}

/// The gradients of a loss whose gradient with respect to the outputs is `dy` (of y) and `dc` (of c, zero if
/// left out).
///
/// `weights` are those of the forward pass. The gradient of the last hidden state is part of `dy`.
///
/// # Panics
/// When a slice does not have the length that the forward pass asks for.
pub fn backward<T: Kernel>(
    saved: Saved<T>,
    weights: Weights<'_, T>,
    dy: &[T],
    dc: Option<&[T]>,
    wanted: Wanted,
) -> Gradients<T> {
    let Saved { dims, steps, direction, rows, gates, cells } = saved;
    weights.check(&dims);
    assert_eq!(dy.len(), steps.count(&dims) * dims.state(), "dy has the wrong length");
    dims.check_state(dc);
    let mut dc = dims.state_or_zeros(dc);
    let mut dh = if steps == Steps::Last { dy.to_vec() } else { vec![T::zero(); dims.state()] };
    let mut all = Gradients {
        x: wanted.x.then(|| vec![T::zero(); dims.batch * dims.steps * dims.input]),
        w_ih: vec![T::zero(); weights.w_ih.len()],
        w_hh: vec![T::zero(); weights.w_hh.len()],
        bias: vec![T::zero(); weights.bias.len()],
        state: None,
    };
    if !dims.is_empty() {
        let mut room = Room::new(isa(), dims.gates(), dims.hidden);
        let w_hh = room.pack(Mat::new(weights.w_hh, dims.gates(), dims.hidden), false);
        let w_ih = Mat::new(weights.w_ih, dims.gates(), dims.input);
        let joined = dims.row() * dims.gates();
        let mut sums = Buffer::new(dims.chunks() * joined);
        let mut dx = all.x.as_mut().map(|dx| dx.chunks_mut(dims.chunk() * dims.steps * dims.input.max(1)));
        let states = dh.chunks_mut(dims.chunk() * dims.hidden).zip(dc.chunks_mut(dims.chunk() * dims.hidden));
        let chunks = states
            .zip(sums.chunks_mut(joined))
            .enumerate()
            .map(|(i, ((dh, dc), sum))| {
                let first = i * dims.chunk();
                let dy = if steps == Steps::All { &dy[first * dims.hidden..] } else { &[] };
                let dx = dx.as_mut().and_then(Iterator::next);
                let part = |row: usize| first * row..(first + dh.len() / dims.hidden) * row;
                Chunk {
                    rows: &rows[part(dims.steps * dims.row())],
                    gates: &gates[part(dims.steps * dims.gates())],
                    cells: &cells[part((dims.steps + 1) * dims.hidden)],
                    dy,
                    dh,
                    dc,
                    dx,
                    sum,
                }
            })
            .collect();
        let run = |chunk: Chunk<'_, T>| chunk.run(&dims, direction, &w_hh, w_ih, wanted.state);
        dims.run(chunks, run);
        let (sum, others) = sums.split_at_mut(joined);
        others.chunks_exact(joined).for_each(|other| axpy(T::one(), other, sum));
        let (x, rest) = sum.split_at(dims.input * dims.gates());
        let (bias, h) = rest.split_at(dims.gates());
        transpose(x, dims.gates(), &mut all.w_ih);
        all.bias.copy_from_slice(bias);
        transpose(h, dims.gates(), &mut all.w_hh);
    }
    all.state = wanted.state.then_some((dh, dc));
    all
}

/// Some rows of the batch, with their part of everything.
struct Chunk<'a, T> {
    rows: &'a [T],
    gates: &'a [T],
    cells: &'a [T],
    /// From the first row on, all steps; empty if only the last step counts.
    dy: &'a [T],
    dh: &'a mut [T],
    dc: &'a mut [T],
    dx: Option<&'a mut [T]>,
    /// Where the gradients of `[w_ih, bias, w_hh]` go, transposed: a row for each number of `[x, 1, h]`.
    sum: &'a mut [T],
}

impl<T: Kernel> Chunk<'_, T> {
    fn run(
        mut self,
        dims: &Dims,
        direction: Direction,
        w_hh: &Packed<'_, T>,
        w_ih: Mat<'_, T>,
        wants_state: bool,
    ) {
        let Dims { steps, input, hidden, .. } = *dims;
        let (width, step) = (dims.row(), self.dh.len());
        let count = step / hidden;
        // Gradients of some steps are collected, and used for those of the weights while they are in the cache.
        let block = (DEPTH / count).clamp(1, steps);
        let mut dgates = Buffer::new(block * 4 * step);
        let mut dx_block = Buffer::new(if self.dx.is_some() { block * count * input } else { 0 });
        let mut tanh_c = Buffer::new(step);
        self.sum.fill(T::zero());
        for start in (0..steps).step_by(block).rev() {
            let end = steps.min(start + block);
            for t in (start..end).rev() {
                if !self.dy.is_empty() {
                    axpy(T::one(), &self.dy[direction.time(t, steps) * dims.state()..][..step], self.dh);
                }
                let (before, c) = self.cells[t * step..][..2 * step].split_at(step);
                tanh_into(c, &mut tanh_c);
                let dgates = &mut dgates[(t - start) * 4 * step..][..4 * step];
                let gates = &self.gates[t * 4 * step..][..4 * step];
                cell::backward(hidden, gates, before, &tanh_c, self.dh, self.dc, dgates);
                if t > 0 || wants_state {
                    w_hh.multiply(Mat::new(dgates, count, dims.gates()), self.dh, hidden, false);
                }
            }
            let terms = (end - start) * count;
            let dgates = Mat::new(&dgates, terms, dims.gates());
            let rows = Mat::new(&self.rows[start * count * width..], terms, width);
            gemm_here(rows.t(), dgates, self.sum, dims.gates(), true);
            if let Some(dx) = &mut self.dx {
                gemm_here(dgates, w_ih, &mut dx_block, input, false);
                for (t, dx_step) in (start..end).zip(dx_block.chunks_exact(count * input.max(1))) {
                    dims.hand_out(dx_step, dx, direction.time(t, steps));
                }
            }
        }
    }
}
