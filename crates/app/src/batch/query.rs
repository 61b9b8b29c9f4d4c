//! What a surface says at the points of a table.

use rayon::prelude::*;
use zomma_base::Status;
use zomma_pricing::{
    surface::fitted::{Answer, Place, Places, SavedSurface},
    valuation::Results,
};

use super::{
    fields::{Defaults, Field, Layout},
    request::{Cells, Numbers, mark, read_expiries},
};

/// Names of the result columns.
pub const COLUMNS: [&str; 4] = ["implied_volatility", "total_variance", "density", "local_volatility"];
/// The one that follows them where the surface knows how sure it is of its volatility.
const STANDARD_ERROR: &str = "standard_error";
/// Points that one task of the pool asks.
const POINTS_PER_TASK: usize = 256;

/// Points of a surface.
pub struct Points {
    strike: Numbers,
    log_moneyness: Numbers,
    forward: Numbers,
    expiry_years: Vec<f64>,
    status: Vec<Status>,
}

impl Points {
    /// Reads a chunk.
    pub fn read(cells: &dyn Cells, layout: &Layout, defaults: &Defaults) -> Self {
        let numbers = |field: Field| {
            layout.column(field).map_or_else(|| Numbers::all_absent(cells.rows()), |column| cells.numbers(column))
        };
        let mut status = vec![Status::Ok; cells.rows()];
        for &row in cells.ragged() {
            mark(&mut status[row], Status::BadRow);
        }
        Self {
            strike: numbers(Field::Strike),
            log_moneyness: numbers(Field::LogMoneyness),
            forward: numbers(Field::Forward),
            expiry_years: read_expiries(cells, layout, defaults.valuation_time, numbers(Field::ExpiryYears)),
            status,
        }
    }
}

/// Asks the surface. Where it has arbitrage, the row has its volatility and the status says that there is no local volatility.
pub fn evaluate(surface: &SavedSurface, points: &Points) -> Results {
    // To a surface NaN is what is not given. A cell that is no number was given, and is as bad as infinity.
    let column = |numbers: &Numbers| -> Vec<f64> {
        let cells = numbers.value.iter().zip(&numbers.absent);
        cells.map(|(value, absent)| if value.is_nan() && !absent { f64::INFINITY } else { *value }).collect()
    };
    let [strike, log_moneyness, forward] = [&points.strike, &points.log_moneyness, &points.forward].map(column);
    let places = Places {
        strike: &strike,
        log_moneyness: &log_moneyness,
        forward: &forward,
        expiry_years: &points.expiry_years,
    };
    let ask = |start: usize| {
        let places = places.rows(start, (start + POINTS_PER_TASK).min(places.len()));
        let answers = surface.answers_at(&places);
        (0..answers.len()).map(|row| told(surface, &answers[row], &places.place(row))).collect::<Vec<_>>()
    };
    let starts: Vec<usize> = (0..places.len()).step_by(POINTS_PER_TASK).collect();
    let mut answers: Vec<([f64; 5], Status)> = starts.into_par_iter().flat_map_iter(ask).collect();
    for (answer, status) in answers.iter_mut().zip(&points.status).filter(|(_, status)| !status.is_ok()) {
        *answer = ([f64::NAN; 5], *status);
    }
    Results {
        columns: (0..columns(surface).len())
            .map(|column| answers.iter().map(|(values, _)| values[column]).collect())
            .collect(),
        status: answers.into_iter().map(|(_, status)| status).collect(),
        ..Results::default()
    }
}

/// Names of the result columns that `surface` has.
pub fn columns(surface: &SavedSurface) -> Vec<&'static str> {
    COLUMNS.into_iter().chain(error_column(surface)).collect()
}

/// Name of the column after [`COLUMNS`], where there is one.
pub fn error_column(surface: &SavedSurface) -> Option<&'static str> {
    surface.surface.has_standard_error().then_some(STANDARD_ERROR)
}

/// What the surface says, in the order of [`columns`], NaN past their end.
pub fn ask(surface: &SavedSurface, place: &Place) -> ([f64; 5], Status) {
    told(surface, &surface.at(place), place)
}

fn told(surface: &SavedSurface, answer: &Answer, place: &Place) -> ([f64; 5], Status) {
    let Answer { implied_volatility, total_variance, density, local_volatility, status } = *answer;
    let standard_error = surface.standard_error_at(place);
    ([implied_volatility, total_variance, density, local_volatility, standard_error], status)
}
