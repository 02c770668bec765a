//! What holds for gradients whatever the graph.

use super::{Dice, Param, Result, T, assert_close};
use proptest::prelude::*;

/// How a node of a random graph is made: two earlier ones, which may be one and the same, joined in one of some ways.
#[derive(Debug, Clone)]
struct Step {
    how: usize,
    inputs: [usize; 2],
}

const SHAPES: [&[usize]; 3] = [&[2, 3], &[3], &[2, 1]];

impl Step {
    fn run(&self, nodes: &[Option<T>]) -> T {
        let [a, b] = self.inputs.map(|i| nodes[i].clone().unwrap());
        let y = match self.how {
            0 => a.add(&b),
            1 => a.mul(&b),
            2 => a.sub(&b).and_then(|y| y.tanh()),
            3 => a.sin().and_then(|y| y.maximum(&b)),
            4 => a.sigmoid().and_then(|y| y.div(&b.square()?.shift(1.0)?)),
            _ => a.expand(&[2, 3]).and_then(|y| y.transpose()?.matmul(&b.expand(&[2, 3])?)?.sum(&[0], false)),
        };
        y.unwrap()
    }
}

/// Parameters and steps; node `i` is parameter `i`, or step `i - SHAPES.len()`.
fn graph(dice: &mut Dice, steps: usize) -> (Vec<Param>, Vec<Step>) {
    let params = SHAPES.iter().map(|shape| Param::new(dice.numbers(shape))).collect();
    let steps = (0..steps).map(|i| {
        let mut input = || dice.below(SHAPES.len() + i);
        let inputs = [input(), input()];
        Step { how: dice.below(6), inputs }
    });
    (params, steps.collect())
}

/// The gradients of the sum of the last node, plus 0 times all others, built in the order that `choose` gives: of the
/// steps whose inputs are there, it names one.
fn built(params: &[Param], steps: &[Step], mut choose: impl FnMut(usize) -> usize) -> Vec<T> {
    let mut nodes: Vec<Option<T>> = params.iter().map(|param| Some(param.tracked())).collect();
    nodes.resize(params.len() + steps.len(), None);
    while nodes.iter().any(Option::is_none) {
        let ready: Vec<usize> = (0..steps.len())
            .filter(|&i| {
                nodes[params.len() + i].is_none() && steps[i].inputs.iter().all(|&i| nodes[i].is_some())
            })
            .collect();
        let next = ready[choose(ready.len())];
        nodes[params.len() + next] = Some(steps[next].run(&nodes));
    }
    let last = nodes.last().unwrap().clone().unwrap();
    let loss = nodes
        .iter()
        .flatten()
        .fold(last, |sum, node| sum.add(&node.scale(0.1).unwrap().sum_all().unwrap()).unwrap());
    gradients(&loss, params)
}

fn gradients(y: &T, params: &[Param]) -> Vec<T> {
    let grads = y.sum_all().unwrap().backward().unwrap();
    let of =
        |param: &Param| grads.get(param).map_or(T::zeros(param.shape()), |grad| T::constant(grad.clone()));
    params.iter().map(of).collect()
}

fn sum_of_squares(x: &[T]) -> Result {
    x[0].add(&x[1])?.mul(&x[2])?.square()?.sum_all()
}

fn waves(x: &[T]) -> Result {
    x[0].mul(&x[1])?.sin()?.add(&x[2].exp()?)?.mean_all()
}

proptest! {
    #[test]
    fn the_order_of_building_does_not_matter(steps in 1..12_usize, seed: u64) {
        let dice = &mut Dice(seed);
        let (params, steps) = graph(dice, steps);
        let first = built(&params, &steps, |_| 0);
        let last = built(&params, &steps, |ready| ready - 1);
        let any = built(&params, &steps, |ready| dice.below(ready));
        for ((a, b), c) in first.iter().zip(&last).zip(&any) {
            assert_close("last", a, b);
            assert_close("any", a, c);
        }
    }

    #[test]
    fn a_shared_leaf_has_the_sum_of_what_its_copies_have(steps in 1..12_usize, seed: u64) {
        // A copy of each parameter for each place where it is read, against one.
        let (params, steps) = graph(&mut Dice(seed), steps);
        let whole = {
            let mut nodes: Vec<_> = params.iter().map(|param| Some(param.tracked())).collect();
            for step in &steps {
                nodes.push(Some(step.run(&nodes)));
            }
            gradients(nodes.last().unwrap().as_ref().unwrap(), &params)
        };
        let mut copies: Vec<(usize, Param)> = Vec::new();
        let mut nodes: Vec<_> = params.iter().map(|param| Some(param.constant())).collect();
        for step in &steps {
            let mut own = nodes.clone();
            for &i in step.inputs.iter().filter(|&&i| i < params.len()) {
                let copy = Param::new(params[i].data().clone());
                own[i] = Some(copy.tracked());
                copies.push((i, copy));
            }
            nodes.push(Some(step.run(&own)));
        }
        let last = nodes.last().unwrap().as_ref().unwrap();
        prop_assume!(last.is_tracked());
        let grads = last.sum_all().unwrap().backward().unwrap();
        let mut sums: Vec<T> = params.iter().map(|param| T::zeros(param.shape())).collect();
        for (i, copy) in &copies {
            if let Some(grad) = grads.get(copy) {
                sums[*i] = sums[*i].add(&T::constant(grad.clone())).unwrap();
            }
        }
        for (a, b) in whole.iter().zip(&sums) {
            assert_close("shared", a, b);
        }
    }

    #[test]
    fn backward_is_linear(factors in [-2.0..2.0, -2.0..2.0_f64], seed: u64) {
        let dice = &mut Dice(seed);
        let params: Vec<_> = SHAPES.iter().map(|shape| Param::new(dice.numbers(shape))).collect();
        let x = || params.iter().map(Param::tracked).collect::<Vec<_>>();
        let of = |y: Result| gradients(&y.unwrap(), &params);
        let (f, g) = (of(sum_of_squares(&x())), of(waves(&x())));
        let sum = |f: &T, g: &T| f.scale(factors[0]).unwrap().add(&g.scale(factors[1]).unwrap()).unwrap();
        let both = of(Ok(sum(&sum_of_squares(&x()).unwrap(), &waves(&x()).unwrap())));
        for ((both, f), g) in both.iter().zip(&f).zip(&g) {
            assert_close("linear", both, &sum(f, g));
        }
    }
}
