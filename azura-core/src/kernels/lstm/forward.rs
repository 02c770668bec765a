//! The forward pass.

use super::{Dims, Direction, Saved, Steps, Weights, cell};
use crate::kernels::{
    Kernel, Mat,
    buffers::Buffer,
    isa::isa,
    math::{sigmoid, tanh_into},
    pack::{Packed, Room},
    sequence::{join, place, slot},
};

/// What a forward pass gives.
#[derive(Debug)]
pub struct Forward<T> {
    /// Hidden states: all, `[steps, batch, hidden]`, or the last, `[1, batch, hidden]`, which is the initial one when
    /// there are no steps.
    pub y: Vec<T>,
    /// The cell state after the last step, `[batch, hidden]`.
    pub c: Vec<T>,
    /// What the backward pass needs, if it was asked for.
    pub saved: Option<Saved<T>>,
}

/// Runs the layer over `x`, `[batch, steps, input]`, from the state `(h0, c0)` (`[batch, hidden]` each, zeros
/// if left out).
///
/// # Panics
/// When a slice does not have the length that `dims` asks for.
pub fn forward<T: Kernel>(
    dims: Dims,
    x: &[T],
    weights: Weights<'_, T>,
    state: Option<(&[T], &[T])>,
    steps: Steps,
    direction: Direction,
    save: bool,
) -> Forward<T> {
    weights.check(&dims);
    assert_eq!(x.len(), dims.batch * dims.steps * dims.input, "x has the wrong length");
    let (h0, c0) = state.unzip();
    dims.check_state(h0);
    dims.check_state(c0);
    // Without a backward pass each step overwrites the one before; cells alternate between two places.
    let (slots, cell_slots) = if save { (dims.steps, dims.steps + 1) } else { (1, 2) };
    let room =
        |slots: usize, row: usize| Buffer::new(if dims.is_empty() { 0 } else { dims.batch * slots * row });
    let mut rows = room(slots, dims.row());
    let mut gates = room(slots, dims.gates());
    let mut cells = room(cell_slots, dims.hidden);
    let (y, c) = if dims.is_empty() {
        let y = if steps == Steps::Last { dims.state_or_zeros(h0) } else { Vec::new() };
        (y, dims.state_or_zeros(c0))
    } else {
        let len = steps.count(&dims) * dims.state();
        // The caller may put the cells behind it.
        let mut y = Vec::with_capacity(len + dims.state());
        y.resize(len, T::zero());
        let mut c = vec![T::zero(); dims.state()];
        let mut packed = Room::new(isa(), dims.row(), dims.gates());
        let mut joined = join(dims.gates(), &[weights.w_ih, weights.bias, weights.w_hh]);
        // Those of g doubled.
        for w in &mut joined[2 * dims.hidden * dims.row()..3 * dims.hidden * dims.row()] {
            *w = *w + *w;
        }
        let packed = packed.pack(Mat::new(&joined, dims.gates(), dims.row()).t(), false);
        let mut chunks: Vec<_> = rows
            .chunks_mut(dims.chunk() * slots * dims.row())
            .zip(gates.chunks_mut(dims.chunk() * slots * dims.gates()))
            .zip(cells.chunks_mut(dims.chunk() * cell_slots * dims.hidden))
            .zip(c.chunks_mut(dims.chunk() * dims.hidden))
            .enumerate()
            .map(|(i, (((rows, gates), cells), c))| Chunk {
                first: i * dims.chunk(),
                rows,
                gates,
                cells,
                c,
                y: Vec::new(),
            })
            .collect();
        dims.deal(&mut y, |chunk, y| chunks[chunk].y.push(y));
        dims.run(chunks, |chunk: Chunk<'_, T>| chunk.run(&dims, direction, x, &packed, state));
        (y, c)
    };
    Forward { y, c, saved: save.then_some(Saved { dims, steps, direction, rows, gates, cells }) }
}

/// Some rows of the batch, with their part of every buffer.
struct Chunk<'a, T> {
    first: usize,
    rows: &'a mut [T],
    gates: &'a mut [T],
    cells: &'a mut [T],
    c: &'a mut [T],
    y: Vec<&'a mut [T]>,
}

impl<T: Kernel> Chunk<'_, T> {
    fn run(
        mut self,
        dims: &Dims,
        direction: Direction,
        x: &[T],
        packed: &Packed<'_, T>,
        state: Option<(&[T], &[T])>,
    ) {
        let Dims { steps, input, hidden, .. } = *dims;
        let (width, count) = (dims.row(), self.c.len() / hidden);
        let (row_step, gate_step, cell_step) = (count * width, count * dims.gates(), count * hidden);
        let mut tanh_c = Buffer::new(cell_step);
        let start = self.first * hidden..self.first * hidden + cell_step;
        match state {
            Some((_, c0)) => self.cells[..cell_step].copy_from_slice(&c0[start.clone()]),
            None => self.cells[..cell_step].fill(T::zero()),
        }
        for (r, row) in self.rows[..row_step].chunks_exact_mut(width).enumerate() {
            match state {
                Some((h0, _)) => row[input + 1..].copy_from_slice(&h0[start.start + r * hidden..][..hidden]),
                None => row[input + 1..].fill(T::zero()),
            }
        }
        for t in 0..steps {
            let rows = slot(self.rows, t, row_step);
            let time = direction.time(t, steps);
            dims.fill(rows, x, self.first, time);
            let gates = slot(self.gates, t, gate_step);
            packed.multiply(Mat::new(rows, count, width), gates, dims.gates(), false);
            sigmoid(gates);
            let places = [t, t + 1].map(|t| place(t, cell_step, self.cells.len()));
            let Ok([before, c]) = self.cells.get_disjoint_mut(places) else {
                unreachable!("two slots at least")
            };
            cell::advance(hidden, gates, before, c);
            tanh_into(c, &mut tanh_c);
            if t + 1 < steps {
                let next = slot(self.rows, t + 1, row_step);
                cell::output(hidden, gates, &tanh_c, &mut next[input + 1..], width);
            } else {
                self.c.copy_from_slice(c);
            }
            if self.y.len() == steps || t + 1 == steps {
                let y = time.min(self.y.len() - 1);
                cell::output(hidden, gates, &tanh_c, self.y[y], hidden);
            }
        }
    }
}
