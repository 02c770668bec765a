//! Operations that only move elements.

use super::{T, Tested, column, counted};

/// Tests the operation, if it is one of these.
pub(crate) fn cases(t: &mut Tested) -> bool {
    match t.op {
        "reshape" => {
            t.derivative(&[&[2, 6]], |x| x[0].reshape(&[3, 4])?.square());
            t.derivative(&[&[2, 6]], |x| x[0].transpose()?.reshape(&[4, 3])?.square());
            t.value(counted(&[2, 3]).reshape(&[3, 2]), &[3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
            // The columns of [0 1 2; 3 4 5], one after the other.
            let view = counted(&[2, 3]).transpose().unwrap();
            t.value(view.reshape(&[6]), &[6], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        }
        "permute" => {
            t.derivative(&[&[2, 3, 4]], |x| x[0].permute(&[2, 0, 1])?.square());
            // y[k, i, j] = x[i, j, k] = 4 i + 2 j + k.
            let expected = [0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0];
            t.value(counted(&[2, 2, 2]).permute(&[2, 0, 1]), &[2, 2, 2], &expected);
        }
        "slice" => {
            t.derivative(&[&[3, 5]], |x| x[0].slice(1, 1..4)?.square());
            t.value(counted(&[2, 3]).slice(-1, 1..3), &[2, 2], &[1.0, 2.0, 4.0, 5.0]);
        }
        "concat" => t.concat(),
        _ => return false,
    }
    true
}

impl Tested {
    fn concat(&mut self) {
        self.derivative(&[&[2, 3], &[2, 1], &[2, 2]], |x| T::concat(1, &[&x[0], &x[1], &x[2]])?.square());
        self.derivative(&[&[2, 3]], |x| T::concat(0, &[&x[0], &x[0]])?.square());
        let (a, b) = (column(&[8.0, 9.0]), counted(&[2, 2]));
        self.value(T::concat(1, &[&a, &b]), &[2, 3], &[8.0, 0.0, 1.0, 9.0, 2.0, 3.0]);
        self.value(T::concat(-1, &[&b, &a]), &[2, 3], &[0.0, 1.0, 8.0, 2.0, 3.0, 9.0]);
    }
}
