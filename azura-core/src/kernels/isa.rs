//! Which vector instructions to use: found once, at run time.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// A set of vector instructions, from the least to the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Isa {
    /// What every processor of the target has.
    Portable,
    /// 8 lanes of `f32`, fused multiply-add.
    Avx2,
    /// 16 lanes of `f32`, 32 registers.
    Avx512,
}

/// The best set of a build. One made with `--cfg azura_isa="avx2"` or `"portable"` knows no better ones, so that all tests can be run without them.
const MOST: Isa = if cfg!(azura_isa = "portable") {
    Isa::Portable
} else if cfg!(azura_isa = "avx2") {
    Isa::Avx2
} else {
    Isa::Avx512
};

const UNKNOWN: u8 = u8::MAX;
static CURRENT: AtomicU8 = AtomicU8::new(UNKNOWN);

/// The instruction set in use: the processor's best, or the lesser one that [`limit`] chose.
#[inline]
pub fn isa() -> Isa {
    match CURRENT.load(Relaxed) {
        UNKNOWN => limit(Isa::Avx512),
        2 => Isa::Avx512,
        1 => Isa::Avx2,
        _ => Isa::Portable,
    }
}

/// Chooses `most`, or the processor's best where that is less, for the whole process; returns the choice.
///
/// For tests: results of different sets differ in rounding.
pub fn limit(most: Isa) -> Isa {
    let chosen = most.min(MOST).min(best());
    CURRENT.store(chosen as u8, Relaxed);
    chosen
}

#[cfg(target_arch = "x86_64")]
fn best() -> Isa {
    macro_rules! all {
        ($($feature:tt)*) => { $(std::arch::is_x86_feature_detected!($feature))&&* };
    }
    match () {
        () if !all!("avx2" "fma") => Isa::Portable,
        () if all!("avx512f" "avx512vl" "avx512bw" "avx512dq") => Isa::Avx512,
        () => Isa::Avx2,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn best() -> Isa {
    Isa::Portable
}

/// Compiles one function over slices once for each instruction set and calls the right one.
///
/// `FMA` tells the body whether a fused multiply-add is one instruction or a call into libm. The loops inside are
/// plain; the compiler vectorises them because each copy is a function of its own with its own target features.
macro_rules! multiversion {
    (
        $(#[$attribute:meta])*
        $vis:vis fn $name:ident<$T:ident, const $FMA:ident: bool>($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)?
        $body:block
    ) => {
        $(#[$attribute])*
        $vis fn $name<$T: $crate::kernels::Kernel>($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            fn body<$T: $crate::kernels::Kernel, const $FMA: bool>($($arg: $type),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn avx512<$T: $crate::kernels::Kernel>($($arg: $type),*) $(-> $ret)? { body::<$T, true>($($arg),*) }

                #[target_feature(enable = "avx2,fma")]
                fn avx2<$T: $crate::kernels::Kernel>($($arg: $type),*) $(-> $ret)? { body::<$T, true>($($arg),*) }

                match $crate::kernels::isa() {
                    // SAFETY: `isa` names only a set that it found on this processor.
                    $crate::kernels::Isa::Avx512 => return unsafe { avx512::<$T>($($arg),*) },
                    // SAFETY: as above.
                    $crate::kernels::Isa::Avx2 => return unsafe { avx2::<$T>($($arg),*) },
                    $crate::kernels::Isa::Portable => {}
                }
            }
            body::<$T, false>($($arg),*)
        }
    };
}
pub(crate) use multiversion;
