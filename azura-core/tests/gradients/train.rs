//! What training is made of.

use super::{T, Tested, column, row};
use azura_core::{LstmInputs, Steps};

/// Tests the operation, if it is one of these.
pub(crate) fn cases(t: &mut Tested) -> bool {
    match t.op {
        "dropout" => t.dropout(),
        "mse" => {
            t.derivative(&[&[3, 4], &[3, 4]], |x| x[0].mse(&x[1]));
            // (1 + 4 + 16) / 3.
            t.value(row(&[1.0, 4.0, 0.0]).mse(&row(&[2.0, 2.0, 4.0])), &[], &[7.0]);
        }
        "lstm" => t.lstm(),
        _ => return false,
    }
    true
}

impl Tested {
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

fn inputs_of(x: &[T]) -> LstmInputs<'_, f64> {
    LstmInputs { weight_ih: &x[1], weight_hh: &x[2], bias: &x[3], state: x.get(4).zip(x.get(5)) }
}
