//! The forward pass.

use super::{Dims, Packed, ROWS, layout::Layout, sweep::Sweep};
use crate::kernels::{
    Kernel,
    buffers::Buffer,
    fresh::{fresh, place, written},
    isa::isa,
    pieces::each,
};

/// The convolution of `x` `[batch, inputs, height, width]` with `w` `[outputs, inputs / groups, kernel height, kernel width]`
/// and `bias` `[outputs]`: `[batch, outputs, height, width]`.
///
/// # Panics
/// When [`Dims::out`] is none or a slice does not have the length that `dims` asks for.
pub fn forward<T: Kernel>(dims: &Dims, x: &[T], w: &[T], bias: Option<&[T]>) -> Vec<T> {
    let out = dims.check(Some(x), Some(w));
    assert!(bias.is_none_or(|bias| bias.len() == dims.outputs), "bias has the wrong length");
    let (plane, [inputs, outputs], isa) = (out[0] * out[1], dims.group(), isa());
    let mut y = fresh(dims.batch * dims.outputs * plane);
    if y.is_empty() {
        return Vec::new();
    }
    let layout = Layout::new(dims);
    let lanes = T::lanes(isa);
    let (offsets, pieces) = (layout.offsets(inputs), layout.pieces(lanes));
    let packed = Packed::new(isa, dims.groups, outputs, offsets.len(), |group, row, term| {
        w[(group * outputs + row) * offsets.len() + term]
    });
    let (parallel, within) = dims.parallel(out);
    let chunk = dims.batch.div_ceil(4 * super::CHUNKS);
    let jobs = y.chunks_mut(chunk * dims.outputs * plane).enumerate();
    each(jobs, parallel, |(i, y)| {
        let mut room = layout.room(1, lanes);
        for (n, y) in y.chunks_exact_mut(dims.outputs * plane).enumerate() {
            let image = &x[(i * chunk + n) * dims.image()..][..dims.image()];
            let planes = layout.fill(image, &mut room, lanes);
            let block = if within { ROWS } else { outputs };
            let blocks = y.chunks_mut(outputs * plane).enumerate();
            let blocks = blocks.flat_map(|(group, y)| {
                let first = group * outputs;
                y.chunks_mut(block * plane).enumerate().map(move |(i, y)| (group, first + i * block, y))
            });
            each(blocks, within, |(group, first, y)| {
                let rows = first..first + y.len() / plane;
                let mut flat = Buffer::new(if pieces.flat { rows.len() * pieces.len() } else { 0 });
                Sweep {
                    a: packed.rows(rows.clone()),
                    bias: bias.map(|bias| &bias[rows]),
                    b: &planes[group * inputs * layout.channel()..],
                    offsets: &offsets,
                    pieces: &pieces,
                    c_row: if pieces.flat { pieces.len() } else { plane },
                    // SAFETY: a sweep writes numbers.
                    c: if pieces.flat { unsafe { place(&mut flat) } } else { &mut *y },
                }
                .run(isa);
                if pieces.flat {
                    for (y, flat) in y.chunks_exact_mut(plane).zip(flat.chunks_exact(pieces.len())) {
                        let rows = y.chunks_exact_mut(out[1]).zip(flat.chunks(layout.pitch));
                        rows.for_each(|(y, flat)| {
                            y.write_copy_of_slice(&flat[..out[1]]);
                        });
                    }
                }
            });
        }
    });
    // SAFETY: each block of rows of each image was written by its sweep, or copied from one.
    unsafe { written(y) }
}
