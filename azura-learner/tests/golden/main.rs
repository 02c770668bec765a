//! Layers, losses, optimizers, schedules and whole trainings beside PyTorch. `scripts/golden.py` made the files of what
//! PyTorch computes; it is not needed here.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

mod layers;
mod losses;
mod numbers;
mod schedules;
mod trainings;
