//! Correlation of two columns, and how much each row moved it.
//!
//! Definition  Pearson: cov(x, y) / √(var x · var y). Spearman: the same of the rank fractions F(x), G(y), ties at the middle of their ranks
//! Influence   ψ with ρ̂ − ρ ≈ mean ψ, from which the variance of the estimate follows for rows that depend on each other too. Pearson:
//!             z(x) z(y) − ρ (z(x)² + z(y)²) / 2. Spearman: of the covariance of ranks and of both variances each, with the terms that come of F
//!             and G being estimates themselves
//! Source      Hampel et al., Robust Statistics: The Approach Based on Influence Functions (1986), section 4.2; Croux and Dehon, "Influence functions of the Spearman
//!             and Kendall correlation measures" (2010)

use super::super::{
    AlphaError,
    error::{all_finite, enough_rows, same_length},
    moments::mean_and_squares,
};

/// A correlation with what each row did to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Correlation {
    /// From −1 to 1.
    pub value: f64,
    /// By row; its mean is 0.
    pub influence: Vec<f64>,
}

/// Pearson's correlation.
///
/// # Errors
///
/// Columns of two lengths, fewer than three rows, values that are not finite, and a constant column.
pub fn pearson(x: &[f64], y: &[f64]) -> Result<Correlation, AlphaError> {
    check(x, y)?;
    let (x, y) = (standardised("the signal", x)?, standardised("the return", y)?);
    let value = x.iter().zip(&y).map(|(x, y)| x * y).sum::<f64>() / x.len() as f64;
    let influence = x.iter().zip(&y).map(|(x, y)| x * y - 0.5 * value * (x * x + y * y)).collect();
    Ok(Correlation { value: value.clamp(-1.0, 1.0), influence })
}

/// Spearman's rank correlation.
///
/// # Errors
///
/// As of [`pearson`].
pub fn spearman(x: &[f64], y: &[f64]) -> Result<Correlation, AlphaError> {
    check(x, y)?;
    let (x, y) = (Ranks::of(x), Ranks::of(y));
    let rows = x.centred.len() as f64;
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / rows;
    let (cross, of_x, of_y) = (dot(&x.centred, &y.centred), dot(&x.centred, &x.centred), dot(&y.centred, &y.centred));
    for (what, square) in [("the signal", of_x), ("the return", of_y)] {
        if square <= 0.0 {
            return Err(AlphaError::Constant { what: what.into() });
        }
    }
    let scale = (of_x * of_y).sqrt();
    let value = cross / scale;
    // How the estimated ranks of the others move when a row is added at this place.
    let [x_by_y, x_by_x] = [x.above(&y.centred), x.above(&x.centred)];
    let [y_by_x, y_by_y] = [y.above(&x.centred), y.above(&y.centred)];
    let influence: Vec<f64> = (0..x.centred.len())
        .map(|row| {
            let (u, v) = (x.centred[row], y.centred[row]);
            let of_cross = u * v - cross + (x_by_y[row] - cross) + (y_by_x[row] - cross);
            let of_variances =
                (u * u - of_x + 2.0 * (x_by_x[row] - of_x)) / of_x + (v * v - of_y + 2.0 * (y_by_y[row] - of_y)) / of_y;
            of_cross / scale - 0.5 * value * of_variances
        })
        .collect();
    Ok(Correlation { value: value.clamp(-1.0, 1.0), influence })
}

fn check(x: &[f64], y: &[f64]) -> Result<(), AlphaError> {
    same_length("the return", x.len(), y.len())?;
    enough_rows("a correlation", x.len(), 3)?;
    all_finite("the signal", x)?;
    all_finite("the return", y)
}

/// Mean 0, variance 1 with the divisor n.
fn standardised(what: &str, values: &[f64]) -> Result<Vec<f64>, AlphaError> {
    let (count, mean, squares) = mean_and_squares(values.iter().copied());
    let deviation = (squares / count as f64).sqrt();
    if deviation <= 1e-12 * mean.abs() || deviation == 0.0 {
        return Err(AlphaError::Constant { what: what.into() });
    }
    Ok(values.iter().map(|value| (value - mean) / deviation).collect())
}

/// Ranks of a column.
struct Ranks {
    /// Rows by value, with where each group of ties begins and ends.
    order: Vec<usize>,
    groups: Vec<std::ops::Range<usize>>,
    /// Rank fraction minus a half, by row.
    centred: Vec<f64>,
}

impl Ranks {
    fn of(values: &[f64]) -> Self {
        let rows = values.len();
        let mut order: Vec<usize> = (0..rows).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let (mut groups, mut start) = (Vec::new(), 0);
        for end in 1..=rows {
            if end == rows || values[order[end]] != values[order[start]] {
                groups.push(start..end);
                start = end;
            }
        }
        let mut centred = vec![0.0; rows];
        for group in &groups {
            // F at the middle of the tie: half of the group is below it.
            let fraction = (group.start + group.end) as f64 / (2 * rows) as f64;
            order[group.clone()].iter().for_each(|row| centred[*row] = fraction - 0.5);
        }
        Self { order, groups, centred }
    }

    /// For each row the mean over all of `other`, counted where the value is above the row's, and half where it is the same.
    fn above(&self, other: &[f64]) -> Vec<f64> {
        let mut means = vec![0.0; other.len()];
        let mut above = 0.0;
        for group in self.groups.iter().rev() {
            let rows = &self.order[group.clone()];
            let same: f64 = rows.iter().map(|row| other[*row]).sum();
            rows.iter().for_each(|row| means[*row] = (above + 0.5 * same) / other.len() as f64);
            above += same;
        }
        means
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    #[test]
    fn ranks_with_ties_as_by_hand() {
        // Ranks of x are 1, 2.5, 2.5, 4, 5, of y 3, 1, 2, 5, 4: Pearson of them is 5.5 / √(9.5 · 10).
        let found = spearman(&[1.0, 2.0, 2.0, 3.0, 9.0], &[3.0, 1.0, 2.0, 50.0, 4.0]).unwrap();
        assert!((found.value - 5.5 / 95f64.sqrt()).abs() < 1e-15, "{}", found.value);
        let straight = pearson(&[1.0, 2.0, 3.0], &[-2.0, -4.0, -6.0]).unwrap();
        assert!((straight.value + 1.0).abs() < 1e-15);
    }

    #[test]
    fn influence_is_the_derivative_towards_a_row() {
        // Weight of one row up a little: the correlation of the weighted rows moves by its influence (three rows stand for one, so that
        // weights are whole numbers).
        let mut random = SplitMix64::new(3);
        let x: Vec<f64> = (0..60).map(|_| (random.bell() * 4.0).round()).collect();
        let y: Vec<f64> = x.iter().map(|x| (x + 3.0 * random.bell()).round()).collect();
        let times = 2000;
        for of in [pearson, spearman] {
            let base = of(&x, &y).unwrap();
            assert!(base.influence.iter().sum::<f64>().abs() < 1e-10);
            for row in [0, 17, 59] {
                let mut many = [x.repeat(times), y.repeat(times)];
                many[0].extend(vec![x[row]; 60]);
                many[1].extend(vec![y[row]; 60]);
                let moved = (of(&many[0], &many[1]).unwrap().value - base.value) * times as f64;
                assert!(
                    (moved - base.influence[row]).abs() < 5e-3 * (1.0 + moved.abs()),
                    "{moved} {}",
                    base.influence[row]
                );
            }
        }
    }

    #[test]
    fn constant_columns_and_what_is_no_number_are_refused() {
        let constant = [0.1; 4];
        let y = [1.0, 2.0, 3.0, 5.0];
        for of in [pearson, spearman] {
            assert_eq!(of(&constant, &y), Err(AlphaError::Constant { what: "the signal".into() }));
            assert_eq!(of(&y, &constant), Err(AlphaError::Constant { what: "the return".into() }));
            assert!(matches!(of(&[1.0, f64::NAN, 2.0], &y[..3]), Err(AlphaError::BadValue { row: 2, .. })));
            assert!(matches!(of(&y[..2], &y[..2]), Err(AlphaError::TooFewRows { .. })));
        }
    }
}
