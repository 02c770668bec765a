//! Broadcasting is nothing but repetition: values and gradients are those of the repeated inputs.

use super::{Dice, LAYOUTS, Laid, Result, T, assert_close, gradient, shape};
use azura_core::Mask;
use proptest::prelude::*;

type Binary = fn(&T, &T) -> Result;

const OPERATIONS: [(&str, Binary); 7] = [
    ("add", T::add),
    ("sub", T::sub),
    ("mul", T::mul),
    ("div", T::div),
    ("minimum", T::minimum),
    ("maximum", T::maximum),
    ("pow", |a, b| a.square()?.shift(0.1)?.pow(b)),
];

/// That `f` of two tensors is `f` of the two repeated under `shape`.
fn check(what: &str, shape: &[usize], inputs: [&Laid; 2], weights: &T, f: impl Fn(&T, &T) -> Result) {
    let [a, b] = inputs;
    let direct = f(&a.tensor(), &b.tensor()).unwrap();
    let repeated = f(&a.tensor().expand(shape).unwrap(), &b.tensor().expand(shape).unwrap()).unwrap();
    assert_eq!(direct.shape(), shape, "{what}");
    assert_eq!(direct.to_vec(), repeated.to_vec(), "{what}");
    for param in [&a.param, &b.param] {
        // A graph is walked once.
        let direct = f(&a.tensor(), &b.tensor()).unwrap().mul(weights).unwrap();
        let repeated = f(&a.tensor().expand(shape).unwrap(), &b.tensor().expand(shape).unwrap());
        let repeated = repeated.unwrap().mul(weights).unwrap();
        assert_close(what, &gradient(&direct, param), &gradient(&repeated, param));
    }
}

proptest! {
    #[test]
    fn inputs_are_as_if_they_were_repeated(
        shape in shape(),
        layouts in [0..LAYOUTS, 0..LAYOUTS],
        seed: u64,
    ) {
        let dice = &mut Dice(seed);
        let (mut left, mut right) = (dice.narrower(&shape), dice.narrower(&shape));
        // Each axis is whole in one of them.
        for i in 0..shape.len() {
            let whole = |own: &[usize]| (i + own.len()).checked_sub(shape.len()).is_some_and(|j| own[j] == shape[i]);
            if !whole(&left) && !whole(&right) {
                if dice.flag() { left = shape.clone() } else { right = shape.clone() }
            }
        }
        let a = Laid::new(&left, layouts[0], dice);
        let b = Laid::new(&right, layouts[1], dice);
        let weights = T::from(dice.numbers(&shape));
        for (name, f) in OPERATIONS {
            check(&format!("{name} {left:?} {right:?}"), &shape, [&a, &b], &weights, f);
        }
        let narrow = dice.narrower(&shape);
        let mask = dice.mask(&narrow);
        let full: Mask = mask.broadcast(shape.as_slice()).unwrap().to_shared();
        check(&format!("where {narrow:?} {left:?} {right:?}"), &shape, [&a, &b], &weights, |a, b| {
            // Whether the mask is repeated by hand or not.
            T::select(if a.shape() == shape && b.shape() == shape { &full } else { &mask }, a, b)
        });
    }
}
