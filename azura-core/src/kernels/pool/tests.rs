use super::*;
use crate::kernels::{
    Kernel,
    testing::{Numbers, assert_close, each_isa, same_for_any_threads},
};

/// The places in the plane that the window of output (i, j) covers, in order.
fn places(window: &Window, i: usize, j: usize) -> Vec<usize> {
    let [height, width] = window.size;
    let mut places = Vec::new();
    for u in 0..window.kernel[0] {
        for v in 0..window.kernel[1] {
            let row = (i * window.stride[0] + u).checked_sub(window.padding[0]);
            let col = (j * window.stride[1] + v).checked_sub(window.padding[1]);
            if let (Some(row), Some(col)) = (row, col)
                && row < height
                && col < width
            {
                places.push(row * width + col);
            }
        }
    }
    places
}

/// All windows of all planes: the places in x, by output.
fn windows(window: &Window, planes: usize) -> Vec<Vec<usize>> {
    let [height, width] = window.out().unwrap();
    let from = window.size[0] * window.size[1];
    let plane = |n: usize| (0..height * width).map(move |at| (n, at / width, at % width));
    let all = (0..planes).flat_map(plane);
    all.map(|(n, i, j)| places(window, i, j).iter().map(|place| n * from + place).collect()).collect()
}

fn random(numbers: &mut Numbers) -> Window {
    loop {
        let mut two = |most: usize| [0, 1].map(|_| numbers.below(most));
        let kernel = two(5).map(|k| k + 1);
        let window = Window {
            size: two(40).map(|size| size + 1),
            kernel,
            stride: two(4).map(|stride| stride + 1),
            padding: two(3),
        };
        if window.out().is_some() {
            return window;
        }
    }
}

const PAIRS: Window = Window { size: [32, 32], kernel: [2, 2], stride: [2, 2], padding: [0, 0] };

fn check<T: Kernel + std::fmt::Debug>(window: &Window, planes: usize, numbers: &mut Numbers) {
    let len = planes * window.size[0] * window.size[1];
    // Few values, so that many are equal.
    let x: Vec<T> = (0..len).map(|_| T::from(numbers.below(7)).unwrap() - T::one()).collect();
    let (y, places) = max(window, &x);
    let windows = windows(window, planes);
    let dy: Vec<T> = numbers.vec(y.len());
    let mut dx = vec![0.0; len];
    let mut means = Vec::new();
    let mut shares = vec![0.0; len];
    let area = (window.kernel[0] * window.kernel[1]) as f64;
    let f64 = |x: T| x.to_f64().unwrap();
    for ((window, &y), &dy) in windows.iter().zip(&y).zip(&dy) {
        let most = window.iter().map(|&at| x[at]).fold(T::neg_infinity(), T::max);
        let first = window.iter().find(|&&at| x[at] == most).unwrap();
        assert!(most == y);
        dx[*first] += f64(dy);
        means.push(window.iter().map(|&at| f64(x[at])).sum::<f64>() / area);
        for &at in window {
            shares[at] += f64(dy) / area;
        }
    }
    assert_eq!(y.len(), windows.len());
    assert_close(&format!("max {window:?}"), &max_backward(window, &places, &dy), &dx, 1e-6);
    let bins = Bins::sliding(window);
    assert_eq!(bins.out(), window.out().unwrap());
    assert_close(&format!("avg {window:?}"), &avg(&bins, &x), &means, 1e-6);
    assert_close(&format!("avg {window:?}"), &avg_backward(&bins, planes, &dy), &shares, 1e-6);
}

#[test]
fn windows_are_the_definition() {
    each_isa(|_| {
        let mut numbers = Numbers(11);
        for _ in 0..150 {
            let window = random(&mut numbers);
            check::<f32>(&window, 3, &mut numbers);
            check::<f64>(&window, 1, &mut numbers);
        }
        for size in [[32, 32], [2, 2], [7, 9], [6, 37], [3, 2]] {
            check::<f32>(&Window { size, ..PAIRS }, 5, &mut numbers);
            check::<f64>(&Window { size, ..PAIRS }, 2, &mut numbers);
        }
        // A window that is nearly all padding takes no longer for it.
        check_size(&Window { kernel: [1, 1 << 60], padding: [0, 1 << 59], size: [3, 4], stride: [1, 1] });
        // A window of more than 256 places, and more places than fit 16 bits.
        check::<f32>(
            &Window { size: [300, 301], kernel: [300, 300], stride: [1, 1], padding: [0, 1] },
            2,
            &mut numbers,
        );
    });
}

fn check_size(window: &Window) {
    let x = [1.0_f32; 12];
    assert_eq!(max(window, &x).0, [1.0; 15]);
    assert!(avg(&Bins::sliding(window), &x).iter().all(|&y| y > 0.0 && y < 1e-17));
}

#[test]
fn adaptive_bins_are_those_of_pytorch() {
    let ranges = |size, out| Bins::adaptive([size, 1], [out, 1]).axes[0].clone();
    assert_eq!(ranges(7, 3), [0..3, 2..5, 4..7]);
    assert_eq!(ranges(5, 5), [0..1, 1..2, 2..3, 3..4, 4..5]);
    assert_eq!(ranges(2, 4), [0..1, 0..1, 1..2, 1..2]);
    assert_eq!(ranges(10, 1), [0..10; 1]);
    each_isa(|_| {
        let mut numbers = Numbers(12);
        for _ in 0..60 {
            let [size, out] = [40, 9].map(|most| [0, 1].map(|_| numbers.below(most) + 1));
            let bins = Bins::adaptive(size, out);
            let (planes, from) = (2, size[0] * size[1]);
            let x = numbers.vec::<f64>(planes * from);
            let dy = numbers.vec::<f64>(planes * out[0] * out[1]);
            let (mut y, mut dx) = (Vec::new(), vec![0.0; x.len()]);
            for n in 0..planes {
                for (rows, cols) in
                    bins.axes[0].iter().flat_map(|rows| bins.axes[1].iter().map(move |c| (rows, c)))
                {
                    let cells =
                        rows.clone().flat_map(|i| cols.clone().map(move |j| n * from + i * size[1] + j));
                    let cells: Vec<_> = cells.collect();
                    let dy = dy[y.len()] / cells.len() as f64;
                    for &at in &cells {
                        dx[at] += dy;
                    }
                    y.push(cells.iter().map(|&at| x[at]).sum::<f64>() / cells.len() as f64);
                }
            }
            assert_close("y", &avg(&bins, &x), &y, 1e-13);
            assert_close("dx", &avg_backward(&bins, planes, &dy), &dx, 1e-13);
        }
    });
}

#[test]
fn nan_is_greater_than_all_and_the_first_of_equals_counts() {
    each_isa(|_| {
        for padding in [0, 1] {
            // 40 windows, for a vectorised part and a rest; a row of padding changes nothing but the way.
            let window = Window { size: [2, 80], kernel: [2 + padding, 2], padding: [padding, 0], ..PAIRS };
            let of = |cells: [f32; 4]| {
                let row = |i: usize| [cells[i], cells[i + 1]].repeat(40);
                let x: Vec<_> = row(0).into_iter().chain(row(2)).collect();
                let (y, places) = max(&window, &x);
                let dx = max_backward(&window, &places, &vec![1.0; y.len()]);
                let first = [dx[0], dx[1], dx[80], dx[81]];
                assert!((0..40).all(|j| [dx[2 * j], dx[2 * j + 1], dx[80 + 2 * j], dx[81 + 2 * j]] == first));
                assert!(y.iter().all(|x| x.to_bits() == y[0].to_bits()));
                (y[0], first.iter().position(|&g| g == 1.0).unwrap())
            };
            let low = f32::NEG_INFINITY;
            assert_eq!(of([1.0, 1.0, 0.0, 1.0]), (1.0, 0));
            assert_eq!(of([0.0, 1.0, 1.0, -2.0]), (1.0, 1));
            assert_eq!(of([-0.0, 0.0, 0.0, 0.0]).1, 0);
            assert_eq!(of([low; 4]), (low, 0));
            for at in 0..4 {
                let mut cells = [1.0, f32::INFINITY, 3.0, low];
                cells[at] = f32::NAN;
                let (most, place) = of(cells);
                assert!(most.is_nan() && place == at);
            }
        }
    });
}

#[test]
fn what_is_no_pooling_is_told() {
    assert_eq!(PAIRS.out(), Some([16, 16]));
    for window in [
        Window { kernel: [33, 2], ..PAIRS },
        Window { kernel: [0, 2], ..PAIRS },
        Window { stride: [2, 0], ..PAIRS },
        Window { padding: [0, 2], ..PAIRS },
        Window { padding: [usize::MAX, 0], ..PAIRS },
        Window { kernel: [1 << 40, 1 << 40], padding: [1 << 39, 1 << 39], ..PAIRS },
        Window { kernel: [usize::MAX, 2], padding: [usize::MAX / 2, 0], ..PAIRS },
        Window { size: [0, 5], ..PAIRS },
    ] {
        assert_eq!(window.out(), None, "{window:?}");
    }
    let nothing = max::<f32>(&PAIRS, &[]);
    assert!(nothing.0.is_empty() && max_backward::<f32>(&PAIRS, &nothing.1, &[]).is_empty());
    assert!(avg::<f32>(&Bins::adaptive([0, 3], [2, 2]), &[]).is_empty());
    assert_eq!(avg_backward::<f32>(&Bins::adaptive([2, 2], [0, 3]), 1, &[]), [0.0; 4]);
}

#[test]
fn results_do_not_depend_on_threads() {
    each_isa(|_| {
        for window in [PAIRS, Window { kernel: [3, 3], padding: [1, 1], ..PAIRS }] {
            let planes = 100;
            assert!(planes > job(32 * 32));
            let mut numbers = Numbers(13);
            let x = numbers.vec::<f32>(planes * 32 * 32);
            let dy = numbers.vec::<f32>(planes * 16 * 16);
            let bins = Bins::sliding(&window);
            same_for_any_threads(|| {
                let (y, places) = max(&window, &x);
                let dx = max_backward(&window, &places, &dy);
                (y, dx, avg(&bins, &x), avg_backward(&bins, planes, &dy))
            });
        }
    });
}
