//! News of all runs: one reader of the queue for all who listen, for as long as somebody does.

use std::{
    collections::HashMap,
    io, iter, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use azura_queue::{
    Change, Gone, Labels, QueueError, Result as QueueResult, Seq, State, TaskId, TaskRecord, WorkerId,
};
use futures_util::{
    FutureExt as _, Stream, StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::{
    select,
    sync::broadcast::{Receiver, Sender, WeakSender, channel, error::RecvError},
    task::spawn_blocking,
    time::{Instant, sleep_until},
};

use super::{App, AppError, Progress, Result};
use crate::{
    TASK,
    runs::{self, EXPERIMENT_ID, Run},
};

/// The least time between two tellings of one run.
const PACE: Duration = Duration::from_millis(250);
/// How long to wait for a queue that is away.
const AWAY: Duration = Duration::from_secs(2);
/// How much may wait for a listener. One who is further behind reads everything anew.
const BACKLOG: usize = 1024;

/// What listeners are told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum News {
    /// At the beginning, and when something may have been missed: what was read before is to be read again.
    Anew,
    /// A run is new, or it is not any more as it was told last; with what is in its record, and its progress.
    Run(Arc<Run>),
    /// A run goes on.
    Progress {
        /// The run's name.
        experiment_id: String,
        /// Its task.
        task_id: TaskId,
        /// How far it is.
        progress: Progress,
    },
    /// A run is deleted.
    Deleted {
        /// The run's name, if it is known.
        experiment_id: Option<String>,
        /// Its task.
        task_id: TaskId,
    },
}

/// Where the news come from, while somebody listens.
#[derive(Debug, Default)]
pub(super) struct Live(Mutex<Option<WeakSender<News>>>);

impl Live {
    /// The one who tells, as long as there is one.
    fn stage(&self) -> MutexGuard<'_, Option<WeakSender<News>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens to the one who tells, if there is one.
    fn join(stage: Option<&WeakSender<News>>) -> Option<Receiver<News>> {
        Some(stage?.upgrade()?.subscribe())
    }

    /// Whether nobody listens to these news. Then nobody will any more.
    fn is_deserted(&self, news: &Sender<News>) -> bool {
        let mut stage = self.stage();
        let deserted = news.receiver_count() == 0;
        if deserted {
            *stage = None;
        }
        deserted
    }
}

impl App {
    /// What happens to all runs, from now on: of each at most four times a second, the newest always. The stream ends when the app shuts down.
    ///
    /// # Errors
    /// [`AppError::Queue`].
    pub async fn news(self: &Arc<Self>) -> Result<impl Stream<Item = News> + Send + use<>> {
        let joined = Live::join(self.live.stage().as_ref());
        let receiver = match joined {
            Some(receiver) => receiver,
            None => self.tell_news(self.queue.follow_all().await?),
        };
        let news = stream::unfold(receiver, |mut receiver| async {
            match receiver.recv().await {
                Ok(news) => Some((news, receiver)),
                Err(RecvError::Lagged(_)) => Some((News::Anew, receiver.resubscribe())),
                Err(RecvError::Closed) => None,
            }
        });
        Ok(stream::once(async { News::Anew }).chain(news))
    }

    /// Starts to tell, unless somebody else just did.
    fn tell_news(self: &Arc<Self>, changes: BoxStream<'static, QueueResult<Change>>) -> Receiver<News> {
        let mut stage = self.live.stage();
        if let Some(receiver) = Live::join(stage.as_ref()) {
            return receiver;
        }
        let (news, receiver) = channel(BACKLOG);
        *stage = Some(news.downgrade());
        tokio::spawn(Teller::new(Arc::clone(self), news).run(changes));
        receiver
    }
}

/// What was told of a run that has not ended.
struct Known {
    name: String,
    shown: Shown,
    /// The number of the last epoch.
    epoch: Option<Seq>,
}

/// What of a run is shown beside its progress, and changes.
#[derive(PartialEq)]
struct Shown {
    state: State,
    attempt: u32,
    worker: Option<WorkerId>,
    cancel_requested: bool,
    labels: Labels,
}

impl Shown {
    fn of(record: &TaskRecord) -> Self {
        Self {
            state: record.state,
            attempt: record.attempt,
            worker: record.worker.clone(),
            cancel_requested: record.cancel_requested,
            labels: record.labels.clone(),
        }
    }
}

struct Teller {
    app: Arc<App>,
    news: Sender<News>,
    /// No run that has ended is among them: little more happens to it, and there are ever more of those.
    known: HashMap<TaskId, Known>,
    /// The tasks that changed and were not told yet, in order, and what is left of each if it is gone.
    order: Vec<TaskId>,
    unread: HashMap<TaskId, Option<Gone>>,
}

impl Teller {
    fn new(app: Arc<App>, news: Sender<News>) -> Self {
        Self { app, news, known: HashMap::new(), order: Vec::new(), unread: HashMap::new() }
    }

    /// Tells for as long as somebody listens. What changes during the pause is named once, however often it does.
    async fn run(mut self, mut changes: BoxStream<'static, QueueResult<Change>>) {
        let app = Arc::clone(&self.app);
        while !app.live.is_deserted(&self.news) {
            if self.unread.is_empty() {
                select! {
                    () = app.shutdown.cancelled() => break,
                    () = self.news.closed() => continue,
                    change = changes.next() => match change {
                        Some(Ok(change)) => self.note(change),
                        // There will be no more: listeners come again, and begin anew.
                        _ => break,
                    },
                }
            }
            while let Some(Some(Ok(change))) = changes.next().now_or_never() {
                self.note(change);
            }
            let begun = Instant::now();
            let pause = match self.tell_all().await {
                Ok(()) => PACE,
                Err(error) => {
                    tracing::warn!(%error, "listeners cannot be told of changes; trying again");
                    AWAY
                }
            };
            select! {
                () = app.shutdown.cancelled() => break,
                () = sleep_until(begun + pause) => {}
            }
        }
    }

    fn note(&mut self, change: Change) {
        match change {
            Change::Task(id) => self.add(id, None),
            Change::Deleted(gone) => self.add(gone.id, Some(gone)),
            // What was missed is told as that, and what was known may be wrong.
            _ => {
                (self.order, self.unread) = (Vec::new(), HashMap::new());
                self.known.clear();
                self.send(News::Anew);
            }
        }
    }

    fn add(&mut self, id: TaskId, gone: Option<Gone>) {
        if self.unread.insert(id, gone).is_none() {
            self.order.push(id);
        }
    }

    /// Fails if the queue is away; what was not told then is still to be told.
    async fn tell_all(&mut self) -> Result<()> {
        let mut order = mem::take(&mut self.order).into_iter();
        while let Some(id) = order.next() {
            match self.tell(id).await {
                Err(error @ AppError::Queue(QueueError::Unavailable(_))) => {
                    self.order = iter::once(id).chain(order).collect();
                    return Err(error);
                }
                Err(error) => tracing::warn!(task = %id, %error, "listeners cannot be told of a change"),
                Ok(()) => {}
            }
            self.unread.remove(&id);
        }
        Ok(())
    }

    async fn tell(&mut self, id: TaskId) -> Result<()> {
        if let Some(Some(gone)) = self.unread.get(&id) {
            let known = self.known.remove(&id).map(|known| known.name);
            if gone.name == TASK {
                let experiment_id = known.or_else(|| gone.labels.get(EXPERIMENT_ID).cloned());
                self.send(News::Deleted { experiment_id, task_id: id });
            }
            return Ok(());
        }
        let record = match self.app.queue.get(&id).await {
            // That is told too.
            Err(QueueError::NotFound(_)) => return Ok(()),
            record => record?,
        };
        if record.name != TASK {
            return Ok(());
        }
        let (shown, attempt) = (Shown::of(&record), record.attempt);
        match self.known.get_mut(&id) {
            Some(known) if known.shown == shown => {
                let progress = if shown.state == State::Started {
                    self.app.progress(&id, Some(attempt)).await?
                } else {
                    None
                };
                if let Some(progress) = progress.filter(|progress| Some(progress.seq) > known.epoch) {
                    known.epoch = Some(progress.seq);
                    let news = News::Progress { experiment_id: known.name.clone(), task_id: id, progress };
                    self.send(news);
                }
            }
            _ => {
                let name = runs::experiment_id(&record);
                let (app, run) = (Arc::clone(&self.app), self.app.with_progress(Run::new(record)).await?);
                let run = spawn_blocking(move || app.outline(run)).await.map_err(io::Error::other)?;
                let epoch = run.progress.as_ref().map(|progress| progress.seq);
                if shown.state.is_terminal() {
                    self.known.remove(&id);
                } else {
                    self.known.insert(id, Known { name, shown, epoch });
                }
                self.send(News::Run(Arc::new(run)));
            }
        }
        Ok(())
    }

    /// If nobody hears it, that is seen later.
    fn send(&self, news: News) {
        let _ = self.news.send(news);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use azura_learner::{Registry, Sources};
    use azura_queue::{Broker as _, EventLog as _, MemoryQueue, NewTask};

    use super::*;
    use crate::Runs;

    #[tokio::test]
    async fn nothing_is_kept_of_what_has_ended_or_is_no_run() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Arc::new(MemoryQueue::new());
        let runs = Runs::open(folder.path()).unwrap();
        let app = Arc::new(App::new(Registry::builtin(), Sources::default(), queue.clone(), runs));
        let (news, mut told) = channel(BACKLOG);
        let mut teller = Teller::new(app, news);
        let mut changes = queue.follow_all().await.unwrap();
        let mut heard = async || -> Vec<String> {
            while let Some(Some(change)) = changes.next().now_or_never() {
                teller.note(change.unwrap());
            }
            teller.tell_all().await.unwrap();
            assert!(teller.order.is_empty() && teller.unread.is_empty());
            let told = iter::from_fn(|| told.try_recv().ok()).map(|news| match news {
                News::Run(run) => format!("{} {}", run.record.state, run.experiment_id()),
                News::Deleted { experiment_id, .. } => format!("gone {}", experiment_id.unwrap_or_default()),
                other => format!("{other:?}"),
            });
            told.collect()
        };
        let run = NewTask::new(TASK).label(EXPERIMENT_ID, "a");
        let (run, other) =
            (queue.submit(run).await.unwrap(), queue.submit(NewTask::new("other")).await.unwrap());
        assert_eq!(heard().await, ["PENDING a"]);
        for id in [&run, &other] {
            queue.cancel(id).await.unwrap();
        }
        assert_eq!(heard().await, ["REVOKED a"]);
        queue.annotate(&run, &BTreeMap::from([("name".into(), Some("b".into()))])).await.unwrap();
        assert_eq!(heard().await, ["REVOKED a"]);
        for id in [&run, &other] {
            queue.delete(id).await.unwrap();
        }
        assert_eq!(heard().await, ["gone a"]);
        // What comes and goes unseen.
        for name in ["other", TASK] {
            let id = queue.submit(NewTask::new(name)).await.unwrap();
            queue.cancel(&id).await.unwrap();
            queue.delete(&id).await.unwrap();
        }
        assert_eq!(heard().await, ["gone "]);
        assert!(teller.known.is_empty());
    }
}
