//! The return ahead of each row over a span of time.
//!
//! Definition  r(t) = ln p(t + a + h) − ln p(t + a): a how long after the row it begins (0 for now), h the horizon; p at a time is the price of the last
//!             row at or before it, at a = 0 the row's own
//! Units       logarithm of a ratio; times in nanoseconds
//! None where  either price is not there, the table ends before t + a + h, or a silence lies between that is longer than the longest allowed

use super::super::{
    AlphaError,
    error::{finite_where_present, in_order, in_range, same_length},
};

/// Between rows further apart than this lies no time of a session, unless a caller says otherwise.
pub const LONGEST_SILENCE_NS: i64 = 3_600_000_000_000;

/// A price column with its times, checked.
#[derive(Debug, Clone)]
pub struct Prices<'a> {
    times_ns: &'a [i64],
    logarithms: Vec<Option<f64>>,
    /// For each row the first one from it on behind which a long silence lies; the last row's number where there is none.
    silence: Vec<usize>,
}

impl<'a> Prices<'a> {
    /// Checks the columns: times that do not step back, prices above 0 where they are there.
    ///
    /// # Errors
    ///
    /// Of lengths, times, and a price that is no finite number above 0.
    pub fn new(times_ns: &'a [i64], prices: &[Option<f64>], longest_silence_ns: i64) -> Result<Self, AlphaError> {
        same_length("price", times_ns.len(), prices.len())?;
        in_order(times_ns)?;
        in_range("longest silence", longest_silence_ns, longest_silence_ns > 0, "a time above 0")?;
        finite_where_present("price", prices)?;
        if let Some(row) = prices.iter().position(|price| price.is_some_and(|it| it <= 0.0)) {
            let value = prices[row].unwrap_or_default();
            return Err(AlphaError::BadValue { what: "price".into(), row: row + 1, value, allowed: "a price above 0" });
        }
        let mut silence = vec![times_ns.len().saturating_sub(1); times_ns.len()];
        for row in (0..times_ns.len().saturating_sub(1)).rev() {
            let long = times_ns[row + 1].saturating_sub(times_ns[row]) > longest_silence_ns;
            silence[row] = if long { row } else { silence[row + 1] };
        }
        Ok(Self { times_ns, logarithms: prices.iter().map(|price| price.map(f64::ln)).collect(), silence })
    }

    /// The times.
    pub fn times_ns(&self) -> &'a [i64] {
        self.times_ns
    }

    /// The price of a row.
    pub fn price(&self, row: usize) -> Option<f64> {
        self.logarithms[row].map(f64::exp)
    }
}

/// Returns ahead of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct ForwardReturns {
    /// By row.
    pub values: Vec<Option<f64>>,
    /// When each would be known, by row; of a row without a value as well.
    pub known_ns: Vec<i64>,
    /// Rows whose price, or the price at the end of the horizon, is not there.
    pub without_price: usize,
    /// Rows whose horizon ends behind the table or reaches over a long silence.
    pub without_future: usize,
}

/// Returns over `horizon_ns`, that begin `ahead_ns` after each row.
///
/// # Errors
///
/// A horizon that is not above 0, or a negative start.
pub fn forward_returns(prices: &Prices<'_>, ahead_ns: i64, horizon_ns: i64) -> Result<ForwardReturns, AlphaError> {
    in_range("horizon", horizon_ns, horizon_ns > 0, "a time above 0")?;
    in_range("start ahead", ahead_ns, ahead_ns >= 0, "a time of 0 or more")?;
    let times_ns = prices.times_ns;
    let rows = times_ns.len();
    let mut returns = ForwardReturns {
        values: Vec::with_capacity(rows),
        known_ns: Vec::with_capacity(rows),
        without_price: 0,
        without_future: 0,
    };
    let (mut begin, mut end) = (0, 0);
    for row in 0..rows {
        let from_ns = times_ns[row].saturating_add(ahead_ns);
        let to_ns = from_ns.saturating_add(horizon_ns);
        returns.known_ns.push(to_ns);
        (begin, end) = (begin.max(row), end.max(row));
        let advance = |at: &mut usize, until_ns: i64| {
            while *at + 1 < rows && times_ns[*at + 1] <= until_ns {
                *at += 1;
            }
        };
        if ahead_ns > 0 {
            advance(&mut begin, from_ns);
        } else {
            begin = row;
        }
        advance(&mut end, to_ns);
        // The first silence from the row on begins where the horizon ends or before it, or the table does.
        let silent = prices.silence[row];
        let ended = times_ns[rows - 1] < to_ns || (silent < rows - 1 && silent <= end && times_ns[silent] < to_ns);
        let value = match (prices.logarithms[begin], prices.logarithms[end]) {
            _ if ended => {
                returns.without_future += 1;
                None
            }
            (Some(before), Some(after)) => Some(after - before),
            _ => {
                returns.without_price += 1;
                None
            }
        };
        returns.values.push(value);
    }
    Ok(returns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_last_known_counts_and_nothing_beyond_the_table() {
        let times = [0, 10, 20, 20, 45];
        let prices: Vec<Option<f64>> = [1.0, 2.0, 4.0, 8.0, 16.0].map(Some).to_vec();
        let prices = Prices::new(&times, &prices, 1_000).unwrap();
        let returns = forward_returns(&prices, 0, 20).unwrap();
        let doublings: Vec<Option<f64>> =
            returns.values.iter().map(|value| value.map(|it| (it / 2f64.ln()).round())).collect();
        // At 10 + 20 the last price is the second one of 20; 45 + 20 is behind the table; both rows of 20 end at 40.
        assert_eq!(doublings, [Some(3.0), Some(2.0), Some(1.0), Some(0.0), None]);
        assert_eq!((returns.without_future, returns.known_ns[1]), (1, 30));
        let later = forward_returns(&prices, 10, 10).unwrap();
        assert!((later.values[0].unwrap() - 4f64.ln()).abs() < 1e-15);
    }

    #[test]
    fn a_silence_and_a_missing_price_have_no_return_and_are_counted() {
        let times = [0, 10, 20, 500, 510, 520];
        let prices = [Some(1.0), Some(2.0), Some(3.0), None, Some(4.0), Some(5.0)];
        let prices = Prices::new(&times, &prices, 100).unwrap();
        let returns = forward_returns(&prices, 0, 10).unwrap();
        let there: Vec<bool> = returns.values.iter().map(Option::is_some).collect();
        // 20 + 10 lies in the silence; 500 has no price; 510 + 10 is the last row.
        assert_eq!(there, [true, true, false, false, true, false]);
        assert_eq!((returns.without_price, returns.without_future), (1, 2));
        let over = forward_returns(&prices, 0, 490).unwrap();
        assert!(over.values.iter().all(Option::is_none));
    }

    #[test]
    fn bad_columns_are_named() {
        let of = |times: &[i64], prices: &[Option<f64>]| Prices::new(times, prices, 100).unwrap_err();
        assert!(matches!(of(&[0, 5, 4], &[None; 3]), AlphaError::TimeStepsBack { row: 3, time_ns: 4, above_ns: 5 }));
        assert!(matches!(of(&[0], &[None; 2]), AlphaError::Length { expected: 1, found: 2, .. }));
        assert!(matches!(of(&[0, 1], &[Some(1.0), Some(0.0)]), AlphaError::BadValue { row: 2, .. }));
        assert!(matches!(of(&[0], &[Some(f64::NAN)]), AlphaError::BadValue { row: 1, .. }));
        let prices = Prices::new(&[0], &[Some(1.0)], 100).unwrap();
        assert!(matches!(forward_returns(&prices, 0, 0), Err(AlphaError::BadParameter { name: "horizon", .. })));
    }
}
