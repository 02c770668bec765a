//! What the graph promises, seen from outside.

use azura_core::{Error, Ids, Mask, Param, Tensor, TensorBase, ndarray};
use ndarray::{arr0, arr1, arr2};

#[test]
fn gradients_of_a_shared_parameter_are_summed() {
    // y = w * w + 3 w, dy/dw = 2 w + 3 = 7 at w = 2.
    let w = Param::new(arr0(2.0));
    let y = (w.tracked() * w.tracked()).add(&w.tracked().scale(3.0).unwrap()).unwrap();
    let grads = y.backward().unwrap();
    assert_eq!(grads.get(&w).unwrap().first(), Some(&7.0));
    assert_eq!(grads.len(), 1);
}

#[test]
fn a_layer_fed_plain_data_trains_its_weights() {
    let mut w = Param::new(arr2(&[[0.0, 0.0]]));
    let mut b = Param::new(arr1(&[0.0]));
    let x = Tensor::from_vec(&[4, 2], vec![0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0]).unwrap();
    let target = Tensor::from_vec(&[4, 1], vec![0.5, 2.5, -0.5, 1.5]).unwrap(); // 2 x0 - x1 + 0.5
    assert!(!x.is_tracked());
    for _ in 0..500 {
        let y = x.linear(&w.tracked(), Some(&b.tracked())).unwrap();
        assert!(y.is_tracked());
        let grads = y.mse(&target).unwrap().backward().unwrap();
        drop(y);
        for param in [&mut w, &mut b] {
            let grad = grads.get(param).unwrap().clone();
            param.update(|p| p.iter_mut().zip(&grad).for_each(|(p, g)| *p -= 0.5 * g));
        }
    }
    let found = [w.as_slice()[0], w.as_slice()[1], b.as_slice()[0]];
    assert!(found.iter().zip([2.0, -1.0, 0.5]).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?}");
}

#[test]
fn constants_have_no_graph() {
    let w = Param::new(arr1(&[1.0, 2.0]));
    let y = w.constant().exp().unwrap().sum_all().unwrap();
    assert!(!y.is_tracked());
    assert_eq!(y.backward().unwrap_err(), Error::Untracked);
    assert_eq!(w.tracked().detach().sum_all().unwrap().backward().unwrap_err(), Error::Untracked);
}

#[test]
fn backward_wants_a_scalar_and_runs_once() {
    let w = Param::new(arr1(&[1.0, 2.0]));
    let y = w.tracked().tanh().unwrap();
    assert_eq!(y.backward().unwrap_err(), Error::NotScalar { shape: vec![2] });

    let loss = y.sum_all().unwrap();
    loss.backward().unwrap();
    assert_eq!(loss.backward().unwrap_err(), Error::Consumed { op: "sum" });
    // A new path through the same, used up nodes names the first of them that it meets.
    let error = y.mean_all().unwrap().backward().unwrap_err();
    assert_eq!(error, Error::Consumed { op: "tanh" });
    assert!(error.to_string().contains("run the forward pass again"));
}

#[test]
fn a_long_chain_builds_differentiates_and_drops_on_a_small_stack() {
    let work = || {
        let w = Param::new(arr0(1.0));
        let mut y: Tensor = w.tracked();
        for _ in 0..200_000 {
            y = y.shift(1e-6).unwrap();
        }
        let grads = y.backward().unwrap();
        assert_eq!(grads.get(&w).unwrap().first(), Some(&1.0));
        drop(y);

        // And one that is dropped without having been walked.
        let mut y = w.tracked();
        for _ in 0..200_000 {
            y = y.add(&y.detach()).unwrap().scale(0.5).unwrap();
        }

        // And one of an operation whose derivative holds on to its input.
        let mut y = w.tracked();
        for _ in 0..20_000 {
            let x = y.clone();
            y = Tensor::record("holds", &[&y], |inputs| {
                Ok((
                    inputs.data(0).clone(),
                    Box::new(move |grad| Ok(vec![Some(grad.into_owned().into_shared() + x.data())])),
                ))
            })
            .unwrap();
        }
    };
    std::thread::Builder::new().stack_size(256 * 1024).spawn(work).unwrap().join().unwrap();
}

#[test]
fn parameters_change_in_place() {
    let mut w = Param::new(arr1(&[1.0, 2.0, 3.0]));
    let before = w.as_slice().as_ptr();
    for _ in 0..100 {
        let loss = w.tracked().square().unwrap().sum_all().unwrap();
        let grads = loss.backward().unwrap();
        let dw = grads.get(&w).unwrap().clone();
        drop(loss);
        w.update(|w| w.iter_mut().zip(&dw).for_each(|(w, g)| *w -= 0.01 * g));
    }
    assert_eq!(w.as_slice().as_ptr(), before);

    // While a tensor shares the values it keeps the old ones.
    let old = w.constant();
    w.update(|w| w.fill(7.0));
    assert_ne!(old.to_vec(), w.as_slice());
}

type Operation = fn(&Tensor, &Tensor) -> azura_core::Result<Tensor>;

/// A parameter changes in place unless somebody still holds its values: here an operation, for a derivative.
#[test]
fn an_operation_saves_only_what_its_derivatives_read() {
    let x = Tensor::from_vec(&[2, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
    // Whether each input's values were still held, where the first alone or both are parameters.
    let saves = |op: Operation, both: bool| {
        let param = |value: f32| Param::new(ndarray::Array2::from_elem((2, 2), value));
        let [mut a, mut b] = [param(2.0), param(3.0)];
        let y = op(&a.tracked(), &if both { b.tracked() } else { x.clone() }).unwrap();
        let saved = [&mut a, &mut b].map(|param| {
            let before = param.as_slice().as_ptr();
            param.update(|values| values.fill(9.0));
            param.as_slice().as_ptr() != before
        });
        y.sum_all().unwrap().backward().unwrap();
        saved
    };
    let operations: [(Operation, [bool; 2], [bool; 2]); 18] = [
        (|a, b| a.add(b), [false, false], [false, false]),
        (|a, b| a.sub(b), [false, false], [false, false]),
        // (a b)' by a needs b alone, and the reverse.
        (|a, b| a.mul(b), [false, false], [true, true]),
        (|a, b| b.mul(a), [false, false], [true, true]),
        (|a, b| a.matmul(b), [false, false], [true, true]),
        (|a, b| a.linear(b, None), [false, false], [true, true]),
        (|a, b| b.linear(a, None), [false, false], [true, true]),
        // (a / b)' by a needs b, by b both.
        (|a, b| a.div(b), [false, false], [true, true]),
        (|a, b| b.div(a), [true, false], [true, true]),
        (|a, b| a.mse(b), [false, false], [false, false]),
        // What depends on both by its derivative keeps both.
        (|a, b| a.maximum(b), [true, false], [true, true]),
        (|a, b| a.pow(b), [true, false], [true, true]),
        // What only moves or multiplies numbers keeps none.
        (|a, _| a.neg()?.scale(2.0)?.shift(1.0)?.sign(), [false, false], [false, false]),
        (|a, b| Tensor::select(&Mask::default(vec![2, 2]), a, b), [false, false], [false, false]),
        (|a, _| a.cumsum(0)?.pad(&[(1, 0), (0, 1)], 0.0), [false, false], [false, false]),
        (|a, _| a.expand(&[2, 2, 2])?.mean(&[0], true)?.var(&[2], true, 0), [false, false], [false, false]),
        (|a, b| a.scatter_add(0, &Ids::zeros(vec![2, 2]), b), [false, false], [false, false]),
        (|a, _| a.relu()?.logsumexp(&[0], false), [false, false], [false, false]),
    ];
    for (i, (op, of_one, of_both)) in operations.into_iter().enumerate() {
        assert_eq!((saves(op, false), saves(op, true)), (of_one, of_both), "operation {i}");
    }
}

#[test]
fn an_operation_of_ones_own_is_checked() {
    let w = Param::new(arr1(&[1.0, 2.0]));
    let wrong_shape = Tensor::record("bad", &[&w.tracked()], |inputs| {
        let x = inputs.data(0).clone();
        assert!(inputs.needs(0) && !inputs.needs(1));
        Ok((x, Box::new(|_| Ok(vec![Some(arr0(1.0).into_dyn().into_shared())]))))
    });
    let error = wrong_shape.unwrap().sum_all().unwrap().backward().unwrap_err();
    assert_eq!(
        error.to_string(),
        "bad: its derivative returned a gradient of shape [] where a gradient of shape [2] was expected"
    );
    let wrong_count = Tensor::record("bad", &[&w.tracked()], |inputs| {
        Ok((inputs.data(0).clone(), Box::new(|_| Ok(vec![]))))
    });
    let error = wrong_count.unwrap().sum_all().unwrap().backward().unwrap_err();
    assert!(error.to_string().contains("0 gradients where 1 gradients"), "{error}");
}

#[test]
fn grads_are_values_that_add_scale_and_clip() {
    let (a, b) = (Param::new(arr1(&[3.0])), Param::new(arr1(&[4.0])));
    let grads = |factor: f32| {
        let sum =
            a.tracked().scale(factor * 3.0).unwrap().add(&b.tracked().scale(factor * 4.0).unwrap()).unwrap();
        sum.sum_all().unwrap().backward().unwrap()
    };
    let mut total = grads(1.0);
    total.merge(grads(1.0)); // (6, 8)
    assert!((total.global_norm() - 10.0).abs() < 1e-6);
    let before = total.clip_global_norm(5.0);
    assert!((before - 10.0).abs() < 1e-6 && (total.global_norm() - 5.0).abs() < 1e-6);
    assert_eq!(total.get(&a).unwrap().as_slice().unwrap(), [3.0]);
    assert_eq!(total.take(&b).unwrap().as_slice().unwrap(), [4.0]);
    assert!(total.get(&b).is_none());
}

#[test]
fn wrong_shapes_are_errors_with_the_operation_and_both_shapes() {
    let t = |shape: &[usize]| Tensor::zeros(shape);
    let (a, b) = (t(&[2, 3]), t(&[4]));
    let texts = [
        a.add(&b).unwrap_err().to_string(),
        a.matmul(&t(&[2, 3])).unwrap_err().to_string(),
        a.linear(&t(&[5, 4]), None).unwrap_err().to_string(),
        a.linear(&t(&[5, 3]), Some(&b)).unwrap_err().to_string(),
        a.mse(&t(&[3])).unwrap_err().to_string(),
        a.reshape(&[5]).unwrap_err().to_string(),
        a.sum(&[2], false).unwrap_err().to_string(),
        a.mean(&[0, -2], false).unwrap_err().to_string(),
        a.slice(0, 1..3).unwrap_err().to_string(),
        Tensor::concat(0, &[&a, &b]).unwrap_err().to_string(),
        b.transpose().unwrap_err().to_string(),
        a.permute(&[0]).unwrap_err().to_string(),
        a.dropout(1.0, || 0).unwrap_err().to_string(),
        Tensor::from_vec(&[2, 2], vec![1.0]).unwrap_err().to_string(),
        a.item().unwrap_err().to_string(),
    ];
    let expected = [
        "add: shapes [2, 3] and [4] do not fit: each axis must be equal or 1, aligned at the last",
        "matmul: shapes [2, 3] and [2, 3] do not fit: wants [.., m, k] and [.., k, n], or one axis [k]; leading axes broadcast",
        "linear: shapes [2, 3] and [5, 4] do not fit: wants x [.., in], weight [out, in]",
        "linear: shapes [5, 3] and [4] do not fit: wants weight [out, in], bias [out]",
        "mse: shapes [2, 3] and [3] do not fit: prediction and target must be equal",
        "reshape: shapes [2, 3] and [5] do not fit: wants the same number of elements",
        "sum: axis 2 does not exist, or is named twice, in shape [2, 3]",
        "mean: axis -2 does not exist, or is named twice, in shape [2, 3]",
        "slice: shape [2, 3]: 1..3 does not lie within axis 0",
        "concat: shapes [2, 3] and [4] do not fit: all axes but 0 must be equal",
        "permute: shape [4]: a transpose wants two axes or more",
        "permute: shape [2, 3]: order [0] must name every axis once",
        "dropout: p = 1 must lie in 0 <= p < 1",
        "from_vec: shape [2, 2]: cannot hold 1 values",
        "item: shape [2, 3]: holds not exactly one element",
    ];
    assert_eq!(texts, expected);
}

#[test]
#[should_panic(expected = "add: shapes [2] and [3] do not fit")]
fn operators_panic_with_the_same_text() {
    let _ = Tensor::zeros(&[2]) + Tensor::zeros(&[3]);
}

#[test]
fn a_reshaped_view_is_row_major_also_under_its_own_shape() {
    let x = Tensor::from_vec(&[2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap().transpose().unwrap();
    assert!(!x.data().is_standard_layout());
    let y = x.reshape(&[3, 2]).unwrap();
    assert!(y.data().is_standard_layout());
    assert_eq!(y.data().as_slice(), Some(&[0.0, 3.0, 1.0, 4.0, 2.0, 5.0][..]));
    // Row-major elements are shared, not copied.
    assert_eq!(y.reshape(&[6]).unwrap().data().as_ptr(), y.data().as_ptr());
}

#[test]
fn f64_and_f32_are_the_same_code() {
    let y: TensorBase<f64> = TensorBase::from_vec(&[2], vec![1.0, 2.0]).unwrap();
    assert_eq!(y.scale(2.0).unwrap().to_vec(), [2.0, 4.0]);
    assert_eq!(format!("{y:?}"), r#"Tensor { shape: [2], from: "data", data: [1.0, 2.0] }"#);
}
