//! `azura pipelines`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use azura_learner::Registry;
use serde_json::json;

use super::{Failure, config::PipelinesArgs};

pub(crate) fn run(args: &PipelinesArgs) -> Result<ExitCode, Failure> {
    let registry = Registry::builtin();
    let mut out = io::stdout().lock();
    let Some(name) = &args.name else {
        for info in registry.names().filter_map(|name| registry.info(name)) {
            writeln!(out, "{}\n    {}", info.name, info.description)?;
        }
        writeln!(out, "\n`azura pipelines NAME` prints the default config and the schema of its configs.")?;
        return Ok(ExitCode::SUCCESS);
    };
    let Some(info) = registry.info(name) else {
        let known: Vec<_> = registry.names().collect();
        eprintln!("error: there is no pipeline {name:?}; there are: {}", known.join(", "));
        return Ok(ExitCode::from(2));
    };
    let both = json!({"default_config": info.default_config, "json_schema": info.json_schema});
    writeln!(out, "{}", serde_json::to_string_pretty(&both)?)?;
    Ok(ExitCode::SUCCESS)
}
