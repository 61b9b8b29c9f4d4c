//! The quotes of all expiries, and what a model's prices miss them by.

use crate::{
    fourier::{Model, OutOfTheMoney, Sensitivities, Slice, gradient_slice, out_of_the_money_slice},
    implied_vol::{PriceColumns, implied_volatility},
    surface::{
        SliceQuotes,
        calibration::{Objective, Settings},
        from_price::{ln_by_variance, price},
    },
};
use zomma_base::{OptionType, Status};

use super::{parameters::Characteristic, variance::side};

/// The largest error of a price in forwards, and the least worth its while.
const ERRORS: [f64; 2] = [1e-12, 1e-8];
/// The share of the cheapest quote that the error of a price may be.
const SHARE: f64 = 1e-3;
/// A value under so many errors is taken to be so many: its volatility would be made of rounding.
const FLOOR: f64 = 4.0;

/// The usable quotes by expiry.
#[derive(Clone, Debug)]
pub(super) struct Market {
    slices: Vec<Objective>,
    /// Log-strikes, strikes over the forward and sides of all slices in turn.
    log_moneyness: Vec<f64>,
    strikes: Vec<f64>,
    option_types: Vec<OptionType>,
    /// As many ones.
    ones: Vec<f64>,
    /// The error of a price, in forwards.
    error: f64,
}

/// Which quotes a sum of misses left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Missing {
    /// Quotes to which the model gave no price.
    pub quotes: usize,
    /// Of so many.
    pub of: usize,
}

impl Market {
    pub fn new(quotes: &[SliceQuotes], settings: &Settings) -> Self {
        let slices = quotes.iter().map(|quotes| Objective::new(quotes, settings)).filter(|it| !it.points.is_empty());
        Self::of(slices.collect())
    }

    fn of(slices: Vec<Objective>) -> Self {
        let mut cheapest = f64::INFINITY;
        for slice in &slices {
            for point in &slice.points {
                cheapest = cheapest.min(price(point.k, point.total_variance[1].sqrt()));
            }
        }
        let log_moneyness: Vec<f64> =
            slices.iter().flat_map(|slice| slice.points.iter().map(|point| point.k)).collect();
        Self {
            strikes: log_moneyness.iter().map(|k| k.exp()).collect(),
            option_types: log_moneyness.iter().map(|k| side(*k)).collect(),
            ones: vec![1.0; log_moneyness.len()],
            error: (SHARE * cheapest).clamp(ERRORS[0], ERRORS[1]),
            slices,
            log_moneyness,
        }
    }

    /// At most `most` quotes an expiry, evenly by rank, both ends among them.
    pub fn thinned(&self, most: usize) -> Self {
        let thin = |slice: &Objective| {
            let n = slice.points.len();
            if n <= most {
                return slice.clone();
            }
            let points = (0..most).map(|i| slice.points[i * (n - 1) / (most - 1)]).collect();
            Objective { points, ..slice.clone() }
        };
        Self::of(self.slices.iter().map(thin).collect())
    }

    pub fn quotes(&self) -> usize {
        self.log_moneyness.len()
    }

    /// Distinct strikes, over all expiries.
    pub fn distinct_strikes(&self) -> usize {
        self.slices.iter().map(Objective::strikes).sum()
    }

    pub fn expiries(&self) -> usize {
        self.slices.len()
    }

    pub fn largest_variance(&self) -> f64 {
        let of = |slice: &Objective| {
            slice.points.iter().map(|point| point.total_variance[1] / slice.expiry_years).fold(0.0, f64::max)
        };
        self.slices.iter().map(of).fold(0.0, f64::max)
    }

    /// Variance a year at the money, by the quote nearest to it, of the first expiry and of the last.
    pub fn levels(&self) -> [f64; 2] {
        let level = |slice: Option<&Objective>| {
            let nearest = slice.and_then(|slice| {
                let point = slice.points.iter().min_by(|x, y| x.k.abs().total_cmp(&y.k.abs()))?;
                Some(point.total_variance[1] / slice.expiry_years)
            });
            nearest.unwrap_or(0.04)
        };
        [level(self.slices.first()), level(self.slices.last())]
    }

    /// Hands the total variance of `model` at each quote, by its slice and its number there, and the gradient by the model's parameters to
    /// `each`. What is missing; none where that is most of the quotes, or, without patience, where the fast method does not do.
    pub fn evaluate<T: Characteristic<N>, const N: usize>(
        &self,
        model: &T,
        is_patient: bool,
        scratch: &mut Scratch,
        mut each: impl FnMut(&Objective, usize, f64, [f64; N]),
    ) -> Option<Missing> {
        let model: Model = model.model();
        let n = self.quotes();
        let Scratch { values, status, prices, deviations } = scratch;
        values.resize(n, OutOfTheMoney::default());
        status.resize(n, Status::Ok);
        prices.resize(n, 0.0);
        deviations.resize(n, 0.0);
        let mut from = 0;
        for slice in &self.slices {
            let rows = from..from + slice.points.len();
            from = rows.end;
            let (k, values, status) =
                (&self.log_moneyness[rows.clone()], &mut values[rows.clone()], &mut status[rows.clone()]);
            out_of_the_money_slice(&model, slice.expiry_years, k, self.error, values, status);
            if status[0] != Status::Ok {
                if !is_patient {
                    return None;
                }
                let market =
                    Slice { spot: 1.0, expiry_years: slice.expiry_years, risk_free_rate: 0.0, dividend_yield: 0.0 };
                patiently(&model, &market, &self.option_types[rows.clone()], &self.strikes[rows], values, status);
            }
        }
        let floor = |i: usize| FLOOR * self.error * self.strikes[i].min(1.0);
        for i in 0..n {
            // Not f64::max, which would hide NaN.
            prices[i] = if values[i].value < floor(i) { floor(i) } else { values[i].value };
        }
        // Over a year, so that the volatility is the deviation.
        let rows = PriceColumns {
            option_type: &self.option_types,
            forward: &self.ones,
            strike: &self.strikes,
            expiry_years: &self.ones,
            discount_factor: &self.ones,
            price: prices,
        };
        implied_volatility(&rows, deviations, status);
        let mut missing = Missing { quotes: 0, of: n };
        let mut at = 0;
        for slice in &self.slices {
            for i in 0..slice.points.len() {
                let (deviation, value) = (deviations[at], &values[at]);
                if status[at] == Status::Ok {
                    let is_floored = value.value < floor(at);
                    let by_value =
                        if is_floored { 0.0 } else { (-ln_by_variance(self.log_moneyness[at], deviation)).exp() };
                    each(slice, i, deviation * deviation, std::array::from_fn(|p| by_value * value.parameters[p]));
                } else {
                    missing.quotes += 1;
                }
                at += 1;
            }
        }
        (2 * missing.quotes < missing.of).then_some(missing)
    }
}

/// The same by the method that always has an answer, strike by strike if need be.
fn patiently(
    model: &Model,
    slice: &Slice,
    option_types: &[OptionType],
    strikes: &[f64],
    values: &mut [OutOfTheMoney],
    status: &mut [Status],
) {
    let mut found = vec![Sensitivities::NAN; strikes.len()];
    gradient_slice(model, slice, option_types, strikes, &mut found, status);
    for (value, found) in values.iter_mut().zip(found) {
        *value = OutOfTheMoney { value: found.price, parameters: found.parameters };
    }
}

/// What an evaluation writes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    values: Vec<OutOfTheMoney>,
    status: Vec<Status>,
    prices: Vec<f64>,
    deviations: Vec<f64>,
}
