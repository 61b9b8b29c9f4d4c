//! A table of volatilities as quotes: `strike` or `log_moneyness`, `expiry_years`, `forward`, `implied_volatility`, and where there are
//! such columns `bid_volatility`, `ask_volatility` and `open_interest`.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, bail};
use zomma_base::Status;
use zomma_pricing::surface::{VolatilityRows, fitted::Quoted, row_notes, slices_of};

use super::quotes::Quotes;
use crate::batch;

/// The columns that are read.
const COLUMNS: [&str; 8] = [
    "strike",
    "log_moneyness",
    "expiry_years",
    "forward",
    "implied_volatility",
    "bid_volatility",
    "ask_volatility",
    "open_interest",
];

/// Whether a table of these columns has volatilities and no prices to take them from.
pub fn is_vol_table(columns: &[String]) -> bool {
    let has = |name: &str| columns.iter().any(|column| column == name);
    has("implied_volatility") && has("expiry_years") && !(has("bid") && has("ask"))
}

/// Refuses a table of volatilities whose header, read as one column, has something else than commas between its cells.
pub fn refuse_other_delimiter(path: &Path, header: &str) -> anyhow::Result<()> {
    let is_between = |delimiter: &char| {
        let columns: Vec<String> = header.split(*delimiter).map(|column| column.trim().into()).collect();
        is_vol_table(&columns)
    };
    match [';', '\t', '|'].into_iter().find(is_between) {
        Some(delimiter) => bail!("{}: cells are parted by {delimiter:?}; allowed: commas", path.display()),
        None => Ok(()),
    }
}

/// Reads a table of volatilities.
pub fn read(path: &Path) -> anyhow::Result<Quotes> {
    let name = path.display().to_string();
    let source = batch::open(path)?;
    let columns = source.columns().to_vec();
    if let [header] = &columns[..] {
        refuse_other_delimiter(path, header)?;
    }
    let batch::NumberColumns { columns: numbers, rows, faults } =
        batch::read_numbers(source, &COLUMNS).with_context(|| name.clone())?;
    // One entry a name, in the order of COLUMNS.
    let [strike, log_moneyness, years, forward, vol, bid, ask, interest]: [Option<Vec<f64>>; 8] =
        numbers.try_into().unwrap_or_default();
    if strike.is_none() && log_moneyness.is_none() {
        bail!("{name}: missing column strike or log_moneyness; found [{}]", columns.join(", "));
    }
    let Some(years) = years else { bail!("{name}: missing column expiry_years; found [{}]", columns.join(", ")) };
    let Some(vol) = vol else { bail!("{name}: missing column implied_volatility; found [{}]", columns.join(", ")) };
    if forward.is_none() && log_moneyness.is_none() {
        bail!("{name}: missing column forward, which a strike needs; found [{}]", columns.join(", "));
    }
    let cells = |column: &'_ Option<Vec<f64>>| column.clone().unwrap_or_default();
    let (strike, log_moneyness, forward) = (cells(&strike), cells(&log_moneyness), cells(&forward));
    let (bid, ask, interest) = (cells(&bid), cells(&ask), cells(&interest));
    let table = VolatilityRows {
        strike: &strike,
        log_moneyness: &log_moneyness,
        expiry_years: &years,
        forward: &forward,
        implied_volatility: &vol,
        bid_volatility: &bid,
        ask_volatility: &ask,
        open_interest: &interest,
    };
    let (slices, status) = slices_of(&table);
    let of_rows = row_notes(&table, &status, 1);
    let mut notes = Vec::new();
    notes.extend(other_forwards(&years, &forward, &status));
    notes.extend(outside_their_spread(&vol, &bid, &ask, &status));
    notes.extend(faults);
    if slices.is_empty() {
        let why: Vec<String> = of_rows.iter().map(ToString::to_string).chain(notes).collect();
        bail!("{name}: no usable row of {rows}: {}", why.join("; "));
    }
    let quoted = Quoted { notes: of_rows, ..Quoted::of_slices(slices, None) };
    Ok(Quotes { source: name, one_of_many: false, label: None, quoted, notes })
}

/// A remark where a volatility is not between its own bid and ask: those rows are fitted as they stand.
fn outside_their_spread(vol: &[f64], bid: &[f64], ask: &[f64], status: &[Status]) -> Option<String> {
    let side = |column: &[f64], row: usize| column.get(row).copied().unwrap_or(f64::NAN);
    let mut outside = status.iter().enumerate().filter(|(_, status)| status.is_ok()).filter_map(|(row, _)| {
        let (bid, mid, ask) = (side(bid, row), vol[row], side(ask, row));
        (bid > mid || mid > ask).then_some((row + 1, bid, mid, ask))
    });
    let (row, bid, mid, ask) = outside.next()?;
    let count = 1 + outside.count();
    Some(format!(
        "{count} rows have an implied_volatility outside bid_volatility and ask_volatility: row {row}, {mid} is not within {bid} and {ask}"
    ))
}

/// A remark where rows of one expiry have several forwards: a slip more often than not.
fn other_forwards(years: &[f64], forward: &[f64], status: &[Status]) -> Option<String> {
    const SAME: f64 = 1e-6;
    let mut first: BTreeMap<u64, f64> = BTreeMap::new();
    let mut others = (0, None);
    for (row, &forward) in forward.iter().enumerate().filter(|(row, _)| status[*row].is_ok()) {
        let before = *first.entry(years[row].to_bits()).or_insert(forward);
        if (forward / before - 1.0).abs() > SAME {
            others.0 += 1;
            others.1.get_or_insert((row + 1, years[row], forward, before));
        }
    }
    let (row, years, forward, before) = others.1?;
    let count = others.0;
    Some(format!(
        "{count} rows have another forward than their expiry: row {row}, forward = {forward} at expiry_years {years}, where it was {before}"
    ))
}
