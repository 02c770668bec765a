//! Laws that hold for every shape, every layout and every operation of a kind, tried on random ones.

mod adjoint;
mod attention;
mod broadcast;
mod graph;
mod total;

use azura_core::{Ids, Mask, ParamBase, TensorBase, ndarray};
use ndarray::{Array, IxDyn};
use proptest::prelude::*;

type T = TensorBase<f64>;
type Param = ParamBase<f64>;
type Result<R = T> = azura_core::Result<R>;

/// A small generator: proptest chooses where it starts.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Less than `n`, which is not 0.
    fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    /// Between -1 and 1.
    fn number(&mut self) -> f64 {
        self.next() as f64 / f64::from(1_u32 << 30) - 1.0
    }

    fn numbers(&mut self, shape: &[usize]) -> Array<f64, IxDyn> {
        Array::from_shape_simple_fn(shape, || self.number())
    }

    /// Indices of an axis of this length, which is not 0 if there are any.
    fn ids(&mut self, shape: &[usize], length: usize) -> Ids {
        Array::from_shape_simple_fn(shape, || self.below(length) as u32).into_shared()
    }

    fn mask(&mut self, shape: &[usize]) -> Mask {
        Array::from_shape_simple_fn(shape, || self.flag()).into_shared()
    }

    /// Each of 0 .. n once.
    fn order(&mut self, n: usize) -> Vec<isize> {
        let mut order: Vec<isize> = (0..n as isize).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }

    /// Some axes of so many, each at most once, from either end.
    fn axes(&mut self, rank: usize) -> Vec<isize> {
        let mut axes = self.order(rank);
        axes.truncate(self.below(rank + 1));
        axes.iter().map(|&axis| if self.flag() { axis } else { axis - rank as isize }).collect()
    }

    /// A shape that broadcasts to this one.
    fn narrower(&mut self, shape: &[usize]) -> Vec<usize> {
        let missing = if self.flag() { 0 } else { self.below(shape.len() + 1) };
        shape[missing..].iter().map(|&length| if self.below(3) == 0 { 1 } else { length }).collect()
    }
}

/// Up to four axes, some of them empty or of length 1, one perhaps as long as it takes for whole rows.
fn shape() -> impl Strategy<Value = Vec<usize>> {
    let length = prop_oneof![1 => Just(0_usize), 3 => Just(1), 8 => 2..5_usize, 2 => 8..12_usize];
    proptest::collection::vec(length, 0..5)
}

/// A parameter, and a tensor of the wanted shape that lies in memory in one of several ways.
struct Laid {
    param: Param,
    layout: usize,
}

const LAYOUTS: usize = 4;

impl Laid {
    fn new(shape: &[usize], layout: usize, dice: &mut Dice) -> Self {
        let inner: Vec<usize> = match layout {
            1 => shape.iter().rev().copied().collect(),
            3 => shape.iter().map(|length| length + 1).collect(),
            _ => shape.to_vec(),
        };
        Self { param: Param::new(dice.numbers(&inner)), layout }
    }

    fn tensor(&self) -> T {
        let x = self.param.tracked();
        let axes: Vec<isize> = (0..x.shape().len() as isize).collect();
        match self.layout {
            1 => x.permute(&axes.iter().rev().copied().collect::<Vec<_>>()).unwrap(),
            2 => x.flip(&axes).unwrap(),
            3 => axes.iter().fold(x, |x, &axis| {
                let length = x.shape()[axis as usize];
                x.slice(axis, 1..length).unwrap()
            }),
            _ => x,
        }
    }
}

/// The inner product of all elements.
fn inner(a: &T, b: &T) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.data().iter().zip(b.data()).map(|(a, b)| a * b).sum()
}

/// The derivative of the sum of all elements of `y` with respect to `param`; 0 if it does not depend on it.
fn gradient(y: &T, param: &Param) -> T {
    let zeros = T::zeros(param.shape());
    match y.sum_all().unwrap().backward() {
        Ok(grads) => grads.get(param).map_or(zeros, |grad| T::constant(grad.clone())),
        Err(azura_core::Error::Untracked) => zeros,
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn assert_close(what: &str, a: &T, b: &T) {
    assert_eq!(a.shape(), b.shape(), "{what}");
    for (a, b) in a.data().iter().zip(b.data()) {
        let close = (a - b).abs() <= 1e-11 * (1.0 + a.abs().max(b.abs()));
        assert!(close, "{what}: {a} and {b}");
    }
}
