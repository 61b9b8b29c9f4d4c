//! Bars of a day whose rows were all taken away.

use jiff::civil::Date;

use super::state::DroppedDays;
use crate::{
    error::Result,
    parquet::{DataFile, files, layout::RULE_WRITER},
    place::Place,
    table::Table,
};

/// Takes away the bars that rules made of a table's rows of a day, and the bars of those, where nothing that they are of is left; whether there were any.
/// For a day whose last rows were taken away as wrong: of one that retention dropped the bars stay, also where rows came late and are gone again.
///
/// # Errors
///
/// Where the store fails: what is gone is gone, and the same again goes on.
pub async fn forget_emptied(place: &Place, table: Table, date: Date) -> Result<bool> {
    let mut has_any = false;
    if !matches!(table, Table::Ticks | Table::Bars) {
        return Ok(has_any);
    }
    for from in [table, Table::Bars] {
        if DroppedDays::read(place, from).await?.contains(date) {
            return Ok(has_any);
        }
        // Bars of bars go after the bars that they are of.
        while let Some(file) = orphan(place, from, date).await? {
            place.delete(&file.meta.location).await?;
            has_any = true;
        }
    }
    Ok(has_any)
}

/// A file of bars of a day that a rule made of a table's rows, of which none are left.
async fn orphan(place: &Place, from: Table, date: Date) -> Result<Option<DataFile>> {
    let sources = files(place, from, Some(date)).await?;
    let bars = files(place, Table::Bars, Some(date)).await?;
    // `ticks-bars-1m` is of ticks, `bars-1m-bars-1h` of what ends in `-bars-1m` and of bars that no rule made.
    let begins = format!("{RULE_WRITER}{from}-");
    let is_orphan = |file: &DataFile| {
        let Some(rest) = file.writer.strip_prefix(&begins) else { return false };
        let made = rest.split_once("-bars-").map(|(interval, _)| format!("-{}-{interval}", Table::Bars));
        let is_source = |source: &DataFile| match source.writer.strip_prefix(RULE_WRITER) {
            Some(name) => made.as_ref().is_some_and(|made| name.ends_with(made.as_str())),
            None => true,
        };
        !sources.iter().any(is_source)
    };
    Ok(bars.into_iter().find(is_orphan))
}
