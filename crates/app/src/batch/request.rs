//! What one chunk asks to be valued: columns of one length, and what was wrong with reading each row.

use zomma_base::{OptionType, Status};
use zomma_pricing::black::Model;

use super::{
    expiry::ExpiryReader,
    fields::{Field, Layout},
};

/// A column of numbers; NaN stands for a cell that is not one, and `absent` tells the empty ones.
#[derive(Debug, Default)]
pub struct Numbers {
    pub value: Vec<f64>,
    pub absent: Vec<bool>,
}

impl Numbers {
    /// A column without any cell.
    pub fn all_absent(rows: usize) -> Self {
        Self { value: vec![f64::NAN; rows], absent: vec![true; rows] }
    }
}

/// A chunk of the input, whatever its file format.
pub trait Cells {
    /// Rows of the chunk.
    fn rows(&self) -> usize;
    /// Column `column` as numbers.
    fn numbers(&self, column: usize) -> Numbers;
    /// Calls `see` with each cell of column `column`, trimmed; None where it is empty.
    fn texts(&self, column: usize, see: &mut dyn FnMut(usize, Option<&str>));
    /// Rows that have more cells than the header.
    fn ragged(&self) -> &[usize] {
        &[]
    }
    /// The cell as an error message shows it.
    fn show(&self, row: usize, column: usize) -> String;
}

/// The rows to value. A row whose status is not `Ok` has placeholders and is not valued.
#[derive(Debug)]
pub struct Request {
    pub model: Vec<Model>,
    pub option_type: Vec<OptionType>,
    /// Spot, or the forward under Black-76.
    pub spot: Vec<f64>,
    pub strike: Vec<f64>,
    pub expiry_years: Vec<f64>,
    pub risk_free_rate: Vec<f64>,
    pub dividend_yield: Vec<f64>,
    /// Volatility, or the price where that is what is given.
    pub given: Vec<f64>,
    pub status: Vec<Status>,
}

impl Request {
    /// Reads a chunk. `given` is the last column needed: volatility or price.
    pub fn read(cells: &dyn Cells, layout: &Layout, valuation_time: Option<jiff::Timestamp>, given: Field) -> Self {
        let rows = cells.rows();
        let numbers = |field: Field| {
            layout.column(field).map_or_else(|| Numbers::all_absent(rows), |column| cells.numbers(column))
        };
        let mut status = vec![Status::Ok; rows];
        for &row in cells.ragged() {
            status[row] = Status::BadRow;
        }
        let option_type = read_option_types(cells, layout, &mut status);
        refuse_american(cells, layout, &mut status);
        let (model, spot) = read_models(cells, layout, numbers(Field::Spot), &numbers(Field::Forward), &mut status);
        let expiry_years = read_expiries(cells, layout, valuation_time, numbers(Field::ExpiryYears));
        let mut dividend_yield = numbers(Field::DividendYield);
        for (row, value) in dividend_yield.value.iter_mut().enumerate() {
            if dividend_yield.absent[row] || model[row] == Model::Black76 {
                *value = 0.0;
            }
        }
        Self {
            model,
            option_type,
            spot,
            strike: numbers(Field::Strike).value,
            expiry_years,
            risk_free_rate: numbers(Field::RiskFreeRate).value,
            dividend_yield: dividend_yield.value,
            given: numbers(given).value,
            status,
        }
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.status.len()
    }
}

/// Marks a row unless something was wrong with it already: the first fault is the one reported.
fn mark(status: &mut Status, fault: Status) {
    if status.is_ok() {
        *status = fault;
    }
}

fn read_option_types(cells: &dyn Cells, layout: &Layout, status: &mut [Status]) -> Vec<OptionType> {
    let mut option_type = vec![OptionType::Call; cells.rows()];
    if let Some(column) = layout.column(Field::OptionType) {
        cells.texts(column, &mut |row, text| match text.map(parse_option_type) {
            Some(Some(found)) => option_type[row] = found,
            _ => mark(&mut status[row], Status::BadOptionType),
        });
    }
    option_type
}

fn parse_option_type(text: &str) -> Option<OptionType> {
    match text {
        "call" => Some(OptionType::Call),
        "put" => Some(OptionType::Put),
        _ if text.eq_ignore_ascii_case("call") || text.eq_ignore_ascii_case("c") => Some(OptionType::Call),
        _ if text.eq_ignore_ascii_case("put") || text.eq_ignore_ascii_case("p") => Some(OptionType::Put),
        _ => None,
    }
}

fn refuse_american(cells: &dyn Cells, layout: &Layout, status: &mut [Status]) {
    if let Some(column) = layout.column(Field::ExerciseStyle) {
        cells.texts(column, &mut |row, text| {
            if text.is_some_and(|text| !text.eq_ignore_ascii_case("european")) {
                mark(&mut status[row], Status::BadExerciseStyle);
            }
        });
    }
}

/// The model that a row names; where it names none, Black-76 for a forward without a spot, else Black-Scholes-Merton.
fn read_models(
    cells: &dyn Cells,
    layout: &Layout,
    spot: Numbers,
    forward: &Numbers,
    status: &mut [Status],
) -> (Vec<Model>, Vec<f64>) {
    let mut model: Vec<Model> = spot
        .absent
        .iter()
        .zip(&forward.absent)
        .map(|(&no_spot, &no_forward)| if no_spot && !no_forward { Model::Black76 } else { Model::Bsm })
        .collect();
    if let Some(column) = layout.column(Field::Model) {
        cells.texts(column, &mut |row, text| match text {
            None => {}
            Some(text) if text.eq_ignore_ascii_case("bsm") => model[row] = Model::Bsm,
            Some(text) if text.eq_ignore_ascii_case("black76") => model[row] = Model::Black76,
            Some(_) => mark(&mut status[row], Status::BadModel),
        });
    }
    let mut underlying = spot.value;
    for (row, &model) in model.iter().enumerate() {
        if model == Model::Black76 {
            underlying[row] = forward.value[row];
        }
    }
    (model, underlying)
}

/// Years as given; where the cell is empty, from the date or date-time in `expiry`. NaN is for the formula to refuse.
fn read_expiries(
    cells: &dyn Cells,
    layout: &Layout,
    valuation_time: Option<jiff::Timestamp>,
    mut years: Numbers,
) -> Vec<f64> {
    if let (Some(column), Some(valuation_time)) = (layout.column(Field::Expiry), valuation_time) {
        let mut reader = ExpiryReader::new(valuation_time);
        cells.texts(column, &mut |row, text| {
            if years.absent[row]
                && let Some(text) = text
            {
                years.value[row] = reader.years(text).unwrap_or(f64::NAN);
            }
        });
    }
    years.value
}
