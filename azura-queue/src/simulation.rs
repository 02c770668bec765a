//! Whole worlds in virtual time: clients, workers, reapers and watchers of one queue in memory, and all that goes wrong between them and it.
//!
//! A world is made from its seed alone and lives on one thread, so that what went wrong once goes wrong again. The workers are the
//! [`Worker`](crate::Worker)s that everybody uses, with their heartbeats, emitters, time limits and persistence; only their handlers are
//! asynchronous, because a thread would not keep virtual time. Everybody speaks to the queue over a [line](line::Line), which fails. Behind
//! it, right at the queue, the [ledger](ledger::Ledger) holds what the queue does against what it may do, and a [verdict](verdict) at the
//! end of the world says whether all that was asked came to exactly one end.

mod chance;
mod client;
mod ledger;
mod line;
mod machine;
mod reckoning;
pub(crate) mod stand_in;
mod verdict;
mod watcher;
mod witness;
mod work;
mod world;

use std::{env, panic::catch_unwind};

use ledger::Tally;
use world::run;

/// How many worlds there are unless the environment says.
const WORLDS: u64 = 2000;

#[expect(clippy::disallowed_methods, reason = "how many worlds, and which, is for those to say who run this")]
fn given(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|number| number.parse().expect("a number"))
}

/// `SIMULATION_SEEDS` says how many worlds there are, and `SIMULATION_SEED` picks one, whose history is then told.
#[test]
fn nothing_is_lost_and_nothing_happens_twice() {
    let one = given("SIMULATION_SEED");
    let seeds = one.map_or(0..given("SIMULATION_SEEDS").unwrap_or(WORLDS), |seed| seed..seed + 1);
    let worlds = seeds.end - seeds.start;
    let (mut tally, mut tasks, mut events) = (Tally::new(), 0, 0);
    for seed in seeds {
        let outcome = catch_unwind(|| run(seed, one.is_some()));
        let wrongs = match &outcome {
            Ok(outcome) => outcome.wrongs.join("\n"),
            Err(_) => "the world itself panicked".into(),
        };
        if !wrongs.is_empty() {
            let history = catch_unwind(|| run(seed, true).history.join("\n"));
            let history = history.unwrap_or_else(|_| "It panics before its history can be told.".into());
            panic!("{history}\n\n{wrongs}\n\nSIMULATION_SEED={seed} runs this world again, alone.");
        }
        let outcome = outcome.unwrap();
        outcome.history.iter().for_each(|line| println!("{line}"));
        (tasks, events) = (tasks + outcome.size.0, events + outcome.size.1);
        for (what, count) in outcome.tally {
            *tally.entry(what).or_default() += count;
        }
    }
    println!("{worlds} worlds, {tasks} tasks, {events} events");
    reckoning::check(&tally, worlds);
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..20 {
        let (first, second) = (run(seed, true), run(seed, true));
        assert_eq!(first, second, "of seed {seed}");
        assert!(first.history.len() > 20, "it is told");
    }
}
