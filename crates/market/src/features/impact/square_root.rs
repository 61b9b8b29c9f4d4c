//! The square-root law of the impact of a large order.
//!
//! Source: Tóth, Lempérière, Deremble, de Lataillade, Kockelkoren and Bouchaud, "Anomalous price impact and the critical nature of liquidity in
//! financial markets", Physical Review X 1 (2011), eq. 1: the price moves on average by I = Y·σ·√(Q/V) while Q lots are bought, σ the volatility
//! and V the volume of a day, Y of order 1. Unit: that of σ (a share of the price, or ticks). What has been paid above the first price is ⅔ of I a
//! lot on average, since the price moved along I as the order was filled.

use super::super::{
    FeatureError,
    error::{bad, column, positive, same_length},
    regression::{Line, fit_line},
};

/// The law with its coefficient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SquareRootLaw {
    y: f64,
}

/// What an exponent was fitted to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImpactExponent {
    /// The slope of log(I/σ) on log(Q/V): about ½ where the law holds.
    pub exponent: f64,
    /// The whole regression.
    pub line: Line,
}

impl SquareRootLaw {
    /// With coefficient Y.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] where it is not above 0.
    pub fn new(y: f64) -> Result<Self, FeatureError> {
        Ok(Self { y: positive("y", y)? })
    }

    /// Y.
    pub fn coefficient(&self) -> f64 {
        self.y
    }

    /// By how much an order moves the price, in the unit of `daily_volatility`; below 0 for an order below 0, which sells.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] for an order that is not finite, or a volatility or volume not above 0.
    pub fn impact(&self, order_lots: f64, daily_volatility: f64, daily_lots: f64) -> Result<f64, FeatureError> {
        if !order_lots.is_finite() {
            return Err(bad("order_lots", order_lots, "a finite number"));
        }
        let (volatility, volume) =
            (positive("daily_volatility", daily_volatility)?, positive("daily_lots", daily_lots)?);
        Ok(order_lots.signum() * self.y * volatility * (order_lots.abs() / volume).sqrt())
    }

    /// What an order pays above the first price, a lot on average: ⅔ of its impact.
    ///
    /// # Errors
    ///
    /// Those of [`SquareRootLaw::impact`].
    pub fn mean_cost(&self, order_lots: f64, daily_volatility: f64, daily_lots: f64) -> Result<f64, FeatureError> {
        Ok(self.impact(order_lots, daily_volatility, daily_lots)?.abs() * 2.0 / 3.0)
    }

    /// Fits Y by least squares to orders: `scaled_impact` is I/σ and `participation` Q/V of each, 3 or more.
    ///
    /// # Errors
    ///
    /// [`FeatureError`] for fewer orders, columns of two lengths, participations that are not above 0, or impacts that are no impact.
    pub fn fit(participation: &[f64], scaled_impact: &[f64]) -> Result<Self, FeatureError> {
        above_nought("participation", participation)?;
        same_length("scaled_impact", scaled_impact.len(), participation.len())?;
        column("scaled_impact", scaled_impact, 3)?;
        let with_root: f64 = participation.iter().zip(scaled_impact).map(|(q, impact)| q.sqrt() * impact).sum();
        let y = with_root / participation.iter().sum::<f64>();
        if y.is_finite() && y > 0.0 {
            Ok(Self { y })
        } else {
            Err(FeatureError::Degenerate { what: "square-root law", problem: "the impacts are not above 0 on balance" })
        }
    }
}

/// Fits the exponent that the square-root law says is ½, by the logarithms of impacts (I/σ) and participations (Q/V) above 0, 3 or more.
///
/// # Errors
///
/// [`FeatureError`] for fewer orders, columns of two lengths, values not above 0, or participations all alike.
pub fn fit_exponent(participation: &[f64], scaled_impact: &[f64]) -> Result<ImpactExponent, FeatureError> {
    above_nought("participation", participation)?;
    above_nought("scaled_impact", scaled_impact)?;
    let logarithms = |values: &[f64]| values.iter().map(|value| value.ln()).collect::<Vec<f64>>();
    let line = fit_line(&logarithms(participation), &logarithms(scaled_impact))?;
    Ok(ImpactExponent { exponent: line.slope, line })
}

fn above_nought(field: &'static str, values: &[f64]) -> Result<(), FeatureError> {
    column(field, values, 3)?;
    match values.iter().find(|value| **value <= 0.0) {
        Some(value) => Err(bad(field, value, "finite numbers above 0")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impact_by_hand() {
        // A hundredth of the day's volume at 2 % volatility and Y = 1: 20 basis points, and 13⅓ on average.
        let law = SquareRootLaw::new(1.0).unwrap();
        assert!((law.impact(1e4, 0.02, 1e6).unwrap() - 0.002).abs() < 1e-15);
        assert!((law.impact(-1e4, 0.02, 1e6).unwrap() + 0.002).abs() < 1e-15);
        assert!((law.mean_cost(-1e4, 0.02, 1e6).unwrap() - 0.002 / 1.5).abs() < 1e-15);
        assert_eq!(
            law.impact(1.0, 0.02, 0.0).unwrap_err().to_string(),
            "daily_lots 0; allowed: a finite number above 0"
        );
    }

    #[test]
    fn a_fit_finds_the_law() {
        let participation: Vec<f64> = (1..50).map(|i| f64::from(i) * 1e-3).collect();
        let impact: Vec<f64> = participation.iter().map(|q| 0.8 * q.sqrt()).collect();
        assert!((SquareRootLaw::fit(&participation, &impact).unwrap().coefficient() - 0.8).abs() < 1e-12);
        assert!((fit_exponent(&participation, &impact).unwrap().exponent - 0.5).abs() < 1e-12);
        let error = fit_exponent(&[0.1, 0.0, 0.2], &[1.0; 3]).unwrap_err().to_string();
        assert_eq!(error, "participation 0; allowed: finite numbers above 0");
    }
}
