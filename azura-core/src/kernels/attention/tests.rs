use super::*;
use crate::kernels::testing::{Numbers, assert_close, each_isa, same_for_any_threads};

/// Row-major matrices of `T` and the same numbers in f64.
struct Both<T> {
    own: Vec<T>,
    exact: Vec<f64>,
}

impl<T: Kernel> Both<T> {
    fn new(numbers: &mut Numbers, len: usize) -> Self {
        let own = numbers.vec::<T>(len);
        Self { exact: own.iter().map(|x| x.to_f64().unwrap()).collect(), own }
    }

    fn matrices(&self, entries: usize, rows: usize, columns: usize) -> Vec<Mat<'_, T>> {
        (0..entries).map(|i| Mat::new(&self.own[i * rows * columns..], rows, columns)).collect()
    }
}

/// The definition, entry by entry, with the sums in their plain order: y, dq, dk, dv.
fn definition(
    dims: Dims,
    x: [&[f64]; 4],
    scale: f64,
    may: impl Fn(usize, usize, usize) -> bool,
) -> [Vec<f64>; 4] {
    let Dims { entries, l, s, d, e } = dims;
    let [q, k, v, g] = x;
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let add = |to: &mut [f64], by: f64, x: &[f64]| to.iter_mut().zip(x).for_each(|(to, x)| *to += by * x);
    let [mut y, mut dq, mut dk, mut dv] = [l * e, l * d, s * d, s * e].map(|size| vec![0.0; entries * size]);
    for (i, m) in (0..entries).flat_map(|i| (0..l).map(move |m| (i, m))) {
        let (row, grad) = (&q[(i * l + m) * d..][..d], &g[(i * l + m) * e..][..e]);
        let key = |j: usize| &k[(i * s + j) * d..][..d];
        let value = |j: usize| &v[(i * s + j) * e..][..e];
        let weights: Vec<f64> =
            (0..s).map(|j| if may(i, m, j) { (scale * dot(row, key(j))).exp() } else { 0.0 }).collect();
        let total: f64 = weights.iter().sum();
        if total == 0.0 {
            continue;
        }
        let p: Vec<f64> = weights.iter().map(|w| w / total).collect();
        let mean: f64 = (0..s).map(|j| p[j] * dot(grad, value(j))).sum();
        for j in 0..s {
            let ds = scale * p[j] * (dot(grad, value(j)) - mean);
            add(&mut y[(i * l + m) * e..][..e], p[j], value(j));
            add(&mut dv[(i * s + j) * e..][..e], p[j], grad);
            add(&mut dq[(i * l + m) * d..][..d], ds, key(j));
            add(&mut dk[(i * s + j) * d..][..d], ds, row);
        }
    }
    [y, dq, dk, dv]
}

fn check<T: Kernel>(numbers: &mut Numbers, dims: Dims, causal: bool, masked: bool, tolerance: f64) {
    let Dims { entries, l, s, d, e } = dims;
    let [q, k, v, g] = [l * d, s * d, s * e, l * e].map(|size| Both::<T>::new(numbers, entries * size));
    // A row of marks for all queries, or one for each; few marks leave some queries with nothing.
    let step = if numbers.below(2) == 0 { 0 } else { s };
    let most = 1 + numbers.below(3);
    let marks: Vec<bool> = (0..entries * l * s).map(|_| numbers.below(4) < most).collect();
    let starts: Vec<usize> = (0..entries).map(|i| i * l * s).collect();
    let may =
        |i: usize, m: usize, j: usize| (!causal || j <= m) && (!masked || marks[i * l * s + m * step + j]);
    let scale = 0.7;
    let want = definition(dims, [&q.exact, &k.exact, &v.exact, &g.exact], scale, may);

    let x = Inputs {
        q: q.matrices(entries, l, d),
        k: k.matrices(entries, s, d),
        v: v.matrices(entries, s, e),
        scale: T::from(scale).unwrap(),
    };
    let allowed = Allowed { causal, mask: masked.then(|| Marks { all: &marks, starts: &starts, step }) };
    let (y, saved) = forward(dims, &x, &allowed, true);
    let (alike, none) = forward(dims, &x, &allowed, false);
    assert!(y == alike && none.is_none());
    let places = Places { starts: (0..entries).collect(), repeats: vec![0] };
    let grads = backward(dims, &x, saved.unwrap(), &g.matrices(entries, l, e), [Some(&places); 3]);
    let what = format!("{dims:?}, {causal} {masked} {step}");
    let found = [Some(y)].into_iter().chain(grads);
    for ((found, want), name) in found.zip(want).zip(["y", "dq", "dk", "dv"]) {
        assert_close(&format!("{name} of {what}"), &found.unwrap(), &want, tolerance);
    }
}

#[test]
fn agrees_with_the_definition() {
    each_isa(|_| {
        let mut numbers = Numbers(5);
        for round in 0..60 {
            let [entries, l, s, d, e] = [4, 40, 40, 20, 20].map(|most| 1 + numbers.below(most));
            // A query may be of no numbers: all keys are alike then.
            let d = if round % 10 == 0 { 0 } else { d };
            let dims = Dims { entries, l, s, d, e };
            check::<f32>(&mut numbers, dims, round & 1 > 0, round & 2 > 0, 3e-6);
            check::<f64>(&mut numbers, dims, round & 1 > 0, round & 2 > 0, 3e-14);
        }
        // Entries in pieces.
        for (l, s) in [(200, 700), (70, 1100)] {
            let dims = Dims { entries: 2, l, s, d: 9, e: 7 };
            assert!(dims.together() < l);
            check::<f32>(&mut numbers, dims, true, true, 1e-5);
            check::<f64>(&mut numbers, dims, false, true, 1e-13);
        }
    });
}

#[test]
fn does_not_depend_on_threads() {
    each_isa(|_| {
        for (entries, l, s) in [(16, 64, 60), (2, 300, 500)] {
            let dims = Dims { entries, l, s, d: 48, e: 40 };
            assert!(dims.parallel());
            let mut numbers = Numbers(6);
            let [q, k, v, g] =
                [l * 48, s * 48, s * 40, l * 40].map(|size| Both::<f32>::new(&mut numbers, entries * size));
            same_for_any_threads(|| {
                let x = Inputs {
                    q: q.matrices(entries, l, 48),
                    k: k.matrices(entries, s, 48),
                    v: v.matrices(entries, s, 40),
                    scale: 0.1,
                };
                let (y, saved) = forward(dims, &x, &Allowed { causal: true, mask: None }, true);
                let places = Places { starts: (0..entries).collect(), repeats: vec![0] };
                let grad = g.matrices(entries, l, 40);
                (y, backward(dims, &x, saved.unwrap(), &grad, [Some(&places); 3]))
            });
        }
    });
}
