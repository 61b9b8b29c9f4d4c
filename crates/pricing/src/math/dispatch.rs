//! Picks the instruction set at run time: one generic kernel, compiled once for each target, and called through one door.
//!
//! A kernel is a value whose [`Kernel::run`] is generic over [`MultiplyAdd`] and `#[inline(always)]` all the way down, so that its loops
//! are vectorised with the features of the caller that it is inlined into. Tests and benchmarks force a target; everything else takes
//! [`Target::best`].

use std::sync::atomic::{AtomicU8, Ordering};

use super::{Fused, MultiplyAdd, Plain};

/// An instruction set for which kernels are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// 512-bit vectors with fused multiply-add (x86-64-v4).
    Avx512,
    /// 256-bit vectors with fused multiply-add (x86-64-v3).
    Avx2,
    /// What every machine of the architecture has.
    Baseline,
}

impl Target {
    /// Every target, fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Baseline];

    /// The name that benchmarks print.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Baseline => "baseline",
        }
    }

    /// Whether this machine can run it.
    #[inline]
    pub fn is_available(self) -> bool {
        self.level() <= best_level()
    }

    /// What runs one level runs those below.
    #[inline]
    fn level(self) -> u8 {
        match self {
            Self::Baseline => 1,
            Self::Avx2 => 2,
            Self::Avx512 => 3,
        }
    }

    /// The fastest that this machine can run.
    #[inline]
    pub fn best() -> Self {
        Self::ALL.into_iter().find(|target| target.is_available()).unwrap_or(Self::Baseline)
    }
}

/// The level of the fastest target of this machine: asked once, since kernels are short.
#[inline]
fn best_level() -> u8 {
    static BEST: AtomicU8 = AtomicU8::new(0);
    match BEST.load(Ordering::Relaxed) {
        0 => {
            let level = detected();
            BEST.store(level, Ordering::Relaxed);
            level
        }
        level => level,
    }
}

#[cold]
fn detected() -> u8 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        let has_512 = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("avx512bw");
        return if has_512 { Target::Avx512.level() } else { Target::Avx2.level() };
    }
    Target::Baseline.level()
}

/// A batch computation whose body is compiled for each [`Target`].
pub trait Kernel {
    /// Does the work. Mark the implementation, and all that it calls in its loops, `#[inline(always)]`.
    fn run<M: MultiplyAdd>(self);
}

/// Runs `kernel` with the instructions of `target`, or of the baseline where this machine has not got it.
#[inline]
pub fn dispatch<K: Kernel>(target: Target, kernel: K) {
    #[cfg(target_arch = "x86_64")]
    if target.is_available() {
        match target {
            // SAFETY: `is_available` found every feature that the function enables.
            Target::Avx512 => return unsafe { run_avx512(kernel) },
            // SAFETY: as above.
            Target::Avx2 => return unsafe { run_avx2(kernel) },
            Target::Baseline => {}
        }
    }
    let _ = target;
    // AArch64 has a fused multiply-add in its baseline.
    if cfg!(target_arch = "aarch64") { kernel.run::<Fused>() } else { kernel.run::<Plain>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
fn run_avx512<K: Kernel>(kernel: K) {
    kernel.run::<Fused>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) {
    kernel.run::<Fused>();
}
