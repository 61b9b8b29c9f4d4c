//! The findings of all days as one CSV table.

use std::{io::Write, path::Path};

use anyhow::Context;

use super::rows::DayFindings;
use crate::{analyze::float, output_file::AtomicFile};

/// Columns of the file.
const HEADER: [&str; 18] = [
    "quote_date",
    "underlying",
    "kind",
    "standing",
    "root",
    "expiry",
    "far_expiry",
    "exercise_style",
    "edge",
    "edge_after_fees",
    "profit_per_unit",
    "units",
    "lot",
    "worst_payoff",
    "locked_rate",
    "excess_rate",
    "assumes",
    "legs",
];

/// Opens the file before the work, so that one that cannot be written is found then.
pub fn create(path: &Path) -> anyhow::Result<AtomicFile> {
    AtomicFile::create(path).with_context(|| format!("-o {}: cannot write there", path.display()))
}

/// Writes the findings of all days, in order.
pub fn write(mut file: AtomicFile, days: &[DayFindings]) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    let optional = |value: Option<f64>| value.map(float).unwrap_or_default();
    for day in days {
        for row in &day.findings {
            let assumes: Vec<&str> = row.assumes.iter().map(|assumption| assumption.as_str()).collect();
            writer.write_record([
                day.quote_date.as_str(),
                &day.underlying,
                row.kind.as_str(),
                row.standing.as_str(),
                &row.root,
                &row.expiry,
                row.far_expiry.as_deref().unwrap_or_default(),
                row.exercise_style,
                &float(row.edge),
                &float(row.edge_after_fees),
                &float(row.profit_per_unit),
                &optional(row.units),
                &row.lot.map(|lot| lot.to_string()).unwrap_or_default(),
                &float(row.worst_payoff),
                &optional(row.locked_rate),
                &optional(row.excess_rate),
                &assumes.join(" "),
                &row.words(),
            ])?;
        }
    }
    file.write_all(&writer.into_inner()?)?;
    Ok(file.commit()?)
}
