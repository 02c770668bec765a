//! Every operation's derivative against central differences in `f64`.

use azura_core::{LstmInputs, OPS, Steps, TensorBase, gradcheck, ndarray};
use ndarray::{Array, IxDyn};

type T = TensorBase<f64>;
type Result = azura_core::Result<T>;

/// Operations must agree to this; what is measured is below 1e-9.
const TOLERANCE: f64 = 1e-6;

/// Numbers in -1..1 from a small linear congruential generator, none nearer to 0 than 0.05.
fn numbers(shape: &[usize], seed: u64) -> Array<f64, IxDyn> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    Array::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let unit = (state >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0;
        if unit.abs() < 0.05 { unit + 0.1_f64.copysign(unit) } else { unit }
    })
}

fn check(op: &str, shapes: &[&[usize]], f: impl Fn(&[T]) -> Result) {
    let inputs: Vec<_> = shapes.iter().zip(1..).map(|(shape, seed)| numbers(shape, seed)).collect();
    let report = gradcheck(f, &inputs).unwrap_or_else(|error| panic!("{op} {shapes:?}: {error}"));
    assert!(report.max_error < TOLERANCE, "{op} {shapes:?}: {report:?}");
    assert_eq!(report.checked, inputs.iter().map(Array::len).sum::<usize>());
}

/// The cases of one operation; `false` for a name that has none.
fn cases(op: &str) -> bool {
    match op {
        "add" => binary(op, T::add),
        "sub" => binary(op, T::sub),
        "mul" => binary(op, T::mul),
        // Away from 0 by construction of the numbers, and further by the square.
        "div" => binary(op, |a, b| a.div(&b.square()?.shift(0.5)?)),
        "neg" => unary(op, T::neg),
        "abs" => unary(op, T::abs),
        "exp" => unary(op, T::exp),
        "ln" => unary(op, |x| x.square()?.shift(0.1)?.ln()),
        "sqrt" => unary(op, |x| x.square()?.shift(0.1)?.sqrt()),
        "square" => unary(op, T::square),
        "sin" => unary(op, T::sin),
        "cos" => unary(op, T::cos),
        "sigmoid" => unary(op, |x| x.scale(4.0)?.sigmoid()),
        "tanh" => unary(op, |x| x.scale(3.0)?.tanh()),
        "relu" => unary(op, T::relu),
        "scale" => unary(op, |x| x.scale(-2.5)),
        "shift" => unary(op, |x| x.shift(0.7)?.square()),
        "matmul" => {
            for (a, b) in [(&[3, 4][..], [4, 5]), (&[1, 1], [1, 1]), (&[2, 3, 4], [4, 2]), (&[0, 4], [4, 2])]
            {
                check(op, &[a, &b], |x| x[0].matmul(&x[1]));
            }
            check("matmul, transposed views", &[&[4, 3], &[5, 4]], |x| {
                x[0].transpose()?.matmul(&x[1].transpose()?)
            });
        }
        "linear" => {
            check(op, &[&[3, 4], &[2, 4], &[2]], |x| x[0].linear(&x[1], Some(&x[2])));
            check(op, &[&[2, 3, 4], &[5, 4]], |x| x[0].linear(&x[1], None));
            check(op, &[&[4], &[2, 4], &[2]], |x| x[0].linear(&x[1], Some(&x[2])));
        }
        "sum" => reduction(op, T::sum),
        "mean" => reduction(op, T::mean),
        "reshape" => {
            check(op, &[&[2, 6]], |x| x[0].reshape(&[3, 4])?.square());
            check("reshape of a view", &[&[2, 6]], |x| x[0].transpose()?.reshape(&[4, 3])?.square());
        }
        "permute" => check(op, &[&[2, 3, 4]], |x| x[0].permute(&[2, 0, 1])?.square()),
        "slice" => check(op, &[&[3, 5]], |x| x[0].slice(1, 1..4)?.square()),
        "concat" => {
            check(op, &[&[2, 3], &[2, 1], &[2, 2]], |x| T::concat(1, &[&x[0], &x[1], &x[2]])?.square());
            check("concat, the same twice", &[&[2, 3]], |x| T::concat(0, &[&x[0], &x[0]])?.square());
        }
        "dropout" => check(op, &[&[4, 5]], |x| {
            let mut state = 1_u32;
            let bits = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state
            };
            x[0].dropout(0.4, bits)
        }),
        "mse" => check(op, &[&[3, 4], &[3, 4]], |x| x[0].mse(&x[1])),
        "lstm" => lstm(op),
        _ => return false,
    }
    true
}

fn unary(op: &str, f: impl Fn(&T) -> Result) {
    for shape in [&[][..], &[7], &[2, 3], &[0, 2]] {
        check(op, &[shape], |x| f(&x[0]));
    }
    check(op, &[&[3, 4]], |x| f(&x[0].transpose()?));
}

fn binary(op: &str, f: impl Fn(&T, &T) -> Result) {
    let shapes: [(&[usize], &[usize]); 7] = [
        (&[2, 3], &[2, 3]),
        (&[2, 3], &[3]),
        (&[3], &[2, 3]),
        (&[2, 1], &[1, 3]),
        (&[], &[2, 2]),
        (&[4, 1, 2], &[3, 1]),
        (&[0, 2], &[2]),
    ];
    for (a, b) in shapes {
        check(op, &[a, b], |x| f(&x[0], &x[1]));
    }
    check(op, &[&[2, 3], &[3, 2]], |x| f(&x[0], &x[1].transpose()?));
}

fn reduction(op: &str, f: impl Fn(&T, &[isize], bool) -> Result) {
    for axes in [&[0][..], &[1], &[-1], &[0, 2], &[2, 0], &[0, 1, 2], &[]] {
        for keepdims in [false, true] {
            check(op, &[&[2, 3, 4]], |x| f(&x[0], axes, keepdims)?.square());
        }
    }
    check(op, &[&[]], |x| f(&x[0], &[], false)?.square());
}

fn inputs_of(x: &[T]) -> LstmInputs<'_, f64> {
    LstmInputs { weight_ih: &x[1], weight_hh: &x[2], bias: &x[3], state: x.get(4).zip(x.get(5)) }
}

fn lstm(op: &str) {
    let (batch, time, inputs, hidden) = (3, 4, 2, 5);
    let weights: [&[usize]; 4] =
        [&[batch, time, inputs], &[4 * hidden, inputs], &[4 * hidden, hidden], &[4 * hidden]];
    let state: [&[usize]; 2] = [&[batch, hidden], &[batch, hidden]];
    let all: Vec<_> = weights.into_iter().chain(state).collect();
    let parts = |x: &[T], steps| {
        let out = x[0].lstm(&inputs_of(x), steps)?;
        let flat = |t: T| t.reshape(&[t.len()]);
        T::concat(0, &[&flat(out.y)?, &flat(out.h)?, &flat(out.c)?])
    };
    check("lstm, all steps, zero state", &weights, |x| parts(x, Steps::All));
    check("lstm, last step, zero state", &weights, |x| parts(x, Steps::Last));
    check("lstm, all steps, given state", &all, |x| parts(x, Steps::All));
    check("lstm, last step, given state", &all, |x| parts(x, Steps::Last));
    check(op, &weights, |x| Ok(x[0].lstm(&inputs_of(x), Steps::Last)?.h));
    check("lstm, only c", &weights, |x| Ok(x[0].lstm(&inputs_of(x), Steps::All)?.c));
}

#[test]
fn every_operation_has_a_right_derivative() {
    for op in OPS {
        assert!(cases(op), "{op} has no gradient check");
    }
    assert!(!cases("no such operation"));
}

/// Every name that the sources hand to `record` is in the list, so that no operation escapes the check above.
#[test]
fn the_list_of_operations_is_complete() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
    let mut found = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for (place, _) in text.match_indices("record(") {
            let argument = text[place + "record(".len()..].trim_start();
            // Rows of the tables hand over their own name, which the rows below are checked for.
            if let Some(name) = argument.strip_prefix('"') {
                let name = &name[..name.find('"').unwrap()];
                assert!(OPS.contains(&name), "{name} is recorded but not in OPS");
                found += 1;
            }
        }
        for line in text.lines() {
            let row = line.trim_start().split_once(": ").map(|(name, _)| name);
            let is_row = line.trim_start().contains(": each(") || line.trim_start().contains(": kernel(");
            if let (Some(name), true) = (row, is_row) {
                assert!(OPS.contains(&name), "{name} is a row but not in OPS");
                found += 1;
            }
        }
    }
    assert!(
        found >= OPS.len() - 4,
        "the four rows of two inputs are all that may not have been seen, found {found}"
    );
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
