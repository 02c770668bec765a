//! `azura queue`, and opening the queue that a command line names.

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use azura_queue::{
    DEFAULT_QUEUE, ListQuery, MemoryQueue, Queue, QueueError, RedisQueue, SqliteQueue, State, TaskRecord,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    Failure,
    config::{QueueArgs, QueueCommand, QueueUrl},
    signals,
};

/// A queue in a file, in the data folder.
const FILE: &str = "queue.db";
/// The pause between two tries to reach a queue.
const PAUSE: Duration = Duration::from_secs(2);

/// Opens the queue. One that cannot be reached is tried again until `stop`; then there is none.
pub(crate) async fn open(
    url: &QueueUrl,
    data: &Path,
    stop: &CancellationToken,
) -> Result<Option<Arc<dyn Queue>>, Failure> {
    let path = data.join(FILE);
    match url.url.as_str() {
        "memory" => Ok(Some(Arc::new(MemoryQueue::new()))),
        "sqlite" => {
            std::fs::create_dir_all(data).map_err(|error| format!("{}: {error}", data.display()))?;
            let open = async || {
                let path = path.clone();
                let opened = tokio::task::spawn_blocking(move || SqliteQueue::open(path)).await;
                opened.map_err(|error| QueueError::Storage(error.to_string()))?
            };
            Ok(reach(url, stop, open).await?.map(|queue| Arc::new(queue) as _))
        }
        redis if ["redis://", "rediss://", "unix:"].iter().any(|scheme| redis.starts_with(scheme)) => {
            let connected = reach(url, stop, async || RedisQueue::connect(redis).await).await?;
            Ok(connected.map(|queue| Arc::new(queue) as _))
        }
        _ => {
            let shown = shown(&url.url);
            let message = format!(
                "--queue {shown}: expected sqlite, memory, redis://HOST:PORT/DB, rediss://HOST:PORT/DB for TLS, or unix:///PATH"
            );
            Err(message.into())
        }
    }
}

/// Asks something of the queue, and says once that it waits while the queue cannot be reached. After `stop` there is no answer.
pub(crate) async fn reach<T>(
    url: &QueueUrl,
    stop: &CancellationToken,
    ask: impl AsyncFn() -> Result<T, QueueError>,
) -> Result<Option<T>, Failure> {
    let mut told = String::new();
    loop {
        match ask().await {
            Ok(answer) => return Ok(Some(answer)),
            Err(QueueError::Unavailable(why)) => {
                let message = format!("the queue {} cannot be reached: {why}; trying again", shown(&url.url));
                if message != told {
                    eprintln!("{message}");
                    told = message;
                }
                if stop.run_until_cancelled(sleep(PAUSE)).await.is_none() {
                    return Ok(None);
                }
            }
            Err(error) => {
                let why = if let QueueError::Storage(why) = error { why } else { error.to_string() };
                return Err(format!("the queue {} cannot be used: {why}", shown(&url.url)).into());
            }
        }
    }
}

/// A URL without what may be a password, even if it is written wrongly.
pub(crate) fn shown(url: &str) -> String {
    let (scheme, place) = match url.find("://") {
        Some(at) => url.split_at(at + 3),
        None => ("", url),
    };
    // Where a socket is comes before a password, where a host is comes after it.
    let (hidden, place) = match place.rsplit_once('@') {
        Some((_, host)) if !url.starts_with("unix:") => ("***@", host),
        _ => ("", place),
    };
    let place = place.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}{hidden}{place}")
}

/// Where a queue is, for people.
pub(crate) fn place(url: &QueueUrl, data: &Path) -> String {
    if url.url == "sqlite" { data.join(FILE).display().to_string() } else { shown(&url.url) }
}

pub(crate) async fn run(args: QueueArgs) -> Result<ExitCode, Failure> {
    let data = args.data.folder()?;
    match args.queue.url.as_str() {
        "memory" => {
            eprintln!("error: a queue in memory is seen by its own process only; ask its server instead");
            return Ok(ExitCode::from(2));
        }
        "sqlite" if !data.join(FILE).exists() => {
            let message = format!(
                "there is no queue in {}; name its folder with --data-dir DIR, or a Redis with --queue URL",
                data.display()
            );
            return Err(message.into());
        }
        _ => {}
    }
    let stop = signals::token()?;
    let Some(queue) = open(&args.queue, &data, &stop).await? else {
        return Ok(ExitCode::FAILURE);
    };
    let mut out = io::stdout().lock();
    match args.command {
        QueueCommand::Stats => stats(&mut out, &*queue).await?,
        QueueCommand::Dead => {
            let dead = all(&*queue, ListQuery::default().dead()).await?;
            if dead.is_empty() {
                eprintln!("there are no dead letters");
            }
            for task in dead {
                let why = task.error.map_or_else(String::new, |error| error.to_string());
                writeln!(out, "{}  {}  after {} attempts: {why}", task.id, task.name, task.attempt)?;
            }
        }
        QueueCommand::Requeue { task } => {
            // The new run gets a folder of its own.
            let labels = [(azura_server::EXPERIMENT_ID.to_owned(), None)];
            writeln!(out, "{}", queue.requeue(&task, &labels.into()).await?)?;
        }
        QueueCommand::Drop { task } => {
            if !queue.get(&task).await?.dead {
                return Err(QueueError::NotDead(task).into());
            }
            queue.delete(&task).await?;
        }
        QueueCommand::Pause { name } => {
            check(&*queue, &name).await?;
            queue.pause(&name).await?;
            writeln!(
                out,
                "{name} is paused: what runs goes on, what waits stays until `azura queue resume {name}`"
            )?;
        }
        QueueCommand::Resume { name } => {
            check(&*queue, &name).await?;
            queue.resume(&name).await?;
            writeln!(out, "{name} is not paused: what waits is taken up")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn stats(out: &mut impl io::Write, queue: &dyn Queue) -> Result<(), Failure> {
    let queues = queue.stats().await?;
    if queues.is_empty() {
        writeln!(out, "nothing waits, and nothing runs")?;
    } else {
        writeln!(out, "{:<20}{:>10}{:>10}{:>10}{:>10}", "queue", "waiting", "scheduled", "running", "dead")?;
    }
    for stats in queues {
        let paused = if stats.paused { "  paused" } else { "" };
        writeln!(
            out,
            "{:<20}{:>10}{:>10}{:>10}{:>10}{paused}",
            stats.queue, stats.waiting, stats.scheduled, stats.running, stats.dead
        )?;
    }
    writeln!(out)?;
    let workers = queue.workers().await?;
    if workers.is_empty() {
        writeln!(out, "no worker is online")?;
    }
    // What a worker says of itself is some seconds old.
    let running = all(queue, ListQuery::default().state(State::Started)).await?;
    for worker in workers {
        let busy = running.iter().filter(|task| task.worker.as_ref() == Some(&worker.id)).count();
        let done: u64 = worker.done.values().sum();
        writeln!(out, "{}: {busy} of {} busy, {done} done", worker.id, worker.slots)?;
    }
    Ok(())
}

/// All tasks that a query asks for.
async fn all(queue: &dyn Queue, mut query: ListQuery) -> Result<Vec<TaskRecord>, QueueError> {
    let mut found = Vec::new();
    loop {
        let page = queue.list(&query).await?;
        found.extend(page.items);
        match page.next {
            Some(next) => query = query.cursor(next),
            None => return Ok(found),
        }
    }
}

/// Warns of a name that nobody has used so far.
async fn check(queue: &dyn Queue, name: &str) -> Result<(), QueueError> {
    let known = name == DEFAULT_QUEUE
        || queue.stats().await?.iter().any(|stats| stats.queue == name)
        || queue.workers().await?.iter().any(|worker| worker.queues.iter().any(|queue| queue == name));
    if !known {
        eprintln!("warning: no task waits in a queue {name:?}, and no worker serves it; is the name right?");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(shown("redis://user:secret@host:1/2"), "redis://***@host:1/2");
        assert_eq!(shown("redis://:p@ss@host"), "redis://***@host");
        assert_eq!(shown("redis://host/0"), "redis://host/0");
        assert_eq!(shown("unix:///path?user=u&pass=secret"), "unix:///path");
        assert_eq!(shown("unix:/path?pass=sec@ret"), "unix:/path");
        assert_eq!(shown("sqlite"), "sqlite");
        // Written wrongly: what is meant as a password is not the URL's.
        assert_eq!(shown("rediss://user:sec?ret@host:1/2"), "rediss://***@host:1/2");
        assert_eq!(shown("rediss://user:sec#ret@host"), "rediss://***@host");
        assert_eq!(shown("redis:user:secret@host"), "***@host");
        assert_eq!(shown("amqp://user:sec/ret@host//"), "amqp://***@host//");
    }
}
