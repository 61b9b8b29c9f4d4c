//! A table of positions of any model and style, read whole and checked row by row: what scenarios are run over.

use std::collections::{BTreeMap, HashMap};

use anyhow::bail;
use zomma_base::Status;
use zomma_pricing::valuation::{self, Order, Settings, Table};

use super::{
    Units, Verb,
    arrow_cells::ArrowCells,
    book::{Columns, Groups, found},
    csv_cells::CsvCells,
    engine::Engine,
    fields::{Defaults, Layout},
    implied,
    request::{Cells, Request},
    source::{Chunk, Source},
    tally,
};

/// Positions by row. One that cannot be valued keeps its place, with its status in the table.
#[derive(Debug, Default)]
pub struct Holdings {
    /// The options.
    pub table: Table,
    /// Contracts, below zero where short.
    pub quantity: Vec<f64>,
    /// Shares of a contract.
    pub multiplier: Vec<f64>,
    /// The group of each.
    pub group: Vec<u32>,
    /// The cells that make each group one: the currency where there is such a column, then those asked for.
    pub groups: Vec<Vec<String>>,
    /// Names of these cells.
    pub keys: Vec<String>,
    /// Rows by fault, and the first of each in words.
    pub faults: BTreeMap<Status, (u64, String)>,
}

/// Reads a table to its end. Volatilities are taken where there is such a column or no row needs one, else implied from prices.
pub fn read(mut source: Source, by: &[String], defaults: Defaults, engine: &Engine) -> anyhow::Result<Holdings> {
    let has = |name: &str| source.columns().iter().any(|column| column == name);
    let of_prices = has("price") && !has("volatility") && !has("v0");
    let verb = if of_prices { Verb::ImpliedVolatility } else { Verb::Price(Order::None, Units::Raw) };
    let layout = Layout::of(source.columns(), verb, verb.result_columns(), &defaults)?;
    let columns = Columns::of(&layout, by)?;
    let keys = columns.keys.iter().map(|&key| layout.names[key].clone()).collect();
    let mut reader = Reader { groups: Groups::default(), columns, layout, verb, defaults, engine };
    let mut holdings = Holdings { keys, ..Holdings::default() };
    while let Some(chunk) = source.next_chunk()? {
        match chunk {
            Chunk::Csv(bytes) => reader.read(&CsvCells::split(bytes, reader.layout.names.len()), &mut holdings)?,
            Chunk::Arrow(batch) => reader.read(&ArrowCells::new(batch, &reader.layout)?, &mut holdings)?,
        }
    }
    holdings.groups = reader.groups.names;
    if holdings.table.is_empty() {
        bail!("has a header and no rows; found [{}]", found(&reader.layout.names));
    }
    Ok(holdings)
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
    fn read(&mut self, cells: &dyn Cells, holdings: &mut Holdings) -> anyhow::Result<()> {
        let of_prices = self.verb == Verb::ImpliedVolatility;
        let mut request = Request::read(cells, &self.layout, &self.defaults, of_prices);
        let mut status = if of_prices {
            let mut implied = implied::evaluate(&request, self.engine)?;
            request.table.volatility = implied.columns.swap_remove(0);
            implied.status
        } else {
            valuation::evaluate(&request.table, Order::None, &Settings::default()).status
        };
        for (row, status) in status.iter_mut().enumerate() {
            holdings.group.push(self.groups.of(&self.columns, cells, row));
            let (quantity, multiplier) = self.columns.shares(cells, row);
            holdings.quantity.push(quantity);
            holdings.multiplier.push(multiplier);
            let of_shares = if !quantity.is_finite() {
                Some((Status::BadQuantity, "quantity", "a finite number, below zero where short"))
            } else if !(multiplier.is_finite() && multiplier > 0.0) {
                Some((Status::BadMultiplier, "multiplier", "a finite number above zero"))
            } else if !(quantity * multiplier).is_finite() {
                Some((Status::Overflow, "quantity", "quantity times multiplier must be a number that a float holds"))
            } else {
                None
            };
            let place = holdings.table.len() + row + 1;
            let example = match of_shares {
                Some((fault, name, allowed)) if status.is_ok() => {
                    *status = fault;
                    match fault {
                        Status::Overflow => {
                            format!("row {place}, {quantity} contracts of {multiplier} shares: {allowed}")
                        }
                        _ => format!("row {place}, {name} is empty or no such number; allowed: {allowed}"),
                    }
                }
                _ if status.is_ok() => continue,
                _ => format!("row {place}, {}", tally::example(*status, row, cells, &self.layout, self.verb)),
            };
            holdings.faults.entry(*status).or_insert((0, example)).0 += 1;
        }
        request.table.status = status;
        holdings.table.append(request.table);
        Ok(())
    }
}

impl Holdings {
    /// Groups of one currency each: their numbers by it, in the order in which they appear; one without a name where there is no such column.
    pub fn by_currency(&self) -> Vec<(Option<String>, Vec<usize>)> {
        let with_currency = self.keys.first().is_some_and(|key| key == "currency");
        let mut place: HashMap<&str, usize> = HashMap::new();
        let mut books: Vec<(Option<String>, Vec<usize>)> = Vec::new();
        for (number, cells) in self.groups.iter().enumerate() {
            let name = if with_currency { cells[0].as_str() } else { "" };
            let at = *place.entry(name).or_insert_with(|| {
                books.push((with_currency.then(|| name.to_owned()), Vec::new()));
                books.len() - 1
            });
            books[at].1.push(number);
        }
        books
    }
}
