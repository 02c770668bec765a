//! A register of numbers, as the matrix product needs it.

/// `LANES` numbers of type `T` that are worked on together.
///
/// # Safety
/// The caller of each method vouches that the processor has the instruction set and that the pointers cover the lanes
/// named. The methods are inlined into functions that carry the target features.
pub(super) unsafe trait Simd<T>: Copy {
    /// Numbers in a register.
    const LANES: usize;
    /// Rows of a full tile: as many as fill the registers with three columns of accumulators.
    const ROWS: usize;
    unsafe fn splat(x: T) -> Self;
    unsafe fn load(from: *const T) -> Self;
    unsafe fn store(self, to: *mut T);
    /// The first `n < LANES` lanes; the others are not read and come as 0.
    unsafe fn load_first(from: *const T, n: usize) -> Self;
    /// The first `n < LANES` lanes; nothing else is written.
    unsafe fn store_first(self, to: *mut T, n: usize);
    /// `self + a * b`.
    unsafe fn plus_product(self, a: Self, b: Self) -> Self;

    /// `self + a`.
    unsafe fn plus(self, a: Self) -> Self;

    /// Asks for the line of this number, which is about to be used; any address will do.
    unsafe fn prefetch(at: *const T);
    /// Copies as many runs of four numbers as there are lanes, `from_step` apart, into columns of four rows, `to_step`
    /// apart.
    #[inline(always)]
    unsafe fn transpose(from: *const T, from_step: usize, to: *mut T, to_step: usize)
    where
        T: Copy,
    {
        for j in (0..Self::LANES).step_by(4) {
            // SAFETY: the caller vouches for four numbers for each lane on both sides; lanes are a multiple of four.
            unsafe { transpose4(from.add(j * from_step), from_step, to.add(j), to_step) }
        }
    }
}

/// As [`Simd::transpose`], four runs.
#[inline(always)]
pub(super) unsafe fn transpose4<T: Copy>(from: *const T, from_step: usize, to: *mut T, to_step: usize) {
    // SAFETY: the caller vouches for the sixteen places on both sides.
    unsafe {
        let runs: [[T; 4]; 4] =
            std::array::from_fn(|j| from.add(j * from_step).cast::<[T; 4]>().read_unaligned());
        let columns: [[T; 4]; 4] = std::array::from_fn(|i| std::array::from_fn(|j| runs[j][i]));
        for (i, column) in columns.into_iter().enumerate() {
            to.add(i * to_step).cast::<[T; 4]>().write_unaligned(column);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Simd;
    #[allow(clippy::wildcard_imports, reason = "thirty names that say what they are")]
    use std::arch::x86_64::*;

    macro_rules! avx512 {
        ($T:ty, $V:ty, $lanes:literal, $mask:ty,
            $set1:ident, $loadu:ident, $storeu:ident, $maskz_loadu:ident, $mask_storeu:ident, $fmadd:ident, $add:ident
            $(, $transpose:item)?) => {
            // SAFETY: each method is what the trait says; its own contract is passed on to the intrinsics.
            unsafe impl Simd<$T> for $V {
                const LANES: usize = $lanes;
                const ROWS: usize = 8;

                #[inline(always)]
                unsafe fn splat(x: $T) -> Self {
                    unsafe { $set1(x) }
                }

                #[inline(always)]
                unsafe fn load(from: *const $T) -> Self {
                    unsafe { $loadu(from) }
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut $T) {
                    unsafe { $storeu(to, self) }
                }

                #[inline(always)]
                unsafe fn load_first(from: *const $T, n: usize) -> Self {
                    unsafe { $maskz_loadu(((1u32 << n) - 1) as $mask, from) }
                }

                #[inline(always)]
                unsafe fn store_first(self, to: *mut $T, n: usize) {
                    unsafe { $mask_storeu(to, ((1u32 << n) - 1) as $mask, self) }
                }

                #[inline(always)]
                unsafe fn plus_product(self, a: Self, b: Self) -> Self {
                    unsafe { $fmadd(a, b, self) }
                }

                #[inline(always)]
                unsafe fn plus(self, a: Self) -> Self {
                    unsafe { $add(self, a) }
                }

                #[inline(always)]
                unsafe fn prefetch(at: *const $T) {
                    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
                }

                $($transpose)?
            }
        };
    }

    avx512!(
        f32,
        __m512,
        16,
        u16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_maskz_loadu_ps,
        _mm512_mask_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
            // Closures would not be compiled for the instruction set.
            // SAFETY: the caller vouches for four numbers of each of sixteen runs, and of each of four rows of sixteen.
            unsafe {
                let mut runs = [_mm512_setzero_ps(); 4];
                for (j, runs) in runs.iter_mut().enumerate() {
                    let from = from.add(j * from_step);
                    let first = _mm512_castps128_ps512(_mm_loadu_ps(from));
                    let two = _mm512_insertf32x4::<1>(first, _mm_loadu_ps(from.add(4 * from_step)));
                    let three = _mm512_insertf32x4::<2>(two, _mm_loadu_ps(from.add(8 * from_step)));
                    *runs = _mm512_insertf32x4::<3>(three, _mm_loadu_ps(from.add(12 * from_step)));
                }
                // Within each 128 bits, four runs become the first, second, third and fourth numbers of all four.
                let [a, b, c, d] = runs;
                let ab = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
                let cd = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
                let late_ab = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
                let late_cd = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
                _mm512_storeu_ps(to, _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd)));
                let to = to.add(to_step);
                _mm512_storeu_ps(to, _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)));
                let to = to.add(to_step);
                _mm512_storeu_ps(to, _mm512_castpd_ps(_mm512_unpacklo_pd(late_ab, late_cd)));
                let to = to.add(to_step);
                _mm512_storeu_ps(to, _mm512_castpd_ps(_mm512_unpackhi_pd(late_ab, late_cd)));
            }
        }
    );
    avx512!(
        f64,
        __m512d,
        8,
        u8,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_maskz_loadu_pd,
        _mm512_mask_storeu_pd,
        _mm512_fmadd_pd,
        _mm512_add_pd
    );

    macro_rules! avx2 {
        ($T:ty, $V:ty, $lanes:literal,
            $set1:ident, $loadu:ident, $storeu:ident, $maskload:ident, $maskstore:ident, $fmadd:ident, $add:ident) => {
            // SAFETY: each method is what the trait says; its own contract is passed on to the intrinsics.
            unsafe impl Simd<$T> for $V {
                const LANES: usize = $lanes;
                const ROWS: usize = 4;

                #[inline(always)]
                unsafe fn splat(x: $T) -> Self {
                    unsafe { $set1(x) }
                }

                #[inline(always)]
                unsafe fn load(from: *const $T) -> Self {
                    unsafe { $loadu(from) }
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut $T) {
                    unsafe { $storeu(to, self) }
                }

                #[inline(always)]
                unsafe fn load_first(from: *const $T, n: usize) -> Self {
                    unsafe { $maskload(from, first(n * size_of::<$T>())) }
                }

                #[inline(always)]
                unsafe fn store_first(self, to: *mut $T, n: usize) {
                    unsafe { $maskstore(to, first(n * size_of::<$T>()), self) }
                }

                #[inline(always)]
                unsafe fn plus_product(self, a: Self, b: Self) -> Self {
                    unsafe { $fmadd(a, b, self) }
                }

                #[inline(always)]
                unsafe fn plus(self, a: Self) -> Self {
                    unsafe { $add(self, a) }
                }

                #[inline(always)]
                unsafe fn prefetch(at: *const $T) {
                    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
                }
            }
        };
    }

    avx2!(
        f32,
        __m256,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_maskload_ps,
        _mm256_maskstore_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps
    );
    avx2!(
        f64,
        __m256d,
        4,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_maskload_pd,
        _mm256_maskstore_pd,
        _mm256_fmadd_pd,
        _mm256_add_pd
    );

    /// A mask whose first `bytes < 32` bytes are ones.
    #[inline(always)]
    unsafe fn first(bytes: usize) -> __m256i {
        const ONES_ZEROS: [[u8; 32]; 2] = [[0xff; 32], [0; 32]];
        // SAFETY: 32 bytes from an offset of 32 - bytes, of 64.
        unsafe { _mm256_loadu_si256(ONES_ZEROS.as_ptr().cast::<u8>().add(32 - bytes).cast()) }
    }
}

/// Four numbers that the compiler puts into whatever registers the target has.
#[derive(Clone, Copy)]
pub(super) struct Four<T>([T; 4]);

// SAFETY: each method is what the trait says.
unsafe impl<T: num_traits::Float> Simd<T> for Four<T> {
    const LANES: usize = 4;
    const ROWS: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        Self([x; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller's pointer covers 4 numbers.
        Self(unsafe { from.cast::<[T; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller's pointer covers 4 numbers.
        unsafe { to.cast::<[T; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const T, n: usize) -> Self {
        // SAFETY: the caller's pointer covers `n` numbers.
        Self(std::array::from_fn(|i| if i < n { unsafe { *from.add(i) } } else { T::zero() }))
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut T, n: usize) {
        for i in 0..n {
            // SAFETY: the caller's pointer covers `n` numbers.
            unsafe { *to.add(i) = self.0[i] }
        }
    }

    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + a.0[i] * b.0[i]))
    }

    #[inline(always)]
    unsafe fn plus(self, a: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + a.0[i]))
    }

    #[inline(always)]
    unsafe fn prefetch(_: *const T) {}
}
