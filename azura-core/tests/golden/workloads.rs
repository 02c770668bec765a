//! The workloads that the project measures itself by, as training.py has them; no dropout.

use crate::generator::Numbers;
use azura_core::{
    ClassLoss, Conv, Direction, Ids, LstmInputs, Param, Result, Steps, Tensor,
    kernels::{Adam, adam},
};

type Loss = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

/// A model and its one batch.
pub(crate) struct Workload {
    weights: Vec<Param>,
    /// Adam's two means for each weight.
    means: Vec<[Vec<f32>; 2]>,
    loss: Loss,
    steps: u64,
}

impl Workload {
    /// The workload of this name, its batch and then its weights from the generator.
    pub(crate) fn new(name: &str, numbers: &mut Numbers) -> Self {
        let (shapes, loss) = match name {
            "W1" => forecaster(numbers, 32, 60, 11, 100),
            "W1 small" => forecaster(numbers, 2, 3, 11, 4),
            "W2" => forecaster(numbers, 32, 168, 10, 128),
            "W3" => mlp(numbers),
            "W4" => cnn(numbers),
            "W5" => audio(numbers),
            "W6" => tiny(numbers),
            "W7" => attention(numbers),
            _ => panic!("no workload `{name}`"),
        };
        let tensors = shapes.iter().map(|(shape, scale)| tensor(numbers, shape, *scale));
        let weights: Vec<_> = tensors.map(|weight| Param::new(weight.into_data())).collect();
        let means = weights.iter().map(|weight| [0, 1].map(|_| vec![0.0; weight.as_slice().len()])).collect();
        Self { weights, means, loss, steps: 0 }
    }

    pub(crate) fn weights(&self) -> &[Param] {
        &self.weights
    }

    /// Forward, loss, backward and Adam with PyTorch's defaults; returns the loss.
    pub(crate) fn step(&mut self) -> f32 {
        self.steps += 1;
        let tracked: Vec<_> = self.weights.iter().map(Param::tracked).collect();
        let loss = (self.loss)(&tracked).unwrap();
        drop(tracked);
        let grads = loss.backward().unwrap();
        let value = loss.item().unwrap();
        drop(loss);
        for (weight, [m, v]) in self.weights.iter_mut().zip(&mut self.means) {
            let grad = grads.get(weight).unwrap().as_standard_layout();
            let grad = grad.as_slice().unwrap();
            weight.update(|weight| adam(&Adam::default(), self.steps, weight, grad, m, v));
        }
        value
    }
}

/// What each weight is, and its range.
type Shapes = Vec<(Vec<usize>, f32)>;

fn tensor(numbers: &mut Numbers, shape: &[usize], scale: f32) -> Tensor {
    Tensor::from_vec(shape, numbers.values(shape.iter().product(), scale, 0.0)).unwrap()
}

fn ids(numbers: &mut Numbers, shape: &[usize], below: u64) -> Ids {
    Ids::from_shape_simple_fn(shape, || numbers.below(below) as u32)
}

/// An LSTM whose last step a dense layer makes a forecast of.
fn forecaster(
    numbers: &mut Numbers,
    batch: usize,
    time: usize,
    inputs: usize,
    hidden: usize,
) -> (Shapes, Loss) {
    let x = tensor(numbers, &[batch, time, inputs], 1.0);
    let target = tensor(numbers, &[batch, 1], 1.0);
    let shapes =
        [vec![4 * hidden, inputs], vec![4 * hidden, hidden], vec![4 * hidden], vec![1, hidden], vec![1]];
    let loss = move |w: &[Tensor]| {
        let weights = LstmInputs {
            weight_ih: &w[0],
            weight_hh: &w[1],
            bias: &w[2],
            state: None,
            direction: Direction::Forward,
        };
        x.lstm(&weights, Steps::Last)?.h.linear(&w[3], Some(&w[4]))?.mse(&target)
    };
    (shapes.map(|shape| (shape, 0.1)).into(), Box::new(loss))
}

fn mlp(numbers: &mut Numbers) -> (Shapes, Loss) {
    let x = tensor(numbers, &[64, 784], 1.0);
    let labels = ids(numbers, &[64], 10);
    let loss = move |w: &[Tensor]| {
        let y = x.linear(&w[0], Some(&w[1]))?.relu()?.linear(&w[2], Some(&w[3]))?.relu()?;
        y.linear(&w[4], Some(&w[5]))?.cross_entropy(&labels, &ClassLoss::default())
    };
    let shapes = [vec![256, 784], vec![256], vec![128, 256], vec![128], vec![10, 128], vec![10]];
    (shapes.map(|shape| (shape, 0.05)).into(), Box::new(loss))
}

fn cnn(numbers: &mut Numbers) -> (Shapes, Loss) {
    let x = tensor(numbers, &[64, 3, 32, 32], 1.0);
    let labels = ids(numbers, &[64], 10);
    let conv = Conv { padding: [1, 1], ..Conv::default() };
    let loss = move |w: &[Tensor]| {
        let halved = |x: &Tensor, w: &[Tensor]| {
            x.conv2d(&w[0], Some(&w[1]), &conv)?.relu()?.max_pool2d([2, 2], [2, 2], [0, 0])
        };
        let y = halved(&halved(&x, &w[..2])?, &w[2..4])?.reshape(&[64, 2048])?;
        y.linear(&w[4], Some(&w[5]))?.cross_entropy(&labels, &ClassLoss::default())
    };
    let layers = [([16, 3], 0.2), ([32, 16], 0.08)];
    let layers =
        layers.map(|([out, channels], scale)| [(vec![out, channels, 3, 3], scale), (vec![out], scale)]);
    let dense = [(vec![10, 2048], 0.02), (vec![10], 0.02)];
    ([layers.concat(), dense.into()].concat(), Box::new(loss))
}

fn audio(numbers: &mut Numbers) -> (Shapes, Loss) {
    let tokens = ids(numbers, &[32, 128], 256);
    let labels = ids(numbers, &[32 * 128], 256);
    let loss = move |w: &[Tensor]| {
        let weights = LstmInputs {
            weight_ih: &w[1],
            weight_hh: &w[2],
            bias: &w[3],
            state: None,
            direction: Direction::Forward,
        };
        let y = w[0].embedding(&tokens)?.lstm(&weights, Steps::All)?.y;
        let y = y.linear(&w[4], Some(&w[5]))?.reshape(&[32 * 128, 256])?;
        y.cross_entropy(&labels, &ClassLoss::default())
    };
    let table = (vec![256, 64], 1.0);
    let others = [vec![1024, 64], vec![1024, 256], vec![1024], vec![256, 256], vec![256]];
    let others = others.map(|shape| (shape, 0.06));
    ([&[table], others.as_slice()].concat(), Box::new(loss))
}

fn tiny(numbers: &mut Numbers) -> (Shapes, Loss) {
    let x = tensor(numbers, &[8, 4], 1.0);
    let target = tensor(numbers, &[8, 1], 1.0);
    let loss =
        move |w: &[Tensor]| x.linear(&w[0], Some(&w[1]))?.tanh()?.linear(&w[2], Some(&w[3]))?.mse(&target);
    let shapes = [vec![16, 4], vec![16], vec![1, 16], vec![1]];
    (shapes.map(|shape| (shape, 0.5)).into(), Box::new(loss))
}

/// One head.
fn attention(numbers: &mut Numbers) -> (Shapes, Loss) {
    let x = tensor(numbers, &[32, 64, 128], 1.0);
    let target = tensor(numbers, &[32, 64, 128], 1.0);
    let loss = move |w: &[Tensor]| {
        let [q, k, v] = [0, 2, 4].map(|i| x.linear(&w[i], Some(&w[i + 1])));
        let scores = q?.matmul(&k?.transpose()?)?.scale(128_f32.sqrt().recip())?;
        let y = scores.softmax(-1)?.matmul(&v?)?;
        y.linear(&w[6], Some(&w[7]))?.mse(&target)
    };
    let layer = [(vec![128, 128], 0.1), (vec![128], 0.1)];
    (vec![layer; 4].concat(), Box::new(loss))
}
