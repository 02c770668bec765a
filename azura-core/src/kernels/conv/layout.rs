//! Where everything lies: planes of the padded image, and the registers of outputs that run over them.

use super::Dims;
use crate::kernels::{Kernel, buffers::Buffer};
use std::{mem::MaybeUninit, ops::Range};

/// Numbers behind the last that counts, so that any register that begins with one that counts can be loaded.
const SLACK: usize = 64;

/// One axis of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    len: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    pub(super) out: usize,
}

impl Axis {
    /// None if there is no such axis, as [`Dims::out`] says.
    pub(super) fn new(
        len: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        dilation: usize,
    ) -> Option<Self> {
        let padded = padding.checked_mul(2)?.checked_add(len)?;
        let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
        let last = padded.checked_sub(reach)?.checked_div(stride)?;
        (dilation > 0).then_some(Self { len, kernel, stride, padding, dilation, out: last + 1 })
    }

    /// The remainder of a tap modulo the stride, and how many outputs further its inputs lie.
    fn tap(&self, tap: usize) -> (usize, usize) {
        (tap * self.dilation % self.stride, tap * self.dilation / self.stride)
    }

    /// The remainders that occur.
    fn phases(&self) -> Vec<usize> {
        let mut phases: Vec<_> = (0..self.kernel).map(|tap| self.tap(tap).0).collect();
        phases.sort_unstable();
        phases.dedup();
        phases
    }

    /// The greatest shift of a tap.
    fn reach(&self) -> usize {
        self.tap(self.kernel - 1).1
    }

    /// The length of a plane.
    fn plane(&self) -> usize {
        self.out + self.reach()
    }

    /// The part of a phase's plane that is the image, and not padding.
    fn inner(&self, phase: usize) -> Range<usize> {
        let before =
            |end: usize| (end + self.padding).saturating_sub(phase).div_ceil(self.stride).min(self.plane());
        before(0)..before(self.len)
    }

    /// The place in the image of what lies at `at` in a phase's plane.
    fn place(&self, phase: usize, at: usize) -> usize {
        at * self.stride + phase - self.padding
    }
}

/// A register of outputs: its inputs begin at `from` and a tap's offset, and it belongs to `to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) from: usize,
    pub(super) to: usize,
}

/// The registers that make up a result. All are full, but the last one need not be.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) list: Vec<Piece>,
    /// How many numbers of the last register count.
    pub(super) last: usize,
    /// Whether registers run on over the padding between rows.
    pub(super) flat: bool,
}

impl Pieces {
    /// Registers over `rows` rows of `width` numbers; row i begins at `start + i * pitch` of the planes.
    pub(super) fn new(lanes: usize, start: usize, rows: usize, pitch: usize, width: usize) -> Self {
        if width.is_multiple_of(lanes) {
            let row = |i: usize| {
                (0..width)
                    .step_by(lanes)
                    .map(move |j| Piece { from: start + i * pitch + j, to: i * width + j })
            };
            return Self { list: (0..rows).flat_map(row).collect(), last: lanes, flat: false };
        }
        let len = if rows == 0 { 0 } else { (rows - 1) * pitch + width };
        let list: Vec<_> = (0..len).step_by(lanes).map(|q| Piece { from: start + q, to: q }).collect();
        let last = len + lanes - list.len() * lanes;
        Self { list, last, flat: true }
    }

    /// Numbers that a row of the result takes.
    pub(super) fn len(&self) -> usize {
        self.list.last().map_or(0, |piece| piece.to + self.last)
    }
}

/// The planes of an image: what does not depend on numbers.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) rows: Axis,
    pub(super) cols: Axis,
    /// Phases of rows with those of columns: each has a plane.
    phases: Vec<(usize, usize)>,
    pub(super) height: usize,
    pub(super) pitch: usize,
    inputs: usize,
    size: [usize; 2],
}

/// One plane: its phases, and which of it is the image.
#[derive(Debug)]
pub(super) struct Plane {
    phase: [usize; 2],
    pub(super) rows: Range<usize>,
    pub(super) cols: Range<usize>,
}

impl Layout {
    /// # Panics
    /// If the sizes are not those of a convolution.
    pub(super) fn new(dims: &Dims) -> Self {
        let (Some(rows), Some(cols)) = (dims.axis(0), dims.axis(1)) else {
            panic!("no convolution: {dims:?}")
        };
        let phases =
            rows.phases().into_iter().flat_map(|row| cols.phases().into_iter().map(move |col| (row, col)));
        Self {
            rows,
            cols,
            phases: phases.collect(),
            height: rows.plane(),
            pitch: cols.plane(),
            inputs: dims.inputs,
            size: dims.size,
        }
    }

    /// Numbers of a plane.
    fn plane(&self) -> usize {
        self.height * self.pitch
    }

    /// Numbers of a channel: all its planes.
    pub(super) fn channel(&self) -> usize {
        self.phases.len() * self.plane()
    }

    pub(super) fn planes(&self) -> impl Iterator<Item = Plane> {
        self.phases.iter().map(|&(row, col)| Plane {
            phase: [row, col],
            rows: self.rows.inner(row),
            cols: self.cols.inner(col),
        })
    }

    /// The registers of outputs.
    pub(super) fn pieces(&self, lanes: usize) -> Pieces {
        Pieces::new(lanes, 0, self.rows.out, self.pitch, self.cols.out)
    }

    /// Which plane each tap reads, and its offset there.
    pub(super) fn taps(&self) -> Vec<(usize, usize)> {
        let tap = |u: usize, v: usize| {
            let ((row, down), (col, right)) = (self.rows.tap(u), self.cols.tap(v));
            let plane = self.phases.iter().position(|&phase| phase == (row, col)).unwrap_or_default();
            (plane, down * self.pitch + right)
        };
        (0..self.rows.kernel).flat_map(|u| (0..self.cols.kernel).map(move |v| tap(u, v))).collect()
    }

    /// The offsets of all taps in so many channels.
    pub(super) fn offsets(&self, channels: usize) -> Vec<usize> {
        let taps = self.taps();
        let channel = |c: usize| {
            taps.iter().map(move |&(plane, offset)| c * self.channel() + plane * self.plane() + offset)
        };
        (0..channels).flat_map(channel).collect()
    }

    /// Whether the image itself is its planes, and no register goes beyond it.
    fn is_image(&self, lanes: usize) -> bool {
        let same = |axis: &Axis| axis.stride == 1 && axis.padding == 0 && axis.reach() == 0;
        same(&self.rows) && same(&self.cols) && self.plane().is_multiple_of(lanes)
    }

    /// Room for the planes of `images`, all zeros; none where none are needed.
    pub(super) fn room<T: Kernel>(&self, images: usize, lanes: usize) -> Buffer<T> {
        let numbers = if self.is_image(lanes) { 0 } else { images * self.inputs * self.channel() + SLACK };
        let mut room = Buffer::new(numbers);
        room.fill(T::zero());
        room
    }

    /// The planes of some images, in the same room as those before.
    pub(super) fn fill<'a, T: Kernel>(&self, images: &'a [T], room: &'a mut [T], lanes: usize) -> &'a [T] {
        if self.is_image(lanes) {
            return images;
        }
        let [height, width] = self.size;
        let channels =
            images.chunks_exact((height * width).max(1)).zip(room.chunks_exact_mut(self.channel()));
        for (image, planes) in channels {
            for (plane, to) in self.planes().zip(planes.chunks_exact_mut(self.plane())) {
                for i in plane.rows.clone() {
                    let row = &image[self.rows.place(plane.phase[0], i) * width..][..width];
                    let to = &mut to[i * self.pitch..][plane.cols.clone()];
                    if self.cols.stride == 1 {
                        to.copy_from_slice(
                            &row[self.cols.place(plane.phase[1], plane.cols.start)..][..to.len()],
                        );
                    } else if !to.is_empty() {
                        let row = &row[self.cols.place(plane.phase[1], plane.cols.start)..];
                        to.iter_mut().zip(row.iter().step_by(self.cols.stride)).for_each(|(to, &x)| *to = x);
                    }
                }
            }
        }
        room
    }

    /// Puts the part of a plane that is the image, in rows of a pitch, into the image.
    pub(super) fn unfill<T: Copy>(
        &self,
        plane: &Plane,
        from: &[T],
        pitch: usize,
        image: &mut [MaybeUninit<T>],
    ) {
        for (i, from) in plane.rows.clone().zip(from.chunks(pitch)) {
            let row = &mut image[self.rows.place(plane.phase[0], i) * self.size[1]..][..self.size[1]];
            let row = &mut row[self.cols.place(plane.phase[1], plane.cols.start)..];
            let places = row.iter_mut().step_by(self.cols.stride);
            places.zip(&from[..plane.cols.len()]).for_each(|(to, &x)| _ = to.write(x));
        }
    }
}

/// A result's gradient in rows of the planes' pitch with zeros around, so that it can be read at a tap's distance before any
/// place of a plane.
#[derive(Debug)]
pub(super) struct Gradient {
    /// Zeros before the first channel: the greatest distance.
    pub(super) lead: usize,
    pub(super) channel: usize,
    outputs: usize,
    pitch: usize,
    out: [usize; 2],
}

impl Gradient {
    pub(super) fn new(dims: &Dims, layout: &Layout) -> Self {
        let (down, right) = (layout.rows.reach(), layout.cols.reach());
        Self {
            lead: down * layout.pitch + right,
            // Zeros follow each channel: a row, or a register.
            channel: layout.height * layout.pitch + layout.pitch.max(SLACK),
            outputs: dims.outputs,
            pitch: layout.pitch,
            out: [layout.rows.out, layout.cols.out],
        }
    }

    /// Numbers of an image.
    pub(super) fn image(&self) -> usize {
        self.outputs * self.channel
    }

    /// Room for some images, all zeros.
    pub(super) fn room<T: Kernel>(&self, images: usize) -> Buffer<T> {
        let mut room = Buffer::new(self.lead + images * self.image() + SLACK);
        room.fill(T::zero());
        room
    }

    pub(super) fn fill<T: Copy>(&self, images: &[T], room: &mut [T]) {
        let [height, width] = self.out;
        let channels =
            images.chunks_exact(height * width).zip(room[self.lead..].chunks_exact_mut(self.channel));
        for (from, to) in channels {
            for (from, to) in from.chunks_exact(width).zip(to.chunks_exact_mut(self.pitch)) {
                to[..width].copy_from_slice(from);
            }
        }
    }
}
