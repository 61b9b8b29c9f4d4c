//! Rolling correlation matrices, and their shrinkage.
//!
//! Source: Ledoit and Wolf, "Honey, I shrunk the sample covariance matrix", Journal of Portfolio Management 30 (2004), appendices A and B. The sample
//! covariance S (over T rows, about their mean, divided by T) is drawn towards F, which has its variances and the mean of its correlations
//! everywhere: δ·F + (1 − δ)·S, δ = max(0, min(1, (π̂ − ρ̂)/(γ̂·T))). Its correlations are then r̄·δ + (1 − δ)·rᵢⱼ. No unit.

use super::{
    FeatureError,
    error::{bad, column, same_length},
};

/// The most columns of a matrix.
const MOST_COLUMNS: usize = 256;

/// A correlation matrix drawn towards the mean of its correlations.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// Row by row.
    pub correlation: Vec<f64>,
    /// δ, 0 to 1.
    pub shrinkage: f64,
}

/// Correlations of the last rows of several columns, streaming: a row costs the square of the number of columns, whatever the window.
#[derive(Debug, Clone)]
pub struct RollingCorrelation {
    columns: usize,
    room: usize,
    rows: usize,
    next: usize,
    ring: Vec<f64>,
    centre: Vec<f64>,
    sums: Vec<f64>,
    products: Vec<f64>,
}

impl RollingCorrelation {
    /// Of `columns` columns (2 to 256) over the last `rows` rows (3 to 1,000,000; no more than 64 million numbers in all).
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside those.
    pub fn new(columns: usize, rows: usize) -> Result<Self, FeatureError> {
        if !(2..=MOST_COLUMNS).contains(&columns) {
            return Err(bad("columns", columns, "2 to 256"));
        }
        if !(3..=1_000_000).contains(&rows) || rows * columns > 64_000_000 {
            return Err(bad("rows", rows, "3 to 1,000,000, and rows × columns no more than 64,000,000"));
        }
        Ok(Self {
            columns,
            room: rows,
            rows: 0,
            next: 0,
            ring: vec![0.0; rows * columns],
            centre: vec![0.0; columns],
            sums: vec![0.0; columns],
            products: vec![0.0; columns * columns],
        })
    }

    /// Adds a row of the ring to the sums, or takes it away. Of products the lower half is kept.
    fn add(&mut self, row: usize, weight: f64) {
        let of_row = &self.ring[row * self.columns..(row + 1) * self.columns];
        for i in 0..self.columns {
            let x = of_row[i] - self.centre[i];
            self.sums[i] += weight * x;
            let products = &mut self.products[i * self.columns..=i * self.columns + i];
            for ((product, y), centre) in products.iter_mut().zip(of_row).zip(&self.centre) {
                *product += weight * x * (y - centre);
            }
        }
    }

    fn renew(&mut self) {
        for (column, centre) in self.centre.iter_mut().enumerate() {
            let of_column = self.ring.chunks_exact(self.columns).take(self.rows).map(|row| row[column]);
            *centre = of_column.sum::<f64>() / self.rows as f64;
        }
        self.sums.fill(0.0);
        self.products.fill(0.0);
        (0..self.rows).for_each(|row| self.add(row, 1.0));
    }

    /// Takes the next row.
    ///
    /// # Errors
    ///
    /// [`FeatureError`] for a row of another length, or with a number that is not finite; it is left out.
    pub fn push(&mut self, row: &[f64]) -> Result<(), FeatureError> {
        same_length("row", row.len(), self.columns)?;
        column("row", row, 0)?;
        if self.rows == self.room {
            self.add(self.next, -1.0);
        } else {
            self.rows += 1;
        }
        self.ring[self.next * self.columns..(self.next + 1) * self.columns].copy_from_slice(row);
        self.add(self.next, 1.0);
        self.next = (self.next + 1) % self.room;
        if self.next == 0 {
            self.renew();
        }
        Ok(())
    }

    /// Covariance of two columns, divided by the number of rows; `i` at or above `j`.
    fn covariance(&self, i: usize, j: usize) -> f64 {
        let rows = self.room as f64;
        (self.products[i * self.columns + j] - self.sums[i] * self.sums[j] / rows) / rows
    }

    /// Each column's standard deviation; `None` before the window is full.
    fn deviations(&self) -> Result<Option<Vec<f64>>, FeatureError> {
        if self.rows < self.room {
            return Ok(None);
        }
        let variances = (0..self.columns)
            .map(|i| (self.covariance(i, i), self.centre[i], self.products[i * self.columns + i] / self.room as f64));
        let deviations: Vec<f64> = variances
            // What rounding leaves of a column that does not vary is no variance.
            .map(
                |(variance, centre, product)| {
                    if variance > 1e-13 * (product + centre * centre) { variance.sqrt() } else { 0.0 }
                },
            )
            .collect();
        match deviations.contains(&0.0) {
            true => Err(FeatureError::Degenerate { what: "correlation", problem: "a column is the same in every row" }),
            false => Ok(Some(deviations)),
        }
    }

    /// The correlation matrix, row by row; `None` before the window is full.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Degenerate`] where a column is the same in every row.
    pub fn correlation(&self) -> Result<Option<Vec<f64>>, FeatureError> {
        let Some(deviations) = self.deviations()? else { return Ok(None) };
        let mut matrix = vec![1.0; self.columns * self.columns];
        for i in 0..self.columns {
            for j in 0..i {
                let found = (self.covariance(i, j) / (deviations[i] * deviations[j])).clamp(-1.0, 1.0);
                (matrix[i * self.columns + j], matrix[j * self.columns + i]) = (found, found);
            }
        }
        Ok(Some(matrix))
    }

    /// The correlation matrix drawn towards its mean; `None` before the window is full. Costs the window times the square of the columns.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Degenerate`] where a column is the same in every row.
    pub fn shrunk(&self) -> Result<Option<Shrunk>, FeatureError> {
        let (Some(deviations), Some(mut correlation)) = (self.deviations()?, self.correlation()?) else {
            return Ok(None);
        };
        let (n, rows) = (self.columns, self.room as f64);
        let pairs = (n * (n - 1)) as f64;
        let mean = (correlation.iter().sum::<f64>() - n as f64) / pairs;
        let means: Vec<f64> = (0..n).map(|i| self.centre[i] + self.sums[i] / rows).collect();
        // In units of the columns' deviations the variances are 1; δ does not depend on the units of γ̂ alone, so each sum carries its own.
        let (mut pi, mut rho, mut gamma) = (0.0, 0.0, 0.0);
        for i in 0..n {
            for j in 0..n {
                let scale = deviations[i] * deviations[j];
                let s = correlation[i * n + j] * scale;
                let (mut pi_ij, mut theta) = (0.0, 0.0);
                for row in self.ring.chunks_exact(n) {
                    let (x, y) = (row[i] - means[i], row[j] - means[j]);
                    pi_ij += (x * y - s).powi(2);
                    theta += (x * x - deviations[i].powi(2)) * (x * y - s);
                }
                pi += pi_ij / rows;
                if i == j {
                    rho += pi_ij / rows;
                } else {
                    rho += mean * deviations[j] / deviations[i] * theta / rows;
                    gamma += (mean * scale - s).powi(2);
                }
            }
        }
        // Two columns, or correlations all alike, are their own target.
        let shrinkage = if gamma > 1e-24 * pi { ((pi - rho) / gamma / rows).clamp(0.0, 1.0) } else { 1.0 };
        for (place, entry) in correlation.iter_mut().enumerate() {
            if place / n != place % n {
                *entry = shrinkage * mean + (1.0 - shrinkage) * *entry;
            }
        }
        Ok(Some(Shrunk { correlation, shrinkage }))
    }
}

/// Batch form: the correlation matrix of columns of one length (3 rows or more), row by row.
///
/// # Errors
///
/// [`FeatureError`] for fewer than 2 columns or 3 rows, columns of several lengths, numbers that are not finite, or a column that does not vary.
pub fn correlation(columns: &[&[f64]]) -> Result<Vec<f64>, FeatureError> {
    let full = window_of(columns)?;
    full.correlation()?.ok_or(FeatureError::TooFew { what: "correlation", found: 0, needed: 3 })
}

/// Batch form: the shrunk correlation matrix of columns of one length (3 rows or more).
///
/// # Errors
///
/// Those of [`correlation`].
pub fn shrunk_correlation(columns: &[&[f64]]) -> Result<Shrunk, FeatureError> {
    let full = window_of(columns)?;
    full.shrunk()?.ok_or(FeatureError::TooFew { what: "correlation", found: 0, needed: 3 })
}

/// A window that holds just these columns.
fn window_of(columns: &[&[f64]]) -> Result<RollingCorrelation, FeatureError> {
    let rows = columns.first().map_or(0, |column| column.len());
    let mut window = RollingCorrelation::new(columns.len(), rows)?;
    for of_column in columns {
        same_length("column", of_column.len(), rows)?;
    }
    let mut row = vec![0.0; columns.len()];
    for index in 0..rows {
        row.iter_mut().zip(columns).for_each(|(cell, column)| *cell = column[index]);
        window.push(&row)?;
    }
    Ok(window)
}

#[cfg(test)]
#[path = "correlation_tests.rs"]
mod tests;
