//! A table of positions, read whole: the columns that are valued, and the group that each row belongs to.

use std::collections::{BTreeMap, HashMap};

use anyhow::bail;
use zomma_base::{OptionType, Status};
use zomma_pricing::{
    black::Model,
    portfolio::{Held, Positions, Shock, Totals},
    valuation::{self, Kind, Order, Settings, Table},
};
use zomma_risk::Scenario;

use super::{
    Units, Verb,
    arrow_cells::ArrowCells,
    csv_cells::CsvCells,
    engine::Engine,
    fields::{Defaults, Field, Layout},
    implied,
    request::{Cells, Request},
    source::{Chunk, Source},
    tally,
};
use crate::failure::shown;

/// Positions by row, and their groups.
#[derive(Debug, Default)]
pub struct Book {
    /// Rows that could be read and that Black's formulae value, in the input's order.
    pub positions: Positions,
    /// Those of other models, styles and contracts.
    pub others: Others,
    /// Row of the input of each, from 1.
    row: Vec<u64>,
    /// The cells that make each group one: the currency where there is such a column, then those asked for.
    pub groups: Vec<Vec<String>>,
    /// Names of these cells.
    pub keys: Vec<String>,
    /// Rows that could not be read, by group and fault.
    pub unread: Vec<BTreeMap<Status, u64>>,
    /// All rows of the input.
    pub rows: u64,
    /// The first row of each fault, and that in words.
    pub examples: BTreeMap<Status, (u64, String)>,
}

/// Positions that are valued row by row, with volatilities where prices were given.
#[derive(Debug, Default)]
pub struct Others {
    table: Table,
    quantity: Vec<f64>,
    multiplier: Vec<f64>,
    group: Vec<u32>,
    /// Row of the input of each, from 1.
    row: Vec<u64>,
}

impl Others {
    /// Their sums in the moved market, and the first row of each fault that this brings.
    pub fn sums(&self, groups: usize, shock: Shock) -> (Totals, BTreeMap<Status, (u64, String)>) {
        let scenario = Scenario {
            spot_change: shock.spot_factor - 1.0,
            volatility_shift: shock.volatility_shift,
            ..Scenario::NONE
        };
        let table = if shock == Shock::NONE { self.table.clone() } else { zomma_risk::moved(&self.table, &scenario) };
        let results = valuation::evaluate(&table, Order::All, &Settings::default());
        let held = Held { table: &table, quantity: &self.quantity, multiplier: &self.multiplier, group: &self.group };
        let mut examples = BTreeMap::new();
        for (i, &status) in results.status.iter().enumerate() {
            // What is wrong with the row as it stands was found as it was read.
            let (status, words) = match held.shares(i) {
                _ if !status.has_numbers() && shock == Shock::NONE => (status, "a Greek of it"),
                _ if !status.has_numbers() => (status, "in the moved market"),
                Err(Status::BadQuantity) => (Status::BadQuantity, "quantity is no finite number"),
                Err(Status::BadMultiplier) => (Status::BadMultiplier, "multiplier; allowed: above zero"),
                Err(fault) => (fault, "quantity times multiplier is too large for a float"),
                Ok(_) => continue,
            };
            examples.entry(status).or_insert_with(|| (self.row[i], format!("row {}, {words}", self.row[i])));
        }
        (held.sums(&results, groups), examples)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.row.is_empty()
    }
}

/// Which columns of the input are read beside those of `price` and `iv`.
pub(super) struct Columns {
    quantity: usize,
    multiplier: Option<usize>,
    pub keys: Vec<usize>,
}

impl Columns {
    pub fn of(layout: &Layout, by: &[String]) -> anyhow::Result<Self> {
        let at = |name: &str| -> anyhow::Result<Option<usize>> {
            let mut found = layout.names.iter().enumerate().filter(|(_, column)| *column == name).map(|(at, _)| at);
            let first = found.next();
            if let Some(second) = found.next() {
                bail!("column {name} stands twice in the header (the second is column {})", second + 1);
            }
            Ok(first)
        };
        let Some(quantity) = at("quantity")? else {
            bail!("missing column quantity; found [{}]", found(&layout.names))
        };
        let mut keys: Vec<usize> = at("currency")?.into_iter().collect();
        for name in by {
            let Some(column) = at(name)? else {
                bail!("--by {}: no such column; found [{}]", shown(name), found(&layout.names))
            };
            if !keys.contains(&column) {
                keys.push(column);
            }
        }
        Ok(Self { quantity, multiplier: at("multiplier")?, keys })
    }
}

impl Columns {
    /// Quantity and multiplier of a row, NaN where a cell is no number; the multiplier is 1 where there is none.
    pub fn shares(&self, cells: &dyn Cells, row: usize) -> (f64, f64) {
        let number = |column: usize| cells.show(row, column).trim().parse::<f64>().unwrap_or(f64::NAN);
        let multiplier = self.multiplier.filter(|&column| !cells.show(row, column).trim().is_empty());
        (number(self.quantity), multiplier.map_or(1.0, number))
    }
}

/// Groups by the cells that make them one, numbered as they appear.
#[derive(Debug, Default)]
pub(super) struct Groups {
    number: HashMap<Vec<String>, u32>,
    pub names: Vec<Vec<String>>,
}

impl Groups {
    /// The group of a row.
    pub fn of(&mut self, columns: &Columns, cells: &dyn Cells, row: usize) -> u32 {
        let key: Vec<String> = columns.keys.iter().map(|&column| cells.show(row, column).trim().to_owned()).collect();
        *self.number.entry(key).or_insert_with_key(|key| {
            self.names.push(key.clone());
            (self.names.len() - 1) as u32
        })
    }
}

pub(super) fn found(names: &[String]) -> String {
    names.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ")
}

/// Reads a table to its end. Volatilities are taken where there is such a column or no row needs one, else prices.
pub fn read(mut source: Source, by: &[String], defaults: Defaults, engine: &Engine) -> anyhow::Result<Book> {
    let has = |name: &str| source.columns().iter().any(|column| column == name);
    if !has("volatility") && !has("price") && !has("v0") {
        bail!(
            "missing column volatility (or price, of which the volatility is taken); found [{}]",
            found(source.columns())
        );
    }
    let prices = has("price") && !has("volatility") && !has("v0");
    let verb = if prices { Verb::ImpliedVolatility } else { Verb::Price(Order::None, Units::Raw) };
    let layout = Layout::of(source.columns(), verb, verb.result_columns(), &defaults)?;
    let columns = Columns::of(&layout, by)?;
    let mut book =
        Book { keys: columns.keys.iter().map(|&key| layout.names[key].clone()).collect(), ..Book::default() };
    book.positions.prices = prices;
    let mut reader = Reader { groups: Groups::default(), columns, layout, verb, defaults, engine };
    while let Some(chunk) = source.next_chunk()? {
        match chunk {
            Chunk::Csv(bytes) => reader.read(&CsvCells::split(bytes, reader.layout.names.len()), &mut book)?,
            Chunk::Arrow(batch) => reader.read(&ArrowCells::new(batch, &reader.layout)?, &mut book)?,
        }
    }
    book.groups = reader.groups.names;
    if book.rows == 0 {
        bail!("has a header and no rows");
    }
    Ok(book)
}

struct Reader<'a> {
    groups: Groups,
    columns: Columns,
    layout: Layout,
    verb: Verb,
    defaults: Defaults,
    engine: &'a Engine,
}

impl Reader<'_> {
    fn read(&mut self, cells: &dyn Cells, book: &mut Book) -> anyhow::Result<()> {
        let request = Request::read(cells, &self.layout, &self.defaults, book.positions.prices);
        let Request { table, price } = &request;
        let (mut others, mut groups_of_others) = (Vec::new(), Vec::new());
        let given = if book.positions.prices { price } else { &table.volatility };
        for (row, &given) in given.iter().enumerate() {
            let group = self.groups.of(&self.columns, cells, row);
            book.unread.resize_with(self.groups.names.len(), BTreeMap::new);
            let kind = if table.status[row].is_ok() {
                Kind::of(table, row, &Settings::default())
            } else {
                Err(table.status[row])
            };
            let model = match kind {
                Ok(Kind::Black(model)) => model,
                Ok(_) => {
                    others.push(row);
                    groups_of_others.push(group);
                    continue;
                }
                Err(status) => {
                    self.unread((row, group, status), cells, book);
                    continue;
                }
            };
            let (quantity, multiplier) = self.columns.shares(cells, row);
            let positions = &mut book.positions;
            positions.model.push(model);
            positions.option_type.push(table.option_type[row]);
            positions.spot.push(table.spot[row]);
            positions.strike.push(table.strike[row]);
            positions.expiry_years.push(table.expiry_years[row]);
            positions.risk_free_rate.push(table.risk_free_rate[row]);
            positions.dividend_yield.push(table.dividend_yield[row]);
            positions.given.push(given);
            positions.quantity.push(quantity);
            positions.multiplier.push(multiplier);
            positions.group.push(group);
            book.row.push(book.rows + row as u64 + 1);
        }
        self.others(&request, (&others, &groups_of_others), cells, book)?;
        book.rows += request.table.len() as u64;
        Ok(())
    }

    /// Takes rows that Black's formulae do not value, with the volatilities of their prices, each valued once as it stands.
    fn others(
        &self,
        request: &Request,
        (rows, groups): (&[usize], &[u32]),
        cells: &dyn Cells,
        book: &mut Book,
    ) -> anyhow::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut table = request.table.gather(rows);
        let status = if book.positions.prices {
            let price = rows.iter().map(|&row| request.price[row]).collect();
            let of_them = Request { table: table.clone(), price };
            let mut implied = implied::evaluate(&of_them, self.engine)?;
            table.volatility = implied.columns.swap_remove(0);
            implied.status
        } else {
            valuation::evaluate(&table, Order::None, &Settings::default()).status
        };
        let mut kept = Vec::new();
        for (i, (&row, &group)) in rows.iter().zip(groups).enumerate() {
            if !status[i].is_ok() {
                self.unread((row, group, status[i]), cells, book);
                continue;
            }
            kept.push(i);
            let (quantity, multiplier) = self.columns.shares(cells, row);
            book.others.quantity.push(quantity);
            book.others.multiplier.push(multiplier);
            book.others.group.push(group);
            book.others.row.push(book.rows + row as u64 + 1);
        }
        book.others.table.append(table.gather(&kept));
        Ok(())
    }

    /// Counts a row that cannot be valued.
    fn unread(&self, (row, group, status): (usize, u32, Status), cells: &dyn Cells, book: &mut Book) {
        *book.unread[group as usize].entry(status).or_default() += 1;
        let at = book.rows + row as u64 + 1;
        // Rows of one chunk come in two passes.
        if book.examples.get(&status).is_none_or(|(first, _)| at < *first) {
            let words = tally::example(status, row, cells, &self.layout, self.verb);
            book.examples.insert(status, (at, format!("row {at}, {words}")));
        }
    }
}

impl Book {
    /// Names the first row of each fault that the sums found.
    pub fn explain(&mut self, faults: &BTreeMap<Status, u64>, shock: Shock) {
        let columns = self.positions.columns();
        let mut left: Vec<Status> = faults.keys().copied().collect();
        for (i, &at) in self.row.iter().enumerate() {
            // What has an example of an earlier row needs none.
            left.retain(|status| self.examples.get(status).is_none_or(|(first, _)| at < *first));
            if left.is_empty() {
                return;
            }
            let status = columns.status(i, shock);
            if left.contains(&status) {
                let example = format!("row {at}, {}", example(status, &self.positions, i, shock));
                self.examples.insert(status, (at, example));
            }
        }
    }
}

/// The field at fault, its number, and what is allowed.
fn example(status: Status, positions: &Positions, i: usize, shock: Shock) -> String {
    let black_76 = positions.model[i] == Model::Black76;
    let given = if positions.prices { Field::Price } else { Field::Volatility };
    let (name, value, allowed) = match status {
        Status::BadQuantity => ("quantity", positions.quantity[i], "a finite number, below zero where short"),
        Status::BadMultiplier => ("multiplier", positions.multiplier[i], "a finite number above zero"),
        Status::BadSpot | Status::BadForward => {
            let field = if black_76 { Field::Forward } else { Field::Spot };
            (field.as_str(), positions.spot[i], field.allowed())
        }
        Status::BadStrike => ("strike", positions.strike[i], Field::Strike.allowed()),
        Status::BadExpiry | Status::Expired => {
            ("expiry_years", positions.expiry_years[i], Field::ExpiryYears.allowed())
        }
        Status::BadRate => ("risk_free_rate", positions.risk_free_rate[i], Field::RiskFreeRate.allowed()),
        Status::BadYield => ("dividend_yield", positions.dividend_yield[i], Field::DividendYield.allowed()),
        _ => (given.as_str(), positions.given[i], given.allowed()),
    };
    let kind = if positions.option_type[i] == OptionType::Put { "put" } else { "call" };
    let strike = positions.strike[i];
    match status {
        Status::BelowIntrinsic | Status::AboveMaximum | Status::Undetermined => {
            format!("{name} = {value} of the {kind} at {strike}: no volatility gives it")
        }
        Status::Overflow => "the result is too large for a float".into(),
        Status::BadVolatility if shock.volatility_shift != 0.0 && value >= 0.0 => {
            format!("{name} = {value}, shifted to {}; allowed: {allowed}", value + shock.volatility_shift)
        }
        _ if value.is_nan() => format!("{name} is empty or no number; allowed: {allowed}"),
        _ => format!("{name} = {value}; allowed: {allowed}"),
    }
}
