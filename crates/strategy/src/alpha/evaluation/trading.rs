//! What is left of a signal when trading on it has its cost.
//!
//! Definition  Position q = clamp(z, −1, 1), z the signal's score against mean and deviation of all rows up to now (none before 30 of them). It is
//!             set at the first row at or behind each horizon's end and held for one horizon, so that returns do not overlap. Gross: mean of q·r.
//!             Turnover: mean of |q − q before|. Net: gross − cost · turnover. Break-even: the cost at which net is 0, gross / turnover.
//!             Hit rate: of rows where z and the return are not 0, the share with the same sign
//! Units       gross and net in basis points of the price a horizon, turnover in positions a horizon; cost in basis points or in the price's own unit
//!             per position traded (half a spread is what a marketable order pays against the mid)
//! Flat        where the signal is not there, or the return ahead is not: the position is closed, at its cost

use super::super::{
    AlphaError,
    error::{in_range, same_length},
    moments::RunningMoments,
};
use super::forward::{ForwardReturns, Prices};

/// Rows that a score takes at least.
pub const WARM_UP_ROWS: u64 = 30;
/// Basis points in 1.
const BASIS_POINTS: f64 = 1e4;

/// What trading one position costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cost {
    /// In basis points of the price.
    BasisPoints(f64),
    /// In the price's unit.
    Price(f64),
}

impl Cost {
    fn basis_points(self, price: Option<f64>) -> f64 {
        match self {
            Self::BasisPoints(cost) => cost,
            Self::Price(cost) => price.map_or(0.0, |price| BASIS_POINTS * cost / price),
        }
    }
}

/// What trading on a signal came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trading {
    /// Decisions, one a horizon.
    pub decisions: usize,
    /// Those at which there was no position for want of a signal or of a return.
    pub flat: usize,
    /// Positions traded a decision, from 0 to 2.
    pub turnover: f64,
    /// Basis points earned a decision before cost.
    pub gross_bp: f64,
    /// Basis points earned a decision after cost.
    pub net_bp: f64,
    /// Cost in basis points at which nothing is left; none where nothing was traded.
    pub break_even_bp: Option<f64>,
}

/// Trades on a signal at one horizon.
///
/// # Errors
///
/// Columns of two lengths, a negative cost, and not one decision.
pub fn trading(
    prices: &Prices<'_>,
    signal: &[Option<f64>],
    returns: &ForwardReturns,
    cost: Cost,
) -> Result<Trading, AlphaError> {
    let times_ns = prices.times_ns();
    same_length("the signal", times_ns.len(), signal.len())?;
    same_length("the return", times_ns.len(), returns.values.len())?;
    let (Cost::BasisPoints(amount) | Cost::Price(amount)) = cost;
    in_range("cost", amount, amount >= 0.0 && amount.is_finite(), "a number of 0 or more")?;
    let (mut held, mut due_ns) = (0.0, i64::MIN);
    let (mut decisions, mut flat, mut traded, mut gross, mut paid) = (0_usize, 0, 0.0, 0.0, 0.0);
    let mut price = None;
    for (row, score) in scores(signal).enumerate() {
        price = prices.price(row).or(price);
        if times_ns[row] < due_ns {
            continue;
        }
        due_ns = returns.known_ns[row];
        let (position, earned) = match (score, returns.values[row]) {
            (Some(score), Some(value)) => (score.clamp(-1.0, 1.0), value),
            _ => {
                flat += 1;
                (0.0, 0.0)
            }
        };
        decisions += 1;
        let change = f64::abs(position - held);
        traded += change;
        gross += BASIS_POINTS * position * earned;
        paid += change * cost.basis_points(price);
        held = position;
    }
    super::super::error::enough_rows("trading", decisions, 1)?;
    let count = decisions as f64;
    Ok(Trading {
        decisions,
        flat,
        turnover: traded / count,
        gross_bp: gross / count,
        net_bp: (gross - paid) / count,
        break_even_bp: (traded > 0.0).then(|| gross / traded),
    })
}

/// The share of rows whose score has the sign of the return; none where no row has both.
pub fn hit_rate(signal: &[Option<f64>], returns: &ForwardReturns) -> Option<f64> {
    let signs = scores(signal).zip(&returns.values).filter_map(|(score, value)| Some((score?, (*value)?)));
    let (hits, rows) = signs
        .filter(|(score, value)| *score != 0.0 && *value != 0.0)
        .fold((0_u64, 0_u64), |(hits, rows), (score, value)| (hits + u64::from(score * value > 0.0), rows + 1));
    (rows > 0).then(|| hits as f64 / rows as f64)
}

/// Each row's score against what was known then; none in the warm-up and where nothing varied.
fn scores(signal: &[Option<f64>]) -> impl Iterator<Item = Option<f64>> + '_ {
    let mut moments = RunningMoments::default();
    signal.iter().map(move |value| {
        let value = (*value)?;
        moments.add(value);
        if moments.count() < WARM_UP_ROWS { None } else { moments.score(value) }
    })
}

#[cfg(test)]
mod tests {
    use super::super::forward::forward_returns;
    use super::*;

    /// Rows at whose beginning the signal of [`seesaw`] is silent.
    const SILENT: usize = 200;

    /// A price that goes up and down in turn by 10 basis points, and a signal that is 0 at first and then knows which: far from its mean, so that
    /// the position is whole.
    fn seesaw(rows: usize) -> (Vec<i64>, Vec<Option<f64>>, Vec<Option<f64>>) {
        let up = |row: usize| row.is_multiple_of(2);
        let prices = (0..rows).map(|row| Some(if up(row) { 100.0 } else { 100.0 * 1e-3_f64.exp() })).collect();
        let told = |row: usize| if up(row) { 1e6 } else { -1e6 };
        let signal = (0..rows).map(|row| Some(if row < SILENT { 0.0 } else { told(row) })).collect();
        ((0..rows as i64).collect(), prices, signal)
    }

    #[test]
    fn gross_turnover_and_net_as_by_hand() {
        let (times, prices, signal) = seesaw(1_030);
        let prices = Prices::new(&times, &prices, 100).unwrap();
        let returns = forward_returns(&prices, 0, 1).unwrap();
        let found = trading(&prices, &signal, &returns, Cost::BasisPoints(2.0)).unwrap();
        // The last row has no return: flat like those where nothing had varied.
        assert_eq!((found.decisions, found.flat), (1_030, SILENT + 1));
        assert!((found.gross_bp - 829.0 * 10.0 / 1_030.0).abs() < 1e-9, "{found:?}");
        // In with 1, over with 2 each time, out with 1.
        assert!((found.turnover - (828.0 * 2.0 + 2.0) / 1_030.0).abs() < 1e-12, "{found:?}");
        assert!((found.net_bp - (found.gross_bp - 2.0 * found.turnover)).abs() < 1e-12);
        assert!((found.break_even_bp.unwrap() - 5.0).abs() < 1e-9);
        assert_eq!(hit_rate(&signal, &returns), Some(1.0));
        let in_price = trading(&prices, &signal, &returns, Cost::Price(0.02)).unwrap();
        assert!((in_price.net_bp - found.net_bp).abs() < 0.01, "two hundredths of 100 are 2 basis points");
    }

    #[test]
    fn positions_are_held_for_a_horizon_and_do_not_depend_on_later_rows() {
        let (times, prices, signal) = seesaw(400);
        let prices_of = |rows: usize| Prices::new(&times[..rows], &prices[..rows], 100).unwrap();
        let all = prices_of(400);
        let returns = forward_returns(&all, 0, 4).unwrap();
        let held = trading(&all, &signal, &returns, Cost::BasisPoints(0.0)).unwrap();
        assert_eq!(held.decisions, 100);
        assert_eq!(scores(&signal).take(250).collect::<Vec<_>>(), scores(&signal[..250]).collect::<Vec<_>>());
        let error = trading(&all, &signal, &returns, Cost::Price(-1.0)).unwrap_err();
        assert!(matches!(error, AlphaError::BadParameter { name: "cost", .. }));
    }
}
