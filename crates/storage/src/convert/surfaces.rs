//! A fitted surface as a row of `surfaces`.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray};
use jiff::Timestamp;
use zomma_pricing::surface::fitted::SavedSurface;

use crate::{
    error::{Result, StorageError},
    table::{INSTRUMENT, TIME, Table},
};

/// A surface as one row: the time of its quotes, its underlying, its model, and the whole of it as JSON.
///
/// # Errors
///
/// Where it does not say of which underlying and of which time it is.
pub fn surface(saved: &SavedSurface) -> Result<RecordBatch> {
    let missing = |column: &'static str, value: Option<&str>, allowed: &str| StorageError::Value {
        table: Table::Surfaces,
        row: 1,
        column,
        value: value.unwrap_or("nothing").to_owned(),
        allowed: allowed.to_owned(),
    };
    let underlying =
        saved.underlying.as_deref().ok_or_else(|| missing(INSTRUMENT, None, "the surface's underlying"))?;
    let time = saved.quote_time.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
    let time_ns = time.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    let allowed = "the surface's quote_time, a date-time with its offset";
    let time_ns = time_ns.ok_or_else(|| missing(TIME, saved.quote_time.as_deref(), allowed))?;
    let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampNanosecondArray::from(vec![time_ns]).with_timezone("UTC")),
        text(underlying),
        text(saved.surface.model().as_str()),
        text(&saved.to_json()),
    ];
    Ok(RecordBatch::try_new(Table::Surfaces.schema(), columns)?)
}
