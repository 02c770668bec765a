//! Results in memory that nobody has cleared before: writing zeros first would cost as much as many an operation.

use super::Kernel;
use std::{hint::black_box, mem::MaybeUninit, sync::Once};

/// Bytes from which on memory is asked of the system, at first.
const LARGE: usize = 1 << 17;

/// Lets the allocator keep what it gets back. glibc hands large memory back to the system at once, and every page of
/// the next one costs a fault, four times what a softmax costs; but what is large it learns from the largest that
/// was ever given back, up to 32 MiB. This one is never touched, so it takes no memory.
fn keep_pages() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(black_box(Vec::<u8>::with_capacity(31 << 20))));
}

/// A vector of `len` numbers that `fill` writes.
///
/// # Safety
/// `fill` writes every one of them, or panics.
pub(super) unsafe fn filled<T: Kernel>(len: usize, fill: impl FnOnce(&mut [MaybeUninit<T>])) -> Vec<T> {
    if size_of::<T>() * len >= LARGE {
        keep_pages();
    }
    let mut numbers = Vec::with_capacity(len);
    let room = &mut numbers.spare_capacity_mut()[..len];
    if cfg!(test) {
        // A test sees what was left out.
        room.fill(MaybeUninit::new(T::nan()));
    }
    fill(room);
    // SAFETY: the capacity is at least `len`, and the caller vouches for the content.
    unsafe { numbers.set_len(len) };
    numbers
}
