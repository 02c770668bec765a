//! Softmax and the losses of classes.

use super::{T, Tested, column, row};
use azura_core::{ClassLoss, Ids, ndarray};

/// Tests the operation, if it is one of these.
pub(crate) fn cases(t: &mut Tested) -> bool {
    match t.op {
        "softmax" => {
            t.along_an_axis(T::softmax);
            // e^0, e^(ln 2), e^(ln 5), of 8 together.
            let x = row(&[0.0, 2_f64.ln(), 5_f64.ln()]);
            t.value(x.softmax(0), &[3], &[0.125, 0.25, 0.625]);
            let e = 1_f64.exp();
            for far in [1e4, -1e4] {
                t.value(row(&[far, far - 1.0]).softmax(-1), &[2], &[e / (e + 1.0), 1.0 / (e + 1.0)]);
            }
            t.value(both(&x).softmax(0), &[3, 2], &[0.125, 0.25, 0.25, 0.25, 0.625, 0.5]);
        }
        "log_softmax" => {
            t.along_an_axis(T::log_softmax);
            let x = row(&[0.0, 2_f64.ln(), 5_f64.ln()]);
            t.value(x.log_softmax(0), &[3], &[0.125_f64.ln(), 0.25_f64.ln(), 0.625_f64.ln()]);
            // 2e4 apart: the small ones are that far below.
            t.value(row(&[-1e4, 1e4, 0.0]).log_softmax(0), &[3], &[-2e4, 0.0, -1e4]);
        }
        "nll" => t.nll(),
        "cross_entropy" => t.cross_entropy(),
        _ => return false,
    }
    true
}

/// `[3, 2]`: x, and (0, 0, ln 2).
fn both(x: &T) -> T {
    T::concat(1, &[&x.reshape(&[3, 1]).unwrap(), &column(&[0.0, 0.0, 2_f64.ln()])]).unwrap()
}

pub(crate) fn ids(shape: &[usize], values: &[u32]) -> Ids {
    ndarray::Array::from_shape_vec(shape, values.to_vec()).unwrap().into_shared()
}

impl Tested {
    fn along_an_axis(&mut self, f: impl Fn(&T, isize) -> super::Result) {
        let shapes: [(&[usize], isize); 8] = [
            (&[5], 0),
            (&[3, 4], -1),
            (&[3, 4], 0),
            (&[2, 3, 4], 1),
            (&[3, 1], 1),
            (&[0, 2], 1),
            (&[2, 0], 1),
            // Rows that are taken one by one: whole blocks, and some with a rest.
            (&[3, 70], 1),
        ];
        for (shape, axis) in shapes {
            self.derivative(&[shape], |x| f(&x[0], axis));
        }
        self.derivative(&[&[4, 3]], |x| f(&x[0].transpose()?, 0));
        self.derivative(&[&[4, 3]], |x| f(&x[0].transpose()?, 1));
    }

    /// Every way in which classes may count: derivatives of `f`.
    fn classes(&mut self, f: impl Fn(&T, &Ids, &ClassLoss<'_, f64>) -> super::Result) {
        let weights = row(&[0.5, 1.0, 3.0]);
        for weights in [None, Some(&weights)] {
            for smoothing in [0.0, 0.3, 1.0] {
                for ignore in [None, Some(1), Some(99)] {
                    let how = ClassLoss { weights, smoothing, ignore };
                    let targets = ids(&[4], &[2, 1, 0, if ignore == Some(99) { 99 } else { 2 }]);
                    self.derivative(&[&[4, 3]], |x| f(&x[0], &targets, &how));
                    self.derivative(&[&[3, 4]], |x| f(&x[0].transpose()?, &targets, &how)?.scale(3.0));
                    let targets = targets.into_shape_with_order(vec![2, 2]).unwrap();
                    self.derivative(&[&[2, 3, 2]], |x| f(&x[0], &targets, &how));
                    let targets = targets.into_shape_with_order(vec![2, 1, 2]).unwrap();
                    self.derivative(&[&[2, 3, 1, 2]], |x| f(&x[0], &targets, &how));
                }
            }
        }
        self.derivative(&[&[1, 1]], |x| f(&x[0], &ids(&[1], &[0]), &ClassLoss::default()));
        let many: Vec<_> = (0..40).map(|i| i * 7 % 70).collect();
        let how = ClassLoss { smoothing: 0.1, ..ClassLoss::default() };
        self.derivative(&[&[40, 70]], |x| f(&x[0], &ids(&[40], &many), &how));
        // The mean of nothing.
        for (x, targets) in [(&[0, 3][..], &[0][..]), (&[2, 3, 0], &[2, 0])] {
            let loss = f(&T::zeros(x), &Ids::zeros(targets), &ClassLoss::default()).unwrap();
            assert!(loss.item().unwrap().is_nan(), "{}", self.op);
        }
        let ignored = ClassLoss { ignore: Some(2), ..ClassLoss::default() };
        assert!(f(&T::zeros(&[1, 3]), &ids(&[1], &[2]), &ignored).unwrap().item().unwrap().is_nan());
    }

    fn nll(&mut self) {
        self.classes(T::nll);
        let p = T::from_vec(&[3, 2], vec![-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]).unwrap();
        let (targets, plain) = (ids(&[3], &[0, 1, 0]), ClassLoss::default());
        // (1 + 4 + 5) / 3.
        self.value(p.nll(&targets, &plain), &[], &[10.0 / 3.0]);
        // (1 + 5) / 2.
        self.value(p.nll(&targets, &ClassLoss { ignore: Some(1), ..plain }), &[], &[3.0]);
        // (2 1 + 10 4 + 2 5) / (2 + 10 + 2).
        let weights = row(&[2.0, 10.0]);
        let weighted = ClassLoss { weights: Some(&weights), ..plain };
        self.value(p.nll(&targets, &weighted), &[], &[52.0 / 14.0]);
        // Half of that, and half of half of (2 1 + 10 2) + (2 3 + 10 4) + (2 5 + 10 6) = 138 by the same 14.
        let smooth = ClassLoss { smoothing: 0.5, ..weighted };
        self.value(p.nll(&targets, &smooth), &[], &[(26.0 + 138.0 / 4.0) / 14.0]);
        // As images: classes on axis 1, so that the two places of the one item are (-1, -3, -5) and (-2, -4, -6).
        let image = p.reshape(&[1, 3, 2]).unwrap();
        self.value(image.nll(&ids(&[1, 2], &[2, 0]), &plain), &[], &[3.5]);
    }

    fn cross_entropy(&mut self) {
        self.classes(T::cross_entropy);
        // Probabilities 1/8, 1/4, 5/8 and, in the other row, 1/4, 1/4, 1/2.
        let x = both(&row(&[0.0, 2_f64.ln(), 5_f64.ln()])).transpose().unwrap();
        let (targets, plain) = (ids(&[2], &[0, 2]), ClassLoss::default());
        let (ln8, ln2) = (8_f64.ln(), 2_f64.ln());
        self.value(x.cross_entropy(&targets, &plain), &[], &[f64::midpoint(ln8, ln2)]);
        self.value(x.cross_entropy(&targets, &ClassLoss { ignore: Some(0), ..plain }), &[], &[ln2]);
        let weights = row(&[3.0, 7.0, 1.0]);
        let weighted = ClassLoss { weights: Some(&weights), ..plain };
        self.value(x.cross_entropy(&targets, &weighted), &[], &[(3.0 * ln8 + ln2) / 4.0]);
        // 0.7 of the targets' and 0.1 of each class's.
        let all = ln8 + 4_f64.ln() + 1.6_f64.ln() + 2.0 * 4_f64.ln() + ln2;
        let smooth = ClassLoss { smoothing: 0.3, ..plain };
        self.value(x.cross_entropy(&targets, &smooth), &[], &[f64::midpoint(0.7 * (ln8 + ln2), 0.1 * all)]);
        let all = 3.0 * ln8 + 7.0 * 4_f64.ln() + 1.6_f64.ln() + (3.0 + 7.0) * 4_f64.ln() + ln2;
        let smooth = ClassLoss { smoothing: 0.3, ..weighted };
        let both = 0.7 * (3.0 * ln8 + ln2) + 0.1 * all;
        self.value(x.cross_entropy(&targets, &smooth), &[], &[both / 4.0]);
        // Logits that are far apart: the loss is their distance, and the right class costs nothing.
        let far = T::from_vec(&[2, 2], vec![1e4, -1e4, 1e4, -1e4]).unwrap();
        self.value(far.cross_entropy(&ids(&[2], &[0, 1]), &plain), &[], &[1e4]);
    }
}
