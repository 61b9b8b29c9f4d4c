//! Positions, sorted by the engine that values them.

use std::collections::BTreeMap;

use zomma_base::Status;
use zomma_pricing::valuation::{self, Kind, Order, Settings, Table};

/// Positions in options of any model and style.
#[derive(Clone, Debug)]
pub struct Portfolio {
    parts: Vec<Part>,
    groups: usize,
    rows: usize,
    failed: BTreeMap<Status, Vec<usize>>,
}

/// Positions that one engine values.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub kind: Kind,
    pub table: Table,
    /// Shares, with the sign of the position.
    pub shares: Vec<f64>,
    pub group: Vec<u32>,
    /// Rows of the portfolio.
    pub row: Vec<usize>,
}

impl Part {
    /// The part without some of its rows, which are told by their place in it.
    pub fn without(&self, gone: &[bool]) -> Self {
        let kept: Vec<usize> = (0..self.row.len()).filter(|&i| !gone[i]).collect();
        Self {
            kind: self.kind,
            table: self.table.gather(&kept),
            shares: kept.iter().map(|&i| self.shares[i]).collect(),
            group: kept.iter().map(|&i| self.group[i]).collect(),
            row: kept.iter().map(|&i| self.row[i]).collect(),
        }
    }
}

impl Portfolio {
    /// Of a table, its quantities (contracts, below zero where short), multipliers (shares of a contract, above zero) and groups, from
    /// 0 to `groups`. Each row is valued once; what cannot be valued is left out and kept in [`Portfolio::failed`].
    ///
    /// # Panics
    /// Where the columns are not of one length or a group is not below `groups`.
    pub fn new(table: Table, quantity: &[f64], multiplier: &[f64], group: &[u32], groups: usize) -> Self {
        let rows = table.len();
        assert!(
            [quantity.len(), multiplier.len(), group.len()].iter().all(|&len| len == rows),
            "columns of one length"
        );
        assert!(group.iter().all(|&group| (group as usize) < groups), "groups below their number");
        let settings = Settings::default();
        let mut table = table;
        let valued = valuation::evaluate(&table, Order::None, &settings);
        let mut picked: Vec<(Kind, Vec<usize>)> = Vec::new();
        let mut failed: BTreeMap<Status, Vec<usize>> = BTreeMap::new();
        for row in 0..rows {
            let status = match shares(quantity[row], multiplier[row]) {
                _ if !valued.status[row].is_ok() => valued.status[row],
                Err(status) => status,
                Ok(shares) if !(shares * valued.columns[0][row]).is_finite() => Status::Overflow,
                Ok(_) => Status::Ok,
            };
            table.status[row] = Status::Ok;
            match Kind::of(&table, row, &settings) {
                Ok(kind) if status.is_ok() => match picked.iter_mut().find(|(known, _)| *known == kind) {
                    Some((_, rows)) => rows.push(row),
                    None => picked.push((kind, vec![row])),
                },
                _ => failed.entry(status).or_default().push(row),
            }
        }
        let parts = picked.into_iter().map(|(kind, row)| Part {
            kind,
            table: table.gather(&row),
            shares: row.iter().map(|&row| quantity[row] * multiplier[row]).collect(),
            group: row.iter().map(|&row| group[row]).collect(),
            row,
        });
        Self { parts: parts.collect(), groups, rows, failed }
    }

    /// Rows of the table.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows that are valued.
    pub fn rows_ok(&self) -> usize {
        self.parts.iter().map(|part| part.row.len()).sum()
    }

    /// Rows that cannot be valued in the market as it is, by what is wrong with them.
    pub fn failed(&self) -> &BTreeMap<Status, Vec<usize>> {
        &self.failed
    }

    /// Groups.
    pub fn groups(&self) -> usize {
        self.groups
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }
}

fn shares(quantity: f64, multiplier: f64) -> Result<f64, Status> {
    if !quantity.is_finite() {
        Err(Status::BadQuantity)
    } else if !(multiplier.is_finite() && multiplier > 0.0) {
        Err(Status::BadMultiplier)
    } else if !(quantity * multiplier).is_finite() {
        Err(Status::Overflow)
    } else {
        Ok(quantity * multiplier)
    }
}
