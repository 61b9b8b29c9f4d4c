//! Rows of any source become chains: one an underlying and moment of quotes.

use std::collections::HashMap;

use jiff::civil::{Date, DateTime, Time};
use zomma_base::{ExerciseStyle, OccSymbol, OptionType, Settlement, Status, bounds, root};

use super::cell::{self, Cell, Moment, Number};
use super::columns::Column;
use super::{Chain, ChainError, Layout, MAX_CHAIN_ROWS, MAX_CHAINS, MAX_ROWS, Quotes, ReadOptions};

/// One row of a source.
pub(super) trait Row {
    /// The cell of a column; `Absent` where the source does not have the column.
    fn cell(&self, column: Column) -> Cell<'_>;
}

/// What is known of the whole file before its rows.
pub(super) struct FileFacts {
    pub path: String,
    pub layout: Layout,
    /// Our names of the columns that there are.
    pub present: Vec<&'static str>,
    /// New York time of the quotes that the layout says.
    pub quote_time: Option<Time>,
}

/// Collects rows.
pub(super) struct Builder<'o> {
    facts: FileFacts,
    options: &'o ReadOptions,
    /// The one underlying, where the rows do not say it.
    file_underlying: Option<String>,
    /// Whether rows tell the underlying, so that `--underlying` picks among them.
    rows_say_underlying: bool,
    wanted: Option<String>,
    underlyings: Vec<String>,
    underlying_ids: HashMap<String, u32>,
    chains: Vec<Building>,
    by_key: HashMap<(u32, Date, Option<Time>), usize>,
    current: Option<usize>,
    /// Rows before the first that says a quote date.
    orphans: Quotes,
    first_bad_date: Option<(u32, String)>,
    rows: u32,
    cache: Cache,
}

/// What the row before had, so that a repeated text is read once.
#[derive(Default)]
struct Cache {
    underlying: Vec<u8>,
    underlying_id: u32,
    quote_date: Vec<u8>,
    quote_moment: Option<Moment>,
    expiry: Vec<u8>,
    expiry_moment: Option<Moment>,
    key: Option<(u32, Date, Option<Time>)>,
}

/// A chain in the making.
struct Building {
    chain: Chain,
    root_ids: HashMap<String, u16>,
    last_root: u16,
    faults_noted: Vec<Status>,
}

/// One row, read.
struct ReadRow<'a> {
    number: u32,
    symbol: &'a [u8],
    root: &'a str,
    option_type: OptionType,
    strike: f64,
    expiry: DateTime,
    settlement: Settlement,
    exercise_style: Option<ExerciseStyle>,
    bid: f64,
    ask: f64,
    bid_size: f64,
    ask_size: f64,
    last: f64,
    volume: f64,
    open_interest: f64,
    implied_volatility: f64,
    status: Status,
}

impl<'o> Builder<'o> {
    pub fn new(facts: FileFacts, options: &'o ReadOptions) -> Result<Self, ChainError> {
        let has = |name: &str| facts.present.contains(&name);
        let rows_say_underlying = has("underlying") || has("symbol");
        let wanted = options.underlying.as_deref().map(|name| root::ticker(name).to_ascii_uppercase());
        let file_underlying = wanted.clone().or_else(|| ticker_of_file(&facts.path));
        if !rows_say_underlying && file_underlying.is_none() {
            return Err(ChainError::NoUnderlying { path: facts.path });
        }
        Ok(Self {
            facts,
            options,
            file_underlying,
            rows_say_underlying,
            wanted,
            underlyings: Vec::new(),
            underlying_ids: HashMap::new(),
            chains: Vec::new(),
            by_key: HashMap::new(),
            current: None,
            orphans: Quotes::default(),
            first_bad_date: None,
            rows: 0,
            cache: Cache::default(),
        })
    }

    /// Reads one row.
    pub fn push(&mut self, row: &impl Row) -> Result<(), ChainError> {
        if self.rows as usize >= MAX_ROWS {
            return Err(ChainError::TooManyRows { path: self.facts.path.clone() });
        }
        self.rows += 1;
        let symbol_text = row.cell(Column::Symbol).text();
        let symbol = if symbol_text.is_empty() { None } else { OccSymbol::from_bytes(symbol_text) };
        let underlying = self.underlying_id(row, symbol.as_ref());
        if self.rows_say_underlying
            && let (Some(wanted), Some(id)) = (&self.wanted, underlying)
            && self.underlyings[id as usize] != *wanted
        {
            return Ok(());
        }
        let moment = self.quote_moment(row);
        let at = match (underlying, moment) {
            (Some(id), Some(moment)) => Some(self.chain_at((id, moment.date, moment.time))?),
            _ => self.current,
        };
        let mut root_buffer = [0; 8];
        let root = row_root(row, symbol.as_ref(), &mut root_buffer);
        let mut read = self.read_row(row, symbol_text, symbol.as_ref(), root, underlying);
        if moment.is_none() && read.status.is_ok() {
            read.status = Status::BadQuoteDate;
        }
        if moment.is_none() && self.first_bad_date.is_none() {
            self.first_bad_date = Some((self.rows, row.cell(Column::QuoteDate).shown()));
        }
        let Some(at) = at else {
            read.append_to(&mut self.orphans, 0);
            return Ok(());
        };
        self.current = Some(at);
        let building = &mut self.chains[at];
        if building.chain.quotes.len() >= MAX_CHAIN_ROWS {
            return Err(ChainError::ChainTooLong {
                path: self.facts.path.clone(),
                row: self.rows,
                underlying: building.chain.underlying.clone(),
                quote_date: building.chain.quote_date,
            });
        }
        if building.chain.underlying_last.is_none() {
            let spot = row.cell(Column::Spot).number().or_nan();
            building.chain.underlying_last = bounds::SPOT.contains(spot).then_some(spot);
        }
        let root_id = building.root_id(read.root).ok_or_else(|| ChainError::TooManyRoots {
            path: self.facts.path.clone(),
            row: self.rows,
            allowed: usize::from(u16::MAX),
        })?;
        if !read.status.is_ok() {
            building.note_fault(read.status, self.rows, row);
        }
        read.append_to(&mut building.chain.quotes, root_id);
        Ok(())
    }

    /// The chains, in order of date, time and underlying. `found` lists the columns for an error.
    pub fn finish(mut self, found: String) -> Result<Vec<Chain>, ChainError> {
        let path = self.facts.path.clone();
        if self.rows == 0 {
            return Err(ChainError::NoRows { path, found });
        }
        if self.chains.is_empty() {
            if let Some((row, value)) = self.first_bad_date {
                let allowed = "2019-04-26, 04/26/2019 (month first), 20190426 or 26-Apr-2019, perhaps with a time";
                return Err(ChainError::BadField { path, row, field: "quote_date", value, allowed });
            }
            // The first of them are enough to see a misspelling by.
            let found = self.underlyings[..self.underlyings.len().min(20)].join(", ");
            return Err(match self.wanted {
                Some(wanted) => ChainError::UnderlyingAbsent { path, wanted, found },
                None => ChainError::NoUnderlying { path },
            });
        }
        if !self.orphans.is_empty() {
            let first = &mut self.chains[0];
            let root_id = if first.chain.quotes.roots.is_empty() { first.root_id("").unwrap_or(0) } else { 0 };
            first.chain.quotes.append(&self.orphans, root_id);
        }
        let mut chains: Vec<Chain> = self.chains.into_iter().map(|building| building.chain).collect();
        chains.sort_by(|a, b| {
            (a.quote_date, a.quote_time, &a.underlying).cmp(&(b.quote_date, b.quote_time, &b.underlying))
        });
        Ok(chains)
    }

    /// The row's underlying as an index into `underlyings`; `None` where neither the row nor the file says one.
    fn underlying_id(&mut self, row: &impl Row, symbol: Option<&OccSymbol>) -> Option<u32> {
        let text = row.cell(Column::Underlying).text();
        let mut name = if text.is_empty() { symbol.map_or(&b""[..], |symbol| symbol.root().as_bytes()) } else { text };
        if name.is_empty() {
            name = self.file_underlying.as_ref()?.as_bytes();
        }
        if self.underlyings.is_empty() || name != self.cache.underlying {
            let lossy = String::from_utf8_lossy(name).to_ascii_uppercase();
            let ticker = if text.is_empty() { root::underlying(&lossy) } else { root::ticker(&lossy) };
            let next = self.underlyings.len() as u32;
            let id = match self.underlying_ids.get(ticker) {
                Some(id) => *id,
                None => {
                    self.underlying_ids.insert(ticker.to_owned(), next);
                    self.underlyings.push(ticker.to_owned());
                    next
                }
            };
            self.cache.underlying = name.to_vec();
            self.cache.underlying_id = id;
        }
        Some(self.cache.underlying_id)
    }

    fn quote_moment(&mut self, row: &impl Row) -> Option<Moment> {
        let mut moment = match row.cell(Column::QuoteDate) {
            Cell::Text(text) => {
                if self.cache.quote_moment.is_none() || text != self.cache.quote_date {
                    self.cache.quote_moment = Cell::Text(text).moment();
                    self.cache.quote_date.clear();
                    self.cache.quote_date.extend_from_slice(text);
                }
                self.cache.quote_moment?
            }
            other => other.moment()?,
        };
        match row.cell(Column::QuoteTime) {
            Cell::Absent => moment.time = moment.time.or(self.facts.quote_time),
            Cell::Text(b"") => {}
            cell => moment.time = Some(cell.time()?),
        }
        Some(moment)
    }

    fn chain_at(&mut self, key: (u32, Date, Option<Time>)) -> Result<usize, ChainError> {
        if let (Some(at), true) = (self.current, self.cache.key == Some(key)) {
            return Ok(at);
        }
        if self.chains.len() >= MAX_CHAINS && !self.by_key.contains_key(&key) {
            return Err(ChainError::TooManyChains { path: self.facts.path.clone(), row: self.rows });
        }
        self.cache.key = Some(key);
        let next = self.chains.len();
        let at = *self.by_key.entry(key).or_insert(next);
        if at == next {
            let (id, quote_date, quote_time) = key;
            let underlying = self.underlyings[id as usize].clone();
            let mut notes = Vec::new();
            if !self.rows_say_underlying && self.options.underlying.is_none() {
                notes.push(format!("underlying {underlying} taken from the file's name; --underlying overrides"));
            }
            let quotes = Quotes { present: self.facts.present.clone(), ..Quotes::default() };
            self.chains.push(Building {
                chain: Chain {
                    source: self.facts.path.clone(),
                    layout: self.facts.layout,
                    underlying,
                    quote_date,
                    quote_time,
                    underlying_last: None,
                    notes,
                    quotes,
                },
                root_ids: HashMap::new(),
                last_root: 0,
                faults_noted: Vec::new(),
            });
        }
        self.current = Some(at);
        Ok(at)
    }

    fn expiry_moment(&mut self, row: &impl Row, symbol: Option<&OccSymbol>) -> Option<Moment> {
        match row.cell(Column::Expiry) {
            Cell::Text(text) if !text.is_empty() => {
                if self.cache.expiry_moment.is_none() || text != self.cache.expiry {
                    self.cache.expiry_moment = Cell::Text(text).moment();
                    self.cache.expiry.clear();
                    self.cache.expiry.extend_from_slice(text);
                }
                self.cache.expiry_moment
            }
            Cell::Absent | Cell::Text(_) => symbol.map(|symbol| Moment { date: symbol.expiry, time: None }),
            other => other.moment(),
        }
    }

    fn read_row<'a>(
        &mut self,
        row: &'a impl Row,
        symbol_text: &'a [u8],
        symbol: Option<&OccSymbol>,
        root: &'a str,
        underlying: Option<u32>,
    ) -> ReadRow<'a> {
        let mut status = Status::Ok;
        let mut fault = |is_bad: bool, what: Status| {
            if is_bad && status.is_ok() {
                status = what;
            }
        };
        let type_cell = row.cell(Column::OptionType);
        let option_type = match type_cell.text() {
            b"" => symbol.map(|symbol| symbol.option_type),
            text => cell::option_type(text),
        };
        fault(option_type.is_none(), Status::BadOptionType);
        let strike = match (row.cell(Column::Strike).number(), symbol) {
            (Number::Absent, Some(symbol)) => symbol.strike(),
            (number, _) => number.or_nan(),
        };
        fault(!bounds::STRIKE.contains(strike), Status::BadStrike);
        let expiry = self.expiry_moment(row, symbol);
        fault(expiry.is_none(), Status::BadExpiry);
        let bid = row.cell(Column::Bid).number();
        let ask = row.cell(Column::Ask).number();
        fault(is_bad_quote(bid) || is_bad_quote(ask), Status::BadQuote);
        let style_cell = row.cell(Column::ExerciseStyle).text();
        let exercise_style = cell::exercise_style(style_cell);
        fault(!style_cell.is_empty() && exercise_style.is_none(), Status::BadExerciseStyle);

        let settlement = match (cell::settlement(row.cell(Column::Settlement)), expiry) {
            (Some(settlement), _) => settlement,
            (None, Some(Moment { time: Some(time), .. })) if time.hour() < 12 => Settlement::Am,
            (None, Some(Moment { time: Some(_), .. })) => Settlement::Pm,
            (None, Some(Moment { date, time: None })) if root.is_empty() => {
                underlying.map_or(Settlement::Pm, |id| root::settlement_on(&self.underlyings[id as usize], date))
            }
            (None, _) => root::settlement(root),
        };
        let number = |column: Column| row.cell(column).number().or_nan();
        ReadRow {
            number: self.rows,
            symbol: symbol_text,
            root,
            option_type: option_type.unwrap_or(OptionType::Call),
            strike,
            expiry: expiry.map_or(DateTime::ZERO, Moment::datetime),
            settlement,
            exercise_style,
            bid: bid.or_nan(),
            ask: ask.or_nan(),
            bid_size: number(Column::BidSize),
            ask_size: number(Column::AskSize),
            last: number(Column::Last),
            volume: number(Column::Volume),
            open_interest: number(Column::OpenInterest),
            implied_volatility: number(Column::ImpliedVolatility),
            status,
        }
    }
}

impl Building {
    /// The index of a root, the underlying's ticker where the row has none; `None` where there are too many.
    fn root_id(&mut self, name: &str) -> Option<u16> {
        let name = if name.is_empty() { self.chain.underlying.as_str() } else { name };
        let roots = &mut self.chain.quotes.roots;
        if roots.get(usize::from(self.last_root)).is_some_and(|last| last == name) {
            return Some(self.last_root);
        }
        let id = match self.root_ids.get(name) {
            Some(id) => *id,
            None => {
                let id = u16::try_from(roots.len()).ok().filter(|id| *id < u16::MAX)?;
                self.root_ids.insert(name.to_owned(), id);
                roots.push(name.to_owned());
                id
            }
        };
        self.last_root = id;
        Some(id)
    }

    #[cold]
    fn note_fault(&mut self, status: Status, number: u32, row: &impl Row) {
        if self.faults_noted.contains(&status) {
            return;
        }
        self.faults_noted.push(status);
        let shown = |column: Column| format!("{} {:?}", column.name(), row.cell(column).shown());
        let (value, allowed) = match status {
            Status::BadOptionType => (shown(Column::OptionType), "call, put, C or P".to_owned()),
            Status::BadStrike => (shown(Column::Strike), bounds::STRIKE.to_string()),
            Status::BadExpiry => (shown(Column::Expiry), "a date or date-time".to_owned()),
            Status::BadQuoteDate => {
                (format!("{}, {}", shown(Column::QuoteDate), shown(Column::QuoteTime)), "a date, a time".to_owned())
            }
            Status::BadExerciseStyle => (shown(Column::ExerciseStyle), "european or american".to_owned()),
            _ => (format!("{}, {}", shown(Column::Bid), shown(Column::Ask)), bounds::BID.to_string()),
        };
        self.chain.notes.push(format!("row {number}: {status}: {value}; allowed: {allowed}"));
    }
}

impl ReadRow<'_> {
    fn append_to(&self, quotes: &mut Quotes, root_id: u16) {
        quotes.source_row.push(self.number);
        quotes.symbol.push(&String::from_utf8_lossy(self.symbol));
        quotes.root.push(root_id);
        quotes.option_type.push(self.option_type);
        quotes.strike.push(self.strike);
        quotes.expiry.push(self.expiry);
        quotes.settlement.push(self.settlement);
        quotes.exercise_style.push(self.exercise_style);
        quotes.bid.push(self.bid);
        quotes.ask.push(self.ask);
        quotes.bid_size.push(self.bid_size);
        quotes.ask_size.push(self.ask_size);
        quotes.last.push(self.last);
        quotes.volume.push(self.volume);
        quotes.open_interest.push(self.open_interest);
        quotes.vendor_implied_volatility.push(self.implied_volatility);
        quotes.status.push(self.status);
    }
}

/// A quote is absent, or finite and not below zero.
fn is_bad_quote(quote: Number) -> bool {
    match quote {
        Number::Absent => false,
        Number::Is(value) => !bounds::BID.contains(value),
        Number::Unreadable => true,
    }
}

/// The row's option root: the symbol's, else the column's; empty where there is neither.
fn row_root<'a>(row: &'a impl Row, symbol: Option<&OccSymbol>, buffer: &'a mut [u8; 8]) -> &'a str {
    if let Some(symbol) = symbol {
        let bytes = symbol.root().as_bytes();
        buffer[..bytes.len()].copy_from_slice(bytes);
        return std::str::from_utf8(&buffer[..bytes.len()]).unwrap_or_default();
    }
    root::ticker(std::str::from_utf8(row.cell(Column::Root).text()).unwrap_or_default())
}

/// The first word of the file's name, where it can be a ticker: `aapl_american_chain_201406.csv` is AAPL.
fn ticker_of_file(path: &str) -> Option<String> {
    const GENERIC: [&str; 12] =
        ["CHAIN", "CHAINS", "OPTION", "QUOTE", "QUOTES", "DATA", "FILE", "INPUT", "TEST", "TMP", "EOD", "STDIN"];
    let name = path.rsplit(['/', '\\', '!']).next()?;
    let word = name.split(|c: char| !c.is_ascii_alphanumeric()).next()?.to_ascii_uppercase();
    let is_ticker = (1..=6).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_ticker && !GENERIC.contains(&word.as_str())).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_may_say_the_ticker() {
        assert_eq!(ticker_of_file("/x/aapl_american_chain_201406_daily.csv").as_deref(), Some("AAPL"));
        assert_eq!(ticker_of_file("a.tar!SPX-2019.csv").as_deref(), Some("SPX"));
        for name in ["chain.csv", "20190425.csv", "", "_.csv", "averylongname.csv", "/x/"] {
            assert_eq!(ticker_of_file(name), None, "{name}");
        }
    }
}
