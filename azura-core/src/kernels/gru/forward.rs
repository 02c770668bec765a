//! The forward pass.

use super::{Dims, Direction, Saved, Steps, Weights, block, cell};
use crate::kernels::{
    Kernel, Mat,
    buffers::Buffer,
    isa::isa,
    math::{sigmoid, tanh},
    pack::{Packed, Room},
    sequence::{join, place, slot},
};
use std::ops::Range;

/// What a forward pass gives.
#[derive(Debug)]
pub struct Forward<T> {
    /// Hidden states: all, `[steps, batch, hidden]`, or the last, `[1, batch, hidden]`, which is the initial one when
    /// there are no steps.
    pub y: Vec<T>,
    /// What the backward pass needs, if it was asked for.
    pub saved: Option<Saved<T>>,
}

/// Runs the layer over `x`, `[batch, steps, input]`, from the state `h0` (`[batch, hidden]`, zeros if left out).
///
/// # Panics
/// When a slice does not have the length that `dims` asks for.
pub fn forward<T: Kernel>(
    dims: Dims,
    x: &[T],
    weights: Weights<'_, T>,
    h0: Option<&[T]>,
    steps: Steps,
    direction: Direction,
    save: bool,
) -> Forward<T> {
    weights.check(&dims);
    assert_eq!(x.len(), dims.batch * dims.steps * dims.input, "x has the wrong length");
    dims.check_state(h0);
    if dims.is_empty() {
        let y = if steps == Steps::Last { dims.state_or_zeros(h0) } else { Vec::new() };
        let saved = Saved { dims, steps, direction, rows: Buffer::new(0), gates: Buffer::new(0) };
        return Forward { y, saved: save.then_some(saved) };
    }
    let (hidden, input) = (dims.hidden, dims.input);
    // Without a backward pass each block overwrites the one before.
    let slots = if save { dims.steps } else { block(dims.chunk().min(dims.batch), dims.steps) };
    let mut rows = Buffer::new(dims.batch * slots * dims.row());
    let mut gates = Buffer::new(dims.batch * slots * dims.gates());
    let mut y = vec![T::zero(); steps.count(&dims) * dims.state()];
    let mut h = dims.state_or_zeros(h0);

    // Of r and z both biases count at once; that of n_h is what its sum begins with.
    let mut bias = weights.b_ih.to_vec();
    let (b_rz, b_n) = weights.b_hh.split_at(2 * hidden);
    bias.iter_mut().zip(b_rz).for_each(|(b, &more)| *b = *b + more);
    let mut by_x = join(3 * hidden, &[weights.w_ih, &bias]);
    // Here n comes first.
    by_x.rotate_right(hidden * (input + 1));
    let [mut x_room, mut h_room] = [input + 1, hidden].map(|depth| Room::new(isa(), depth, 3 * hidden));
    let layer = Layer {
        dims,
        direction,
        x,
        by_x: x_room.pack(Mat::new(&by_x, 3 * hidden, input + 1).t(), false),
        by_h: h_room.pack(Mat::new(weights.w_hh, 3 * hidden, hidden).t(), false),
        b_n,
    };
    let mut chunks: Vec<_> = rows
        .chunks_mut(dims.chunk() * slots * dims.row())
        .zip(gates.chunks_mut(dims.chunk() * slots * dims.gates()))
        .zip(h.chunks_mut(dims.chunk() * hidden))
        .enumerate()
        .map(|(i, ((rows, gates), h))| Chunk { first: i * dims.chunk(), rows, gates, h, y: Vec::new() })
        .collect();
    dims.deal(&mut y, |chunk, y| chunks[chunk].y.push(y));
    dims.run(chunks, |chunk: Chunk<'_, T>| chunk.run(&layer));
    Forward { y, saved: save.then_some(Saved { dims, steps, direction, rows, gates }) }
}

/// What all chunks read.
struct Layer<'a, T> {
    dims: Dims,
    direction: Direction,
    x: &'a [T],
    /// `[x, 1]` to `[n_x, r, z]`.
    by_x: Packed<'a, T>,
    /// `h` to `[r, z, n_h]`.
    by_h: Packed<'a, T>,
    b_n: &'a [T],
}

/// Some rows of the batch, with their part of every buffer.
struct Chunk<'a, T> {
    first: usize,
    rows: &'a mut [T],
    gates: &'a mut [T],
    /// The state, from the initial one to the last.
    h: &'a mut [T],
    y: Vec<&'a mut [T]>,
}

impl<T: Kernel> Chunk<'_, T> {
    fn run(mut self, layer: &Layer<'_, T>) {
        let dims = &layer.dims;
        let Dims { steps, input, hidden, .. } = *dims;
        let (width, count) = (dims.row(), self.h.len() / hidden);
        let (row_step, gate_step) = (count * width, count * dims.gates());
        let block = block(count, steps).min(self.rows.len() / row_step);
        let (mut rz, mut n) = (Buffer::new(2 * self.h.len()), Buffer::new(self.h.len()));
        for start in (0..steps).step_by(block) {
            let end = steps.min(start + block);
            self.project(layer, start..end);
            for t in start..end {
                let rows = slot(self.rows, t, row_step);
                for (row, h) in rows.chunks_exact_mut(width).zip(self.h.chunks_exact(hidden)) {
                    row[input + 1..].copy_from_slice(h);
                }
                let gates = slot(self.gates, t, gate_step);
                let h = Mat::new(self.h, count, hidden);
                layer.by_h.multiply(h, &mut gates[hidden..], dims.gates(), true);
                // Functions run over contiguous blocks: a rest in every row would cost more than the copies.
                for (rz, gates) in rz.chunks_exact_mut(2 * hidden).zip(gates.chunks_exact(dims.gates())) {
                    rz.copy_from_slice(&gates[hidden..3 * hidden]);
                }
                sigmoid(&mut rz);
                cell::candidate(hidden, gates, &rz, &mut n);
                tanh(&mut n);
                cell::advance(hidden, gates, &n, self.h);
                if self.y.len() == steps || t + 1 == steps {
                    let y = layer.direction.time(t, steps).min(self.y.len() - 1);
                    self.y[y].copy_from_slice(self.h);
                }
            }
        }
    }

    /// Fills in the inputs of some steps, and what they make of the gates; `n_h` begins with its bias.
    fn project(&mut self, layer: &Layer<'_, T>, steps: Range<usize>) {
        let dims = &layer.dims;
        let (width, count) = (dims.row(), self.h.len() / dims.hidden);
        let (row_step, gate_step) = (count * width, count * dims.gates());
        let row_place = place(steps.start, row_step, self.rows.len());
        let gate_place = place(steps.start, gate_step, self.gates.len());
        let (rows, gates) = (&mut self.rows[row_place.start..], &mut self.gates[gate_place.start..]);
        let terms = steps.len() * count;
        for (rows, t) in rows.chunks_exact_mut(row_step).zip(steps) {
            dims.fill(rows, layer.x, self.first, layer.direction.time(t, dims.steps));
        }
        let inputs = Mat::strided(rows, terms, dims.input + 1, width, 1);
        layer.by_x.multiply(inputs, gates, dims.gates(), false);
        for gates in gates.chunks_exact_mut(dims.gates()).take(terms) {
            gates[3 * dims.hidden..].copy_from_slice(layer.b_n);
        }
    }
}
