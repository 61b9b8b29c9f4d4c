//! Least squares of one column on another, over a batch and rolling.

use super::{
    FeatureError,
    error::{bad, column, same_length},
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

/// A line through the last `rows` rows, streaming.
///
/// Sums are taken about a mean of the window and made anew from what it holds once in every turn of its ring, so rounding does not pile up.
#[derive(Debug, Clone)]
pub struct RollingLine {
    ring: Vec<[f64; 2]>,
    room: usize,
    next: usize,
    centre: [f64; 2],
    sums: [f64; 2],
    products: [f64; 3],
}

impl RollingLine {
    /// Over the last `rows` rows, 3 to 1,000,000.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside those.
    pub fn new(rows: usize) -> Result<Self, FeatureError> {
        if !(3..=1_000_000).contains(&rows) {
            return Err(bad("rows", rows, "3 to 1,000,000"));
        }
        let ring = Vec::with_capacity(rows);
        Ok(Self { ring, room: rows, next: 0, centre: [0.0; 2], sums: [0.0; 2], products: [0.0; 3] })
    }

    #[inline]
    fn add(&mut self, row: [f64; 2], weight: f64) {
        let [x, y] = [row[0] - self.centre[0], row[1] - self.centre[1]];
        self.sums[0] += weight * x;
        self.sums[1] += weight * y;
        self.products[0] += weight * (x * x);
        self.products[1] += weight * (x * y);
        self.products[2] += weight * (y * y);
    }

    /// Sums anew, about the mean.
    fn renew(&mut self) {
        let rows = self.ring.len() as f64;
        self.centre = [0, 1].map(|i| self.ring.iter().map(|row| row[i]).sum::<f64>() / rows);
        (self.sums, self.products) = ([0.0; 2], [0.0; 3]);
        for i in 0..self.ring.len() {
            self.add(self.ring[i], 1.0);
        }
    }

    /// Takes the next row. One that is not finite is left out.
    pub fn push(&mut self, x: f64, y: f64) {
        if !(x.is_finite() && y.is_finite()) {
            return;
        }
        if self.ring.len() < self.room {
            self.ring.push([x, y]);
            self.add([x, y], 1.0);
        } else {
            self.add(self.ring[self.next], -1.0);
            self.add([x, y], 1.0);
            self.ring[self.next] = [x, y];
            self.next = (self.next + 1) % self.room;
        }
        // At 3 rows the centre first means something; after that, once a turn.
        if self.next == 0 && (self.ring.len() == self.room || self.ring.len().is_power_of_two()) {
            self.renew();
        }
    }

    /// The line through the rows held; `None` before the window is full, and where x or y does not vary.
    pub fn line(&self) -> Option<Line> {
        if self.ring.len() < self.room {
            return None;
        }
        let rows = self.ring.len() as f64;
        let [x, y] = self.sums.map(|sum| sum / rows);
        let [xx, xy, yy] = self.products;
        let moments = [xx - rows * x * x, xy - rows * x * y, yy - rows * y * y];
        // What rounding leaves of a column that does not vary is no variance.
        let varies = |moment: f64, centre: f64, product: f64| moment > 1e-12 * (product + rows * centre * centre);
        if !(varies(moments[0], self.centre[0], xx) && varies(moments[2], self.centre[1], yy)) {
            return None;
        }
        line(self.centre[0] + x, self.centre[1] + y, moments, self.ring.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn streaming_is_the_batch_of_its_window(rows in prop::collection::vec((-1e3f64..1e3, -1e3f64..1e3), 3..150), window in 3usize..20) {
            let mut rolling = RollingLine::new(window).unwrap();
            for (row, &(x, y)) in rows.iter().enumerate() {
                rolling.push(x + 1e6, y);
                let Some(first) = (row + 1).checked_sub(window) else {
                    prop_assert_eq!(rolling.line(), None);
                    continue;
                };
                let (xs, ys): (Vec<f64>, Vec<f64>) = rows[first..=row].iter().map(|(x, y)| (x + 1e6, *y)).unzip();
                let (found, whole) = (rolling.line().unwrap(), fit_line(&xs, &ys).unwrap());
                prop_assert!((found.slope - whole.slope).abs() <= 1e-6 * (1.0 + whole.slope.abs()), "{:?} {:?}", found, whole);
                prop_assert!((found.r_squared - whole.r_squared).abs() <= 1e-6, "{:?} {:?}", found, whole);
            }
        }
    }

    #[test]
    fn a_column_that_does_not_vary_has_no_line() {
        let mut rolling = RollingLine::new(3).unwrap();
        (0..10).for_each(|i| rolling.push(0.1, f64::from(i)));
        assert_eq!(rolling.line(), None);
        assert_eq!(RollingLine::new(2).unwrap_err().to_string(), "rows 2; allowed: 3 to 1,000,000");
    }

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
