//! Almgren and Chriss: what selling a position costs and risks, and the trajectory that trades the one off against the other.
//!
//! Source: Almgren and Chriss, "Optimal execution of portfolio transactions", Journal of Risk 3 (2001), section 1 (eq. 6 and 7: permanent impact γ
//! a share, temporary impact ε + η·v at v shares a unit of time), 1.4 (eq. 8 and 9: expected cost E and variance V of a trajectory) and 2.2 (eq. 15
//! to 20: the trajectory that makes E + λ·V least). With x₀ … x_N what is left after each of N intervals of length τ and n_k = x_{k−1} − x_k,
//!
//! E = ½γX² + ε·Σ|n_k| + (η̃/τ)·Σ n_k², V = σ²τ·Σ x_k² (k = 1 … N), η̃ = η − γτ/2,
//!
//! x_j = X·sinh(κ(T − t_j))/sinh(κT), cosh(κτ) = 1 + λσ²τ²/(2η̃). E is in currency, V in its square, σ in currency a share a root of time.

use super::super::{
    FeatureError,
    error::{bad, positive},
};

/// What a market does to who trades in it, and what is to be sold in it by when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Liquidation {
    /// X: shares to sell; below 0 to buy.
    pub shares: f64,
    /// T: the time to do it in.
    pub horizon: f64,
    /// N: intervals.
    pub intervals: usize,
    /// σ: currency a share a root of the unit of time.
    pub volatility: f64,
    /// ε: what crossing the spread costs, currency a share.
    pub half_spread: f64,
    /// γ: permanent impact, currency a share for each share.
    pub permanent: f64,
    /// η: temporary impact, currency a share for each share a unit of time.
    pub temporary: f64,
}

/// A way to sell, with what it costs and risks.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// What is left at the start and after each interval: N + 1 numbers, the last of them 0.
    pub holdings: Vec<f64>,
    /// E, in currency.
    pub expected_cost: f64,
    /// V, in currency squared.
    pub variance: f64,
    /// κ per unit of time; 0 for the straight line.
    pub kappa: f64,
}

/// The most intervals of a trajectory.
const MOST_INTERVALS: usize = 1_000_000;

impl Liquidation {
    fn checked(&self) -> Result<f64, FeatureError> {
        if !self.shares.is_finite() {
            return Err(bad("shares", self.shares, "a finite number"));
        }
        if !(1..=MOST_INTERVALS).contains(&self.intervals) {
            return Err(bad("intervals", self.intervals, "1 to 1,000,000"));
        }
        positive("horizon", self.horizon)?;
        positive("temporary", self.temporary)?;
        for (field, value) in
            [("volatility", self.volatility), ("half_spread", self.half_spread), ("permanent", self.permanent)]
        {
            if !(value.is_finite() && value >= 0.0) {
                return Err(bad(field, value, "a finite number, 0 or more"));
            }
        }
        let adjusted = self.temporary - 0.5 * self.permanent * self.interval();
        if adjusted > 0.0 {
            Ok(adjusted)
        } else {
            Err(bad("temporary", self.temporary, "above permanent × horizon / intervals / 2"))
        }
    }

    /// τ.
    fn interval(&self) -> f64 {
        self.horizon / self.intervals as f64
    }

    /// What a trajectory costs and risks: eq. 8 and 9. `holdings` has N + 1 entries, from X to 0.
    ///
    /// # Errors
    ///
    /// [`FeatureError`] for parameters out of range or holdings that are not such a trajectory.
    pub fn cost(&self, holdings: &[f64]) -> Result<(f64, f64), FeatureError> {
        let adjusted = self.checked()?;
        super::super::error::same_length("holdings", holdings.len(), self.intervals + 1)?;
        super::super::error::column("holdings", holdings, 2)?;
        if holdings[0] != self.shares || holdings[self.intervals] != 0.0 {
            return Err(bad("holdings", holdings[0], "from all the shares to 0"));
        }
        Ok(self.cost_of(holdings, adjusted))
    }

    fn cost_of(&self, holdings: &[f64], adjusted: f64) -> (f64, f64) {
        let interval = self.interval();
        let sold = || holdings.windows(2).map(|of| of[0] - of[1]);
        let across: f64 = sold().map(f64::abs).sum();
        let squares: f64 = sold().map(|n| n * n).sum();
        let expected = 0.5 * self.permanent * self.shares * self.shares
            + self.half_spread * across
            + adjusted / interval * squares;
        let left: f64 = holdings[1..].iter().map(|x| x * x).sum();
        (expected, self.volatility * self.volatility * interval * left)
    }

    /// The trajectory that makes E + λ·V least; λ is `risk_aversion` per currency, 0 for a straight line.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] for parameters out of range.
    pub fn optimal(&self, risk_aversion: f64) -> Result<Trajectory, FeatureError> {
        let adjusted = self.checked()?;
        if !(risk_aversion.is_finite() && risk_aversion >= 0.0) {
            return Err(bad("risk_aversion", risk_aversion, "a finite number, 0 or more"));
        }
        let interval = self.interval();
        // cosh(κτ) − 1 = 2·sinh²(κτ/2), which small κτ do not lose.
        let half_square = risk_aversion * self.volatility * self.volatility * interval * interval / (4.0 * adjusted);
        let kappa = 2.0 * half_square.sqrt().asinh() / interval;
        let holdings: Vec<f64> = (0..=self.intervals)
            .map(|j| {
                let left = (self.intervals - j) as f64 / self.intervals as f64;
                self.shares * sinh_ratio(kappa * self.horizon, left)
            })
            .collect();
        let (expected_cost, variance) = self.cost_of(&holdings, adjusted);
        Ok(Trajectory { holdings, expected_cost, variance, kappa })
    }
}

/// sinh(share·whole)/sinh(whole), share 0 to 1, without overflow; share where whole is next to 0.
fn sinh_ratio(whole: f64, share: f64) -> f64 {
    if whole < 1e-8 {
        return share;
    }
    (-whole * (1.0 - share)).exp() * (-2.0 * whole * share).exp_m1() / (-2.0 * whole).exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table 1 of the paper: a million shares in five days.
    const PAPER: Liquidation = Liquidation {
        shares: 1e6,
        horizon: 5.0,
        intervals: 5,
        volatility: 0.95,
        half_spread: 0.0625,
        permanent: 2.5e-7,
        temporary: 2.5e-6,
    };

    #[test]
    fn the_papers_example() {
        // Section 3.4: at λ = 10⁻⁶ κ is about 0.61 a day.
        let found = PAPER.optimal(1e-6).unwrap();
        assert!((found.kappa - 0.61).abs() < 0.005, "{found:?}");
        // Eq. 20, in closed form.
        let (t, tau, k, x, eta) = (5.0_f64, 1.0_f64, found.kappa, 1e6_f64, 2.5e-6 - 1.25e-7);
        let sinh = |y: f64| y.sinh();
        let curved = (0.5 * k * tau).tanh() * (tau * sinh(2.0 * k * t) + 2.0 * t * sinh(k * tau))
            / (2.0 * tau * tau * sinh(k * t).powi(2));
        let expected = 0.5 * 2.5e-7 * x * x + 0.0625 * x + eta * x * x * curved;
        let variance = 0.5 * 0.95 * 0.95 * x * x * (tau * sinh(k * t) * (k * (t - tau)).cosh() - t * sinh(k * tau))
            / (sinh(k * t).powi(2) * sinh(k * tau));
        assert!((found.expected_cost / expected - 1.0).abs() < 1e-12, "{found:?}, closed form {expected}");
        assert!((found.variance / variance - 1.0).abs() < 1e-12, "{found:?}, closed form {variance}");
    }

    #[test]
    fn the_straight_line_by_hand() {
        // Eq. 10 and 11: ½γX² + εX + η̃X²/T = 125,000 + 62,500 + 475,000; V = σ²X²T/3·(1 − 1/N)(1 − 1/2N) = 0.9025e12·5/3·0.8·0.9.
        let found = PAPER.optimal(0.0).unwrap();
        for (found, by_hand) in found.holdings.iter().zip([1e6, 8e5, 6e5, 4e5, 2e5, 0.0]) {
            assert!((found - by_hand).abs() < 1e-6);
        }
        assert!((found.expected_cost - 662_500.0).abs() < 1e-6, "{found:?}");
        assert!((found.variance / (0.9025e12 * 5.0 / 3.0 * 0.72) - 1.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn no_other_trajectory_is_better() {
        let risk_aversion = 1e-6;
        let best = PAPER.optimal(risk_aversion).unwrap();
        let value = |holdings: &[f64]| {
            let (expected, variance) = PAPER.cost(holdings).unwrap();
            expected + risk_aversion * variance
        };
        let least = value(&best.holdings);
        for place in 1..5 {
            for step in [-1e3, 1e3] {
                let mut other = best.holdings.clone();
                other[place] += step;
                assert!(value(&other) > least, "{place} {step}");
            }
        }
    }

    #[test]
    fn great_risk_aversion_sells_at_once_and_buying_mirrors_selling() {
        let found = PAPER.optimal(1e300).unwrap();
        assert!(found.holdings[1..].iter().all(|x| x.abs() < 1e-3) && found.expected_cost.is_finite(), "{found:?}");
        let buy = Liquidation { shares: -1e6, ..PAPER }.optimal(1e-6).unwrap();
        assert_eq!(buy.expected_cost, PAPER.optimal(1e-6).unwrap().expected_cost);
    }

    #[test]
    fn parameters_out_of_range_are_told() {
        let message = |liquidation: Liquidation| liquidation.optimal(1e-6).unwrap_err().to_string();
        assert_eq!(message(Liquidation { intervals: 0, ..PAPER }), "intervals 0; allowed: 1 to 1,000,000");
        assert_eq!(message(Liquidation { horizon: 0.0, ..PAPER }), "horizon 0; allowed: a finite number above 0");
        assert_eq!(
            message(Liquidation { permanent: -1.0, ..PAPER }),
            "permanent -1; allowed: a finite number, 0 or more"
        );
        let large = message(Liquidation { permanent: 1.0, ..PAPER });
        assert_eq!(large, "temporary 0.0000025; allowed: above permanent × horizon / intervals / 2");
        assert_eq!(
            PAPER.optimal(-1.0).unwrap_err().to_string(),
            "risk_aversion -1; allowed: a finite number, 0 or more"
        );
    }
}
