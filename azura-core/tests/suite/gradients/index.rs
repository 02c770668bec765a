//! Elements picked by integers.

use super::{T, Tested, counted, ids, row};

/// Tests the operation, if it is one of these.
pub(crate) fn cases(t: &mut Tested) -> bool {
    match t.op {
        "index_select" => {
            let some = ids(&[4], &[2, 0, 2, 1]);
            for axis in [0, 1, 2] {
                t.derivative(&[&[3, 3, 3]], |x| x[0].index_select(axis, &some)?.square());
            }
            t.derivative(&[&[2, 3]], |x| x[0].transpose()?.index_select(-2, &some)?.square());
            let none = ids(&[0], &[]);
            t.derivative(&[&[3, 2]], |x| x[0].index_select(0, &none));
            t.derivative(&[&[3, 0]], |x| x[0].index_select(0, &some));
            t.derivative(&[&[0, 2]], |x| x[0].index_select(0, &none));
            t.derivative(&[&[1]], |x| x[0].index_select(0, &ids(&[2], &[0, 0])));
            // Columns 2, 0, 2, 1 of [0 1 2; 3 4 5].
            let expected = [2.0, 0.0, 2.0, 1.0, 5.0, 3.0, 5.0, 4.0];
            t.value(counted(&[2, 3]).index_select(1, &some), &[2, 4], &expected);
        }
        "gather" => {
            let some = ids(&[2, 3], &[2, 0, 1, 1, 1, 0]);
            t.derivative(&[&[3, 3]], |x| x[0].gather(0, &some)?.square());
            t.derivative(&[&[2, 3]], |x| x[0].gather(1, &some)?.square());
            t.derivative(&[&[3, 4]], |x| x[0].transpose()?.gather(-1, &some)?.square());
            t.derivative(&[&[5]], |x| x[0].gather(0, &ids(&[0], &[])));
            t.derivative(&[&[2, 0]], |x| x[0].gather(0, &ids(&[3, 0], &[])));
            // x[2, 0], x[0, 1], x[1, 2]; x[1, 0], x[1, 1], x[0, 2] of 3 i + j.
            t.value(counted(&[3, 3]).gather(0, &some), &[2, 3], &[6.0, 1.0, 5.0, 3.0, 4.0, 2.0]);
            // x[0, 2], x[0, 0], x[0, 1]; x[1, 1], x[1, 1], x[1, 0].
            t.value(counted(&[3, 3]).gather(1, &some), &[2, 3], &[2.0, 0.0, 1.0, 4.0, 4.0, 3.0]);
        }
        "scatter_add" => {
            let some = ids(&[2, 3], &[2, 0, 1, 1, 0, 1]);
            t.derivative(&[&[3, 3], &[2, 3]], |x| x[0].scatter_add(0, &some, &x[1])?.square());
            t.derivative(&[&[2, 4], &[2, 3]], |x| x[0].scatter_add(1, &some, &x[1])?.square());
            t.derivative(&[&[3, 3], &[3, 2]], |x| {
                x[0].transpose()?.scatter_add(-2, &some, &x[1].transpose()?)?.square()
            });
            t.derivative(&[&[2], &[0]], |x| x[0].scatter_add(0, &ids(&[0], &[]), &x[1]));
            // Sources [0 1 2; 3 4 5] at rows [2 0 1; 1 0 1].
            let y = T::zeros(&[3, 3]).scatter_add(0, &some, &counted(&[2, 3]));
            t.value(y, &[3, 3], &[0.0, 5.0, 0.0, 3.0, 0.0, 7.0, 0.0, 0.0, 0.0]);
            let y = row(&[10.0, 20.0]).scatter_add(0, &ids(&[3], &[1, 1, 0]), &row(&[1.0, 2.0, 4.0]));
            t.value(y, &[2], &[14.0, 23.0]);
        }
        _ => return false,
    }
    true
}
