//! A trained network as a pricer: rows in, prices and Greeks out.

use std::path::Path;

use rayon::prelude::*;
use zomma_base::OptionType;
use zomma_pricing::black::Row;

use super::ansatz::value;
use super::config::{Domain, EquationKind, PinnConfig, Span};
use super::jets::Network;
use super::points::Points;
use super::problem::{Priced, Problem};
use super::state::{self, Standing};
use crate::LearnError;
use crate::data::uniform;

/// Rows of a part of a batch.
const ROWS: usize = 1024;

/// A network with the equation that it solves.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// The config of its run.
    pub config: PinnConfig,
    /// Its parameters.
    pub parameters: Vec<f64>,
    /// How the run went.
    pub standing: Standing,
}

impl Solution {
    /// The ansatz before any training, of a checked config.
    pub fn untrained(config: PinnConfig) -> Self {
        let seed = config.sampling.seed;
        let parameters = network_of(&config).first_parameters(|i| uniform(seed ^ 0x7069_6e6e, i));
        Self { config, parameters, standing: Standing::default() }
    }

    /// The shape of its network.
    pub fn network(&self) -> Network {
        network_of(&self.config)
    }

    /// Its equation.
    pub fn problem(&self) -> Problem {
        Problem::new(&self.config)
    }

    /// Prices and Greeks of rows; None for a row that is not of the model's world (see [`Problem::of_row`]). Nothing keeps a row within
    /// the domain of the config, which [`Self::status`] knows: outside, the network guesses.
    pub fn price(&self, rows: &[Row]) -> Vec<Option<Priced>> {
        let (problem, network) = (self.problem(), self.network());
        let order = problem.order();
        let parts: Vec<Vec<Option<Priced>>> = rows
            .par_chunks(ROWS)
            .map(|rows| {
                let places: Vec<_> = rows.iter().map(|row| problem.of_row(row)).collect();
                let points = Points::new(&problem, places.iter().flatten().copied().collect());
                let mut jets =
                    points.map(network, &self.parameters, |fixed, last| value(order, fixed, last)).into_iter();
                rows.iter()
                    .zip(places)
                    .map(|(row, place)| place.and_then(|place| Some(problem.priced(row, place, &jets.next()?))))
                    .collect()
            })
            .collect();
        parts.into_iter().flatten().collect()
    }

    /// What a row is without its homogeneity and its discounting, which are exact: forward over strike, years to expiry, then the strike
    /// over the reference where the volatility depends on it, and the volatility (under Heston the variance now).
    pub fn input_names(&self) -> &'static [&'static str] {
        self.config.problem.equation.input_names()
    }

    /// The call whose undiscounted price over the strike the inputs say, one of each of [`Self::input_names`].
    pub fn row(&self, inputs: &[f64]) -> Row {
        let (strike, volatility) = match (&self.config.problem.local_volatility, self.config.problem.equation) {
            (Some(local), _) => (inputs[2] * local.reference, inputs[3]),
            (None, EquationKind::Heston) => (1.0, inputs[2].sqrt()),
            (None, _) => (1.0, inputs[2]),
        };
        Row {
            option_type: OptionType::Call,
            spot: inputs[0] * strike,
            strike,
            expiry_years: inputs[1],
            risk_free_rate: 0.0,
            dividend_yield: 0.0,
            volatility,
        }
    }

    /// Undiscounted calls over the strike, of rows of [`Self::input_names`] one after the other; NaN for a row that is not of the model's
    /// world.
    pub fn calls(&self, inputs: &[f64]) -> Vec<f64> {
        let rows: Vec<Row> = inputs.chunks_exact(self.input_names().len()).map(|inputs| self.row(inputs)).collect();
        let priced = self.price(&rows).into_iter().zip(&rows);
        priced.map(|(found, row)| found.map_or(f64::NAN, |found| found.price / row.strike)).collect()
    }

    /// Least and greatest of each of [`Self::input_names`] whose every combination the network was trained on, at one rate of its domain or
    /// another.
    ///
    /// Errors: [`LearnError::BadValue`] where no forward over the strike was trained on at all expiries: the rates carry the spots of the
    /// longest beyond those of the shortest.
    pub fn input_ranges(&self) -> Result<Vec<Span>, LearnError> {
        let problem = &self.config.problem;
        let Domain { spot_over_strike: [least, most], expiry_years, volatility, risk_free_rate } = problem.domain;
        // At each expiry the forward reaches as far as the rates carry the domain's spots.
        let carried = |rate: f64| expiry_years.map(|years| (rate * years).exp());
        let [low, high] = risk_free_rate.map(carried);
        let moneyness = [least * low[0].max(low[1]), most * high[0].min(high[1])];
        if moneyness[0] > moneyness[1] {
            let allowed = format!(
                "a wider span, or fewer years or rates: at rates {risk_free_rate:?} over {expiry_years:?} years no forward over the strike is \
                 trained on at every expiry (from {} up by one, to {} by another), so that an exported network has no domain",
                moneyness[0], moneyness[1]
            );
            return Err(LearnError::bad("problem.domain.spot_over_strike", format!("{:?}", [least, most]), allowed));
        }
        let mut ranges = vec![moneyness, expiry_years];
        ranges.extend(problem.local_volatility.map(|local| local.strike_over_reference));
        let is_variance = problem.equation == EquationKind::Heston;
        ranges.push(if is_variance { volatility.map(|x| x * x) } else { volatility });
        Ok(ranges)
    }

    /// Writes it, whole or not at all.
    ///
    /// Errors: [`LearnError::File`].
    pub fn write(&self, path: &Path) -> Result<(), LearnError> {
        state::write(path, &self.config, &self.standing, &[&self.parameters])
    }

    /// Whether a file is of a network that solves an equation, or of a run that trains one.
    pub fn is_at(path: &Path) -> bool {
        state::is_at(path)
    }

    /// Reads one.
    ///
    /// Errors: [`LearnError::File`] with what is wrong with it, parameters that are no numbers among it.
    pub fn read(path: &Path) -> Result<Self, LearnError> {
        let (config, standing, mut vectors) = state::read(path, 1, |config| network_of(config).parameters())?;
        let parameters = vectors.swap_remove(0);
        if let Some(bad) = parameters.iter().find(|x| !x.is_finite()) {
            return Err(LearnError::file(path, format!("has a parameter that is no number ({bad})")));
        }
        Ok(Self { config, standing, parameters })
    }
}

/// The shape that a config asks for.
pub(super) fn network_of(config: &PinnConfig) -> Network {
    let super::PinnNetworkConfig { width, depth, activation, .. } = config.network;
    Network { features: Problem::new(config).features(), width, depth, activation }
}
