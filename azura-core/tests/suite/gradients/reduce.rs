//! Reductions.

use super::{Result, T, Tested, apart, counted, gradients, numbers, row};
use azura_core::ndarray::{Array, IxDyn};

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
        "var" => {
            for ddof in [0, 1] {
                t.reduction(|x, axes, keepdims| x.var(axes, keepdims, ddof * usize::from(!axes.is_empty())));
            }
            // 0 1 2: ((-1)^2 + 0 + 1^2) / 3, and / 2; all of 0..6: 2 (0.25 + 2.25 + 6.25) / 6.
            t.value(counted(&[2, 3]).var(&[1], false, 0), &[2], &[2.0 / 3.0; 2]);
            t.value(counted(&[2, 3]).var(&[-1], true, 1), &[2, 1], &[1.0; 2]);
            t.value(counted(&[2, 3]).var(&[0, 1], false, 0), &[], &[17.5 / 6.0]);
            // 0 1 4 5 and 2 3 6 7 lie 2.5, 1.5, 1.5, 2.5 from their means.
            t.value(counted(&[2, 2, 2]).var(&[0, 2], false, 0), &[2], &[4.25; 2]);
        }
        "std" => {
            let spread = |x: &T, axes: &[isize], keepdims| {
                if axes.is_empty() { x.std(axes, keepdims, 0)?.square() } else { x.std(axes, keepdims, 1) }
            };
            t.reduction(spread);
            t.value(counted(&[2, 3]).std(&[0], false, 0), &[3], &[1.5; 3]);
            t.value(counted(&[2, 3]).std(&[0], true, 1), &[1, 3], &[4.5_f64.sqrt(); 3]);
        }
        "max" => {
            t.reduction_at(apart, T::max);
            let x = T::from_vec(&[2, 3], vec![1.0, 9.0, -2.0, 4.0, 3.0, 8.0]).unwrap();
            t.value(x.max(&[0], false), &[3], &[4.0, 9.0, 8.0]);
            t.value(x.max(&[1], true), &[2, 1], &[9.0, 8.0]);
            t.value(x.transpose().unwrap().max(&[0, 1], false), &[], &[9.0]);
            // 0 1 4 5, 2 3 6 7.
            t.value(counted(&[2, 2, 2]).max(&[0, 2], false), &[2], &[5.0, 7.0]);
        }
        "min" => {
            t.reduction_at(apart, T::min);
            let x = T::from_vec(&[2, 3], vec![1.0, 9.0, -2.0, 4.0, 3.0, 8.0]).unwrap();
            t.value(x.min(&[0], false), &[3], &[1.0, 3.0, -2.0]);
            t.value(x.min(&[-1], true), &[2, 1], &[-2.0, 3.0]);
            t.value(counted(&[2, 2, 2]).min(&[0, 2], true), &[1, 2, 1], &[0.0, 2.0]);
        }
        "logsumexp" => {
            t.reduction(|x, axes, keepdims| x.scale(3.0)?.logsumexp(axes, keepdims));
            let [ln2, ln3] = [2_f64.ln(), 3_f64.ln()];
            let x = T::from_vec(&[2, 2], vec![0.0, ln2, ln3, 1e4]).unwrap();
            // ln(1 + 2), 1e4; ln(1 + 3), 1e4 again: e^(ln 2 - 1e4) is nothing beside 1.
            t.value(x.logsumexp(&[1], false), &[2], &[ln3, 1e4]);
            t.value(x.logsumexp(&[0], true), &[1, 2], &[2.0 * ln2, 1e4]);
            t.value(row(&[-1e4, -1e4]).logsumexp(&[0], false), &[], &[ln2 - 1e4]);
        }
        "cumsum" => {
            for axis in [0, 1, -1] {
                t.derivative(&[&[2, 3, 4]], |x| x[0].cumsum(axis)?.square());
                t.derivative(&[&[4, 3, 2]], |x| x[0].permute(&[2, 1, 0])?.cumsum(axis)?.square());
            }
            t.derivative(&[&[3, 0]], |x| x[0].cumsum(0));
            t.derivative(&[&[1]], |x| x[0].cumsum(0));
            t.value(counted(&[2, 3]).cumsum(0), &[2, 3], &[0.0, 1.0, 2.0, 3.0, 5.0, 7.0]);
            t.value(counted(&[2, 3]).cumsum(1), &[2, 3], &[0.0, 1.0, 3.0, 3.0, 7.0, 12.0]);
        }
        _ => return false,
    }
    true
}

impl Tested {
    fn reduction(&mut self, f: impl Fn(&T, &[isize], bool) -> Result) {
        self.reduction_at(numbers, f);
    }

    fn reduction_at(
        &mut self,
        values: fn(&[usize], u64) -> Array<f64, IxDyn>,
        f: impl Fn(&T, &[isize], bool) -> Result,
    ) {
        for axes in [&[0][..], &[1], &[-1], &[0, 1], &[1, 2], &[0, 2], &[2, 0], &[0, 1, 2], &[]] {
            for keepdims in [false, true] {
                self.derivative_at(&[&[2, 3, 4]], values, |x| f(&x[0], axes, keepdims)?.square());
            }
            let turned = |x: &[T]| f(&x[0].permute(&[2, 0, 1])?, axes, false)?.square();
            self.derivative_at(&[&[3, 4, 2]], values, turned);
        }
        self.derivative_at(&[&[2, 10]], values, |x| f(&x[0], &[1], false)?.square());
        self.derivative_at(&[&[2, 10]], values, |x| f(&x[0], &[0], false)?.square());
        self.derivative_at(&[&[0, 3]], values, |x| f(&x[0], &[1], false)?.square());
        self.derivative_at(&[&[]], values, |x| f(&x[0], &[], false)?.square());
    }
}

#[test]
fn ties_and_limits_have_the_documented_derivatives() {
    let inf = f64::INFINITY;
    let ties = [3.0, 1.0, 3.0, 1.0, 2.0, 3.0];
    let third = 1.0 / 3.0;
    assert_eq!(gradients(|x| x[0].max(&[0], false), &[&ties]), [[third, 0.0, third, 0.0, 0.0, third]]);
    assert_eq!(gradients(|x| x[0].min(&[0], false), &[&ties]), [[0.0, 0.5, 0.0, 0.5, 0.0, 0.0]]);
    // As columns [3 3 2], [1 1 3].
    let by_column = gradients(|x| x[0].reshape(&[3, 2])?.max(&[0], true), &[&ties]);
    assert_eq!(by_column, [[0.5, 0.0, 0.5, 0.0, 0.0, 1.0]]);
    let infinite = gradients(|x| x[0].max(&[0], false), &[&[-inf, inf, inf, 0.0]]);
    assert_eq!(infinite, [[0.0, 0.5, 0.5, 0.0]]);
    // NaN is the greatest and the least.
    let nan = gradients(|x| x[0].max(&[0], false), &[&[1.0, f64::NAN, 2.0]]);
    assert_eq!(nan, [[0.0, 1.0, 0.0]]);

    assert_eq!(gradients(|x| x[0].std(&[0], false, 0), &[&[5.0; 3]]), [[0.0; 3]]);
    let low = gradients(|x| x[0].logsumexp(&[0], false), &[&[-inf, -inf]]);
    assert_eq!(low, [[0.0, 0.0]]);
    let half = gradients(|x| x[0].logsumexp(&[0], false), &[&[-inf, 7.0, 7.0]]);
    assert_eq!(half, [[0.0, 0.5, 0.5]]);
    let high = gradients(|x| x[0].logsumexp(&[0], false), &[&[0.0, inf]]);
    assert!(high[0][0] == 0.0 && high[0][1].is_nan());
}

#[test]
fn not_a_number_and_infinity_are_seen() {
    let inf = f64::INFINITY;
    let item = |y: Result| y.unwrap().item().unwrap();
    // In the part that goes by eights, in the rest, and along an axis that is not the last.
    for place in [0, 5, 8, 17] {
        for shape in [&[18][..], &[18, 1]] {
            let mut values = vec![1.0; 18];
            values[place] = f64::NAN;
            let x = T::from_vec(shape, values).unwrap();
            assert!(item(x.max(&[0], false).unwrap().sum_all()).is_nan());
            assert!(item(x.min(&[0], false).unwrap().sum_all()).is_nan());
            assert!(item(x.logsumexp(&[0], false).unwrap().sum_all()).is_nan());
            assert_eq!(x.argmax(0, false).unwrap().first(), Some(&(place as u32)));
        }
    }
    let sums = [&[-inf, -inf][..], &[1.0, inf], &[]].map(|x| item(row(x).logsumexp(&[0], false)));
    assert_eq!(sums.to_vec(), [-inf, inf, -inf]);
    assert!(item(row(&[3.0]).var(&[0], false, 1)).is_nan());
    assert_eq!(row(&[3.0, 4.0]).var(&[0], true, 2).unwrap().to_vec(), [inf]);
    assert!(item(row(&[]).var(&[0], false, 0)).is_nan());
}

#[test]
fn a_large_mean_costs_no_digits() {
    // Two of -1 and 1, and one 0 around a mean that f32 rounds by up to 0.004.
    let values: Vec<f32> = (0..3000).map(|i| 100_000.0 + [-1.0, 0.0, 1.0, 1.0, -1.0][i % 5]).collect();
    let x = azura_core::Tensor::from_vec(&[3000], values).unwrap();
    assert!((x.var(&[0], false, 0).unwrap().item().unwrap() - 0.8).abs() < 1e-6);
    // One such mean for each column.
    let columns = x.reshape(&[1500, 2]).unwrap().var(&[0], false, 0).unwrap();
    assert!(columns.to_vec().iter().all(|v| (v - 0.8).abs() < 1e-6), "{columns:?}");
    let far = azura_core::Tensor::from_vec(&[3], vec![1e4, 1e4 + 0.01, 1e4 + 0.02]).unwrap();
    // The numbers that these are in f32, 0, 10 and 20 times 2^-10 above 1e4; the mean is the middle one.
    let exact = 2.0 * (10.0_f64 / 1024.0).powi(2) / 3.0;
    assert!((f64::from(far.var(&[0], false, 0).unwrap().item().unwrap()) / exact - 1.0).abs() < 1e-6);
}

#[test]
fn the_place_of_the_greatest() {
    let x = T::from_vec(&[2, 3], vec![1.0, 9.0, 9.0, 4.0, 9.0, 8.0]).unwrap();
    let seen = |axis, keepdims| {
        let ids = x.argmax(axis, keepdims).unwrap();
        (ids.shape().to_vec(), ids.iter().copied().collect::<Vec<_>>())
    };
    assert_eq!(seen(0, false), (vec![3], vec![1, 0, 0]));
    assert_eq!(seen(1, false), (vec![2], vec![1, 1]));
    assert_eq!(seen(-1, true), (vec![2, 1], vec![1, 1]));
    let infinite = row(&[-f64::INFINITY, -f64::INFINITY]).argmax(0, false).unwrap();
    assert_eq!(infinite.first(), Some(&0));
    assert_eq!(T::zeros(&[0, 2]).argmax(1, true).unwrap().shape(), [0, 1]);
}
