//! Nothing panics on any numbers, and no number that is not finite leaves with `Ok`.

use proptest::prelude::*;

use super::super::greeks_with;
use super::*;
use crate::black::Greek;

/// Any bits, or a magnitude over many decades.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<u64>().prop_map(f64::from_bits), (-9.0..5.0_f64).prop_map(|x| 10_f64.powf(x)), -2.0..2.0_f64]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_bits(
        put in any::<bool>(), spot in number(), strike in number(), years in number(), rate in number(), dividend in number(),
        volatility in number(), value in number(),
    ) {
        let option_type = if put { OptionType::Put } else { OptionType::Call };
        let option = row(option_type, spot, strike, years, [rate, dividend], volatility);
        let by_boundary = [Accuracy::quick(), Accuracy::fast()].map(|accuracy| price_with(&option, accuracy));
        for price in [price(&option), tree::price(&option, 25)].into_iter().chain(by_boundary).flatten() {
            prop_assert!(price.is_finite() && price >= 0.0, "{option:?}: {price}");
        }
        if let Ok(greeks) = greeks_with(&option, Accuracy::fast()) {
            for greek in Greek::ALL.into_iter().filter(|greek| *greek != Greek::Lambda) {
                prop_assert!(!greeks[greek as usize].is_nan(), "{option:?} {}", greek.as_str());
            }
        }
        if let Ok(volatility) = implied_volatility(&option, value) {
            prop_assert!(volatility.is_finite() && volatility > 0.0, "{option:?}: {volatility}");
        }
    }
}
