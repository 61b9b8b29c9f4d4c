//! A table of volatilities, a row a quote, as slices.

use std::collections::BTreeMap;

use zomma_base::Status;

use super::SliceQuotes;

/// Quotes as columns of one length. NaN is an empty cell; an empty column is one that the table does not have.
#[derive(Clone, Copy, Debug, Default)]
pub struct VolatilityRows<'a> {
    /// Strike.
    pub strike: &'a [f64],
    /// ln(strike/forward); holds where a row has both.
    pub log_moneyness: &'a [f64],
    /// Years to expiry.
    pub expiry_years: &'a [f64],
    /// Forward to expiry. May be absent where every row has a log-moneyness.
    pub forward: &'a [f64],
    /// Volatility of the mid.
    pub implied_volatility: &'a [f64],
    /// Volatility of the bid.
    pub bid_volatility: &'a [f64],
    /// Volatility of the ask.
    pub ask_volatility: &'a [f64],
    /// Open interest.
    pub open_interest: &'a [f64],
}

impl VolatilityRows<'_> {
    /// A row of a column; NaN where the table has no such cell.
    pub(super) fn cell(column: &[f64], row: usize) -> f64 {
        column.get(row).copied().unwrap_or(f64::NAN)
    }

    /// The forward of a row: one where the table has no such column.
    fn forward_of(&self, row: usize) -> f64 {
        if self.forward.is_empty() { 1.0 } else { Self::cell(self.forward, row) }
    }

    /// ln(strike/forward) of a row.
    pub(super) fn log_moneyness_of(&self, row: usize) -> f64 {
        let own = Self::cell(self.log_moneyness, row);
        if own.is_nan() { (Self::cell(self.strike, row) / self.forward_of(row)).ln() } else { own }
    }
}

/// A second, and a hundred years.
const LEAST_YEARS: f64 = 3e-8;
const MOST_YEARS: f64 = 100.0;
/// Strikes further from the forward than e²⁰ times are slips of the pen.
const MOST_LOG_MONEYNESS: f64 = 20.0;
/// 1000 %: above it a volatility says only that the quote is worth about its bound, or is written in per cent.
const MOST_VOLATILITY: f64 = 10.0;

/// The rows as slices by ascending expiry, each by ascending moneyness, and a status a row: a row that is not `Ok` takes no part.
///
/// Statuses: `BadExpiry`, `BadForward`, `BadStrike` (neither a strike above zero nor a log-moneyness within ±20), `BadVolatility` (not within 0 and 10). The slice's
/// forward is that of its first row; each row keeps the moneyness of its own.
pub fn slices_of(rows: &VolatilityRows<'_>) -> (Vec<SliceQuotes>, Vec<Status>) {
    let cell = VolatilityRows::cell;
    let mut by_expiry: BTreeMap<u64, SliceQuotes> = BTreeMap::new();
    let mut status = Vec::with_capacity(rows.expiry_years.len());
    for (row, &years) in rows.expiry_years.iter().enumerate() {
        let (forward, k) = (rows.forward_of(row), rows.log_moneyness_of(row));
        let volatility = cell(rows.implied_volatility, row);
        status.push(if !(LEAST_YEARS..=MOST_YEARS).contains(&years) {
            Status::BadExpiry
        } else if !(forward > 0.0 && forward.is_finite()) {
            Status::BadForward
        } else if !(0.0..MOST_LOG_MONEYNESS).contains(&k.abs()) {
            Status::BadStrike
        } else if !(volatility > 0.0 && volatility < MOST_VOLATILITY) {
            Status::BadVolatility
        } else {
            // Bits of positive numbers ascend as the numbers do.
            let slice = by_expiry.entry(years.to_bits()).or_insert_with(|| SliceQuotes {
                expiry_years: years,
                forward,
                ..SliceQuotes::default()
            });
            slice.log_moneyness.push(k);
            slice.mid_volatility.push(volatility);
            slice.bid_volatility.push(cell(rows.bid_volatility, row));
            slice.ask_volatility.push(cell(rows.ask_volatility, row));
            if !rows.open_interest.is_empty() {
                slice.open_interest.push(cell(rows.open_interest, row));
            }
            Status::Ok
        });
    }
    (by_expiry.into_values().map(by_moneyness).collect(), status)
}

/// The slice with its quotes by ascending moneyness.
fn by_moneyness(slice: SliceQuotes) -> SliceQuotes {
    let mut order: Vec<usize> = (0..slice.len()).collect();
    order.sort_by(|&a, &b| slice.log_moneyness[a].total_cmp(&slice.log_moneyness[b]));
    let sorted = |column: &[f64]| -> Vec<f64> { order.iter().filter_map(|&i| column.get(i).copied()).collect() };
    SliceQuotes {
        expiry_years: slice.expiry_years,
        forward: slice.forward,
        log_moneyness: sorted(&slice.log_moneyness),
        bid_volatility: sorted(&slice.bid_volatility),
        mid_volatility: sorted(&slice.mid_volatility),
        ask_volatility: sorted(&slice.ask_volatility),
        open_interest: sorted(&slice.open_interest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_grouped_sorted_and_the_faulty_named() {
        let rows = VolatilityRows {
            strike: &[110.0, 90.0, 100.0, -1.0, 100.0, 100.0, 100.0],
            expiry_years: &[0.5, 0.5, 0.25, 0.5, 0.0, 0.5, 0.5],
            forward: &[100.0, 100.0, 101.0, 100.0, 100.0, f64::NAN, 100.0],
            implied_volatility: &[0.2, 0.3, 0.25, 0.2, 0.2, 0.2, f64::NAN],
            ..VolatilityRows::default()
        };
        let (slices, status) = slices_of(&rows);
        assert_eq!(slices.iter().map(|slice| slice.expiry_years).collect::<Vec<_>>(), [0.25, 0.5]);
        assert_eq!(slices[1].mid_volatility, [0.3, 0.2]);
        assert!((slices[0].log_moneyness[0] - (100.0_f64 / 101.0).ln()).abs() < 1e-15);
        assert!(slices[0].bid_volatility[0].is_nan() && slices[0].open_interest.is_empty());
        let bad = [Status::BadStrike, Status::BadExpiry, Status::BadForward, Status::BadVolatility];
        assert_eq!(status, [[Status::Ok; 3].as_slice(), &bad].concat());
    }

    #[test]
    fn moneyness_needs_no_forward() {
        let rows = VolatilityRows {
            log_moneyness: &[0.1, -0.1],
            expiry_years: &[1.0, 1.0],
            implied_volatility: &[0.2, 0.3],
            open_interest: &[5.0, 7.0],
            ..VolatilityRows::default()
        };
        let (slices, status) = slices_of(&rows);
        assert_eq!((slices[0].forward, slices[0].open_interest.as_slice()), (1.0, [7.0, 5.0].as_slice()));
        assert_eq!(status, [Status::Ok; 2]);
    }
}
