//! Products.

use super::{T, Tested, counted, row};

/// Tests the operation, if it is one of these.
pub(crate) fn cases(t: &mut Tested) -> bool {
    match t.op {
        "matmul" => t.matmul(),
        "linear" => t.linear(),
        _ => return false,
    }
    true
}

impl Tested {
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
}
