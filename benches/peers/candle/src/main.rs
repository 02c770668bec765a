//! Times candle: `candle_steps WORKLOAD --seconds S --threads N`.

#[path = "../../common.rs"]
mod common;

use candle_core::{DType, Device, ModuleT as _, Result, Tensor};
use candle_nn::{
    AdamW, Conv2d, Conv2dConfig, Dropout, Embedding, LSTM, Linear, Module as _, Optimizer as _, ParamsAdamW,
    RNN as _, VarBuilder, VarMap, conv2d, embedding, linear, loss, lstm, ops,
};
use common::{classes, measure, numbers};

const CPU: Device = Device::Cpu;

struct Forecaster(LSTM, Dropout, Linear);

impl Forecaster {
    fn new(inputs: usize, hidden: usize, vb: &VarBuilder) -> Result<Self> {
        let recurrent = lstm(inputs, hidden, Default::default(), vb.pp("lstm"))?;
        Ok(Self(recurrent, Dropout::new(0.2), linear(hidden, 1, vb.pp("out"))?))
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let states = self.0.seq(x)?;
        let h = states.last().expect("a step").h();
        self.2.forward(&self.1.forward_t(h, train)?)
    }
}

struct Mlp([Linear; 3]);

impl Mlp {
    fn new(vb: &VarBuilder) -> Result<Self> {
        let layer = |name, inputs, outputs| linear(inputs, outputs, vb.pp(name));
        Ok(Self([layer("0", 784, 256)?, layer("1", 256, 128)?, layer("2", 128, 10)?]))
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [first, second, third] = &self.0;
        third.forward(&second.forward(&first.forward(x)?.relu()?)?.relu()?)
    }
}

struct Cnn(Conv2d, Conv2d, Linear);

impl Cnn {
    fn new(vb: &VarBuilder) -> Result<Self> {
        let same = Conv2dConfig { padding: 1, ..Default::default() };
        let layer = |name, inputs, outputs| conv2d(inputs, outputs, 3, same, vb.pp(name));
        Ok(Self(layer("0", 3, 16)?, layer("1", 16, 32)?, linear(2048, 10, vb.pp("2"))?))
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.0.forward(x)?.relu()?.max_pool2d(2)?;
        let x = self.1.forward(&x)?.relu()?.max_pool2d(2)?;
        self.2.forward(&x.flatten_from(1)?)
    }
}

struct Audio(Embedding, LSTM, Linear);

impl Audio {
    fn new(vb: &VarBuilder) -> Result<Self> {
        let table = embedding(256, 64, vb.pp("table"))?;
        Ok(Self(table, lstm(64, 256, Default::default(), vb.pp("lstm"))?, linear(256, 256, vb.pp("out"))?))
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let states = self.1.seq(&self.0.forward(x)?)?;
        self.2.forward(&self.1.states_to_tensor(&states)?)?.flatten_to(1)
    }
}

struct Attention([Linear; 4]);

impl Attention {
    fn new(vb: &VarBuilder) -> Result<Self> {
        let layer = |name| linear(128, 128, vb.pp(name));
        Ok(Self([layer("q")?, layer("k")?, layer("v")?, layer("out")?]))
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [q, k, v, out] = &self.0;
        let (q, k, v) = (q.forward(x)?, k.forward(x)?, v.forward(x)?);
        let scores = (q.matmul(&k.t()?)? / 128_f64.sqrt())?;
        out.forward(&ops::softmax(&scores, 2)?.matmul(&v)?)
    }
}

fn floats(shape: &[usize]) -> Result<Tensor> {
    Tensor::from_vec(numbers(shape), shape, &CPU)
}

fn labels(shape: &[usize], count: u32) -> Result<Tensor> {
    Tensor::from_vec(classes(shape.iter().product(), count), shape, &CPU)
}

/// A forward pass, told whether it is for training.
type Forward = Box<dyn Fn(bool) -> Result<Tensor>>;
/// The loss of its output.
type Loss = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

fn mse(shape: &[usize]) -> Result<Loss> {
    let target = floats(shape)?;
    Ok(Box::new(move |y| loss::mse(y, &target)))
}

fn cross_entropy(rows: usize, count: u32) -> Result<Loss> {
    let target = labels(&[rows], count)?;
    Ok(Box::new(move |y| loss::cross_entropy(y, &target)))
}

fn workload(name: &str, vb: &VarBuilder) -> Result<(Forward, Loss)> {
    Ok(match name {
        "W1" | "W1f" => {
            let (model, x) = (Forecaster::new(11, 100, vb)?, floats(&[32, 60, 11])?);
            (Box::new(move |train| model.forward(&x, train)), mse(&[32, 1])?)
        }
        "W2" => {
            let (model, x) = (Forecaster::new(10, 128, vb)?, floats(&[32, 168, 10])?);
            (Box::new(move |train| model.forward(&x, train)), mse(&[32, 1])?)
        }
        "W3" | "W3f" => {
            let (model, x) = (Mlp::new(vb)?, floats(&[64, 784])?);
            (Box::new(move |_| model.forward(&x)), cross_entropy(64, 10)?)
        }
        "W4" => {
            let (model, x) = (Cnn::new(vb)?, floats(&[64, 3, 32, 32])?);
            (Box::new(move |_| model.forward(&x)), cross_entropy(64, 10)?)
        }
        "W5" => {
            let (model, x) = (Audio::new(vb)?, labels(&[32, 128], 256)?);
            (Box::new(move |_| model.forward(&x)), cross_entropy(32 * 128, 256)?)
        }
        "W6" => {
            let (first, second) = (linear(4, 16, vb.pp("0"))?, linear(16, 1, vb.pp("1"))?);
            let x = floats(&[8, 4])?;
            (Box::new(move |_| second.forward(&first.forward(&x)?.tanh()?)), mse(&[8, 1])?)
        }
        "W7" => {
            let (model, x) = (Attention::new(vb)?, floats(&[32, 64, 128])?);
            (Box::new(move |_| model.forward(&x)), mse(&[32, 64, 128])?)
        }
        _ => panic!("no workload {name}"),
    })
}

fn main() -> Result<()> {
    let args = common::args();
    let threads = args.threads.to_string();
    // SAFETY: no other thread runs yet.
    unsafe {
        std::env::set_var("RAYON_NUM_THREADS", &threads);
        std::env::set_var("CANDLE_NUM_THREADS", &threads);
    }
    let vars = VarMap::new();
    let (forward, loss) = workload(&args.workload, &VarBuilder::from_varmap(&vars, DType::F32, &CPU))?;
    let mean = |y: Tensor| y.mean_all().and_then(|y| y.to_scalar::<f32>()).expect("a number");
    if args.workload.ends_with('f') {
        // Evaluation: the parameters are constants, so that no graph is built.
        let vars = vars.data().lock().expect("it is free");
        let constants = vars.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect();
        let vb = VarBuilder::from_tensors(constants, DType::F32, &CPU);
        let (forward, _) = workload(&args.workload, &vb)?;
        measure(&args, || forward(false).expect("it runs"), mean);
    } else {
        let hyper = ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..Default::default() };
        let mut adam = AdamW::new(vars.all_vars(), hyper)?;
        let mut step = || {
            let loss = loss(&forward(true)?)?;
            adam.backward_step(&loss)?;
            Result::Ok(loss.detach())
        };
        measure(&args, || step().expect("it runs"), mean);
    }
    Ok(())
}
