//! A server with a pipeline and a route of one's own, beside everything that azura-server has.
//!
//! ```text
//! cargo run --release -p azura-examples --bin own_pipeline_server
//! curl -X POST http://127.0.0.1:8000/api/v1/experiments -H 'content-type: application/json' \
//!     -d '{"pipeline_name": "sine", "frequency": 2}'
//! ```
//!
//! The first argument is where to listen, if not at 127.0.0.1:8000.

#![expect(clippy::print_stdout, reason = "a program for people")]

use azura_learner::{
    Adam, DataLoader, Learner, Linear, Outcome, Pipeline, PipelineError, Registry, RunCx, Sequential,
    Sources, Tanh, TensorDataset, azura_core::Tensor, results::Results, seeded,
};
use azura_queue::MemoryQueue;
use azura_server::{
    Access, App, Runs,
    poem::{self, Route, get, handler},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{error::Error, f32::consts::TAU, sync::Arc};
use tokio::net::TcpListener;

/// What a run depends on. Schema, check and defaults are made from this type.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Waves between 0 and 1.
    #[schemars(title = "Frequency", range(min = 1, max = 5))]
    frequency: u8,
    /// How often all points are gone through.
    #[schemars(title = "Epochs", range(min = 1, max = 1000))]
    epochs: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { frequency: 1, epochs: 100 }
    }
}

struct Sine;

impl Pipeline for Sine {
    type Config = Config;
    const NAME: &'static str = "sine";
    const DESCRIPTION: &'static str = "Learns a sine wave.";

    fn run(&self, config: Config, cx: &mut RunCx<'_>) -> Result<Results, PipelineError> {
        // Judged by points between those it learned from.
        let wave = |offset: f32| {
            let x: Vec<f32> = (0..128).map(|i| (i as f32 + offset) / 128.0).collect();
            let y = x.iter().map(|x| (TAU * f32::from(config.frequency) * x).sin()).collect();
            TensorDataset::new(&Tensor::from_vec(&[128, 1], x)?, &Tensor::from_vec(&[128, 1], y)?)
        };
        let (train, test) = (wave(0.0)?, wave(0.5)?);

        let rng = &mut seeded(1);
        let model = Sequential::new().push(Linear::new(1, 64, rng)).push(Tanh).push(Linear::new(64, 1, rng));
        let learner = Learner::new(model, Adam::new(0.01), Tensor::mse);
        let publisher = cx.publisher(Self::NAME);
        let mut learner = cx.attach(learner, publisher);
        let fit = learner.fit(&mut DataLoader::new(train, 16).shuffle(1), None, config.epochs)?;
        if fit.outcome == Outcome::Cancelled {
            return Err(PipelineError::Cancelled);
        }
        let judged = learner.evaluate(&mut DataLoader::new(test, 128), false)?;
        Ok(Results::new(fit.history).metric("rmse", Some(judged.loss.sqrt())))
    }
}

#[handler]
fn hello() -> &'static str {
    "a route of my own\n"
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".into());
    let folder = tempfile::tempdir()?;
    let app = Arc::new(App::new(
        Registry::builtin().with(Sine),
        Sources::default(),
        Arc::new(MemoryQueue::new()),
        Runs::open(folder.path())?,
    ));
    tokio::spawn(azura_server::worker(&app).run(app.shutdown().clone()));

    // What is nested here is protected already; the route beside it needs that too.
    let routes =
        Route::new().at("/hello", get(hello)).nest("/", azura_server::routes(&app, Access::loopback()));
    let routes = azura_server::protect(routes, Access::loopback());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    azura_server::serve(&app, listener, routes).await?;
    Ok(())
}
