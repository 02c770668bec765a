//! Every operation, and the training of whole models, beside PyTorch.
//!
//! make.py made ops.txt and training.txt, and says how; PyTorch is not needed here. Their values are PyTorch's in `f64`
//! from inputs that are `f32`, so all of the difference is ours. ops.py states the tolerances, and what each is for.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

mod case;
mod digest;
mod generator;
mod ops;
mod workloads;

use azura_core::{
    OPS,
    kernels::{Isa, limit},
};
use case::Case;
use digest::Digest;
use generator::{Numbers, fnv1a};
use std::sync::{Mutex, PoisonError};
use workloads::Workload;

const OPERATIONS: &str = include_str!("ops.txt");
const TRAINING: &str = include_str!("training.txt");

/// What a file of PyTorch's values holds, one case a line.
fn lines(file: &str) -> impl Iterator<Item = &str> {
    file.lines().filter(|line| !line.starts_with('#'))
}

/// The instruction set is chosen for the whole process.
static CHOICE: Mutex<()> = Mutex::new(());

#[test]
fn every_operation_and_its_gradients_are_those_of_pytorch() {
    let _choice = CHOICE.lock().unwrap_or_else(PoisonError::into_inner);
    for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
        if limit(isa) == isa {
            let errors: Vec<_> =
                lines(OPERATIONS).filter_map(|line| Case::parse(line).check().err()).collect();
            assert!(errors.is_empty(), "{isa:?}: {} cases differ:\n{}", errors.len(), errors.join("\n"));
        }
    }
}

/// Losses within 1e-5, and what the weights end with within 1e-4: every step hands its rounding on to all that follow, and
/// Adam makes steps of one size of gradients of any, so that of a gradient of 0 (that of an attention's key bias) the
/// rounding counts.
#[test]
fn twenty_steps_of_every_workload_are_those_of_pytorch() {
    let _choice = CHOICE.lock().unwrap_or_else(PoisonError::into_inner);
    for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
        if limit(isa) == isa {
            let errors: Vec<_> = lines(TRAINING).filter_map(|line| train(line).err()).collect();
            assert!(errors.is_empty(), "{isa:?}:\n{}", errors.join("\n"));
        }
    }
}

fn train(line: &str) -> Result<(), String> {
    let mut parts = line.split(" | ");
    let name = parts.next().unwrap();
    let mut numbers = Numbers(fnv1a(name.as_bytes()));
    // Words after the workload's name choose other numbers.
    let mut model = Workload::new(name.split(' ').next().unwrap(), &mut numbers);
    let losses: Vec<f64> = parts.next().unwrap().split(' ').map(|loss| loss.parse().unwrap()).collect();
    assert_eq!(losses.len(), 20);
    for (step, expected) in losses.into_iter().enumerate() {
        let found = f64::from(model.step());
        if (found / expected - 1.0).abs() > 1e-5 {
            return Err(format!("{name}, step {step}: a loss of {found} where PyTorch has {expected}"));
        }
    }
    for (i, weight) in model.weights().iter().enumerate() {
        let digest = Digest::parse(parts.next().unwrap());
        digest.check(&format!("{name}: weight {i}"), weight.as_slice(), None, &mut numbers, 1e-4)?;
    }
    assert_eq!(parts.next(), None);
    Ok(())
}

#[test]
fn every_operation_has_cases() {
    for op in OPS {
        let count = lines(OPERATIONS).filter(|line| line.split(' ').next() == Some(op)).count();
        assert!(count >= 3, "{op} has {count} cases in ops.py");
    }
}

/// A change of the scripts without a run of them is found.
#[test]
fn the_values_are_of_these_scripts() {
    let all = [include_str!("generator.py"), include_str!("digest.py"), include_str!("make.py")].concat();
    let files = [
        (OPERATIONS, [include_str!("case.py"), include_str!("ops.py")].concat()),
        (TRAINING, include_str!("training.py").to_owned()),
    ];
    for (file, own) in files {
        let of = format!("# of {:016x}", fnv1a((all.clone() + &own).as_bytes()));
        assert_eq!(file.lines().nth(1), Some(&*of), "run make.py again");
    }
}
