//! Bad input of each method is an error that names the operation and what it was given.

use azura_core::{Attention, Direction, GruInputs, Ids, LstmInputs, Mask, Result, Steps, Tensor};

fn t(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape)
}

fn ids(shape: &[usize], id: u32) -> Ids {
    Ids::from_elem(shape, id)
}

/// Each result is an error with the text beside it.
#[track_caller]
fn check<const N: usize>(cases: [(Result<Tensor>, &str); N]) {
    for (result, text) in cases {
        assert_eq!(result.unwrap_err().to_string(), text);
    }
}

#[test]
fn elementwise() {
    let (a, b) = (t(&[2, 3]), t(&[4]));
    let nan = f32::NAN;
    let broadcast = "each axis must be equal or 1, aligned at the last";
    for (result, name) in [
        (a.add(&b), "add"),
        (a.sub(&b), "sub"),
        (a.mul(&b), "mul"),
        (a.div(&b), "div"),
        (a.pow(&b), "pow"),
        (a.minimum(&b), "minimum"),
        (a.maximum(&b), "maximum"),
        (Tensor::select(&Mask::default(vec![1]), &a, &b), "where"),
    ] {
        let text = format!("{name}: shapes [2, 3] and [4] do not fit: {broadcast}");
        assert_eq!(result.unwrap_err().to_string(), text);
    }
    check([
        (
            Tensor::select(&Mask::default(vec![2, 2]), &a, &a),
            "where: shapes [2, 2] and [2, 3] do not fit: each axis must be equal or 1, aligned at the last",
        ),
        (a.clamp(1.0, -1.0), "clamp: wants min <= max, not 1 and -1"),
        (a.clamp(nan, 1.0), "clamp: wants min <= max, not NaN and 1"),
        (a.clamp(0.0, nan), "clamp: wants min <= max, not 0 and NaN"),
    ]);
    // Equal bounds are in order.
    assert_eq!(a.clamp(2.0, 2.0).unwrap().to_vec(), [2.0; 6]);
}

#[test]
fn reductions() {
    let a = t(&[2, 3]);
    let empty = t(&[2, 0]);
    for (result, name) in [
        (a.sum(&[2], false), "sum"),
        (a.mean(&[2], false), "mean"),
        (a.var(&[2], false, 0), "var"),
        (a.std(&[2], false, 0), "std"),
        (a.max(&[2], false), "max"),
        (a.min(&[2], false), "min"),
        (a.logsumexp(&[2], false), "logsumexp"),
        (a.cumsum(2), "cumsum"),
        (a.argmax(2, false).map(|_| a.clone()), "argmax"),
    ] {
        let text = format!("{name}: axis 2 does not exist, or is named twice, in shape [2, 3]");
        assert_eq!(result.unwrap_err().to_string(), text);
    }
    for (result, name) in [
        (a.sum(&[1, -1], false), "sum"),
        (a.mean(&[1, -1], false), "mean"),
        (a.var(&[1, -1], false, 0), "var"),
        (a.std(&[1, -1], false, 0), "std"),
        (a.max(&[1, -1], false), "max"),
        (a.min(&[1, -1], false), "min"),
        (a.logsumexp(&[1, -1], false), "logsumexp"),
    ] {
        let text = format!("{name}: axis -1 does not exist, or is named twice, in shape [2, 3]");
        assert_eq!(result.unwrap_err().to_string(), text);
    }
    check([
        (empty.max(&[1], true), "max: shape [2, 0]: nothing to choose from along axes [1]"),
        (empty.min(&[0, 1], false), "min: shape [2, 0]: nothing to choose from along axes [0, 1]"),
        (empty.argmax(1, false).map(|_| t(&[])), "argmax: shape [2, 0]: axis 1 has no or too many elements"),
        (t(&[]).cumsum(0), "cumsum: axis 0 does not exist, or is named twice, in shape []"),
    ]);
}

#[test]
fn shapes() {
    let (a, b) = (t(&[2, 3]), t(&[4]));
    check([
        (a.reshape(&[5]), "reshape: shapes [2, 3] and [5] do not fit: wants the same number of elements"),
        (a.permute(&[0]), "permute: shape [2, 3]: order [0] must name every axis once"),
        (a.permute(&[0, 0]), "permute: axis 0 does not exist, or is named twice, in shape [2, 3]"),
        (b.transpose(), "permute: shape [4]: a transpose wants two axes or more"),
        (a.slice(0, 1..3), "slice: shape [2, 3]: 1..3 does not lie within axis 0"),
        (a.slice(-3, 0..1), "slice: axis -3 does not exist, or is named twice, in shape [2, 3]"),
        (
            Tensor::concat(0, &[&a, &b]),
            "concat: shapes [2, 3] and [4] do not fit: all axes but 0 must be equal",
        ),
        (Tensor::concat(0, &[]), "concat: wants at least one tensor"),
        (a.unsqueeze(3), "unsqueeze: axis 3 does not exist, or is named twice, in shape [2, 3, 1]"),
        (a.squeeze(0), "squeeze: shape [2, 3]: axis 0 is not of length 1"),
        (a.squeeze(2), "squeeze: axis 2 does not exist, or is named twice, in shape [2, 3]"),
        (Tensor::stack(0, &[]), "stack: wants at least one tensor"),
        (Tensor::stack(0, &[&a, &b]), "stack: shapes [2, 3] and [4] do not fit: all must be equal"),
        (Tensor::stack(3, &[&a, &a]), "stack: axis 3 does not exist, or is named twice, in shape [2, 3, 1]"),
        (
            a.split(1, &[2, 2]).map(|parts| parts[0].clone()),
            "split: shape [2, 3]: lengths [2, 2] do not add up to that of axis 1",
        ),
        (
            a.split(1, &[usize::MAX, 4]).map(|parts| parts[0].clone()),
            "split: shape [2, 3]: lengths [18446744073709551615, 4] do not add up to that of axis 1",
        ),
        (a.pad(&[(1, 1)], 0.0), "pad: shape [2, 3]: wants a pair for each axis, not [(1, 1)]"),
        (
            a.pad(&[(usize::MAX, 0), (0, 0)], 0.0),
            "pad: shape [2, 3]: [(18446744073709551615, 0), (0, 0)] is too much",
        ),
        (a.flip(&[0, -2]), "flip: axis -2 does not exist, or is named twice, in shape [2, 3]"),
        (
            a.expand(&[2, 6]),
            "expand: shapes [2, 3] and [2, 6] do not fit: each axis must be equal or 1, aligned at the last",
        ),
        (
            a.expand(&[3]),
            "expand: shapes [2, 3] and [3] do not fit: each axis must be equal or 1, aligned at the last",
        ),
    ]);
}

#[test]
fn indices() {
    let a = t(&[2, 3]);
    check([
        (
            a.index_select(2, &ids(&[1], 0)),
            "index_select: axis 2 does not exist, or is named twice, in shape [2, 3]",
        ),
        (
            a.index_select(0, &ids(&[1, 1], 0)),
            "index_select: shapes [2, 3] and [1, 1] do not fit: ids want one axis",
        ),
        (
            a.index_select(0, &ids(&[1], 2)),
            "index_select: shape [2, 3]: id 2 is not below the length of axis 0",
        ),
        (a.gather(2, &ids(&[2, 3], 0)), "gather: axis 2 does not exist, or is named twice, in shape [2, 3]"),
        (
            a.gather(0, &ids(&[2], 0)),
            "gather: shapes [2, 3] and [2] do not fit: ids want as many axes, none longer but 0",
        ),
        (
            a.gather(0, &ids(&[1, 4], 0)),
            "gather: shapes [2, 3] and [1, 4] do not fit: ids want as many axes, none longer but 0",
        ),
        (a.gather(1, &ids(&[1, 1], 3)), "gather: shape [2, 3]: id 3 is not below the length of axis 1"),
        (
            a.scatter_add(-3, &ids(&[2, 3], 0), &a),
            "scatter_add: axis -3 does not exist, or is named twice, in shape [2, 3]",
        ),
        (
            a.scatter_add(0, &ids(&[2, 2], 0), &a),
            "scatter_add: shapes [2, 3] and [2, 2] do not fit: source and ids must be equal",
        ),
        (
            a.scatter_add(0, &ids(&[2, 4], 0), &t(&[2, 4])),
            "scatter_add: shapes [2, 3] and [2, 4] do not fit: ids want as many axes, none longer but 0",
        ),
        (
            a.scatter_add(0, &ids(&[2, 3], u32::MAX), &a),
            "scatter_add: shape [2, 3]: id 4294967295 is not below the length of axis 0",
        ),
    ]);
}

#[test]
fn products() {
    let wants = "wants [.., m, k] and [.., k, n], or one axis [k]; leading axes broadcast";
    for (a, b) in [
        (&[2, 3][..], &[2, 3][..]),
        (&[3], &[2]),
        (&[], &[2]),
        (&[2], &[]),
        (&[2, 3], &[2]),
        (&[3], &[2, 2]),
        (&[2, 5, 3], &[4, 3, 5]),
    ] {
        let text = format!("matmul: shapes {a:?} and {b:?} do not fit: {wants}");
        assert_eq!(t(a).matmul(&t(b)).unwrap_err().to_string(), text);
    }
}

#[test]
fn sequences() {
    let direction = Direction::Forward;
    // x, weight_ih, weight_hh, bias and states, of two rows, three steps, two inputs, four units.
    let right: [&[usize]; 6] = [&[2, 3, 2], &[16, 2], &[16, 4], &[16], &[2, 4], &[2, 4]];
    let lstm = |shapes: [&[usize]; 6]| -> Result<Tensor> {
        let [x, weight_ih, weight_hh, bias, h, c] = &shapes.map(t);
        let inputs = LstmInputs { weight_ih, weight_hh, bias, state: Some((h, c)), direction };
        Ok(x.lstm(&inputs, Steps::All)?.y)
    };
    assert!(lstm(right).is_ok());
    let hh = "wants weight_hh [4 hidden, hidden]";
    let ih = "wants weight_ih [16, 2] with weight_hh [16, 4]";
    for (i, shape, text) in [
        (0, &[2, 3][..], "shape [2, 3]: wants x [batch, time, inputs]".to_owned()),
        (0, &[2, 0, 2], "shape [2, 0, 2]: wants at least one time step".to_owned()),
        (1, &[16, 3], format!("shapes [2, 3, 2] and [16, 3] do not fit: {ih}")),
        (1, &[12, 2], format!("shapes [2, 3, 2] and [12, 2] do not fit: {ih}")),
        (1, &[16], format!("shapes [2, 3, 2] and [16] do not fit: {ih}")),
        (2, &[12, 4], format!("shapes [2, 3, 2] and [12, 4] do not fit: {hh}")),
        (2, &[16], format!("shapes [2, 3, 2] and [16] do not fit: {hh}")),
        (3, &[4], "shapes [2, 3, 2] and [4] do not fit: wants bias [16] with weight_hh [16, 4]".to_owned()),
        (
            4,
            &[3, 4],
            "shapes [2, 3, 2] and [3, 4] do not fit: wants h [2, 4] with weight_hh [16, 4]".to_owned(),
        ),
        (
            5,
            &[2, 1],
            "shapes [2, 3, 2] and [2, 1] do not fit: wants c [2, 4] with weight_hh [16, 4]".to_owned(),
        ),
    ] {
        let mut shapes = right;
        shapes[i] = shape;
        assert_eq!(lstm(shapes).unwrap_err().to_string(), format!("lstm: {text}"));
    }

    let right: [&[usize]; 6] = [&[2, 3, 2], &[12, 2], &[12, 4], &[12], &[12], &[2, 4]];
    let gru = |shapes: [&[usize]; 6]| -> Result<Tensor> {
        let [x, weight_ih, weight_hh, bias_ih, bias_hh, h] = &shapes.map(t);
        let inputs = GruInputs { weight_ih, weight_hh, bias_ih, bias_hh, state: Some(h), direction };
        Ok(x.gru(&inputs, Steps::Last)?.y)
    };
    assert!(gru(right).is_ok());
    let hh = "wants weight_hh [3 hidden, hidden]";
    let ih = "wants weight_ih [12, 2] with weight_hh [12, 4]";
    for (i, shape, text) in [
        (0, &[2, 3, 2, 1][..], "shape [2, 3, 2, 1]: wants x [batch, time, inputs]".to_owned()),
        (0, &[2, 0, 2], "shape [2, 0, 2]: wants at least one time step".to_owned()),
        (
            0,
            &[2, 3, 1],
            "shapes [2, 3, 1] and [12, 2] do not fit: wants weight_ih [12, 1] with weight_hh [12, 4]"
                .to_owned(),
        ),
        (1, &[16, 2], format!("shapes [2, 3, 2] and [16, 2] do not fit: {ih}")),
        (2, &[16, 4], format!("shapes [2, 3, 2] and [16, 4] do not fit: {hh}")),
        (2, &[], format!("shapes [2, 3, 2] and [] do not fit: {hh}")),
        (
            3,
            &[12, 1],
            "shapes [2, 3, 2] and [12, 1] do not fit: wants bias_ih [12] with weight_hh [12, 4]".to_owned(),
        ),
        (
            4,
            &[16],
            "shapes [2, 3, 2] and [16] do not fit: wants bias_hh [12] with weight_hh [12, 4]".to_owned(),
        ),
        (5, &[4], "shapes [2, 3, 2] and [4] do not fit: wants h [2, 4] with weight_hh [12, 4]".to_owned()),
    ] {
        let mut shapes = right;
        shapes[i] = shape;
        assert_eq!(gru(shapes).unwrap_err().to_string(), format!("gru: {text}"));
    }
}

#[test]
fn attention() {
    let wants = "wants queries [.., L, d], keys [.., S, d] and values [.., S, e]; leading axes broadcast";
    // Queries, keys and values, and which two of them do not fit.
    for ([q, k, v], wrong) in [
        ([&[2, 3][..], &[4, 5], &[4, 6]], [0, 1]),
        ([&[2, 3], &[4, 3], &[5, 6]], [1, 2]),
        ([&[3], &[4, 3], &[4, 6]], [0, 1]),
        ([&[2, 3], &[3], &[4, 6]], [0, 1]),
        ([&[2, 3], &[4, 3], &[4]], [1, 2]),
        ([&[], &[], &[]], [0, 1]),
        ([&[2, 2, 3], &[3, 4, 3], &[4, 6]], [0, 1]),
        ([&[2, 2, 3], &[2, 4, 3], &[3, 4, 6]], [1, 2]),
        ([&[1 << 40, 0], &[1 << 40, 0], &[1 << 40, 0]], [0, 1]),
    ] {
        let [left, right] = wrong.map(|i| [q, k, v][i]);
        let text = format!("attention: shapes {left:?} and {right:?} do not fit: {wants}");
        let result = t(q).attention(&t(k), &t(v), &Attention::default());
        assert_eq!(result.unwrap_err().to_string(), text);
    }
    for mask in [&[4, 2][..], &[3], &[5, 2, 4], &[2, 1, 2, 4], &[0]] {
        let how = Attention { mask: Some(&Mask::default(mask)), ..Attention::default() };
        let result = t(&[3, 2, 3]).attention(&t(&[4, 3]), &t(&[4, 6]), &how);
        let text = format!(
            "attention: shapes {mask:?} and [3, 2, 4] do not fit: wants a mask that broadcasts to the scores [.., L, S]"
        );
        assert_eq!(result.unwrap_err().to_string(), text);
    }
}
