//! Recurrent layers over whole sequences.

use super::{Result, T, Tested, column, row};
use azura_core::{
    Direction::{self, Forward, Reverse},
    GruInputs, LstmInputs,
    Steps::{All, Last},
};

/// Batch, time, inputs and hidden: some of everything, ones, and no rows.
const SIZES: [[usize; 4]; 4] = [[3, 4, 2, 5], [1, 1, 1, 1], [2, 1, 3, 1], [0, 2, 1, 2]];

pub(crate) fn cases(t: &mut Tested) -> bool {
    match t.op {
        "lstm" => t.lstm(),
        "gru" => t.gru(),
        _ => return false,
    }
    true
}

fn flat(parts: &[T]) -> Result {
    let flat: Vec<_> = parts.iter().map(|part| part.reshape(&[part.len()]).unwrap()).collect();
    T::concat(0, &flat.iter().collect::<Vec<_>>())
}

impl Tested {
    fn lstm(&mut self) {
        for [batch, time, inputs, hidden] in SIZES {
            let rows = 4 * hidden;
            let shapes: [&[usize]; 6] = [
                &[batch, time, inputs],
                &[rows, inputs],
                &[rows, hidden],
                &[rows],
                &[batch, hidden],
                &[batch, hidden],
            ];
            for direction in [Forward, Reverse] {
                for shapes in [&shapes[..], &shapes[..4]] {
                    for steps in [All, Last] {
                        self.derivative(shapes, |x| {
                            let out = x[0].lstm(&lstm(x, direction), steps)?;
                            flat(&[out.y, out.h, out.c])
                        });
                    }
                    self.derivative(shapes, |x| Ok(x[0].lstm(&lstm(x, direction), Last)?.h));
                    self.derivative(shapes, |x| Ok(x[0].lstm(&lstm(x, direction), All)?.c));
                }
            }
        }

        // One unit, with gates i, f, g, o of ln 3 times an input of 1 or -1, and o halved: sigmoid gives 3 / 4 or
        // 1 / 4, tanh 4 / 5 or -4 / 5 (as above).
        let ln3 = 3_f64.ln();
        let gates = column(&[ln3, -ln3, ln3, 0.0]);
        let (none, bias) = (T::zeros(&[4, 1]), T::zeros(&[4]));
        let x = T::from_vec(&[1, 2, 1], vec![1.0, -1.0]).unwrap();
        let mut by_x =
            LstmInputs { weight_ih: &gates, weight_hh: &none, bias: &bias, state: None, direction: Forward };
        let c1 = 0.25 * 0.0 + 0.75 * 0.8;
        let c2 = 0.75 * c1 + 0.25 * -0.8;
        let h = [c1, c2].map(|c: f64| 0.5 * c.tanh());
        let out = x.lstm(&by_x, All).unwrap();
        self.value(Ok(out.y), &[1, 2, 1], &h);
        self.value(Ok(out.h), &[1, 1], &h[1..]);
        self.value(Ok(out.c), &[1, 1], &[c2]);
        self.value(Ok(x.lstm(&by_x, Last).unwrap().y), &[1, 1, 1], &h[1..]);

        // In reverse -1 comes first.
        by_x.direction = Reverse;
        let c1 = 0.75 * 0.0 + 0.25 * -0.8;
        let c0 = 0.25 * c1 + 0.75 * 0.8;
        let h = [c0, c1].map(|c: f64| 0.5 * c.tanh());
        let out = x.lstm(&by_x, All).unwrap();
        self.value(Ok(out.y), &[1, 2, 1], &h);
        self.value(Ok(out.h), &[1, 1], &h[..1]);
        self.value(Ok(out.c), &[1, 1], &[c0]);
        self.value(Ok(x.lstm(&by_x, Last).unwrap().y), &[1, 1, 1], &h[..1]);

        // From a given state of h = 1, c = 2, and a bias that takes the forget gate from 1 / 4 to 1 / 2.
        let (h0, c0) = (column(&[1.0]), column(&[2.0]));
        let bias = row(&[0.0, ln3, 0.0, 0.0]);
        let by_h = LstmInputs {
            weight_ih: &none,
            weight_hh: &gates,
            bias: &bias,
            state: Some((&h0, &c0)),
            direction: Forward,
        };
        let out = x.slice(1, 0..1).unwrap().lstm(&by_h, All).unwrap();
        self.value(Ok(out.c), &[1, 1], &[0.5 * 2.0 + 0.75 * 0.8]);
    }

    fn gru(&mut self) {
        for [batch, time, inputs, hidden] in SIZES {
            let rows = 3 * hidden;
            let shapes: [&[usize]; 6] = [
                &[batch, time, inputs],
                &[rows, inputs],
                &[rows, hidden],
                &[rows],
                &[rows],
                &[batch, hidden],
            ];
            for direction in [Forward, Reverse] {
                for shapes in [&shapes[..], &shapes[..5]] {
                    for steps in [All, Last] {
                        self.derivative(shapes, |x| {
                            let out = x[0].gru(&gru(x, direction), steps)?;
                            flat(&[out.y, out.h])
                        });
                    }
                    self.derivative(shapes, |x| Ok(x[0].gru(&gru(x, direction), Last)?.h));
                }
            }
        }

        // One unit. Inputs of 1 and -1 open z to 3 / 4 and 1 / 4, and give n of 4 / 5 and -4 / 5.
        let ln3 = 3_f64.ln();
        let gates = column(&[0.0, ln3, ln3]);
        let (none, zeros) = (T::zeros(&[3, 1]), T::zeros(&[3]));
        let x = T::from_vec(&[1, 2, 1], vec![1.0, -1.0]).unwrap();
        let mut by_x = GruInputs {
            weight_ih: &gates,
            weight_hh: &none,
            bias_ih: &zeros,
            bias_hh: &zeros,
            state: None,
            direction: Forward,
        };
        let h = [0.25 * 0.8, 0.75 * -0.8 + 0.25 * 0.2];
        let out = x.gru(&by_x, All).unwrap();
        self.value(Ok(out.y), &[1, 2, 1], &h);
        self.value(Ok(out.h), &[1, 1], &h[1..]);
        self.value(Ok(x.gru(&by_x, Last).unwrap().y), &[1, 1, 1], &h[1..]);

        // In reverse -1 comes first.
        by_x.direction = Reverse;
        let h = [0.25 * 0.8 + 0.75 * -0.6, 0.75 * -0.8];
        let out = x.gru(&by_x, All).unwrap();
        self.value(Ok(out.y), &[1, 2, 1], &h);
        self.value(Ok(out.h), &[1, 1], &h[..1]);
        self.value(Ok(x.gru(&by_x, Last).unwrap().y), &[1, 1, 1], &h[..1]);

        // From a state of 1: r halves what the state and the second bias give to n, and z halves the state.
        let (h0, twice) = (column(&[1.0]), column(&[0.0, 0.0, 2.0 * ln3]));
        let by_h = GruInputs { weight_ih: &none, weight_hh: &twice, state: Some(&h0), ..by_x };
        let one = x.slice(1, 0..1).unwrap();
        self.value(Ok(one.gru(&by_h, All).unwrap().h), &[1, 1], &[0.5 * 0.8 + 0.5]);
        // The first bias opens r to 3 / 4, and the second is within what r scales.
        let (open, scaled) = (row(&[ln3, 0.0, 0.0]), row(&[0.0, 0.0, 4.0 / 3.0 * ln3]));
        let by_bias = GruInputs { weight_ih: &none, bias_ih: &open, bias_hh: &scaled, ..by_x };
        self.value(Ok(one.gru(&by_bias, All).unwrap().h), &[1, 1], &[0.5 * 0.8]);
    }
}

fn lstm(x: &[T], direction: Direction) -> LstmInputs<'_, f64> {
    let [weight_ih, weight_hh, bias] = [&x[1], &x[2], &x[3]];
    LstmInputs { weight_ih, weight_hh, bias, state: x.get(4).zip(x.get(5)), direction }
}

fn gru(x: &[T], direction: Direction) -> GruInputs<'_, f64> {
    let [weight_ih, weight_hh, bias_ih, bias_hh] = [&x[1], &x[2], &x[3], &x[4]];
    GruInputs { weight_ih, weight_hh, bias_ih, bias_hh, state: x.get(5), direction }
}
