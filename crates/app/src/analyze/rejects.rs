//! `--rejects FILE`: every row that was dropped, with its reason.

use std::{io::Write, path::Path};

use anyhow::Context;
use zomma_base::Status;
use zomma_market::chain::Chain;

use super::{candidates::float, outcome::DayOutcome};
use crate::output_file::AtomicFile;

/// Columns of the file.
const HEADER: &str = "source,quote_date,row,symbol,root,option_type,strike,expiry,bid,ask,status\n";

/// Opens the file before the work, so that one that cannot be written is found then.
pub fn create(path: &Path) -> anyhow::Result<AtomicFile> {
    AtomicFile::create(path).with_context(|| format!("--rejects {}: cannot write there", path.display()))
}

/// The rejected rows of one date as lines of CSV.
pub fn lines(chain: &Chain, status: &[Status]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let quotes = &chain.quotes;
    for (row, status) in status.iter().enumerate().filter(|(_, status)| !status.is_ok()) {
        let record = [
            chain.source.as_str(),
            &chain.quote_date.to_string(),
            &quotes.source_row[row].to_string(),
            quotes.symbol.get(row),
            quotes.root_of(row),
            quotes.option_type[row].as_str(),
            &float(quotes.strike[row]),
            &quotes.expiry[row].to_string(),
            &float(quotes.bid[row]),
            &float(quotes.ask[row]),
            status.as_str(),
        ];
        // A Vec takes every byte, and every record has the header's length.
        let _ = writer.write_record(record);
    }
    writer.into_inner().unwrap_or_default()
}

/// Writes the rows of all dates, those without an analysis too, in order.
pub fn write(mut file: AtomicFile, days: &[DayOutcome]) -> anyhow::Result<()> {
    file.write_all(HEADER.as_bytes())?;
    for day in days {
        file.write_all(&day.rows.rejects)?;
    }
    Ok(file.commit()?)
}
