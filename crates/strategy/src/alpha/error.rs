//! What columns and parameters are refused for.

use thiserror::Error;

/// Columns or parameters that give no answer.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum AlphaError {
    /// Columns of one table are of different lengths.
    #[error("{what} has {found} rows, the column before it {expected}; allowed: columns of one length")]
    Length {
        /// The column.
        what: String,
        /// Rows that the others have.
        expected: usize,
        /// Rows that it has.
        found: usize,
    },
    /// There is too little to compute from.
    #[error("{what} has {found} usable rows; needed: {needed} or more")]
    TooFewRows {
        /// What is to be computed.
        what: String,
        /// Rows with all values.
        found: usize,
        /// Rows that it takes.
        needed: usize,
    },
    /// A time is before the one of the row above.
    #[error(
        "row {row}, time_ns = {time_ns}: before the row above it ({above_ns}); allowed: times that do not step back"
    )]
    TimeStepsBack {
        /// The row, from 1.
        row: usize,
        /// Its time.
        time_ns: i64,
        /// The time above.
        above_ns: i64,
    },
    /// Rows are not at a steady pace.
    #[error(
        "row {row}, time_ns = {time_ns}: {apart_ns} ns behind the row above it, where the pace is {step_ns} ns; allowed: one pace, with silences of \
         whole steps"
    )]
    UnevenPace {
        /// The row, from 1.
        row: usize,
        /// Its time.
        time_ns: i64,
        /// From the row above it.
        apart_ns: i64,
        /// The pace.
        step_ns: i64,
    },
    /// A value is no number, or not one that the column may have.
    #[error("{what}, row {row}: {value}; allowed: {allowed}")]
    BadValue {
        /// The column.
        what: String,
        /// The row, from 1.
        row: usize,
        /// The value.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },
    /// A parameter is out of its range.
    #[error("{name} = {value}; allowed: {allowed}")]
    BadParameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A column does not vary where its variation is what counts.
    #[error("{what} is constant: nothing varies with it")]
    Constant {
        /// The column.
        what: String,
    },
    /// Columns are combinations of each other.
    #[error(
        "{what}: the columns depend on each other linearly; allowed: columns of which none is a combination of the others"
    )]
    Collinear {
        /// The regression.
        what: String,
    },
}

/// That columns are of one length.
pub(super) fn same_length(what: &str, expected: usize, found: usize) -> Result<(), AlphaError> {
    if found == expected { Ok(()) } else { Err(AlphaError::Length { what: what.to_owned(), expected, found }) }
}

/// That there are rows enough.
pub(super) fn enough_rows(what: &str, found: usize, needed: usize) -> Result<(), AlphaError> {
    if found >= needed { Ok(()) } else { Err(AlphaError::TooFewRows { what: what.to_owned(), found, needed }) }
}

/// That every value is finite.
pub(super) fn all_finite(what: &str, values: &[f64]) -> Result<(), AlphaError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(row) => Err(AlphaError::BadValue {
            what: what.to_owned(),
            row: row + 1,
            value: values[row],
            allowed: "a finite number",
        }),
        None => Ok(()),
    }
}

/// That every value that is there is finite.
pub(super) fn finite_where_present(what: &str, values: &[Option<f64>]) -> Result<(), AlphaError> {
    let bad = values.iter().enumerate().find_map(|(row, value)| value.filter(|it| !it.is_finite()).map(|it| (row, it)));
    match bad {
        Some((row, value)) => Err(AlphaError::BadValue {
            what: what.to_owned(),
            row: row + 1,
            value,
            allowed: "a finite number, or none",
        }),
        None => Ok(()),
    }
}

/// That times do not step back.
pub(super) fn in_order(times_ns: &[i64]) -> Result<(), AlphaError> {
    match times_ns.windows(2).position(|pair| pair[1] < pair[0]) {
        Some(above) => {
            Err(AlphaError::TimeStepsBack { row: above + 2, time_ns: times_ns[above + 1], above_ns: times_ns[above] })
        }
        None => Ok(()),
    }
}

/// That a parameter is in its range.
pub(super) fn in_range(
    name: &'static str,
    value: impl ToString,
    fits: bool,
    allowed: &'static str,
) -> Result<(), AlphaError> {
    if fits { Ok(()) } else { Err(AlphaError::BadParameter { name, value: value.to_string(), allowed }) }
}
