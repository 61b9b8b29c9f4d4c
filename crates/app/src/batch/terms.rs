//! What the rows of a chunk say of their contracts beyond option type, strike and style: payoff, barrier, dates, cash dividends.

use std::sync::Arc;

use zomma_base::Status;
use zomma_pricing::{
    finite_difference::CashDividend,
    valuation::{
        BarrierTerms, BarrierType, PayoffName, Terms, observation_dates, parse_dividends, parse_exercise_times,
    },
};

use super::{
    fields::{Defaults, Field, Layout},
    request::{Cells, Numbers, mark},
};

/// What is read of a chunk before the terms.
pub(super) struct Rows<'a> {
    /// Years to expiry.
    pub expiry_years: &'a [f64],
    /// Whether the row stands on a forward.
    pub on_forward: &'a [bool],
    /// The exercise style that the row names.
    pub named: &'a [Named],
}

/// The exercise style that a row names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Named {
    /// None.
    #[default]
    Nothing,
    /// At expiry alone, or at any time.
    EuropeanOrAmerican,
    /// At the times of its own.
    Bermudan,
}

/// The terms of every row; nothing where no column speaks of any.
pub(super) fn read(
    cells: &dyn Cells,
    layout: &Layout,
    defaults: &Defaults,
    rows: &Rows<'_>,
    status: &mut [Status],
) -> Vec<Option<Arc<Terms>>> {
    let bermudan = rows.named.contains(&Named::Bermudan);
    if !(layout.has_terms() || defaults.dividends.is_some() || bermudan) {
        return Vec::new();
    }
    let mut terms: Vec<Terms> = vec![Terms::default(); cells.rows()];
    payoffs(cells, layout, &mut terms, status);
    barriers(cells, layout, &mut terms, status);
    exercise_times(cells, layout, rows, &mut terms, status);
    dividends(cells, layout, defaults, rows, &mut terms, status);
    terms.into_iter().map(|terms| (!terms.is_plain()).then(|| Arc::new(terms))).collect()
}

/// The numbers of a field that has a column.
fn numbers(cells: &dyn Cells, layout: &Layout, field: Field) -> Option<Numbers> {
    layout.column(field).map(|column| cells.numbers(column))
}

/// Calls `see` with each cell that is there.
fn words(cells: &dyn Cells, layout: &Layout, field: Field, mut see: impl FnMut(usize, &str)) {
    if let Some(column) = layout.column(field) {
        cells.texts(column, &mut |row, text| {
            if let Some(text) = text {
                see(row, text);
            }
        });
    }
}

fn payoffs(cells: &dyn Cells, layout: &Layout, terms: &mut [Terms], status: &mut [Status]) {
    words(cells, layout, Field::Payoff, |row, text| match PayoffName::parse(text) {
        Some(payoff) => terms[row].payoff = payoff,
        None => mark(&mut status[row], Status::BadPayoff),
    });
    let cash = numbers(cells, layout, Field::CashAmount);
    let extreme = numbers(cells, layout, Field::Extreme);
    let dates = numbers(cells, layout, Field::ObservationDates);
    for (row, terms) in terms.iter_mut().enumerate() {
        if let Some(cash) = given(cash.as_ref(), row) {
            terms.cash = cash;
        }
        // What this payoff does not read is no fault of its row.
        if terms.payoff.is_lookback() {
            terms.extreme = given(extreme.as_ref(), row);
        }
        if let Some(dates) = given(dates.as_ref(), row) {
            match observation_dates(dates) {
                Ok(dates) => terms.observation_dates = Some(dates),
                Err(fault) => mark(&mut status[row], fault),
            }
        }
    }
}

fn given(numbers: Option<&Numbers>, row: usize) -> Option<f64> {
    numbers.filter(|numbers| !numbers.absent[row]).map(|numbers| numbers.value[row])
}

fn barriers(cells: &dyn Cells, layout: &Layout, terms: &mut [Terms], status: &mut [Status]) {
    let mut kinds = vec![None; terms.len()];
    words(cells, layout, Field::BarrierType, |row, text| match BarrierType::parse(text) {
        Some(kind) => kinds[row] = Some(kind),
        None => mark(&mut status[row], Status::BadBarrierType),
    });
    let [level, upper, rebate] =
        [Field::Barrier, Field::BarrierUpper, Field::Rebate].map(|field| numbers(cells, layout, field));
    for (row, (terms, kind)) in terms.iter_mut().zip(kinds).enumerate() {
        let [level, upper, rebate] = [&level, &upper, &rebate].map(|numbers| given(numbers.as_ref(), row));
        let absent = f64::NAN;
        match kind {
            Some(kind) => {
                terms.barrier = Some(BarrierTerms {
                    kind,
                    level: level.unwrap_or(absent),
                    upper: upper.unwrap_or(absent),
                    rebate: rebate.unwrap_or(0.0),
                });
            }
            // A level without a side would be priced as if there were none.
            None if level.is_some() || upper.is_some() => mark(&mut status[row], Status::BadBarrierType),
            None => {}
        }
    }
}

/// Where a row's expiry is no number above zero, that is its fault, and not its dates'.
fn until(expiry_years: f64) -> f64 {
    if expiry_years > 0.0 { expiry_years } else { f64::INFINITY }
}

fn exercise_times(cells: &dyn Cells, layout: &Layout, rows: &Rows<'_>, terms: &mut [Terms], status: &mut [Status]) {
    words(cells, layout, Field::ExerciseTimes, |row, text| {
        if rows.named[row] == Named::EuropeanOrAmerican {
            return mark(&mut status[row], Status::BadExerciseTimes);
        }
        match parse_exercise_times(text, until(rows.expiry_years[row])) {
            Ok(times) => terms[row].exercise_times = Some(times),
            Err(fault) => mark(&mut status[row], fault),
        }
    });
    for (row, terms) in terms.iter().enumerate() {
        if rows.named[row] == Named::Bermudan && terms.exercise_times.is_none() {
            mark(&mut status[row], Status::BadExerciseTimes);
        }
    }
}

fn dividends(
    cells: &dyn Cells,
    layout: &Layout,
    defaults: &Defaults,
    rows: &Rows<'_>,
    terms: &mut [Terms],
    status: &mut [Status],
) {
    if let Some(schedule) = &defaults.dividends {
        let share = |row: usize, terms: &mut Terms, dividends: Option<&Arc<[CashDividend]>>| {
            // A forward has its dividends in it.
            if let (Some(dividends), false) = (dividends, rows.on_forward[row]) {
                terms.dividends = Arc::clone(dividends);
            }
        };
        match schedule.of_all() {
            Some(dividends) => {
                terms.iter_mut().enumerate().for_each(|(row, terms)| share(row, terms, Some(dividends)));
            }
            None => words(cells, layout, Field::Underlying, |row, text| {
                share(row, &mut terms[row], schedule.of(text));
            }),
        }
    }
    // The row's own come before those of the file. Rows that repeat the cell before share what was read of it.
    let mut last = String::new();
    let mut shared: Arc<[CashDividend]> = Arc::from([]);
    words(cells, layout, Field::Dividends, |row, text| {
        let years = until(rows.expiry_years[row]);
        let repeats = text == last && shared.iter().all(|dividend| dividend.time_years < years);
        if !repeats {
            match parse_dividends(text, years) {
                Ok(dividends) => (last, shared) = (text.to_owned(), dividends),
                Err(fault) => return mark(&mut status[row], fault),
            }
        }
        terms[row].dividends = Arc::clone(&shared);
    });
}
