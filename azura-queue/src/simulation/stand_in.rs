//! What stands in for the wall clock and for the system's randomness while a world runs on this thread.

use std::{
    cell::{Cell, RefCell},
    panic,
    sync::Once,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use uuid::{Builder, Uuid};

use super::chance::Chance;

/// When every world begins.
const BEGINNING: Timestamp = Timestamp::constant(1_767_225_600, 0);

thread_local! {
    /// When the world of this thread began, and what its ids are made of.
    static WORLD: RefCell<Option<(Instant, Chance)>> = const { RefCell::new(None) };
    /// How many panics there were on this thread.
    static PANICS: Cell<u64> = const { Cell::new(0) };
}

/// The time of day in the world of this thread: it goes as its monotonic time does.
pub(crate) fn timestamp() -> Option<Timestamp> {
    let passed = WORLD.with_borrow(|world| world.as_ref().map(|(born, _)| born.elapsed()))?;
    Some(BEGINNING + SignedDuration::try_from(passed).unwrap())
}

/// A random id of the world of this thread.
pub(crate) fn uuid() -> Option<Uuid> {
    WORLD.with_borrow(|world| {
        let (_, chance) = world.as_ref()?;
        let bits = u128::from(chance.bits()) << 64 | u128::from(chance.bits());
        Some(Builder::from_random_bytes(bits.to_be_bytes()).into_uuid())
    })
}

/// From now on until this is dropped.
pub(super) struct StandIn {
    panics: u64,
}

impl StandIn {
    pub(super) fn new(seed: u64) -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let hook = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                PANICS.set(PANICS.get() + 1);
                hook(info);
            }));
        });
        WORLD.set(Some((Instant::now(), Chance::new(!seed))));
        Self { panics: PANICS.get() }
    }

    /// Whether something has panicked since. A worker lives on when one of its parts does, and nobody would know.
    pub(super) fn panicked(&self) -> bool {
        PANICS.get() > self.panics
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        WORLD.set(None);
    }
}
