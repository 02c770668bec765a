//! Losses of numbers, and embeddings.

use super::{Result, T, Tested, classify::ids, counted, row};
use azura_core::{Ids, ParamBase, ndarray::arr1};

/// Tests the operation, if it is one of these.
pub(crate) fn cases(t: &mut Tested) -> bool {
    match t.op {
        "bce_with_logits" => {
            t.loss(|x, target| x.scale(4.0)?.bce_with_logits(target));
            let ln3 = 3_f64.ln();
            // Probabilities 1/2, 3/4 and 1/4: ln 2, ln (4/3), and half of ln 4 and half of ln (4/3).
            let x = row(&[0.0, ln3, -ln3]).bce_with_logits(&row(&[1.0, 1.0, 0.5]));
            let each = [2_f64.ln(), (4.0_f64 / 3.0).ln(), 0.5 * (4_f64.ln() + (4.0_f64 / 3.0).ln())];
            t.value(x, &[], &[each.iter().sum::<f64>() / 3.0]);
            // Right and wrong by far: nothing, and the logit.
            t.value(row(&[1e4, -1e4]).bce_with_logits(&row(&[1.0, 0.0])), &[], &[0.0]);
            t.value(row(&[1e4, -1e4]).bce_with_logits(&row(&[0.0, 1.0])), &[], &[1e4]);
        }
        "huber" => {
            // Within delta, beyond it, and both.
            for delta in [5.0, 0.01, 0.4] {
                t.loss(|y, target| y.huber(target, delta));
            }
            // 1 / 2, 2 (3 - 1), 2 (5 - 1).
            t.value(row(&[1.0, -3.0, 5.0]).huber(&row(&[0.0; 3]), 2.0), &[], &[12.5 / 3.0]);
            // At delta both forms agree, and so do their slopes.
            t.slopes(
                |y| y.huber(&row(&[0.0; 5]), 2.0),
                &[0.0, 2.0, -2.0, 3.0, -9.0],
                &[0.0, 2.0, -2.0, 2.0, -2.0],
            );
        }
        "quantile" => {
            for q in [0.1, 0.5, 0.75] {
                t.loss(|y, target| y.quantile(target, q));
            }
            // 0.25 of what the target is above by, 0.75 of what it is below by.
            t.value(row(&[1.0, 8.0, 5.0]).quantile(&row(&[5.0, 4.0, 5.0]), 0.25), &[], &[4.0 / 3.0]);
            t.slopes(|y| y.quantile(&row(&[0.0; 3]), 0.25), &[0.0, 2.0, -3.0], &[0.0, 0.75, -0.25]);
        }
        "embedding" => t.embedding(),
        _ => return false,
    }
    true
}

impl Tested {
    fn loss(&mut self, f: impl Fn(&T, &T) -> Result) {
        for shape in [&[][..], &[5], &[3, 4], &[2, 1, 3]] {
            self.derivative(&[shape, shape], |x| f(&x[0], &x[1]));
        }
        self.derivative(&[&[3, 4], &[4, 3]], |x| f(&x[0].transpose()?, &x[1])?.scale(3.0));
        // The mean of nothing.
        let none = T::zeros(&[0, 2]);
        assert!(f(&none, &none).unwrap().item().unwrap().is_nan(), "{}", self.op);
        assert!(f(&none, &T::zeros(&[2])).is_err(), "{}: broadcasts", self.op);
        let nan = f(&row(&[f64::NAN, 0.0]), &row(&[0.0, 0.0])).unwrap().item().unwrap();
        assert!(nan.is_nan(), "{}: loses a NaN", self.op);
    }

    /// The derivatives of the mean, times the count, at places where no difference quotient helps.
    fn slopes(&self, f: impl Fn(&T) -> Result, x: &[f64], expected: &[f64]) {
        let x = ParamBase::new(arr1(x));
        let grads = f(&x.tracked()).unwrap().backward().unwrap();
        let found = grads.get(&x).unwrap().mapv(|g| g * expected.len() as f64);
        let close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15);
        assert!(close, "{}: {found} where {expected:?} is right", self.op);
    }

    fn embedding(&mut self) {
        let tables: [(&[usize], Ids); 6] = [
            (&[4, 3], ids(&[5], &[3, 0, 3, 1, 3])),
            (&[4, 3], ids(&[2, 2], &[1, 1, 0, 2])),
            (&[4, 1], ids(&[], &[2])),
            (&[4, 3], Ids::zeros(&[0, 2][..])),
            (&[4, 0], ids(&[2], &[1, 1])),
            (&[2, 3], ids(&[3, 2], &[0, 1, 1, 1, 0, 0]).permuted_axes(vec![1, 0])),
        ];
        for (shape, ids) in &tables {
            self.derivative(&[shape], |x| x[0].embedding(ids));
        }
        self.derivative(&[&[3, 4]], |x| x[0].transpose()?.embedding(&tables[0].1));
        let turned = ids(&[2, 2], &[0, 1, 2, 1]).permuted_axes(vec![1, 0]);
        let expected = [0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 2.0, 3.0];
        self.value(counted(&[3, 2]).embedding(&turned), &[2, 2, 2], &expected);
    }
}
