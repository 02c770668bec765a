//! Layers. They compose operations of azura-core and hold no derivative of their own.

mod activation;
mod attention;
mod conv;
mod dropout;
mod embedding;
mod flatten;
mod gru;
mod linear;
mod lstm;
mod norm;
mod pool;
mod positional;
mod recurrent;
mod residual;
mod sequential;
mod transformer;

pub use activation::{Elu, Gelu, GeluTanh, LeakyRelu, Relu, Sigmoid, Silu, Softmax, Tanh};
pub use attention::{AttentionMask, MultiHeadAttention, SelfAttention};
pub use conv::Conv2d;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use gru::{Gru, GruRun};
pub use linear::Linear;
pub use lstm::{Lstm, LstmRun};
pub use norm::{BatchNorm1d, BatchNorm2d, LayerNorm};
pub use pool::{AvgPool2d, MaxPool2d};
pub use positional::PositionalEncoding;
pub use recurrent::Stack;
pub use residual::Residual;
pub use sequential::Sequential;
pub use transformer::TransformerEncoderLayer;

use crate::{Rng, rng::uniform};
use azura_core::{Param, ndarray};

/// A parameter drawn uniformly from `-bound..bound`.
fn uniform_param(shape: &[usize], bound: f32, rng: &mut Rng) -> Param {
    Param::new(ndarray::Array::from_shape_simple_fn(shape, || uniform(rng, -bound, bound)))
}

/// `1 / sqrt(n)`, the bound of PyTorch's default initialisation; 0 for no inputs.
fn inverse_root(n: usize) -> f32 {
    if n == 0 { 0.0 } else { (n as f32).sqrt().recip() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cx, Error, Module, Parameters as _, StateDict, parameters, seeded};
    use azura_core::{Conv, Mask, Tensor};

    #[test]
    fn what_a_layer_does_not_take_it_says_by_name() {
        let rng = &mut seeded(1);
        let x = |shape: &[usize]| Tensor::zeros(shape);
        let eval =
            |module: &dyn Module, shape: &[usize]| module.forward(&x(shape), &mut Cx::eval()).map(|_| ());
        let attention = MultiHeadAttention::new(4, 2, rng).unwrap();
        let padding = Mask::from_elem(&[2, 5][..], false);
        let padded = AttentionMask { key_padding: Some(&padding), ..AttentionMask::default() };
        let (y, cx) = (x(&[2, 3, 4]), &mut Cx::eval());
        let found: [(Result<(), Error>, &str); 14] = [
            (
                Conv2d::new(3, 4, [3, 0], Conv::default(), rng).map(|_| ()),
                "Conv2d: kernel [3, 0], stride [1, 1] and dilation [1, 1] must be 1 or more",
            ),
            (
                Conv2d::new(3, 4, [3, 3], Conv { groups: 2, ..Conv::default() }, rng).map(|_| ()),
                "Conv2d: 2 groups must divide 3 channels and 4 outputs",
            ),
            (
                eval(&Conv2d::new(3, 4, [3, 3], Conv::default(), rng).unwrap(), &[1, 2, 8, 8]),
                "conv2d: shapes",
            ),
            (eval(&MaxPool2d::new([0, 2]), &[1, 2, 8, 8]), "max_pool2d"),
            (eval(&Flatten, &[]), "Flatten: wants [batch, ..], not a scalar"),
            (
                eval(&BatchNorm1d::new(2), &[1, 2, 3, 4]),
                "BatchNorm1d: wants [batch, channels] or [batch, channels, length], not [1, 2, 3, 4]",
            ),
            (
                eval(&BatchNorm2d::new(2), &[1, 2]),
                "BatchNorm2d: wants [batch, channels, height, width], not [1, 2]",
            ),
            (eval(&LayerNorm::new(3), &[2, 4]), "layer_norm: shapes [2, 4] and [3]"),
            (
                SelfAttention::new(6, 4, rng).map(|_| ()),
                "MultiHeadAttention: 4 heads must divide a size of 6, and neither be 0",
            ),
            (
                eval(&SelfAttention::new(6, 3, rng).unwrap(), &[2, 5, 4]),
                "MultiHeadAttention: wants [batch, time, 6], not [2, 5, 4]",
            ),
            (
                attention.attend(&y, &y, &y, padded, cx).map(|_| ()),
                "MultiHeadAttention: wants the key padding as [batch, keys] = [2, 3], not [2, 5]",
            ),
            (
                eval(&PositionalEncoding::new(4, 3), &[2, 5, 4]),
                "PositionalEncoding: wants [.., time, 4] with a time of at most 3, not [2, 5, 4]",
            ),
            (
                eval(&Residual::new(Linear::new(3, 1, rng)), &[2, 3]),
                "Residual: the module makes [2, 1] of [2, 3]",
            ),
            (TransformerEncoderLayer::new(4, 2, 8, rng).unwrap().dropout(1.0).map(|_| ()), "dropout: p = 1"),
        ];
        for (result, why) in found {
            let error = result.unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }

    #[test]
    fn layers_start_as_in_pytorch() {
        let rng = &mut seeded(1);
        let greatest = |model: &dyn Module| {
            let mut all = Vec::new();
            model.visit(&mut |_, param| {
                all.push(param.as_slice().iter().fold(0.0_f32, |max, x| max.max(x.abs())));
            });
            all
        };
        // Of 48 numbers or more the greatest lies in the upper tenth of the range, but for once in 150 times.
        let uniform =
            |found: f32, bound: f32| assert!((0.9 * bound..=bound).contains(&found), "{found} of {bound}");
        // 4 channels of 3 x 3 in two groups: 18 inputs.
        let grouped = Conv { groups: 2, ..Conv::default() };
        for found in greatest(&Conv2d::new(4, 64, [3, 3], grouped, rng).unwrap()) {
            uniform(found, 18.0_f32.sqrt().recip());
        }
        let stack = Stack { layers: 2, ..Stack::default() };
        for found in greatest(&Gru::stacked(3, 16, stack, rng).unwrap()) {
            uniform(found, 0.25);
        }
        // Xavier's bound of [48, 16] is sqrt(6 / 64), the bound of the output's weight 1 / sqrt(16).
        let found = greatest(&SelfAttention::new(16, 2, rng).unwrap());
        uniform(found[0], (6.0_f32 / 64.0).sqrt());
        uniform(found[2], 0.25);
        assert!(found[1] == 0.0 && found[3] == 0.0);

        let mut embedding = Embedding::new(100, 100, rng);
        parameters(&mut embedding).visit(&mut |_, weight| {
            let square = weight.as_slice().iter().map(|x| x * x).sum::<f32>() / 1e4;
            // The standard error of a variance of 1 over 10 000 numbers is sqrt(2) / 100.
            assert!((square - 1.0).abs() < 4.0 * 0.0142, "{square}");
        });
    }

    #[test]
    fn an_encoder_drops_in_training_only() {
        let x = Tensor::from_vec(&[2, 3, 4], (0..24).map(|i| (i as f32).sin()).collect()).unwrap();
        let layer = |p| {
            TransformerEncoderLayer::new(4, 2, 8, &mut seeded(1)).unwrap().norm_first().dropout(p).unwrap()
        };
        let y = |p, mut cx: Cx| layer(p).forward(&x, &mut cx).unwrap().to_vec();
        assert_eq!(y(0.5, Cx::eval()), y(0.0, Cx::train(seeded(1))));
        assert_ne!(y(0.5, Cx::train(seeded(1))), y(0.5, Cx::eval()));
        assert_ne!(y(0.5, Cx::train(seeded(1))), y(0.5, Cx::train(seeded(2))));
    }

    #[test]
    fn statistics_are_saved_and_are_no_parameters() {
        let x = Tensor::from_vec(&[4, 1], vec![1.0, 2.0, 3.0, 6.0]).unwrap();
        let mut norm = BatchNorm1d::new(1);
        let cx = &mut Cx::train(seeded(1));
        // Twice in one step: the second change builds on the first. The mean is 3, the variance of the sample
        // (4 + 1 + 0 + 9) / 3.
        for _ in 0..2 {
            norm.forward(&x, cx).unwrap();
        }
        cx.apply(&mut parameters(&mut norm)).unwrap();
        let state = StateDict::of(&parameters(&mut norm));
        let saved = |name| f64::from(state.get(name).unwrap().1[0]);
        assert!((saved("running_mean") - (0.9 * 0.3 + 0.3)).abs() < 1e-6);
        let once = 0.9 + 0.1 * 14.0 / 3.0;
        assert!((saved("running_var") - (0.9 * once + 0.1 * 14.0 / 3.0)).abs() < 1e-6);
        assert_eq!(parameters(&mut norm).count(), 2);

        let mut other = BatchNorm1d::new(1);
        state.load_into(&mut parameters(&mut other)).unwrap();
        let y = |norm: &BatchNorm1d| norm.forward(&x, &mut Cx::eval()).unwrap().to_vec();
        assert_eq!(y(&other), y(&norm));
        assert_ne!(y(&other), y(&BatchNorm1d::new(1)));
        // Evaluation leaves them as they are.
        let cx = &mut Cx::eval();
        norm.forward(&x, cx).unwrap();
        cx.apply(&mut parameters(&mut norm)).unwrap();
        assert_eq!(StateDict::of(&parameters(&mut norm)), state);
    }

    #[test]
    fn changes_of_a_buffer_that_is_not_shown_are_refused() {
        let cx = &mut Cx::train(seeded(1));
        cx.update(&Param::buffer(ndarray::arr1(&[0.0])), |values| values.fill(1.0));
        let error =
            cx.apply(&mut parameters(&mut Linear::new(1, 1, &mut seeded(1)))).unwrap_err().to_string();
        assert!(error.contains("`visit_mut` does not show 1 of the buffers that it changes"), "{error}");
    }
}
