use super::*;
use crate::kernels::{
    Kernel,
    sequence::testing::{SHAPES, WHICH, check_gradients, times},
    testing::{Numbers, assert_close, each_isa, same_for_any_threads},
};

/// Everything a pass takes.
#[derive(Clone)]
struct Case<T> {
    dims: Dims,
    steps: Steps,
    direction: Direction,
    x: Vec<T>,
    w_ih: Vec<T>,
    w_hh: Vec<T>,
    b_ih: Vec<T>,
    b_hh: Vec<T>,
    h0: Vec<T>,
    dy: Vec<T>,
}

impl<T: Kernel> Case<T> {
    fn new([batch, steps, input, hidden]: [usize; 4], (which, direction): (Steps, Direction)) -> Self {
        let dims = Dims { batch, steps, input, hidden };
        let mut numbers = Numbers(7);
        let mut vec = |len| numbers.vec(len);
        Self {
            dims,
            steps: which,
            direction,
            x: vec(batch * steps * input),
            w_ih: vec(3 * hidden * input),
            w_hh: vec(3 * hidden * hidden),
            b_ih: vec(3 * hidden),
            b_hh: vec(3 * hidden),
            h0: vec(batch * hidden),
            dy: vec(which.count(&dims) * batch * hidden),
        }
    }

    fn weights(&self) -> Weights<'_, T> {
        Weights { w_ih: &self.w_ih, w_hh: &self.w_hh, b_ih: &self.b_ih, b_hh: &self.b_hh }
    }

    fn forward(&self, save: bool) -> Forward<T> {
        forward(self.dims, &self.x, self.weights(), Some(&self.h0), self.steps, self.direction, save)
    }

    fn backward(&self) -> Gradients<T> {
        let saved = self.forward(true).saved.unwrap();
        backward(saved, self.weights(), &self.dy, Wanted { x: true, state: true })
    }

    fn cast<U: Kernel>(&self) -> Case<U> {
        let cast = |xs: &[T]| xs.iter().map(|&x| U::from(x).unwrap()).collect();
        Case {
            dims: self.dims,
            steps: self.steps,
            direction: self.direction,
            x: cast(&self.x),
            w_ih: cast(&self.w_ih),
            w_hh: cast(&self.w_hh),
            b_ih: cast(&self.b_ih),
            b_hh: cast(&self.b_hh),
            h0: cast(&self.h0),
            dy: cast(&self.dy),
        }
    }
}

impl<T> Case<T> {
    /// The inputs that have gradients, with their names.
    fn inputs(&mut self) -> [(&'static str, &mut Vec<T>); 6] {
        let Self { x, w_ih, w_hh, b_ih, b_hh, h0, .. } = self;
        [("x", x), ("w_ih", w_ih), ("w_hh", w_hh), ("b_ih", b_ih), ("b_hh", b_hh), ("h0", h0)]
    }
}

impl<T> Gradients<T> {
    fn into_array(self) -> [Vec<T>; 6] {
        [self.x.unwrap(), self.w_ih, self.w_hh, self.b_ih, self.b_hh, self.state.unwrap()]
    }
}

/// The formulas as they stand.
fn by_definition(case: &Case<f64>) -> Vec<f64> {
    let Dims { batch, steps, input, hidden } = case.dims;
    let (mut h, mut y) = (case.h0.clone(), vec![Vec::new(); steps]);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for t in times(case.direction, steps) {
        let before = h.clone();
        for b in 0..batch {
            for j in 0..hidden {
                let dot = |x: &[f64], w: &[f64]| x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>();
                let (x, state) =
                    (&case.x[(b * steps + t) * input..][..input], &before[b * hidden..][..hidden]);
                let rows = [0, 1, 2].map(|gate| gate * hidden + j);
                let by_x = rows.map(|row| case.b_ih[row] + dot(x, &case.w_ih[row * input..]));
                let by_h = rows.map(|row| case.b_hh[row] + dot(state, &case.w_hh[row * hidden..]));
                let (r, z) = (sigmoid(by_x[0] + by_h[0]), sigmoid(by_x[1] + by_h[1]));
                let n = (by_x[2] + r * by_h[2]).tanh();
                h[b * hidden + j] = (1.0 - z) * n + z * state[j];
            }
        }
        y[t].clone_from(&h);
    }
    if case.steps == Steps::Last { h } else { y.concat() }
}

#[test]
fn forward_is_the_definition() {
    each_isa(|_| {
        for shape in SHAPES {
            for which in WHICH {
                let case = Case::<f64>::new(shape, which);
                let y = by_definition(&case);
                for save in [false, true] {
                    assert_close("y", &case.forward(save).y, &y, 1e-13);
                    assert_close("y", &case.cast::<f32>().forward(save).y, &y, 2e-6);
                }
            }
        }
    });
}

#[test]
fn gradients_are_central_differences() {
    each_isa(|_| {
        for shape in SHAPES {
            for which in WHICH {
                let mut case = Case::<f64>::new(shape, which);
                let loss = |case: &Case<f64>| {
                    by_definition(case).iter().zip(&case.dy).map(|(y, dy)| y * dy).sum::<f64>()
                };
                let exact = case.backward().into_array();
                let single = case.cast::<f32>().backward().into_array();
                check_gradients(&mut case, Case::inputs, loss, &exact, &single);
            }
        }
    });
}

#[test]
fn state_and_input_gradients_are_optional() {
    let case = Case::<f64>::new([3, 4, 2, 5], WHICH[0]);
    let zeros = vec![0.0; 15];
    let run = |state, wanted| {
        let out = forward(case.dims, &case.x, case.weights(), state, case.steps, case.direction, true);
        backward(out.saved.unwrap(), case.weights(), &case.dy, wanted)
    };
    let all = Wanted { x: true, state: true };
    each_isa(|_| {
        let full = run(Some(&*zeros), all);
        let few = run(None, Wanted::default());
        assert!(few.x.is_none() && few.state.is_none());
        assert_eq!((&few.w_ih, &few.w_hh), (&full.w_ih, &full.w_hh));
        assert_eq!((&few.b_ih, &few.b_hh), (&full.b_ih, &full.b_hh));
    });
}

#[test]
fn nothing_is_no_problem() {
    for shape in [[0, 2, 3, 4], [2, 0, 3, 4], [2, 3, 0, 4], [2, 3, 4, 0], [0, 0, 0, 0]] {
        for which in WHICH {
            let case = Case::<f64>::new(shape, which);
            let out = case.forward(true);
            assert_eq!(out.y.len(), case.dy.len());
            let gradients = case.backward().into_array();
            let lens = gradients.each_ref().map(Vec::len);
            let mut case = case;
            assert_eq!(lens, case.inputs().map(|(_, input)| input.len()));
            if case.dims.steps == 0 {
                let last = which.0 == Steps::Last;
                let [.., h0] = gradients;
                assert_eq!(h0, if last { case.dy } else { vec![0.0; case.h0.len()] });
                assert_eq!(out.y, if last { case.h0 } else { vec![] });
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_threads_or_old_buffers() {
    each_isa(|_| {
        for (batch, which) in [(32, WHICH[1]), (50, WHICH[0]), (50, WHICH[2])] {
            let case = Case::<f32>::new([batch, 20, 11, 100], which);
            let run = || {
                let y = case.forward(true).y;
                assert!(y == case.forward(false).y);
                (y, case.backward().into_array())
            };
            let (y, gradients) = same_for_any_threads(run);
            assert!(y.iter().chain(gradients.iter().flatten()).all(|x| x.is_finite()));
        }
    });
}
