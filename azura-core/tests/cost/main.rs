//! What training costs: in proportion to batch, steps and depth, and not a byte more after ten thousand steps.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

mod allocator;
#[path = "../golden/generator.rs"]
mod generator;
#[path = "../golden/workloads.rs"]
mod workloads;

use allocator::count;
use azura_core::{Attention, Direction, GruInputs, LstmInputs, Param, Result, Steps, Tensor};
use generator::{Numbers, fnv1a};
use std::{
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};
use workloads::Workload;

/// The allocator counts for all threads.
fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn param(shape: &[usize], scale: f32) -> Param {
    let values = Numbers(shape.iter().product::<usize>() as u64).values(shape.iter().product(), scale, 0.0);
    Param::new(Tensor::from_vec(shape, values).unwrap().into_data())
}

/// Processor time of this thread. Other work on the machine is not in it where Linux tells; elsewhere it is.
fn time() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    let of_thread = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = of_thread.and_then(|text| text.split(' ').next().and_then(|nanos| nanos.parse().ok()));
    nanos.map_or_else(|| START.get_or_init(Instant::now).elapsed(), Duration::from_nanos)
}

/// Forward and backward of `loss` on a small stack, eight times of one size beside one time of eight times the size:
/// equal work, as far as the cost is in proportion. Whatever is done for every pair of steps is eightfold.
fn grows_in_proportion(what: &str, sizes: [usize; 2], loss: impl Fn(usize) -> Result<Tensor> + Send + Sync) {
    let _alone = alone();
    let [small, large] = sizes;
    assert_eq!(8 * small, large);
    let run = |times: usize, size: usize| {
        (0..times).for_each(|_| drop(loss(size).unwrap().backward().unwrap()));
    };
    let cost = |times: usize, size: usize| {
        let (start, before) = (time(), count());
        run(times, size);
        let after = count();
        let time = time().saturating_sub(start);
        [time.as_nanos() as usize, after.calls - before.calls, after.bytes - before.bytes]
    };
    let measure = || {
        run(1, large);
        // Once is a few milliseconds, which is what the clock counts in.
        [cost(8 * 5, small), cost(5, large)]
    };
    let [eight, one] = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 * 1024);
        thread.spawn_scoped(scope, measure).unwrap().join().unwrap()
    });
    for (i, (of, limit)) in [("ns", 3.0), ("allocations", 1.2), ("bytes", 1.2)].into_iter().enumerate() {
        let (eight, one) = (eight[i], one[i]);
        let ratio = one as f64 / eight as f64;
        assert!(
            ratio < limit,
            "{what}: {small} cost {eight} {of}, and {large} cost {one}: {ratio:.1} times as much"
        );
    }
}

#[test]
fn depth() {
    let (weight, bias) = (param(&[8, 8], 0.35), param(&[8], 0.1));
    let x = param(&[4, 8], 1.0);
    grows_in_proportion("layers", [125, 1000], |layers| {
        let (weight, bias) = (weight.tracked(), bias.tracked());
        let mut y = x.tracked();
        for _ in 0..layers {
            y = y.linear(&weight, Some(&bias))?.tanh()?;
        }
        y.mean_all()
    });
}

fn lstm_weights() -> [Param; 3] {
    [param(&[32, 3], 0.3), param(&[32, 8], 0.3), param(&[32], 0.3)]
}

/// The loss of an LSTM over so many samples and steps.
fn lstm_loss() -> impl Fn(usize, usize, Steps) -> Result<Tensor> + Send + Sync {
    let [w_ih, w_hh, bias] = lstm_weights();
    move |batch, steps, kept| {
        let (weight_ih, weight_hh, bias) = (&w_ih.tracked(), &w_hh.tracked(), &bias.tracked());
        let inputs = LstmInputs { weight_ih, weight_hh, bias, state: None, direction: Direction::Forward };
        param(&[batch, steps, 3], 1.0).tracked().lstm(&inputs, kept)?.y.mean_all()
    }
}

/// As there, of a GRU.
fn gru_loss(direction: Direction) -> impl Fn(usize, usize, Steps) -> Result<Tensor> + Send + Sync {
    let [w_ih, w_hh] = [param(&[24, 3], 0.3), param(&[24, 8], 0.3)];
    let [b_ih, b_hh] = [0.3, 0.2].map(|scale| param(&[24], scale));
    move |batch, steps, kept| {
        let (weight_ih, weight_hh) = (&w_ih.tracked(), &w_hh.tracked());
        let (bias_ih, bias_hh) = (&b_ih.tracked(), &b_hh.tracked());
        let inputs = GruInputs { weight_ih, weight_hh, bias_ih, bias_hh, state: None, direction };
        param(&[batch, steps, 3], 1.0).tracked().gru(&inputs, kept)?.y.mean_all()
    }
}

#[test]
fn steps_of_a_sequence() {
    let (lstm, gru) = (lstm_loss(), gru_loss(Direction::Reverse));
    grows_in_proportion("steps", [625, 5000], |steps| lstm(2, steps, Steps::All));
    grows_in_proportion("gated steps", [625, 5000], |steps| gru(2, steps, Steps::All));
}

/// The gradient of the last step fades by half at each step before: after a hundred it would be subnormal, and a step
/// cost many times as much.
#[test]
fn steps_where_gradients_fade() {
    let (lstm, gru) = (lstm_loss(), gru_loss(Direction::Forward));
    grows_in_proportion("fading steps", [30, 240], |steps| lstm(256, steps, Steps::Last));
    grows_in_proportion("fading gated steps", [30, 240], |steps| gru(256, steps, Steps::Last));
}

/// As a recurrent layer of one's own would do it: each step is a slice, and hands its state to the next.
#[test]
fn steps_of_a_loop() {
    let [w_ih, w_hh, bias] = lstm_weights();
    grows_in_proportion("slices", [625, 5000], |steps| {
        let x = param(&[2, steps, 3], 1.0).tracked();
        let (weight_ih, weight_hh, bias) = (&w_ih.tracked(), &w_hh.tracked(), &bias.tracked());
        let mut state = [param(&[2, 8], 1.0), param(&[2, 8], 0.5)].map(|state| state.tracked());
        for step in 0..steps {
            let inputs = LstmInputs {
                weight_ih,
                weight_hh,
                bias,
                state: Some((&state[0], &state[1])),
                direction: Direction::Forward,
            };
            let out = x.slice(1, step..step + 1)?.lstm(&inputs, Steps::Last)?;
            state = [out.h, out.c];
        }
        state[0].mean_all()
    });
}

#[test]
fn batch() {
    let lstm = lstm_loss();
    grows_in_proportion("batch", [32, 256], |batch| lstm(batch, 200, Steps::All));
}

/// Scores of 2000 queries and keys would be 16 MB. What is asked for is the result, gradients, and room for 64 queries.
#[test]
fn attention_never_has_all_scores() {
    let _alone = alone();
    let [q, k, v] = [8, 16, 24].map(|width| param(&[2000, width], 1.0));
    let run = || {
        let (q, k, v) = (q.tracked(), k.tracked().slice(1, 0..8).unwrap(), v.tracked());
        let y = q.attention(&k, &v, &Attention::default()).unwrap();
        y.mean_all().unwrap().backward().unwrap()
    };
    // The first large piece of memory has the allocator set up.
    drop(Tensor::zeros(&[1000, 1000]).square().unwrap().softmax(-1).unwrap());
    let before = count();
    drop(run());
    let bytes = count().bytes - before.bytes;
    assert!(bytes < 3 << 20, "{bytes} bytes");
}

/// One step of W1 asks for 92 pieces of memory, 304 kB in all: its gradients are 179 kB, what passes between operations
/// is 115 kB, and the rest are nodes. All of it comes back: ten thousand steps leave nothing behind.
#[test]
fn memory() {
    let _alone = alone();
    // The second is the first with less to compute: batch 2 of 3 steps, 4 hidden.
    for (name, steps) in [("W1", 200), ("W1 small", 10_000)] {
        let train = |model: &mut Workload| assert!(model.step().is_finite());
        let mut model = Workload::new(name, &mut Numbers(fnv1a(name.as_bytes())));
        (0..20).for_each(|_| train(&mut model));
        let warm = count();
        (0..steps).for_each(|_| train(&mut model));
        let end = count();
        let at_most_1 = |weight: &Param| weight.as_slice().iter().all(|w| w.abs() < 1.0);
        assert!(model.weights().iter().all(at_most_1), "{name} trains");
        let per_step = |more: usize| more as f64 / steps as f64;
        let [calls, bytes] = [end.calls - warm.calls, end.bytes - warm.bytes].map(per_step);
        println!("{name}: {calls} allocations of {bytes} bytes in all for a step");
        // The thread pool asks for some of its own now and then.
        assert!(calls < 93.0, "{name}: {calls} allocations");
        assert!(name != "W1" || bytes < 306e3, "{name}: {bytes} bytes");
        // What the test harness may take meanwhile, and less than a byte for each step of ten thousand.
        let grown = end.live as f64 - warm.live as f64;
        assert!(grown < 4096.0, "{name}: {grown} bytes more after {steps} steps");
    }
}
