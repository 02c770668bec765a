//! Our words for what ops.py says in PyTorch's.

use crate::case::Arguments;
use azura_core::{LstmInputs, Result, Steps, Tensor};

/// What the operation of this name makes of its arguments. Several outputs come as one row.
pub(crate) fn apply(op: &str, a: &Arguments<'_>) -> Result<Tensor> {
    let x = &a.tensors[0];
    let other = a.tensors.get(1);
    let other = || other.unwrap_or_else(|| panic!("{op} wants a second tensor"));
    match op {
        "add" => x.add(other()),
        "sub" => x.sub(other()),
        "mul" => x.mul(other()),
        "div" => x.div(other()),
        "neg" => x.neg(),
        "abs" => x.abs(),
        "exp" => x.exp(),
        "ln" => x.ln(),
        "sqrt" => x.sqrt(),
        "square" => x.square(),
        "sin" => x.sin(),
        "cos" => x.cos(),
        "sigmoid" => x.sigmoid(),
        "tanh" => x.tanh(),
        "relu" => x.relu(),
        "scale" => x.scale(a.get("factor")),
        "shift" => x.shift(a.get("offset")),
        "matmul" => x.matmul(other()),
        "linear" => x.linear(other(), a.tensors.get(2)),
        "sum" => x.sum(&a.list("axes"), a.get("keepdims")),
        "mean" => x.mean(&a.list("axes"), a.get("keepdims")),
        "reshape" => x.reshape(&a.list("shape")),
        "permute" => x.permute(&a.list("order")),
        "slice" => x.slice(a.get("axis"), a.get("start")..a.get("end")),
        "concat" => Tensor::concat(a.get("axis"), &a.tensors.iter().collect::<Vec<_>>()),
        "dropout" => {
            let mut bits = a.bits.iter().copied();
            x.dropout(a.get("p"), || bits.next().unwrap())
        }
        "mse" => x.mse(other()),
        "lstm" => lstm(a),
        _ => panic!("ops.rs does not know `{op}`"),
    }
}

fn row(outputs: &[&Tensor]) -> Result<Tensor> {
    let flat: Vec<_> = outputs.iter().map(|y| y.reshape(&[y.len()])).collect::<Result<_>>()?;
    Tensor::concat(0, &flat.iter().collect::<Vec<_>>())
}

fn steps(a: &Arguments<'_>) -> Steps {
    if a.word("steps") == "all" { Steps::All } else { Steps::Last }
}

fn lstm(a: &Arguments<'_>) -> Result<Tensor> {
    let t = &a.tensors;
    let (weight_ih, weight_hh, bias, state) = (&t[1], &t[2], &t[3], t.get(4).zip(t.get(5)));
    let out = t[0].lstm(&LstmInputs { weight_ih, weight_hh, bias, state }, steps(a))?;
    row(&[&out.y, &out.h, &out.c])
}
