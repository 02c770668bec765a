//! Models that are more than layers in a row, from operations of azura-core.

use super::numbers_within;
use azura_learner::{
    Cx, Linear, Lstm, Module, Result, Rng,
    azura_core::{self, Conv, Ids, Param, Tensor},
};

/// Shows the parameters of parts under the parts' names.
macro_rules! parts {
    ($($part:ident),+) => {
        fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
            $(self.$part.visit(&mut |name, param| f(&format!("{}.{name}", stringify!($part)), param));)+
        }

        fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
            $(self.$part.visit_mut(&mut |name, param| f(&format!("{}.{name}", stringify!($part)), param));)+
        }
    };
}

/// A convolution with windows of 3 x 3 that keeps height and width.
struct Conv3 {
    weight: Param,
    bias: Param,
}

impl Conv3 {
    fn new(inputs: usize, outputs: usize) -> Self {
        let bound = (9.0 * inputs as f32).sqrt().recip();
        let param = |shape: &[usize]| Param::new(numbers_within(bound, shape).into_data());
        Self { weight: param(&[outputs, inputs, 3, 3]), bias: param(&[outputs]) }
    }
}

impl Module for Conv3 {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        let how = Conv { padding: [1, 1], ..Conv::default() };
        Ok(x.conv2d(&cx.param(&self.weight), Some(&cx.param(&self.bias)), &how)?)
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        f("weight", &self.weight);
        f("bias", &self.bias);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        f("weight", &mut self.weight);
        f("bias", &mut self.bias);
    }
}

/// Two convolutions and a dense layer, over images of 3 x 32 x 32.
pub(crate) struct Cnn {
    first: Conv3,
    second: Conv3,
    dense: Linear,
}

impl Cnn {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self { first: Conv3::new(3, 16), second: Conv3::new(16, 32), dense: Linear::new(2048, 10, rng) }
    }
}

impl Module for Cnn {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        let half = |x: Tensor| x.relu()?.max_pool2d([2, 2], [2, 2], [0, 0]);
        let x = half(self.first.forward(x, cx)?)?;
        let x = half(self.second.forward(&x, cx)?)?;
        self.dense.forward(&x.reshape(&[x.shape()[0], 2048])?, cx)
    }

    parts!(first, second, dense);
}

/// Tokens to a forecast of the next one at every step, `[batch * time, 256]`.
pub(crate) struct Audio {
    table: Param,
    lstm: Lstm,
    dense: Linear,
}

impl Audio {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self {
            table: Param::new(numbers_within(1.0, &[256, 64]).into_data()),
            lstm: Lstm::new(64, 256, rng),
            dense: Linear::new(256, 256, rng),
        }
    }
}

impl Module<Ids> for Audio {
    fn forward(&self, x: &Ids, cx: &mut Cx) -> Result<Tensor> {
        let x = cx.param(&self.table).embedding(x)?;
        let y = self.dense.forward(&self.lstm.forward(&x, cx)?, cx)?;
        Ok(y.reshape(&[y.len() / 256, 256])?)
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        f("table", &self.table);
        self.lstm.visit(&mut |name, param| f(&format!("lstm.{name}"), param));
        self.dense.visit(&mut |name, param| f(&format!("dense.{name}"), param));
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        f("table", &mut self.table);
        self.lstm.visit_mut(&mut |name, param| f(&format!("lstm.{name}"), param));
        self.dense.visit_mut(&mut |name, param| f(&format!("dense.{name}"), param));
    }
}

/// Self-attention with one head.
pub(crate) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
}

impl Attention {
    pub(crate) fn new(size: usize, rng: &mut Rng) -> Self {
        let [query, key, value, output] = [(); 4].map(|()| Linear::new(size, size, rng));
        Self { query, key, value, output }
    }
}

impl Module for Attention {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        let (query, key, value) =
            (self.query.forward(x, cx)?, self.key.forward(x, cx)?, self.value.forward(x, cx)?);
        self.output.forward(&query.attention(&key, &value, &azura_core::Attention::default())?, cx)
    }

    parts!(query, key, value, output);
}
