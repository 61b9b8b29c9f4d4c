//! Whether rows are at a steady pace, and where it was interrupted.

use super::{
    AlphaError,
    error::{enough_rows, in_order},
};

/// A steady pace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SteadyPace {
    /// Nanoseconds from row to row.
    pub step_ns: i64,
    /// Rows that lie more than one step behind the row above: windows begin anew there.
    pub starts: Vec<usize>,
}

impl SteadyPace {
    /// The pace of these times: the least difference of two rows, of which every other is a multiple.
    ///
    /// # Errors
    ///
    /// Fewer than two rows, times that step back or stand still, and a difference that is not of whole steps.
    pub fn of(times_ns: &[i64]) -> Result<Self, AlphaError> {
        in_order(times_ns)?;
        enough_rows("a pace", times_ns.len(), 2)?;
        let apart = || times_ns.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
        let step_ns = apart().min().unwrap_or_default();
        let uneven = |apart_ns: i64| step_ns == 0 && apart_ns == 0 || step_ns > 0 && apart_ns % step_ns != 0;
        match apart().enumerate().find(|(_, apart_ns)| uneven(*apart_ns)) {
            Some((above, apart_ns)) => {
                Err(AlphaError::UnevenPace { row: above + 2, time_ns: times_ns[above + 1], apart_ns, step_ns })
            }
            None => {
                let starts =
                    apart().enumerate().filter(|(_, apart_ns)| *apart_ns > step_ns).map(|(above, _)| above + 1);
                Ok(Self { step_ns, starts: starts.collect() })
            }
        }
    }

    /// The pace in seconds.
    pub fn step_seconds(&self) -> f64 {
        self.step_ns as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silences_of_whole_steps_are_told_and_the_rest_is_refused() {
        let pace = SteadyPace::of(&[0, 5, 10, 30, 35]).unwrap();
        assert_eq!((pace.step_ns, pace.starts), (5, vec![3]));
        assert!(matches!(
            SteadyPace::of(&[0, 5, 12]),
            Err(AlphaError::UnevenPace { row: 3, apart_ns: 7, step_ns: 5, .. })
        ));
        assert!(matches!(SteadyPace::of(&[0, 5, 5]), Err(AlphaError::UnevenPace { row: 3, apart_ns: 0, .. })));
        assert!(matches!(SteadyPace::of(&[5, 0]), Err(AlphaError::TimeStepsBack { .. })));
        assert!(matches!(SteadyPace::of(&[5]), Err(AlphaError::TooFewRows { .. })));
    }
}
