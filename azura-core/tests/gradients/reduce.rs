//! Reductions.

use super::{Result, T, Tested, counted};

/// Tests the operation, if it is one of these.
pub(crate) fn cases(t: &mut Tested) -> bool {
    match t.op {
        "sum" => {
            t.reduction(T::sum);
            t.value(counted(&[2, 3]).sum(&[0], false), &[3], &[3.0, 5.0, 7.0]);
            t.value(counted(&[2, 3]).sum(&[-1], true), &[2, 1], &[3.0, 12.0]);
            // 0 + 1 + 4 + 5, 2 + 3 + 6 + 7.
            t.value(counted(&[2, 2, 2]).sum(&[2, 0], false), &[2], &[10.0, 18.0]);
            t.value(counted(&[2, 2, 2]).sum(&[0, 2], true), &[1, 2, 1], &[10.0, 18.0]);
            t.value(counted(&[2, 3]).transpose().unwrap().sum_all(), &[], &[15.0]);
            t.value(counted(&[2, 3]).sum(&[0, 1], true), &[1, 1], &[15.0]);
            t.value(counted(&[3]).sum(&[], false), &[3], &[0.0, 1.0, 2.0]);
        }
        "mean" => {
            t.reduction(T::mean);
            t.value(counted(&[2, 3]).mean(&[0], false), &[3], &[1.5, 2.5, 3.5]);
            t.value(counted(&[2, 3]).mean(&[-1], true), &[2, 1], &[1.0, 4.0]);
            // 10 / 4, 18 / 4.
            t.value(counted(&[2, 2, 2]).mean(&[2, 0], false), &[2], &[2.5, 4.5]);
            t.value(counted(&[2, 3]).mean_all(), &[], &[2.5]);
        }
        _ => return false,
    }
    true
}

impl Tested {
    fn reduction(&mut self, f: impl Fn(&T, &[isize], bool) -> Result) {
        for axes in [&[0][..], &[1], &[-1], &[0, 2], &[2, 0], &[0, 1, 2], &[]] {
            for keepdims in [false, true] {
                self.derivative(&[&[2, 3, 4]], |x| f(&x[0], axes, keepdims)?.square());
            }
        }
        self.derivative(&[&[]], |x| f(&x[0], &[], false)?.square());
    }
}
