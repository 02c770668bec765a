//! Big scratch memory that is used again instead of returned to the system: fresh pages cost a fault each.

use super::Kernel;
use std::{
    collections::VecDeque,
    fmt,
    hint::black_box,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::{Mutex, Once, PoisonError},
};

/// One cache line; vectors of them are aligned for the widest loads.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// At most so many free buffers are kept, and at most so many bytes; the longest unused go first.
const KEEP: usize = 64;
const KEEP_LINES: usize = (64 << 20) / size_of::<Line>();

static FREE: Mutex<VecDeque<Vec<Line>>> = Mutex::new(VecDeque::new());

/// `len` numbers, aligned to 64 bytes, **of any content**; the memory goes back to the free list on drop.
pub(super) struct Buffer<T> {
    lines: Vec<Line>,
    len: usize,
    of: PhantomData<T>,
}

impl<T: Kernel> Buffer<T> {
    pub(super) fn new(len: usize) -> Self {
        let need = len.div_ceil(size_of::<Line>() / size_of::<T>());
        Self { lines: take(need), len, of: PhantomData }
    }
}

/// Lets the allocator, too, keep the memory of tensors from step to step.
///
/// glibc gives large blocks back to the system as soon as they are freed, and above them what lies free at the end of its heap.
/// Where it draws the line is raised by the largest block that was freed, up to 32 MiB (`mallopt(3)`,
/// `M_MMAP_THRESHOLD`). A block of nearly that size, of which no page is touched, is all that it takes; other
/// allocators take no notice.
pub(super) fn keep_pages() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(black_box(Vec::<u8>::with_capacity(31 << 20))));
}

/// The smallest free vector that is long enough and not more than twice as long, else a new one.
fn take(need: usize) -> Vec<Line> {
    keep_pages();
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = |(_, v): &(usize, &Vec<Line>)| (need..=2 * need).contains(&v.len());
    let best = free.iter().enumerate().filter(fits).min_by_key(|(_, v)| v.len()).map(|(i, _)| i);
    let found = best.and_then(|i| free.remove(i));
    drop(free);
    found.unwrap_or_else(|| vec![Line([0; 64]); need])
}

fn give(lines: Vec<Line>) {
    if lines.is_empty() {
        return;
    }
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    free.push_back(lines);
    let mut held: usize = free.iter().map(Vec::len).sum();
    while free.len() > KEEP || held > KEEP_LINES {
        held -= free.pop_front().map_or(held, |v| v.len());
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.lines));
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `lines` holds at least `len` numbers (`new`), aligned; every byte is initialised and any bits are a
        // valid f32 or f64 (`T: Kernel`, sealed).
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `&mut self` makes the access unique.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

impl<T> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({})", self.len)
    }
}

/// Fills every free buffer with NaN, so that a test sees whoever reads before writing.
#[cfg(test)]
pub(super) fn poison() {
    for lines in &mut *FREE.lock().unwrap_or_else(PoisonError::into_inner) {
        lines.fill(Line([0xff; 64]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::each_isa;

    #[test]
    fn memory_is_aligned_reused_and_bounded() {
        // Alone, so that no other test takes what this one gives back.
        let mut once = true;
        each_isa(|_| {
            if !std::mem::take(&mut once) {
                return;
            }
            // Nor may one of the same length be left of another test.
            FREE.lock().unwrap().clear();
            let first = Buffer::<f32>::new(100_003);
            let place = first.as_ptr();
            assert_eq!((first.len(), place.addr() % 64), (100_003, 0));
            drop(first);
            assert_eq!(Buffer::<f64>::new(50_000).as_ptr().cast(), place);
            let many: Vec<_> = (0..2 * KEEP).map(|_| Buffer::<f32>::new(1000)).collect();
            drop(many);
            drop(Buffer::<f32>::new(20 << 20));
            let free = FREE.lock().unwrap();
            assert!(free.len() <= KEEP && free.iter().map(Vec::len).sum::<usize>() <= KEEP_LINES);
        });
        assert!(Buffer::<f32>::new(0).is_empty());
    }
}
