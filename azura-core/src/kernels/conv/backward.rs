//! The backward pass.

use super::{
    CHUNKS, Dims, Packed, ROWS,
    layout::{Gradient, Layout, Piece, Pieces, Plane},
    products::{PIECES, Products},
    sweep::Sweep,
};
use crate::kernels::{
    Kernel, axpy,
    buffers::Buffer,
    fresh::{fresh, place, written},
    isa::{Isa, isa},
    pieces::each,
    sum::sum,
};
use std::mem::MaybeUninit;

/// Which gradients are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// That of x.
    pub x: bool,
    /// That of w.
    pub w: bool,
    /// That of the bias.
    pub bias: bool,
}

/// What a backward pass gives: each in the layout of what it is the gradient of; empty if not wanted.
#[derive(Debug)]
pub struct Gradients<T> {
    /// That of x.
    pub x: Vec<T>,
    /// That of w.
    pub w: Vec<T>,
    /// That of the bias.
    pub bias: Vec<T>,
}

/// The gradients of a loss whose gradient with respect to the result is `dy`. `x` is read for that of w only, and `w` for that
/// of x only; else they may be empty.
///
/// # Panics
/// When [`Dims::out`] is none or a slice that is read does not have the length that `dims` asks for.
pub fn backward<T: Kernel>(dims: &Dims, x: &[T], w: &[T], dy: &[T], wanted: Wanted) -> Gradients<T> {
    let out = dims.check(wanted.w.then_some(x), wanted.x.then_some(w));
    let image = dims.outputs * out[0] * out[1];
    assert_eq!(dy.len(), dims.batch * image, "dy has the wrong length");
    let len = |wanted: bool, len: usize| if wanted { len } else { 0 };
    let mut dx = fresh(len(wanted.x, dims.batch * dims.image()));
    if dy.is_empty() || dims.stride != [1, 1] {
        // Windows pass over some places, or there are none.
        dx.fill(MaybeUninit::new(T::zero()));
    }
    let mut all = Gradients {
        x: Vec::new(),
        w: vec![T::zero(); len(wanted.w, dims.weights())],
        bias: vec![T::zero(); len(wanted.bias, dims.outputs)],
    };
    let joined = all.w.len() + all.bias.len();
    let chunk = dims.batch.div_ceil(CHUNKS).max(1);
    if !dy.is_empty() {
        let mut sums = Buffer::new(dims.batch.div_ceil(chunk) * joined);
        let pass = Pass::new(dims, out, w, wanted);
        let mut dx = dx.chunks_mut((chunk * dims.image()).max(1));
        let mut parts = sums.chunks_exact_mut(joined.max(1));
        let jobs = dy.chunks(chunk * image).enumerate().map(|(i, dy)| {
            let (dw, bias) = parts.next().unwrap_or_default().split_at_mut(all.w.len());
            let x = if wanted.w { &x[i * chunk * dims.image()..] } else { &[] };
            Chunk { x, dy, dx: dx.next().unwrap_or_default(), dw, bias }
        });
        each(jobs, dims.parallel(out).0, |chunk| pass.run(chunk));
        let (sum, others) = sums.split_at_mut(joined);
        others.chunks_exact(joined.max(1)).for_each(|other| axpy(T::one(), other, sum));
        let (w, bias) = sum.split_at(all.w.len());
        all.w.copy_from_slice(w);
        all.bias.copy_from_slice(bias);
    }
    // SAFETY: with a stride of 1 the one plane covers the image, and each block of rows of each image was written by a sweep
    // over it, or copied from one; else there were zeros.
    all.x = unsafe { written(dx) };
    all
}

/// Some images, with their part of everything.
struct Chunk<'a, T> {
    x: &'a [T],
    dy: &'a [T],
    dx: &'a mut [MaybeUninit<T>],
    dw: &'a mut [T],
    bias: &'a mut [T],
}

/// What all chunks share.
struct Pass<'a, T> {
    dims: &'a Dims,
    out: [usize; 2],
    isa: Isa,
    wanted: Wanted,
    layout: Layout,
    gradient: Gradient,
    offsets: Vec<usize>,
    pieces: Pieces,
    /// The pieces of as many images as are worked on together.
    images: Vec<Piece>,
    count: usize,
    dy_row: usize,
    /// How the gradient of x comes about, plane by plane.
    planes: Vec<Back<T>>,
}

/// How the gradient of x in one plane comes about: as a sweep over dy.
struct Back<T> {
    plane: Plane,
    weights: Packed<T>,
    offsets: Vec<usize>,
    pieces: Pieces,
}

impl<'a, T: Kernel> Pass<'a, T> {
    fn new(dims: &'a Dims, out: [usize; 2], w: &[T], wanted: Wanted) -> Self {
        let (layout, isa) = (Layout::new(dims), isa());
        let gradient = Gradient::new(dims, &layout);
        let ([inputs, outputs], taps, lanes) = (dims.group(), layout.taps(), T::lanes(isa));
        let back = |(number, plane): (usize, Plane)| {
            let taps: Vec<_> = taps.iter().enumerate().filter(|(_, tap)| tap.0 == number).collect();
            let weights =
                Packed::new(isa, dims.groups, inputs, outputs * taps.len(), |group, input, term| {
                    let output = group * outputs + term / taps.len();
                    w[(output * inputs + input) * dims.taps() + taps[term % taps.len()].0]
                });
            let before =
                |output| taps.iter().map(move |(_, tap)| gradient.lead + output * gradient.channel - tap.1);
            let start = plane.rows.start * layout.pitch + plane.cols.start;
            Back {
                weights,
                offsets: (0..outputs).flat_map(before).collect(),
                pieces: Pieces::new(lanes, start, plane.rows.len(), layout.pitch, plane.cols.len()),
                plane,
            }
        };
        let planes = layout.planes().enumerate().filter(|_| wanted.x);
        let planes = planes.filter(|(_, plane)| !plane.rows.is_empty() && !plane.cols.is_empty());
        let pieces = layout.pieces(lanes);
        let count = (PIECES / pieces.list.len()).clamp(1, dims.batch);
        let dy_row = if pieces.flat { gradient.channel } else { out[0] * out[1] };
        let image = |n: usize| {
            let (from, to) = (n * dims.inputs * layout.channel(), n * dims.outputs * dy_row);
            pieces.list.iter().map(move |piece| Piece { from: piece.from + from, to: piece.to + to })
        };
        Self {
            dims,
            out,
            isa,
            wanted,
            offsets: layout.offsets(inputs),
            images: (0..count).flat_map(image).collect(),
            count,
            dy_row,
            pieces,
            planes: planes.map(back).collect(),
            gradient,
            layout,
        }
    }

    fn run(&self, chunk: Chunk<'_, T>) {
        let Chunk { x, dy, dx, dw, bias } = chunk;
        let (lanes, image) = (T::lanes(self.isa), self.dims.outputs * self.out[0] * self.out[1]);
        let count = self.count;
        let mut planes = self.layout.room(if self.wanted.w { count } else { 0 }, lanes);
        let wants_flat = self.wanted.x || self.wanted.w && self.pieces.flat;
        let mut flat = self.gradient.room(if wants_flat { count } else { 0 });
        let mut dx = dx.chunks_mut((count * self.dims.image()).max(1));
        dw.fill(T::zero());
        bias.fill(T::zero());
        for (i, dy) in dy.chunks(count * image).enumerate() {
            if wants_flat {
                self.gradient.fill(dy, &mut flat);
            }
            if self.wanted.w {
                let images = dy.len() / image;
                let x = &x[i * count * self.dims.image()..][..images * self.dims.image()];
                let dy = if self.pieces.flat { &flat[self.gradient.lead..] } else { dy };
                self.weights(self.layout.fill(x, &mut planes, lanes), dy, images, dw);
            }
            if self.wanted.bias {
                let plane = self.out[0] * self.out[1];
                for dy in dy.chunks_exact(image) {
                    bias.iter_mut()
                        .zip(dy.chunks_exact(plane))
                        .for_each(|(total, dy)| *total = *total + sum(dy));
                }
            }
            if let Some(dx) = dx.next() {
                for (n, dx) in dx.chunks_exact_mut(self.dims.image()).enumerate() {
                    self.inputs(&flat[n * self.gradient.image()..], dx);
                }
            }
        }
    }

    /// Adds some images' gradient of the weights.
    fn weights(&self, planes: &[T], dy: &[T], images: usize, dw: &mut [T]) {
        let [inputs, outputs] = self.dims.group();
        let (within, terms) = (self.dims.parallel(self.out).1, self.offsets.len());
        let block = if within { ROWS } else { outputs };
        let blocks = dw.chunks_mut((outputs * terms).max(1)).enumerate().flat_map(|(group, dw)| {
            let blocks = dw.chunks_mut(block * terms).enumerate();
            blocks.map(move |(i, dw)| (group, group * outputs + i * block, dw))
        });
        each(blocks, within, |(group, first, dw)| {
            for pieces in self.images[..images * self.pieces.list.len()].chunks(PIECES) {
                Products {
                    a: &dy[first * self.dy_row..],
                    a_row: self.dy_row,
                    b: &planes[group * inputs * self.layout.channel()..],
                    offsets: &self.offsets,
                    pieces,
                    c: dw,
                }
                .run(self.isa);
            }
        });
    }

    /// The gradient of an image.
    fn inputs(&self, flat: &[T], dx: &mut [MaybeUninit<T>]) {
        let ([inputs, outputs], plane) = (self.dims.group(), self.dims.size[0] * self.dims.size[1]);
        let within = self.dims.parallel(self.out).1;
        let block = if within { ROWS } else { inputs };
        let blocks = dx.chunks_exact_mut(inputs * plane).enumerate().flat_map(|(group, dx)| {
            let blocks = dx.chunks_mut(block * plane).enumerate();
            blocks.map(move |(i, dx)| (group, group * inputs + i * block, dx))
        });
        each(blocks, within, |(group, first, dx)| {
            let rows = first..first + dx.len() / plane;
            for Back { plane: which, weights, offsets, pieces } in &self.planes {
                let direct = !pieces.flat && self.dims.stride == [1, 1];
                let mut part = Buffer::new(if direct { 0 } else { rows.len() * pieces.len() });
                Sweep {
                    a: weights.rows(rows.clone()),
                    bias: None,
                    b: &flat[group * outputs * self.gradient.channel..],
                    offsets,
                    pieces,
                    c_row: if direct { plane } else { pieces.len() },
                    // SAFETY: a sweep writes numbers.
                    c: if direct { &mut *dx } else { unsafe { place(&mut part) } },
                }
                .run(self.isa);
                if !direct {
                    let pitch = if pieces.flat { self.layout.pitch } else { which.cols.len() };
                    for (dx, part) in dx.chunks_exact_mut(plane).zip(part.chunks_exact(pieces.len())) {
                        self.layout.unfill(which, part, pitch, dx);
                    }
                }
            }
        });
    }
}
