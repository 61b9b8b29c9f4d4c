//! The strike at which the open options of one expiry would pay their holders least.
//!
//! Definition  the listed strike K* that minimises Σ calls (K* − K)⁺ + Σ puts (K − K*)⁺ over open contracts
//! Note        a figure that traders quote; that prices go there is a claim about hedging (Ni, Pearson and Poteshman 2005 find stocks pinned to strikes, not
//!             to this one)

/// Open interest at one strike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenStrike {
    /// Strike.
    pub strike: f64,
    /// Open calls, contracts.
    pub calls: f64,
    /// Open puts, contracts.
    pub puts: f64,
}

/// The strike of least payout and that payout (currency a share times contracts); the lowest of several. `strikes` ascend. `None` where nothing is open.
pub fn max_pain(strikes: &[OpenStrike]) -> Option<[f64; 2]> {
    let (mut calls_below, mut calls_value) = (0.0, 0.0);
    let mut puts_above: f64 = strikes.iter().map(|open| open.puts).sum();
    let mut puts_value: f64 = strikes.iter().map(|open| open.puts * open.strike).sum();
    let is_open = puts_above > 0.0 || strikes.iter().any(|open| open.calls > 0.0);
    let mut least: Option<[f64; 2]> = None;
    for open in strikes {
        let payout = calls_below * open.strike - calls_value + puts_value - puts_above * open.strike;
        if least.is_none_or(|[_, value]| payout < value) {
            least = Some([open.strike, payout]);
        }
        calls_below += open.calls;
        calls_value += open.calls * open.strike;
        puts_above -= open.puts;
        puts_value -= open.puts * open.strike;
    }
    least.filter(|_| is_open)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_open_has_no_pain() {
        assert_eq!(max_pain(&[]), None);
        assert_eq!(max_pain(&[OpenStrike { strike: 90.0, calls: 0.0, puts: 0.0 }]), None);
    }

    proptest! {
        #[test]
        fn it_is_the_least_of_all_strikes(open in prop::collection::vec((0..2000_u32, 0..2000_u32), 1..30)) {
            let strikes: Vec<OpenStrike> = open
                .iter()
                .enumerate()
                .map(|(at, (calls, puts))| OpenStrike { strike: 50.0 + 5.0 * at as f64, calls: f64::from(*calls), puts: f64::from(*puts) })
                .collect();
            let payout = |at: f64| -> f64 {
                strikes.iter().map(|open| open.calls * (at - open.strike).max(0.0) + open.puts * (open.strike - at).max(0.0)).sum()
            };
            match max_pain(&strikes) {
                None => prop_assert!(open.iter().all(|(calls, puts)| calls + puts == 0)),
                Some([at, value]) => {
                    prop_assert!((payout(at) - value).abs() < 1e-6);
                    for open in &strikes {
                        prop_assert!(payout(open.strike) > value - 1e-6);
                    }
                }
            }
        }
    }
}
