//! What happened in all worlds together. Worlds in which nothing goes wrong prove nothing.

use super::ledger::Tally;

/// In this many worlds ..
const ENOUGH: u64 = 2000;
/// .. everything that can happen happens at least this often.
const SOMETIMES: u64 = 3;

/// Whatever is asked of the queue over a line.
const CALLS: [&str; 16] = [
    "append",
    "attend",
    "await_cancel",
    "cancel",
    "claim",
    "disown",
    "finish",
    "follow",
    "heartbeat",
    "leave",
    "list",
    "pause",
    "reap",
    "requeue",
    "resume",
    "submit",
];

/// What can befall a call, and to which calls it must.
const TROUBLES: [(&str, &[&str]); 6] = [
    ("unreached", &CALLS),
    ("answer lost", &CALLS),
    ("late", &CALLS),
    ("slow", &CALLS),
    ("died before", &["append", "attend", "await_cancel", "claim", "finish", "heartbeat", "reap", "submit"]),
    ("died after", &["append", "attend", "await_cancel", "claim", "finish", "heartbeat", "reap", "submit"]),
];

/// What else must happen.
const EVENTS: [(&str, &[&str]); 12] = [
    ("machine", &["killed", "doomed", "frozen", "cut off", "shut down"]),
    ("stale", &["append", "finish", "heartbeat"]),
    ("lost", &["by reaping", "by disowning"]),
    ("repeated", &["append", "finish"]),
    ("cancel", &["waiting", "running", "ended"]),
    ("queue", &["paused"]),
    ("requeue", &["done", "not dead", "key is taken"]),
    ("refused", &["key is taken"]),
    ("watcher", &["saw all", "came back"]),
    ("own work", &["done"]),
    (
        "change",
        &["claimed", "retried", "lease lost", "released", "succeeded", "failed", "cancelled", "expired"],
    ),
    (
        "end",
        &[
            "success",
            "failed",
            "dead letter",
            "panicked",
            "took too long",
            "worker lost",
            "unknown",
            "abandoned",
            "revoked",
            "revoked before it ran",
            "expired",
        ],
    ),
];

/// Prints how often what happened, and fails if something that must happen did so too rarely.
pub(super) fn check(tally: &Tally, worlds: u64) {
    for ((kind, which), count) in tally {
        println!("{count:>9} {kind}: {which}");
    }
    if worlds < ENOUGH {
        println!("These are too few worlds to say whether everything happens in them that can.");
        return;
    }
    for (kind, whiches) in TROUBLES.into_iter().chain(EVENTS) {
        for which in whiches {
            let count = tally.get(&(kind, *which)).copied().unwrap_or_default();
            assert!(count * ENOUGH >= SOMETIMES * worlds, "{kind}: {which} has happened only {count} times");
        }
    }
}
