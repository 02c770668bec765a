//! The loops over the units of one step. Rows of `gates` are `4 hidden` long, those of states `hidden`.

use crate::kernels::isa::multiversion;

/// The four gates of a row.
#[inline(always)]
fn split<T>(row: &[T], hidden: usize) -> [&[T]; 4] {
    let (i, rest) = row.split_at(hidden);
    let (f, rest) = rest.split_at(hidden);
    let (g, o) = rest.split_at(hidden);
    [i, f, g, &o[..hidden]]
}

multiversion! {
    /// `c = f before + i g`
    pub(super) fn advance<T, const FMA: bool>(hidden: usize, gates: &[T], before: &[T], c: &mut [T]) {
        let (one, two) = (T::one(), T::one() + T::one());
        let rows = gates.chunks_exact(4 * hidden).zip(before.chunks_exact(hidden)).zip(c.chunks_exact_mut(hidden));
        for ((gates, before), c) in rows {
            let [i, f, g, _] = split(gates, hidden);
            for j in 0..hidden {
                let g = two.mul_add_::<FMA>(g[j], -one);
                c[j] = f[j].mul_add_::<FMA>(before[j], i[j] * g);
            }
        }
    }
}

multiversion! {
    /// `h = o tanh(c)`; row r of `h` is at `r * h_row`.
    pub(super) fn output<T, const FMA: bool>(hidden: usize, gates: &[T], tanh_c: &[T], h: &mut [T], h_row: usize) {
        let rows = gates.chunks_exact(4 * hidden).zip(tanh_c.chunks_exact(hidden)).zip(h.chunks_mut(h_row));
        for ((gates, tanh_c), h) in rows {
            let (o, h) = (&gates[3 * hidden..], &mut h[..hidden]);
            for j in 0..hidden {
                h[j] = o[j] * tanh_c[j];
            }
        }
    }
}

multiversion! {
    /// The gradients of the gates' arguments; turns `dc` from the gradient of c into that of `before`. What fades back
    /// in time becomes 0 before it becomes subnormal, as in [`flushed`](crate::kernels::flushed).
    pub(super) fn backward<T, const FMA: bool>(
        hidden: usize, gates: &[T], before: &[T], tanh_c: &[T], dh: &[T], dc: &mut [T], dgates: &mut [T],
    ) {
        let one = T::one();
        let two = one + one;
        let four = two + two;
        let states = before.chunks_exact(hidden).zip(tanh_c.chunks_exact(hidden));
        let gradients = dh.chunks_exact(hidden).zip(dc.chunks_exact_mut(hidden));
        let gates = gates.chunks_exact(4 * hidden).zip(dgates.chunks_exact_mut(4 * hidden));
        for (((gates, dgates), (before, tanh_c)), (dh, dc)) in gates.zip(states).zip(gradients) {
            let [i, f, s, o] = split(gates, hidden);
            let (di, rest) = dgates.split_at_mut(hidden);
            let (df, rest) = rest.split_at_mut(hidden);
            let (dg, rest) = rest.split_at_mut(hidden);
            let d_o = &mut rest[..hidden];
            for j in 0..hidden {
                let (i, f, s, o, t, dh) = (i[j], f[j], s[j], o[j], tanh_c[j], dh[j].flushed_());
                let g = two.mul_add_::<FMA>(s, -one);
                let d = (dh * o).mul_add_::<FMA>(t.mul_add_::<FMA>(-t, one), dc[j]);
                di[j] = (d * g * (i * (one - i))).flushed_();
                df[j] = (d * before[j] * (f * (one - f))).flushed_();
                dg[j] = (d * i * (four * s * (one - s))).flushed_();
                d_o[j] = (dh * t * (o * (one - o))).flushed_();
                dc[j] = (d * f).flushed_();
            }
        }
    }
}
