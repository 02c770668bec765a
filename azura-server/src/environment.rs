//! What results do not depend on, and people want to know all the same.

use std::{fs, thread::available_parallelism};

use jiff::{Timestamp, Unit};
use serde_json::{Value, json};

use crate::{VERSION, clock};

/// The versions, the machine, and the times of a run that ends now.
pub(crate) fn describe(begun: Timestamp) -> Value {
    let ended = clock::now();
    json!({
        "azura_version": VERSION,
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "cpu": cpu(),
        "cores": available_parallelism().map_or(1, usize::from),
        "threads": rayon::current_num_threads(),
        "started_at": begun,
        "finished_at": ended,
        "seconds": (ended - begun).total(Unit::Second).ok(),
    })
}

/// The processor's name, where the system tells it in a file.
fn cpu() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}
