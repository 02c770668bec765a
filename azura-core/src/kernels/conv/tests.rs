use super::*;
use crate::kernels::testing::{Numbers, assert_close, each_isa, same_for_any_threads};

/// Everything a pass takes.
#[derive(Clone)]
struct Case<T> {
    dims: Dims,
    out: [usize; 2],
    x: Vec<T>,
    w: Vec<T>,
    bias: Vec<T>,
    dy: Vec<T>,
}

const ALL: Wanted = Wanted { x: true, w: true, bias: true };

impl<T: Kernel> Case<T> {
    fn new(dims: Dims) -> Self {
        let out = dims.out().unwrap();
        let mut numbers = Numbers(3);
        let mut vec = |len| numbers.vec(len);
        Self {
            dims,
            out,
            x: vec(dims.batch * dims.image()),
            w: vec(dims.weights()),
            bias: vec(dims.outputs),
            dy: vec(dims.batch * dims.outputs * out[0] * out[1]),
        }
    }

    fn forward(&self) -> Vec<T> {
        forward(&self.dims, &self.x, &self.w, Some(&self.bias))
    }

    fn backward(&self) -> [Vec<T>; 3] {
        let Gradients { x, w, bias } = backward(&self.dims, &self.x, &self.w, &self.dy, ALL);
        [x, w, bias]
    }

    fn single(&self) -> Case<f32> {
        let cast = |xs: &[T]| xs.iter().map(|&x| f32::from_f64(x.to_f64().unwrap())).collect();
        let (dims, out) = (self.dims, self.out);
        Case { dims, out, x: cast(&self.x), w: cast(&self.w), bias: cast(&self.bias), dy: cast(&self.dy) }
    }
}

trait FromF64 {
    fn from_f64(x: f64) -> Self;
}

impl FromF64 for f32 {
    fn from_f64(x: f64) -> Self {
        x as f32
    }
}

impl Case<f64> {
    /// Calls `f` with the places in y, w and x of every product of the definition.
    fn products(&self, mut f: impl FnMut(usize, usize, usize)) {
        let d = self.dims;
        let ([inputs, outputs], [kh, kw], [height, width]) = (d.group(), d.kernel, d.size);
        for n in 0..d.batch {
            for o in 0..d.outputs {
                for c in 0..inputs {
                    let channel = n * d.inputs + o / outputs * inputs + c;
                    for (i, j, u, v) in grid(self.out[0], self.out[1], kh, kw) {
                        let row = (i * d.stride[0] + u * d.dilation[0]).checked_sub(d.padding[0]);
                        let col = (j * d.stride[1] + v * d.dilation[1]).checked_sub(d.padding[1]);
                        if let (Some(row), Some(col)) = (row, col)
                            && row < height
                            && col < width
                        {
                            f(
                                ((n * d.outputs + o) * self.out[0] + i) * self.out[1] + j,
                                ((o * inputs + c) * kh + u) * kw + v,
                                (channel * height + row) * width + col,
                            );
                        }
                    }
                }
            }
        }
    }

    fn forward_by_definition(&self) -> Vec<f64> {
        let plane = self.out[0] * self.out[1];
        let mut y: Vec<_> = (0..self.dy.len()).map(|at| self.bias[at / plane % self.dims.outputs]).collect();
        self.products(|at_y, at_w, at_x| y[at_y] += self.w[at_w] * self.x[at_x]);
        y
    }

    /// The convolution is linear in each of x and w: their gradients are the same products, read the other way.
    fn backward_by_definition(&self) -> [Vec<f64>; 3] {
        let (mut dx, mut dw) = (vec![0.0; self.x.len()], vec![0.0; self.w.len()]);
        self.products(|at_y, at_w, at_x| {
            dx[at_x] += self.dy[at_y] * self.w[at_w];
            dw[at_w] += self.dy[at_y] * self.x[at_x];
        });
        let (mut bias, plane) = (vec![0.0; self.dims.outputs], self.out[0] * self.out[1]);
        self.dy.iter().enumerate().for_each(|(at, dy)| bias[at / plane % self.dims.outputs] += dy);
        [dx, dw, bias]
    }

    fn check(&self) {
        let what = format!("{:?}", self.dims);
        let (y, gradients) = (self.forward_by_definition(), self.backward_by_definition());
        let terms = (self.dims.taps() * self.dims.group()[0]).max(self.dy.len()) as f64;
        let single = self.single();
        assert_close(&what, &self.forward(), &y, 1e-14 * terms.sqrt());
        assert_close(&what, &single.forward(), &y, 4e-7 * terms.sqrt());
        for (found, wanted) in self.backward().iter().zip(&gradients) {
            assert_close(&what, found, wanted, 1e-14 * terms.sqrt());
        }
        for (found, wanted) in single.backward().iter().zip(&gradients) {
            assert_close(&what, found, wanted, 4e-7 * terms.sqrt());
        }
    }
}

fn grid(a: usize, b: usize, c: usize, d: usize) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    (0..a * b * c * d).map(move |i| (i / (b * c * d), i / (c * d) % b, i / d % c, i % d))
}

fn plain(batch: usize, inputs: usize, outputs: usize, size: [usize; 2], kernel: [usize; 2]) -> Dims {
    let [stride, dilation] = [[1, 1]; 2];
    Dims { batch, inputs, outputs, groups: 1, size, kernel, stride, padding: [0, 0], dilation }
}

#[test]
fn random_convolutions_are_the_definition() {
    each_isa(|_| {
        let mut numbers = Numbers(5);
        let mut tried = 0;
        while tried < 150 {
            let mut pick = |most: usize| numbers.below(most) + 1;
            let groups = [1, 1, 2, 3][pick(4) - 1];
            let dims = Dims {
                batch: pick(4),
                inputs: groups * pick(4),
                outputs: groups * pick(13),
                groups,
                size: [pick(12), [8, 16, 32, pick(20), pick(40)][pick(5) - 1]],
                kernel: [pick(4), pick(5)],
                stride: [pick(3), pick(3)],
                padding: [pick(4) - 1, pick(4) - 1],
                dilation: [pick(3), pick(3)],
            };
            if dims.out().is_some() {
                Case::new(dims).check();
                tried += 1;
            }
        }
    });
}

#[test]
fn chosen_convolutions_are_the_definition() {
    let same = |dims: Dims| Dims { padding: [1, 1], ..dims };
    each_isa(|_| {
        for dims in [
            // Those of a small net for images of 32 x 32.
            same(plain(3, 3, 16, [32, 32], [3, 3])),
            same(plain(3, 16, 32, [16, 16], [3, 3])),
            // More pieces than are worked on together.
            plain(2, 2, 3, [70, 64], [2, 3]),
            same(plain(1, 2, 3, [65, 67], [3, 3])),
            // Points, lines, one pixel, many channels.
            plain(2, 5, 7, [4, 8], [1, 1]),
            plain(9, 3, 4, [1, 50], [1, 5]),
            plain(20, 33, 20, [3, 3], [3, 3]),
            Dims { padding: [2, 3], ..plain(2, 2, 3, [1, 1], [3, 4]) },
            // A stride that skips the end of the image, and one that is greater than the window.
            Dims { stride: [2, 2], ..plain(2, 3, 4, [8, 33], [3, 2]) },
            Dims { stride: [3, 4], padding: [1, 1], ..plain(2, 3, 4, [11, 17], [2, 2]) },
            Dims { stride: [2, 3], dilation: [3, 2], ..same(plain(2, 4, 6, [12, 20], [3, 3])) },
            Dims { stride: [2, 2], ..same(plain(2, 4, 6, [64, 64], [3, 3])) },
            // Depthwise.
            Dims { groups: 6, ..same(plain(2, 6, 12, [9, 16], [3, 3])) },
        ] {
            Case::new(dims).check();
        }
    });
}

#[test]
fn only_what_is_wanted_is_computed() {
    let case = Case::<f64>::new(Dims { padding: [1, 1], ..plain(3, 4, 5, [6, 9], [3, 3]) });
    each_isa(|_| {
        let [x, w, bias] = case.backward();
        for at in 0..8 {
            let wanted = Wanted { x: at & 1 > 0, w: at & 2 > 0, bias: at & 4 > 0 };
            let pick = |wanted: bool, all: &[f64]| if wanted { all.to_vec() } else { Vec::new() };
            let given =
                backward(&case.dims, &pick(wanted.w, &case.x), &pick(wanted.x, &case.w), &case.dy, wanted);
            assert_eq!(given.x, pick(wanted.x, &x));
            assert_eq!(given.w, pick(wanted.w, &w));
            assert_eq!(given.bias, pick(wanted.bias, &bias));
        }
        let zeros = vec![0.0; 5];
        let zeros = forward(&case.dims, &case.x, &case.w, Some(&zeros));
        assert_eq!(forward(&case.dims, &case.x, &case.w, None), zeros);
    });
}

#[test]
fn nothing_is_no_problem() {
    for dims in [
        plain(0, 2, 3, [4, 4], [3, 3]),
        plain(2, 0, 3, [4, 4], [3, 3]),
        plain(2, 2, 0, [4, 4], [3, 3]),
        plain(0, 0, 0, [4, 4], [3, 3]),
        Dims { padding: [1, 1], ..plain(2, 2, 3, [0, 4], [2, 3]) },
        Dims { padding: [2, 2], ..plain(2, 2, 3, [0, 0], [3, 3]) },
    ] {
        Case::new(dims).check();
    }
}

#[test]
fn what_is_no_convolution_is_told() {
    let fine = plain(1, 4, 4, [5, 5], [3, 3]);
    assert_eq!(fine.out(), Some([3, 3]));
    let huge = usize::MAX;
    for dims in [
        Dims { kernel: [6, 3], ..fine },
        Dims { kernel: [3, 0], ..fine },
        Dims { kernel: [3, 3], dilation: [3, 1], ..fine },
        Dims { dilation: [0, 1], ..fine },
        Dims { stride: [1, 0], ..fine },
        Dims { groups: 0, ..fine },
        Dims { groups: 3, ..fine },
        Dims { groups: 2, outputs: 3, ..fine },
        Dims { padding: [huge, 0], ..fine },
        Dims { padding: [huge / 4, 0], ..fine },
        Dims { dilation: [huge / 2, huge], ..fine },
        Dims { batch: huge, ..fine },
        Dims { inputs: huge - 3, ..fine },
        Dims { size: [0, 5], ..fine },
    ] {
        assert_eq!(dims.out(), None, "{dims:?}");
    }
}

#[test]
fn results_do_not_depend_on_threads_or_old_buffers() {
    each_isa(|_| {
        let same = |dims: Dims| Dims { padding: [1, 1], ..dims };
        for dims in [
            same(plain(20, 16, 32, [16, 16], [3, 3])),
            // Fewer images than chunks: shared out by rows.
            same(plain(2, 24, 50, [16, 16], [3, 3])),
            Dims { groups: 2, ..same(plain(1, 40, 80, [28, 28], [3, 3])) },
            Dims { stride: [2, 2], ..same(plain(3, 40, 40, [19, 21], [3, 3])) },
        ] {
            assert!(dims.parallel(dims.out().unwrap()).0, "{dims:?}");
            let case = Case::<f32>::new(dims);
            let (y, gradients) = same_for_any_threads(|| (case.forward(), case.backward()));
            assert!(y.iter().chain(gradients.iter().flatten()).all(|x| x.is_finite()));
            // Rounding apart, it is what one image alone gives.
            let alone = Dims { batch: 1, ..dims };
            let one = forward(&alone, &case.x[..dims.image()], &case.w, Some(&case.bias));
            assert_close("alone", &y[..one.len()], &one, 1e-5);
        }
    });
}
