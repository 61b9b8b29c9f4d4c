//! `[data]`: the pricing model that makes the labels, and the domain from which its inputs are drawn.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Labels, TableConfig, number, table, whole};
use crate::LearnError;
use crate::network::FeatureKind;

/// Who makes the labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PricingModel {
    /// Black–Scholes by its closed form.
    BlackScholes,
    /// Heston by its characteristic function.
    Heston,
    /// The inverse of Black–Scholes: the volatility that a price implies.
    BlackScholesImpliedVolatility,
    /// Nobody: the target is a column of a table of one's own, and so are the inputs.
    Table,
    /// American exercise under Black–Scholes, by the exercise boundary's collocation.
    American,
}

impl PricingModel {
    /// The name in a config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BlackScholes => "black_scholes",
            Self::Heston => "heston",
            Self::BlackScholesImpliedVolatility => "black_scholes_implied_volatility",
            Self::Table => "table",
            Self::American => "american",
        }
    }

    /// The inputs, in the order of a row: forward over strike (of American options spot over strike), years to expiry, then the model's
    /// parameters; or the price, which is the undiscounted out-of-the-money option over √(forward·strike). None of a table, whose columns its
    /// config names.
    pub fn input_names(self) -> &'static [&'static str] {
        match self {
            Self::BlackScholes => &["moneyness", "expiry_years", "volatility"],
            Self::Heston => &["moneyness", "expiry_years", "v0", "kappa", "theta_v", "sigma_v", "rho_v"],
            Self::BlackScholesImpliedVolatility => &["moneyness", "expiry_years", "price"],
            Self::Table => &[],
            Self::American => &["moneyness", "expiry_years", "volatility", "risk_free_rate", "dividend_yield"],
        }
    }

    /// What spans the domain, in the order of the inputs: the inputs, but the volatility in the price's place.
    pub fn range_names(self) -> &'static [&'static str] {
        match self {
            Self::BlackScholesImpliedVolatility => Self::BlackScholes.input_names(),
            model => model.input_names(),
        }
    }

    /// Whether the network says a volatility, not a price.
    pub fn is_implied_volatility(self) -> bool {
        self == Self::BlackScholesImpliedVolatility
    }

    /// What the network says, and what the derivative of that by the moneyness is called, as metrics name them.
    pub fn said(self) -> (&'static str, &'static str) {
        match self {
            Self::BlackScholesImpliedVolatility => ("volatility", "slope"),
            // In deviations of the target column. A table has no derivative.
            Self::Table => ("target", "slope"),
            Self::BlackScholes | Self::Heston | Self::American => ("price", "delta"),
        }
    }

    /// Whether inputs and target are columns of a table.
    pub fn is_table(self) -> bool {
        self == Self::Table
    }

    /// Whether the network prices American options: the call of strike 1 on a spot, today's value. A put is the call with spot and strike,
    /// rate and yield exchanged (McDonald and Schroder 1998), so that calls are enough.
    pub fn is_american(self) -> bool {
        self == Self::American
    }

    /// What the network is shown where the config does not say.
    pub fn default_features(self) -> &'static [FeatureKind] {
        match self {
            Self::BlackScholes => &[FeatureKind::StandardisedMoneyness, FeatureKind::TotalVolatility],
            Self::Heston => &[
                FeatureKind::StandardisedMoneyness,
                FeatureKind::TotalVolatility,
                FeatureKind::VarianceDeviation,
                FeatureKind::VarianceSkewness,
                FeatureKind::RhoV,
                FeatureKind::MeanReversion,
                FeatureKind::VarianceShare,
            ],
            Self::BlackScholesImpliedVolatility => &[FeatureKind::MoneynessOverPrice, FeatureKind::LogPriceScale],
            Self::Table => &[],
            Self::American => &[
                FeatureKind::StandardisedMoneyness,
                FeatureKind::StandardisedForward,
                FeatureKind::TotalVolatility,
                FeatureKind::TotalRate,
                FeatureKind::TotalYield,
                FeatureKind::RateShare,
                FeatureKind::YieldShare,
            ],
        }
    }

    /// What an input may be: open bounds below and above.
    fn limits(name: &str) -> (f64, f64) {
        match name {
            "moneyness" => (0.01, 100.0),
            "expiry_years" => (1e-4, 100.0),
            "volatility" => (1e-3, 10.0),
            "v0" | "theta_v" => (1e-5, 100.0),
            "kappa" => (1e-3, 1e3),
            "sigma_v" => (1e-4, 100.0),
            "risk_free_rate" | "dividend_yield" => (0.0, 1.0),
            _ => (-1.0, 1.0),
        }
    }
}

/// Greatest σ√T of implied volatilities: what twice the scale of [`crate::network::Features`] stays above.
const MOST_DEVIATION: f64 = 4.0;

/// Greatest rate or yield times years of American options: within it the exercise boundary is found at every volatility.
const MOST_CARRY: f64 = 0.5;

/// How an input is spread over its range in training. Held-out points are spread evenly whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeScale {
    /// Evenly.
    #[default]
    Linear,
    /// Evenly in its logarithm.
    Log,
    /// Evenly in its square root.
    Sqrt,
}

/// The values of an input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// How it is spread in training.
    #[serde(default)]
    pub scale: RangeScale,
}

impl Range {
    /// The value at a share 0 to 1 of the range.
    pub fn at(&self, share: f64, scale: RangeScale) -> f64 {
        let Self { min, max, .. } = *self;
        let value = match scale {
            RangeScale::Linear => min + share * (max - min),
            RangeScale::Log => min * (share * (max / min).ln()).exp(),
            RangeScale::Sqrt => (min.sqrt() + share * (max.sqrt() - min.sqrt())).powi(2),
        };
        value.clamp(min, max)
    }
}

/// What the network learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Who makes the labels.
    pub model: PricingModel,
    /// The columns of a table of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<TableConfig>,
    /// How the labels to learn are computed.
    #[serde(default, skip_serializing_if = "Labels::is_exact")]
    pub labels: Labels,
    /// Simulated paths of a label: 1, or an even number in pairs of opposite numbers; a pair where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths_per_label: Option<usize>,
    /// Steps of a simulated path under Heston; 32 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps_per_path: Option<usize>,
    /// The values of each input.
    #[serde(default)]
    pub ranges: BTreeMap<String, Range>,
    /// Rows that training draws from again and again; fresh ones for every step where absent.
    #[serde(default)]
    pub samples: Option<usize>,
    /// Where shards of labelled rows lie, a folder or `s3://bucket/prefix`; labels are made on the way where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<String>,
    /// Rows of the shuffle buffer of shards; [`SHUFFLE_ROWS`](crate::data::shards::SHUFFLE_ROWS) where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shuffle_rows: Option<usize>,
    /// Shards whose rows are never learned, by file name; rows of all shards by a hash where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_out_shards: Vec<String>,
    /// Share of the shards' rows that may be left out since they cannot be learned; 0 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad_rows: Option<f64>,
    /// Share of training rows whose moneyness is drawn within five deviations of the forward, where prices bend. Of no account for
    /// implied volatilities, whose rows all lie where vega is no less than `least_vega`.
    #[serde(default = "default_near_the_money")]
    pub near_the_money: f64,
    /// Training rows that differ in moneyness alone, one after the other. Under Heston they share the characteristic function, which is
    /// most of a label's time.
    #[serde(default = "default_strikes")]
    pub strikes: usize,
    /// Of implied volatilities: the least vega over the strike, per 1.00, at which a price is taken to determine a volatility. Rows below
    /// are not learned, and held-out ones are counted apart.
    #[serde(default = "default_least_vega")]
    pub least_vega: f64,
    /// Whether the derivatives by all inputs are learned with the price (Huge and Savine 2020).
    #[serde(default = "default_differentials")]
    pub differentials: bool,
    /// Half of a spread, in strikes: the price that a training row learns is off by up to this, evenly, and stays within its bounds. Each
    /// row's is its own whenever it is drawn. Differentials and held-out rows have none.
    #[serde(default)]
    pub noise_half_spread: f64,
    /// Rows that are priced but never learned.
    #[serde(default = "default_held_out")]
    pub held_out: usize,
    /// Seed of the points.
    #[serde(default = "default_seed")]
    pub seed: u64,
}

fn default_near_the_money() -> f64 {
    0.5
}

fn default_least_vega() -> f64 {
    0.01
}

fn default_strikes() -> usize {
    1
}

fn default_differentials() -> bool {
    true
}

fn default_held_out() -> usize {
    65_536
}

fn default_seed() -> u64 {
    1
}

impl DataConfig {
    /// The ranges in the order of the model's inputs. Only of a checked config are they all there.
    pub fn ordered_ranges(&self) -> Vec<Range> {
        self.model.range_names().iter().filter_map(|name| self.ranges.get(*name).copied()).collect()
    }

    /// How many inputs a row has.
    pub fn inputs(&self) -> usize {
        self.table.as_ref().map_or(self.model.input_names().len(), |table| table.inputs.len())
    }

    /// Whether derivatives are learned: a table has none.
    pub fn learns_differentials(&self) -> bool {
        self.differentials && !self.model.is_table()
    }

    pub(super) fn check(&self) -> Result<(), LearnError> {
        table::check(self)?;
        let names = self.model.range_names();
        if let Some(unknown) = self.ranges.keys().find(|key| !names.contains(&key.as_str())) {
            let allowed = match names {
                [] => "no ranges: a table's rows are what they are".into(),
                names => format!("{} has the ranges {}", self.model.as_str(), names.join(", ")),
            };
            return Err(LearnError::bad("data.ranges", unknown, allowed));
        }
        for name in names {
            let key = format!("data.ranges.{name}");
            let Some(range) = self.ranges.get(*name) else {
                return Err(LearnError::Missing {
                    key,
                    wanted: "its least and greatest value, { min = …, max = … }".into(),
                });
            };
            let (from, to) = PricingModel::limits(name);
            let Range { min, max, scale } = *range;
            if !(from <= min && min < max && max <= to) {
                let allowed = format!("{from} ≤ min < max ≤ {to}");
                return Err(LearnError::bad(&key, format!("{min} to {max}"), allowed));
            }
            if scale != RangeScale::Linear && min <= 0.0 {
                return Err(LearnError::bad(
                    &format!("{key}.scale"),
                    format!("{scale:?}").to_lowercase(),
                    "linear where min is 0 or below",
                ));
            }
        }
        number("data.near_the_money", self.near_the_money, 0.0, 1.0)?;
        number("data.noise_half_spread", self.noise_half_spread, 0.0, 1.0)?;
        if self.noise_half_spread > 0.0 && self.model.is_implied_volatility() {
            let allowed = "0 for implied volatilities, whose prices are no labels";
            return Err(LearnError::bad("data.noise_half_spread", self.noise_half_spread, allowed));
        }
        number("data.least_vega", self.least_vega, 1e-6, 1.0)?;
        let reach = |name: &str| self.ranges.get(name).map_or(0.0, |range| range.max);
        let deviation = reach("volatility") * reach("expiry_years").sqrt();
        if self.model.is_implied_volatility() && deviation > MOST_DEVIATION {
            let allowed = format!("volatility.max·√expiry_years.max ≤ {MOST_DEVIATION} for implied volatilities");
            return Err(LearnError::bad("data.ranges", format!("a deviation of {deviation}"), allowed));
        }
        let carry = reach("risk_free_rate").max(reach("dividend_yield")) * reach("expiry_years");
        if self.model.is_american() && carry > MOST_CARRY {
            let allowed = format!("rate and yield times expiry_years.max ≤ {MOST_CARRY} for American options");
            return Err(LearnError::bad("data.ranges", format!("a rate times years of {carry}"), allowed));
        }
        whole("data.strikes", self.strikes, 1, 4096)?;
        whole("data.held_out", self.held_out, 16, 16_777_216)?;
        self.check_shards()?;
        self.check_labels()?;
        self.samples.map_or(Ok(()), |samples| whole("data.samples", samples, 16, 1 << 28))
    }

    fn check_shards(&self) -> Result<(), LearnError> {
        let Some(shards) = &self.shards else {
            let keys = [
                ("data.shuffle_rows", self.shuffle_rows.map(|rows| rows.to_string())),
                ("data.held_out_shards", self.held_out_shards.first().cloned()),
                ("data.bad_rows", self.bad_rows.map(|share| share.to_string())),
            ];
            return match keys.into_iter().find_map(|(key, value)| Some((key, value?))) {
                Some((key, value)) => Err(LearnError::bad(key, value, "only with data.shards")),
                None => Ok(()),
            };
        };
        if self.model.is_implied_volatility() {
            let allowed = "labels made on the way for implied volatilities, whose price is an input";
            return Err(LearnError::bad("data.shards", shards, allowed));
        }
        if shards.is_empty() {
            return Err(LearnError::bad("data.shards", "\"\"", "a folder, or s3://bucket/prefix"));
        }
        if let Some(samples) = self.samples {
            return Err(LearnError::bad(
                "data.samples",
                samples,
                "not with data.shards, whose rows are drawn again and again",
            ));
        }
        if let Some(rows) = self.shuffle_rows {
            whole("data.shuffle_rows", rows, 1, 1 << 28)?;
        }
        self.bad_rows.map_or(Ok(()), |share| number("data.bad_rows", share, 0.0, 0.5))
    }
}
