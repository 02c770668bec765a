//! What every queue must do, whatever is behind it: each case is a function of an empty queue.

pub(crate) mod cancel;
pub(crate) mod claims;
pub(crate) mod events;
pub(crate) mod fencing;
pub(crate) mod life;
pub(crate) mod listing;

use std::{fmt::Debug, sync::Arc, time::Duration};

use azura_queue::{Entry, EventKind, Keep, Lease, NewEvent, NewTask, Queue, Seq, TaskId, WorkerId};
use futures_util::{Stream, StreamExt as _};
use serde_json::{Value, json};

/// Longer than any test runs.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// Runs every case against a queue: `suite!(name, an expression that makes an empty queue)`.
#[macro_export]
macro_rules! suite {
    ($backend:ident, $make:expr) => {
        mod $backend {
            use super::*;
            $crate::suite! { @ $make;
                life::a_task_lives_and_succeeds,
                life::a_failure_is_recorded_and_told,
                life::a_retry_starts_anew,
                life::a_release_does_not_count,
                life::ten_lost_leases_are_the_end,
                life::a_given_id_is_kept_and_taken_once,
                life::what_is_not_there_is_not_found,
                life::only_what_has_ended_is_deleted,
                life::texts_and_sizes_of_all_kinds_survive,
                claims::the_oldest_comes_first,
                claims::queues_are_separate,
                claims::a_claim_waits_for_a_task,
                claims::a_claim_gives_up_after_its_wait,
                claims::a_waiting_claim_takes_what_comes_back,
                claims::each_task_is_claimed_once,
                claims::one_of_many_finishes_wins,
                fencing::a_stale_attempt_of_the_same_worker_is_refused,
                fencing::a_finished_lease_is_worth_nothing,
                fencing::a_lease_lives_until_it_is_reaped,
                fencing::a_refused_append_leaves_no_trace,
                cancel::a_waiting_task_is_revoked_at_once,
                cancel::a_running_task_hears_of_it,
                cancel::a_waiting_heartbeat_is_woken,
                cancel::what_has_ended_stays_as_it_is,
                cancel::a_cancelled_task_never_returns_to_the_queue,
                cancel::a_result_may_still_come_first,
                events::they_are_told_in_order,
                events::a_late_follower_misses_nothing,
                events::a_follower_resumes_anywhere,
                events::followers_of_a_busy_task_agree,
                events::a_sleeping_follower_misses_nothing,
                events::ten_thousand_are_no_problem,
                events::transient_ones_are_seen_and_not_stored,
                events::a_stored_event_replaces_the_transient_one,
                events::the_state_is_never_behind_its_event,
                events::the_log_is_read_in_pieces,
                listing::the_newest_come_first,
                listing::filters_narrow_it_down,
                listing::pages_hold_while_tasks_come_and_go,
                listing::labels_are_set_and_removed,
                listing::what_has_ended_can_be_restored,
            }
        }
    };
    (@ $make:expr; $($file:ident::$case:ident),* $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            suite::$file::$case(std::sync::Arc::new($make)).await;
        })*
    };
}

/// The queue under test.
pub(crate) type Subject = Arc<dyn Queue>;

pub(crate) fn queues() -> Vec<String> {
    vec![azura_queue::DEFAULT_QUEUE.to_owned()]
}

pub(crate) async fn submit(queue: &Subject) -> TaskId {
    queue.submit(NewTask::new("work")).await.unwrap()
}

/// Claims what waits, with a lease that holds.
pub(crate) async fn claim(queue: &Subject) -> Lease {
    try_claim(queue, LONG).await.expect("a task waits")
}

/// Claims what waits, with a lease that has run out already.
pub(crate) async fn claim_in_vain(queue: &Subject) -> Lease {
    try_claim(queue, Duration::ZERO).await.expect("a task waits")
}

pub(crate) async fn try_claim(queue: &Subject, ttl: Duration) -> Option<Lease> {
    queue.claim(&WorkerId::new("tester"), &queues(), ttl, Duration::ZERO).await.unwrap()
}

pub(crate) fn progress(n: usize) -> NewEvent {
    NewEvent::new(Keep::All, json!({"n": n}))
}

pub(crate) async fn log(queue: &Subject, id: &TaskId) -> Vec<Entry> {
    queue.read(id, 0, usize::MAX).await.unwrap()
}

pub(crate) async fn kinds(queue: &Subject, id: &TaskId) -> Vec<EventKind> {
    log(queue, id).await.iter().map(|entry| entry.kind).collect()
}

/// The details of the log's last event.
pub(crate) async fn last_details(queue: &Subject, id: &TaskId) -> Value {
    log(queue, id).await.pop().unwrap().details
}

/// Everything that a follower sees until the stream ends.
pub(crate) async fn follow(queue: &Subject, id: &TaskId, after: Seq) -> Vec<Entry> {
    let stream = queue.follow(id, after).await.unwrap();
    soon(stream.map(Result::unwrap).collect()).await
}

/// The next thing that a follower sees.
pub(crate) async fn next<E: Debug>(stream: &mut (impl Stream<Item = Result<Entry, E>> + Unpin)) -> Entry {
    soon(stream.next()).await.expect("the stream goes on").unwrap()
}

/// What is bound to happen is waited for, but not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("this happens soon")
}

/// The numbers of entries, transient ones left out.
pub(crate) fn seqs(entries: &[Entry]) -> Vec<Seq> {
    entries.iter().filter_map(|entry| entry.seq).collect()
}
