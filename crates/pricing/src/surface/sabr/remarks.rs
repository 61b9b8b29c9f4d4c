//! What a fit of SABR slices has to say of them.

use super::{
    fit::Work,
    slice::{HIGH, LOW},
};
use crate::surface::calibration::{Note, Reason};

/// What is remarkable in the quotes of one slice.
pub(super) fn of_quotes(work: &Work<'_>, needed: usize, notes: &mut Vec<Note>) {
    let quotes = work.quotes;
    let crossed = (0..quotes.len()).filter(|&i| quotes.bid_volatility[i] > quotes.ask_volatility[i]).count();
    if crossed > 0 {
        notes.push(work.note(Reason::CrossedQuotes { quotes: crossed }));
    }
    let strikes = work.objective.strikes();
    if strikes < needed {
        let instead =
            if strikes == 0 { "its neighbours' volatilities" } else { "a neighbour's shape at its own level" };
        notes.push(work.note(Reason::TooFewQuotes { quotes: strikes, needed, instead: instead.into() }));
    } else if work.is_flat() {
        notes.push(work.note(Reason::Flat));
    }
    if let Some([low, high]) = work.one_side() {
        notes.push(work.note(Reason::OneSided { low, high }));
    }
}

/// Where the quotes themselves fall from one expiry to the next: an ask below the bid of the expiry before, on the line between that
/// one's neighbouring strikes.
pub(super) fn of_pairs(works: &[Work<'_>], notes: &mut Vec<Note>) {
    for pair in works.windows(2) {
        let before = &pair[0].objective.points;
        let mut deepest = (0.0, 0.0);
        let mut next = 0;
        for point in &pair[1].objective.points {
            while next < before.len() && before[next].k < point.k {
                next += 1;
            }
            let Some([low, high]) = next.checked_sub(1).and_then(|i| Some([before[i], *before.get(next)?])) else {
                continue;
            };
            let share = (point.k - low.k) / (high.k - low.k);
            let bid = low.total_variance[0] + share * (high.total_variance[0] - low.total_variance[0]);
            let fall = bid - point.total_variance[2];
            if fall > deepest.1 {
                deepest = (point.k, fall);
            }
        }
        let (log_moneyness, fall) = deepest;
        if fall > 0.0 {
            notes.push(pair[1].note(Reason::CalendarInverted { log_moneyness, fall }));
        }
    }
}

/// Which of the first N parameters ended at the end of their ranges.
pub(super) fn of_bounds<const N: usize>(work: &Work<'_>, notes: &mut Vec<Note>) {
    const NAMES: [&str; 4] = ["alpha", "rho", "nu", "beta"];
    let Some(x) = work.x else { return };
    let sabr = work.parameters().sabr;
    let values = [sabr.alpha, sabr.rho, sabr.nu, sabr.beta];
    for i in 0..N {
        if x[i] <= LOW[i] || x[i] >= HIGH[i] {
            notes.push(work.note(Reason::AtBound { parameter: NAMES[i].into(), value: values[i] }));
        }
    }
}
