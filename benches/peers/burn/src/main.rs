//! Times burn on its flex backend: `burn_steps WORKLOAD --seconds S --threads N`.

#[path = "../../common.rs"]
mod common;

use burn::{
    module::Module,
    nn::{
        Dropout, DropoutConfig, Embedding, EmbeddingConfig, Linear, LinearConfig, Lstm, LstmConfig,
        PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
        loss::{CrossEntropyLoss, CrossEntropyLossConfig, MseLoss, Reduction},
        pool::MaxPool2dConfig,
    },
    optim::{AdamConfig, GradientsParams},
    tensor::{
        Device, Int, Tensor, TensorData,
        activation::{relu, softmax},
    },
};
use common::{Args, classes, measure, numbers};

#[derive(Module, Debug)]
struct Forecaster {
    lstm: Lstm,
    dropout: Dropout,
    out: Linear,
}

impl Forecaster {
    fn new(inputs: usize, hidden: usize, device: &Device) -> Self {
        Self {
            lstm: LstmConfig::new(inputs, hidden, true).init(device),
            dropout: DropoutConfig::new(0.2).init(),
            out: LinearConfig::new(hidden, 1).init(device),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        let (_, state) = self.lstm.forward(x, None);
        self.out.forward(self.dropout.forward(state.hidden))
    }
}

#[derive(Module, Debug)]
struct Mlp {
    first: Linear,
    second: Linear,
    third: Linear,
}

impl Mlp {
    fn new(device: &Device) -> Self {
        let layer = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        Self { first: layer(784, 256), second: layer(256, 128), third: layer(128, 10) }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.third.forward(relu(self.second.forward(relu(self.first.forward(x)))))
    }
}

#[derive(Module, Debug)]
struct Cnn {
    first: Conv2d,
    second: Conv2d,
    out: Linear,
}

impl Cnn {
    fn new(device: &Device) -> Self {
        let layer = |inputs, outputs| {
            Conv2dConfig::new([inputs, outputs], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device)
        };
        Self { first: layer(3, 16), second: layer(16, 32), out: LinearConfig::new(2048, 10).init(device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let pool = MaxPool2dConfig::new([2, 2]).init();
        let x = pool.forward(relu(self.first.forward(x)));
        let x = pool.forward(relu(self.second.forward(x)));
        self.out.forward(x.flatten(1, 3))
    }
}

#[derive(Module, Debug)]
struct Audio {
    table: Embedding,
    lstm: Lstm,
    out: Linear,
}

impl Audio {
    fn new(device: &Device) -> Self {
        Self {
            table: EmbeddingConfig::new(256, 64).init(device),
            lstm: LstmConfig::new(64, 256, true).init(device),
            out: LinearConfig::new(256, 256).init(device),
        }
    }

    fn forward(&self, x: Tensor<2, Int>) -> Tensor<2> {
        let (h, _) = self.lstm.forward(self.table.forward(x), None);
        self.out.forward(h).flatten(0, 1)
    }
}

#[derive(Module, Debug)]
struct Tiny {
    first: Linear,
    second: Linear,
}

impl Tiny {
    fn new(device: &Device) -> Self {
        Self { first: LinearConfig::new(4, 16).init(device), second: LinearConfig::new(16, 1).init(device) }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.second.forward(self.first.forward(x).tanh())
    }
}

#[derive(Module, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
}

impl Attention {
    fn new(device: &Device) -> Self {
        let layer = || LinearConfig::new(128, 128).init(device);
        Self { query: layer(), key: layer(), value: layer(), out: layer() }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let (q, k, v) = (self.query.forward(x.clone()), self.key.forward(x.clone()), self.value.forward(x));
        let scores = q.matmul(k.swap_dims(1, 2)).div_scalar(128_f32.sqrt());
        self.out.forward(softmax(scores, 2).matmul(v))
    }
}

fn floats<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers(&shape), shape), device)
}

fn labels<const D: usize>(shape: [usize; D], count: u32, device: &Device) -> Tensor<D, Int> {
    let ids: Vec<i64> = classes(shape.iter().product(), count).into_iter().map(i64::from).collect();
    Tensor::from_data(TensorData::new(ids, shape), device)
}

fn mse<const D: usize>(target: Tensor<D>) -> impl Fn(Tensor<D>) -> Tensor<1> {
    move |y| MseLoss::new().forward(y, target.clone(), Reduction::Mean)
}

fn cross_entropy(rows: usize, count: u32, device: &Device) -> impl Fn(Tensor<2>) -> Tensor<1> + use<> {
    let (target, loss): (_, CrossEntropyLoss) =
        (labels([rows], count, device), CrossEntropyLossConfig::new().init(device));
    move |y| loss.forward(y, target.clone())
}

fn train<M: Module, const D: usize>(
    args: &Args,
    model: M,
    forward: impl Fn(&M) -> Tensor<D>,
    loss: impl Fn(Tensor<D>) -> Tensor<1>,
) {
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    let mut model = Some(model);
    let step = || {
        let old = model.take().expect("it is put back");
        let loss = loss(forward(&old));
        let grads = GradientsParams::from_grads(loss.backward(), &old);
        model = Some(adam.step(1e-3, old, grads));
        loss.detach()
    };
    measure(args, step, |loss| loss.into_scalar::<f32>());
}

fn evaluate<const D: usize>(args: &Args, forward: impl Fn() -> Tensor<D>) {
    measure(args, forward, |y| y.mean().into_scalar::<f32>());
}

fn main() {
    let args = common::args();
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", args.threads.to_string()) };
    let plain = Device::flex();
    let device = &plain.clone().autodiff();
    match args.workload.as_str() {
        "W1" | "W2" => {
            let (steps, inputs, hidden) = if args.workload == "W1" { (60, 11, 100) } else { (168, 10, 128) };
            let x = floats([32, steps, inputs], device);
            let model = Forecaster::new(inputs, hidden, device);
            train(&args, model, |model| model.forward(x.clone()), mse(floats([32, 1], device)));
        }
        "W3" => {
            let x = floats([64, 784], device);
            train(&args, Mlp::new(device), |model| model.forward(x.clone()), cross_entropy(64, 10, device));
        }
        "W4" => {
            let x = floats([64, 3, 32, 32], device);
            train(&args, Cnn::new(device), |model| model.forward(x.clone()), cross_entropy(64, 10, device));
        }
        "W5" => {
            let x = labels([32, 128], 256, device);
            let loss = cross_entropy(32 * 128, 256, device);
            train(&args, Audio::new(device), |model| model.forward(x.clone()), loss);
        }
        "W6" => {
            let x = floats([8, 4], device);
            train(&args, Tiny::new(device), |model| model.forward(x.clone()), mse(floats([8, 1], device)));
        }
        "W7" => {
            let (x, y) = (floats([32, 64, 128], device), floats([32, 64, 128], device));
            train(&args, Attention::new(device), |model| model.forward(x.clone()), mse(y));
        }
        "W1f" => {
            let (model, x) = (Forecaster::new(11, 100, &plain), floats([32, 60, 11], &plain));
            evaluate(&args, || model.forward(x.clone()));
        }
        "W3f" => {
            let (model, x) = (Mlp::new(&plain), floats([64, 784], &plain));
            evaluate(&args, || model.forward(x.clone()));
        }
        name => panic!("no workload {name}"),
    }
}
