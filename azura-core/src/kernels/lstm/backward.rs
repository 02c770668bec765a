//! The backward pass.

use super::{CHUNK, Dims, Saved, Steps, Weights, cell, check_state, state_or_zeros};
use crate::kernels::{
    Kernel, Mat, axpy,
    buffers::Buffer,
    gemm,
    isa::isa,
    math::tanh_into,
    pack::{Packed, Room},
};
use rayon::prelude::*;

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

/// The gradients of a loss whose gradient with respect to the outputs is `dy` (of y) and `dc` (of c, zero if left out).
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
    let Saved { dims, steps, rows, mut gates, cells } = saved;
    weights.check(&dims);
    assert_eq!(dy.len(), steps.count(&dims) * dims.state(), "dy has the wrong length");
    check_state(dc, &dims);
    let mut dc = state_or_zeros(dc, &dims);
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
        let packed = room.pack(isa(), &Mat::new(weights.w_hh, dims.gates(), dims.hidden), false);
        let chunks = gates
            .chunks_mut(CHUNK * dims.steps * dims.gates())
            .zip(cells.chunks(CHUNK * (dims.steps + 1) * dims.hidden))
            .zip(dh.chunks_mut(CHUNK * dims.hidden).zip(dc.chunks_mut(CHUNK * dims.hidden)))
            .enumerate();
        let run = |(i, ((gates, cells), (dh, dc)))| {
            let dy = if steps == Steps::All { &dy[i * CHUNK * dims.hidden..] } else { &[] };
            Chunk { gates, cells, dy, dh, dc }.run(&dims, &packed, wanted.state);
        };
        if dims.chunks().1 {
            chunks.collect::<Vec<_>>().into_par_iter().for_each(run);
        } else {
            chunks.for_each(run);
        }
        weight_gradients(&dims, &rows, &gates, &mut all);
        if let Some(dx) = &mut all.x {
            input_gradient(&dims, &gates, weights.w_ih, dx);
        }
    }
    all.state = wanted.state.then_some((dh, dc));
    all
}

/// Some rows of the batch, with their part of every buffer.
struct Chunk<'a, T> {
    gates: &'a mut [T],
    cells: &'a [T],
    /// From the first row on, all steps; empty if only the last step counts.
    dy: &'a [T],
    dh: &'a mut [T],
    dc: &'a mut [T],
}

impl<T: Kernel> Chunk<'_, T> {
    /// Turns the gates into the gradients of their arguments.
    fn run(self, dims: &Dims, packed: &Packed<'_, T>, wants_state: bool) {
        let step = self.dh.len();
        let count = step / dims.hidden;
        let mut tanh_c = Buffer::new(step);
        for t in (0..dims.steps).rev() {
            if !self.dy.is_empty() {
                axpy(T::one(), &self.dy[t * dims.state()..][..step], self.dh);
            }
            let (before, c) = self.cells[t * step..][..2 * step].split_at(step);
            let gates = &mut self.gates[4 * t * step..][..4 * step];
            tanh_into(c, &mut tanh_c);
            cell::backward(dims.hidden, gates, before, &tanh_c, self.dh, self.dc);
            if t > 0 || wants_state {
                packed.multiply_into(&Mat::new(gates, count, dims.gates()), self.dh, dims.hidden, false);
            }
        }
    }
}

/// All weights at once: `[x, 1, h]' dgates`, whose columns are then dealt out.
fn weight_gradients<T: Kernel>(dims: &Dims, rows: &[T], dgates: &[T], to: &mut Gradients<T>) {
    let (width, gates, count) = (dims.row(), dims.gates(), dims.batch * dims.steps);
    let mut joined = Buffer::new(width * gates);
    gemm(Mat::new(rows, count, width).t(), Mat::new(dgates, count, gates), &mut joined, gates, false);
    to.bias.copy_from_slice(&joined[dims.input * gates..][..gates]);
    transpose(&joined[..dims.input * gates], gates, &mut to.w_ih);
    transpose(&joined[(dims.input + 1) * gates..], gates, &mut to.w_hh);
}

/// `to = from'`; a row of `from` is `width` long.
fn transpose<T: Copy>(from: &[T], width: usize, to: &mut [T]) {
    const BLOCK: usize = 16;
    let height = from.len() / width;
    for top in (0..height).step_by(BLOCK) {
        for left in (0..width).step_by(BLOCK) {
            for j in left..width.min(left + BLOCK) {
                for i in top..height.min(top + BLOCK) {
                    to[j * height + i] = from[i * width + j];
                }
            }
        }
    }
}

fn input_gradient<T: Kernel>(dims: &Dims, dgates: &[T], w_ih: &[T], dx: &mut [T]) {
    let Dims { batch, steps, input, .. } = *dims;
    let mut product = Buffer::new(dx.len());
    let dgates = Mat::new(dgates, batch * steps, dims.gates());
    gemm(dgates, Mat::new(w_ih, dims.gates(), input), &mut product, input, false);
    if input == 0 {
        return;
    }
    let chunks = product.chunks(CHUNK * steps * input).zip(dx.chunks_mut(CHUNK * steps * input));
    for (product, dx) in chunks {
        let count = dx.len() / (steps * input);
        for (i, row) in product.chunks_exact(input).enumerate() {
            let (t, r) = (i / count, i % count);
            dx[(r * steps + t) * input..][..input].copy_from_slice(row);
        }
    }
}
