//! Claims and finishes of many slots at the same time are one call: what comes while one is under way makes up the next.

use std::{collections::HashMap, iter, sync::Weak, time::Duration};

use ::redis::Value as Answer;
use futures_util::future::join_all;
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
};

use super::{
    Shared,
    call::{span, text, value},
    record::{self, WAITING},
    strange,
};
use crate::{Finish, Lease, QueueError, Result, State, WorkerId};

/// How many one call is for at most: Redis has others to serve.
const MOST: usize = 16;

type Asked<Q, A> = (Q, oneshot::Sender<Result<A>>);
pub(super) type Line<Q, A> = mpsc::UnboundedSender<Asked<Q, A>>;
pub(super) type Served<Q, A> = mpsc::UnboundedReceiver<Asked<Q, A>>;

/// Who claims, and what: claims that are alike are made together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Desk {
    pub(super) worker: WorkerId,
    pub(super) queues: Vec<String>,
    pub(super) ttl: Duration,
}

/// A lease, with its message if somebody else has sent that.
type Given = (Lease, Option<Vec<u8>>);
/// What a claim comes to; if there is no task, when the next one is due.
pub(super) type Taken = Result<Given, Option<Duration>>;

/// Joins the next call.
pub(super) async fn ask<Q, A>(line: &Line<Q, A>, what: Q) -> Result<A> {
    let (reply, answer) = oneshot::channel();
    let _ = line.send((what, reply));
    answer.await.unwrap_or_else(|_| Err(QueueError::Unavailable("the queue is closed".into())))
}

/// Those whom the next call is for; `None` when nobody can ask any more.
async fn next<T>(line: &mut mpsc::UnboundedReceiver<T>) -> Option<Vec<T>> {
    let mut asked = vec![line.recv().await?];
    // Those who are just about to ask come along.
    yield_now().await;
    while asked.len() < MOST
        && let Ok(more) = line.try_recv()
    {
        asked.push(more);
    }
    Some(asked)
}

/// Makes claims for as long as the queue is used.
pub(super) async fn claim(shared: Weak<Shared>, mut line: Served<Desk, Taken>) {
    while let Some(asked) = next(&mut line).await {
        let Some(shared) = shared.upgrade() else { return };
        let mut desks: HashMap<Desk, Vec<_>> = HashMap::new();
        for (desk, reply) in asked.into_iter().filter(|(_, reply)| !reply.is_closed()) {
            desks.entry(desk).or_default().push(reply);
        }
        join_all(desks.into_iter().map(|(desk, replies)| shared.serve(desk, replies))).await;
    }
}

/// Ends attempts for as long as the queue is used; what is asked is what the script is given.
pub(super) async fn finish(shared: Weak<Shared>, mut line: Served<Vec<String>, Answer>) {
    while let Some(asked) = next(&mut line).await {
        let Some(shared) = shared.upgrade() else { return };
        let mut call = shared.call(&shared.scripts.finish);
        let replies: Vec<_> = asked.into_iter().map(|(what, reply)| (call.arg(what), reply).1).collect();
        let answers = match shared.run(&call).await {
            Ok((_, answers)) => answers.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); replies.len()],
        };
        for (reply, answer) in replies.into_iter().zip(answers) {
            let _ = reply.send(answer);
        }
    }
}

impl Shared {
    /// Makes one call for those who claim at a desk.
    async fn serve(&self, desk: Desk, replies: Vec<oneshot::Sender<Result<Taken>>>) {
        let (taken, none) = match self.take(&desk, replies.len()).await {
            Ok((taken, due)) => (taken, Ok(due)),
            Err(error) => (Vec::new(), Err(error)),
        };
        let taken = taken.into_iter().map(|given| given.map(Ok));
        let taken = taken.chain(iter::repeat_with(|| none.clone().map(Err)));
        for (reply, taken) in replies.into_iter().zip(taken) {
            // Whoever does not wait any more leaves the task to others.
            if let Err(Ok(Ok((lease, _)))) = reply.send(taken) {
                let _ = self.finish(&lease, Finish::Released).await;
            }
        }
    }

    /// What up to `most` claims come to, and when the next task is due.
    async fn take(&self, desk: &Desk, most: usize) -> Result<(Vec<Result<Given>>, Option<Duration>)> {
        let mut call = self.call(&self.scripts.claim);
        call.arg(desk.worker.as_str()).arg(span(desk.ttl)).arg(most).arg(WAITING.len());
        call.arg(&WAITING).arg(&desk.queues);
        let (_, rest) = self.run(&call).await?;
        let mut rest = rest.into_iter();
        let due = text(rest.next())?.parse().ok().map(Duration::from_micros);
        let put_aside: u64 = value(rest.next())?;
        if put_aside > 0 {
            let list = format!("{}unreadable", self.options.prefix);
            tracing::warn!(put_aside, list, "messages that cannot be read were put aside");
        }
        Ok((rest.map(|taken| given(desk, taken)).collect(), due))
    }
}

/// What the script says of a task that it has taken.
fn given(desk: &Desk, taken: Answer) -> Result<Given> {
    let Answer::Array(mut head) = taken else { return Err(strange(taken)) };
    if head.len() < 5 {
        return Err(strange(head));
    }
    let values = head.split_off(5);
    let mut head = head.into_iter();
    let id = text(head.next())?;
    let (seq, attempt, started) = (value(head.next())?, value(head.next())?, value(head.next())?);
    let message: Vec<u8> = value(head.next())?;
    let id = id.parse().map_err(|_| strange(&id))?;
    // What was read is how the task was before.
    let mut task = record::read(id, &WAITING, &values)?.ok_or_else(|| strange("no record"))?;
    task.state = State::Started;
    task.attempt = attempt;
    task.started_at = Some(record::timestamp(started)?);
    task.worker = Some(desk.worker.clone());
    Ok((Lease::new(task, desk.worker.clone(), seq), Some(message).filter(|message| !message.is_empty())))
}
