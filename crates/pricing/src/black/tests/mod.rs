//! The twin and every target against 50-digit values, each other, and what must hold of any option.

mod golden;
mod properties;
mod statuses;

use super::*;
use crate::math::Target;
use zomma_base::OptionType;

/// Rows as columns that own their memory.
#[derive(Default)]
struct Table {
    option_type: Vec<OptionType>,
    columns: [Vec<f64>; 6],
}

impl Table {
    fn push(&mut self, row: Row) {
        self.option_type.push(row.option_type);
        let Row { spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility, .. } = row;
        let values = [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility];
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
    }

    fn rows(&self) -> RowColumns<'_> {
        let [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility] = &self.columns;
        let option_type = &self.option_type;
        RowColumns { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
    }
}

fn available() -> impl Iterator<Item = Target> {
    Target::ALL.into_iter().filter(|target| target.is_available())
}

/// All quantities of a batch on one target.
fn on(target: Target, rows: &RowColumns<'_>, model: Model) -> (GreekColumns, Vec<Status>) {
    let n = rows.spot.len();
    let (mut out, mut status) = (GreekColumns::zeros(n), vec![Status::NoQuote; n]);
    let columns = out.columns_mut().each_mut().map(Vec::as_mut_slice);
    batch::evaluate(target, rows, model, columns, &mut status);
    (out, status)
}
