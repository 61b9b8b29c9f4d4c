//! Times of one call: the first apart, then enough of them for a median that can be trusted.

use std::time::{Duration, Instant};

use anyhow::bail;

use super::{Speed, Stop};

/// How long a column is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// Calls before the clock counts, after the first one.
    pub warm_up: usize,
    /// Calls at least.
    pub runs_min: usize,
    /// Time at least.
    pub time_min: Duration,
    /// Time after which few calls must do.
    pub time_max: Duration,
}

/// Calls that always are made, however long they take.
const RUNS_ALWAYS: usize = 3;
/// Calls after which more add nothing.
const RUNS_MAX: usize = 20_000;

impl Effort {
    /// For numbers that will be quoted.
    pub const FULL: Self =
        Self { warm_up: 2, runs_min: 11, time_min: Duration::from_millis(500), time_max: Duration::from_secs(4) };
    /// For a look.
    pub const QUICK: Self =
        Self { warm_up: 1, runs_min: 5, time_min: Duration::from_millis(10), time_max: Duration::from_millis(300) };

    /// Calls until there is enough; `work` is what one call does, in the units of the rate.
    ///
    /// # Errors
    ///
    /// What the call gives, and the user's wish to stop.
    pub fn measure(
        &self,
        work: f64,
        stop: &Stop,
        mut call: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Speed> {
        let mut timed = || -> anyhow::Result<f64> {
            if stop.wanted() {
                bail!(super::stop::Interrupted);
            }
            let begun = Instant::now();
            call()?;
            Ok(begun.elapsed().as_secs_f64())
        };
        let first_seconds = timed()?;
        let begun = Instant::now();
        for _ in 0..self.warm_up {
            if begun.elapsed() < self.time_max {
                timed()?;
            }
        }
        let begun = Instant::now();
        let mut seconds = Vec::new();
        loop {
            seconds.push(timed()?);
            let (runs, elapsed) = (seconds.len(), begun.elapsed());
            let enough = (runs >= self.runs_min && elapsed >= self.time_min) || elapsed >= self.time_max;
            if (enough && runs >= RUNS_ALWAYS) || runs >= RUNS_MAX {
                return Ok(summary(work, first_seconds, seconds));
            }
        }
    }
}

/// Quartiles of the calls.
fn summary(work: f64, first_seconds: f64, mut seconds: Vec<f64>) -> Speed {
    seconds.sort_by(f64::total_cmp);
    // A clock that did not move says "under a nanosecond", not "infinitely fast".
    let at = |share: f64| quantile(&seconds, share).max(1e-9);
    Speed {
        rate: work / at(0.5),
        first_seconds,
        median_seconds: at(0.5),
        lower_quartile_seconds: at(0.25),
        upper_quartile_seconds: at(0.75),
        min_seconds: at(0.0),
        max_seconds: at(1.0),
        runs: seconds.len(),
    }
}

/// Between the two nearest of sorted values, at least one (Hyndman and Fan 1996, type 7).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (place - place.floor()) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_by_hand() {
        let speed = summary(6.0, 9.0, vec![5.0, 1.0, 2.0, 4.0, 3.0]);
        assert_eq!((speed.median_seconds, speed.rate, speed.runs), (3.0, 2.0, 5));
        assert_eq!((speed.lower_quartile_seconds, speed.upper_quartile_seconds), (2.0, 4.0));
        assert_eq!((speed.min_seconds, speed.max_seconds, speed.first_seconds), (1.0, 5.0, 9.0));
        assert_eq!(quantile(&[1.0, 2.0], 0.25), 1.25);
        assert_eq!(quantile(&[7.0], 0.5), 7.0);
    }

    #[test]
    fn enough_calls_are_made_and_the_first_is_not_among_them() {
        let mut calls = 0;
        let effort = Effort { warm_up: 2, runs_min: 11, time_min: Duration::ZERO, time_max: Duration::from_secs(60) };
        let speed = effort.measure(1.0, &Stop::never(), || {
            calls += 1;
            Ok(())
        });
        assert_eq!(speed.unwrap().runs, 11);
        assert_eq!(calls, 1 + 2 + 11);
    }

    #[test]
    fn slow_calls_are_few_and_a_failure_ends_it() {
        let effort = Effort { warm_up: 1, runs_min: 1000, time_min: Duration::ZERO, time_max: Duration::ZERO };
        assert_eq!(effort.measure(1.0, &Stop::never(), || Ok(())).unwrap().runs, RUNS_ALWAYS);
        let failed = effort.measure(1.0, &Stop::never(), || anyhow::bail!("no device"));
        assert_eq!(failed.unwrap_err().to_string(), "no device");
    }

    #[test]
    fn a_wish_to_stop_ends_it_before_the_next_call() {
        let stop = Stop::never();
        let mut calls = 0;
        let error = Effort::FULL.measure(1.0, &stop, || {
            calls += 1;
            stop.want();
            Ok(())
        });
        assert!(error.unwrap_err().is::<crate::bench::stop::Interrupted>());
        assert_eq!(calls, 1);
    }
}
