//! Splits that a file of unadjusted bars shows but does not say.
//!
//! On the first day of an n:1 split the stock opens at 1/n of the close before, give or take a night's news. A gap counts as
//! a split when |ln(close before/open)| > [`GAP_MIN`] and it lies within [`RATIO_TOLERANCE`] of a simple ratio (n:1 and 1:n,
//! 3:2, 5:2 and their inverses). The open is taken, not the close, since crashes run on through the day and openings of split
//! days do not: Apple opened 2.3 % off its ratio at worst on its four split days from 2000 to 2020, and 5 % off 2:1 when it
//! halved in one night on 2000-09-29. A gap that is no simple ratio is left as it is, and said.
//!
//! This is a guess, and its notes call it one: factors or an adjusted column are better.

use super::DailyBars;

/// Least overnight move that can be a split, as |log|.
pub const GAP_MIN: f64 = 0.35;
/// Greatest distance from a simple ratio, as |log|.
pub const RATIO_TOLERANCE: f64 = 0.03;

/// How the notes of this module begin.
pub(super) const NOTE: &str = "no split data";
/// Notes on single days.
const NOTED: usize = 8;

/// New shares for old.
const RATIOS: [(u8, u8); 27] = [
    (3, 2),
    (5, 2),
    (2, 1),
    (3, 1),
    (4, 1),
    (5, 1),
    (6, 1),
    (7, 1),
    (8, 1),
    (10, 1),
    (15, 1),
    (20, 1),
    (30, 1),
    (50, 1),
    (2, 3),
    (2, 5),
    (1, 2),
    (1, 3),
    (1, 4),
    (1, 5),
    (1, 6),
    (1, 7),
    (1, 8),
    (1, 10),
    (1, 15),
    (1, 20),
    (1, 50),
];

/// Divides the adjusted closes before each split by its ratio.
pub(super) fn adjust_for_gaps(bars: &mut DailyBars) {
    let mut noted = 0;
    let mut note = |notes: &mut Vec<String>, words: String| {
        noted += 1;
        if noted <= NOTED {
            notes.push(words);
        }
    };
    let mut divisor = 1.0;
    for day in (1..bars.len()).rev() {
        bars.adjusted_close[day] = bars.close[day] / divisor;
        let (date, before) = (bars.date[day], bars.close[day - 1]);
        let open = if bars.open[day].is_nan() { bars.close[day] } else { bars.open[day] };
        let gap = (before / open).ln();
        if gap.abs() <= GAP_MIN {
            continue;
        }
        if let Some((new, old)) = simple_ratio(gap) {
            divisor *= f64::from(new) / f64::from(old);
            note(&mut bars.notes, format!("{NOTE}: {before} to {open} on {date} taken for a {new}:{old} split"));
        } else {
            note(&mut bars.notes, format!("{NOTE}: {before} to {open} on {date} is no simple ratio, left as a move"));
        }
    }
    if let Some(first) = bars.adjusted_close.first_mut() {
        *first = bars.close[0] / divisor;
    }
    if noted > NOTED {
        bars.notes.push(format!("{NOTE}: {} more gaps", noted - NOTED));
    }
}

/// The nearest ratio, new shares for old, within the tolerance.
fn simple_ratio(gap: f64) -> Option<(u8, u8)> {
    let distance = |(new, old): &(u8, u8)| (gap - (f64::from(*new) / f64::from(*old)).ln()).abs();
    let nearest = RATIOS.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    (distance(nearest) <= RATIO_TOLERANCE).then_some(*nearest)
}
