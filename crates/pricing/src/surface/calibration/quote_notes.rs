//! What there is to say of quotes whatever is fitted to them, and of how far a fit was moved: one rule each for all models.

use super::note::{Note, Reason};
use crate::surface::{SliceQuotes, span::positive_years};

/// Volatilities that differ by less than this share of themselves are one: less than the half-spread that any quote counts with.
const FLAT_SHARE: f64 = 1e-4;
/// Fewest strikes that say anything of curvature.
const CURVED_STRIKES: usize = 3;
/// A fall by less than this share of total variance is what rounding leaves.
const ROUNDING_SHARE: f64 = 1e-9;
/// A slice that is moved by more than this to be free of arbitrage is noted, in vol points.
const NOTED_VOL_POINTS: f64 = 0.1;

/// What there is to say of the quotes of slices of ascending expiry:
///
/// - [`Reason::CrossedQuotes`] with the bid's volatility above the ask's;
/// - [`Reason::OneSided`] where two usable strikes or more lie all on one side of the money;
/// - [`Reason::Flat`] where three usable strikes or more have one mid volatility, to a part in ten thousand;
/// - [`Reason::CalendarInverted`] where the total variance of an ask is below that of the bids of the expiry before, on the line between
///   that one's neighbouring strikes. A quote with neither side stands at its mid, and one that is crossed takes no part.
pub(in crate::surface) fn quote_notes<'a>(slices: impl IntoIterator<Item = &'a SliceQuotes>) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut before: Option<Sides> = None;
    let mut slices = slices.into_iter().peekable();
    while let Some(quotes) = slices.next() {
        let expiry_years = positive_years(quotes.expiry_years);
        let mut say = |reason| notes.push(Note { expiry_years: Some(expiry_years), reason });
        let crossed = (0..quotes.len()).filter(|&i| quotes.bid_volatility[i] > quotes.ask_volatility[i]).count();
        if crossed > 0 {
            say(Reason::CrossedQuotes { quotes: crossed });
        }
        let mut usable: Vec<usize> = (0..quotes.len()).filter(|&i| quotes.is_usable(i)).collect();
        let k = |i: usize| quotes.log_moneyness[i];
        usable.sort_by(|&i, &j| k(i).total_cmp(&k(j)));
        let (Some(&first), Some(&last)) = (usable.first(), usable.last()) else { continue };
        let (low, high) = (k(first), k(last));
        if low < high && (low > 0.0 || high < 0.0) {
            say(Reason::OneSided { low, high });
        }
        let vols = usable.iter().map(|&i| quotes.mid_volatility[i]);
        let (least, most) = vols.fold((f64::INFINITY, 0.0_f64), |(least, most), vol| (least.min(vol), most.max(vol)));
        let strikes = usable.chunk_by(|&i, &j| k(i) == k(j)).count();
        if strikes >= CURVED_STRIKES && most - least <= FLAT_SHARE * most {
            say(Reason::Flat);
        }
        // A slice alone is compared with none.
        if before.is_none() && slices.peek().is_none() {
            continue;
        }
        let here = Sides::new(quotes, expiry_years, &usable);
        if let Some((log_moneyness, fall)) = before.as_ref().and_then(|before| before.deepest_fall_to(&here)) {
            say(Reason::CalendarInverted { log_moneyness, fall });
        }
        before = Some(here);
    }
    notes
}

/// Log-moneyness and total variance of the bids and of the asks of one expiry, by ascending log-moneyness.
struct Sides {
    expiry_years: f64,
    bids: Vec<[f64; 2]>,
    asks: Vec<[f64; 2]>,
}

impl Sides {
    fn new(quotes: &SliceQuotes, expiry_years: f64, usable: &[usize]) -> Self {
        let [bids, asks] = [(); 2].map(|()| Vec::with_capacity(usable.len()));
        let mut sides = Self { expiry_years, bids, asks };
        for &i in usable {
            let sound = |vol: f64| (vol > 0.0 && vol < 10.0).then_some(vol);
            let (bid, ask) = match (sound(quotes.bid_volatility[i]), sound(quotes.ask_volatility[i])) {
                (None, None) => (Some(quotes.mid_volatility[i]), Some(quotes.mid_volatility[i])),
                (Some(bid), Some(ask)) if bid > ask => (None, None),
                sides => sides,
            };
            let point = |vol: f64| [quotes.log_moneyness[i], vol * vol * expiry_years];
            sides.bids.extend(bid.map(point));
            sides.asks.extend(ask.map(point));
        }
        sides
    }

    /// Where an ask of `later` lies furthest below these bids, and by how much.
    fn deepest_fall_to(&self, later: &Self) -> Option<(f64, f64)> {
        let fall = |&[k, ask]: &[f64; 2]| {
            let bid = self.bid_at(k)?;
            (bid - ask > ROUNDING_SHARE * bid).then_some((k, bid - ask))
        };
        let asks = later.asks.iter().filter(|_| later.expiry_years > self.expiry_years);
        asks.filter_map(fall).max_by(|x, y| x.1.total_cmp(&y.1))
    }

    /// The bids' total variance at `k`, linear between their strikes; none beyond them.
    fn bid_at(&self, k: f64) -> Option<f64> {
        let after = self.bids.partition_point(|bid| bid[0] < k);
        let [k_high, high] = *self.bids.get(after)?;
        if k_high == k {
            return Some(high);
        }
        let [k_low, low] = self.bids[after.checked_sub(1)?];
        Some(low + (high - low) * (k - k_low) / (k_high - k_low))
    }
}

/// A slice that was moved to be free of arbitrage, where it was moved by a tenth of a vol point at least: the root mean square change of
/// volatility over `log_moneyness`. `from` and `to` are total variances.
pub(in crate::surface) fn moved(
    log_moneyness: impl Iterator<Item = f64>,
    expiry_years: f64,
    from: impl Fn(f64) -> f64,
    to: impl Fn(f64) -> f64,
) -> Option<Reason> {
    let vol = |w: f64| (w.max(0.0) / expiry_years).sqrt();
    let (sum, count) = log_moneyness.fold((0.0, 0_usize), |(sum, count), k| {
        let change: f64 = vol(to(k)) - vol(from(k));
        (sum + change * change, count + 1)
    });
    let change_vol_points = 100.0 * (sum / count.max(1) as f64).sqrt();
    (change_vol_points > NOTED_VOL_POINTS).then_some(Reason::Constrained { change_vol_points })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(expiry_years: f64, rows: &[[f64; 4]]) -> SliceQuotes {
        let column = |i: usize| rows.iter().map(|row| row[i]).collect::<Vec<f64>>();
        SliceQuotes {
            expiry_years,
            forward: 100.0,
            log_moneyness: column(0),
            bid_volatility: column(1),
            mid_volatility: column(2),
            ask_volatility: column(3),
            open_interest: Vec::new(),
        }
    }

    fn reasons(slices: &[SliceQuotes]) -> Vec<Reason> {
        quote_notes(slices).into_iter().map(|note| note.reason).collect()
    }

    const NAN: f64 = f64::NAN;

    #[test]
    fn good_quotes_have_nothing_to_say() {
        let rows = [[-0.1, 0.21, 0.22, 0.23], [0.0, 0.19, 0.2, 0.21], [0.1, 0.18, 0.19, 0.2]];
        assert_eq!(reasons(&[slice(0.5, &rows), slice(0.6, &rows)]), []);
        assert_eq!(reasons(&[slice(0.5, &[]), slice(0.6, &[[0.1, NAN, 0.2, NAN]])]), []);
    }

    #[test]
    fn crossed_quotes_are_counted_usable_or_not() {
        let rows = [[-0.1, 0.23, 0.22, 0.21], [0.0, 0.19, 0.2, 0.19], [0.1, 0.2, NAN, 0.1], [0.2, 0.2, 0.2, NAN]];
        assert_eq!(reasons(&[slice(0.5, &rows)]), [Reason::CrossedQuotes { quotes: 2 }]);
    }

    #[test]
    fn one_side_of_the_money_takes_two_strikes() {
        let rows = [[0.3, 0.2, 0.21, 0.22], [0.1, 0.19, 0.2, 0.21], [NAN, 0.1, 0.2, 0.3], [-0.1, 0.1, NAN, 0.2]];
        assert_eq!(reasons(&[slice(0.5, &rows)]), [Reason::OneSided { low: 0.1, high: 0.3 }]);
        assert_eq!(reasons(&[slice(0.5, &rows[1..])]), []);
    }

    #[test]
    fn one_volatility_is_flat_to_a_part_in_ten_thousand_at_three_strikes() {
        let rows = |off: f64| [-0.1, 0.0, 0.1].map(|k| [k, 0.1, 0.2 * (1.0 + if k > 0.0 { off } else { 0.0 }), 0.3]);
        assert_eq!(reasons(&[slice(0.5, &rows(0.9e-4))]), [Reason::Flat]);
        assert_eq!(reasons(&[slice(0.5, &rows(1.1e-4))]), []);
        assert_eq!(reasons(&[slice(0.5, &rows(0.0)[..2])]), []);
    }

    #[test]
    fn an_ask_below_the_bids_of_the_expiry_before_is_an_inversion_with_its_place_and_size() {
        let before = slice(0.5, &[[-0.2, 0.3, 0.31, 0.32], [0.2, 0.2, 0.21, 0.22], [0.1, NAN, 0.24, 0.25]]);
        // The bid on the line: 0.045 at −0.2, 0.02 at 0.2.
        let bid = 0.02 + 0.025 * 0.25;
        let later = |ask: f64| slice(1.0, &[[-0.3, 0.1, 0.11, 0.12], [0.1, 0.1, 0.12, ask], [0.3, 0.1, 0.11, 0.12]]);
        let found = reasons(&[before.clone(), later(0.13)]);
        let [Reason::CalendarInverted { log_moneyness, fall }] = found[..] else { panic!("{found:?}") };
        assert!(log_moneyness == 0.1 && (fall - (bid - 0.13 * 0.13)).abs() < 1e-15, "{found:?}");
        // Mids and bids that fall mean nothing while the ask is above; beyond the strikes nothing is known.
        assert_eq!(reasons(&[before.clone(), later(bid.sqrt() + 1e-9)]), []);
        // A slice without a usable quote is no expiry before, and the same expiry is none.
        assert_eq!(reasons(&[before.clone(), slice(0.7, &[]), later(0.13)]).len(), 1);
        assert_eq!(reasons(&[before.clone(), SliceQuotes { expiry_years: 0.5, ..later(0.13) }]), []);
    }

    #[test]
    fn mids_alone_stand_for_bid_and_ask_and_a_missing_side_bounds_nothing() {
        let at = |t: f64, bid: f64, mid: f64, ask: f64| slice(t, &[[-0.1, bid, mid, ask], [0.1, bid, 1.01 * mid, ask]]);
        let found = reasons(&[at(0.5, NAN, 0.3, NAN), at(0.6, NAN, 0.2, NAN)]);
        assert!(matches!(found[..], [Reason::CalendarInverted { fall, .. }] if (fall - 0.021 * 1.0201).abs() < 1e-12));
        assert_eq!(reasons(&[at(0.5, NAN, 0.3, 0.31), at(0.6, NAN, 0.2, 0.21)]), []);
        assert_eq!(reasons(&[at(0.5, 0.0, 0.3, 0.31), at(0.6, 0.1, 0.2, 0.21)]), []);
        assert_eq!(reasons(&[at(0.5, 0.29, 0.3, 0.31), at(0.6, 0.19, 0.2, NAN)]), []);
    }

    #[test]
    fn a_move_is_noted_from_a_tenth_of_a_vol_point() {
        let by = |to: f64| moved([-0.1, 0.1].into_iter(), 0.25, |_| 0.01, |k| if k < 0.0 { 0.01 } else { to });
        let Some(Reason::Constrained { change_vol_points }) = by(0.25 * 0.21 * 0.21) else { panic!("a whole point") };
        assert!((change_vol_points - 0.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(by(0.25 * 0.2014 * 0.2014), None);
        assert_eq!(moved(std::iter::empty(), 0.25, |_| 0.01, |_| 0.02), None);
    }
}
