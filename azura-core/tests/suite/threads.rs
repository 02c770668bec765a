//! Results are the same to the bit, whatever the number of threads.

use crate::generator::{Numbers, fnv1a};
use crate::workloads::Workload;
use azura_core::{Attention, Direction, GruInputs, LstmInputs, Mask, Param, Result, Steps, Tensor, ndarray};

/// The bits of everything that `run` computes, which must not depend on the number of threads.
fn same_for_any_threads(run: impl Fn() -> Result<Vec<Tensor>> + Sync) {
    let bits = [1, 2, 4].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let results = pool.install(&run).unwrap();
        results.iter().flat_map(|y| y.data().iter().map(|x| x.to_bits())).collect::<Vec<_>>()
    });
    assert!(bits[0] == bits[1] && bits[1] == bits[2]);
    assert!(!bits[0].is_empty());
}

/// Numbers between -1 and 1.
fn numbers(shape: &[usize], seed: u32) -> ndarray::ArrayD<f32> {
    let mut state = seed;
    ndarray::Array::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

#[test]
fn training_of_every_workload() {
    for name in ["W1", "W2", "W3", "W4", "W5", "W6", "W7"] {
        same_for_any_threads(|| {
            let mut model = Workload::new(name, &mut Numbers(fnv1a(name.as_bytes())));
            let losses: Vec<_> = (0..2).map(|_| model.step()).collect();
            let weights = model.weights().iter().map(|weight| Tensor::constant(weight.data().clone()));
            Ok(weights.chain([Tensor::from_vec(&[2], losses)?]).collect())
        });
    }
}

#[test]
fn products_of_many_matrices() {
    // Enough work for threads; the right factors of the second and third kind gather a gradient from many places.
    for (a, b) in [
        (&[24, 64, 48][..], &[24, 48, 64][..]),
        (&[24, 64, 48], &[48, 80]),
        (&[4, 6, 64, 48], &[6, 48, 64]),
        (&[64, 48], &[24, 48, 64]),
    ] {
        same_for_any_threads(|| {
            let (a, b) = (Param::new(numbers(a, 1)), Param::new(numbers(b, 2)));
            let y = a.tracked().matmul(&b.tracked())?;
            let grads = y.square()?.sum_all()?.backward()?;
            let of = |param: &Param| Tensor::constant(grads.get(param).unwrap().clone());
            Ok(vec![y, of(&a), of(&b)])
        });
    }
}

/// Batches of several chunks, the last of which is short, and enough work for threads.
#[test]
fn sequences() {
    let (batch, time, inputs, hidden) = (50, 20, 11, 64);
    let params = |gates: usize, states: usize, biases: usize| {
        let rows = gates * hidden;
        let mut shapes = vec![vec![batch, time, inputs], vec![rows, inputs], vec![rows, hidden]];
        shapes.extend(vec![vec![rows]; biases]);
        shapes.extend(vec![vec![batch, hidden]; states]);
        shapes.iter().zip(1..).map(|(shape, seed)| Param::new(numbers(shape, seed))).collect::<Vec<_>>()
    };
    let all = |outputs: Vec<Tensor>, params: &[Param]| {
        let loss = outputs.iter().try_fold(Tensor::zeros(&[]), |sum, y| sum.add(&y.square()?.sum_all()?))?;
        let grads = loss.backward()?;
        let grads = params.iter().map(|param| Tensor::constant(grads.get(param).unwrap().clone()));
        Ok(outputs.into_iter().chain(grads).collect())
    };
    for direction in [Direction::Forward, Direction::Reverse] {
        for steps in [Steps::All, Steps::Last] {
            same_for_any_threads(|| {
                let params = params(4, 2, 1);
                let t: Vec<_> = params.iter().map(Param::tracked).collect();
                let (weight_ih, weight_hh, bias, state) = (&t[1], &t[2], &t[3], Some((&t[4], &t[5])));
                let out = t[0].lstm(&LstmInputs { weight_ih, weight_hh, bias, state, direction }, steps)?;
                all(vec![out.y, out.h, out.c], &params)
            });
            same_for_any_threads(|| {
                let params = params(3, 1, 2);
                let t: Vec<_> = params.iter().map(Param::tracked).collect();
                let (weight_ih, weight_hh, bias_ih, bias_hh) = (&t[1], &t[2], &t[3], &t[4]);
                let state = Some(&t[5]);
                let inputs = GruInputs { weight_ih, weight_hh, bias_ih, bias_hh, state, direction };
                let out = t[0].gru(&inputs, steps)?;
                all(vec![out.y, out.h], &params)
            });
        }
    }
}

#[test]
fn attention() {
    // Many short entries, few long ones, and some that gather a gradient from many places.
    for (q, k, v) in [
        (&[32, 64, 32][..], &[32, 64, 32][..], &[32, 64, 24][..]),
        (&[2, 400, 32], &[2, 300, 32], &[2, 300, 24]),
        (&[4, 6, 64, 48], &[6, 64, 48], &[4, 1, 64, 48]),
    ] {
        let mask =
            Mask::from_shape_fn(vec![q[q.len() - 2], k[k.len() - 2]], |at| (at[0] * 7 + at[1]) % 5 > 0);
        for (causal, mask) in [(false, None), (true, Some(&mask))] {
            same_for_any_threads(|| {
                let [q, k, v] =
                    [(q, 1), (k, 2), (v, 3)].map(|(shape, seed)| Param::new(numbers(shape, seed)));
                let how = Attention { causal, mask, scale: None };
                let y = q.tracked().attention(&k.tracked(), &v.tracked(), &how)?;
                let grads = y.square()?.sum_all()?.backward()?;
                let of = |param: &Param| Tensor::constant(grads.get(param).unwrap().clone());
                Ok(vec![y, of(&q), of(&k), of(&v)])
            });
        }
    }
}
