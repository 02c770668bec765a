//! What azura-core promises, seen from outside: one program, since each one compiles all operations anew.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

mod errors;
#[path = "../golden/generator.rs"]
mod generator;
mod gradients;
mod graph;
mod laws;
mod threads;
#[path = "../golden/workloads.rs"]
mod workloads;
