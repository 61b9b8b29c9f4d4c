//! The cash dividends of one chain, in years from its quotes, and what they do to forwards.
//!
//! Formula    F(T) = S e^{gT} − Σ Dᵢ e^{g(T−tᵢ)} over ex-dates before T, g = rate less what is left of the yield
//! Units      currency per share, ACT/365F years

use jiff::Timestamp;
use zomma_base::time;
use zomma_pricing::finite_difference::CashDividend;

use super::dividend_calendar::{ExTime, ScheduledDividend};

/// Newton's steps; the forward is smooth in the growth, and nearly linear over what growths there are.
const STEPS: usize = 20;
/// Growth is found to this.
const TOLERANCE: f64 = 1e-13;

/// The dividends to come, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CashDividends {
    dividends: Vec<CashDividend>,
    /// Those that went ex before the quotes.
    pub passed: usize,
}

impl CashDividends {
    /// Of a schedule; what went ex before the quotes is left out and counted, what is no amount or date is left out.
    pub fn new(scheduled: &[ScheduledDividend], quotes: Timestamp) -> Self {
        let years = |ex: ExTime| match ex {
            ExTime::At(instant) => time::year_fraction(quotes, instant),
            ExTime::YearsFromQuotes(years) => years,
        };
        let mut found = Self::default();
        for scheduled in scheduled {
            let dividend = CashDividend { time_years: years(scheduled.ex), amount: scheduled.amount };
            let is_amount = dividend.amount.is_finite() && dividend.amount > 0.0 && dividend.time_years.is_finite();
            if is_amount && dividend.time_years < 0.0 {
                found.passed += 1;
            } else if is_amount {
                found.dividends.push(dividend);
            }
        }
        found.dividends.sort_by(|a, b| a.time_years.total_cmp(&b.time_years));
        found
    }

    /// All to come.
    pub fn all(&self) -> &[CashDividend] {
        &self.dividends
    }

    /// Those before an expiry.
    pub fn before(&self, years: f64) -> &[CashDividend] {
        &self.dividends[..self.dividends.partition_point(|dividend| dividend.time_years < years)]
    }

    /// What the dividends before an expiry have grown to there.
    pub fn future_value(&self, years: f64, growth: f64) -> f64 {
        self.before(years).iter().map(|d| d.amount * (growth * (years - d.time_years)).exp()).sum()
    }

    /// The forward of a spot.
    pub fn forward(&self, spot: f64, years: f64, growth: f64) -> f64 {
        spot * (growth * years).exp() - self.future_value(years, growth)
    }

    /// The growth at which a spot has a forward; not a number where none has it.
    pub fn growth(&self, spot: f64, forward: f64, years: f64) -> f64 {
        let mut growth = ((forward + self.future_value(years, 0.0)) / spot).ln() / years;
        for _ in 0..STEPS {
            let left = self.before(years).iter().map(|d| {
                let left = years - d.time_years;
                left * d.amount * (growth * left).exp()
            });
            let slope = years * spot * (growth * years).exp() - left.sum::<f64>();
            let step = (self.forward(spot, years, growth) - forward) / slope;
            growth -= step;
            // Not a number ends it as well.
            if step.is_nan() || step.abs() < TOLERANCE {
                break;
            }
        }
        growth
    }

    /// Worth now of the dividends before an expiry, and its fall with the growth: Σ D e^{−gt}, Σ t D e^{−gt}.
    pub fn present_value(&self, years: f64, growth: f64) -> [f64; 2] {
        self.before(years).iter().fold([0.0; 2], |[value, slope], d| {
            let worth = d.amount * (-growth * d.time_years).exp();
            [value + worth, slope + d.time_years * worth]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_gives_the_forward_back() {
        let scheduled = [(0.6, 2.0), (0.1, 1.0), (-0.1, 1.0), (1.5, 3.0), (0.2, f64::NAN)];
        let scheduled =
            scheduled.map(|(years, amount)| ScheduledDividend { ex: ExTime::YearsFromQuotes(years), amount });
        let cash = CashDividends::new(&scheduled, Timestamp::UNIX_EPOCH);
        assert_eq!((cash.passed, cash.all().len()), (1, 3));
        assert_eq!(cash.before(0.6).len(), 1);
        for growth in [-0.02, 0.0, 0.05] {
            for years in [0.05, 0.6, 0.9, 2.0] {
                let forward = cash.forward(100.0, years, growth);
                assert!((cash.growth(100.0, forward, years) - growth).abs() < 1e-11, "{growth} {years}");
                let [worth, _] = cash.present_value(years, growth);
                assert!((forward - (100.0 - worth) * (growth * years).exp()).abs() < 1e-11);
            }
        }
        assert!((cash.forward(100.0, 0.9, 0.0) - 97.0).abs() < 1e-12);
    }

    #[test]
    fn an_ex_date_counts_from_the_quotes() {
        let quotes: Timestamp = "2014-06-06T20:00:00Z".parse().unwrap();
        let ex: Timestamp = "2014-08-07T13:30:00Z".parse().unwrap();
        let cash = CashDividends::new(&[ScheduledDividend { ex: ExTime::At(ex), amount: 3.29 }], quotes);
        assert!((cash.all()[0].time_years - (62.0 - 6.5 / 24.0) / 365.0).abs() < 1e-12);
    }
}
