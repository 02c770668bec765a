//! Rows put together, taken apart, repeated, turned round.

use super::{T, Tested, column, counted, row};

/// Tests the operation, if it is one of these.
pub(crate) fn cases(t: &mut Tested) -> bool {
    match t.op {
        "pad" => {
            t.derivative(&[&[2, 3]], |x| x[0].pad(&[(1, 0), (2, 1)], 0.5)?.square());
            t.derivative(&[&[2, 3]], |x| x[0].transpose()?.pad(&[(0, 0), (0, 1)], 0.0)?.square());
            t.derivative(&[&[0, 1]], |x| x[0].pad(&[(1, 1), (0, 0)], 2.0));
            t.derivative(&[&[]], |x| x[0].pad(&[], 2.0));
            t.value(
                counted(&[2, 2]).pad(&[(0, 1), (1, 0)], 7.0),
                &[3, 3],
                &[7., 0., 1., 7., 2., 3., 7., 7., 7.],
            );
        }
        "flip" => {
            t.derivative(&[&[2, 3, 2]], |x| x[0].flip(&[0, -1])?.square());
            t.derivative(&[&[0, 2]], |x| x[0].flip(&[1])?.square());
            t.derivative(&[&[1]], |x| x[0].flip(&[])?.square());
            t.value(counted(&[2, 3]).flip(&[1]), &[2, 3], &[2.0, 1.0, 0.0, 5.0, 4.0, 3.0]);
            t.value(counted(&[2, 3]).flip(&[1, 0]), &[2, 3], &[5.0, 4.0, 3.0, 2.0, 1.0, 0.0]);
        }
        "expand" => {
            t.derivative(&[&[2, 1]], |x| x[0].expand(&[3, 2, 4])?.square());
            t.derivative(&[&[1, 12]], |x| x[0].expand(&[2, 12])?.square());
            t.derivative(&[&[3, 1, 1]], |x| x[0].expand(&[3, 4, 3])?.square());
            t.derivative(&[&[]], |x| x[0].expand(&[2, 0]));
            t.derivative(&[&[2, 1, 3]], |x| x[0].transpose()?.expand(&[2, 3, 2])?.square());
            t.value(
                column(&[1.0, 2.0]).expand(&[2, 2, 3]),
                &[2, 2, 3],
                &[1., 1., 1., 2., 2., 2., 1., 1., 1., 2., 2., 2.],
            );
        }
        _ => return false,
    }
    true
}

#[test]
fn what_is_composed_is_right() {
    let mut t = Tested { op: "stack, split, squeeze, unsqueeze", derivative: false, value: false };
    let (a, b) = (row(&[1.0, 2.0]), row(&[3.0, 4.0]));
    t.value(T::stack(0, &[&a, &b]), &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    t.value(T::stack(-1, &[&a, &b]), &[2, 2], &[1.0, 3.0, 2.0, 4.0]);
    t.value(T::stack(0, &[&T::scalar(5.0)]), &[1], &[5.0]);
    for axis in [0, 1, 2, -1, -3] {
        t.derivative(&[&[2, 3], &[2, 3]], |x| T::stack(axis, &[&x[0], &x[1], &x[0]])?.square());
    }
    let parts = counted(&[2, 4]).split(1, &[1, 0, 3]).unwrap();
    let shapes: Vec<_> = parts.iter().map(T::shape).collect();
    assert_eq!(shapes, [[2, 1], [2, 0], [2, 3]]);
    t.value(Ok(parts[2].clone()), &[2, 3], &[1.0, 2.0, 3.0, 5.0, 6.0, 7.0]);
    t.derivative(&[&[2, 5]], |x| {
        let parts = x[0].split(-1, &[2, 3])?;
        T::concat(1, &[&parts[1], &parts[0].square()?, &parts[1]])
    });
    t.value(counted(&[2, 1, 2]).squeeze(-2), &[2, 2], &[0.0, 1.0, 2.0, 3.0]);
    t.value(counted(&[2, 2]).unsqueeze(-3), &[1, 2, 2], &[0.0, 1.0, 2.0, 3.0]);
    t.derivative(&[&[2, 3]], |x| x[0].transpose()?.unsqueeze(1)?.square()?.squeeze(1));
}
