//! The queue in a file does what every queue must do, keeps it, and shares it with other processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use azura_queue::{
    Broker as _, Change, DEFAULT_QUEUE, Entry, EventLog as _, Finish, Gone, Keep, Lease, ListQuery, NewEvent,
    NewTask, Queue, QueueError, SqliteQueue, State, TaskId, WorkerId,
    conformance::{changes::change, claims::a_lost_lease_is_counted_once_among},
    conformance_suite,
};
use futures_util::StreamExt as _;
use serde_json::json;
use tempfile::TempDir;

const LONG: Duration = Duration::from_mins(1);

async fn make() -> (TempDir, Arc<dyn Queue>) {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder);
    (folder, Arc::new(queue))
}

conformance_suite!(sqlite, make);

fn open(folder: &TempDir) -> SqliteQueue {
    SqliteQueue::open(folder.path().join("queue.db")).unwrap()
}

async fn claim(queue: &SqliteQueue, wait: Duration) -> Option<Lease> {
    queue.claim(&WorkerId::new("tester"), &[DEFAULT_QUEUE.to_owned()], LONG, wait).await.unwrap()
}

async fn log(queue: &SqliteQueue, id: &TaskId) -> Vec<Entry> {
    queue.read(id, 0, usize::MAX).await.unwrap()
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(&folder);
    let done = queue.submit(NewTask::new("done").label("kind", "small")).await.unwrap();
    let lease = claim(&queue, LONG).await.unwrap();
    let events = [1.5, 2.5].map(|loss| NewEvent::new(Keep::All, json!({"loss": loss})));
    queue.append(&lease, lease.seq, &events).await.unwrap();
    queue.finish(&lease, Finish::Succeeded(json!(null))).await.unwrap();
    let running = queue.submit(NewTask::new("running")).await.unwrap();
    let lease = claim(&queue, LONG).await.unwrap();
    queue.submit(NewTask::new("waiting").delay(LONG)).await.unwrap();
    queue.submit(NewTask::new("waiting").queue("other")).await.unwrap();
    queue.pause("other").await.unwrap();

    let all = ListQuery::default();
    let before =
        (queue.list(&all).await, queue.stats().await, queue.holders().await, log(&queue, &done).await);
    drop(queue);
    let queue = open(&folder);
    let after =
        (queue.list(&all).await, queue.stats().await, queue.holders().await, log(&queue, &done).await);
    assert_eq!(before, after);
    assert_eq!(queue.get(&done).await.unwrap().result, Some(json!(null)));
    assert_eq!(queue.list(&all.label("kind", "small")).await.unwrap().items.len(), 1);
    // The lease is as good as before.
    assert_eq!(queue.finish(&lease, Finish::Succeeded(json!(2))).await, Ok(State::Success));
    assert_eq!(queue.get(&running).await.unwrap().state, State::Success);
}

/// How long after it was done here something is seen there.
async fn delay<T: Send + 'static, D>(
    waiting: impl Future<Output = T> + Send + 'static,
    done: impl Future<Output = D>,
) -> (T, Duration) {
    let waiting = tokio::spawn(async move { (waiting.await, Instant::now()) });
    // Until it waits indeed.
    tokio::time::sleep(Duration::from_millis(30)).await;
    done.await;
    let begun = Instant::now();
    let (seen, at) = waiting.await.unwrap();
    (seen, at.saturating_duration_since(begun))
}

/// Two that open the same file share nothing but the file, as two processes do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_does_another_sees_soon() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (open(&folder), open(&folder));
    let mut delays = Vec::new();
    for n in 0..10 {
        let waiting = there.clone();
        let submit = async { here.submit(NewTask::new("work")).await.unwrap() };
        let (lease, claimed) = delay(async move { claim(&waiting, LONG).await.unwrap() }, submit).await;
        let id = lease.id();
        assert_eq!(claim(&here, Duration::ZERO).await, None);

        let mut follower = here.follow(&id, lease.seq).await.unwrap();
        let keep = if n % 2 == 0 { Keep::All } else { Keep::Newest };
        let append = async {
            there.append(&lease, lease.seq, &[NewEvent::new(keep, json!(n))]).await.unwrap();
        };
        let next = async move { (follower.next().await.unwrap().unwrap(), follower) };
        let ((entry, mut follower), told) = delay(next, append).await;
        assert_eq!((entry.details, entry.seq.is_some()), (json!(n), n % 2 == 0));

        let waiting = there.clone();
        let lease = Arc::new(lease);
        let held = Arc::clone(&lease);
        let cancel = async { here.cancel(&id).await.unwrap() };
        let (requested, cancelled) =
            delay(async move { waiting.await_cancel(&held, LONG).await.unwrap() }, cancel).await;
        assert!(requested);
        there.finish(&lease, Finish::Cancelled).await.unwrap();
        assert!(follower.next().await.unwrap().unwrap().kind.is_terminal());
        assert!(follower.next().await.is_none());
        delays.extend([claimed, told, cancelled]);
    }
    delays.sort();
    println!("seen by another process after: median {:?}, most {:?}", delays[15], delays[29]);
    assert!(delays[29] < Duration::from_millis(250), "{delays:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_in_one_process_is_named_in_another() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (open(&folder), open(&folder));
    let mut changes = there.follow_all().await.unwrap();
    let id = here.submit(NewTask::new("work")).await.unwrap();
    assert_eq!(change(&mut changes).await, Change::Task(id));
    let lease = claim(&here, LONG).await.unwrap();
    assert_eq!(change(&mut changes).await, Change::Task(id));
    here.heartbeat(&lease, LONG).await.unwrap();
    here.append(&lease, lease.seq, &[NewEvent::new(Keep::Newest, json!(1))]).await.unwrap();
    assert_eq!(change(&mut changes).await, Change::Task(id));
    assert_eq!(there.newest(&id, Keep::Newest).await.unwrap().unwrap().details, json!(1));
    here.finish(&lease, Finish::Succeeded(json!(null))).await.unwrap();
    assert_eq!(change(&mut changes).await, Change::Task(id));
    let gone = Gone::of(&here.get(&id).await.unwrap());
    here.delete(&id).await.unwrap();
    assert_eq!(change(&mut changes).await, Change::Deleted(gone));

    // Both at once: each task of either is named.
    let mut expected = HashSet::new();
    for _ in 0..100 {
        let (one, other) =
            tokio::join!(here.submit(NewTask::new("work")), there.submit(NewTask::new("work")));
        expected.extend([one.unwrap(), other.unwrap()]);
    }
    while !expected.is_empty() {
        let Change::Task(id) = change(&mut changes).await else { panic!("nothing is deleted") };
        expected.remove(&id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_make_the_file_at_once_and_work_on_it() {
    const EACH: usize = 50;
    let folder = tempfile::tempdir().unwrap();
    let together = |name: String| {
        let open = |_| {
            let path = folder.path().join(&name);
            std::thread::spawn(move || {
                loop {
                    match SqliteQueue::open(&path) {
                        Err(QueueError::Unavailable(_)) => {}
                        opened => return opened.unwrap(),
                    }
                }
            })
        };
        let openers: Vec<_> = (0..4).map(open).collect();
        openers.into_iter().map(|opener| opener.join().unwrap()).collect::<Vec<_>>()
    };
    // What one sees while another makes the file is no stranger's file, however often it is tried.
    for n in 0..50 {
        together(format!("{n}.db"));
    }
    let queues = together("queue.db".to_owned());
    let mut workers = tokio::task::JoinSet::new();
    for queue in queues {
        workers.spawn(async move {
            let mut claimed = Vec::new();
            for _ in 0..EACH {
                queue.submit(NewTask::new("work")).await.unwrap();
                let lease = claim(&queue, LONG).await.unwrap();
                queue.finish(&lease, Finish::Succeeded(json!(1))).await.unwrap();
                claimed.push(lease.id());
            }
            claimed
        });
    }
    let claimed = workers.join_all().await.concat();
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), 4 * EACH);
    assert_eq!(open(&folder).stats().await, Ok(vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_lease_is_counted_once_among_processes() {
    let folder = tempfile::tempdir().unwrap();
    let ways = (0..4).map(|_| Arc::new(open(&folder)) as Arc<dyn Queue>);
    a_lost_lease_is_counted_once_among(ways.collect()).await;
}

/// Submits for ever; see below. Alone it does nothing, since there is no such file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is run by another test"]
async fn the_process_that_is_killed() {
    if !Path::new("queue.db").exists() {
        return;
    }
    let queue = SqliteQueue::open("queue.db").unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let queue = queue.clone();
        callers.spawn(async move {
            loop {
                println!("acknowledged {}", queue.submit(NewTask::new("work")).await.unwrap());
            }
        });
    }
    callers.join_all().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder));
    let mut acknowledged: HashSet<TaskId> = HashSet::new();
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["the_process_that_is_killed", "--exact", "--ignored", "--nocapture"])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let ids = lines.filter_map(|line| line.split_once("acknowledged ")?.1.parse().ok());
        for (n, id) in ids.enumerate() {
            acknowledged.insert(id);
            if n == 100 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();

        let queue = open(&folder);
        for id in &acknowledged {
            assert_eq!(queue.get(id).await.unwrap().state, State::Pending);
            assert_eq!(log(&queue, id).await.len(), 1);
        }
    }
    println!("{} tasks were acknowledged in five lives", acknowledged.len());
}
