//! One limit against its use: when to warn, and when it is exceeded.

/// How far use must fall below the warning line, as a share of the limit, before a second warning.
const REARM: f64 = 0.05;

/// What a new figure crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// The warning line.
    Warning,
    /// The limit itself.
    Limit,
}

/// A limit with its use so far.
#[derive(Clone, Debug)]
pub struct Gauge {
    limit_bytes: u64,
    warn_bytes: u64,
    rearm_bytes: u64,
    reached: Option<Crossing>,
    peak_bytes: Option<u64>,
}

impl Gauge {
    /// A gauge that warns from `warn_at` of the limit on.
    pub fn new(limit_bytes: u64, warn_at: f64) -> Self {
        let share = |share: f64| (limit_bytes as f64 * share) as u64;
        Self {
            limit_bytes,
            warn_bytes: share(warn_at),
            rearm_bytes: share((warn_at - REARM).max(0.0)),
            reached: None,
            peak_bytes: None,
        }
    }

    /// The limit, in bytes.
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// The greatest use seen, in bytes; `None` before the first figure.
    pub fn peak_bytes(&self) -> Option<u64> {
        self.peak_bytes
    }

    /// Takes a new figure. Each line is told once, until use falls clearly below the warning line.
    pub fn see(&mut self, used_bytes: u64) -> Option<Crossing> {
        self.peak_bytes = self.peak_bytes.max(Some(used_bytes));
        let now = match used_bytes {
            used if used > self.limit_bytes => Some(Crossing::Limit),
            used if used >= self.warn_bytes => Some(Crossing::Warning),
            used if used < self.rearm_bytes => {
                self.reached = None;
                None
            }
            _ => None,
        };
        let worse = match (self.reached, now) {
            (None, Some(_)) | (Some(Crossing::Warning), Some(Crossing::Limit)) => true,
            (_, None) | (Some(_), Some(_)) => false,
        };
        if worse {
            self.reached = now;
        }
        now.filter(|_| worse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_line_is_told_once_until_use_falls() {
        let mut gauge = Gauge::new(1000, 0.9);
        let told: Vec<Option<Crossing>> =
            [0, 899, 900, 950, 1000, 1001, 1200, 990, 860, 905, 849, 905, 2000].map(|used| gauge.see(used)).to_vec();
        let (warning, limit) = (Some(Crossing::Warning), Some(Crossing::Limit));
        let expected = [None, None, warning, None, None, limit, None, None, None, None, None, warning, limit];
        assert_eq!(told, expected);
        assert_eq!(gauge.peak_bytes(), Some(2000));
    }

    proptest! {
        #[test]
        fn the_first_figure_beyond_the_limit_is_always_told(
            limit in 1..u64::MAX / 2, warn_at in 0.01..=1.0_f64, before in prop::collection::vec(0.0..=1.0_f64, 0..20)
        ) {
            let mut gauge = Gauge::new(limit, warn_at);
            for share in before {
                prop_assert_ne!(gauge.see(((limit as f64 * share) as u64).min(limit)), Some(Crossing::Limit));
            }
            prop_assert_eq!(gauge.see(limit + 1), Some(Crossing::Limit));
        }
    }
}
