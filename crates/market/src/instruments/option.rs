//! What makes an instrument an option.

use zomma_base::{OccSymbol, OptionType, root, time::expiry_instant};

/// The terms of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionTerms {
    /// Call or put.
    pub option_type: OptionType,
    /// The strike in billionths of the currency.
    pub strike_nanos: i64,
    /// The instant of expiry in nanoseconds since the Unix epoch.
    pub expiry_ns: u64,
    /// What the option is on, as the venue calls it.
    pub underlying: String,
}

impl OptionTerms {
    /// The terms that an OCC symbol says (`SPY   240119C00470000`): the root tells underlying and settlement, so the instant of expiry. `None` for
    /// what is no such symbol.
    pub fn of_symbol(symbol: &str) -> Option<Self> {
        let occ = OccSymbol::from_bytes(symbol.as_bytes())?;
        let instant = expiry_instant(occ.expiry, root::settlement(occ.root()));
        Some(Self {
            option_type: occ.option_type,
            // Whole thousandths, so nothing is rounded away.
            strike_nanos: (occ.strike() * 1_000.0).round() as i64 * 1_000_000,
            expiry_ns: u64::try_from(instant.as_nanosecond()).ok()?,
            underlying: root::underlying(occ.root()).to_owned(),
        })
    }

    /// The strike in the currency.
    pub fn strike(&self) -> f64 {
        self.strike_nanos as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_occ_symbol_says_the_terms() {
        let terms = OptionTerms::of_symbol("SPXW  240119P04700000").unwrap();
        assert_eq!((terms.option_type, terms.strike(), terms.underlying.as_str()), (OptionType::Put, 4_700.0, "SPX"));
        // 16:00 in New York, in winter.
        assert_eq!(terms.expiry_ns, 1_705_698_000_000_000_000);
        assert_eq!(OptionTerms::of_symbol("AAPL240119C00182505").unwrap().strike_nanos, 182_505_000_000);
        assert_eq!(OptionTerms::of_symbol("ESM4 C4500"), None);
    }
}
