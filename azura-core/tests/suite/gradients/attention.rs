//! Attention.

use super::{T, Tested, column, row};
use azura_core::{Attention, Mask};

/// Tests the operation, if it is one of these.
pub(crate) fn cases(t: &mut Tested) -> bool {
    if t.op != "attention" {
        return false;
    }
    t.derivatives();
    t.values();
    true
}

fn mask(shape: &[usize], allowed: impl Fn(usize) -> bool) -> Mask {
    Mask::from_shape_vec(shape, (0..shape.iter().product()).map(allowed).collect()).unwrap()
}

impl Tested {
    fn derivatives(&mut self) {
        let plain = Attention::default();
        let causal = Attention { causal: true, ..plain };
        let scaled = Attention { scale: Some(-1.5), ..plain };
        let shapes: [[&[usize]; 3]; 18] = [
            [&[3, 4], &[5, 4], &[5, 2]],
            [&[5, 2], &[3, 2], &[3, 4]],
            [&[2, 3, 4], &[2, 3, 4], &[2, 3, 4]],
            [&[2, 2, 3, 2], &[2, 2, 4, 2], &[2, 2, 4, 3]],
            // Leading axes that are repeated: of one, of two, of all.
            [&[3, 4], &[2, 5, 4], &[2, 5, 2]],
            [&[2, 3, 4], &[5, 4], &[5, 2]],
            [&[2, 3, 4], &[2, 5, 4], &[5, 2]],
            [&[3, 4], &[5, 4], &[2, 5, 2]],
            [&[1, 3, 2, 3], &[2, 1, 4, 3], &[3, 4, 2]],
            [&[2, 1, 2, 3], &[4, 3], &[1, 3, 4, 2]],
            // One of something, nothing of something.
            [&[1, 1], &[1, 1], &[1, 1]],
            [&[1, 4], &[3, 4], &[3, 1]],
            [&[0, 3], &[2, 3], &[2, 4]],
            [&[2, 3], &[0, 3], &[0, 4]],
            [&[2, 0], &[3, 0], &[3, 2]],
            [&[2, 3], &[4, 3], &[4, 0]],
            [&[0, 2, 3], &[4, 3], &[1, 4, 2]],
            // Rows that softmax takes one by one.
            [&[2, 2], &[70, 2], &[70, 2]],
        ];
        for shapes in shapes {
            for how in [plain, causal, scaled] {
                self.derivative(&shapes, |x| x[0].attention(&x[1], &x[2], &how));
            }
            // What comes back may lie in any order.
            self.derivative(&shapes, |x| x[0].attention(&x[1], &x[2], &plain)?.transpose()?.square());
        }
        // Views, and heads as the third axis.
        self.derivative(&[&[4, 3], &[4, 6], &[2, 6]], |x| {
            x[0].transpose()?.attention(&x[1].transpose()?, &x[2].transpose()?, &plain)
        });
        self.derivative(&[&[2, 3, 2, 4], &[2, 5, 2, 4], &[2, 5, 2, 4]], |x| {
            let heads = |x: &T| x.permute(&[0, 2, 1, 3]);
            heads(&heads(&x[0])?.attention(&heads(&x[1])?, &heads(&x[2])?, &causal)?)?.square()
        });
        self.derivative(&[&[3, 6], &[5, 4], &[5, 2]], |x| {
            x[0].slice(1, 1..5)?.attention(&x[1].flip(&[0, 1])?, &x[2], &plain)
        });
        self.derivative(&[&[3, 4]], |x| x[0].attention(&x[0], &x[0], &causal));

        // Some of five keys, and none in the second row and the last of the second entry.
        for shape in [&[3, 5][..], &[1, 3, 5], &[2, 3, 5], &[2, 1, 5], &[5], &[3, 1], &[1, 1], &[2, 1, 1]] {
            let mask = mask(shape, |i| !(5..10).contains(&i) && i < 25 && i % 3 != 1);
            for causal in [false, true] {
                let how = Attention { causal, mask: Some(&mask), scale: None };
                self.derivative(&[&[2, 3, 4], &[2, 5, 4], &[2, 5, 2]], |x| {
                    x[0].attention(&x[1], &x[2], &how)
                });
                self.derivative(&[&[1, 3, 4], &[5, 4], &[2, 5, 2]], |x| x[0].attention(&x[1], &x[2], &how));
            }
        }
    }

    fn values(&mut self) {
        let plain = Attention::default();
        // Scores of 0, ln 2, ln 5: weights of 1/8, 2/8, 5/8 for 8, 16, 32; then of 1, and of 1/3 and 2/3.
        let (q, k) = (column(&[1.0]), column(&[0.0, 2_f64.ln(), 5_f64.ln()]));
        let v = column(&[8.0, 16.0, 32.0]);
        self.value(q.attention(&k, &v, &plain), &[1, 1], &[25.0]);
        let three = column(&[1.0; 3]);
        let causal = Attention { causal: true, ..plain };
        self.value(three.attention(&k, &v, &causal), &[3, 1], &[8.0, 40.0 / 3.0, 25.0]);
        // As above from twice the query, halved. Four numbers halve by themselves.
        let twice = column(&[2.0]);
        self.value(twice.attention(&k, &v, &Attention { scale: Some(0.5), ..plain }), &[1, 1], &[25.0]);
        let wide = |x: &T| T::concat(1, &[x; 4]).unwrap();
        self.value(wide(&q).attention(&wide(&k.scale(0.5).unwrap()), &v, &plain), &[1, 1], &[25.0]);
        // The first and the last key, none, the second one only.
        let some = mask(&[3, 3], |i| [0, 2, 7].contains(&i));
        let masked = Attention { mask: Some(&some), ..plain };
        self.value(three.attention(&k, &v, &masked), &[3, 1], &[28.0, 0.0, 16.0]);
        let both = Attention { causal: true, ..masked };
        self.value(three.attention(&k, &v, &both), &[3, 1], &[8.0, 0.0, 16.0]);
        // Nothing that is forbidden is seen, whatever it is.
        let far = column(&[0.0, 1e300, 5_f64.ln()]);
        let first = mask(&[3], |i| i != 1);
        let masked = Attention { mask: Some(&first), ..plain };
        self.value(q.attention(&far, &v, &masked), &[1, 1], &[28.0]);
        // Scores that are far apart.
        self.value(q.attention(&column(&[1e4, -1e4, 1e4]), &v, &plain), &[1, 1], &[20.0]);
        // No key; a query of no numbers, to which all keys are alike.
        self.value(three.attention(&T::zeros(&[0, 1]), &T::zeros(&[0, 1]), &plain), &[3, 1], &[0.0; 3]);
        self.value(T::zeros(&[1, 0]).attention(&T::zeros(&[3, 0]), &v, &plain), &[1, 1], &[56.0 / 3.0]);
        let pair = T::stack(0, &[&v, &v.scale(2.0).unwrap()]).unwrap();
        self.value(q.attention(&k, &pair, &plain), &[2, 1, 1], &[25.0, 50.0]);

        // Who may attend to nothing has no part in any gradient.
        let (one, nobody) = (row(&[1.0]), mask(&[1, 1], |_| false));
        let how = Attention { mask: Some(&nobody), ..plain };
        let f = |x: &[T]| {
            let column = |x: &T| x.reshape(&[1, 1]);
            column(&x[0])?.attention(&column(&x[1])?, &column(&x[2])?, &how)
        };
        let one = one.to_vec();
        assert_eq!(super::gradients(f, &[&one, &one, &one]), [[0.0], [0.0], [0.0]]);
    }
}
