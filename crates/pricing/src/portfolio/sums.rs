//! What a portfolio adds up to: value, Greeks, and how many rows have a part in them.

use std::collections::BTreeMap;

use zomma_base::Status;

use super::QUANTITIES;
use crate::black::{Greek, Model};

/// Sums over some rows, each row times its shares (quantity × multiplier). Rows that failed are counted and not summed.
///
/// The Greeks are raw, in the currency of the rows: derivatives by each row's own spot, volatility and so on, so that delta over
/// several underlyings is a number of shares of different things; [`Sums::cash_delta`] is what adds up across them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    /// By [`Greek`]; in the place of lambda, which does not add up, the sum of spot × delta.
    quantities: [f64; QUANTITIES],
    rows_ok: u64,
    /// Rows of those that have a phi: not under Black-76.
    rows_with_phi: u64,
    failed: BTreeMap<Status, u64>,
}

impl Sums {
    /// The sum of one quantity: [`Greek::Price`] is the value. None where no row has it (phi under Black-76), or where it is no finite
    /// number, as with the gamma of an option at the money without volatility.
    ///
    /// Lambda is no sum: it is [`Sums::cash_delta`] over the value, the relative change of the value with one relative change of every
    /// spot; None where the value is 0.
    pub fn get(&self, greek: Greek) -> Option<f64> {
        let x = match greek {
            Greek::Phi if self.rows_with_phi == 0 && self.rows_ok > 0 => return None,
            Greek::Lambda => self.quantities[Greek::Lambda as usize] / self.quantities[Greek::Price as usize],
            _ => self.quantities[greek as usize],
        };
        Some(x).filter(|x| x.is_finite())
    }

    /// Σ shares × spot × delta: the change of the value as all spots rise by 100 % of themselves, to the first order.
    pub fn cash_delta(&self) -> Option<f64> {
        Some(self.quantities[Greek::Lambda as usize]).filter(|x| x.is_finite())
    }

    /// Rows that are in the sums.
    pub fn rows_ok(&self) -> u64 {
        self.rows_ok
    }

    /// Rows that failed, by what was wrong with them.
    pub fn failed(&self) -> &BTreeMap<Status, u64> {
        &self.failed
    }

    /// Rows that failed.
    pub fn rows_failed(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Adds rows that were summed elsewhere.
    pub(super) fn add(&mut self, quantities: &[f64; QUANTITIES], rows: u64, model: Model) {
        for (sum, x) in self.quantities.iter_mut().zip(quantities) {
            *sum += x;
        }
        self.rows_ok += rows;
        if model == Model::Bsm {
            self.rows_with_phi += rows;
        }
    }

    /// Counts a row that failed.
    pub(super) fn count_failed(&mut self, status: Status) {
        *self.failed.entry(status).or_default() += 1;
    }

    /// The sums of another set of rows, added.
    pub fn merge(&mut self, other: &Self) {
        for (sum, x) in self.quantities.iter_mut().zip(&other.quantities) {
            *sum += x;
        }
        self.rows_ok += other.rows_ok;
        self.rows_with_phi += other.rows_with_phi;
        for (&status, rows) in &other.failed {
            *self.failed.entry(status).or_default() += rows;
        }
    }
}

/// Sums by group and over all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// By group.
    pub groups: Vec<Sums>,
    /// Of all groups.
    pub total: Sums,
}

impl Totals {
    /// Of no rows.
    pub fn zero(groups: usize) -> Self {
        Self { groups: vec![Sums::default(); groups], total: Sums::default() }
    }

    /// The sums of other rows of the same groups, added.
    ///
    /// # Panics
    ///
    /// Where the groups are not of one number.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.groups.len(), other.groups.len(), "the same groups");
        for (sums, other) in self.groups.iter_mut().zip(&other.groups) {
            sums.merge(other);
        }
        self.total.merge(&other.total);
    }

    /// From the sums by group; the total is their sum, compensated.
    pub(super) fn of(groups: Vec<Sums>) -> Self {
        let mut total = Sums::default();
        let mut sums = Compensated::default();
        for group in &groups {
            sums.add(&group.quantities);
            total.merge(group);
        }
        total.quantities = sums.value();
        Self { groups, total }
    }
}

/// Sums of many terms that lose what one rounding loses, however many they are (Neumaier 1974).
#[derive(Clone, Debug)]
pub(super) struct Compensated {
    sum: [f64; QUANTITIES],
    lost: [f64; QUANTITIES],
}

impl Default for Compensated {
    fn default() -> Self {
        Self { sum: [0.0; QUANTITIES], lost: [0.0; QUANTITIES] }
    }
}

impl Compensated {
    /// Adds a term of each sum.
    pub(super) fn add(&mut self, terms: &[f64; QUANTITIES]) {
        for ((sum, lost), &x) in self.sum.iter_mut().zip(&mut self.lost).zip(terms) {
            let next = *sum + x;
            *lost += if sum.abs() >= x.abs() { (*sum - next) + x } else { (x - next) + *sum };
            *sum = next;
        }
    }

    /// The sums.
    pub(super) fn value(&self) -> [f64; QUANTITIES] {
        std::array::from_fn(|i| {
            let (sum, lost) = (self.sum[i], self.lost[i]);
            // Where the sum is infinite, what was lost is no number.
            if sum.is_finite() { sum + lost } else { sum }
        })
    }
}
