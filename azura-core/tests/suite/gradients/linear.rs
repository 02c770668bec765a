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
        let shapes: [(&[usize], &[usize]); 22] = [
            (&[3, 4], &[4, 5]),
            (&[1, 1], &[1, 1]),
            (&[2, 3, 4], &[4, 2]),
            (&[2, 3, 4], &[1, 4, 2]),
            (&[0, 4], &[4, 2]),
            (&[2, 0], &[0, 3]),
            // One axis: a row on the left, a column on the right.
            (&[4], &[4]),
            (&[4], &[4, 3]),
            (&[3, 4], &[4]),
            (&[2, 3, 4], &[4]),
            (&[4], &[2, 4, 3]),
            (&[0], &[0]),
            // Many: equal axes, axes of 1 on either side or on both, missing axes, none.
            (&[2, 3, 4], &[2, 4, 2]),
            (&[1, 3, 4], &[2, 4, 2]),
            (&[3, 4], &[2, 4, 2]),
            (&[2, 1, 3, 2], &[3, 2, 2]),
            (&[3, 1, 2, 2], &[1, 2, 2, 1]),
            (&[2, 2, 3], &[3, 1, 3, 2]),
            (&[2, 1, 1, 3], &[1, 2, 3, 1]),
            (&[1, 2, 3], &[1, 1, 3, 2]),
            (&[2, 0, 2, 3], &[3, 2]),
            (&[0, 2, 3], &[1, 3, 2]),
        ];
        for (a, b) in shapes {
            self.derivative(&[a, b], |x| x[0].matmul(&x[1]));
            // What comes back to an operation may lie in any order as well.
            self.derivative(&[a, b], |x| {
                let y = x[0].matmul(&x[1])?;
                if y.shape().len() < 2 { y.square() } else { y.transpose()?.square()?.transpose()?.square() }
            });
        }
        self.derivative(&[&[4, 3], &[5, 4]], |x| x[0].transpose()?.matmul(&x[1].transpose()?));
        self.derivative(&[&[4, 3], &[2, 5, 4]], |x| x[0].transpose()?.matmul(&x[1].transpose()?));
        self.derivative(&[&[2, 3, 2, 4], &[2, 3, 2, 4]], |x| {
            // As in attention: the heads are the third axis.
            let heads = |x: &T| x.permute(&[0, 2, 1, 3]);
            heads(&x[0])?.matmul(&heads(&x[1])?.transpose()?)
        });
        self.derivative(&[&[3, 6], &[2, 4, 3]], |x| x[0].slice(1, 1..5)?.matmul(&x[1].flip(&[0, 2])?));
        // [0 1; 2 3] . [0 1; 2 3]: 0 0 + 1 2, 0 1 + 1 3, 2 0 + 3 2, 2 1 + 3 3.
        let (a, expected) = (counted(&[2, 2]), [2.0, 3.0, 6.0, 11.0]);
        self.value(a.matmul(&a), &[2, 2], &expected);
        self.value(a.reshape(&[2, 1, 2]).unwrap().matmul(&a), &[2, 1, 2], &expected);
        // [0 2; 1 3] . [0 1; 2 3]: 0 0 + 2 2, 0 1 + 2 3, 1 0 + 3 2, 1 1 + 3 3.
        self.value(a.transpose().unwrap().matmul(&a), &[2, 2], &[4.0, 6.0, 6.0, 10.0]);
        // [1 2] . [0 1; 2 3], and [0 1; 2 3] . [1 2]'.
        self.value(row(&[1.0, 2.0]).matmul(&a), &[2], &[4.0, 7.0]);
        self.value(a.matmul(&row(&[1.0, 2.0])), &[2], &[2.0, 8.0]);
        self.value(row(&[1.0, 2.0]).matmul(&row(&[3.0, 4.0])), &[], &[11.0]);
        // [0 1; 2 3] and [4 5; 6 7], each times [0 1; 2 3], then each times itself.
        let pair = counted(&[2, 2, 2]);
        let by_one = [2.0, 3.0, 6.0, 11.0, 10.0, 19.0, 14.0, 27.0];
        self.value(pair.matmul(&a), &[2, 2, 2], &by_one);
        self.value(pair.matmul(&pair), &[2, 2, 2], &[2.0, 3.0, 6.0, 11.0, 46.0, 55.0, 66.0, 79.0]);
        // [0 1; 2 3] times each of the two.
        self.value(a.matmul(&pair), &[2, 2, 2], &[2.0, 3.0, 6.0, 11.0, 6.0, 7.0, 26.0, 31.0]);
        self.value(T::zeros(&[2, 0]).matmul(&T::zeros(&[0, 2])), &[2, 2], &[0.0; 4]);
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
