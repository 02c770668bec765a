//! The `azura` program: the server, training in the terminal, and what pipelines there are.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
