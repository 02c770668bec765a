//! Results in memory that nobody has cleared before: writing zeros first would cost as much as many an operation.

use super::Kernel;
use std::mem::MaybeUninit;

/// A vector of `len` numbers that `fill` writes.
///
/// # Safety
/// `fill` writes every one of them, or panics.
pub(super) unsafe fn filled<T: Kernel>(len: usize, fill: impl FnOnce(&mut [MaybeUninit<T>])) -> Vec<T> {
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
