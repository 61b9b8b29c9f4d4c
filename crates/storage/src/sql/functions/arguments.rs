//! What our functions take, and rows of it as columns of numbers.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, cast::AsArray, types::Float64Type};
use arrow_schema::{DataType, TimeUnit};
use datafusion::{
    arrow::{buffer::NullBuffer, compute::cast},
    common::{Result, plan_err},
    logical_expr::ColumnarValue,
};
use zomma_base::OptionType;

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `call` or `put`, also `c` and `p`.
    OptionType,
    /// Any number; computed as a float of 64 bits.
    Number,
    /// An instant; a wall clock without an offset is New York's, a date is that day's close in New York.
    Time,
    /// Text of a fitted surface.
    Text,
}

/// One argument of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// Its name in signatures and messages.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
}

impl Argument {
    /// A number.
    pub(super) const fn number(name: &'static str) -> Self {
        Self { name, kind: Kind::Number }
    }

    /// Something else.
    pub(super) const fn of(name: &'static str, kind: Kind) -> Self {
        Self { name, kind }
    }
}

impl Kind {
    /// What is allowed, in words.
    pub fn allowed(self) -> &'static str {
        match self {
            Self::OptionType => "text, call or put",
            Self::Number => "a number",
            Self::Time => "a timestamp, a date, or text such as 2019-04-26 or 2019-04-26T16:00",
            Self::Text => "text",
        }
    }

    /// The type that a value of this type is computed as; none where it may not be given.
    fn computed_as(self, given: &DataType) -> Option<DataType> {
        let is_text = matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        match (self, given) {
            (_, DataType::Dictionary(_, values)) => self.computed_as(values),
            (Self::OptionType | Self::Text, _) if is_text => Some(DataType::Utf8View),
            (Self::OptionType | Self::Text, DataType::Null) => Some(DataType::Utf8View),
            (Self::Number, DataType::Null) => Some(DataType::Float64),
            (Self::Number, given) if given.is_numeric() => Some(DataType::Float64),
            (Self::Time, _) if is_text => Some(DataType::Utf8View),
            (Self::Time, DataType::Timestamp(_, None)) => Some(DataType::Timestamp(TimeUnit::Nanosecond, None)),
            (Self::Time, DataType::Timestamp(..) | DataType::Null) => {
                Some(DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())))
            }
            (Self::Time, DataType::Date32 | DataType::Date64) => Some(DataType::Date32),
            _ => None,
        }
    }
}

/// The types that a call computes with. What may not be given stays as it is, for [`check`] to refuse: an error here would come out
/// wrapped in words of the planner's.
pub(super) fn coerced(arguments: &[Argument], given: &[DataType]) -> Vec<DataType> {
    let of = |(at, given): (usize, &DataType)| {
        let known = arguments.get(at).and_then(|argument| argument.kind.computed_as(given));
        known.unwrap_or_else(|| given.clone())
    };
    given.iter().enumerate().map(of).collect()
}

/// Refuses a call of too many or too few arguments, or of a wrong type.
///
/// # Errors
/// A planning error that names function, argument, type and what is allowed.
pub(super) fn check(function: &str, arguments: &[Argument], given: &[DataType]) -> Result<()> {
    if given.len() != arguments.len() {
        return plan_err!(
            "{function} takes {} arguments, not {}: {}",
            arguments.len(),
            given.len(),
            signature(function, arguments)
        );
    }
    for (at, (argument, given)) in arguments.iter().zip(given).enumerate() {
        if argument.kind.computed_as(given).is_none() {
            return plan_err!(
                "{function}: argument {} ({}) is of type {given}; allowed: {}",
                at + 1,
                argument.name,
                argument.kind.allowed()
            );
        }
    }
    Ok(())
}

/// `name(argument, …)`.
pub(super) fn signature(function: &str, arguments: &[Argument]) -> String {
    let names: Vec<_> = arguments.iter().map(|argument| argument.name).collect();
    format!("{function}({})", names.join(", "))
}

/// The rows of a call. Where any argument is null the row is, whatever stands in the other columns.
#[derive(Debug)]
pub(super) struct Rows {
    len: usize,
    columns: Vec<ArrayRef>,
    nulls: Option<NullBuffer>,
}

impl Rows {
    /// The arguments of a call as arrays of `len` rows, of the types of [`coerced`].
    pub(super) fn of(arguments: &[Argument], given: Vec<ColumnarValue>, len: usize) -> Result<Self> {
        let mut columns = Vec::with_capacity(given.len());
        for (at, value) in given.into_iter().enumerate() {
            let array = value.into_array(len)?;
            let computed_as = arguments.get(at).and_then(|argument| argument.kind.computed_as(array.data_type()));
            columns.push(match computed_as {
                Some(to) if to != *array.data_type() => cast(&array, &to)?,
                _ => array,
            });
        }
        let nulls = columns
            .iter()
            .fold(None, |nulls, column: &ArrayRef| NullBuffer::union(nulls.as_ref(), column.logical_nulls().as_ref()));
        Ok(Self { len, columns, nulls })
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Which rows have all arguments; none where all have.
    pub(super) fn nulls(&self) -> Option<&NullBuffer> {
        self.nulls.as_ref()
    }

    /// A column as it is.
    pub(super) fn column(&self, at: usize) -> &ArrayRef {
        &self.columns[at]
    }

    /// A column of numbers; of a null row the number means nothing.
    pub(super) fn numbers(&self, at: usize) -> &[f64] {
        self.columns[at].as_primitive::<Float64Type>().values()
    }

    /// A column of option types, and the rows whose text is none (a call stands in their place).
    pub(super) fn option_types(&self, at: usize) -> (Vec<OptionType>, Vec<usize>) {
        let mut unknown = Vec::new();
        let types = self.columns[at].as_string_view().iter().enumerate().map(|(row, text)| {
            let known = text.and_then(option_type);
            if known.is_none() && text.is_some() {
                unknown.push(row);
            }
            known.unwrap_or(OptionType::Call)
        });
        (types.collect(), unknown)
    }

    /// Results under the rows' nulls: what `is_valid` does not hold for is null too.
    pub(super) fn floats(&self, values: Vec<f64>, is_valid: impl Fn(usize) -> bool) -> ArrayRef {
        // No infinity leaves either, as in the tables of the batch commands.
        let valid = NullBuffer::from_iter((0..self.len).map(|row| values[row].is_finite() && is_valid(row)));
        let nulls = NullBuffer::union(self.nulls.as_ref(), Some(&valid));
        Arc::new(arrow_array::Float64Array::new(values.into(), nulls))
    }
}

/// An option type as the batch commands read it.
fn option_type(text: &str) -> Option<OptionType> {
    match text.trim() {
        text if text.eq_ignore_ascii_case("call") || text.eq_ignore_ascii_case("c") => Some(OptionType::Call),
        text if text.eq_ignore_ascii_case("put") || text.eq_ignore_ascii_case("p") => Some(OptionType::Put),
        _ => None,
    }
}
