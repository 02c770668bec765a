//! The output of each layer, and its gradients with respect to input and parameters.

use crate::numbers::{close, fill, ids, numbers};
use azura_learner::{
    AttentionMask, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, Cx, Elu, Embedding, Flatten, Gelu, GeluTanh,
    Gru, LayerNorm, LeakyRelu, Linear, Lstm, MaxPool2d, Module, MultiHeadAttention, PositionalEncoding, Relu,
    Residual, Result, SelfAttention, Sigmoid, Silu, Softmax, Stack, Tanh, TransformerEncoderLayer,
    azura_core::{Conv, Mask, Param, Tensor, ndarray::Array2},
    parameters, seeded, visit,
};
use serde_json::Value;

/// Both sides start from the same numbers; ours rounds in `f32`.
const TOLERANCE: f64 = 1e-5;

/// A module of tensors made of another one.
struct With<M, F>(M, F);

impl<M: Module, F: Fn(&M, &Tensor, &mut Cx) -> Result<Tensor> + Send + Sync> Module for With<M, F> {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        (self.1)(&self.0, x, cx)
    }

    visit! { parts: 0; }
}

/// Of few tokens, a weight for each number of the input.
struct Tokens(Embedding);

impl Module for Tokens {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        Ok(self.0.forward(&ids(&[2, 5], 50, 4), cx)?.mul(x)?)
    }

    visit! { parts: 0; }
}

/// Two queries to a memory of four, some of which is padding.
struct Cross(MultiHeadAttention);

impl Module for Cross {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        let (query, memory) = (x.slice(1, 0..2)?, x.slice(1, 2..6)?);
        let mask = AttentionMask { key_padding: Some(&padding(3, 4)), ..AttentionMask::default() };
        self.0.attend(&query, &memory, &memory, mask, cx)
    }

    visit! { parts: 0; }
}

/// All outputs of a layer for an input and states.
type Run<M> = fn(&M, &Tensor, &[Tensor], &mut Cx) -> Result<Vec<Tensor>>;

/// Everything that goes out of a recurrent layer, with states going in.
struct States<M> {
    first: Vec<Param>,
    layer: M,
    run: Run<M>,
}

impl<M: Module> Module for States<M> {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        let states: Vec<_> = self.first.iter().map(|state| cx.param(state)).collect();
        let all = (self.run)(&self.layer, x, &states, cx)?;
        let all: Vec<_> = all.iter().map(|x| x.reshape(&[x.len()])).collect::<Result<_, _>>()?;
        Ok(Tensor::concat(0, &all.iter().collect::<Vec<_>>())?)
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        self.first.iter().for_each(|state| f("state", state));
        self.layer.visit(f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        self.first.iter_mut().for_each(|state| f("state", state));
        self.layer.visit_mut(f);
    }
}

/// The last steps of all but the first sequence are padding.
fn padding(batch: usize, time: usize) -> Mask {
    Array2::from_shape_fn((batch, time), |(row, step)| step >= time - row).into_dyn().into_shared()
}

fn case(name: &str) -> Option<(Box<dyn Module>, &'static [usize])> {
    const IMAGE: &[usize] = &[2, 4, 5, 6];
    const SEQUENCE: &[usize] = &[2, 5, 3];
    let rng = &mut seeded(0);
    let both = Stack { layers: 2, bidirectional: true, dropout: 0.0 };
    let states = |count: usize| {
        (0..count).map(|_| Param::new(numbers(&[4, 2, 4], 1).into_data())).collect::<Vec<Param>>()
    };
    let case: (Box<dyn Module>, _) = match name {
        "linear" => (Box::new(Linear::new(3, 2, rng)), SEQUENCE),
        "conv2d" => {
            let how = Conv { stride: [2, 1], padding: [1, 0], ..Conv::default() };
            (Box::new(Conv2d::new(4, 3, [3, 2], how, rng).unwrap()), IMAGE)
        }
        "conv2d grouped" => {
            let how = Conv { dilation: [2, 1], groups: 2, ..Conv::default() };
            (Box::new(Conv2d::new(4, 2, [2, 2], how, rng).unwrap()), IMAGE)
        }
        "max_pool2d" => (Box::new(MaxPool2d::new([2, 3])), IMAGE),
        "max_pool2d padded" => (Box::new(MaxPool2d::new([3, 2]).stride([2, 1]).padding([1, 0])), IMAGE),
        "avg_pool2d" => (Box::new(AvgPool2d::new([2, 3])), IMAGE),
        "avg_pool2d padded" => (Box::new(AvgPool2d::new([3, 2]).stride([2, 1]).padding([1, 1])), IMAGE),
        "flatten" => (Box::new(Flatten), IMAGE),
        "embedding" => (Box::new(Tokens(Embedding::new(4, 3, rng))), SEQUENCE),
        "lstm" => (Box::new(Lstm::stacked(3, 4, both, rng).unwrap()), SEQUENCE),
        "lstm last" => (Box::new(Lstm::stacked(3, 4, both, rng).unwrap().last_step()), SEQUENCE),
        "lstm states" => {
            let layer = Lstm::stacked(3, 4, both, rng).unwrap();
            let run = |lstm: &Lstm, x: &Tensor, states: &[Tensor], cx: &mut Cx| {
                let out = lstm.run(x, Some((&states[0], &states[1])), cx)?;
                Ok(vec![out.y, out.h, out.c])
            };
            (Box::new(States { first: states(2), layer, run }), SEQUENCE)
        }
        "gru" => (Box::new(Gru::stacked(3, 4, both, rng).unwrap()), SEQUENCE),
        "gru last" => (Box::new(Gru::stacked(3, 4, both, rng).unwrap().last_step()), SEQUENCE),
        "gru states" => {
            let layer = Gru::stacked(3, 4, both, rng).unwrap();
            let run = |gru: &Gru, x: &Tensor, states: &[Tensor], cx: &mut Cx| {
                let out = gru.run(x, Some(&states[0]), cx)?;
                Ok(vec![out.y, out.h])
            };
            (Box::new(States { first: states(1), layer, run }), SEQUENCE)
        }
        "layer_norm" => (Box::new(LayerNorm::new(6)), IMAGE),
        "batch_norm1d" => (Box::new(BatchNorm1d::new(3)), &[5, 3]),
        "batch_norm1d sequence" => (Box::new(BatchNorm1d::new(5)), SEQUENCE),
        "batch_norm2d" => (Box::new(BatchNorm2d::new(4)), IMAGE),
        "self_attention" => (Box::new(SelfAttention::new(8, 2, rng).unwrap()), &[2, 4, 8]),
        "self_attention causal" => (Box::new(SelfAttention::new(8, 2, rng).unwrap().causal()), &[2, 4, 8]),
        "multi_head_attention" => (Box::new(Cross(MultiHeadAttention::new(8, 4, rng).unwrap())), &[3, 6, 8]),
        "encoder" => (Box::new(TransformerEncoderLayer::new(8, 2, 16, rng).unwrap()), &[2, 4, 8]),
        "encoder causal" => {
            (Box::new(TransformerEncoderLayer::new(8, 2, 16, rng).unwrap().causal()), &[2, 4, 8])
        }
        "encoder norm_first" => {
            let layer = TransformerEncoderLayer::new(8, 2, 16, rng).unwrap().norm_first();
            let padded = |layer: &TransformerEncoderLayer, x: &Tensor, cx: &mut Cx| {
                layer.encode(x, Some(&padding(3, 4)), cx)
            };
            (Box::new(With(layer, padded)), &[3, 4, 8])
        }
        "positional" => (Box::new(PositionalEncoding::new(3, 7)), SEQUENCE),
        "residual" => (Box::new(Residual::new(Linear::new(3, 3, rng))), SEQUENCE),
        "relu" => (Box::new(Relu), SEQUENCE),
        "leaky_relu" => (Box::new(LeakyRelu { slope: 0.125 }), SEQUENCE),
        "elu" => (Box::new(Elu { alpha: 0.75 }), SEQUENCE),
        "gelu" => (Box::new(Gelu), SEQUENCE),
        "gelu_tanh" => (Box::new(GeluTanh), SEQUENCE),
        "silu" => (Box::new(Silu), SEQUENCE),
        "sigmoid" => (Box::new(Sigmoid), SEQUENCE),
        "tanh" => (Box::new(Tanh), SEQUENCE),
        "softmax" => (Box::new(Softmax::default()), SEQUENCE),
        "softmax over time" => (Box::new(Softmax { axis: 1 }), SEQUENCE),
        _ => return None,
    };
    Some(case)
}

#[test]
fn every_layer_and_its_gradients_are_those_of_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("layers.json")).unwrap();
    let mut checked = 0;
    for (name, golden) in golden.as_object().unwrap() {
        let Some((mut module, shape)) = case(name) else {
            assert_eq!(name, "made_by");
            continue;
        };
        fill(&mut module);
        let x = Param::new(numbers(shape, 1).into_data());
        let cx = &mut Cx::train(seeded(0));
        let y = module.forward(&x.tracked(), cx).unwrap();
        close(&format!("{name}: y"), &y.to_vec(), &golden["y"], TOLERANCE);

        let loss = y.mul(&numbers(y.shape(), 2)).unwrap().sum_all().unwrap();
        let grads = loss.backward().unwrap();
        let gradient = |param: &Param| grads.get(param).unwrap().iter().copied().collect::<Vec<f32>>();
        close(&format!("{name}: gradient of x"), &gradient(&x), &golden["x"], TOLERANCE);
        let (mut expected, mut buffers) = (golden["params"].as_array().unwrap().iter(), Vec::new());
        module.visit(&mut |param_name, param| {
            if param.is_trained() {
                let what = format!("{name}: gradient of {param_name}");
                close(&what, &gradient(param), expected.next().unwrap(), TOLERANCE);
            } else {
                assert!(grads.get(param).is_none());
                buffers.push(param.id());
            }
        });
        assert!(expected.next().is_none(), "{name}: PyTorch has more parameters");

        // What a batch leaves behind, and evaluation makes use of.
        cx.apply(&mut parameters(&mut module)).unwrap();
        if let Some(expected) = golden.get("buffers") {
            let mut expected = expected.as_array().unwrap().iter();
            module.visit(&mut |buffer_name, buffer| {
                if !buffer.is_trained() {
                    let what = format!("{name}: {buffer_name}");
                    close(&what, buffer.as_slice(), expected.next().unwrap(), TOLERANCE);
                }
            });
            let y = module.forward(&x.constant(), &mut Cx::eval()).unwrap();
            close(&format!("{name}: evaluation"), &y.to_vec(), &golden["eval"], TOLERANCE);
        }
        assert_eq!(buffers.len(), if golden.get("buffers").is_some() { 2 } else { 0 }, "{name}");
        checked += 1;
    }
    assert_eq!(checked, 37);
}
