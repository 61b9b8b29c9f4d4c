//! What a trained network of a table says of rows, with a status a row.

use rayon::prelude::*;

use super::{Columns, Derived};
use crate::LearnError;
use crate::network::{Native, TableColumns, value_alone};
use crate::training::TrainedNetwork;

/// What is to be said of a row, beside its prediction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowStatus {
    /// All inputs are within what was learned.
    #[default]
    Ok,
    /// An input, by its place, is outside of what was learned: the prediction is there, and nobody's.
    Outside(usize),
    /// An input is empty or no number: there is no prediction.
    Missing(usize),
    /// An input cannot be scaled as the network's are: there is no prediction.
    Bad(usize),
    /// A window of the row is not full yet: there is no prediction.
    Warming,
}

impl RowStatus {
    /// The code in a table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Outside(_) => "outside_training",
            Self::Missing(_) => "missing_input",
            Self::Bad(_) => "bad_input",
            Self::Warming => "warming_up",
        }
    }

    /// The place of the input that it is about.
    pub fn input(self) -> Option<usize> {
        match self {
            Self::Ok | Self::Warming => None,
            Self::Outside(at) | Self::Missing(at) | Self::Bad(at) => Some(at),
        }
    }

    /// Whether there is a prediction.
    pub fn has_prediction(self) -> bool {
        matches!(self, Self::Ok | Self::Outside(_))
    }
}

/// A network of a table, ready to predict.
#[derive(Debug)]
pub struct TablePredictor {
    network: TrainedNetwork,
    columns: TableColumns,
    engine: Option<Native>,
}

impl TablePredictor {
    /// Errors: [`LearnError::BadValue`] for a network of prices, which is no table's.
    pub fn new(network: TrainedNetwork) -> Result<Self, LearnError> {
        let Some(columns) = network.architecture.features.table.clone() else {
            let model = network.architecture.features.model.as_str();
            return Err(LearnError::bad("the network's model", model, "table: prices are `zomma price --network`'s"));
        };
        let engine = network.native();
        Ok(Self { network, columns, engine })
    }

    /// The inputs and the target with their scales.
    pub fn columns(&self) -> &TableColumns {
        &self.columns
    }

    /// The network.
    pub fn network(&self) -> &TrainedNetwork {
        &self.network
    }

    /// The inputs of a whole table, whose rows are in their order, row after row: its own columns, and those that the network's config makes of them;
    /// with what was made.
    ///
    /// Errors: a column that is missing or has no numbers; those of [`Derived::of`].
    pub fn inputs(&self, table: &dyn Columns) -> Result<(Vec<f64>, Derived), LearnError> {
        let config = self.network.data.as_ref().and_then(|data| data.table.as_ref());
        let made = Derived::of(config.map_or(&[], |table| &table.derive), table)?;
        let count = self.columns.inputs.len();
        let mut rows = vec![f64::NAN; table.rows() * count];
        for (j, column) in self.columns.inputs.iter().enumerate() {
            let own;
            let numbers = match made.column(&column.name) {
                Some(numbers) => numbers,
                None => {
                    own = table.numbers(&column.name)?;
                    &own
                }
            };
            rows.iter_mut().skip(j).step_by(count).zip(numbers).for_each(|(place, x)| *place = *x);
        }
        Ok((rows, made))
    }

    /// Predictions of rows of a table, with those whose windows are not full told apart. Otherwise as [`Self::predict`].
    ///
    /// Errors: as of [`Self::inputs`].
    pub fn predict_table(&self, table: &dyn Columns) -> Result<(Vec<f64>, Vec<RowStatus>), LearnError> {
        let (rows, made) = self.inputs(table)?;
        let (mut out, mut status) = (vec![0.0; table.rows()], vec![RowStatus::Ok; table.rows()]);
        self.predict(&rows, &mut out, &mut status);
        for (row, (out, status)) in out.iter_mut().zip(&mut status).enumerate() {
            if made.is_warming(row) {
                (*out, *status) = (f64::NAN, RowStatus::Warming);
            }
        }
        Ok((out, status))
    }

    /// Predictions of rows of inputs, row after row in the order of the columns; NaN where the status says that there is none.
    ///
    /// # Panics
    /// Where the lengths do not fit.
    pub fn predict(&self, rows: &[f64], out: &mut [f64], status: &mut [RowStatus]) {
        let inputs = &self.columns.inputs;
        let count = inputs.len();
        assert!(rows.len() == out.len() * count && status.len() == out.len(), "columns of one length");
        // A row without all inputs is shown as one that is easy, and its answer thrown away.
        let mut given = rows.to_vec();
        for (row, status) in given.chunks_exact_mut(count).zip(status.iter_mut()) {
            *status = self.status(row);
            if !status.has_prediction() {
                row.iter_mut().zip(inputs).for_each(|(x, column)| *x = column.least);
            }
        }
        let TrainedNetwork { architecture, parameters, statistics, .. } = &self.network;
        match &self.engine {
            Some(engine) => engine.prices(parameters, &given, out),
            None => out
                .par_iter_mut()
                .zip(given.par_chunks_exact(count))
                .for_each(|(out, row)| *out = value_alone(architecture, parameters, statistics, row)),
        }
        for (out, status) in out.iter_mut().zip(status.iter()) {
            *out = if status.has_prediction() { self.columns.target.unscaled(*out) } else { f64::NAN };
        }
    }

    fn status(&self, row: &[f64]) -> RowStatus {
        let columns = || row.iter().zip(&self.columns.inputs);
        if let Some(at) = columns().position(|(x, _)| !x.is_finite()) {
            return RowStatus::Missing(at);
        }
        if let Some(at) = columns().position(|(x, column)| column.scaling.fault(*x).is_some()) {
            return RowStatus::Bad(at);
        }
        columns().position(|(x, column)| !column.is_within(*x)).map_or(RowStatus::Ok, RowStatus::Outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EXAMPLE, NetworkConfig, Normalisation, TableConfig, TrainConfig};
    use crate::network::{Architecture, Features};

    fn predictor(norm: Normalisation) -> TablePredictor {
        let table: TableConfig =
            toml::from_str("inputs = [\"a\", \"b\"]\ntarget = \"y\"\n[scaling_of]\nb = \"log1p\"").unwrap();
        let rows = [1.0, 0.5, 2.0, 3.0, 4.0, 9.0];
        let columns =
            TableColumns::fit(&table, (&rows, &[10.0, 20.0, 60.0]), &[[1.0, 4.0], [-0.5, 9.0]], false).unwrap();
        let output = crate::network::OutputTransform::None;
        let config = NetworkConfig { width: 7, depth: 2, norm, output, ..NetworkConfig::default() };
        let architecture = Architecture::new(&config, Features::of_table(columns));
        let layout = architecture.layout();
        let network = TrainedNetwork {
            parameters: layout.first_parameters(1.0, 1),
            statistics: layout.first_statistics(),
            architecture,
            step: 0,
            evaluation: None,
            data: None,
        };
        TablePredictor::new(network).unwrap()
    }

    #[test]
    fn every_row_has_a_number_or_a_status_that_says_why_not() {
        for norm in [Normalisation::None, Normalisation::Layer, Normalisation::Batch] {
            let predictor = predictor(norm);
            let rows = [2.0, 3.0, 2.0, f64::NAN, f64::INFINITY, 1.0, 2.0, -1.5, 2.0, -0.7, 5.0, 1.0, 2.0, 3.0];
            let (mut out, mut status) = ([0.0; 7], [RowStatus::Ok; 7]);
            predictor.predict(&rows, &mut out, &mut status);
            use RowStatus::{Bad, Missing, Ok, Outside};
            assert_eq!(status, [Ok, Missing(1), Missing(0), Bad(1), Outside(1), Outside(0), Ok]);
            for (out, status) in out.iter().zip(status) {
                assert_eq!(out.is_finite(), status.has_prediction(), "{status:?}");
            }
            assert_eq!(out[0], out[6]);
            // By hand: the network's number in units of the target, mean 30 and deviation √(1400/3).
            let TrainedNetwork { architecture, parameters, statistics, .. } = predictor.network();
            let number = value_alone(architecture, parameters, statistics, &rows[..2]);
            assert!((out[0] - (30.0 + (1400.0f64 / 3.0).sqrt() * number)).abs() < 1e-4, "{norm:?}");
        }
    }

    #[test]
    fn a_network_of_prices_is_refused() {
        let config = TrainConfig::parse(EXAMPLE).unwrap();
        let features = Features::unscaled(config.data.model, config.network.features(&config.data));
        let architecture = Architecture::new(&config.network, features);
        let parameters = architecture.layout().first_parameters(1.0, 1);
        let network =
            TrainedNetwork { architecture, parameters, statistics: Vec::new(), step: 0, evaluation: None, data: None };
        let error = TablePredictor::new(network).unwrap_err().to_string();
        assert!(error.contains("black_scholes"), "{error}");
    }
}
