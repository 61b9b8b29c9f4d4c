//! Momentum: what went up goes on, by one series, by two averages, and across instruments.
//!
//! Rows are at a steady pace; `starts` are the rows behind a silence, over which nothing reaches. Prices are above 0.

use std::collections::VecDeque;

use super::{
    AlphaError,
    error::{finite_where_present, in_range, same_length},
};

/// A time-series momentum.
///
/// Definition  m(n) = ln(p(n − k) / p(n − k − L)) / (σ √L) over L rows, of which the last k are skipped (what has just gone up tends to come back); σ the
///             root of the mean square of the one-row returns among the last V rows
/// Units       standard deviations
/// None where  a price at either end is not there, the window reaches over a silence or before the first row, or nothing moved in V
/// Source      Moskowitz, Ooi and Pedersen, "Time series momentum", Journal of Financial Economics 104 (2012); skipping: Jegadeesh, Journal of Finance 45 (1990)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSeriesMomentum {
    /// L, rows that the return is over.
    pub lookback: usize,
    /// k, rows that are skipped.
    pub skip: usize,
    /// V, rows that the volatility is of.
    pub volatility_window: usize,
}

impl TimeSeriesMomentum {
    /// The momentum of each row.
    ///
    /// # Errors
    ///
    /// A lookback of 0, a volatility window below 2, and prices that are not above 0.
    pub fn signal(&self, prices: &[Option<f64>], starts: &[usize]) -> Result<Vec<Option<f64>>, AlphaError> {
        let Self { lookback, skip, volatility_window } = *self;
        in_range("lookback", lookback, lookback >= 1, "1 row or more")?;
        in_range("volatility window", volatility_window, volatility_window >= 2, "2 rows or more")?;
        let logarithms = logarithms(prices)?;
        let mut squares: VecDeque<Option<f64>> = VecDeque::with_capacity(volatility_window + 1);
        let reach = lookback.saturating_add(skip);
        let momentum = (0..prices.len()).zip(session_starts(starts)).map(|(row, begin)| {
            if row == begin {
                squares.clear();
            } else {
                let step = logarithms[row].zip(logarithms[row - 1]).map(|(after, before)| (after - before).powi(2));
                squares.push_back(step);
            }
            if squares.len() > volatility_window {
                squares.pop_front();
            }
            if squares.len() < volatility_window || row < begin.saturating_add(reach) {
                return None;
            }
            let (count, sum) =
                squares.iter().flatten().fold((0.0, 0.0), |(count, sum), square| (count + 1.0, sum + square));
            let moved = logarithms[row - skip]? - logarithms[row - reach]?;
            (sum > 0.0).then(|| moved / (sum / count * lookback as f64).sqrt())
        });
        Ok(momentum.collect())
    }
}

/// A crossover of moving averages.
///
/// Definition  c(n) = ln(A_f(n) / A_s(n)), A_w the mean of the prices among the last w rows, f < s: above 0 while the fast average is above the slow one
/// None where  the slow window is not full or reaches over a silence, or half of either window has no price
/// Source      Brock, Lakonishok and LeBaron, "Simple technical trading rules", Journal of Finance 47 (1992)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crossover {
    /// f, rows of the fast average.
    pub fast: usize,
    /// s, rows of the slow average.
    pub slow: usize,
}

impl Crossover {
    /// The crossover of each row.
    ///
    /// # Errors
    ///
    /// A fast window of 0 or not below the slow one, and prices that are not above 0.
    pub fn signal(&self, prices: &[Option<f64>], starts: &[usize]) -> Result<Vec<Option<f64>>, AlphaError> {
        let Self { fast, slow } = *self;
        in_range("fast", fast, (1..slow).contains(&fast), "1 row or more, and fewer than slow")?;
        logarithms(prices)?;
        let average = |row: usize, width: usize| {
            let there = prices[row + 1 - width..=row].iter().flatten();
            let (count, sum) = there.fold((0, 0.0), |(count, sum), price| (count + 1, sum + price));
            (2 * count > width).then(|| sum / count as f64)
        };
        let crossover = (0..prices.len()).zip(session_starts(starts)).map(|(row, begin)| {
            let full = row + 1 >= begin + slow;
            full.then(|| Some((average(row, fast)? / average(row, slow)?).ln())).flatten()
        });
        Ok(crossover.collect())
    }
}

/// Ranks across instruments at one time.
///
/// Definition  the rank of each signal among those that are there, from −1 (least) to 1 (greatest) in even steps, ties at the middle of theirs: the
///             position of a portfolio that is long what went up and short what went down, of sum 0
/// None where  the instrument has no signal, or it is the only one
/// Source      Jegadeesh and Titman, "Returns to buying winners and selling losers", Journal of Finance 48 (1993)
pub fn cross_sectional_ranks(signals: &[Option<f64>]) -> Result<Vec<Option<f64>>, AlphaError> {
    finite_where_present("the signals", signals)?;
    let mut there: Vec<f64> = signals.iter().flatten().copied().collect();
    there.sort_by(f64::total_cmp);
    let rank = |value: f64| {
        let below = there.partition_point(|other| *other < value);
        let not_above = there.partition_point(|other| *other <= value);
        // The first of the ties has rank `below`, the last `not_above` − 1.
        (below + not_above - 1) as f64 / (there.len() - 1) as f64 - 1.0
    };
    Ok(signals.iter().map(|signal| signal.filter(|_| there.len() > 1).map(rank)).collect())
}

/// Cross-sectional momentum of a table of instruments: a row of ranks for each row of all their signals.
///
/// # Errors
///
/// Columns of two lengths, and values that are not finite.
pub fn cross_sectional(instruments: &[Vec<Option<f64>>]) -> Result<Vec<Vec<Option<f64>>>, AlphaError> {
    let rows = instruments.first().map_or(0, Vec::len);
    let mut ranks = vec![Vec::with_capacity(rows); instruments.len()];
    for column in instruments {
        same_length("an instrument", rows, column.len())?;
    }
    for row in 0..rows {
        let across: Vec<Option<f64>> = instruments.iter().map(|column| column[row]).collect();
        for (column, rank) in ranks.iter_mut().zip(cross_sectional_ranks(&across)?) {
            column.push(rank);
        }
    }
    Ok(ranks)
}

fn logarithms(prices: &[Option<f64>]) -> Result<Vec<Option<f64>>, AlphaError> {
    finite_where_present("price", prices)?;
    let logarithm = |(row, price): (usize, &Option<f64>)| match price {
        Some(value) if *value <= 0.0 => {
            Err(AlphaError::BadValue { what: "price".into(), row: row + 1, value: *value, allowed: "a price above 0" })
        }
        price => Ok(price.map(f64::ln)),
    };
    prices.iter().enumerate().map(logarithm).collect()
}

/// For each row the row that its session begins at.
fn session_starts(starts: &[usize]) -> impl Iterator<Item = usize> + '_ {
    let (mut begin, mut next) = (0, starts.iter().copied().peekable());
    (0..).map(move |row| {
        while let Some(start) = next.next_if(|start| *start <= row) {
            begin = start;
        }
        begin
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;
    use proptest::prelude::*;

    fn prices(rows: usize) -> Vec<Option<f64>> {
        let mut random = SplitMix64::new(31);
        let mut level = 0.0;
        (0..rows)
            .map(|row| {
                level += 0.01 * random.bell();
                (row % 41 != 7).then_some(100.0 * f64::exp(level))
            })
            .collect()
    }

    const MOMENTUM: TimeSeriesMomentum = TimeSeriesMomentum { lookback: 12, skip: 2, volatility_window: 20 };
    const CROSSOVER: Crossover = Crossover { fast: 5, slow: 20 };

    #[test]
    fn momentum_and_crossover_as_by_hand() {
        // Up by 1 % a row: 12 rows are 12 steps of one deviation each.
        let up: Vec<Option<f64>> = (0..40).map(|row| Some(f64::exp(0.01 * f64::from(row)))).collect();
        let signal = MOMENTUM.signal(&up, &[]).unwrap();
        assert_eq!(signal.iter().position(Option::is_some), Some(20));
        assert!((signal[30].unwrap() - 12.0 / 12f64.sqrt()).abs() < 1e-9);
        let averages = [0.0, 0.0, 6.0, 9.0].map(|it| Some(it + 1.0));
        let crossed = Crossover { fast: 2, slow: 4 }.signal(&averages, &[]).unwrap();
        assert_eq!(crossed, [None, None, None, Some((8.5_f64 / 4.75).ln())]);
    }

    #[test]
    fn no_row_depends_on_later_ones_and_none_reaches_over_a_silence() {
        let prices = prices(200);
        let all = (MOMENTUM.signal(&prices, &[90]).unwrap(), CROSSOVER.signal(&prices, &[90]).unwrap());
        for rows in [1, 60, 91, 130] {
            assert_eq!(MOMENTUM.signal(&prices[..rows], &[90]).unwrap()[..], all.0[..rows]);
            assert_eq!(CROSSOVER.signal(&prices[..rows], &[90]).unwrap()[..], all.1[..rows]);
        }
        // A session begins anew as if nothing had been before it.
        assert_eq!(MOMENTUM.signal(&prices[90..], &[]).unwrap()[..], all.0[90..]);
        assert_eq!(CROSSOVER.signal(&prices[90..], &[]).unwrap()[..], all.1[90..]);
        assert!(all.0[90..110].iter().chain(&all.1[90..109]).all(Option::is_none));
    }

    #[test]
    fn ranks_are_even_between_minus_one_and_one() {
        let ranks = cross_sectional_ranks(&[Some(5.0), None, Some(1.0), Some(5.0), Some(9.0), Some(-3.0)]).unwrap();
        assert_eq!(ranks, [Some(0.25), None, Some(-0.5), Some(0.25), Some(1.0), Some(-1.0)]);
        assert_eq!(cross_sectional_ranks(&[None, Some(1.0)]).unwrap(), [None, None]);
        let table = cross_sectional(&[vec![Some(1.0), None], vec![Some(2.0), Some(4.0)]]).unwrap();
        assert_eq!(table, [vec![Some(-1.0), None], vec![Some(1.0), None]]);
    }

    #[test]
    fn bad_input_is_named() {
        let bad = |momentum: TimeSeriesMomentum| momentum.signal(&[Some(1.0)], &[]).unwrap_err();
        assert!(matches!(
            bad(TimeSeriesMomentum { lookback: 0, ..MOMENTUM }),
            AlphaError::BadParameter { name: "lookback", .. }
        ));
        assert!(matches!(
            Crossover { fast: 20, slow: 20 }.signal(&[], &[]),
            Err(AlphaError::BadParameter { name: "fast", .. })
        ));
        assert!(matches!(CROSSOVER.signal(&[Some(1.0), Some(-1.0)], &[]), Err(AlphaError::BadValue { row: 2, .. })));
        assert!(matches!(cross_sectional_ranks(&[Some(f64::NAN)]), Err(AlphaError::BadValue { .. })));
        assert_eq!(MOMENTUM.signal(&[Some(5.0); 60], &[]).unwrap(), [None; 60]);
    }

    proptest! {
        #[test]
        fn the_price_s_unit_does_not_count(scale in 1e-3..1e3_f64) {
            let prices = prices(80);
            let scaled: Vec<Option<f64>> = prices.iter().map(|price| price.map(|it| it * scale)).collect();
            for (a, b) in MOMENTUM.signal(&prices, &[]).unwrap().iter().zip(MOMENTUM.signal(&scaled, &[]).unwrap()) {
                prop_assert_eq!(a.is_some(), b.is_some());
                prop_assert!((a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs() < 1e-9);
            }
        }
    }
}
