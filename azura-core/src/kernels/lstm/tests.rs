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
    bias: Vec<T>,
    h0: Vec<T>,
    c0: Vec<T>,
    dy: Vec<T>,
    dc: Vec<T>,
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
            w_ih: vec(4 * hidden * input),
            w_hh: vec(4 * hidden * hidden),
            bias: vec(4 * hidden),
            h0: vec(batch * hidden),
            c0: vec(batch * hidden),
            dy: vec(which.count(&dims) * batch * hidden),
            dc: vec(batch * hidden),
        }
    }

    fn weights(&self) -> Weights<'_, T> {
        Weights { w_ih: &self.w_ih, w_hh: &self.w_hh, bias: &self.bias }
    }

    fn forward(&self, save: bool) -> Forward<T> {
        let state = Some((&*self.h0, &*self.c0));
        forward(self.dims, &self.x, self.weights(), state, self.steps, self.direction, save)
    }

    fn backward(&self) -> Gradients<T> {
        let saved = self.forward(true).saved.unwrap();
        backward(saved, self.weights(), &self.dy, Some(&self.dc), Wanted { x: true, state: true })
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
            bias: cast(&self.bias),
            h0: cast(&self.h0),
            c0: cast(&self.c0),
            dy: cast(&self.dy),
            dc: cast(&self.dc),
        }
    }
}

impl<T> Case<T> {
    /// The inputs that have gradients, with their names.
    fn inputs(&mut self) -> [(&'static str, &mut Vec<T>); 6] {
        let Self { x, w_ih, w_hh, bias, h0, c0, .. } = self;
        [("x", x), ("w_ih", w_ih), ("w_hh", w_hh), ("bias", bias), ("h0", h0), ("c0", c0)]
    }
}

impl<T> Gradients<T> {
    fn into_array(self) -> [Vec<T>; 6] {
        let (h0, c0) = self.state.unwrap();
        [self.x.unwrap(), self.w_ih, self.w_hh, self.bias, h0, c0]
    }
}

/// The formulas as they stand: all hidden states and the last cell state.
fn by_definition(case: &Case<f64>) -> (Vec<f64>, Vec<f64>) {
    let Dims { batch, steps, input, hidden } = case.dims;
    let (mut h, mut c, mut y) = (case.h0.clone(), case.c0.clone(), vec![Vec::new(); steps]);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for t in times(case.direction, steps) {
        let before = h.clone();
        for b in 0..batch {
            for j in 0..hidden {
                let gate = |gate: usize| {
                    let row = gate * hidden + j;
                    let x = &case.x[(b * steps + t) * input..][..input];
                    let from_x: f64 = x.iter().zip(&case.w_ih[row * input..]).map(|(x, w)| x * w).sum();
                    let h = &before[b * hidden..][..hidden];
                    let from_h: f64 = h.iter().zip(&case.w_hh[row * hidden..]).map(|(h, w)| h * w).sum();
                    case.bias[row] + from_x + from_h
                };
                let at = b * hidden + j;
                c[at] = sigmoid(gate(1)) * c[at] + sigmoid(gate(0)) * gate(2).tanh();
                h[at] = sigmoid(gate(3)) * c[at].tanh();
            }
        }
        y[t].clone_from(&h);
    }
    let y = if case.steps == Steps::Last { h } else { y.concat() };
    (y, c)
}

#[test]
fn forward_is_the_definition() {
    each_isa(|_| {
        for shape in SHAPES {
            for which in WHICH {
                let case = Case::<f64>::new(shape, which);
                let (y, c) = by_definition(&case);
                for save in [false, true] {
                    let got = case.forward(save);
                    assert_close("y", &got.y, &y, 1e-13);
                    assert_close("c", &got.c, &c, 1e-13);
                    let got = case.cast::<f32>().forward(save);
                    assert_close("y", &got.y, &y, 2e-6);
                    assert_close("c", &got.c, &c, 2e-6);
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
                    let (y, c) = by_definition(case);
                    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                    dot(&y, &case.dy) + dot(&c, &case.dc)
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
    let run = |state, dc, wanted| {
        let out = forward(case.dims, &case.x, case.weights(), state, case.steps, case.direction, true);
        backward(out.saved.unwrap(), case.weights(), &case.dy, dc, wanted)
    };
    let all = Wanted { x: true, state: true };
    each_isa(|_| {
        let full = run(Some((&*zeros, &*zeros)), Some(&zeros), all);
        let few = run(None, None, Wanted::default());
        assert!(few.x.is_none() && few.state.is_none());
        assert_eq!((&few.w_ih, &few.w_hh, &few.bias), (&full.w_ih, &full.w_hh, &full.bias));
    });
}

#[test]
fn nothing_is_no_problem() {
    for shape in [[0, 2, 3, 4], [2, 0, 3, 4], [2, 3, 0, 4], [2, 3, 4, 0], [0, 0, 0, 0]] {
        for which in WHICH {
            let case = Case::<f64>::new(shape, which);
            let out = case.forward(true);
            assert_eq!((out.y.len(), out.c.len()), (case.dy.len(), case.dc.len()));
            let [x, w_ih, w_hh, bias, h0, c0] = case.backward().into_array();
            let lens = [x, w_ih, w_hh, bias, h0.clone(), c0.clone()].map(|g| g.len());
            let mut case = case;
            assert_eq!(lens, case.inputs().map(|(_, input)| input.len()));
            if case.dims.steps == 0 {
                let last = which.0 == Steps::Last;
                assert_eq!(h0, if last { case.dy } else { vec![0.0; case.h0.len()] });
                assert_eq!(out.y, if last { case.h0 } else { vec![] });
                assert_eq!(out.c, case.c0);
                assert_eq!(c0, case.dc);
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
                let out = case.forward(true);
                let inference = case.forward(false);
                assert!(out.y == inference.y && out.c == inference.c);
                (out.y, out.c, case.backward().into_array())
            };
            let (y, c, gradients) = same_for_any_threads(run);
            assert!(y.iter().chain(&c).chain(gradients.iter().flatten()).all(|x| x.is_finite()));
        }
    });
}
