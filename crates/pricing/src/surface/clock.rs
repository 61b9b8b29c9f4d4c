//! Variance time: how much of a day's variance each day brings, so that weekends and announcements weigh what they should.

use serde::{Deserialize, Serialize};

/// A rising, piecewise linear map from years to expiry to variance time, in years of ordinary days. Without knots it is the identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ClockForm")]
pub struct Clock {
    /// (years, variance time) by ascending years; both zero before the first. Past the last knot time passes as calendars do.
    knots: Vec<[f64; 2]>,
}

/// A clock as it is read.
#[derive(Deserialize)]
struct ClockForm {
    knots: Vec<[f64; 2]>,
}

impl TryFrom<ClockForm> for Clock {
    type Error = ClockError;

    fn try_from(form: ClockForm) -> Result<Self, ClockError> {
        Self::new(form.knots)
    }
}

/// Why a [`Clock`] cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ClockError {
    /// Variance time would stand still or run backwards.
    #[error("variance time must rise: from year {from} to year {to} it changes by {change}")]
    DoesNotRise {
        /// Years at the start.
        from: f64,
        /// Years at the end.
        to: f64,
        /// Change of variance time.
        change: f64,
    },
    /// A day cannot count so much.
    #[error("a day off cannot weigh {weight}: more than 0, at most 1000")]
    Weight {
        /// The weight.
        weight: f64,
    },
    /// An event has no place or no size.
    #[error("an event at year {years} of {extra_days} extra days: both must be finite, from 0 on")]
    Event {
        /// Years from now.
        years: f64,
        /// Days of variance that it brings.
        extra_days: f64,
    },
}

impl Clock {
    /// A clock through `knots` of (years, variance time), from (0, 0).
    ///
    /// # Errors
    /// Where years or variance time do not rise strictly, or are not finite.
    pub fn new(knots: Vec<[f64; 2]>) -> Result<Self, ClockError> {
        let mut before = [0.0, 0.0];
        for &knot in &knots {
            let [years, change] = [knot[0] - before[0], knot[1] - before[1]];
            if !(years > 0.0 && change > 0.0 && years.is_finite() && change.is_finite()) {
                return Err(ClockError::DoesNotRise { from: before[0], to: knot[0], change });
            }
            before = knot;
        }
        Ok(Self { knots })
    }

    /// Variance time at `years`, and its slope there (of the stretch that ends at a knot).
    pub fn at(&self, years: f64) -> [f64; 2] {
        let after = self.knots.partition_point(|knot| knot[0] < years);
        let before = after.checked_sub(1).map_or([0.0, 0.0], |i| self.knots[i]);
        let slope = self.knots.get(after).map_or(1.0, |next| (next[1] - before[1]) / (next[0] - before[0]));
        [before[1] + slope * (years - before[0]), slope]
    }

    /// Its knots, of (years, variance time).
    pub fn knots(&self) -> &[[f64; 2]] {
        &self.knots
    }

    /// Whether variance time is calendar time.
    pub fn is_calendar(&self) -> bool {
        self.knots.is_empty()
    }
}
