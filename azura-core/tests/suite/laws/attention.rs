//! Attention is what it is made of, and does not care about the order of keys.

use super::{Dice, LAYOUTS, Laid, T, assert_close, gradient};
use azura_core::{Attention, Ids, Mask, ndarray::Axis};
use proptest::prelude::*;

/// Random queries, keys and values with some leading axes, and a mask for queries and keys.
fn inputs(dice: &mut Dice) -> ([Laid; 3], Mask) {
    let batch: Vec<usize> = (0..dice.below(3)).map(|_| 1 + dice.below(3)).collect();
    let [queries, keys, width, values] = [70, 70, 4, 4].map(|most| 1 + dice.below(most));
    let own = |of: [usize; 2], dice: &mut Dice| {
        let shape = [&dice.narrower(&batch)[..], &of].concat();
        let layout = dice.below(LAYOUTS);
        Laid::new(&shape, layout, dice)
    };
    let all = [[queries, width], [keys, width], [keys, values]].map(|of| own(of, dice));
    let mut mask = dice.mask(&[queries, keys]);
    // The composition has NaN where a query sees nothing.
    mask.index_axis_mut(Axis(1), 0).fill(true);
    (all, mask)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_is_a_softmax_of_products(seed: u64, causal: bool, masked: bool) {
        let dice = &mut Dice(seed);
        let (all, mask) = inputs(dice);
        let seen = Mask::from_shape_fn(mask.raw_dim(), |at| (!masked || mask[&at]) && (!causal || at[1] <= at[0]));
        let composed = |[q, k, v]: &[T; 3]| {
            let scale = (q.shape()[q.shape().len() - 1] as f64).sqrt().recip();
            let scores = q.matmul(&k.transpose()?)?.scale(scale)?;
            T::select(&seen, &scores, &T::scalar(f64::NEG_INFINITY))?.softmax(-1)?.matmul(v)
        };
        let fused = |[q, k, v]: &[T; 3]| {
            q.attention(k, v, &Attention { causal, mask: masked.then_some(&mask), scale: None })
        };
        let tensors = || all.each_ref().map(Laid::tensor);
        let (a, b) = (fused(&tensors()).unwrap(), composed(&tensors()).unwrap());
        assert_close("y", &a, &b);
        let weights = T::from(dice.numbers(a.shape()));
        for laid in &all {
            let of = |y: azura_core::Result<T>| gradient(&y.unwrap().mul(&weights).unwrap(), &laid.param);
            assert_close("gradient", &of(fused(&tensors())), &of(composed(&tensors())));
        }
    }

    #[test]
    fn the_order_of_keys_does_not_matter(seed: u64) {
        let dice = &mut Dice(seed);
        let (all, mask) = inputs(dice);
        let [q, k, v] = all.each_ref().map(Laid::tensor);
        let order = dice.order(mask.shape()[1]);
        let ids = Ids::from_shape_fn(vec![order.len()], |at| order[at[0]] as u32);
        let turned_mask = Mask::from_shape_fn(mask.raw_dim(), |at| mask[[at[0], order[at[1]] as usize]]);
        let of = |k: &T, v: &T, mask: &Mask| {
            q.attention(k, v, &Attention { mask: Some(mask), ..Attention::default() }).unwrap()
        };
        let turned = [&k, &v].map(|x| x.index_select(-2, &ids).unwrap());
        assert_close("y", &of(&k, &v, &mask), &of(&turned[0], &turned[1], &turned_mask));
    }
}
