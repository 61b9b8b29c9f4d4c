//! Sums of rows that an engine of [`crate::valuation`] has valued one by one: of any model and exercise style.

use zomma_base::Status;

use super::{
    QUANTITIES, Totals,
    columns::shares,
    sums::{Compensated, Sums},
};
use crate::{
    black::{Greek, Model},
    valuation::{Results, Table},
};

/// Positions in rows of a [`Table`].
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// The options.
    pub table: &'a Table,
    /// Contracts, below zero where short.
    pub quantity: &'a [f64],
    /// Shares of a contract, above zero.
    pub multiplier: &'a [f64],
    /// The group of each.
    pub group: &'a [u32],
}

impl Held<'_> {
    /// Sums of results with all Greeks (`Order::All`), by group and in total, added with compensation in the order of the rows. A Greek that the
    /// engine of a row does not make is in no sum: that of the row's group is absent then.
    ///
    /// # Panics
    ///
    /// Where columns are not of one length, or a group is not below `groups`.
    pub fn sums(&self, results: &Results, groups: usize) -> Totals {
        let mut by_group = vec![Sums::default(); groups];
        let mut compensated = vec![Compensated::default(); groups];
        for (row, &group) in self.group.iter().enumerate() {
            let group = group as usize;
            match self.terms(results, row) {
                Ok(terms) => {
                    compensated[group].add(&terms);
                    by_group[group].add(&[0.0; QUANTITIES], 1, self.underlying(row));
                }
                Err(status) => by_group[group].count_failed(status),
            }
        }
        for (group, sums) in by_group.iter_mut().zip(&compensated) {
            group.add(&sums.value(), 0, Model::Black76);
        }
        Totals::of(by_group)
    }

    /// Shares of a row, with the sign of the position.
    ///
    /// # Errors
    ///
    /// `BadQuantity`, `BadMultiplier` or `Overflow` where they are no number.
    pub fn shares(&self, row: usize) -> Result<f64, Status> {
        shares(self.quantity[row], self.multiplier[row])
    }

    /// What the row's underlying is; phi is a Greek of spots.
    fn underlying(&self, row: usize) -> Model {
        if self.table.on_forward[row] { Model::Black76 } else { Model::Bsm }
    }

    fn terms(&self, results: &Results, row: usize) -> Result<[f64; QUANTITIES], Status> {
        if !results.status[row].has_numbers() {
            return Err(results.status[row]);
        }
        let shares = self.shares(row)?;
        let mut terms = [0.0; QUANTITIES];
        if shares == 0.0 {
            return Ok(terms);
        }
        for (greek, column) in Greek::ALL.into_iter().zip(&results.columns) {
            terms[greek as usize] = shares * column[row];
        }
        terms[Greek::Lambda as usize] = self.table.spot[row] * terms[Greek::Delta as usize];
        if self.underlying(row) == Model::Black76 {
            terms[Greek::Phi as usize] = 0.0;
        }
        Ok(terms)
    }
}

#[cfg(test)]
mod tests {
    use zomma_base::{ExerciseStyle, OptionType};

    use super::*;
    use crate::{
        portfolio::{self, Positions, Shock},
        valuation::{ModelName, Order, Settings, evaluate},
    };

    const ROWS: usize = 40;

    /// Puts and calls in two groups.
    fn positions() -> Positions {
        let of = |f: &dyn Fn(f64) -> f64| (0..ROWS).map(|row| f(row as f64)).collect::<Vec<f64>>();
        Positions {
            model: vec![Model::Bsm; ROWS],
            option_type: (0..ROWS).map(|row| if row % 3 == 0 { OptionType::Call } else { OptionType::Put }).collect(),
            spot: of(&|x| 90.0 + x / 2.0),
            strike: of(&|_| 100.0),
            expiry_years: of(&|x| 0.1 + x / 40.0),
            risk_free_rate: of(&|_| 0.03),
            dividend_yield: of(&|_| 0.01),
            given: of(&|x| 0.15 + x / 200.0),
            prices: false,
            quantity: of(&|x| x - 17.0),
            multiplier: of(&|_| 100.0),
            group: (0..ROWS).map(|row| row as u32 % 2).collect(),
        }
    }

    fn table(positions: &Positions, exercise: ExerciseStyle) -> Table {
        Table {
            model: vec![ModelName::Bsm; ROWS],
            exercise: vec![exercise; ROWS],
            option_type: positions.option_type.clone(),
            on_forward: vec![false; ROWS],
            spot: positions.spot.clone(),
            strike: positions.strike.clone(),
            expiry_years: positions.expiry_years.clone(),
            risk_free_rate: positions.risk_free_rate.clone(),
            dividend_yield: positions.dividend_yield.clone(),
            volatility: positions.given.clone(),
            status: vec![Status::Ok; ROWS],
            ..Table::default()
        }
    }

    fn held<'a>(positions: &'a Positions, table: &'a Table) -> Held<'a> {
        Held { table, quantity: &positions.quantity, multiplier: &positions.multiplier, group: &positions.group }
    }

    #[test]
    fn sums_of_european_rows_are_those_of_the_one_pass() {
        let positions = positions();
        let table = table(&positions, ExerciseStyle::European);
        let results = evaluate(&table, Order::All, &Settings::default());
        let found = held(&positions, &table).sums(&results, 2);
        let wanted = portfolio::sums(&positions.columns(), 2, Shock::NONE);
        assert_eq!(found.total.rows_ok(), ROWS as u64);
        for (found, wanted) in found.groups.iter().zip(&wanted.groups).chain([(&found.total, &wanted.total)]) {
            for greek in Greek::ALL {
                let (found, wanted) = (found.get(greek).unwrap(), wanted.get(greek).unwrap());
                assert!((found - wanted).abs() <= 1e-10 * wanted.abs().max(1.0), "{greek:?}: {found} {wanted}");
            }
        }
    }

    #[test]
    fn american_rows_are_summed_and_what_fails_or_is_not_made_is_told() {
        let mut positions = positions();
        (positions.quantity[3], positions.multiplier[4]) = (f64::NAN, -1.0);
        let mut table = table(&positions, ExerciseStyle::American);
        table.strike[5] = -1.0;
        let mut results = evaluate(&table, Order::All, &Settings::default());
        let prices = results.columns[Greek::Price as usize].clone();
        let found = held(&positions, &table).sums(&results, 2);
        let by_hand: f64 = (0..ROWS)
            .filter(|row| ![3, 4, 5].contains(row))
            .map(|row| positions.quantity[row] * 100.0 * prices[row])
            .sum();
        let value = found.total.get(Greek::Price).unwrap();
        assert!((value - by_hand).abs() < 1e-8 * by_hand.abs(), "{value} {by_hand}");
        let failed: Vec<Status> = found.total.failed().keys().copied().collect();
        assert_eq!(failed.len(), 3, "{failed:?}");
        for fault in [Status::BadQuantity, Status::BadMultiplier, Status::BadStrike] {
            assert_eq!(found.total.failed().get(&fault), Some(&1), "{fault}");
        }
        // A price alone counts, and leaves the sums of Greeks absent.
        let mut alone = results.clone();
        alone.status[6] = Status::PriceAlone;
        alone.columns[1..].iter_mut().for_each(|column| column[6] = f64::NAN);
        let sums = held(&positions, &table).sums(&alone, 2);
        assert_eq!(sums.total.failed().len(), 3);
        assert!((sums.total.get(Greek::Price).unwrap() - by_hand).abs() < 1e-8 * by_hand.abs());
        assert_eq!((sums.groups[0].get(Greek::Delta), sums.groups[1].get(Greek::Delta).is_some()), (None, true));
        // Row 7, of group 1, has no gamma.
        results.columns[Greek::Gamma as usize][7] = f64::NAN;
        let found = held(&positions, &table).sums(&results, 2);
        assert!(found.groups[0].get(Greek::Gamma).is_some());
        assert_eq!((found.groups[1].get(Greek::Gamma), found.total.get(Greek::Gamma)), (None, None));
        assert!(found.groups[1].get(Greek::Delta).is_some());
    }
}
