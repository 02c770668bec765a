//! Every operation's derivative against central differences in `f64`, and its value against one computed by hand.

mod activation;
mod arrange;
mod attention;
mod classify;
mod conv;
mod elementwise;
mod index;
mod linear;
mod loss;
mod norm;
mod recurrent;
mod reduce;
mod shape;
mod train;

use azura_core::{Ids, OPS, ParamBase, TensorBase, gradcheck, ndarray};
use ndarray::{Array, IxDyn};
use std::collections::BTreeSet;

type T = TensorBase<f64>;
type Result = azura_core::Result<T>;

/// Operations must agree to this; what is measured is below 1e-9.
const TOLERANCE: f64 = 1e-7;

/// Numbers in -1..1 from a small linear congruential generator, none nearer to 0 than 0.05.
fn numbers(shape: &[usize], seed: u64) -> Array<f64, IxDyn> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    Array::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let unit = (state >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0;
        if unit.abs() < 0.05 { unit + 0.1_f64.copysign(unit) } else { unit }
    })
}

/// Numbers in -1..1, no two of them nearer to each other than 0.009, nor those of two seeds below 3: for operations
/// that compare. At most 101 of them.
fn apart(shape: &[usize], seed: u64) -> Array<f64, IxDyn> {
    let mut place = 0;
    Array::from_shape_simple_fn(shape, || {
        place += 37;
        (place % 101) as f64 / 50.5 - 1.0 + seed as f64 * 0.0045
    })
}

/// One operation, and what has been seen of it.
struct Tested {
    op: &'static str,
    derivative: bool,
    value: bool,
}

impl Tested {
    /// Its derivative, for inputs of these shapes, is that of central differences.
    fn derivative(&mut self, shapes: &[&[usize]], f: impl Fn(&[T]) -> Result) {
        self.derivative_at(shapes, numbers, f);
    }

    fn derivative_at(
        &mut self,
        shapes: &[&[usize]],
        values: fn(&[usize], u64) -> Array<f64, IxDyn>,
        f: impl Fn(&[T]) -> Result,
    ) {
        let (op, inputs) = (self.op, shapes.iter().zip(1..).map(|(shape, seed)| values(shape, seed)));
        let inputs: Vec<_> = inputs.collect();
        let report = gradcheck(f, &inputs).unwrap_or_else(|error| panic!("{op} {shapes:?}: {error}"));
        assert!(report.max_error < TOLERANCE, "{op} {shapes:?}: {report:?}");
        assert_eq!(report.checked, inputs.iter().map(Array::len).sum::<usize>());
        self.derivative = true;
    }

    /// What it computed is what was computed by hand.
    fn value(&mut self, found: Result, shape: &[usize], expected: &[f64]) {
        let (op, found) = (self.op, found.unwrap());
        assert_eq!(found.shape(), shape, "{op}");
        assert_eq!(found.len(), expected.len(), "{op}");
        let close = found.to_vec().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14);
        assert!(close, "{op}: {found:?} where {expected:?} is right");
        self.value = true;
    }
}

fn row(values: &[f64]) -> T {
    T::from_vec(&[values.len()], values.to_vec()).unwrap()
}

fn column(values: &[f64]) -> T {
    T::from_vec(&[values.len(), 1], values.to_vec()).unwrap()
}

/// 0, 1, 2, .. in this shape.
fn counted(shape: &[usize]) -> T {
    let len = shape.iter().product::<usize>();
    T::from_vec(shape, (0..len).map(|i| i as f64).collect()).unwrap()
}

fn ids(shape: &[usize], values: &[u32]) -> Ids {
    Ids::from_shape_vec(shape, values.to_vec()).unwrap()
}

/// The gradients of the sum of what `f` makes of these values.
fn gradients(f: impl FnOnce(&[T]) -> Result, values: &[&[f64]]) -> Vec<Vec<f64>> {
    let params: Vec<_> = values.iter().map(|&x| ParamBase::new(ndarray::arr1(x))).collect();
    let tracked: Vec<_> = params.iter().map(ParamBase::tracked).collect();
    let grads = f(&tracked).unwrap().sum_all().unwrap().backward().unwrap();
    params.iter().map(|param| grads.get(param).unwrap().iter().copied().collect()).collect()
}

#[test]
fn every_operation_has_a_right_derivative_and_a_right_value() {
    for op in OPS {
        let mut tested = Tested { op, derivative: false, value: false };
        let known = [
            activation::cases,
            arrange::cases,
            attention::cases,
            index::cases,
            classify::cases,
            conv::cases,
            elementwise::cases,
            linear::cases,
            loss::cases,
            norm::cases,
            recurrent::cases,
            reduce::cases,
            shape::cases,
            train::cases,
        ];
        assert!(known.iter().any(|cases| cases(&mut tested)), "{op} has no cases");
        assert!(tested.derivative, "{op} has no gradient check");
        assert!(tested.value, "{op} has no value computed by hand");
    }
}

/// The list has every name that the sources hand to `record`, so that no operation escapes the checks above.
#[test]
fn the_list_of_operations_is_complete() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let calls = ["record(", "record_part("].into_iter().flat_map(|call| {
            text.match_indices(call).map(|(place, call)| text[place + call.len()..].trim_start())
        });
        for argument in calls {
            match argument.strip_prefix('"') {
                Some(name) => assert!(found.insert(name[..name.find('"').unwrap()].to_owned())),
                // Tables hand over the names of their rows, which are looked for below.
                None => assert!(argument.starts_with("NAME") || argument.starts_with("stringify!")),
            }
        }
        for line in text.lines().map(str::trim_start) {
            if let Some((name, row)) = line.split_once(": ")
                && (["|", "each(", "kernel("].iter().any(|start| row.starts_with(start))
                    || row.starts_with("E::") && row.contains("; "))
            {
                // A row with arguments has them behind its name.
                let name = name.split('(').next().unwrap_or(name);
                assert!(found.insert(name.to_owned()), "{line}");
            }
        }
    }
    assert_eq!(found, OPS.iter().map(|&name| name.to_owned()).collect());
}

#[test]
fn a_wrong_derivative_is_found() {
    let wrong = |x: &[T]| {
        T::record("wrong", &[&x[0]], |inputs| {
            let y = inputs.data(0).mapv(|x| x * x).into_shared();
            Ok((y, Box::new(|grad| Ok(vec![Some(grad)]))))
        })
    };
    let report = gradcheck(wrong, &[numbers(&[3], 1)]).unwrap();
    assert!(report.max_error > 0.1, "{report:?}");
    let nan = |x: &[T]| x[0].sum_all()?.scale(f64::NAN);
    assert!(gradcheck(nan, &[numbers(&[3], 1)]).unwrap().max_error.is_infinite());
}
