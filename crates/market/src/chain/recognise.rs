//! Which column is which, and which layout that makes.

use jiff::civil::{Time, time};
use zomma_base::OccSymbol;

use super::columns::{COUNT, Column, TABLE, names_of_columns, normalized};
use super::{ChainError, Layout, ReadOptions};

/// Rows looked at to tell a column of OCC symbols from one of tickers.
pub(super) const SAMPLE_ROWS: usize = 32;
/// Columns that an error lists.
const LISTED: usize = 60;

/// The header of a file and its first rows, as text.
pub(super) struct Table<'a> {
    pub path: &'a str,
    pub header: &'a [String],
    /// Rows by columns; a row may be short.
    pub sample: &'a [Vec<String>],
}

/// Where each column stands.
#[derive(Clone, Debug)]
pub(super) struct Recognised {
    pub layout: Layout,
    /// By `Column as usize`.
    pub index: [Option<usize>; COUNT],
    /// New York time that the columns' names say.
    pub quote_time: Option<Time>,
}

impl Recognised {
    /// Our names of the columns that there are.
    pub fn present(&self) -> Vec<&'static str> {
        TABLE.iter().filter(|names| self.index[names.column as usize].is_some()).map(|names| names.ours).collect()
    }

    fn has(&self, column: Column) -> bool {
        self.index[column as usize].is_some()
    }
}

/// A layout and what it needs.
struct Needs {
    name: &'static str,
    columns: &'static [&'static str],
}

const NEEDS: [Needs; 5] = [
    Needs { name: "zomma", columns: &["quote_date", "expiry", "strike", "option_type", "bid", "ask"] },
    Needs { name: "zomma with OCC symbols", columns: &["quote_date", "symbol", "bid", "ask"] },
    Needs {
        name: "cboe_end_of_day",
        columns: &["underlying", "optionroot", "type", "expiration", "quotedate", "strike", "bid", "ask"],
    },
    Needs { name: "lean", columns: &["date", "expiration", "strike", "type", "bid_close", "ask_close"] },
    Needs { name: "cboe_delayed_quotes (JSON)", columns: &["data.options[].option", "bid", "ask", "timestamp"] },
];

/// Finds the columns of a table, or says what is missing.
pub(super) fn recognise(table: &Table<'_>, options: &ReadOptions) -> Result<Recognised, ChainError> {
    let mut finder = Finder::new(table);
    let mut index = [None; COUNT];
    for (ours, theirs) in &options.column_map {
        let column = Column::from_name(ours).ok_or_else(|| ChainError::MapUnknown {
            ours: ours.clone(),
            theirs: theirs.clone(),
            allowed: names_of_columns(),
        })?;
        let at = finder.exact(theirs).ok_or_else(|| ChainError::MapAbsent {
            path: table.path.to_owned(),
            ours: ours.clone(),
            theirs: theirs.clone(),
            found: listed(table.header),
        })?;
        finder.taken[at] = true;
        index[column as usize] = Some(at);
    }
    for names in &TABLE {
        let slot = &mut index[names.column as usize];
        if slot.is_none() {
            *slot = finder.find(names.column);
        }
    }
    let mut found = Recognised { layout: Layout::Mapped, index, quote_time: None };
    let names_contract = found.has(Column::Symbol)
        || [Column::Expiry, Column::Strike, Column::OptionType].iter().all(|column| found.has(*column));
    let has_quote = [Column::QuoteDate, Column::Bid, Column::Ask].iter().all(|column| found.has(*column));
    if !(names_contract && has_quote) {
        return Err(ChainError::Unrecognised {
            path: table.path.to_owned(),
            found: listed(table.header),
            needed: needed(table.header),
        });
    }
    found.layout = layout(&finder, &found, options);
    let bid = &finder.normalized[found.index[Column::Bid as usize].unwrap_or_default()];
    if bid == "bid1545" && !found.has(Column::QuoteTime) {
        found.quote_time = Some(time(15, 45, 0, 0));
    }
    Ok(found)
}

/// The layouts and their columns, those first that miss the fewest in this header, and what the nearest misses.
pub(super) fn needed(header: &[String]) -> String {
    let have: Vec<String> = header.iter().map(|name| normalized(name)).collect();
    let missing = |needs: &Needs| -> Vec<&'static str> {
        needs.columns.iter().copied().filter(|column| !have.contains(&normalized(column))).collect()
    };
    let mut layouts: Vec<(Vec<&'static str>, &Needs)> = NEEDS.iter().map(|needs| (missing(needs), needs)).collect();
    layouts.sort_by_key(|(missing, needs)| missing.len() + 100 * usize::from(missing.len() == needs.columns.len()));
    let (nearest_missing, nearest) = &layouts[0];
    let all: Vec<String> =
        layouts.iter().map(|(_, needs)| format!("{}: {}", needs.name, needs.columns.join(", "))).collect();
    format!(
        "{}. Nearest is {}, which misses {}; --map ours=theirs names columns",
        all.join("; "),
        nearest.name,
        nearest_missing.join(", ")
    )
}

/// The header as an error shows it.
pub(crate) fn listed(header: &[String]) -> String {
    let mut shown: Vec<String> = header.iter().take(LISTED).map(|name| name.chars().take(40).collect()).collect();
    if header.len() > LISTED {
        shown.push(format!("and {} more", header.len() - LISTED));
    }
    shown.join(", ")
}

struct Finder<'a> {
    table: &'a Table<'a>,
    normalized: Vec<String>,
    taken: Vec<bool>,
}

impl<'a> Finder<'a> {
    fn new(table: &'a Table<'a>) -> Self {
        let normalized = table.header.iter().map(|name| normalized(name)).collect();
        Self { table, normalized, taken: vec![false; table.header.len()] }
    }

    fn exact(&self, name: &str) -> Option<usize> {
        let same = |header: &String| header == name;
        self.table.header.iter().position(same).or_else(|| {
            let wanted = normalized(name);
            self.normalized.iter().position(|header| *header == wanted)
        })
    }

    fn named(&self, name: &str) -> Option<usize> {
        (0..self.normalized.len()).find(|at| !self.taken[*at] && self.normalized[*at] == name)
    }

    /// The column by our name, else by a synonym. A column that may hold symbols, roots or tickers is told by its content.
    fn find(&self, column: Column) -> Option<usize> {
        let names = &TABLE[column as usize];
        let ours = normalized(names.ours);
        let mut candidates =
            std::iter::once(ours.as_str()).chain(names.synonyms.iter().copied()).filter_map(|name| self.named(name));
        match column {
            Column::Symbol => candidates.find(|at| self.holds_symbols(*at) != Some(false)),
            Column::Root => candidates.find(|at| self.holds_symbols(*at) == Some(false)),
            Column::Underlying => {
                candidates.next().or_else(|| self.named("symbol").filter(|at| self.holds_symbols(*at) == Some(false)))
            }
            _ => candidates.next(),
        }
    }

    /// Whether one of the first rows has an OCC symbol there; `None` where there are no rows.
    fn holds_symbols(&self, at: usize) -> Option<bool> {
        let mut cells =
            self.table.sample.iter().filter_map(|row| row.get(at)).filter(|cell| !cell.is_empty()).peekable();
        cells.peek()?;
        Some(cells.any(|cell| OccSymbol::from_bytes(cell.as_bytes()).is_some()))
    }

    fn first_cell(&self, at: Option<usize>) -> &str {
        let cell = |row: &'a Vec<String>| at.and_then(|at| row.get(at)).filter(|cell| !cell.is_empty());
        self.table.sample.iter().find_map(cell).map_or("", String::as_str)
    }
}

fn layout(finder: &Finder<'_>, found: &Recognised, options: &ReadOptions) -> Layout {
    let is_named =
        |column: Column, name: &str| found.index[column as usize].is_some_and(|at| finder.normalized[at] == name);
    let is_cboe = is_named(Column::Symbol, "optionroot")
        && is_named(Column::QuoteDate, "quotedate")
        && is_named(Column::Expiry, "expiration");
    if is_cboe {
        let date = finder.first_cell(found.index[Column::QuoteDate as usize]);
        return if date.contains('/') { Layout::CboeEndOfDay } else { Layout::CboeEndOfDayIso };
    }
    if is_named(Column::Bid, "bidclose") && is_named(Column::Ask, "askclose") && is_named(Column::QuoteDate, "date") {
        return Layout::Lean;
    }
    let is_ours = TABLE
        .iter()
        .all(|names| found.index[names.column as usize].is_none_or(|at| finder.table.header[at].trim() == names.ours));
    if is_ours && options.column_map.is_empty() { Layout::Zomma } else { Layout::Mapped }
}
