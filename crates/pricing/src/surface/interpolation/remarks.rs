//! What quotes have about them that any interpolation of them must say.

use super::knots::Knots;
use crate::surface::{
    SliceQuotes,
    calibration::{Note, Reason},
};

/// Total variance may fall by this share between expiries before it is remarked: less is noise of the quotes.
const FALL_SHARE: f64 = 0.01;

/// Notes on slices that are short of quotes (`needed`; with `instead` for those that have some, filled from neighbours for those that have
/// none), one-sided, flat, crossed, or at odds with the expiry before.
pub(super) fn remarks(
    slices: &[SliceQuotes],
    expiry_years: &[f64],
    knots: &[Knots],
    needed: usize,
    instead: &str,
) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut before: Option<&Knots> = None;
    for ((quotes, &expiry), knots) in slices.iter().zip(expiry_years).zip(knots) {
        let mut note = |reason| notes.push(Note { expiry_years: Some(expiry), reason });
        if knots.len() < needed {
            let instead = if knots.len() == 0 { "the shape of its neighbours" } else { instead }.to_owned();
            note(Reason::TooFewQuotes { quotes: knots.len(), needed, instead });
        }
        if let Some([low, high]) = knots.range().filter(|[low, high]| low < high && (*low > 0.0 || *high < 0.0)) {
            note(Reason::OneSided { low, high });
        }
        if knots.len() > 2 && knots.w.iter().all(|w| (w / knots.w[0] - 1.0).abs() < 1e-12) {
            note(Reason::Flat);
        }
        let crossed = (0..quotes.len()).filter(|&i| quotes.bid_volatility[i] > quotes.ask_volatility[i]).count();
        if crossed > 0 {
            note(Reason::CrossedQuotes { quotes: crossed });
        }
        if let Some(before) = before {
            let falls = knots.k.iter().zip(&knots.w).filter_map(|(&k, &w)| {
                let earlier = linear(before, k)?;
                (w < (1.0 - FALL_SHARE) * earlier).then_some((k, earlier - w))
            });
            if let Some((log_moneyness, fall)) = falls.max_by(|x, y| x.1.total_cmp(&y.1)) {
                note(Reason::CalendarInverted { log_moneyness, fall });
            }
        }
        if knots.len() > 0 {
            before = Some(knots);
        }
    }
    notes
}

/// Total variance at `k`, linear between the knots; none beyond them.
fn linear(knots: &Knots, k: f64) -> Option<f64> {
    let after = knots.k.partition_point(|&knot| knot < k);
    let (k_high, w_high) = (*knots.k.get(after)?, knots.w[after]);
    if k_high <= k {
        return Some(w_high);
    }
    let before = after.checked_sub(1)?;
    let share = (k - knots.k[before]) / (k_high - knots.k[before]);
    Some(knots.w[before] + share * (w_high - knots.w[before]))
}
