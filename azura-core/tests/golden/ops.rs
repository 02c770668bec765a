//! Our words for what ops.py says in PyTorch's.

use crate::case::Arguments;
use azura_core::{Attention, ClassLoss, Conv, Direction, GruInputs, LstmInputs, Result, Steps, Tensor};

/// What the operation of this name makes of its arguments. Several outputs come as one row.
#[expect(clippy::too_many_lines, reason = "a table: one line for each operation")]
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
        "pow" => x.pow(other()),
        "minimum" => x.minimum(other()),
        "maximum" => x.maximum(other()),
        "sign" => x.sign(),
        "log1p" => x.log1p(),
        "expm1" => x.expm1(),
        "powf" => x.powf(a.get("exponent")),
        "clamp" => x.clamp(a.get("min"), a.get("max")),
        "where" => Tensor::select(&a.masks[0], x, other()),
        "leaky_relu" => x.leaky_relu(a.get("slope")),
        "elu" => x.elu(a.get("alpha")),
        "gelu" => x.gelu(),
        "gelu_tanh" => x.gelu_tanh(),
        "silu" => x.silu(),
        "softplus" => x.softplus(),
        "matmul" => x.matmul(other()),
        "linear" => x.linear(other(), a.tensors.get(2)),
        "attention" => {
            let scale = a.has("scale").then(|| a.get("scale"));
            let how = Attention { causal: a.has("causal"), mask: a.masks.first(), scale };
            x.attention(other(), &a.tensors[2], &how)
        }
        "sum" => x.sum(&a.list("axes"), a.get("keepdims")),
        "mean" => x.mean(&a.list("axes"), a.get("keepdims")),
        "var" => x.var(&a.list("axes"), a.get("keepdims"), a.get("ddof")),
        "std" => x.std(&a.list("axes"), a.get("keepdims"), a.get("ddof")),
        "max" => x.max(&a.list("axes"), a.get("keepdims")),
        "min" => x.min(&a.list("axes"), a.get("keepdims")),
        "logsumexp" => x.logsumexp(&a.list("axes"), a.get("keepdims")),
        "cumsum" => x.cumsum(a.get("axis")),
        "reshape" => x.reshape(&a.list("shape")),
        "permute" => x.permute(&a.list("order")),
        "slice" => x.slice(a.get("axis"), a.get("start")..a.get("end")),
        "concat" => Tensor::concat(a.get("axis"), &a.tensors.iter().collect::<Vec<_>>()),
        "index_select" => x.index_select(a.get("axis"), &a.ids[0]),
        "gather" => x.gather(a.get("axis"), &a.ids[0]),
        "scatter_add" => x.scatter_add(a.get("axis"), &a.ids[0], other()),
        "pad" => {
            let margins: Vec<_> = a.list("margins").chunks(2).map(|pair| (pair[0], pair[1])).collect();
            x.pad(&margins, a.get("value"))
        }
        "flip" => x.flip(&a.list("axes")),
        "expand" => x.expand(&a.list("shape")),
        "squeeze" => x.squeeze(a.get("axis")),
        "unsqueeze" => x.unsqueeze(a.get("axis")),
        "stack" => Tensor::stack(a.get("axis"), &a.tensors.iter().collect::<Vec<_>>()),
        "split" => row(&x.split(a.get("axis"), &a.list("lengths"))?.iter().collect::<Vec<_>>()),
        "conv1d" => {
            let [stride, padding, dilation] = ["stride", "padding", "dilation"].map(|key| [a.get(key)]);
            let conv = Conv { stride, padding, dilation, groups: a.get("groups") };
            x.conv1d(other(), a.tensors.get(2), &conv)
        }
        "conv2d" => {
            let [stride, padding, dilation] = ["stride", "padding", "dilation"].map(|key| a.pair(key));
            let conv = Conv { stride, padding, dilation, groups: a.get("groups") };
            x.conv2d(other(), a.tensors.get(2), &conv)
        }
        "max_pool1d" => x.max_pool1d(a.get("kernel"), a.get("stride"), a.get("padding")),
        "avg_pool1d" => x.avg_pool1d(a.get("kernel"), a.get("stride"), a.get("padding")),
        "adaptive_avg_pool1d" => x.adaptive_avg_pool1d(a.get("out")),
        "max_pool2d" => x.max_pool2d(a.pair("kernel"), a.pair("stride"), a.pair("padding")),
        "avg_pool2d" => x.avg_pool2d(a.pair("kernel"), a.pair("stride"), a.pair("padding")),
        "adaptive_avg_pool2d" => x.adaptive_avg_pool2d(a.pair("out")),
        "layer_norm" => x.layer_norm(other(), &a.tensors[2], a.get("eps")),
        "batch_norm" => {
            let found = x.batch_norm(other(), &a.tensors[2], a.get("eps"))?;
            row(&[&found.y, &Tensor::constant(found.mean), &Tensor::constant(found.var)])
        }
        "batch_norm_with" => {
            let [mean, var] = [3, 4].map(|i| a.tensors[i].data());
            x.batch_norm_with(other(), &a.tensors[2], mean, var, a.get("eps"))
        }
        "softmax" => x.softmax(a.get("axis")),
        "log_softmax" => x.log_softmax(a.get("axis")),
        "nll" => x.nll(&a.ids[0], &classes(a)),
        "cross_entropy" => x.cross_entropy(&a.ids[0], &classes(a)),
        "dropout" => {
            let mut bits = a.bits.iter().copied();
            x.dropout(a.get("p"), || bits.next().unwrap())
        }
        "mse" => x.mse(other()),
        "huber" => x.huber(other(), a.get("delta")),
        "quantile" => x.quantile(other(), a.get("q")),
        "bce_with_logits" => x.bce_with_logits(other()),
        "embedding" => x.embedding(&a.ids[0]),
        "lstm" => lstm(a),
        "gru" => gru(a),
        _ => panic!("ops.rs does not know `{op}`"),
    }
}

fn row(outputs: &[&Tensor]) -> Result<Tensor> {
    let flat: Vec<_> = outputs.iter().map(|y| y.reshape(&[y.len()])).collect::<Result<_>>()?;
    Tensor::concat(0, &flat.iter().collect::<Vec<_>>())
}

fn classes<'a>(a: &'a Arguments<'_>) -> ClassLoss<'a, f32> {
    let given = |key| a.has(key).then_some(key);
    ClassLoss {
        weights: a.tensors.get(1),
        smoothing: given("smoothing").map_or(0.0, |key| a.get(key)),
        ignore: given("ignore").map(|key| a.get(key)),
    }
}

fn steps(a: &Arguments<'_>) -> Steps {
    if a.word("steps") == "all" { Steps::All } else { Steps::Last }
}

fn direction(a: &Arguments<'_>) -> Direction {
    if a.has("reverse") { Direction::Reverse } else { Direction::Forward }
}

fn lstm(a: &Arguments<'_>) -> Result<Tensor> {
    let t = &a.tensors;
    let (weight_ih, weight_hh, bias, state) = (&t[1], &t[2], &t[3], t.get(4).zip(t.get(5)));
    let out =
        t[0].lstm(&LstmInputs { weight_ih, weight_hh, bias, state, direction: direction(a) }, steps(a))?;
    row(&[&out.y, &out.h, &out.c])
}

fn gru(a: &Arguments<'_>) -> Result<Tensor> {
    let t = &a.tensors;
    let (weight_ih, weight_hh, bias_ih, bias_hh, state) = (&t[1], &t[2], &t[3], &t[4], t.get(5));
    let inputs = GruInputs { weight_ih, weight_hh, bias_ih, bias_hh, state, direction: direction(a) };
    let out = t[0].gru(&inputs, steps(a))?;
    row(&[&out.y, &out.h])
}
