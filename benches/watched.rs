//! A server that is there to be watched: `watched [--live 20] [--rate 20] [--long 100000] [--data-dir FOLDER]`. It trains as many runs at once as
//! `--live` says, of which each tells of `--rate` epochs a second, after one that tells of `--long` epochs as fast as it can. `npm run soak` in the
//! dashboard's folder starts it and watches.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use azura_learner::{
    Adam, Callback, CallbackError, DataLoader, Flow, Learner, Linear, Outcome, Pipeline, PipelineError,
    Registry, RunCx, Sources, TensorDataset, TrainCx, azura_core::Tensor, results::Results, seeded,
};
use azura_queue::{Queue, SqliteQueue};
use azura_server::{Access, App, Runs};
use clap::Parser;
use futures_util::StreamExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{error::Error, path::PathBuf, sync::Arc, thread, time::Duration};
use tokio::net::TcpListener;

#[derive(Parser)]
struct Args {
    /// How many runs are trained at once.
    #[arg(long, default_value_t = 20)]
    live: usize,
    /// How many epochs each of them tells of in a second.
    #[arg(long, default_value_t = 20)]
    rate: u32,
    /// How many epochs the long run has; 0 for none.
    #[arg(long, default_value_t = 100_000)]
    long: u32,
    /// A data folder with runs, which stays; without it, one that goes.
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

/// What a run does.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// How many epochs it has.
    epochs: u32,
    /// How many of them in a second; 0 for as many as there can be.
    rate: u32,
}

/// Trains next to nothing, and takes its time for it.
struct Ticker;

struct Pause(Duration);

impl Callback for Pause {
    fn on_epoch_end(&mut self, _: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        thread::sleep(self.0);
        Ok(Flow::Continue)
    }
}

impl Pipeline for Ticker {
    type Config = Config;
    const NAME: &'static str = "ticker";
    const DESCRIPTION: &'static str = "Tells of epochs at a steady rate.";

    fn run(&self, config: Config, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        let x = Tensor::from_vec(&[8, 1], (0..8).map(|i| i as f32 / 8.0).collect())?;
        let data = || Ok::<_, PipelineError>(DataLoader::new(TensorDataset::new(&x, &x)?, 8));
        let pause = Duration::from_secs(1).checked_div(config.rate).unwrap_or_default();
        let learner = Learner::new(Linear::new(1, 1, &mut seeded(1)), Adam::new(1e-4), Tensor::mse);
        let publisher = cx.publisher(Self::NAME);
        let mut learner = cx.attach(learner, publisher).callback(Pause(pause));
        let fit = learner.fit(&mut data()?, Some(&mut data()?), config.epochs as usize)?;
        match fit.outcome {
            Outcome::Cancelled => Err(PipelineError::Cancelled),
            _ => Ok(Results::new(fit.history)),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let (mut vanishing, folder) = (None, args.data_dir);
    let folder = match folder {
        Some(folder) => folder,
        None => vanishing.insert(tempfile::tempdir()?).path().to_owned(),
    };
    let queue: Arc<dyn Queue> = Arc::new(SqliteQueue::open(folder.join("queue.db"))?);
    let runs = Runs::open(folder.join("experiments"))?;
    let app = Arc::new(App::new(Registry::builtin().with(Ticker), Sources::default(), queue, runs));
    app.restore().await?;
    let worker = azura_server::worker(&app).slots(args.live.max(1));
    tokio::spawn(worker.run(app.shutdown().clone()));

    let run = |epochs: u32, rate: u32| json!({"pipeline_name": Ticker::NAME, "epochs": epochs, "rate": rate});
    let long = match args.long {
        0 => None,
        epochs => {
            let task = app.submit_one(run(epochs, 0)).await?;
            let mut log = app.queue().follow(&task, 0).await?;
            while let Some(entry) = log.next().await {
                entry?;
            }
            Some(task)
        }
    };
    let mut live = Vec::new();
    for _ in 0..args.live {
        live.push(app.submit_one(run(args.rate.saturating_mul(24 * 3600), args.rate)).await?);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!(
        "{}",
        json!({"address": format!("http://{}", listener.local_addr()?), "long": long, "live": live})
    );
    let routes = azura_server::routes(&app, Access::loopback());
    azura_server::serve(&app, listener, routes).await?;
    Ok(())
}
