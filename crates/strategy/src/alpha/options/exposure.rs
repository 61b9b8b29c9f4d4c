//! What dealers who hedge would have to trade when the underlying, volatility or the day moves: Greeks times open interest, by strike.
//!
//! Gamma       sign · gamma · open interest · multiplier · S² · 0.01: by how much the hedged delta (currency) changes for 1 % of the underlying
//! Vanna       sign · vanna · open interest · multiplier · S · 0.01: for one point of volatility
//! Charm       sign · charm · open interest · multiplier · S / 365: over one calendar day
//! Sign        who holds the open contracts is not in any chain: [`DealerPosition`] is an assumption and named in every output. The usual one takes
//!             customers to sell calls and buy puts, so that dealers are long the calls and short the puts; it fits index options better than
//!             single stocks (Gârleanu, Pedersen and Poteshman 2009: end users are net buyers of index puts and net sellers of stock calls).
//! Source      gamma exposure as published by SqueezeMetrics (2017, Gamma Exposure), per 1 % as most desks quote it

use std::collections::BTreeMap;

use zomma_base::OptionType;

/// Who is assumed to hold the open contracts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DealerPosition {
    /// Dealers are long every open call and short every open put.
    #[default]
    LongCallsShortPuts,
    /// Dealers are short every open contract: customers have bought all.
    ShortAll,
    /// Dealers are long every open contract: customers have sold all.
    LongAll,
}

impl DealerPosition {
    /// Every assumption.
    pub const ALL: [Self; 3] = [Self::LongCallsShortPuts, Self::ShortAll, Self::LongAll];

    /// The name that arguments and outputs have.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LongCallsShortPuts => "long-calls-short-puts",
            Self::ShortAll => "short-all",
            Self::LongAll => "long-all",
        }
    }

    /// +1 where dealers are long, −1 where they are short.
    pub fn sign(self, option_type: OptionType) -> f64 {
        match (self, option_type) {
            (Self::LongCallsShortPuts, OptionType::Call) | (Self::LongAll, _) => 1.0,
            (Self::LongCallsShortPuts, OptionType::Put) | (Self::ShortAll, _) => -1.0,
        }
    }
}

/// Columns of one length; a row whose Greeks or open interest are not finite is left out.
#[derive(Clone, Copy, Debug)]
pub struct ExposureColumns<'a> {
    /// Call or put.
    pub option_type: &'a [OptionType],
    /// Strike.
    pub strike: &'a [f64],
    /// ∂²V/∂S².
    pub gamma: &'a [f64],
    /// ∂²V/∂S∂σ, per 1.00 of volatility.
    pub vanna: &'a [f64],
    /// −∂²V/∂S∂T, per year.
    pub charm: &'a [f64],
    /// Open contracts.
    pub open_interest: &'a [f64],
}

/// Exposure at one strike, over all expiries.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct StrikeExposure {
    /// Strike.
    pub strike: f64,
    /// Gamma of the calls, currency for 1 % of the underlying, with the dealers' sign.
    pub call_gamma: f64,
    /// Gamma of the puts.
    pub put_gamma: f64,
    /// Both.
    pub gamma: f64,
    /// Vanna, currency for one point of volatility.
    pub vanna: f64,
    /// Charm, currency for a calendar day.
    pub charm: f64,
    /// Open calls.
    pub call_open_interest: f64,
    /// Open puts.
    pub put_open_interest: f64,
}

/// Exposure of a chain.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Exposure {
    /// Sum of the calls' gamma, currency for 1 %.
    pub call_gamma: f64,
    /// Sum of the puts' gamma.
    pub put_gamma: f64,
    /// Both.
    pub gamma: f64,
    /// Sum of vanna, currency for one point of volatility.
    pub vanna: f64,
    /// Sum of charm, currency for a calendar day.
    pub charm: f64,
    /// Part of the open interest whose rows have Greeks; `None` where there is no open interest.
    pub covered: Option<f64>,
    /// By ascending strike; those without open interest are left out.
    pub strikes: Vec<StrikeExposure>,
}

/// Sums exposures; `spot` is the underlying's price, `multiplier` the shares in a contract.
pub fn exposure(columns: &ExposureColumns<'_>, spot: f64, multiplier: f64, dealers: DealerPosition) -> Exposure {
    let mut total = Exposure::default();
    // Strikes are above zero, so their bits are in their order.
    let mut strikes: BTreeMap<u64, StrikeExposure> = BTreeMap::new();
    let (mut open, mut covered) = (0.0, 0.0);
    for (row, &option_type) in columns.option_type.iter().enumerate() {
        let (count, strike) = (columns.open_interest[row], columns.strike[row]);
        if !(count > 0.0 && count.is_finite() && strike > 0.0) {
            continue;
        }
        open += count;
        let greeks = [columns.gamma[row], columns.vanna[row], columns.charm[row]];
        if !greeks.iter().all(|greek| greek.is_finite()) {
            continue;
        }
        covered += count;
        let shares = dealers.sign(option_type) * count * multiplier;
        let [gamma, vanna, charm] = greeks;
        let gamma = shares * gamma * spot * spot * 0.01;
        let entry = strikes.entry(strike.to_bits()).or_insert(StrikeExposure { strike, ..StrikeExposure::default() });
        match option_type {
            OptionType::Call => {
                entry.call_gamma += gamma;
                entry.call_open_interest += count;
            }
            OptionType::Put => {
                entry.put_gamma += gamma;
                entry.put_open_interest += count;
            }
        }
        entry.gamma += gamma;
        entry.vanna += shares * vanna * spot * 0.01;
        entry.charm += shares * charm * spot / 365.0;
    }
    for entry in strikes.into_values() {
        total.call_gamma += entry.call_gamma;
        total.put_gamma += entry.put_gamma;
        total.gamma += entry.gamma;
        total.vanna += entry.vanna;
        total.charm += entry.charm;
        total.strikes.push(entry);
    }
    total.covered = (open > 0.0).then(|| covered / open);
    total
}

#[cfg(test)]
mod tests {
    use OptionType::{Call, Put};

    use super::*;

    #[test]
    fn a_hand_made_chain_has_the_exposure_of_a_pocket_calculator() {
        let columns = ExposureColumns {
            option_type: &[Call, Put, Call, Put],
            strike: &[100.0, 100.0, 110.0, 90.0],
            gamma: &[0.02, 0.02, 0.01, f64::NAN],
            vanna: &[0.5, 0.5, 1.0, 1.0],
            charm: &[0.73, 0.73, 0.0, 0.0],
            open_interest: &[1_000.0, 400.0, f64::NAN, 600.0],
        };
        let found = exposure(&columns, 100.0, 100.0, DealerPosition::LongCallsShortPuts);
        // 1000 contracts · 100 shares · 0.02 · 100² · 1 % = 200,000; the puts −80,000.
        assert_eq!((found.call_gamma, found.put_gamma), (200_000.0, -80_000.0));
        // (1000 − 400) · 100 · 0.5 · 100 · 1 % = 30,000; charm 60,000 · 0.73 · 100 / 365 = 12,000.
        assert_eq!((found.vanna, found.charm.round()), (30_000.0, 12_000.0));
        assert_eq!((found.covered, found.strikes.len()), (Some(0.7), 1));
        let [short, long] = [DealerPosition::ShortAll, DealerPosition::LongAll]
            .map(|dealers| exposure(&columns, 100.0, 100.0, dealers));
        assert_eq!((short.gamma, long.gamma), (-280_000.0, 280_000.0));
        assert_eq!(
            exposure(&ExposureColumns { open_interest: &[0.0; 4], ..columns }, 100.0, 100.0, DealerPosition::LongAll)
                .covered,
            None
        );
    }
}
