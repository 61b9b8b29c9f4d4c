//! Implied volatilities of quotes by a trained network, with a status a row: what is no quote, what no volatility makes, and what the network
//! was never taught.

use rayon::prelude::*;
use zomma_base::{OptionType, Status};

use super::TrainedNetwork;
use crate::LearnError;
use crate::config::{DataConfig, Range};
use crate::inference::Pricer;
use crate::quantisation::QuantisedNetwork;

/// Rows that a thread takes at a time.
const PART: usize = 4096;

/// What a moneyness, an expiry or a volatility may be beyond the range that was learned, as a share of it.
const SLACK: f64 = 1e-6;

/// Quotes as columns of one length.
#[derive(Clone, Copy, Debug)]
pub struct Quotes<'a> {
    /// Call or put.
    pub option_type: &'a [OptionType],
    /// Forward to expiry.
    pub forward: &'a [f64],
    /// Strike.
    pub strike: &'a [f64],
    /// Years to expiry.
    pub expiry_years: &'a [f64],
    /// Undiscounted price of the option.
    pub price: &'a [f64],
}

impl Quotes<'_> {
    /// The network's inputs of a row: forward over strike, years, and the time value over √(forward·strike), which is the
    /// out-of-the-money option's price by parity.
    fn inputs(&self, i: usize) -> Result<[f64; 3], Status> {
        let [forward, strike, expiry, price] = [self.forward[i], self.strike[i], self.expiry_years[i], self.price[i]];
        let is_above_0 = |x: f64| x.is_finite() && x > 0.0;
        if !is_above_0(forward) {
            return Err(Status::BadForward);
        }
        if !is_above_0(strike) {
            return Err(Status::BadStrike);
        }
        if !expiry.is_finite() {
            return Err(Status::BadExpiry);
        }
        if expiry <= 0.0 {
            return Err(Status::Expired);
        }
        if !price.is_finite() || price < 0.0 {
            return Err(Status::BadPrice);
        }
        let (intrinsic, most) = match self.option_type[i] {
            OptionType::Call => ((forward - strike).max(0.0), forward),
            OptionType::Put => ((strike - forward).max(0.0), strike),
        };
        if price < intrinsic {
            return Err(Status::BelowIntrinsic);
        }
        if price >= most {
            return Err(Status::AboveMaximum);
        }
        let inputs = [forward / strike, expiry, (price - intrinsic) / (forward.sqrt() * strike.sqrt())];
        if inputs[2] == 0.0 {
            return Err(Status::Undetermined);
        }
        if inputs.iter().all(|x| x.is_normal()) { Ok(inputs) } else { Err(Status::Overflow) }
    }
}

/// The vega over the strike, per 1.00 and undiscounted, of a row that begins with forward over strike and years, at a volatility.
fn vega_over_strike(row: &[f64], volatility: f64) -> f64 {
    let root = row[1].sqrt();
    let s = volatility * root;
    let d = row[0].ln() / s - 0.5 * s;
    root * (-0.5 * d * d).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

impl QuantisedNetwork {
    /// As [`TrainedNetwork::implied_volatilities`], by the integers.
    ///
    /// Errors: those of the same.
    ///
    /// # Panics
    /// As the same.
    pub fn implied_volatilities(
        &self,
        quotes: &Quotes<'_>,
        taught: &DataConfig,
        out: &mut [f64],
        status: &mut [Status],
    ) -> Result<(), LearnError> {
        check(&self.network, taught)?;
        say(&Pricer::quantised_of_volatilities(self)?, quotes, taught, (out, status));
        Ok(())
    }
}

impl TrainedNetwork {
    /// The volatility of each quote, per square root of a year; NaN and a status that is not `Ok` where there is none.
    ///
    /// Statuses: `BadForward`, `BadStrike`, `BadExpiry`, `Expired`, `BadPrice`; `BelowIntrinsic` and `AboveMaximum` for prices outside of
    /// their bounds; `Undetermined` where the price is the intrinsic value or the vega of what the network says is below the least that it
    /// was taught. Outside of the domain that it was taught, where its number is nobody's: `BadStrike` for the moneyness, `BadExpiry`, and
    /// `BadPrice` for a price whose volatility lies outside.
    ///
    /// Errors: [`LearnError::BadValue`] where the network says no volatilities, or is one that only Burn computes.
    ///
    /// # Panics
    /// Where the columns, `out` and `status` are not of one length.
    pub fn implied_volatilities(
        &self,
        quotes: &Quotes<'_>,
        taught: &DataConfig,
        out: &mut [f64],
        status: &mut [Status],
    ) -> Result<(), LearnError> {
        check(self, taught)?;
        say(&Pricer::of_volatilities(self)?, quotes, taught, (out, status));
        Ok(())
    }
}

fn check(network: &TrainedNetwork, taught: &DataConfig) -> Result<(), LearnError> {
    let architecture = &network.architecture;
    let model = architecture.features.model;
    if model.is_implied_volatility() && taught.model == model && architecture.is_plain() {
        return Ok(());
    }
    let allowed = "a network of black_scholes_implied_volatility without norm and dropout";
    Err(LearnError::bad("network", architecture.describe(), allowed))
}

/// A volatility and a status for each quote.
fn say(pricer: &Pricer, quotes: &Quotes<'_>, taught: &DataConfig, (out, status): (&mut [f64], &mut [Status])) {
    let count = out.len();
    let lengths = [quotes.option_type.len(), quotes.forward.len(), quotes.strike.len(), quotes.expiry_years.len()];
    assert!(lengths.iter().all(|length| *length == count), "columns of one length");
    assert!(quotes.price.len() == count && status.len() == count, "columns of one length");
    let ranges = taught.ordered_ranges();
    out.par_chunks_mut(PART).zip(status.par_chunks_mut(PART)).enumerate().for_each(|(part, (out, status))| {
        let first = part * PART;
        // A row without inputs is shown as one that is easy, and its answer thrown away.
        let mut inputs = Vec::with_capacity(3 * out.len());
        for (i, status) in status.iter_mut().enumerate() {
            let found = quotes.inputs(first + i);
            *status = found.err().unwrap_or(Status::Ok);
            inputs.extend(found.unwrap_or([1.0, 1.0, 0.1]));
        }
        let mut computed = vec![Status::Ok; out.len()];
        pricer.prices(&inputs, out, &mut computed);
        for ((row, volatility), status) in inputs.chunks_exact(3).zip(out).zip(status) {
            if *status == Status::Ok {
                *status = volatility_status(row, *volatility, taught.least_vega, &ranges);
            }
            if *status != Status::Ok {
                *volatility = f64::NAN;
            }
        }
    });
}

/// What is wrong with a volatility that a network says of a row's inputs (forward over strike, years, time value over √(forward·strike)), where
/// it was taught vegas over the strike of `least_vega` or more and `ranges` of moneyness, years and volatility: `BadStrike` of the moneyness,
/// `BadExpiry`, `Undetermined`, `Overflow` of what is no number, `BadPrice` where the volatility lies outside; `Ok` else.
pub fn volatility_status(row: &[f64], volatility: f64, least_vega: f64, ranges: &[Range]) -> Status {
    let is_in = |x: f64, i: usize| {
        ranges.get(i).is_some_and(|range| {
            let slack = SLACK * range.max;
            (range.min - slack..=range.max + slack).contains(&x)
        })
    };
    let is_volatility = |range: &Range| {
        // The network's own error is no reason to refuse the range's ends.
        (0.98 * range.min..=1.02 * range.max).contains(&volatility)
    };
    if !is_in(row[0], 0) {
        Status::BadStrike
    } else if !is_in(row[1], 1) {
        Status::BadExpiry
    } else if row[2] < f64::from(f32::MIN_POSITIVE) {
        // So small a price is none of any vega that a config may ask for.
        Status::Undetermined
    } else if !volatility.is_finite() {
        Status::Overflow
    } else if vega_over_strike(row, volatility) < least_vega {
        Status::Undetermined
    } else if !ranges.get(2).is_some_and(is_volatility) {
        Status::BadPrice
    } else {
        Status::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EXAMPLE, IMPLIED_VOLATILITY_EXAMPLE, TrainConfig};
    use crate::data::Source;
    use crate::network::{Architecture, Features};

    fn network(text: &str) -> (TrainedNetwork, DataConfig) {
        let config = TrainConfig::parse(text).unwrap();
        let rows = Source::new(&config.data, 1).unwrap().first(512).unwrap();
        let features = Features::unscaled(config.data.model, config.network.features(&config.data)).fit(&rows.inputs);
        let architecture = Architecture::new(&config.network, features);
        let mut parameters = architecture.layout().first_parameters(1.0, 1);
        // The last number is 0 then, and the volatility the row's scale.
        architecture.layout().out_weight.of_mut(&mut parameters).fill(0.0);
        let network =
            TrainedNetwork { architecture, parameters, statistics: Vec::new(), step: 0, evaluation: None, data: None };
        (network, config.data)
    }

    #[test]
    fn rows_get_a_volatility_or_a_status_and_parity_is_exact() {
        let (network, taught) = network(IMPLIED_VOLATILITY_EXAMPLE);
        use OptionType::{Call, Put};
        // At the money the scale is √(2π)·price/√T.
        let cases = [
            (Call, 100.0, 100.0, 1.0, 8.0, Status::Ok),
            (Put, 100.0, 100.0, 1.0, 8.0, Status::Ok),
            (Call, 120.0, 100.0, 1.0, 25.0, Status::Ok),
            (Put, 120.0, 100.0, 1.0, 5.0, Status::Ok),
            (Call, f64::NAN, 100.0, 1.0, 8.0, Status::BadForward),
            (Call, 100.0, 0.0, 1.0, 8.0, Status::BadStrike),
            (Call, 100.0, 100.0, f64::INFINITY, 8.0, Status::BadExpiry),
            (Call, 100.0, 100.0, 0.0, 8.0, Status::Expired),
            (Call, 100.0, 100.0, 1.0, -1.0, Status::BadPrice),
            (Call, 120.0, 100.0, 1.0, 19.0, Status::BelowIntrinsic),
            (Put, 80.0, 100.0, 1.0, 19.0, Status::BelowIntrinsic),
            (Call, 100.0, 100.0, 1.0, 100.0, Status::AboveMaximum),
            (Put, 100.0, 90.0, 1.0, 91.0, Status::AboveMaximum),
            (Call, 120.0, 100.0, 1.0, 20.0, Status::Undetermined),
            (Call, 300.0, 100.0, 1.0, 201.0, Status::BadStrike),
            (Call, 100.0, 100.0, 10.0, 8.0, Status::BadExpiry),
            (Call, 100.0, 100.0, 1.0, 60.0, Status::BadPrice),
            (Call, 1e300, 1e-300, 1.0, 1e300 / 3.0, Status::BelowIntrinsic),
        ];
        let quotes = Quotes {
            option_type: &cases.map(|case| case.0),
            forward: &cases.map(|case| case.1),
            strike: &cases.map(|case| case.2),
            expiry_years: &cases.map(|case| case.3),
            price: &cases.map(|case| case.4),
        };
        let (mut out, mut status) = ([0.0; 18], [Status::Ok; 18]);
        network.implied_volatilities(&quotes, &taught, &mut out, &mut status).unwrap();
        for (i, case) in cases.iter().enumerate() {
            assert_eq!(status[i], case.5, "row {i}");
            assert_eq!(out[i].is_nan(), status[i] != Status::Ok, "row {i}: {}", out[i]);
        }
        assert!((out[0] - (2.0 * std::f64::consts::PI).sqrt() * 0.08).abs() < 1e-6, "{}", out[0]);
        assert!(out[0] == out[1] && (out[2] - out[3]).abs() < 1e-12, "{out:?}");
    }

    #[test]
    fn a_network_of_prices_is_refused() {
        let (network, taught) = network(EXAMPLE);
        let quotes = Quotes { option_type: &[], forward: &[], strike: &[], expiry_years: &[], price: &[] };
        let error = network.implied_volatilities(&quotes, &taught, &mut [], &mut []).unwrap_err().to_string();
        assert!(error.contains("black_scholes_implied_volatility"), "{error}");
    }
}
