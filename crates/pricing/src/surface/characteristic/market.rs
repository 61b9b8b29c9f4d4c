//! The quotes of all expiries, and what a model's prices miss them by.

use crate::{
    fourier::{Model, OutOfTheMoney, out_of_the_money_slice},
    math::{Plain, normal_cdf},
    surface::{
        SliceQuotes,
        calibration::{Normal, Objective, Settings},
    },
};
use zomma_base::Status;

use super::{
    parameters::Characteristic,
    variance::{deviation, ln_by_w},
};

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
    /// Log-strikes by slice.
    log_moneyness: Vec<Vec<f64>>,
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
                cheapest = cheapest.min(black(point.k, point.total_variance[1].sqrt()));
            }
        }
        let log_moneyness =
            slices.iter().map(|slice| slice.points.iter().map(|point| point.k).collect()).collect();
        Self { slices, log_moneyness, error: (SHARE * cheapest).clamp(ERRORS[0], ERRORS[1]) }
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
        self.slices.iter().map(|slice| slice.points.len()).sum()
    }

    pub fn strikes(&self) -> usize {
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

    /// Adds the misses of `model` with their gradient by its parameters, each times its factor in `slopes`. What is missing; none where
    /// that is most of the quotes.
    pub fn add<T: Characteristic<N>, const N: usize>(
        &self,
        model: &T,
        slopes: &[f64; N],
        normal: &mut Normal<N>,
        scratch: &mut Scratch,
    ) -> Option<Missing> {
        let model: Model = model.model();
        let mut missing = Missing { quotes: 0, of: self.quotes() };
        for (slice, log_moneyness) in self.slices.iter().zip(&self.log_moneyness) {
            let n = log_moneyness.len();
            scratch.values.resize(n, OutOfTheMoney::default());
            scratch.status.resize(n, Status::Ok);
            let (values, status) = (&mut scratch.values[..n], &mut scratch.status[..n]);
            out_of_the_money_slice(&model, slice.expiry_years, log_moneyness, self.error, values, status);
            for (i, (value, &k)) in values.iter().zip(log_moneyness).enumerate() {
                let floor = FLOOR * self.error * k.exp().min(1.0);
                let is_floored = value.value < floor;
                let ln_value = if is_floored { floor } else { value.value }.ln();
                let Some(deviation) = deviation(k, ln_value).filter(|_| status[i] == Status::Ok) else {
                    missing.quotes += 1;
                    continue;
                };
                let [miss, slope] = slice.miss(i, deviation * deviation);
                let by_value = if is_floored { 0.0 } else { slope * (-ln_by_w(k, deviation)).exp() };
                normal.add(miss, &std::array::from_fn(|p| by_value * value.parameters[p] * slopes[p]));
            }
        }
        (2 * missing.quotes < missing.of).then_some(missing)
    }
}

/// What an evaluation writes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    values: Vec<OutOfTheMoney>,
    status: Vec<Status>,
}

/// Black's out-of-the-money value on a forward of one.
fn black(k: f64, deviation: f64) -> f64 {
    let sign = if k < 0.0 { -1.0 } else { 1.0 };
    let d1 = -k / deviation + 0.5 * deviation;
    (sign * (normal_cdf::<Plain>(sign * d1) - k.exp() * normal_cdf::<Plain>(sign * (d1 - deviation)))).max(0.0)
}
