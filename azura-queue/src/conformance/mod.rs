//! What every queue must do, whatever is behind it.
//!
//! A type that implements [`Broker`](crate::Broker) and [`EventLog`](crate::EventLog) is a queue if this passes in a test of its crate:
//!
//! ```
//! use std::sync::Arc;
//! use azura_queue::{MemoryQueue, Queue, conformance_suite};
//!
//! /// Makes an empty queue, and something to keep while it is used: a folder, a server, or nothing.
//! async fn make() -> ((), Arc<dyn Queue>) {
//!     ((), Arc::new(MemoryQueue::new()))
//! }
//!
//! conformance_suite!(memory, make);
//! # fn main() {}
//! ```
//!
//! The crate needs tokio with the features `macros` and `rt-multi-thread` for that.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test that cannot go on fails")]
#![allow(clippy::wildcard_imports, reason = "the cases share the small vocabulary of this module")]
#![allow(missing_docs, reason = "the name of a case says what must hold")]

#[doc(hidden)]
pub mod cancel;
#[doc(hidden)]
pub mod changes;
#[doc(hidden)]
pub mod claims;
#[doc(hidden)]
pub mod events;
#[doc(hidden)]
pub mod fencing;
#[doc(hidden)]
pub mod life;
#[doc(hidden)]
pub mod listing;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod schedule;

use std::{fmt::Debug, sync::Arc, time::Duration};

use crate::{
    Entry, EventKind, Keep, Lease, NewEvent, NewTask, Queue, Result as QueueResult, Seq, TaskId, WorkerId,
};
use futures_util::{Stream, StreamExt as _};
use serde_json::{Value, json};

/// Longer than any test runs.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// Makes a module of tests, one for each thing that a queue must do: `conformance_suite!(name, make)`, where `make` is an asynchronous
/// function that returns something to keep and an empty `Arc<dyn Queue>`. See the module [`conformance`](crate::conformance).
#[macro_export]
macro_rules! conformance_suite {
    ($backend:ident, $make:expr) => {
        mod $backend {
            use super::*;
            $crate::conformance_suite! { @ $make;
                life::a_task_lives_and_succeeds,
                life::a_failure_is_recorded_and_told,
                life::a_retry_starts_anew,
                life::a_release_does_not_count,
                life::ten_lost_leases_are_the_end,
                life::the_next_attempt_begins_behind_the_checkpoint,
                life::what_goes_on_from_another_task_begins_behind_its_checkpoint,
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
                claims::a_lost_lease_is_counted_once,
                claims::nobody_is_dead_at_once_after_a_silence,
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
                events::a_repeated_append_stores_nothing_twice,
                changes::every_verb_is_told,
                changes::what_changes_often_is_named_once,
                changes::all_who_watch_see_everything,
                changes::what_is_told_is_there_to_be_read,
                changes::the_newest_progress_is_known,
                listing::the_newest_come_first,
                listing::filters_narrow_it_down,
                listing::hints_leave_out_nothing_that_has_them,
                listing::pages_hold_while_tasks_come_and_go,
                listing::a_page_begins_behind_any_item,
                listing::a_time_narrows_it_down,
                listing::labels_are_set_and_removed,
                listing::what_has_ended_can_be_restored,
                schedule::the_urgent_come_first,
                schedule::priorities_count_across_queues,
                schedule::what_is_not_due_is_not_claimed,
                schedule::a_waiting_claim_takes_what_comes_due,
                schedule::what_has_expired_is_revoked,
                schedule::what_expires_while_it_runs_is_revoked_when_it_comes_back,
                schedule::a_passing_failure_is_tried_again_until_it_is_dead,
                schedule::a_failure_that_does_not_pass_is_no_dead_letter,
                schedule::a_dead_letter_can_be_requeued,
                schedule::a_lost_task_is_a_dead_letter,
                schedule::a_key_is_unique_while_queued,
                schedule::a_key_is_unique_while_running,
                schedule::a_key_is_unique_for_a_period,
                schedule::a_repeated_submission_is_known_by_its_id,
                schedule::a_paused_queue_gives_nothing,
                schedule::queues_are_counted,
                schedule::a_dead_worker_is_disowned,
                schedule::workers_are_there_until_they_leave_or_are_silent,
            }

            /// Random histories of operations.
            #[test]
            fn histories_are_lawful() {
                $crate::conformance::model::histories($make);
            }
        }
    };
    (@ $make:expr; $($file:ident::$case:ident),* $(,)?) => {
        $(#[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let (_kept, queue) = $make().await;
            $crate::conformance::$file::$case(queue).await;
        })*
    };
}

/// The queue under test.
pub(crate) type Subject = Arc<dyn Queue>;

pub(crate) fn queues() -> Vec<String> {
    vec![crate::DEFAULT_QUEUE.to_owned()]
}

pub async fn submit(queue: &Subject) -> TaskId {
    queue.submit(NewTask::new("work")).await.unwrap()
}

/// Claims what waits, with a lease that holds.
pub async fn claim(queue: &Subject) -> Lease {
    try_claim(queue, LONG).await.expect("a task waits")
}

/// Claims what waits, with a lease that has run out already.
pub async fn claim_in_vain(queue: &Subject) -> Lease {
    try_claim(queue, Duration::ZERO).await.expect("a task waits")
}

pub async fn try_claim(queue: &Subject, ttl: Duration) -> Option<Lease> {
    queue.claim(&WorkerId::new("tester"), &queues(), ttl, Duration::ZERO).await.unwrap()
}

/// Appends after whatever the log ends with.
pub(crate) async fn append(queue: &Subject, lease: &Lease, events: &[NewEvent]) -> QueueResult<Seq> {
    let after = log(queue, &lease.id()).await.len() as Seq;
    queue.append(lease, after, events).await
}

pub(crate) fn progress(n: usize) -> NewEvent {
    NewEvent::new(Keep::All, json!({"n": n}))
}

pub async fn log(queue: &Subject, id: &TaskId) -> Vec<Entry> {
    queue.read(id, 0, usize::MAX).await.unwrap()
}

pub async fn kinds(queue: &Subject, id: &TaskId) -> Vec<EventKind> {
    log(queue, id).await.iter().map(|entry| entry.kind).collect()
}

/// The details of the log's last event.
pub async fn last_details(queue: &Subject, id: &TaskId) -> Value {
    log(queue, id).await.pop().unwrap().details
}

/// Everything that a follower sees until the stream ends.
pub async fn follow(queue: &Subject, id: &TaskId, after: Seq) -> Vec<Entry> {
    let stream = queue.follow(id, after).await.unwrap();
    soon(stream.map(Result::unwrap).collect()).await
}

/// The next thing that a follower sees.
pub async fn next<E: Debug>(stream: &mut (impl Stream<Item = Result<Entry, E>> + Unpin)) -> Entry {
    soon(stream.next()).await.expect("the stream goes on").unwrap()
}

/// What is bound to happen is waited for, but not for ever.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("this happens soon")
}

/// The numbers of entries, transient ones left out.
pub(crate) fn seqs(entries: &[Entry]) -> Vec<Seq> {
    entries.iter().filter_map(|entry| entry.seq).collect()
}
