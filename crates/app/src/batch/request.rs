//! What one chunk asks to be valued: columns of one length, and what was wrong with reading each row.

use zomma_base::{ExerciseStyle, OptionType, Status};
use zomma_pricing::valuation::{ModelName, Parameter, Table};

use super::{
    expiry::ExpiryReader,
    fields::{Defaults, Field, Layout},
    terms::{self, Named},
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

/// The rows to value.
#[derive(Debug)]
pub struct Request {
    /// The options. A row whose status is not `Ok` has placeholders and is not valued.
    pub table: Table,
    /// Prices, where volatilities are taken of them; the table's volatilities are then empty cells.
    pub price: Vec<f64>,
}

impl Request {
    /// Reads a chunk, with prices or with volatilities.
    pub fn read(cells: &dyn Cells, layout: &Layout, defaults: &Defaults, of_prices: bool) -> Self {
        let rows = cells.rows();
        let numbers = |field: Field| {
            layout.column(field).map_or_else(|| Numbers::all_absent(rows), |column| cells.numbers(column))
        };
        let mut status = vec![Status::Ok; rows];
        for &row in cells.ragged() {
            status[row] = Status::BadRow;
        }
        let option_type = read_option_types(cells, layout, &mut status);
        let (exercise, named) = read_exercise_styles(cells, layout, defaults, &mut status);
        let mut spot = numbers(Field::Spot);
        let forward = numbers(Field::Forward);
        let model = read_models(cells, layout, defaults, &spot, &forward, &mut status);
        let mut on_forward = vec![false; rows];
        for row in 0..rows {
            on_forward[row] = match model[row] {
                ModelName::Bsm => false,
                ModelName::Black76 => true,
                _ => spot.absent[row] && !forward.absent[row],
            };
            if on_forward[row] {
                spot.value[row] = forward.value[row];
            }
        }
        let mut dividend_yield = numbers(Field::DividendYield);
        for (row, value) in dividend_yield.value.iter_mut().enumerate() {
            if dividend_yield.absent[row] || on_forward[row] {
                *value = 0.0;
            }
        }
        let parameters = Parameter::ALL.map(|parameter| {
            layout.column(Field::Parameter(parameter)).map_or(Vec::new(), |at| cells.numbers(at).value)
        });
        let expiry_years = read_expiries(cells, layout, defaults.valuation_time, numbers(Field::ExpiryYears));
        let of_terms = terms::Rows { expiry_years: &expiry_years, on_forward: &on_forward, named: &named };
        let terms = terms::read(cells, layout, defaults, &of_terms, &mut status);
        let table = Table {
            model,
            exercise,
            option_type,
            on_forward,
            spot: spot.value,
            strike: numbers(Field::Strike).value,
            expiry_years,
            risk_free_rate: numbers(Field::RiskFreeRate).value,
            dividend_yield: dividend_yield.value,
            volatility: if of_prices { vec![f64::NAN; rows] } else { numbers(Field::Volatility).value },
            parameters,
            terms,
            status,
        };
        let price = if of_prices { numbers(Field::Price).value } else { Vec::new() };
        Self { table, price }
    }
}

/// Marks a row unless something was wrong with it already: the first fault is the one reported.
pub(super) fn mark(status: &mut Status, fault: Status) {
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

/// The style of each row, and what it says itself; where it names none, the user's, else European. A Bermudan one is European but for the
/// times among its terms.
fn read_exercise_styles(
    cells: &dyn Cells,
    layout: &Layout,
    defaults: &Defaults,
    status: &mut [Status],
) -> (Vec<ExerciseStyle>, Vec<Named>) {
    let mut exercise = vec![defaults.exercise.unwrap_or(ExerciseStyle::European); cells.rows()];
    let mut named = vec![Named::Nothing; cells.rows()];
    if let Some(column) = layout.column(Field::ExerciseStyle) {
        let parse = |text: &str| {
            [ExerciseStyle::European, ExerciseStyle::American]
                .into_iter()
                .find(|style| text.eq_ignore_ascii_case(style.as_str()))
        };
        cells.texts(column, &mut |row, text| match text.map(|text| (text, parse(text))) {
            None => {}
            Some((_, Some(found))) => (exercise[row], named[row]) = (found, Named::EuropeanOrAmerican),
            Some((text, None)) if text.eq_ignore_ascii_case("bermudan") => {
                (exercise[row], named[row]) = (ExerciseStyle::European, Named::Bermudan);
            }
            Some((_, None)) => mark(&mut status[row], Status::BadExerciseStyle),
        });
    }
    (exercise, named)
}

/// The model that a row names; where it names none, the user's, else Black-76 for a forward without a spot and Black-Scholes-Merton
/// for the rest.
fn read_models(
    cells: &dyn Cells,
    layout: &Layout,
    defaults: &Defaults,
    spot: &Numbers,
    forward: &Numbers,
    status: &mut [Status],
) -> Vec<ModelName> {
    let of_columns = |(&no_spot, &no_forward): (&bool, &bool)| {
        defaults.model.unwrap_or(if no_spot && !no_forward { ModelName::Black76 } else { ModelName::Bsm })
    };
    let mut model: Vec<ModelName> = spot.absent.iter().zip(&forward.absent).map(of_columns).collect();
    if let Some(column) = layout.column(Field::Model) {
        cells.texts(column, &mut |row, text| match text.map(ModelName::parse) {
            None => {}
            Some(Some(found)) => model[row] = found,
            Some(None) => mark(&mut status[row], Status::BadModel),
        });
    }
    model
}

/// Years as given; where the cell is empty, from the date or date-time in `expiry`. NaN is for the formula to refuse.
pub(super) fn read_expiries(
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
