//! Ordinary least squares by Householder reflections, with the covariance of the coefficients.
//!
//! Source     Golub and Van Loan, Matrix Computations, 4th edition, sections 5.1 and 5.3.2

use super::AlphaError;

/// What a regression gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Regression {
    /// The coefficients, in the order of the columns.
    pub coefficients: Vec<f64>,
    /// Their standard errors, residuals taken as independent and of one variance (divisor n − k).
    pub standard_errors: Vec<f64>,
    /// Sum of squared residuals.
    pub residual_squares: f64,
    /// Rows.
    pub rows: usize,
}

impl Regression {
    /// Akaike's criterion of the Gaussian likelihood, −2 ln L + 2 k, the variance not counted in k.
    pub fn aic(&self) -> f64 {
        let n = self.rows as f64;
        let log_likelihood = -0.5 * n * ((2.0 * std::f64::consts::PI * self.residual_squares / n).ln() + 1.0);
        -2.0 * log_likelihood + 2.0 * self.coefficients.len() as f64
    }
}

/// Regresses `y` on `columns`, each as long as it.
///
/// # Errors
///
/// No more rows than columns, and columns that depend on each other to 1e-12 of their length; `what` names the regression.
pub fn regress(what: &str, y: &[f64], columns: &[&[f64]]) -> Result<Regression, AlphaError> {
    let (rows, width) = (y.len(), columns.len());
    super::error::enough_rows(what, rows, width + 1)?;
    let mut q: Vec<Vec<f64>> = columns.iter().map(|column| column.to_vec()).collect();
    let mut target = y.to_vec();
    let lengths: Vec<f64> = q.iter().map(|column| norm(column)).collect();
    let mut diagonal = vec![0.0; width];
    for at in 0..width {
        let length = norm(&q[at][at..]);
        if length <= 1e-12 * lengths[at] || !length.is_finite() {
            return Err(AlphaError::Collinear { what: what.to_owned() });
        }
        let alpha = if q[at][at] > 0.0 { -length } else { length };
        diagonal[at] = alpha;
        q[at][at] -= alpha;
        let reflector = q[at][at..].to_vec();
        let scale = 2.0 / reflector.iter().map(|v| v * v).sum::<f64>();
        let reflect = |column: &mut [f64]| {
            let along = scale * reflector.iter().zip(&*column).map(|(v, c)| v * c).sum::<f64>();
            column.iter_mut().zip(&reflector).for_each(|(c, v)| *c -= along * v);
        };
        for column in &mut q[at + 1..] {
            reflect(&mut column[at..]);
        }
        reflect(&mut target[at..]);
    }
    // R x = Qᵀ y: R's diagonal apart, its upper part where the columns were.
    let upper = |row: usize, column: usize| if row == column { diagonal[row] } else { q[column][row] };
    let mut coefficients = vec![0.0; width];
    for row in (0..width).rev() {
        let rest: f64 = (row + 1..width).map(|column| upper(row, column) * coefficients[column]).sum();
        coefficients[row] = (target[row] - rest) / diagonal[row];
    }
    let residual_squares: f64 = target[width..].iter().map(|r| r * r).sum();
    let variance = residual_squares / (rows - width) as f64;
    // (XᵀX)⁻¹ = R⁻¹ R⁻ᵀ: a row of R⁻¹ has the coefficient's variance as its squared length.
    let mut inverse = vec![vec![0.0; width]; width];
    for column in 0..width {
        inverse[column][column] = 1.0 / diagonal[column];
        for row in (0..column).rev() {
            let rest: f64 = (row + 1..=column).map(|between| upper(row, between) * inverse[between][column]).sum();
            inverse[row][column] = -rest / diagonal[row];
        }
    }
    let standard_errors = inverse.iter().map(|row| (variance * row.iter().map(|v| v * v).sum::<f64>()).sqrt());
    Ok(Regression { coefficients, standard_errors: standard_errors.collect(), residual_squares, rows })
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longley_as_certified() {
        // Longley's employment data, NIST StRD: certified values of the intercept, of GNP's coefficient and their standard deviations.
        let deflator =
            [83., 88.5, 88.2, 89.5, 96.2, 98.1, 99., 100., 101.2, 104.6, 108.4, 110.8, 112.6, 114.2, 115.7, 116.9];
        let gnp = [
            234289., 259426., 258054., 284599., 328975., 346999., 365385., 363112., 397469., 419180., 442769., 444546.,
            482704., 502601., 518173., 554894.,
        ];
        let unemployed = [
            2356., 2325., 3682., 3351., 2099., 1932., 1870., 3578., 2904., 2822., 2936., 4681., 3813., 3931., 4806.,
            4007.,
        ];
        let army = [
            1590., 1456., 1616., 1650., 3099., 3594., 3547., 3350., 3048., 2857., 2798., 2637., 2552., 2514., 2572.,
            2827.,
        ];
        let population = [
            107608., 108632., 109773., 110929., 112075., 113270., 115094., 116219., 117388., 118734., 120445., 121950.,
            123366., 125368., 127852., 130081.,
        ];
        let year: Vec<f64> = (1947..1963).map(f64::from).collect();
        let employed = [
            60323., 61122., 60171., 61187., 63221., 63639., 64989., 63761., 66019., 67857., 68169., 66513., 68655.,
            69564., 69331., 70551.,
        ];
        let one = [1.0; 16];
        let fit =
            regress("longley", &employed, &[&one, &deflator, &gnp, &unemployed, &army, &population, &year]).unwrap();
        let near = |found: f64, certified: f64| assert!((found / certified - 1.0).abs() < 1e-7, "{found} {certified}");
        near(fit.coefficients[0], -3482258.63459582);
        near(fit.standard_errors[0], 890420.383607373);
        near(fit.coefficients[2], -0.358191792925910e-1);
        near(fit.standard_errors[2], 0.334910077722432e-1);
        near(fit.residual_squares, 836424.055505915);
    }

    #[test]
    fn dependent_columns_and_too_few_rows_are_refused() {
        let one = [1.0; 4];
        let twice = [2.0; 4];
        let y = [1.0, 2.0, 3.0, 4.0];
        assert!(matches!(regress("it", &y, &[&one, &twice]), Err(AlphaError::Collinear { .. })));
        assert!(matches!(regress("it", &y[..1], &[&one[..1]]), Err(AlphaError::TooFewRows { needed: 2, .. })));
    }
}
