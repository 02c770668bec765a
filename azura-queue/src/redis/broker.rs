//! The verbs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ::redis::{AsyncCommands as _, pipe};
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    RedisQueue,
    call::{encoded, state, text},
    error, follow,
    record::micros,
    strange,
    together::Desk,
};
use crate::{
    Broker, Change, Entry, EventLog, Finish, Heartbeat, Keep, Labels, Lease, ListQuery, NewEvent, NewTask,
    Page, QueueError, QueueStats, Result, Seq, State, TaskId, TaskRecord, WorkerId, WorkerInfo, clock,
    task::relabel,
};

/// A look without having been told anything, should a wake-up have been lost.
const LOOK: Duration = Duration::from_secs(5);

#[async_trait]
impl Broker for RedisQueue {
    async fn submit(&self, task: NewTask) -> Result<TaskId> {
        self.shared.submit(task, None).await
    }

    async fn restore(&self, task: TaskRecord, log: Vec<Entry>) -> Result<()> {
        self.shared.restore(task, log).await
    }

    async fn get(&self, id: &TaskId) -> Result<TaskRecord> {
        self.shared.record(id).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page<TaskRecord>> {
        self.shared.list(query).await
    }

    async fn claim(
        &self,
        worker: &WorkerId,
        queues: &[String],
        ttl: Duration,
        wait: Duration,
    ) -> Result<Option<Lease>> {
        let until = clock::after(wait);
        let desk = Desk { worker: worker.clone(), queues: queues.to_vec(), ttl };
        let mut waiting = None;
        loop {
            // Made before the look, so that nothing can slip in between.
            let ready = self.shared.news.ready.notified();
            let due = match self.shared.claim(desk.clone()).await? {
                Ok(lease) => return Ok(Some(lease)),
                Err(due) => due,
            };
            let now = clock::now();
            if now >= until {
                return Ok(None);
            }
            waiting.get_or_insert_with(|| self.shared.news.wait_for(queues));
            let next: Instant = until.min(now + due.unwrap_or(LOOK).min(LOOK));
            let _ = timeout_at(next, ready).await;
        }
    }

    async fn heartbeat(&self, lease: &Lease, ttl: Duration) -> Result<Heartbeat> {
        self.shared.heartbeat(lease, Some(ttl)).await.map(Heartbeat::new)
    }

    async fn checkpoint(&self, lease: &Lease, epoch: u64) -> Result<()> {
        self.shared.checkpoint(lease, epoch).await
    }

    async fn await_cancel(&self, lease: &Lease, wait: Duration) -> Result<bool> {
        let wake = self.shared.news.of(lease.id());
        let asking = async {
            loop {
                let woken = wake.notified();
                if self.shared.heartbeat(lease, None).await? {
                    return Ok(true);
                }
                let _ = timeout(LOOK, woken).await;
            }
        };
        timeout(wait, asking).await.unwrap_or(Ok(false))
    }

    async fn finish(&self, lease: &Lease, how: Finish) -> Result<State> {
        self.shared.finish(lease, how).await
    }

    async fn cancel(&self, id: &TaskId) -> Result<State> {
        self.shared.cancel(id).await
    }

    async fn reap(&self, every: Duration) -> Result<usize> {
        let lost = self.shared.lose("", every).await?;
        self.shared.settle_strays().await?;
        self.shared.sight().await?;
        Ok(lost)
    }

    async fn disown(&self, worker: &WorkerId) -> Result<usize> {
        self.shared.lose(worker.as_str(), Duration::ZERO).await
    }

    async fn holders(&self) -> Result<Vec<WorkerId>> {
        let call = self.shared.call(&self.shared.scripts.holders);
        let mut workers: Vec<String> =
            call.invoke_async(&mut self.shared.manager.clone()).await.map_err(error)?;
        workers.sort();
        workers.dedup();
        Ok(workers.into_iter().map(WorkerId::new).collect())
    }

    async fn attend(&self, worker: &WorkerInfo, ttl: Duration) -> Result<()> {
        let mut connection = self.shared.manager.clone();
        let (key, ttl) = (self.shared.key("worker", &worker.id), ttl.as_millis().min(1 << 40) as u64);
        if ttl > 0 {
            let mut both = pipe();
            both.atomic().pset_ex(key, encoded(worker)?, ttl).zadd(
                format!("{}workers", self.shared.options.prefix),
                worker.id.as_str(),
                0,
            );
            both.query_async::<()>(&mut connection).await.map_err(error)?;
        }
        self.shared.heard_of(worker).await;
        Ok(())
    }

    async fn leave(&self, worker: &WorkerId) -> Result<()> {
        self.shared.gone(worker).await;
        self.shared.manager.clone().del(self.shared.key("worker", worker)).await.map_err(error)
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        let mut connection = self.shared.manager.clone();
        let all = format!("{}workers", self.shared.options.prefix);
        let names: Vec<String> = connection.zrange(&all, 0, -1).await.map_err(error)?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = names.iter().map(|name| self.shared.key("worker", name)).collect();
        let texts: Vec<Option<String>> = connection.mget(keys).await.map_err(error)?;
        let gone: Vec<_> =
            names.iter().zip(&texts).filter(|(_, text)| text.is_none()).map(|(name, _)| name).collect();
        if !gone.is_empty() {
            connection.zrem::<_, _, ()>(&all, gone).await.map_err(error)?;
        }
        let read = |text: &String| serde_json::from_str(text).map_err(|error| strange(error.to_string()));
        texts.iter().flatten().map(read).collect()
    }

    async fn requeue(&self, id: &TaskId, labels: &BTreeMap<String, Option<String>>) -> Result<TaskId> {
        let mut task = NewTask::again(&self.shared.record(id).await?);
        relabel(&mut task.labels, labels);
        self.shared.submit(task, Some(id)).await
    }

    async fn pause(&self, queue: &str) -> Result<()> {
        let key = format!("{}paused", self.shared.options.prefix);
        self.shared.manager.clone().sadd(key, queue).await.map_err(error)
    }

    async fn resume(&self, queue: &str) -> Result<()> {
        let prefix = &self.shared.options.prefix;
        let mut both = pipe();
        both.atomic()
            .srem(format!("{prefix}paused"), queue)
            .ignore()
            .publish(format!("{prefix}news"), "+")
            .ignore();
        both.query_async(&mut self.shared.manager.clone()).await.map_err(error)
    }

    async fn stats(&self) -> Result<Vec<QueueStats>> {
        let call = self.shared.call(&self.shared.scripts.stats);
        let found: Vec<(String, bool, u64, u64, u64, u64)> =
            call.invoke_async(&mut self.shared.manager.clone()).await.map_err(error)?;
        let mut all: Vec<_> = found
            .into_iter()
            .map(|(queue, paused, waiting, scheduled, running, dead)| QueueStats {
                queue,
                paused,
                waiting,
                scheduled,
                running,
                dead,
            })
            .filter(|stats| !stats.is_idle())
            .collect();
        all.sort_by(|a, b| a.queue.cmp(&b.queue));
        Ok(all)
    }

    async fn delete(&self, id: &TaskId) -> Result<()> {
        let mut call = self.shared.call(&self.shared.scripts.delete);
        call.arg(id.to_string());
        let (answer, rest) = self.shared.run(&call).await?;
        match answer.as_str() {
            "ok" => Ok(()),
            "missing" => Err(QueueError::NotFound(*id)),
            _ => Err(QueueError::NotFinished { id: *id, state: state(&text(rest.into_iter().next())?)? }),
        }
    }

    async fn annotate(&self, id: &TaskId, labels: &BTreeMap<String, Option<String>>) -> Result<Labels> {
        let mut call = self.shared.call(&self.shared.scripts.annotate);
        call.arg(id.to_string());
        for (key, value) in labels {
            call.arg(key).arg(value.as_deref().unwrap_or_default()).arg(if value.is_some() {
                "1"
            } else {
                ""
            });
        }
        match self.shared.run(&call).await? {
            (ok, rest) if ok == "ok" => {
                let text = text(rest.into_iter().next())?;
                serde_json::from_str(&text).map_err(|error| strange(error.to_string()))
            }
            _ => Err(QueueError::NotFound(*id)),
        }
    }
}

#[async_trait]
impl EventLog for RedisQueue {
    async fn append(&self, lease: &Lease, after: Seq, events: &[NewEvent]) -> Result<Seq> {
        let mut call = self.shared.call(&self.shared.scripts.append);
        call.arg(lease.id().to_string()).arg(lease.attempt()).arg(after);
        for event in events {
            let kept = if event.keep == Keep::All { "1" } else { "" };
            call.arg(kept).arg(event.details.to_string()).arg(micros(event.at));
        }
        let rest = self.shared.run_leased(lease, &call).await?;
        text(rest.into_iter().next())?.parse().map_err(|_| strange("no number"))
    }

    async fn read(&self, id: &TaskId, after: Seq, limit: usize) -> Result<Vec<Entry>> {
        self.shared.read_log(*id, after, limit).await
    }

    async fn follow(&self, id: &TaskId, after: Seq) -> Result<BoxStream<'static, Result<Entry>>> {
        follow::stream(Arc::clone(&self.shared), *id, after).await
    }

    async fn newest(&self, id: &TaskId, keep: Keep) -> Result<Option<Entry>> {
        self.shared.newest(id, keep).await
    }

    async fn follow_all(&self) -> Result<BoxStream<'static, Result<Change>>> {
        self.shared.news.heard().await;
        Ok(self.shared.news.watchers.stream(Arc::clone(&self.shared)))
    }
}
