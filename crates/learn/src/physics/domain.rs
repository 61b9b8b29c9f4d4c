//! Which rows a solution prices: those of the domain of its config, and what comes to the same as one of them.

use zomma_base::Status;
use zomma_pricing::black::Row;

use super::{EquationKind, Solution, Span, problem::forward};

/// How far a row may lie beyond an end of the domain by rounding, as a share of it.
const SLACK: f64 = 1e-9;

impl Solution {
    /// What is wrong with a row: a field that is no number of the model's world, or else the first that the network was not trained for.
    ///
    /// Rate and yield act through forward and discount factor alone, exactly. A row is within the domain where its forward over strike,
    /// expiry and volatility are those of some row that is; so a yield needs no range, and `BadStrike` says that the forward over the strike
    /// lies outside of what the domain's spots carry to at its rates. Under a local volatility it also says that strike over reference does.
    /// Under Heston the volatility is the root of the variance now, and told as `BadV0`.
    pub fn status(&self, row: &Row) -> Status {
        let problem = &self.config.problem;
        let domain = &problem.domain;
        let is_above_0 = |x: f64| x > 0.0 && x.is_finite();
        let bad_volatility =
            if problem.equation == EquationKind::Heston { Status::BadV0 } else { Status::BadVolatility };
        for (is_bad, fault) in [
            (!is_above_0(row.spot), Status::BadSpot),
            (!is_above_0(row.strike), Status::BadStrike),
            (!row.expiry_years.is_finite(), Status::BadExpiry),
            (row.expiry_years <= 0.0, Status::Expired),
            (!row.risk_free_rate.is_finite(), Status::BadRate),
            (!row.dividend_yield.is_finite(), Status::BadYield),
            (!is_above_0(row.volatility), bad_volatility),
            (!is_within(row.expiry_years, domain.expiry_years), Status::BadExpiry),
            (!is_within(row.volatility, domain.volatility), bad_volatility),
        ] {
            if is_bad {
                return fault;
            }
        }
        let [carried_least, carried_most] = domain.risk_free_rate.map(|rate| (rate * row.expiry_years).exp());
        let [least, most] = domain.spot_over_strike;
        let mut is_good = is_within(forward(row) / row.strike, [least * carried_least, most * carried_most]);
        if let Some(local) = &problem.local_volatility {
            is_good &= is_within(row.strike / local.reference, local.strike_over_reference);
        }
        if is_good { Status::Ok } else { Status::BadStrike }
    }
}

fn is_within(x: f64, [least, most]: Span) -> bool {
    (least - SLACK * least.abs()..=most + SLACK * most.abs()).contains(&x)
}

#[cfg(test)]
mod tests {
    use zomma_base::OptionType;

    use super::super::{EXAMPLE, HestonConfig, LocalVolatilityConfig, PinnConfig};
    use super::*;

    fn row() -> Row {
        Row {
            option_type: OptionType::Call,
            spot: 100.0,
            strike: 100.0,
            expiry_years: 1.0,
            risk_free_rate: 0.03,
            dividend_yield: 0.0,
            volatility: 0.3,
        }
    }

    #[test]
    fn rows_are_judged_by_field_and_at_the_ends_of_the_domain() {
        let solution = Solution::untrained(PinnConfig::parse(EXAMPLE).unwrap());
        for (row, wanted) in [
            (row(), Status::Ok),
            (Row { spot: 0.0, ..row() }, Status::BadSpot),
            (Row { strike: f64::NAN, ..row() }, Status::BadStrike),
            (Row { expiry_years: f64::NAN, ..row() }, Status::BadExpiry),
            (Row { expiry_years: 0.0, ..row() }, Status::Expired),
            (Row { risk_free_rate: f64::INFINITY, ..row() }, Status::BadRate),
            (Row { dividend_yield: f64::NAN, ..row() }, Status::BadYield),
            (Row { volatility: f64::NAN, ..row() }, Status::BadVolatility),
            (Row { volatility: -0.1, ..row() }, Status::BadVolatility),
            (Row { volatility: 0.05, ..row() }, Status::Ok),
            (Row { volatility: 0.0499, ..row() }, Status::BadVolatility),
            (Row { expiry_years: 3.0, ..row() }, Status::Ok),
            (Row { expiry_years: 3.01, ..row() }, Status::BadExpiry),
            (Row { expiry_years: 0.002, ..row() }, Status::BadExpiry),
            (Row { strike: 200.0, ..row() }, Status::Ok),
            // At 3 % a spot of half the strike has more forward than the domain's least, which is carried at −2 %.
            (Row { strike: 210.0, ..row() }, Status::Ok),
            (Row { strike: 211.0, ..row() }, Status::BadStrike),
            // The yield takes the forward out of the domain, and only it.
            (Row { strike: 200.0, dividend_yield: 0.06, ..row() }, Status::BadStrike),
            (Row { strike: 195.0, dividend_yield: 0.06, ..row() }, Status::Ok),
            (Row { spot: 300.0, ..row() }, Status::BadStrike),
        ] {
            assert_eq!(solution.status(&row), wanted, "{row:?}");
        }
    }

    #[test]
    fn the_reference_and_the_variance_have_their_own_ends() {
        let mut config = PinnConfig::parse(EXAMPLE).unwrap();
        config.problem.equation = EquationKind::LocalVolatility;
        config.problem.local_volatility = Some(LocalVolatilityConfig {
            skew: -0.3,
            smile: 0.2,
            width: 0.5,
            short_over_long: 1.2,
            decay_years: 0.5,
            reference: 100.0,
            strike_over_reference: [0.6, 1.6],
        });
        config.check().unwrap();
        let local = Solution::untrained(config.clone());
        let at = |spot: f64, strike: f64| local.status(&Row { spot, strike, ..row() });
        assert_eq!([at(100.0, 100.0), at(160.0, 160.0), at(170.0, 170.0)], [Status::Ok, Status::Ok, Status::BadStrike]);
        config.problem.equation = EquationKind::Heston;
        config.problem.local_volatility = None;
        config.problem.heston = Some(HestonConfig { kappa: 1.5, theta_v: 0.06, sigma_v: 0.5, rho_v: -0.6 });
        config.check().unwrap();
        let heston = Solution::untrained(config);
        assert_eq!(heston.status(&row()), Status::Ok);
        assert_eq!(heston.status(&Row { volatility: 1.6, ..row() }), Status::BadV0);
    }
}
