//! The loops over the units of one step. Rows of `gates` are `4 hidden` long, those of states `hidden`.

use crate::kernels::isa::multiversion;

/// The four quarters of a row.
#[inline(always)]
fn split<T>(row: &mut [T], hidden: usize) -> [&mut [T]; 4] {
    let (n, rest) = row.split_at_mut(hidden);
    let (r, rest) = rest.split_at_mut(hidden);
    let (z, n_h) = rest.split_at_mut(hidden);
    [n, r, z, &mut n_h[..hidden]]
}

multiversion! {
    /// Puts r and z, which come as rows of `rz`, in their places; `n = n_x + r n_h` is the argument of n.
    pub(super) fn candidate<T, const FMA: bool>(hidden: usize, gates: &mut [T], rz: &[T], n: &mut [T]) {
        let states = rz.chunks_exact(2 * hidden).zip(n.chunks_exact_mut(hidden));
        for (gates, (rz, n)) in gates.chunks_exact_mut(4 * hidden).zip(states) {
            gates[hidden..3 * hidden].copy_from_slice(rz);
            let [n_x, _, _, n_h] = split(gates, hidden);
            for j in 0..hidden {
                n[j] = rz[j].mul_add_::<FMA>(n_h[j], n_x[j]);
            }
        }
    }
}

multiversion! {
    /// Puts n in its place; `h = (1 - z) n + z h`.
    pub(super) fn advance<T, const FMA: bool>(hidden: usize, gates: &mut [T], n: &[T], h: &mut [T]) {
        let states = n.chunks_exact(hidden).zip(h.chunks_exact_mut(hidden));
        for (gates, (n, h)) in gates.chunks_exact_mut(4 * hidden).zip(states) {
            let [to, _, z, _] = split(gates, hidden);
            to.copy_from_slice(n);
            for j in 0..hidden {
                h[j] = z[j].mul_add_::<FMA>(h[j] - n[j], n[j]);
            }
        }
    }
}

multiversion! {
    /// The gradients of the gates' arguments; turns `dh` into the part of the gradient of the state before that
    /// does not go through the gates. Row i of these states begins at `i * before_row`. What fades back in time becomes 0
    /// before it becomes subnormal, as in [`flushed`](crate::kernels::flushed).
    pub(super) fn backward<T, const FMA: bool>(
        hidden: usize, gates: &[T], before: &[T], before_row: usize, dh: &mut [T], dgates: &mut [T],
    ) {
        let one = T::one();
        let gates = gates.chunks_exact(4 * hidden).zip(dgates.chunks_exact_mut(4 * hidden));
        let states = before.chunks(before_row).zip(dh.chunks_exact_mut(hidden));
        for ((gates, dgates), (before, dh)) in gates.zip(states) {
            let (n, rest) = gates.split_at(hidden);
            let (r, rest) = rest.split_at(hidden);
            let (z, n_h) = rest.split_at(hidden);
            let (n_h, before) = (&n_h[..hidden], &before[..hidden]);
            let [dn, dr, dz, dn_h] = split(dgates, hidden);
            for j in 0..hidden {
                let (n, r, z, d) = (n[j], r[j], z[j], dh[j].flushed_());
                let d_n = d * (one - z) * n.mul_add_::<FMA>(-n, one);
                dn[j] = d_n.flushed_();
                dr[j] = (d_n * n_h[j] * (r * (one - r))).flushed_();
                dz[j] = (d * (before[j] - n) * (z * (one - z))).flushed_();
                dn_h[j] = (d_n * r).flushed_();
                dh[j] = (d * z).flushed_();
            }
        }
    }
}
