//! Implied volatilities by a network of `zomma train`.

use std::path::Path;

use anyhow::{Context, bail};
use zomma_base::{ExerciseStyle, OptionType, Status};
use zomma_learn::{
    LearnError,
    config::DataConfig,
    physics::problem::forward,
    quantisation::QuantisedNetwork,
    training::{Quotes, TrainedNetwork},
};
use zomma_pricing::valuation::Results;

use super::{is_black_scholes, unvalued, vanilla};
use crate::batch::request::Request;

/// In f32, or in integers.
#[derive(Debug)]
enum Network {
    Trained(TrainedNetwork),
    Quantised(QuantisedNetwork),
}

impl Network {
    fn read(path: &Path) -> Result<Self, LearnError> {
        match QuantisedNetwork::is_at(path) {
            true => QuantisedNetwork::read(path).map(Self::Quantised),
            false => TrainedNetwork::read(path).map(Self::Trained),
        }
    }

    fn taught(&self) -> Option<DataConfig> {
        match self {
            Self::Trained(network) => network.data.clone(),
            Self::Quantised(network) => network.network.data.clone(),
        }
    }

    fn say(
        &self,
        quotes: &Quotes<'_>,
        taught: &DataConfig,
        (out, status): (&mut [f64], &mut [Status]),
    ) -> Result<(), LearnError> {
        match self {
            Self::Trained(network) => network.implied_volatilities(quotes, taught, out, status),
            Self::Quantised(network) => network.implied_volatilities(quotes, taught, out, status),
        }
    }
}

/// A network that learned implied volatilities.
#[derive(Debug)]
pub struct ByVolatilities {
    network: Network,
    taught: DataConfig,
}

impl ByVolatilities {
    /// Reads a network's file, quantised or not.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let network = Network::read(path)?;
        let Some(taught) = network.taught() else {
            bail!("{}: is of a version that did not keep what the network learned: train it again", path.display());
        };
        let opened = Self { network, taught };
        // A network of another kind is refused now, not at the first row.
        let none = Columns::default();
        let refused = opened.network.say(&none.quotes(), &opened.taught, (&mut [], &mut []));
        refused.with_context(|| path.display().to_string())?;
        Ok(opened)
    }

    /// What a field may be, where a status says that the network did not learn its value.
    pub fn allowed(&self, status: Status) -> Option<String> {
        let (at, shown) = match status {
            Status::BadStrike => (0, "forward over strike"),
            Status::BadExpiry | Status::Expired => (1, "expiry_years"),
            Status::BadPrice => (2, "volatilities"),
            Status::Undetermined => {
                return Some(format!("the network learned vegas of {} of the strike or more", self.taught.least_vega));
            }
            _ => return None,
        };
        let range = self.taught.ordered_ranges().get(at).copied()?;
        Some(format!("the network learned {shown} from {} to {}", range.min, range.max))
    }

    /// The implied volatility of every row's price.
    pub fn evaluate(&self, request: &Request) -> Results {
        let table = &request.table;
        let mut results = unvalued(table);
        let (mut places, mut columns) = (Vec::new(), Columns::default());
        for row in 0..table.len() {
            if results.status[row].is_ok() {
                match vanilla(table, row, ExerciseStyle::European, is_black_scholes(table.model[row])) {
                    Ok(option) => {
                        places.push(row);
                        columns.option_type.push(option.option_type);
                        columns.forward.push(forward(&option));
                        columns.strike.push(option.strike);
                        columns.expiry_years.push(option.expiry_years);
                        columns.price.push(request.price[row] * (option.risk_free_rate * option.expiry_years).exp());
                    }
                    Err(fault) => results.status[row] = fault,
                }
            }
        }
        let (mut found, mut status) = (vec![f64::NAN; places.len()], vec![Status::Ok; places.len()]);
        let said = self.network.say(&columns.quotes(), &self.taught, (&mut found, &mut status));
        for ((row, volatility), status) in places.into_iter().zip(found).zip(status) {
            // `open` has seen that the network is one of volatilities: nothing else is an error.
            results.status[row] = if said.is_ok() { status } else { Status::BadModel };
            results.columns[0][row] = volatility;
        }
        results
    }
}

/// Quotes that own their columns.
#[derive(Debug, Default)]
struct Columns {
    option_type: Vec<OptionType>,
    forward: Vec<f64>,
    strike: Vec<f64>,
    expiry_years: Vec<f64>,
    price: Vec<f64>,
}

impl Columns {
    fn quotes(&self) -> Quotes<'_> {
        let Self { option_type, forward, strike, expiry_years, price } = self;
        Quotes { option_type, forward, strike, expiry_years, price }
    }
}
