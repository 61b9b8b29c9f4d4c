//! The three CSV tables: a row a day, a row a strike, a row an expiry.

use std::io::Write;

use super::rows::{DayFeatures, SkewRow};
use crate::{analyze::float, output_file::AtomicFile};

/// Which table.
#[derive(Clone, Copy, Debug)]
pub enum Table {
    /// A row a day.
    Days,
    /// Exposures by day and strike.
    Strikes,
    /// Skew and max pain by day and expiry.
    Expiries,
}

/// Columns of [`SkewRow::cells`].
const SKEW: [&str; 5] = ["atm", "rr25", "bf25", "skew_90_110", "slope"];

impl SkewRow {
    fn cells(&self) -> [String; 5] {
        [self.atm, self.rr25, self.bf25, self.skew_90_110, self.slope].map(optional)
    }
}

fn optional(value: Option<f64>) -> String {
    value.map(float).unwrap_or_default()
}

/// Writes the table of all days, in order.
pub fn write(mut file: AtomicFile, table: Table, days: &[DayFeatures]) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    match table {
        Table::Days => {
            let tenors = days.first().map_or([30.0, 90.0], |day| [day.tenors[0].days, day.tenors[1].days]);
            writer.write_record(day_header(tenors))?;
            for day in days {
                writer.write_record(day_cells(day))?;
            }
        }
        Table::Strikes => {
            writer.write_record([
                "quote_date",
                "underlying",
                "strike",
                "call_gamma_exposure",
                "put_gamma_exposure",
                "gamma_exposure",
                "vanna_exposure",
                "charm_exposure",
                "call_open_interest",
                "put_open_interest",
            ])?;
            for day in days {
                for at in &day.strikes {
                    let numbers = [
                        at.strike,
                        at.call_gamma,
                        at.put_gamma,
                        at.gamma,
                        at.vanna,
                        at.charm,
                        at.call_open_interest,
                        at.put_open_interest,
                    ];
                    let words = [day.quote_date.clone(), day.underlying.clone()];
                    writer.write_record(words.into_iter().chain(numbers.map(float)))?;
                }
            }
        }
        Table::Expiries => {
            let head = ["quote_date", "underlying", "root", "expiry", "expiry_years", "forward"];
            writer.write_record(head.iter().chain(&SKEW).chain(&["open_interest", "max_pain"]))?;
            for day in days {
                for at in &day.expiries {
                    let words = [
                        day.quote_date.clone(),
                        day.underlying.clone(),
                        at.root.clone(),
                        at.expiry.clone(),
                        float(at.expiry_years),
                        optional(at.forward),
                    ];
                    let last = [float(at.open_interest), optional(at.max_pain)];
                    writer.write_record(words.into_iter().chain(at.skew.cells()).chain(last))?;
                }
            }
        }
    }
    file.write_all(&writer.into_inner()?)?;
    Ok(file.commit()?)
}

fn day_header(tenors: [f64; 2]) -> Vec<String> {
    let mut header: Vec<String> = ["quote_date", "underlying", "spot"].map(str::to_owned).into();
    for days in tenors {
        header.extend(SKEW.map(|name| format!("{name}_{days}d")));
    }
    header.extend(
        [
            "term_slope",
            "put_call_volume",
            "put_call_open_interest",
            "gamma_exposure",
            "call_gamma_exposure",
            "put_gamma_exposure",
            "zero_gamma",
            "vanna_exposure",
            "charm_exposure",
            "open_interest_covered",
            "max_pain",
            "max_pain_expiry",
            "dealers",
        ]
        .map(str::to_owned),
    );
    header
}

fn day_cells(day: &DayFeatures) -> Vec<String> {
    let mut cells = vec![day.quote_date.clone(), day.underlying.clone(), float(day.spot)];
    for tenor in &day.tenors {
        cells.extend(tenor.skew.cells());
    }
    cells.extend([
        optional(day.term_slope),
        optional(day.volume.ratio),
        optional(day.open_interest.ratio),
        float(day.gamma_exposure),
        float(day.call_gamma_exposure),
        float(day.put_gamma_exposure),
        optional(day.zero_gamma),
        float(day.vanna_exposure),
        float(day.charm_exposure),
        optional(day.open_interest_covered),
        optional(day.max_pain),
        day.max_pain_expiry.clone().unwrap_or_default(),
        day.dealers.as_str().to_owned(),
    ]);
    cells
}
