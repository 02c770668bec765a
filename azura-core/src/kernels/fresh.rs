//! Results that are written before anybody reads them, so that no time goes into zeros.

use super::Kernel;
use std::mem::{ManuallyDrop, MaybeUninit};

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
