//! The Ornstein–Uhlenbeck process of a series at a steady pace.
//!
//! Definition  dX = θ (μ − X) dt + σ dW, of which rows Δ apart are exactly X' = a + b X + ε with b = e^(−θΔ), a = μ (1 − b) and
//!             var ε = σ² (1 − b²) / 2θ. a and b by least squares, which is the likelihood's maximum given the first row
//! Units       θ per second, half-life ln 2 / θ in seconds, σ per √second, μ in the series' unit; z = (x − μ) / √(σ² / 2θ)
//! Error of θ  that of b through θ = −ln b / Δ: se(b) / (b Δ). Least squares finds b too small by some (1 + 3b) / n (Kendall 1954), so θ too great by
//!             some 4 / (n Δ): a series without reversion shows a θ of a few of these. The Dickey–Fuller ratio (b − 1) / se(b) tells them apart
//! Source      Uhlenbeck and Ornstein, Physical Review 36 (1930); Kendall, "Note on bias in the estimation of autocorrelation", Biometrika 41 (1954)

use super::super::{
    AlphaError,
    error::{finite_where_present, in_range},
    moments::mean_and_squares,
};

/// Pairs of rows that a fit takes at least.
pub(super) const PAIRS_MIN: usize = 10;

/// A fitted process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OrnsteinUhlenbeck {
    /// The level μ.
    pub level: f64,
    /// The speed θ per second.
    pub speed_per_second: f64,
    /// Standard error of the speed.
    pub speed_standard_error: f64,
    /// σ per √second.
    pub volatility: f64,
    /// Standard deviation of where the process is in the long run, σ / √(2θ).
    pub deviation: f64,
    /// (b − 1) / se(b), to be held against the Dickey–Fuller distribution: below −2.86 at 5 % of long series.
    pub dickey_fuller: f64,
    /// Pairs of rows.
    pub pairs: usize,
}

impl OrnsteinUhlenbeck {
    /// The time in which half of a difference from the level is gone, in seconds.
    pub fn half_life_seconds(&self) -> f64 {
        std::f64::consts::LN_2 / self.speed_per_second
    }

    /// How many long-run deviations a value is off the level.
    pub fn z_score(&self, value: f64) -> f64 {
        (value - self.level) / self.deviation
    }
}

/// What a fit can come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fitted {
    /// It returns to its level.
    MeanReverting(OrnsteinUhlenbeck),
    /// b is 1 or above: it does not return. The coefficient and its standard error.
    NotMeanReverting(f64, f64),
    /// b is 0 or below: rows swing about the level faster than their pace shows, which no such process does. The coefficient and its standard error.
    Oscillating(f64, f64),
}

/// Fits rows that are `step_seconds` apart. A pair with a row that is not there is left out.
///
/// # Errors
///
/// A step that is not above 0, values that are not finite, fewer than ten pairs, a constant series, and one without noise.
pub fn fit(values: &[Option<f64>], step_seconds: f64) -> Result<Fitted, AlphaError> {
    in_range("step", step_seconds, step_seconds > 0.0 && step_seconds.is_finite(), "seconds above 0")?;
    finite_where_present("the series", values)?;
    let pairs = || values.windows(2).filter_map(|pair| Some((pair[0]?, pair[1]?)));
    let (count, mean_before, squares_before) = mean_and_squares(pairs().map(|(before, _)| before));
    super::super::error::enough_rows("an Ornstein–Uhlenbeck fit", count, PAIRS_MIN)?;
    let (_, mean_after, _) = mean_and_squares(pairs().map(|(_, after)| after));
    let constant = || AlphaError::Constant { what: "the series".into() };
    let n = count as f64;
    if (squares_before / n).sqrt() <= 1e-12 * mean_before.abs() || squares_before == 0.0 {
        return Err(constant());
    }
    let products: f64 = pairs().map(|(before, after)| (before - mean_before) * (after - mean_after)).sum();
    let b = products / squares_before;
    let residual = |(before, after): (f64, f64)| (after - mean_after) - b * (before - mean_before);
    let noise: f64 = pairs().map(residual).map(|it| it * it).sum::<f64>() / (n - 2.0);
    if noise.sqrt() <= 1e-12 * (mean_before.abs() + (squares_before / n).sqrt()) {
        return Err(AlphaError::Constant { what: "the noise of the series".into() });
    }
    let b_error = (noise / squares_before).sqrt();
    if b >= 1.0 {
        return Ok(Fitted::NotMeanReverting(b, b_error));
    }
    if b <= 0.0 {
        return Ok(Fitted::Oscillating(b, b_error));
    }
    let speed = -b.ln() / step_seconds;
    let deviation = (noise / (1.0 - b * b)).sqrt();
    Ok(Fitted::MeanReverting(OrnsteinUhlenbeck {
        level: (mean_after - b * mean_before) / (1.0 - b),
        speed_per_second: speed,
        speed_standard_error: b_error / (b * step_seconds),
        volatility: deviation * (2.0 * speed).sqrt(),
        deviation,
        dickey_fuller: (b - 1.0) / b_error,
        pairs: count,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;
    use proptest::prelude::*;

    /// Rows of the process itself, by its exact step.
    fn path(seed: u64, rows: usize, [level, speed, volatility]: [f64; 3], step: f64) -> Vec<Option<f64>> {
        let mut random = SplitMix64::new(seed);
        let b = f64::exp(-speed * step);
        let deviation = volatility * ((1.0 - b * b) / (2.0 * speed)).sqrt();
        let mut value = level;
        (0..rows)
            .map(|_| {
                value = level + b * (value - level) + deviation * random.bell();
                Some(value)
            })
            .collect()
    }

    fn reverting(values: &[Option<f64>], step: f64) -> OrnsteinUhlenbeck {
        match fit(values, step).unwrap() {
            Fitted::MeanReverting(process) => process,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_process_is_found_again_and_its_error_is_true() {
        let truth = [100.0, 0.05, 0.3];
        let (paths, mut within) = (200, 0);
        for seed in 0..paths {
            let found = reverting(&path(seed, 4_000, truth, 0.5), 0.5);
            within += u32::from((found.speed_per_second - 0.05).abs() < 2.0 * found.speed_standard_error);
            assert!((found.level - 100.0).abs() < 2.0 && (found.volatility / 0.3 - 1.0).abs() < 0.06, "{found:?}");
            assert!(found.dickey_fuller < -3.0);
        }
        assert!((180..=199).contains(&within), "{within} of {paths} within two errors");
        let found = reverting(&path(1, 4_000, truth, 0.5), 0.5);
        assert!((found.half_life_seconds() * found.speed_per_second - 2f64.ln()).abs() < 1e-15);
        assert!((found.z_score(found.level + found.deviation) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_series_that_runs_away_or_swings_is_named() {
        let mut random = SplitMix64::new(2);
        let away: Vec<Option<f64>> = (0..60).map(|row| Some(1.1f64.powi(row) + 0.01 * random.bell())).collect();
        assert!(
            matches!(fit(&away, 1.0), Ok(Fitted::NotMeanReverting(b, error)) if (b - 1.1).abs() < 0.01 && error < 0.01)
        );
        let swings: Vec<Option<f64>> =
            (0..60).map(|row| Some(f64::from(1 - 2 * (row % 2)) + 0.1 * random.bell())).collect();
        assert!(matches!(fit(&swings, 1.0), Ok(Fitted::Oscillating(b, _)) if b < -0.9));
    }

    #[test]
    fn bad_input_is_named() {
        assert_eq!(fit(&[Some(0.1); 50], 1.0), Err(AlphaError::Constant { what: "the series".into() }));
        let line: Vec<Option<f64>> = (0..50).map(|row| Some(f64::from(row))).collect();
        assert_eq!(fit(&line, 1.0), Err(AlphaError::Constant { what: "the noise of the series".into() }));
        assert!(matches!(fit(&line[..8], 1.0), Err(AlphaError::TooFewRows { found: 7, needed: 10, .. })));
        assert!(matches!(fit(&line, 0.0), Err(AlphaError::BadParameter { name: "step", .. })));
        let mut hole = line.clone();
        hole[3] = Some(f64::INFINITY);
        assert!(matches!(fit(&hole, 1.0), Err(AlphaError::BadValue { row: 4, .. })));
    }

    proptest! {
        #[test]
        fn level_and_scale_carry_through_and_the_step_sets_the_clock(seed: u64, shift in -1e3..1e3, scale in 0.01..100.0) {
            let values = path(seed, 300, [0.0, 0.2, 1.0], 1.0);
            let moved: Vec<Option<f64>> = values.iter().map(|value| value.map(|it| shift + scale * it)).collect();
            let (a, b) = (reverting(&values, 1.0), reverting(&moved, 2.0));
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * (1.0 + a.abs() + b.abs());
            prop_assert!(near(b.level, shift + scale * a.level), "{a:?} {b:?}");
            prop_assert!(near(b.deviation / scale, a.deviation), "{a:?} {b:?}");
            prop_assert!(near(2.0 * b.speed_per_second, a.speed_per_second), "{a:?} {b:?}");
        }
    }
}
