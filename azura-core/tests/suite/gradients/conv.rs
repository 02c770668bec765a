//! Convolutions and pooling.

use super::{Result, T, Tested, counted, row};
use azura_core::Conv;

/// Tests the operation, if it is one of these.
pub(crate) fn cases(t: &mut Tested) -> bool {
    match t.op {
        "conv2d" => t.conv(),
        "max_pool2d" => t.max_pool(),
        "avg_pool2d" => t.avg_pool(),
        "adaptive_avg_pool2d" => t.adaptive(),
        _ => return false,
    }
    true
}

const PLAIN: Conv<2> = Conv { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 };

impl Tested {
    fn conv(&mut self) {
        let cases: [(&[usize], &[usize], Conv<2>); 9] = [
            (&[2, 3, 5, 6], &[4, 3, 3, 3], Conv { padding: [1, 1], ..PLAIN }),
            (&[1, 1, 1, 1], &[1, 1, 1, 1], PLAIN),
            (&[2, 2, 3, 16], &[3, 2, 2, 1], PLAIN),
            (&[2, 4, 3, 4], &[6, 2, 2, 2], Conv { groups: 2, ..PLAIN }),
            (&[1, 3, 4, 4], &[3, 1, 3, 3], Conv { groups: 3, padding: [1, 1], ..PLAIN }),
            (&[2, 2, 7, 8], &[2, 2, 3, 2], Conv { stride: [2, 3], padding: [1, 0], ..PLAIN }),
            (&[1, 2, 7, 8], &[2, 2, 2, 3], Conv { dilation: [3, 2], padding: [0, 2], ..PLAIN }),
            (
                &[2, 2, 9, 9],
                &[1, 2, 3, 3],
                Conv { stride: [3, 2], dilation: [2, 3], padding: [2, 1], ..PLAIN },
            ),
            (&[0, 2, 4, 4], &[3, 2, 3, 3], PLAIN),
        ];
        for (x, w, conv) in cases {
            self.derivative(&[x, w], |x| x[0].conv2d(&x[1], None, &conv));
            self.derivative(&[x, w, &[w[0]]], |x| x[0].conv2d(&x[1], Some(&x[2]), &conv));
        }
        // Views that are not contiguous.
        self.derivative(&[&[5, 2, 4, 2], &[2, 2, 3, 3]], |x| {
            x[0].permute(&[1, 3, 2, 0])?.conv2d(&x[1].transpose()?, None, &PLAIN)
        });
        self.derivative(&[&[2, 3, 7], &[4, 3, 3], &[4]], |x| {
            x[0].conv1d(&x[1], Some(&x[2]), &Conv { stride: [2], padding: [1], ..Conv::default() })
        });
        self.derivative(&[&[2, 4, 6], &[2, 2, 2]], |x| {
            x[0].conv1d(&x[1], None, &Conv { dilation: [2], groups: 2, ..Conv::default() })
        });

        // [0 1 2; 3 4 5; 6 7 8] under [0 1; 2 3]: a + 2 b + 3 c of the neighbours right, below, and both.
        // 1 + 2 3 + 3 4, 2 + 2 4 + 3 5, 4 + 2 6 + 3 7, 5 + 2 7 + 3 8.
        let (x, w) = (counted(&[1, 1, 3, 3]), counted(&[1, 1, 2, 2]));
        self.value(x.conv2d(&w, None, &PLAIN), &[1, 1, 2, 2], &[19.0, 25.0, 37.0, 43.0]);
        let bias = row(&[0.5]);
        let conv = Conv { stride: [2, 2], padding: [1, 1], ..PLAIN };
        // The windows' corners lie at (-1, -1), (-1, 1), (1, -1), (1, 1): 3 0, 2 1 + 3 2, 1 3 + 3 6, and as above.
        self.value(x.conv2d(&w, Some(&bias), &conv), &[1, 1, 2, 2], &[0.5, 8.5, 21.5, 43.5]);
        let conv = Conv { dilation: [2, 2], ..PLAIN };
        // 1 2 + 2 6 + 3 8.
        self.value(x.conv2d(&w, None, &conv), &[1, 1, 1, 1], &[38.0]);
        // Two channels [0 1], [2 3] and weights 0, 1, 2, 3, once in one group, once each channel on its own.
        let (x, w) = (counted(&[1, 2, 1, 2]), counted(&[2, 2, 1, 1]));
        self.value(x.conv2d(&w, None, &PLAIN), &[1, 2, 1, 2], &[2.0, 3.0, 6.0, 11.0]);
        let (w, conv) = (counted(&[4, 1, 1, 1]), Conv { groups: 2, ..PLAIN });
        let expected = [0.0, 0.0, 0.0, 1.0, 4.0, 6.0, 6.0, 9.0];
        self.value(x.conv2d(&w, None, &conv), &[1, 4, 1, 2], &expected);
        // Over one axis, two channels: 0 0 + 1 1 + 2 3 + 3 4, 0 1 + 1 2 + 2 4 + 3 5.
        let (x, w) = (counted(&[1, 2, 3]), counted(&[1, 2, 2]));
        self.value(x.conv1d(&w, None, &Conv::default()), &[1, 1, 2], &[19.0, 25.0]);
    }

    fn max_pool(&mut self) {
        // Far enough apart for the differences: 13 i mod 17 differs by 1 or more within a window.
        let apart = |x: &T| {
            let steps = (0..x.len()).map(|i| 3.0 * (i * 13 % 17) as f64).collect();
            x.add(&T::from_vec(x.shape(), steps)?)
        };
        self.pool(|x, kernel, stride, padding| apart(x)?.max_pool2d(kernel, stride, padding));
        self.derivative(&[&[2, 2, 7]], |x| apart(&x[0])?.max_pool1d(3, 2, 1));
        let x = counted(&[1, 1, 4, 5]);
        self.value(x.max_pool2d([2, 2], [2, 2], [0, 0]), &[1, 1, 2, 2], &[6.0, 8.0, 16.0, 18.0]);
        // Rows 0 and 1, then 1 to 3; columns 0 and 1, 1 to 3, 3 and 4.
        let expected = [6.0, 8.0, 9.0, 16.0, 18.0, 19.0];
        self.value(x.max_pool2d([3, 3], [2, 2], [1, 1]), &[1, 1, 2, 3], &expected);
        self.value(counted(&[1, 2, 3]).max_pool1d(2, 1, 0), &[1, 2, 2], &[1.0, 2.0, 4.0, 5.0]);
        // What is below all padding stays: there is no zero outside.
        let low = T::from_vec(&[1, 1, 1, 1], vec![-5.0]).unwrap();
        self.value(low.max_pool2d([3, 3], [1, 1], [1, 1]), &[1, 1, 1, 1], &[-5.0]);
    }

    fn avg_pool(&mut self) {
        self.pool(T::avg_pool2d);
        self.derivative(&[&[2, 2, 7]], |x| x[0].avg_pool1d(3, 2, 1));
        let x = counted(&[1, 1, 4, 5]);
        // (0 + 1 + 5 + 6) / 4 and 2 and 10 more.
        self.value(x.avg_pool2d([2, 2], [2, 2], [0, 0]), &[1, 1, 2, 2], &[3.0, 5.0, 13.0, 15.0]);
        // Padding counts: (0 + 1 + 3 + 4) / 9 of [0 1 2; 3 4 5; 6 7 8], and so on.
        let expected = [8.0, 12.0, 20.0, 24.0].map(|sum| sum / 9.0);
        self.value(counted(&[1, 1, 3, 3]).avg_pool2d([3, 3], [2, 2], [1, 1]), &[1, 1, 2, 2], &expected);
        self.value(counted(&[1, 2, 3]).avg_pool1d(2, 1, 0), &[1, 2, 2], &[0.5, 1.5, 3.5, 4.5]);
    }

    fn adaptive(&mut self) {
        for (x, out) in
            [([2, 3, 5, 7], [2, 3]), ([1, 2, 4, 4], [1, 1]), ([2, 1, 3, 2], [5, 4]), ([0, 2, 3, 3], [2, 2])]
        {
            self.derivative(&[&x], |x| x[0].adaptive_avg_pool2d(out)?.square());
        }
        self.derivative(&[&[2, 3, 7]], |x| x[0].adaptive_avg_pool1d(3)?.square());
        self.derivative(&[&[5, 4, 2, 3]], |x| x[0].permute(&[2, 3, 0, 1])?.adaptive_avg_pool2d([2, 2]));
        // Rows 0..2 and 1..3 of 3, columns 0..3 and 2..5 of 5: (0 + 1 + 2 + 5 + 6 + 7) / 6 and 2 and 5 more.
        let y = counted(&[1, 1, 3, 5]).adaptive_avg_pool2d([2, 2]);
        self.value(y, &[1, 1, 2, 2], &[3.5, 5.5, 8.5, 10.5]);
        self.value(counted(&[2, 2, 2, 2]).adaptive_avg_pool2d([1, 1]), &[2, 2, 1, 1], &[1.5, 5.5, 9.5, 13.5]);
        self.value(counted(&[1, 1, 4]).adaptive_avg_pool1d(2), &[1, 1, 2], &[0.5, 2.5]);
    }

    fn pool(&mut self, f: impl Fn(&T, [usize; 2], [usize; 2], [usize; 2]) -> Result) {
        let windows = [
            ([2, 2], [2, 2], [0, 0]),
            ([3, 3], [2, 2], [1, 1]),
            ([2, 3], [1, 3], [1, 0]),
            ([1, 1], [1, 1], [0, 0]),
            ([5, 4], [1, 1], [2, 2]),
        ];
        for (kernel, stride, padding) in windows {
            for shape in [[2, 3, 5, 6], [1, 1, 4, 4], [0, 2, 5, 5]] {
                self.derivative(&[&shape], |x| f(&x[0], kernel, stride, padding)?.square());
            }
        }
        self.derivative(&[&[5, 4, 2, 3]], |x| f(&x[0].permute(&[2, 3, 0, 1])?, [2, 2], [2, 2], [0, 0]));
    }
}
