//! Results in memory that nobody has cleared before: writing zeros first would cost as much as many an operation.

use super::Kernel;
use std::{
    hint::black_box,
    mem::{ManuallyDrop, MaybeUninit},
    sync::Once,
};

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

/// So many numbers, without content.
pub(super) fn fresh<T>(len: usize) -> Vec<MaybeUninit<T>> {
    let mut numbers = Vec::<MaybeUninit<T>>::with_capacity(len);
    // SAFETY: what may be uninitialised needs no initialisation.
    unsafe { numbers.set_len(len) };
    // NaN, so that a test sees what nobody has written.
    #[cfg(test)]
    // SAFETY: the vector's own memory, where any bytes may lie.
    unsafe {
        numbers.as_mut_ptr().write_bytes(0xff, len);
    }
    numbers
}

/// The same numbers, now with their content.
///
/// # Safety
/// All have been written.
pub(super) unsafe fn written<T>(numbers: Vec<MaybeUninit<T>>) -> Vec<T> {
    let mut numbers = ManuallyDrop::new(numbers);
    // SAFETY: the parts of a vector of the same layout, which is forgotten; all of its numbers have been written.
    unsafe { Vec::from_raw_parts(numbers.as_mut_ptr().cast(), numbers.len(), numbers.capacity()) }
}

/// Numbers as a place to write to.
pub(super) fn place<T: Kernel>(numbers: &mut [T]) -> &mut [MaybeUninit<T>] {
    // SAFETY: the same layout. The kernels write numbers to it and nothing that has no content.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len()) }
}
