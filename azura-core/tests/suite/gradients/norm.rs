//! Normalisation.

use super::{T, Tested, numbers, row};
use azura_core::{Data, TensorBase, ndarray::arr1};

/// Tests the operation, if it is one of these.
pub(crate) fn cases(t: &mut Tested) -> bool {
    match t.op {
        "layer_norm" => t.layer_norm(),
        "batch_norm" => t.batch_norm(),
        "batch_norm_with" => t.batch_norm_with(),
        _ => return false,
    }
    true
}

fn channels(values: &[f64]) -> Data<f64> {
    arr1(values).into_dyn().into_shared()
}

impl Tested {
    fn layer_norm(&mut self) {
        for shape in [&[5][..], &[3, 4], &[2, 3, 2], &[0, 4], &[3, 1], &[20, 37]] {
            let last = &shape[shape.len() - 1..];
            self.derivative(&[shape, last, last], |x| x[0].layer_norm(&x[1], &x[2], 1e-2));
        }
        self.derivative(&[&[4, 3], &[4], &[4]], |x| x[0].transpose()?.layer_norm(&x[1], &x[2], 0.1));
        // Only some are tracked.
        let (x, w) = (TensorBase::from(numbers(&[3, 4], 7)), TensorBase::from(numbers(&[4], 8)));
        self.derivative(&[&[4], &[4]], |p| x.layer_norm(&p[0], &p[1], 0.1));
        self.derivative(&[&[3, 4]], |p| p[0].layer_norm(&w, &w, 0.1));
        // Mean 3 and variance 4; mean 0, variance 5, and 4 more under the root.
        let x = T::from_vec(&[2, 2], vec![1.0, 5.0, 0.0, 0.0]).unwrap();
        let (weight, bias) = (row(&[2.0, 3.0]), row(&[10.0, 20.0]));
        let rest = T::from_vec(&[2, 2], vec![0.0, 0.0, -5_f64.sqrt(), 5_f64.sqrt()]).unwrap();
        let x = x.add(&rest).unwrap();
        let (a, b) = (4.0 / 8_f64.sqrt(), 6.0 / 8_f64.sqrt());
        let (c, d) = (2.0 * 5_f64.sqrt() / 3.0, 5_f64.sqrt());
        let expected = [10.0 - a, 20.0 + b, 10.0 - c, 20.0 + d];
        self.value(x.layer_norm(&weight, &bias, 4.0), &[2, 2], &expected);
        // A mean of 1e9 changes nothing.
        let far = x.slice(0, 0..1).unwrap().shift(1e9).unwrap();
        self.value(far.layer_norm(&weight, &bias, 4.0), &[1, 2], &expected[..2]);
        // Nothing but the mean.
        self.value(row(&[7.0, 7.0]).layer_norm(&weight, &bias, 1.0), &[2], &[10.0, 20.0]);
    }

    fn batch_norm(&mut self) {
        let shapes: [&[usize]; 7] =
            [&[4, 3], &[3, 2, 4], &[1, 2, 5], &[2, 2, 2, 3], &[2, 1], &[2, 0, 3], &[40, 2, 37]];
        for shape in shapes {
            let c = &shape[1..2];
            self.derivative(&[shape, c, c], |x| Ok(x[0].batch_norm(&x[1], &x[2], 0.1)?.y));
        }
        self.derivative(&[&[3, 4], &[3], &[3]], |x| Ok(x[0].transpose()?.batch_norm(&x[1], &x[2], 0.1)?.y));
        let (x, w) = (TensorBase::from(numbers(&[4, 3], 7)), TensorBase::from(numbers(&[3], 8)));
        self.derivative(&[&[3], &[3]], |p| Ok(x.batch_norm(&p[0], &p[1], 0.1)?.y));
        self.derivative(&[&[4, 3]], |p| Ok(p[0].batch_norm(&w, &w, 0.1)?.y));
        // Channels (1, 5) and (3, 3): means 3 and 3, variances 4 and 0.
        let x = T::from_vec(&[2, 2], vec![1.0, 3.0, 5.0, 3.0]).unwrap();
        let (weight, bias) = (row(&[2.0, 3.0]), row(&[10.0, 20.0]));
        let (a, expected) = (4.0 / 8_f64.sqrt(), |a: f64| [10.0 - a, 20.0, 10.0 + a, 20.0]);
        let found = x.batch_norm(&weight, &bias, 4.0).unwrap();
        self.value(Ok(found.y), &[2, 2], &expected(a));
        assert_eq!((found.mean, found.var), (channels(&[3.0, 3.0]), channels(&[4.0, 0.0])));
        // The same numbers as one item of two places.
        let image = x.transpose().unwrap().reshape(&[1, 2, 2]).unwrap();
        let y = image.batch_norm(&weight, &bias, 4.0).unwrap().y;
        self.value(y.reshape(&[2, 2]).unwrap().transpose(), &[2, 2], &expected(a));
        let found = x.shift(1e9).unwrap().batch_norm(&weight, &bias, 4.0).unwrap();
        self.value(Ok(found.y), &[2, 2], &expected(a));
        assert_eq!(found.var, channels(&[4.0, 0.0]));
    }

    fn batch_norm_with(&mut self) {
        let (mean, var) = (channels(&[0.5, -2.0, 0.0]), channels(&[0.5, 2.0, 0.0]));
        for shape in [&[4, 3][..], &[2, 3, 4], &[2, 3, 2, 2], &[1, 3], &[0, 3], &[2, 3, 0]] {
            self.derivative(&[shape, &[3], &[3]], |x| x[0].batch_norm_with(&x[1], &x[2], &mean, &var, 0.1));
        }
        let (x, w) = (TensorBase::from(numbers(&[4, 3], 7)), TensorBase::from(numbers(&[3], 8)));
        self.derivative(&[&[3], &[3]], |p| x.batch_norm_with(&p[0], &p[1], &mean, &var, 0.1));
        self.derivative(&[&[4, 3]], |p| p[0].batch_norm_with(&w, &w, &mean, &var, 0.1));
        // (x - 1) / 2 * 3 + 10 and (x - 2) / 4 * 5 + 20.
        let x = T::from_vec(&[2, 2], vec![1.0, 2.0, 3.0, -2.0]).unwrap();
        let (weight, bias) = (row(&[3.0, 5.0]), row(&[10.0, 20.0]));
        let y = x.batch_norm_with(&weight, &bias, &channels(&[1.0, 2.0]), &channels(&[3.0, 15.0]), 1.0);
        self.value(y, &[2, 2], &[10.0, 20.0, 13.0, 15.0]);
    }
}
