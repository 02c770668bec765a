//! `cargo bench -p azura-benches --bench ops [FILTER]`: single operations at the sizes of the workloads, on all processors.
//! "step" is forward and backward.

use azura_benches::{classes, numbers};
use azura_learner::azura_core::{
    ClassLoss, Conv, Direction, LstmInputs, Param, Result, Steps, Tensor,
    kernels::{Mat, gemm},
};
use criterion::{Criterion, Throughput};
use std::time::Duration;

/// The products of the workloads: name, m, k, n, and which factors are transposed.
const PRODUCTS: &[(&str, usize, usize, usize, &str)] = &[
    ("W1 h Wh", 32, 100, 400, ""),
    ("W1 dg WhT", 32, 400, 100, "right"),
    ("W1 dWh", 100, 1920, 400, "left"),
    ("W1 x Wx", 1920, 11, 400, ""),
    ("W1 dWx", 11, 1920, 400, "left"),
    ("W2 h Wh", 32, 128, 512, ""),
    ("W2 dg WhT", 32, 512, 128, "right"),
    ("W2 dWh", 128, 5376, 512, "left"),
    ("W2 x Wx", 5376, 10, 512, ""),
    ("W5 h Wh", 32, 256, 1024, ""),
    ("W5 dg WhT", 32, 1024, 256, "right"),
    ("W5 dWh", 256, 4096, 1024, "left"),
    ("W5 x Wx", 4096, 64, 1024, ""),
    ("W5 dx", 4096, 1024, 64, "right"),
    ("W5 dense", 4096, 256, 256, ""),
    ("W3 first", 64, 784, 256, ""),
    ("W3 first dW", 784, 64, 256, "left"),
    ("W3 second", 64, 256, 128, ""),
    ("W3 second dx", 64, 128, 256, "right"),
    ("W3 third", 64, 128, 10, ""),
    ("W4 second", 32, 144, 16384, ""),
    ("W4 first", 16, 27, 65536, ""),
    ("W7 dense", 2048, 128, 128, ""),
    ("W7 q kT", 64, 128, 64, "right"),
    ("W6 first", 8, 4, 16, ""),
    ("square 512", 512, 512, 512, ""),
    ("square 1024", 1024, 1024, 1024, ""),
    ("square 2048", 2048, 2048, 2048, ""),
];

/// A function of the library, by name.
type Op<T> = (&'static str, fn(&Tensor) -> Result<T>);

const ELEMENTWISE: &[Op<Tensor>] = &[
    ("exp", Tensor::exp),
    ("sigmoid", Tensor::sigmoid),
    ("tanh", Tensor::tanh),
    ("gelu", Tensor::gelu),
    ("relu", Tensor::relu),
];

fn products(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("product");
    for &(name, m, k, n, transposed) in PRODUCTS {
        let (a, b) = (numbers(&[m * k]).to_vec(), numbers(&[k * n]).to_vec());
        let a = if transposed == "left" { Mat::new(&a, k, m).t() } else { Mat::new(&a, m, k) };
        let b = if transposed == "right" { Mat::new(&b, n, k).t() } else { Mat::new(&b, k, n) };
        let mut c = vec![0.0; m * n];
        group.throughput(Throughput::Elements((2 * m * k * n) as u64));
        group.bench_function(format!("{name} {m}x{k}x{n}"), |bencher| {
            bencher.iter(|| gemm(a, b, &mut c, n, false));
        });
    }
    group.finish();
}

/// Forward, and forward and backward, of `f` with some parameters.
fn both(criterion: &mut Criterion, name: &str, params: &[Param], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let constants: Vec<_> = params.iter().map(Param::constant).collect();
    criterion.bench_function(&format!("{name} forward"), |bencher| {
        bencher.iter(|| f(&constants).expect("it runs"));
    });
    let step = || f(&params.iter().map(Param::tracked).collect::<Vec<_>>())?.sum_all()?.backward();
    criterion.bench_function(&format!("{name} step"), |bencher| bencher.iter(|| step().expect("it runs")));
}

fn params(shapes: &[&[usize]]) -> Vec<Param> {
    shapes.iter().map(|shape| Param::new(numbers(shape).into_data())).collect()
}

fn tensor_ops(criterion: &mut Criterion) {
    for (name, f) in ELEMENTWISE {
        both(criterion, &format!("{name} 65536"), &params(&[&[65536]]), |x| f(&x[0]));
    }
    both(criterion, "softmax 2048x64", &params(&[&[2048, 64]]), |x| x[0].softmax(-1));
    both(criterion, "layer_norm 2048x128", &params(&[&[2048, 128], &[128], &[128]]), |x| {
        x[0].layer_norm(&x[1], &x[2], 1e-5)
    });
    for (rows, count) in [(64, 10), (4096, 256)] {
        let targets = classes(&[rows], count as u32);
        let name = format!("cross_entropy {rows}x{count}");
        both(criterion, &name, &params(&[&[rows, count]]), |x| {
            x[0].cross_entropy(&targets, &ClassLoss::default())
        });
    }
    let same = Conv { padding: [1, 1], ..Conv::default() };
    for [inputs, outputs, size] in [[3, 16, 32], [16, 32, 16]] {
        let shapes: [&[usize]; 3] = [&[64, inputs, size, size], &[outputs, inputs, 3, 3], &[outputs]];
        let name = format!("conv2d 64x{inputs}x{size}x{size} to {outputs}");
        both(criterion, &name, &params(&shapes), |x| x[0].conv2d(&x[1], Some(&x[2]), &same));
    }
    both(criterion, "max_pool2d 64x16x32x32", &params(&[&[64, 16, 32, 32]]), |x| {
        x[0].max_pool2d([2, 2], [2, 2], [0, 0])
    });
    for [steps, inputs, hidden] in [[60, 11, 100], [168, 10, 128], [128, 64, 256]] {
        let gates = 4 * hidden;
        let shapes: [&[usize]; 4] = [&[32, steps, inputs], &[gates, inputs], &[gates, hidden], &[gates]];
        let name = format!("lstm 32x{steps}x{inputs} to {hidden}");
        both(criterion, &name, &params(&shapes), |x| {
            let inputs = LstmInputs {
                weight_ih: &x[1],
                weight_hh: &x[2],
                bias: &x[3],
                state: None,
                direction: Direction::Forward,
            };
            Ok(x[0].lstm(&inputs, Steps::Last)?.h)
        });
    }
}

fn main() {
    let mut criterion =
        Criterion::default().sample_size(20).measurement_time(Duration::from_secs(2)).configure_from_args();
    products(&mut criterion);
    tensor_ops(&mut criterion);
    criterion.final_summary();
}
