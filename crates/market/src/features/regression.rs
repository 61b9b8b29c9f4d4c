//! Least squares of one column on another, over a batch and rolling.

use super::{
    FeatureError,
    error::{column, same_length},
};

/// A line fitted by least squares: y = intercept + slope·x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// y at x = 0, in y's unit.
    pub intercept: f64,
    /// y's unit per x's unit.
    pub slope: f64,
    /// The share of y's variance that the line explains, 0 to 1.
    pub r_squared: f64,
    /// Standard error of the slope under equal variances; 0 where the line is exact.
    pub slope_error: f64,
    /// How many rows it was fitted to.
    pub rows: usize,
}

/// Fits a line to a batch of at least 3 rows.
///
/// # Errors
///
/// [`FeatureError`] for fewer rows, columns of two lengths, a number that is not finite, or an `x` or `y` that is the same in every row.
pub fn fit_line(x: &[f64], y: &[f64]) -> Result<Line, FeatureError> {
    column("x", x, 3)?;
    same_length("y", y.len(), x.len())?;
    column("y", y, 3)?;
    let rows = x.len() as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / rows, y.iter().sum::<f64>() / rows);
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xx += dx * dx;
        xy += dx * dy;
        yy += dy * dy;
    }
    line(mean_x, mean_y, [xx, xy, yy], x.len())
        .ok_or(FeatureError::Degenerate { what: "line", problem: "x or y is the same in every row" })
}

/// The line of centred second moments; `None` where x or y does not vary.
pub(super) fn line(mean_x: f64, mean_y: f64, [xx, xy, yy]: [f64; 3], rows: usize) -> Option<Line> {
    if !(xx > 0.0 && yy > 0.0) || rows < 3 {
        return None;
    }
    let slope = xy / xx;
    let left_over = (yy - slope * xy).max(0.0);
    let slope_error = (left_over / (rows as f64 - 2.0) / xx).sqrt();
    let r_squared = (xy * (xy / xx) / yy).clamp(0.0, 1.0);
    let found = Line { intercept: mean_y - slope * mean_x, slope, r_squared, slope_error, rows };
    (found.intercept.is_finite() && slope.is_finite() && r_squared.is_finite()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anscombes_first_set() {
        // Anscombe, "Graphs in statistical analysis", The American Statistician 27 (1973), table: y = 3.00 + 0.500x, R² 0.667, error of slope 0.118.
        let x = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0];
        let y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
        let found = fit_line(&x, &y).unwrap();
        assert!((found.intercept - 3.0).abs() < 0.005, "{found:?}");
        assert!((found.slope - 0.5).abs() < 0.0005, "{found:?}");
        assert!((found.r_squared - 0.667).abs() < 0.0005, "{found:?}");
        assert!((found.slope_error - 0.118).abs() < 0.0005, "{found:?}");
    }

    #[test]
    fn what_cannot_be_fitted_is_told() {
        let message = |x: &[f64], y: &[f64]| fit_line(x, y).unwrap_err().to_string();
        assert_eq!(message(&[1.0, 2.0], &[1.0, 2.0]), "x: 2 observations; allowed: 3 or more");
        assert_eq!(message(&[1.0; 3], &[1.0, 2.0, 3.0]), "line: x or y is the same in every row");
        assert_eq!(message(&[1.0, 2.0, 3.0], &[1.0, f64::NAN, 3.0]), "y: row 1: NaN; allowed: finite numbers");
        assert_eq!(message(&[1.0, 2.0, 3.0], &[1.0]), "y: 1 values; allowed: 3, one for each of the others");
    }
}
