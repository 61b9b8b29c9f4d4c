//! What the headlines of an instrument say as of a time, the older the less.
//!
//! Definition  S(t) = Σ sᵢ dᵢ / (1 + Σ dᵢ) over the headlines up to t, dᵢ = 2^(−(t − tᵢ)/H): between −1 and 1, back to 0 as news grow old, and one headline
//!             alone says half of its score at the most (a thousand that agree nearly all of it)
//! Units       as of the score; H in nanoseconds
//! None        before the first headline with a score
//! Source      exponential weights as of RiskMetrics Technical Document (1996), section 5.2; the 1 below the line is a headline that says nothing, always new

use super::super::{
    AlphaError,
    error::{in_order, in_range},
};

/// The state of one instrument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecayedSentiment {
    half_life_ns: f64,
    last_ns: Option<i64>,
    scores: f64,
    weights: f64,
    headlines: u64,
}

impl DecayedSentiment {
    /// Nothing seen yet.
    ///
    /// # Errors
    ///
    /// A half-life that is not above 0.
    pub fn new(half_life_ns: i64) -> Result<Self, AlphaError> {
        in_range("half-life", half_life_ns, half_life_ns > 0, "a time above 0")?;
        Ok(Self { half_life_ns: half_life_ns as f64, last_ns: None, scores: 0.0, weights: 0.0, headlines: 0 })
    }

    /// A headline with its score; one without a score says nothing and is not told.
    ///
    /// # Errors
    ///
    /// A time before the last one, and a score outside of −1 to 1.
    pub fn add(&mut self, time_ns: i64, score: f64) -> Result<(), AlphaError> {
        if !(-1.0..=1.0).contains(&score) {
            let row = usize::try_from(self.headlines).unwrap_or(usize::MAX).saturating_add(1);
            return Err(AlphaError::BadValue { what: "score".into(), row, value: score, allowed: "from -1 to 1" });
        }
        if let Some(last_ns) = self.last_ns {
            let row = usize::try_from(self.headlines).unwrap_or(usize::MAX).saturating_add(1);
            if time_ns < last_ns {
                return Err(AlphaError::TimeStepsBack { row, time_ns, above_ns: last_ns });
            }
            let left = self.left(time_ns.saturating_sub(last_ns));
            self.scores *= left;
            self.weights *= left;
        }
        self.last_ns = Some(time_ns);
        self.scores += score;
        self.weights += 1.0;
        self.headlines += 1;
        Ok(())
    }

    /// What is said as of a time that is not before the last headline's; none before the first.
    pub fn as_of(&self, time_ns: i64) -> Option<f64> {
        let left = self.left(time_ns.saturating_sub(self.last_ns?).max(0));
        Some(self.scores * left / (1.0 + self.weights * left))
    }

    fn left(&self, passed_ns: i64) -> f64 {
        (-(passed_ns as f64) / self.half_life_ns).exp2()
    }
}

/// What headlines (time and score, in order) say as of each time (in order).
///
/// # Errors
///
/// Times of either that step back, a half-life that is not above 0, and a score outside of −1 to 1.
pub fn as_of(headlines: &[(i64, f64)], times_ns: &[i64], half_life_ns: i64) -> Result<Vec<Option<f64>>, AlphaError> {
    in_order(times_ns)?;
    let mut state = DecayedSentiment::new(half_life_ns)?;
    let mut next = headlines.iter().peekable();
    let mut values = Vec::with_capacity(times_ns.len());
    for time_ns in times_ns {
        while let Some((at_ns, score)) = next.next_if(|(at_ns, _)| at_ns <= time_ns) {
            state.add(*at_ns, *score)?;
        }
        values.push(state.as_of(*time_ns));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_left_after_a_half_life_and_news_are_known_at_their_time() {
        let said = as_of(&[(10, 1.0), (20, -0.5)], &[9, 10, 20, 30], 10).unwrap();
        // At 10 one headline of 1 against the silent one; at 20 ½·1 − ½ is nothing; at 30 half of that.
        assert_eq!(said, [None, Some(0.5), Some(0.0), Some(0.0)]);
        let alone = as_of(&[(0, 1.0)], &[0, 10, 1_000_000], 10).unwrap();
        assert_eq!(alone[1], Some(0.5 / 1.5));
        assert!(alone[2].unwrap() < 1e-300);
    }

    #[test]
    fn later_headlines_do_not_count_and_the_definition_holds() {
        let headlines: Vec<(i64, f64)> = (0..50).map(|at| (at * 7, ((at * 13) % 21) as f64 / 10.0 - 1.0)).collect();
        let times: Vec<i64> = (0..60).map(|at| at * 5 + 3).collect();
        let all = as_of(&headlines, &times, 30).unwrap();
        for (time, value) in times.iter().zip(&all) {
            let known = headlines.iter().filter(|(at, _)| at <= time);
            let (scores, weights) = known.fold((0.0, 0.0), |(scores, weights), (at, score)| {
                let weight = f64::exp2(-((time - at) as f64) / 30.0);
                (scores + score * weight, weights + weight)
            });
            assert!((value.unwrap() - scores / (1.0 + weights)).abs() < 1e-12);
        }
        assert_eq!(as_of(&headlines[..20], &times[..20], 30).unwrap()[..], all[..20]);
    }

    #[test]
    fn bad_input_is_named() {
        assert!(matches!(as_of(&[(5, 0.1), (4, 0.1)], &[9], 10), Err(AlphaError::TimeStepsBack { row: 2, .. })));
        assert!(matches!(as_of(&[], &[9, 8], 10), Err(AlphaError::TimeStepsBack { .. })));
        assert!(matches!(as_of(&[(1, 1.5)], &[9], 10), Err(AlphaError::BadValue { row: 1, .. })));
        assert!(matches!(as_of(&[], &[], 0), Err(AlphaError::BadParameter { name: "half-life", .. })));
    }
}
