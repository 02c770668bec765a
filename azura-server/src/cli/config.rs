//! Flags and variables: the one place that reads them.

use std::{
    env,
    ffi::OsString,
    net::SocketAddr,
    path::{self, PathBuf},
    sync::Arc,
};

use azura_learner::Sources;
use azura_queue::{DEFAULT_QUEUE, TaskId};
use azura_server::{OpenMeteo, Origin};
use clap::{Args, CommandFactory as _, Parser, Subcommand, value_parser};

const EXAMPLES: &str = "\
Examples:
  azura                                           start the server at http://127.0.0.1:8000
  azura serve --bind 127.0.0.1:9000 --workers 2   another port, two runs at a time
  azura worker --concurrency 2                    more workers for the same queue, in a process of their own
  azura queue stats                               what waits, what runs, who works
  azura serve --queue redis://127.0.0.1:6379/0    a queue for many machines, and for Celery's clients
  azura pipelines                                 what there is to run
  azura pipelines csv_forecaster                  its default config and the schema of its configs
  azura train my.json                             train in the terminal
  azura train my.json --set training_params.epochs=5 --out runs/first
  azura train --resume ~/runs/csv_forecaster_20260301_120000_0a1b2c3d
  echo '{\"pipeline_name\": \"csv_forecaster\"}' | azura train -
  azura predict runs/first --steps 7              a forecast of seven steps, by the model of a run";

/// Trains models, in the background or in the terminal, and shows how they learn.
///
/// Without a command it starts the server.
#[derive(Debug, Parser)]
#[command(name = "azura", version, override_usage = "azura [OPTIONS] [COMMAND]", after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// How many threads the numerical work is spread over, from 1 to 1024 [default: one for each core].
    #[arg(long, global = true, env = "AZURA_THREADS", value_name = "N", value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    /// What is logged on standard error: error, warn, info, debug, trace, or such a level for each part
    /// [default: warn; of `serve` and `worker` also when a run begins and ends].
    #[arg(long, global = true, env = "AZURA_LOG", value_name = "LEVEL")]
    pub(crate) log: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts the server, with workers that do the runs.
    #[command(after_help = EXAMPLES)]
    Serve(ServeArgs),
    /// Trains in the terminal, with a progress bar. Ctrl-C cancels; what was learned is kept, and can be gone on with.
    #[command(after_help = EXAMPLES)]
    Train(TrainArgs),
    /// Asks the model of a run that has ended: a forecast, classes, sound.
    #[command(after_help = EXAMPLES)]
    Predict(PredictArgs),
    /// Does the runs of a queue that others share: those of a server, and of Celery's clients.
    #[command(after_help = EXAMPLES)]
    Worker(WorkerArgs),
    /// Shows and manages the queue.
    #[command(after_help = EXAMPLES)]
    Queue(QueueArgs),
    /// Prints the pipelines, or one pipeline's defaults and schema.
    #[command(after_help = EXAMPLES)]
    Pipelines(PipelinesArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen. The server has no accounts, so only the loopback is allowed.
    #[arg(long, env = "AZURA_BIND", value_name = "ADDRESS", default_value = "127.0.0.1:8000", value_parser = address)]
    pub(crate) bind: SocketAddr,

    #[command(flatten)]
    pub(crate) data: DataArgs,

    #[command(flatten)]
    pub(crate) fetch: FetchArgs,

    #[command(flatten)]
    pub(crate) queue: QueueUrl,

    /// How many runs are worked on at a time; 0 accepts runs without doing any.
    #[arg(long, env = "AZURA_WORKERS", value_name = "N", default_value_t = 1)]
    pub(crate) workers: usize,

    /// Another origin under which the server is reached, as through a proxy: `https://lab.example`. May be repeated.
    #[arg(long, env = "AZURA_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub(crate) allow_origin: Vec<Origin>,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    #[command(flatten)]
    pub(crate) fetch: FetchArgs,

    #[command(flatten)]
    pub(crate) queue: QueueUrl,

    /// How many runs are worked on at a time.
    #[arg(long, env = "AZURA_WORKERS", value_name = "N", default_value_t = 1, value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: u16,
}

#[derive(Debug, Args)]
pub(crate) struct QueueArgs {
    #[command(subcommand)]
    pub(crate) command: QueueCommand,

    #[command(flatten)]
    pub(crate) data: DataArgs,

    #[command(flatten)]
    pub(crate) queue: QueueUrl,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Prints how many tasks stand where, and who works.
    Stats,
    /// Prints the dead letters: tasks that failed although they were to be tried again.
    Dead,
    /// Submits a dead letter once more.
    Requeue {
        /// The task's id.
        task: TaskId,
    },
    /// Forgets a dead letter.
    Drop {
        /// The task's id.
        task: TaskId,
    },
    /// Lets no more tasks of a queue be taken up.
    Pause {
        /// The queue's name.
        #[arg(default_value = DEFAULT_QUEUE)]
        name: String,
    },
    /// Undoes `pause`.
    Resume {
        /// The queue's name.
        #[arg(default_value = DEFAULT_QUEUE)]
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct QueueUrl {
    /// Where runs wait: `sqlite` (queue.db in the data folder), `memory` (gone with the process), or a Redis, as
    /// `redis://[[user]:password@]host[:port][/db]`, `rediss://..` for TLS, or `unix:///path`.
    ///
    /// In a password % is written as %25, @ as %40, / as %2F, ? as %3F and # as %23. TLS trusts the authorities that the system
    /// trusts, or those whose certificates are in the file that the variable `SSL_CERT_FILE` names.
    #[arg(
        long = "queue",
        env = "AZURA_QUEUE",
        hide_env_values = true,
        value_name = "URL",
        default_value = "sqlite",
        global = true
    )]
    pub(crate) url: String,
}

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// A JSON file with a config; `-` reads standard input.
    #[arg(required_unless_present = "resume")]
    pub(crate) config: Option<PathBuf>,

    /// Goes on with a run that was cancelled, has failed, or was killed: its id, its folder, or the --out that it was to have.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "set"])]
    pub(crate) resume: Option<String>,

    /// Changes a value of the config; the value is JSON or, failing that, text. May be repeated.
    #[arg(long, value_name = "KEY.KEY=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<Assignment>,

    /// Where the files of the run go: a folder that does not exist yet, or is empty [default: as the server would keep them; of --resume,
    /// where they were to go].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) data: DataArgs,

    #[command(flatten)]
    pub(crate) fetch: FetchArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// The run: its experiment id, or its folder.
    pub(crate) run: String,

    /// How far ahead: steps of a forecast, samples of a sound.
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u64>,

    /// A JSON file with the whole request, such as `{"data": [..]}`; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) request: Option<PathBuf>,

    /// Changes a value of the request; the value is JSON or, failing that, text. May be repeated.
    #[arg(long, value_name = "KEY.KEY=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<Assignment>,

    /// Prints the answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,

    /// Where files of the answer go, such as a WAV; one that is there stays, and the new one is numbered.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,

    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PipelinesArgs {
    /// A pipeline's name.
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    /// Lets configs name a place whose weather is then fetched from Open-Meteo's archive; answers are kept in the data folder. Workers that do
    /// the runs need it too.
    #[arg(long, env = "AZURA_ALLOW_FETCH")]
    allow_fetch: bool,
}

impl FetchArgs {
    /// These sources, with what may be fetched.
    pub(crate) fn add(&self, sources: Sources, data: &DataArgs) -> Result<Sources, super::Failure> {
        if !self.allow_fetch {
            return Ok(sources);
        }
        Ok(sources.fetch(Arc::new(OpenMeteo::new(data.folder()?.join("fetched")))))
    }

    /// The flag once more, for another command.
    pub(crate) fn again(&self) -> &'static str {
        if self.allow_fetch { " --allow-fetch" } else { "" }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// Where runs are kept [default: azuraforge in the user's data folder].
    #[arg(long, env = "AZURA_DATA_DIR", value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
}

/// A value for a place in a config.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) path: Vec<String>,
    pub(crate) value: serde_json::Value,
}

impl DataArgs {
    /// The data folder.
    pub(crate) fn folder(&self) -> Result<PathBuf, super::Failure> {
        let folder = self.data_dir.clone().or_else(data_folder);
        let folder = folder.ok_or("there is no data folder for this user; name one with --data-dir DIR")?;
        Ok(path::absolute(folder)?)
    }

    /// The folder of all runs.
    pub(crate) fn experiments(&self) -> Result<PathBuf, super::Failure> {
        Ok(self.folder()?.join("experiments"))
    }
}

/// The command line. No command means the server.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    let mut line: Vec<OsString> = env::args_os().collect();
    let lenient = Cli::command().subcommand_required(false).arg_required_else_help(false);
    if lenient.try_get_matches_from(&line).is_ok_and(|given| given.subcommand().is_none()) {
        line.push("serve".into());
    }
    Cli::try_parse_from(&line)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an address and a port, as in 127.0.0.1:8000 or [::1]:8000".into())
}

fn assignment(text: &str) -> Result<Assignment, String> {
    let (path, value) =
        text.split_once('=').ok_or("expected KEY.KEY=VALUE, as in training_params.epochs=5")?;
    let path: Vec<String> = path.split('.').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return Err("a key is empty; expected KEY.KEY=VALUE, as in training_params.epochs=5".into());
    }
    Ok(Assignment { path, value: serde_json::from_str(value).unwrap_or_else(|_| value.into()) })
}

/// Where this user's programs keep their data.
fn data_folder() -> Option<PathBuf> {
    let base = if cfg!(windows) {
        folder("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        folder("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")))
    };
    base.map(|base| base.join("azuraforge"))
}

#[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the environment")]
fn folder(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn assignments_are_json_or_text() {
        let set = |text: &str| assignment(text).map(|set| (set.path.join("/"), set.value.to_string()));
        assert_eq!(set("training_params.epochs=5"), Ok(("training_params/epochs".into(), "5".into())));
        assert_eq!(set("a.b=[1, 2]"), Ok(("a/b".into(), "[1,2]".into())));
        assert_eq!(set("a=x=y"), Ok(("a".into(), "\"x=y\"".into())));
        assert!(set("a.b").is_err() && set("a..b=1").is_err() && set("=1").is_err());
    }
}
