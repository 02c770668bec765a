use super::*;
use crate::kernels::testing::{Numbers, assert_close, each_isa, same_for_any_threads};

/// Everything a pass takes.
struct Case<T> {
    dims: Dims<T>,
    /// q, k and v.
    inputs: [Vec<T>; 3],
    /// The same for all entries.
    mask: Option<Vec<bool>>,
    dy: Vec<T>,
}

impl<T: Kernel> Case<T> {
    fn new([batch, queries, keys, width, values]: [usize; 5], causal: bool, masked: bool) -> Self {
        let scale = T::from(0.7).unwrap();
        let dims = Dims { batch, queries, keys, width, values, scale, causal };
        let mut numbers = Numbers(5);
        let inputs = [queries * width, keys * width, keys * values].map(|size| numbers.vec(batch * size));
        let dy = numbers.vec(batch * queries * values);
        // A mark for each query, or one for all.
        let row = if batch == 1 { queries } else { 1 };
        let mask = masked.then(|| (0..keys * row).map(|_| numbers.below(3) > 0).collect());
        Self { dims, inputs, mask, dy }
    }

    fn entry(&self, i: usize) -> Entry<'_, T> {
        let Dims { queries, keys, width, values, .. } = self.dims;
        let [q, k, v] = &self.inputs;
        Entry {
            q: Mat::new(&q[i * queries * width..], queries, width),
            k: Mat::new(&k[i * keys * width..], keys, width),
            v: Mat::new(&v[i * keys * values..], keys, values),
            mask: self.mask.as_deref().map(|all| Marks { all, row: all.len() / keys }),
        }
    }

    fn forward(&self, save: bool) -> (Vec<T>, Saved<T>) {
        forward(&self.dims, |i| self.entry(i), save)
    }

    fn backward(&self, save: bool, wanted: [bool; 3]) -> Gradients<T> {
        let Dims { queries, values, .. } = self.dims;
        let dy = |i: usize| Mat::new(&self.dy[i * queries * values..], queries, values);
        backward(&self.dims, |i| self.entry(i), self.forward(save).1, dy, wanted)
    }

    fn cast<U: Kernel>(&self) -> Case<U> {
        let cast = |xs: &[T]| xs.iter().map(|&x| U::from(x).unwrap()).collect();
        let Dims { batch, queries, keys, width, values, scale, causal } = self.dims;
        let scale = U::from(scale).unwrap();
        Case {
            dims: Dims { batch, queries, keys, width, values, scale, causal },
            inputs: self.inputs.each_ref().map(|xs| cast(xs)),
            mask: self.mask.clone(),
            dy: cast(&self.dy),
        }
    }
}

/// The formulas as they stand.
fn by_definition(case: &Case<f64>) -> Vec<f64> {
    let Dims { batch, queries, keys, width, values, scale, causal } = case.dims;
    let [q, k, v] = &case.inputs;
    let mut y = vec![0.0; batch * queries * values];
    for (row, y) in y.chunks_exact_mut(values).enumerate() {
        let (entry, i) = (row / queries, row % queries);
        let q = &q[row * width..][..width];
        let sees = |j: usize| {
            (!causal || j <= i)
                && case.mask.as_ref().is_none_or(|mask| mask[if batch == 1 { j * queries + i } else { j }])
        };
        let weight = |j: usize| {
            let k = &k[(entry * keys + j) * width..][..width];
            if sees(j) { (scale * q.iter().zip(k).map(|(q, k)| q * k).sum::<f64>()).exp() } else { 0.0 }
        };
        let weights: Vec<f64> = (0..keys).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        for (j, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            let v = &v[(entry * keys + j) * values..][..values];
            y.iter_mut().zip(v).for_each(|(y, v)| *y += weight / sum * v);
        }
    }
    y
}

/// Batch, queries, keys, numbers of a key and of a value: less than a block, one block, some and a rest.
const SHAPES: [[usize; 5]; 6] = [
    [2, 3, 4, 5, 2],
    [1, 1, 1, 1, 1],
    [2, 48, 64, 3, 17],
    [1, 49, 70, 2, 3],
    [1, 130, 20, 4, 1],
    [2, 5, 200, 1, 4],
];

fn each_case(mut test: impl FnMut(Case<f64>)) {
    each_isa(|_| {
        for shape in SHAPES {
            for (causal, masked) in [(false, false), (true, false), (false, true), (true, true)] {
                test(Case::new(shape, causal, masked));
            }
        }
    });
}

#[test]
fn forward_is_the_definition() {
    each_case(|case| {
        let y = by_definition(&case);
        assert_close("y", &case.forward(true).0, &y, 1e-13);
        assert_close("y", &case.cast::<f32>().forward(true).0, &y, 2e-6);
    });
}

#[test]
fn gradients_are_central_differences() {
    each_case(|mut case| {
        let exact = case.backward(true, [true; 3]);
        let single = case.cast::<f32>().backward(true, [true; 3]);
        for input in 0..3 {
            let (exact, single) = (exact[input].as_ref().unwrap(), single[input].as_ref().unwrap());
            assert_close("f32", single, exact, 5e-6);
            let len = exact.len();
            let (mut got, mut numeric) = (Vec::new(), Vec::new());
            for i in (0..len).step_by(len.div_ceil(10)) {
                let mut moved = |by: f64| {
                    let old = case.inputs[input][i];
                    case.inputs[input][i] = old + by;
                    let loss: f64 = by_definition(&case).iter().zip(&case.dy).map(|(y, dy)| y * dy).sum();
                    case.inputs[input][i] = old;
                    loss
                };
                numeric.push((moved(1e-5) - moved(-1e-5)) / 2e-5);
                got.push(exact[i]);
            }
            assert_close("gradient", &got, &numeric, 1e-7);
        }
    });
}

#[test]
fn each_gradient_is_optional() {
    let case = Case::<f32>::new([2, 20, 70, 3, 4], true, true);
    each_isa(|_| {
        let all = case.backward(true, [true; 3]);
        for which in 0..8 {
            let wanted = [0, 1, 2].map(|i| which >> i & 1 == 1);
            let some = case.backward(true, wanted);
            for (i, grad) in some.iter().enumerate() {
                assert_eq!(grad.as_ref(), all[i].as_ref().filter(|_| wanted[i]));
            }
        }
    });
}

#[test]
fn what_is_saved_does_not_matter() {
    each_case(|case| {
        let (y, Saved(kept)) = case.forward(false);
        assert!(y == case.forward(true).0 && kept.is_none());
        assert!(case.backward(false, [true; 3]) == case.backward(true, [true; 3]));
    });
}

#[test]
fn results_do_not_depend_on_threads_or_old_buffers() {
    each_isa(|_| {
        for causal in [false, true] {
            let case = Case::<f32>::new([12, 70, 90, 16, 24], causal, false);
            let (y, grads) = same_for_any_threads(|| (case.forward(true).0, case.backward(true, [true; 3])));
            assert!(y.iter().chain(grads.iter().flatten().flatten()).all(|x| x.is_finite()));
        }
    });
}
