//! Every operation's derivative against central differences in `f64`, and its value against one computed by hand.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

use azura_core::{LstmInputs, OPS, Steps, TensorBase, gradcheck, ndarray};
use ndarray::{Array, IxDyn};
use std::{
    collections::BTreeSet,
    f64::consts::{E, PI},
};

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

/// One operation, and what has been seen of it.
struct Tested {
    op: &'static str,
    derivative: bool,
    value: bool,
}

impl Tested {
    /// Its derivative, for inputs of these shapes, is that of central differences.
    fn derivative(&mut self, shapes: &[&[usize]], f: impl Fn(&[T]) -> Result) {
        let (op, inputs) = (self.op, shapes.iter().zip(1..).map(|(shape, seed)| numbers(shape, seed)));
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

    fn cases(&mut self) {
        let ln3 = 3_f64.ln();
        match self.op {
            "add" => {
                self.binary(T::add);
                self.value(column(&[10.0, 20.0]).add(&row(&[1.0, 2.0])), &[2, 2], &[11.0, 12.0, 21.0, 22.0]);
            }
            "sub" => {
                self.binary(T::sub);
                self.value(row(&[5.0, 3.0]).sub(&T::scalar(4.0)), &[2], &[1.0, -1.0]);
            }
            "mul" => {
                self.binary(T::mul);
                self.value(row(&[2.0, -3.0]).mul(&row(&[4.0, 5.0])), &[2], &[8.0, -15.0]);
            }
            "div" => {
                // Away from 0 by construction of the numbers, and further by the square.
                self.binary(|a, b| a.div(&b.square()?.shift(0.5)?));
                self.value(row(&[6.0, -3.0]).div(&row(&[4.0, 2.0])), &[2], &[1.5, -1.5]);
            }
            "neg" => self.unary(T::neg, T::neg, &[1.0, -2.0], &[-1.0, 2.0]),
            "abs" => self.unary(T::abs, T::abs, &[-1.5, 0.0, 2.0], &[1.5, 0.0, 2.0]),
            "exp" => self.unary(T::exp, T::exp, &[0.0, 1.0, -ln3], &[1.0, E, 1.0 / 3.0]),
            "ln" => {
                self.unary(|x| x.square()?.shift(0.1)?.ln(), T::ln, &[1.0, E, 1.0 / 3.0], &[0.0, 1.0, -ln3]);
            }
            "sqrt" => {
                self.unary(|x| x.square()?.shift(0.1)?.sqrt(), T::sqrt, &[4.0, 0.25, 0.0], &[2.0, 0.5, 0.0]);
            }
            "square" => self.unary(T::square, T::square, &[-3.0, 0.5], &[9.0, 0.25]),
            "sin" => self.unary(T::sin, T::sin, &[0.0, PI / 6.0, -PI / 2.0], &[0.0, 0.5, -1.0]),
            "cos" => self.unary(T::cos, T::cos, &[0.0, PI / 3.0, PI], &[1.0, 0.5, -1.0]),
            // e^-(ln 3) is 1 / 3: 1 / (1 + 1 / 3) = 3 / 4.
            "sigmoid" => {
                self.unary(|x| x.scale(4.0)?.sigmoid(), T::sigmoid, &[0.0, ln3, -ln3], &[0.5, 0.75, 0.25]);
            }
            // (3 - 1 / 3) / (3 + 1 / 3) = 4 / 5.
            "tanh" => self.unary(|x| x.scale(3.0)?.tanh(), T::tanh, &[0.0, ln3, -ln3], &[0.0, 0.8, -0.8]),
            "relu" => {
                self.unary(T::relu, T::relu, &[-2.0, 0.0, 3.0], &[0.0, 0.0, 3.0]);
                assert!(T::scalar(f64::NAN).relu().unwrap().item().unwrap().is_nan());
            }
            "scale" => self.unary(|x| x.scale(-2.5), |x| x.scale(-2.5), &[2.0, -4.0], &[-5.0, 10.0]),
            "shift" => {
                self.unary(|x| x.shift(0.5)?.square(), |x| x.shift(0.5), &[1.0, -1.0], &[1.5, -0.5]);
            }
            "matmul" => self.matmul(),
            "linear" => self.linear(),
            "sum" => {
                self.reduction(T::sum);
                self.value(counted(&[2, 3]).sum(&[0], false), &[3], &[3.0, 5.0, 7.0]);
                self.value(counted(&[2, 3]).sum(&[-1], true), &[2, 1], &[3.0, 12.0]);
                // 0 + 1 + 4 + 5, 2 + 3 + 6 + 7.
                self.value(counted(&[2, 2, 2]).sum(&[2, 0], false), &[2], &[10.0, 18.0]);
                self.value(counted(&[2, 2, 2]).sum(&[0, 2], true), &[1, 2, 1], &[10.0, 18.0]);
                self.value(counted(&[2, 3]).transpose().unwrap().sum_all(), &[], &[15.0]);
                self.value(counted(&[2, 3]).sum(&[0, 1], true), &[1, 1], &[15.0]);
                self.value(counted(&[3]).sum(&[], false), &[3], &[0.0, 1.0, 2.0]);
            }
            "mean" => {
                self.reduction(T::mean);
                self.value(counted(&[2, 3]).mean(&[0], false), &[3], &[1.5, 2.5, 3.5]);
                self.value(counted(&[2, 3]).mean(&[-1], true), &[2, 1], &[1.0, 4.0]);
                // 10 / 4, 18 / 4.
                self.value(counted(&[2, 2, 2]).mean(&[2, 0], false), &[2], &[2.5, 4.5]);
                self.value(counted(&[2, 3]).mean_all(), &[], &[2.5]);
            }
            "reshape" => {
                self.derivative(&[&[2, 6]], |x| x[0].reshape(&[3, 4])?.square());
                self.derivative(&[&[2, 6]], |x| x[0].transpose()?.reshape(&[4, 3])?.square());
                self.value(counted(&[2, 3]).reshape(&[3, 2]), &[3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
                // The columns of [0 1 2; 3 4 5], one after the other.
                let view = counted(&[2, 3]).transpose().unwrap();
                self.value(view.reshape(&[6]), &[6], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
            }
            "permute" => {
                self.derivative(&[&[2, 3, 4]], |x| x[0].permute(&[2, 0, 1])?.square());
                // y[k, i, j] = x[i, j, k] = 4 i + 2 j + k.
                let expected = [0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0];
                self.value(counted(&[2, 2, 2]).permute(&[2, 0, 1]), &[2, 2, 2], &expected);
            }
            "slice" => {
                self.derivative(&[&[3, 5]], |x| x[0].slice(1, 1..4)?.square());
                self.value(counted(&[2, 3]).slice(-1, 1..3), &[2, 2], &[1.0, 2.0, 4.0, 5.0]);
            }
            "concat" => self.concat(),
            "dropout" => self.dropout(),
            "mse" => {
                self.derivative(&[&[3, 4], &[3, 4]], |x| x[0].mse(&x[1]));
                // (1 + 4 + 16) / 3.
                self.value(row(&[1.0, 4.0, 0.0]).mse(&row(&[2.0, 2.0, 4.0])), &[], &[7.0]);
            }
            "lstm" => self.lstm(),
            _ => {}
        }
    }

    /// `f` is differentiated where the operation has a derivative; `op` is the operation itself.
    fn unary(&mut self, f: impl Fn(&T) -> Result, op: impl Fn(&T) -> Result, x: &[f64], y: &[f64]) {
        for shape in [&[][..], &[7], &[2, 3], &[0, 2]] {
            self.derivative(&[shape], |x| f(&x[0]));
        }
        self.derivative(&[&[3, 4]], |x| f(&x[0].transpose()?));
        self.value(op(&row(x)), &[x.len()], y);
    }

    fn binary(&mut self, f: impl Fn(&T, &T) -> Result) {
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
            self.derivative(&[a, b], |x| f(&x[0], &x[1]));
        }
        self.derivative(&[&[2, 3], &[3, 2]], |x| f(&x[0], &x[1].transpose()?));
    }

    fn reduction(&mut self, f: impl Fn(&T, &[isize], bool) -> Result) {
        for axes in [&[0][..], &[1], &[-1], &[0, 2], &[2, 0], &[0, 1, 2], &[]] {
            for keepdims in [false, true] {
                self.derivative(&[&[2, 3, 4]], |x| f(&x[0], axes, keepdims)?.square());
            }
        }
        self.derivative(&[&[]], |x| f(&x[0], &[], false)?.square());
    }

    fn matmul(&mut self) {
        for (a, b) in [(&[3, 4][..], [4, 5]), (&[1, 1], [1, 1]), (&[2, 3, 4], [4, 2]), (&[0, 4], [4, 2])] {
            self.derivative(&[a, &b], |x| x[0].matmul(&x[1]));
        }
        self.derivative(&[&[4, 3], &[5, 4]], |x| x[0].transpose()?.matmul(&x[1].transpose()?));
        // [0 1; 2 3] . [0 1; 2 3]: 0 0 + 1 2, 0 1 + 1 3, 2 0 + 3 2, 2 1 + 3 3.
        let (a, expected) = (counted(&[2, 2]), [2.0, 3.0, 6.0, 11.0]);
        self.value(a.matmul(&a), &[2, 2], &expected);
        self.value(a.reshape(&[2, 1, 2]).unwrap().matmul(&a), &[2, 1, 2], &expected);
        // [0 2; 1 3] . [0 1; 2 3]: 0 0 + 2 2, 0 1 + 2 3, 1 0 + 3 2, 1 1 + 3 3.
        self.value(a.transpose().unwrap().matmul(&a), &[2, 2], &[4.0, 6.0, 6.0, 10.0]);
    }

    fn linear(&mut self) {
        self.derivative(&[&[3, 4], &[2, 4], &[2]], |x| x[0].linear(&x[1], Some(&x[2])));
        self.derivative(&[&[2, 3, 4], &[5, 4]], |x| x[0].linear(&x[1], None));
        self.derivative(&[&[4], &[2, 4], &[2]], |x| x[0].linear(&x[1], Some(&x[2])));
        // Rows [0 1], [2 3]; outputs x0 + 10 and x0 - x1 + 20.
        let weight = T::from_vec(&[2, 2], vec![1.0, 0.0, 1.0, -1.0]).unwrap();
        let bias = row(&[10.0, 20.0]);
        self.value(counted(&[2, 2]).linear(&weight, Some(&bias)), &[2, 2], &[10.0, 19.0, 12.0, 19.0]);
        self.value(counted(&[1, 2, 2]).linear(&weight, None), &[1, 2, 2], &[0.0, -1.0, 2.0, -1.0]);
    }

    fn concat(&mut self) {
        self.derivative(&[&[2, 3], &[2, 1], &[2, 2]], |x| T::concat(1, &[&x[0], &x[1], &x[2]])?.square());
        self.derivative(&[&[2, 3]], |x| T::concat(0, &[&x[0], &x[0]])?.square());
        let (a, b) = (column(&[8.0, 9.0]), counted(&[2, 2]));
        self.value(T::concat(1, &[&a, &b]), &[2, 3], &[8.0, 0.0, 1.0, 9.0, 2.0, 3.0]);
        self.value(T::concat(-1, &[&b, &a]), &[2, 3], &[0.0, 1.0, 8.0, 2.0, 3.0, 9.0]);
    }

    fn dropout(&mut self) {
        self.derivative(&[&[4, 5]], |x| {
            let mut state = 1_u32;
            let bits = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state
            };
            x[0].dropout(0.4, bits)
        });
        // Three quarters of 2^32 numbers drop; what is kept is multiplied by 1 / (1 - 3 / 4).
        let mut bits = [0, 3 * (1 << 30) - 1, 3 * (1 << 30), u32::MAX].into_iter();
        let y = row(&[1.0, 2.0, 3.0, 4.0]).dropout(0.75, || bits.next().unwrap());
        self.value(y, &[4], &[0.0, 0.0, 12.0, 16.0]);
    }

    fn lstm(&mut self) {
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
        for steps in [Steps::All, Steps::Last] {
            self.derivative(&weights, |x| parts(x, steps));
            self.derivative(&all, |x| parts(x, steps));
        }
        self.derivative(&weights, |x| Ok(x[0].lstm(&inputs_of(x), Steps::Last)?.h));
        self.derivative(&weights, |x| Ok(x[0].lstm(&inputs_of(x), Steps::All)?.c));

        // One unit, with gates i, f, g, o of ln 3 times an input of 1 or -1, and o halved: sigmoid gives 3 / 4 or
        // 1 / 4, tanh 4 / 5 or -4 / 5 (as above).
        let ln3 = 3_f64.ln();
        let gates = column(&[ln3, -ln3, ln3, 0.0]);
        let (none, bias) = (T::zeros(&[4, 1]), T::zeros(&[4]));
        let x = T::from_vec(&[1, 2, 1], vec![1.0, -1.0]).unwrap();
        let by_x = LstmInputs { weight_ih: &gates, weight_hh: &none, bias: &bias, state: None };
        let c1 = 0.25 * 0.0 + 0.75 * 0.8;
        let c2 = 0.75 * c1 + 0.25 * -0.8;
        let h = [c1, c2].map(|c: f64| 0.5 * c.tanh());
        let out = x.lstm(&by_x, Steps::All).unwrap();
        self.value(Ok(out.y), &[1, 2, 1], &h);
        self.value(Ok(out.h), &[1, 1], &h[1..]);
        self.value(Ok(out.c), &[1, 1], &[c2]);
        self.value(Ok(x.lstm(&by_x, Steps::Last).unwrap().y), &[1, 1, 1], &h[1..]);

        // The same from a given state of h = 1, c = 2, and a bias that takes the forget gate from 1 / 4 to 1 / 2.
        let (h0, c0) = (column(&[1.0]), column(&[2.0]));
        let bias = row(&[0.0, ln3, 0.0, 0.0]);
        let by_h = LstmInputs { weight_ih: &none, weight_hh: &gates, bias: &bias, state: Some((&h0, &c0)) };
        let out = x.slice(1, 0..1).unwrap().lstm(&by_h, Steps::All).unwrap();
        self.value(Ok(out.c), &[1, 1], &[0.5 * 2.0 + 0.75 * 0.8]);
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

fn inputs_of(x: &[T]) -> LstmInputs<'_, f64> {
    LstmInputs { weight_ih: &x[1], weight_hh: &x[2], bias: &x[3], state: x.get(4).zip(x.get(5)) }
}

#[test]
fn every_operation_has_a_right_derivative_and_a_right_value() {
    for op in OPS {
        let mut tested = Tested { op, derivative: false, value: false };
        tested.cases();
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
        for (place, _) in text.match_indices("record(") {
            let argument = text[place + "record(".len()..].trim_start();
            match argument.strip_prefix('"') {
                Some(name) => assert!(found.insert(name[..name.find('"').unwrap()].to_owned())),
                // Tables hand over the names of their rows, which are looked for below.
                None => assert!(argument.starts_with("NAME") || argument.starts_with("stringify!")),
            }
        }
        for line in text.lines().map(str::trim_start) {
            if let Some((name, row)) = line.split_once(": ")
                && ["|", "each(", "kernel("].iter().any(|start| row.starts_with(start))
            {
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
