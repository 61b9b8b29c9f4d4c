//! Which paths are drawn, and where a path takes its numbers from.

/// Which paths are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    /// The same seed gives the same numbers.
    pub seed: u64,
    /// Paths; a multiple of two where they are antithetic, else the last one has no partner.
    pub paths: usize,
    /// Whether paths 2k and 2k + 1 have opposite numbers.
    pub antithetic: bool,
}

impl Draws {
    /// The random path that a path takes its numbers from, and the sign that it takes them with.
    #[inline(always)]
    pub(super) fn source(&self, path: u64) -> (u64, f64) {
        if self.antithetic { (path >> 1, if path & 1 == 0 { 1.0 } else { -1.0 }) } else { (path, 1.0) }
    }

    /// Independent samples: pairs where paths are antithetic.
    pub(super) fn samples(&self) -> usize {
        if self.antithetic { self.paths / 2 } else { self.paths }
    }
}
