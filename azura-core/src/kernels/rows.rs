//! Rows of a table by their numbers, and back.

use super::{
    Kernel,
    fresh::filled,
    isa::multiversion,
    pieces::{PIECE, per_piece, run},
};

/// The rows of `table` that `ids` name, one after the other.
///
/// # Panics
/// When there is no such row.
pub(crate) fn gather<T: Kernel>(table: &[T], columns: usize, ids: &[u32]) -> Vec<T> {
    let piece = per_piece(columns);
    // SAFETY: the pieces cover the whole, and each row is copied to.
    unsafe {
        filled(ids.len() * columns, |to| {
            run(to.chunks_mut(piece).zip(ids.chunks(piece / columns.max(1))), |(to, ids)| {
                for (to, &id) in to.chunks_exact_mut(columns).zip(ids) {
                    to.write_copy_of_slice(&table[id as usize * columns..][..columns]);
                }
            });
        })
    }
}

/// Parts of a table that are added to at the same time.
const PARTS: usize = 8;

/// The derivative of [`gather`]: a table of `rows` rows, each the sum of those rows of `grad` that came from it, in their
/// order.
///
/// # Panics
/// When the lengths do not fit.
pub(crate) fn scatter<T: Kernel>(grad: &[T], columns: usize, ids: &[u32], rows: usize) -> Vec<T> {
    assert_eq!(grad.len(), ids.len() * columns, "lengths differ");
    let mut table = vec![T::zero(); rows * columns];
    // Every part looks at all ids, so that no two threads add to the same row and the order stays.
    let parts = if grad.len() < 2 * PIECE { 1 } else { PARTS };
    let part = rows.div_ceil(parts).max(1);
    let jobs = table.chunks_mut(part * columns.max(1)).enumerate();
    run(jobs, |(i, table)| add_rows(grad, columns, ids, i * part, table));
    table
}

multiversion! {
    fn add_rows<T, const FMA: bool>(grad: &[T], columns: usize, ids: &[u32], first: usize, table: &mut [T]) {
        for (&id, grad) in ids.iter().zip(grad.chunks_exact(columns)) {
            let to = (id as usize).checked_sub(first).and_then(|row| table.get_mut(row * columns..(row + 1) * columns));
            if let Some(to) = to {
                for (to, &grad) in to.iter_mut().zip(grad) {
                    *to = *to + grad;
                }
            }
        }
    }
}
