//! Of a linear operation A, `<A x, y> = <x, A' y>` for all x and y, where A' is its derivative; and A is additive.

use super::{Dice, LAYOUTS, Laid, Result, T, assert_close, gradient, inner, shape};
use azura_core::Attention;
use proptest::prelude::*;

type Linear = Box<dyn Fn(&T) -> Result>;

#[derive(Default)]
struct Operations(Vec<(&'static str, Linear)>);

impl Operations {
    fn add(&mut self, name: &'static str, f: impl Fn(&T) -> Result + 'static) {
        self.0.push((name, Box::new(f)));
    }
}

/// Every linear operation that takes this shape, with random arguments.
fn operations(shape: &[usize], dice: &mut Dice) -> Operations {
    let mut all = Operations::default();
    let rank = shape.len();
    let (axes, keepdims) = (dice.axes(rank), dice.flag());
    let (flipped, order) = (dice.axes(rank), dice.order(rank));
    {
        let axes = axes.clone();
        all.add("sum", move |x| x.sum(&axes, keepdims));
    }
    // The mean of nothing is NaN.
    if !shape.contains(&0) {
        all.add("mean", move |x| x.mean(&axes, keepdims));
    }
    all.add("flip", move |x| x.flip(&flipped));
    all.add("permute", move |x| x.permute(&order));
    all.add("neg", T::neg);
    all.add("scale", |x| x.scale(-1.5));

    let count: usize = shape.iter().product();
    let mut split: Vec<usize> = (2..=count).filter(|d| count.is_multiple_of(*d)).take(1).collect();
    split.extend([count / split.first().copied().unwrap_or(1)]);
    all.add("reshape", move |x| x.reshape(&split));
    let margins: Vec<_> = (0..rank).map(|_| (dice.below(3), dice.below(3))).collect();
    all.add("pad", move |x| x.pad(&margins, 0.0));
    let mut wider = shape.to_vec();
    wider.insert(0, dice.below(3));
    for length in wider.iter_mut().filter(|length| **length == 1) {
        *length = dice.below(4);
    }
    all.add("expand", move |x| x.expand(&wider));
    let position = dice.below(rank + 1) as isize;
    all.add("unsqueeze", move |x| x.unsqueeze(position)?.squeeze(position));
    let other = T::from(dice.numbers(shape));
    all.add("stack", move |x| T::stack(position, &[x, &x.scale(2.0)?, &other.scale(0.0)?]));

    let (mask, other) = (dice.mask(shape), T::zeros(shape));
    all.add("where", move |x| T::select(&mask, x, &other));
    let (mask, other) = (dice.mask(shape), T::scalar(0.0));
    all.add("where", move |x| T::select(&mask, &other, x));
    if let Some(index) = (rank > 0).then(|| dice.below(rank)) {
        along(shape, index, dice, &mut all);
        products(shape, dice, &mut all);
    }
    all
}

/// Those that go along an axis.
fn along(shape: &[usize], index: usize, dice: &mut Dice, all: &mut Operations) {
    let length = shape[index];
    let axis = if dice.flag() { index as isize } else { index as isize - shape.len() as isize };
    all.add("cumsum", move |x| x.cumsum(axis));
    let start = dice.below(length + 1);
    let end = start + dice.below(length - start + 1);
    all.add("slice", move |x| x.slice(axis, start..end));
    all.add("split", move |x| Ok(x.split(axis, &[start, end - start, length - end])?[1].clone()));
    let mut own = shape.to_vec();
    own[index] = dice.below(4);
    let zeros = T::zeros(&own);
    all.add("concat", move |x| T::concat(axis, &[x, &zeros, &x.neg()?, x]));

    let picks = if length == 0 { 0 } else { dice.below(5) };
    let ids = dice.ids(&[picks], length);
    all.add("index_select", move |x| x.index_select(axis, &ids));
    // Nowhere longer, but along the axis.
    let mut some: Vec<usize> = shape.iter().map(|&n| dice.below(n + 1)).collect();
    some[index] = picks;
    let ids = dice.ids(&some, length);
    let source = T::zeros(&some);
    let (a, b) = (ids.clone(), ids);
    all.add("gather", move |x| x.gather(axis, &a));
    all.add("scatter_add", move |x| x.scatter_add(axis, &b, &source));
    let mut target: Vec<usize> = shape.iter().map(|&n| n + dice.below(3)).collect();
    target[index] = 1 + dice.below(3);
    let ids = dice.ids(shape, target[index]);
    all.add("scatter_add, source", move |x| T::zeros(&target).scatter_add(axis, &ids, x));
}

/// Products with a constant on either side.
fn products(shape: &[usize], dice: &mut Dice, all: &mut Operations) {
    let (own, last) = match *shape {
        [] => return,
        [k] => (&[][..], [1, k]),
        [ref own @ .., m, k] => (own, [m, k]),
    };
    // The other's leading axes: such that broadcast to these, or that these broadcast to.
    let mut others = if dice.flag() { dice.narrower(own) } else { own.to_vec() };
    if dice.flag() && others.len() == own.len() {
        others.insert(0, 2);
    }
    let length = 1 + dice.below(3);
    let right = T::from(dice.numbers(&[&others[..], &[last[1], length]].concat()));
    all.add("matmul, left", move |x| x.matmul(&right));
    let column = T::from(dice.numbers(&[last[1]]));
    all.add("matmul, left, by a column", move |x| x.matmul(&column));
    let rows = if shape.len() == 1 { last[1] } else { last[0] };
    let left = T::from(dice.numbers(&[&others[..], &[length, rows]].concat()));
    all.add("matmul, right", move |x| left.matmul(x));
    let row = T::from(dice.numbers(&[rows]));
    all.add("matmul, right, by a row", move |x| row.matmul(x));
    // Attention is linear in the values.
    let (q, k) =
        (T::from(dice.numbers(&[&others[..], &[length, 2]].concat())), T::from(dice.numbers(&[rows, 2])));
    let (mask, causal) = (dice.mask(&[length, rows]), dice.flag());
    if shape.len() > 1 {
        all.add("attention", move |x| {
            q.attention(&k, x, &Attention { causal, mask: Some(&mask), scale: None })
        });
    }
    let weight = T::from(dice.numbers(&[length, last[1]]));
    all.add("linear", move |x| x.linear(&weight, None));
}

proptest! {
    #[test]
    fn a_derivative_is_the_adjoint(shape in shape(), layout in 0..LAYOUTS, seed: u64) {
        let dice = &mut Dice(seed);
        for (name, f) in operations(&shape, dice).0 {
            let what = format!("{name} of {shape:?}");
            let x = Laid::new(&shape, layout, dice);
            let y = f(&x.tensor()).unwrap_or_else(|error| panic!("{what}: {error}"));
            let weights = T::from(dice.numbers(y.shape()));
            let product = y.mul(&weights).unwrap();
            let adjoint = gradient(&product, &x.param);
            let (left, right) = (inner(&y, &weights), inner(&x.param.constant(), &adjoint));
            assert_close(&what, &T::scalar(left), &T::scalar(right));

            let other = T::from(dice.numbers(&shape));
            let of_sum = f(&x.tensor().add(&other).unwrap()).unwrap();
            assert_close(&what, &of_sum, &y.add(&f(&other).unwrap()).unwrap());
        }
    }
}
