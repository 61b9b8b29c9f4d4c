//! What a sale earns under a sample of prices: expected value, Kelly's fraction, growth.
//!
//! Formula    with X the profit by what secures the sale, discounted, Kelly's f in [0, 1] is where E[X/(1 + fX)] = 0, and the growth
//!            is E[ln(1 + fX)]: what the logarithm of wealth gains over cash
//! Source     Kelly (1956)

use crate::analysis::CandidateKind;

/// One sale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payoff {
    /// Put or call.
    pub kind: CandidateKind,
    /// Strike.
    pub strike: f64,
    /// Premium at expiry, bid e^{rT}.
    pub premium: f64,
    /// Forward: what carrying the share costs.
    pub forward: f64,
    /// Cash or share that secures the sale, now.
    pub secured: f64,
    /// e^{rT}.
    pub growth: f64,
}

impl Payoff {
    /// Profit a share.
    #[inline]
    fn profit(&self, price: f64) -> f64 {
        match self.kind {
            CandidateKind::CashSecuredPut => self.premium - (self.strike - price).max(0.0),
            CandidateKind::CoveredCall => self.premium + price.min(self.strike) - self.forward,
        }
    }
}

/// What a sale comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outcome {
    /// Mean profit a share at expiry.
    pub expected_value: f64,
    /// Share of wealth, in [0, 1].
    pub kelly_fraction: f64,
    /// Mean growth of the logarithm of wealth over the horizon at that share.
    pub log_growth: f64,
}

/// Prices of equal weight, ascending.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    prices: Vec<f64>,
    /// Running sums.
    sums: Vec<f64>,
}

impl Sample {
    /// Takes prices in ascending order.
    pub fn new(prices: Vec<f64>) -> Self {
        let sums = prices
            .iter()
            .scan(0.0, |sum, price| {
                *sum += price;
                Some(*sum)
            })
            .collect();
        Self { prices, sums }
    }

    /// Expected value, Kelly's fraction and growth of a sale. The profit is the same for every price at or above the strike, so only those below it are
    /// looked at one by one.
    pub fn outcome(&self, payoff: &Payoff) -> Outcome {
        let count = self.prices.len() as f64;
        let below = self.prices.partition_point(|price| *price < payoff.strike);
        let above = (self.prices.len() - below) as f64;
        let flat = payoff.profit(payoff.strike);
        let constant = match payoff.kind {
            CandidateKind::CashSecuredPut => payoff.premium - payoff.strike,
            CandidateKind::CoveredCall => payoff.premium - payoff.forward,
        };
        let sum_below = if below > 0 { self.sums[below - 1] } else { 0.0 };
        let expected_value = (sum_below + constant * below as f64 + flat * above) / count;

        let unit = 1.0 / (payoff.secured * payoff.growth);
        let returns = || self.prices[..below].iter().map(|price| payoff.profit(*price) * unit);
        let flat = flat * unit;
        // Slope of the growth and its own slope.
        let slope = |f: f64| {
            // Under a negative rate a total loss can come to a little more than what secures it.
            let part = |x: f64| x / (1.0 + f * x).max(1e-9);
            let (first, second) = returns()
                .fold((above * part(flat), above * part(flat).powi(2)), |(first, second), x| {
                    (first + part(x), second + part(x).powi(2))
                });
            (first / count, -second / count)
        };
        // The slope falls in f, so it has at most one root.
        let kelly_fraction = if expected_value.is_nan() || expected_value <= 0.0 {
            0.0
        } else if slope(1.0).0 >= 0.0 {
            1.0
        } else {
            let (mut low, mut high) = (0.0, 1.0);
            let mut f = 0.5;
            for _ in 0..60 {
                let (value, derivative) = slope(f);
                if value > 0.0 {
                    low = f
                } else {
                    high = f
                }
                let newton = f - value / derivative;
                let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
                if (next - f).abs() < 1e-12 {
                    break;
                }
                f = next;
            }
            f
        };
        let log = |x: f64| (kelly_fraction * x).ln_1p();
        let log_growth =
            if kelly_fraction > 0.0 { (above * log(flat) + returns().map(log).sum::<f64>()) / count } else { 0.0 };
        Outcome { expected_value, kelly_fraction, log_growth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(premium: f64) -> Payoff {
        Payoff {
            kind: CandidateKind::CashSecuredPut,
            strike: 100.0,
            premium,
            forward: 100.0,
            secured: 100.0 - premium,
            growth: 1.0,
        }
    }

    #[test]
    fn a_coin_gives_kellys_own_formula() {
        // Wins 2/98 with p = 0.9, loses 20/98 − 2/98 … with 1 − p: f = p/loss − (1 − p)/win.
        let mut prices = vec![90.0];
        prices.extend([110.0; 9]);
        let (win, loss): (f64, f64) = (2.0 / 98.0, 8.0 / 98.0);
        let outcome = Sample::new(prices).outcome(&put(2.0));
        let kelly = 0.9 / loss - 0.1 / win;
        assert!(kelly > 1.0);
        assert_eq!(outcome.kelly_fraction, 1.0);
        assert!((outcome.expected_value - (0.9 * 2.0 - 0.1 * 8.0)).abs() < 1e-12);
        assert!((outcome.log_growth - (0.9 * win.ln_1p() + 0.1 * (-loss).ln_1p())).abs() < 1e-15);

        let mut prices = vec![10.0];
        prices.extend([110.0; 9]);
        let premium = 10.0;
        let (win, loss) = (10.0 / 90.0, 80.0 / 90.0);
        let outcome = Sample::new(prices).outcome(&put(premium));
        let kelly: f64 = 0.9 / loss - 0.1 / win;
        assert!(kelly > 0.0 && kelly < 1.0);
        assert!((outcome.kelly_fraction - kelly).abs() < 1e-10, "{} {kelly}", outcome.kelly_fraction);
    }

    #[test]
    fn a_sale_that_loses_on_average_is_not_made() {
        let outcome = Sample::new(vec![80.0, 90.0, 110.0]).outcome(&put(1.0));
        assert!(outcome.expected_value < 0.0);
        assert_eq!((outcome.kelly_fraction, outcome.log_growth), (0.0, 0.0));
    }

    #[test]
    fn a_covered_call_is_the_put_of_its_strike_but_for_what_secures_it() {
        let sample = Sample::new(vec![70.0, 95.0, 99.0, 101.0, 130.0]);
        let call = Payoff { kind: CandidateKind::CoveredCall, ..put(3.0) };
        let (call, put) = (sample.outcome(&call), sample.outcome(&put(3.0)));
        assert!((call.expected_value - put.expected_value).abs() < 1e-12, "at K = F parity makes them equal");
    }
}
