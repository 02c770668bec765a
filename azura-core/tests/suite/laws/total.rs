//! No argument makes a named method panic: it gives a result, whose derivative can be taken, or an error.

use super::{Dice, LAYOUTS, Laid, Result, T, shape};
use azura_core::{Attention, Ids, Mask};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::{cell::RefCell, collections::BTreeMap};

/// Arguments of any kind, right or wrong.
#[derive(Debug, Clone)]
struct Arguments {
    axis: isize,
    axes: Vec<isize>,
    flag: bool,
    counts: Vec<usize>,
    pairs: Vec<(usize, usize)>,
    numbers: [f64; 2],
    ids: Ids,
    mask: Mask,
}

/// Two shapes and layouts, some special numbers, where the dice start.
type Case = ([Vec<usize>; 2], [usize; 2], Vec<f64>, u64, Arguments);

type Operation = (&'static str, fn(&[T], &Arguments) -> Result);

/// Every method of the elementwise operations, the reductions, the shapes and the products.
const OPERATIONS: &[Operation] = &[
    ("add", |x, _| x[0].add(&x[1])),
    ("sub", |x, _| x[0].sub(&x[1])),
    ("mul", |x, _| x[0].mul(&x[1])),
    ("div", |x, _| x[0].div(&x[1])),
    ("pow", |x, _| x[0].pow(&x[1])),
    ("minimum", |x, _| x[0].minimum(&x[1])),
    ("maximum", |x, _| x[0].maximum(&x[1])),
    ("where", |x, a| T::select(&a.mask, &x[0], &x[1])),
    ("neg", |x, _| x[0].neg()),
    ("abs", |x, _| x[0].abs()),
    ("sign", |x, _| x[0].sign()),
    ("exp", |x, _| x[0].exp()),
    ("expm1", |x, _| x[0].expm1()),
    ("ln", |x, _| x[0].ln()),
    ("log1p", |x, _| x[0].log1p()),
    ("sqrt", |x, _| x[0].sqrt()),
    ("square", |x, _| x[0].square()),
    ("powf", |x, a| x[0].powf(a.numbers[0])),
    ("sin", |x, _| x[0].sin()),
    ("cos", |x, _| x[0].cos()),
    ("sigmoid", |x, _| x[0].sigmoid()),
    ("tanh", |x, _| x[0].tanh()),
    ("scale", |x, a| x[0].scale(a.numbers[0])),
    ("shift", |x, a| x[0].shift(a.numbers[0])),
    ("clamp", |x, a| x[0].clamp(a.numbers[0], a.numbers[1])),
    ("relu", |x, _| x[0].relu()),
    ("leaky_relu", |x, a| x[0].leaky_relu(a.numbers[0])),
    ("elu", |x, a| x[0].elu(a.numbers[0])),
    ("gelu", |x, _| x[0].gelu()),
    ("gelu_tanh", |x, _| x[0].gelu_tanh()),
    ("silu", |x, _| x[0].silu()),
    ("softplus", |x, _| x[0].softplus()),
    ("sum", |x, a| x[0].sum(&a.axes, a.flag)),
    ("mean", |x, a| x[0].mean(&a.axes, a.flag)),
    ("var", |x, a| x[0].var(&a.axes, a.flag, a.pairs.len())),
    ("std", |x, a| x[0].std(&a.axes, a.flag, a.pairs.len())),
    ("max", |x, a| x[0].max(&a.axes, a.flag)),
    ("min", |x, a| x[0].min(&a.axes, a.flag)),
    ("argmax", |x, a| {
        let ids = x[0].argmax(a.axis, a.flag)?;
        Ok(T::from(ids.mapv(f64::from)))
    }),
    ("logsumexp", |x, a| x[0].logsumexp(&a.axes, a.flag)),
    ("cumsum", |x, a| x[0].cumsum(a.axis)),
    ("sum_all", |x, _| x[0].sum_all()),
    ("mean_all", |x, _| x[0].mean_all()),
    ("reshape", |x, a| x[0].reshape(&a.counts)),
    ("reshape, right", |x, _| x[0].reshape(&[x[0].len(), 1])),
    ("permute", |x, a| x[0].permute(&a.axes)),
    ("transpose", |x, _| x[0].transpose()),
    ("slice", |x, a| {
        let (start, end) = a.pairs.first().copied().unwrap_or((0, 1));
        x[0].slice(a.axis, start..end)
    }),
    ("concat", |x, a| T::concat(a.axis, &[&x[0], &x[1]])),
    ("stack", |x, a| T::stack(a.axis, &[&x[0], &x[1]])),
    ("split", |x, a| x[0].split(a.axis, &a.counts)?.first().map_or(Ok(T::scalar(0.0)), |x| Ok(x.clone()))),
    ("split, right", |x, _| Ok(x[0].split(-1, &[0, x[0].shape().last().copied().unwrap_or(0)])?.remove(1))),
    ("pad", |x, a| x[0].pad(&a.pairs, a.numbers[0])),
    ("flip", |x, a| x[0].flip(&a.axes)),
    ("expand", |x, a| x[0].expand(&a.counts)),
    ("expand, right", |x, _| x[0].expand(x[1].shape())),
    ("squeeze", |x, a| x[0].squeeze(a.axis)),
    ("unsqueeze", |x, a| x[0].unsqueeze(a.axis)),
    ("index_select", |x, a| x[0].index_select(a.axis, &a.ids)),
    ("gather", |x, a| x[0].gather(a.axis, &a.ids)),
    ("scatter_add", |x, a| x[0].scatter_add(a.axis, &a.ids, &x[1])),
    ("index_select, right", |x, a| x[0].index_select(a.axis, &Ids::zeros(vec![a.counts.len()]))),
    ("gather, right", |x, a| x[0].gather(a.axis, &Ids::zeros(x[1].shape()))),
    ("scatter_add, right", |x, a| x[0].scatter_add(a.axis, &Ids::zeros(x[1].shape()), &x[1])),
    ("matmul", |x, _| x[0].matmul(&x[1])),
    ("matmul, right", |x, _| x[0].transpose()?.matmul(&x[1])),
    ("linear", |x, _| x[0].linear(&x[1], None)),
    ("attention", |x, a| {
        let how = Attention { causal: a.flag, mask: Some(&a.mask), scale: Some(a.numbers[0]) };
        x[0].attention(&x[1], &x[1], &how)
    }),
    ("attention, right", |x, a| {
        let how = Attention { causal: a.flag, ..Attention::default() };
        x[0].attention(&x[0], &x[0], &how)
    }),
    ("mse", |x, _| x[0].mse(&x[1])),
];

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![4 => -3.0..3.0, 1 => prop::sample::select(vec![0.0, -0.0, 1e308, f64::INFINITY, f64::NEG_INFINITY, f64::NAN])]
}

/// Lengths that cannot be multiplied, or whose product is 0.
fn too_many() -> impl Strategy<Value = Vec<usize>> {
    const MANY: usize = 1 << 40;
    let lengths = [vec![1, MANY, MANY], vec![MANY, 0, usize::MAX], vec![0, MANY, MANY], vec![usize::MAX]];
    prop::sample::select(lengths.to_vec())
}

prop_compose! {
    fn arguments()(
        axis in -5..5_isize,
        axes in prop_oneof![vec(-2..2_isize, 0..3), Just(vec![0, 1, 2]), Just(vec![-1])],
        flag: bool,
        counts in prop_oneof![8 => vec(0..6_usize, 0..4), 1 => too_many()],
        pairs in prop_oneof![8 => vec((0..3_usize, 0..3_usize), 0..4), 1 => Just(vec![(usize::MAX, 1)])],
        numbers in [number(), number()],
        shapes in [shape(), shape()],
        largest in 1..6_usize,
        seed: u64,
    ) -> Arguments {
        let dice = &mut Dice(seed);
        let [ids, mask] = shapes.map(|shape| dice.narrower(&shape));
        let (ids, mask) = (dice.ids(&ids, largest), dice.mask(&mask));
        Arguments { axis, axes, flag, counts, pairs, numbers, ids, mask }
    }
}

#[test]
fn nothing_panics_and_every_result_can_be_differentiated() {
    let cases = ([shape(), shape()], [0..LAYOUTS, 0..LAYOUTS], vec(number(), 8), any::<u64>(), arguments());
    let seen = RefCell::new(BTreeMap::<&str, usize>::new());
    let run = |(shapes, layouts, special, seed, arguments): Case| {
        let dice = &mut Dice(seed);
        let [a, b] = shapes;
        // Two random shapes seldom go together.
        let b = match dice.below(4) {
            0 => b,
            1 => a.clone(),
            2 => dice.narrower(&a),
            _ => arguments.ids.shape().to_vec(),
        };
        let inputs = [(&a, layouts[0]), (&b, layouts[1])].map(|(shape, layout)| {
            let mut laid = Laid::new(shape, layout, dice);
            laid.param.update(|values| {
                for value in values {
                    if dice.below(3) == 0 {
                        *value = special[dice.below(special.len())];
                    }
                }
            });
            laid
        });
        for (name, f) in OPERATIONS {
            let result = f(&inputs.each_ref().map(Laid::tensor), &arguments);
            let name = name.split(',').next().unwrap();
            *seen.borrow_mut().entry(name).or_default() += usize::from(result.is_ok());
            match result {
                Ok(y) if y.is_tracked() => drop(y.sum_all().unwrap().backward().unwrap()),
                Ok(_) => {}
                Err(error) => assert!(error.to_string().contains(": "), "{error}"),
            }
        }
        Ok(())
    };
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    runner.run(&cases, run).unwrap();
    // Each has been seen to work, and not just once.
    for (name, worked) in seen.into_inner() {
        assert!(worked >= 8, "{name} worked {worked} times");
    }
}
