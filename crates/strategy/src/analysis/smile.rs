//! Makes the slices that the surface is fitted to, and counts how well it fits.
//!
//! A slice takes the usable out-of-the-money rows (put below the forward, call at or above it) with a bid above zero. A slice
//! with fewer than five of them also takes in-the-money rows whose bid has a volatility, at strikes where the out-of-the-money one is missing. Expiries of
//! one instant share a slice, each row at the moneyness of its own forward.

use zomma_base::{OptionType, Status};
use zomma_market::chain::Quotes;
use zomma_pricing::surface::{FitQuality, SliceQuotes, Surface};

use super::{
    clean::bid_or_zero,
    expiries::{Expiries, NONE, StrikeRows},
    forwards::Forwards,
    volatilities::Volatilities,
};

/// Fewest out-of-the-money quotes that shape a slice by themselves.
const SLICE_QUOTES_MIN: usize = 5;

/// The slices, and which expiry has which.
#[derive(Clone, Debug, Default)]
pub(super) struct Slices {
    /// By ascending expiry.
    pub quotes: Vec<SliceQuotes>,
    /// Index into `quotes` by living expiry.
    pub of_expiry: Vec<Option<usize>>,
}

/// Whether a row is out of the money: a put below the forward, a call at or above it.
#[inline]
pub(super) fn is_out_of_the_money(option_type: OptionType, strike: f64, forward: f64) -> bool {
    match option_type {
        OptionType::Put => strike < forward,
        OptionType::Call => strike >= forward,
    }
}

/// Makes the slices, one an instant with a forward; one without a usable quote is left to the backbone. None where no quote of any
/// expiry has a volatility.
pub(super) fn slices(quotes: &Quotes, expiries: &Expiries, forwards: &Forwards, vols: &Volatilities) -> Slices {
    let mut slices = Slices { quotes: Vec::new(), of_expiry: vec![None; expiries.alive.len()] };
    let mut first = 0;
    while first < expiries.alive.len() {
        let instant = expiries.alive[first].instant;
        let count = expiries.alive[first..].iter().take_while(|expiry| expiry.instant == instant).count();
        let members = first..first + count;
        first += count;

        // (log-moneyness, row): out of the money first, in the money kept aside.
        let mut out: Vec<(f64, u32)> = Vec::new();
        let mut inside: Vec<(f64, u32)> = Vec::new();
        for index in members.clone() {
            let Some(carry) = &forwards.carries[index] else { continue };
            for entry in &expiries.alive[index].strikes {
                let (otm, itm) = by_moneyness(entry, carry.forward);
                let k = (entry.strike / carry.forward).ln();
                if is_quoted(quotes, vols, otm) {
                    out.push((k, otm));
                } else if is_quoted(quotes, vols, itm) && vols.bid.volatility[itm as usize].is_finite() {
                    inside.push((k, itm));
                }
            }
        }
        if out.len() < SLICE_QUOTES_MIN {
            out.append(&mut inside);
        }
        out.sort_by(|a, b| a.0.total_cmp(&b.0));
        let column = |volatility: &[f64]| out.iter().map(|&(_, row)| volatility[row as usize]).collect();
        // The forward of the member with most rows stands for the slice; each row keeps its own moneyness.
        let leader = members.clone().filter(|&index| forwards.carries[index].is_some());
        let leader = leader.max_by_key(|&index| (expiries.alive[index].strikes.len(), std::cmp::Reverse(index)));
        let Some(carry) = leader.and_then(|index| forwards.carries[index].as_ref()) else { continue };
        slices.quotes.push(SliceQuotes {
            expiry_years: expiries.alive[members.start].years,
            forward: carry.forward,
            log_moneyness: out.iter().map(|&(k, _)| k).collect(),
            bid_volatility: column(&vols.bid.volatility),
            mid_volatility: column(&vols.mid.volatility),
            ask_volatility: column(&vols.ask.volatility),
            open_interest: column(&quotes.open_interest),
        });
        for index in members {
            if forwards.carries[index].is_some() {
                slices.of_expiry[index] = Some(slices.quotes.len() - 1);
            }
        }
    }
    // A surface is never made of nothing.
    if slices.quotes.iter().all(|slice| slice.log_moneyness.is_empty()) {
        slices = Slices { quotes: Vec::new(), of_expiry: vec![None; expiries.alive.len()] };
    }
    slices
}

/// The out-of-the-money and the in-the-money row of a strike.
fn by_moneyness(entry: &StrikeRows, forward: f64) -> (u32, u32) {
    if is_out_of_the_money(OptionType::Put, entry.strike, forward) {
        (entry.put, entry.call)
    } else {
        (entry.call, entry.put)
    }
}

/// Whether a row can stand in a slice: a bid, and a volatility of the mid.
fn is_quoted(quotes: &Quotes, vols: &Volatilities, row: u32) -> bool {
    row != NONE && bid_or_zero(quotes, row as usize) > 0.0 && vols.mid.volatility[row as usize].is_finite()
}

/// Volatility of the surface by row; NaN where the row has no forward.
pub(super) fn surface_volatility(
    quotes: &Quotes,
    expiries: &Expiries,
    forward: &[f64],
    slices: &Slices,
    surface: &Surface,
) -> Vec<f64> {
    (0..forward.len())
        .map(|row| {
            let (years, forward) = (expiries.row_years[row], forward[row]);
            if !(years > 0.0 && forward > 0.0) {
                return f64::NAN;
            }
            let k = (quotes.strike[row] / forward).ln();
            let slice = slices.of_expiry[expiries.row_expiry[row] as usize].and_then(|slice| surface.slices.get(slice));
            slice.map_or(f64::NAN, |slice| (slice.svi.total_variance(k) / years).sqrt())
        })
        .collect()
}

/// Running count of the acceptance's share and of the error.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    quotes: usize,
    inside: usize,
    with_mid: usize,
    squares: f64,
}

impl Tally {
    fn quality(&self) -> FitQuality {
        let mean = if self.with_mid > 0 { self.squares / self.with_mid as f64 } else { f64::NAN };
        FitQuality { quotes: self.quotes, inside: Some(self.inside), rmse_vol_points: 100.0 * mean.sqrt() }
    }
}

/// What the count compares, by row.
#[derive(Clone, Copy)]
pub(super) struct Fitted<'a> {
    /// Forward.
    pub forward: &'a [f64],
    /// Slices.
    pub slices: &'a Slices,
    /// Volatilities of the quotes.
    pub vols: &'a Volatilities,
    /// Volatility of the surface.
    pub model: &'a [f64],
}

/// How well the surface fits: of the whole chain, and by living expiry.
pub(super) struct Fit {
    /// All rows.
    pub all: FitQuality,
    /// By living expiry.
    pub by_expiry: Vec<FitQuality>,
}

/// Counts every unexpired out-of-the-money row with 0 < bid ≤ ask. A rejected row and a row whose expiry has no slice count as outside.
/// The error is over usable rows with a mid volatility.
pub(super) fn quality(quotes: &Quotes, status: &[Status], expiries: &Expiries, fitted: &Fitted<'_>) -> Fit {
    let Fitted { forward, slices, vols, model } = *fitted;
    let mut tallies = vec![Tally::default(); expiries.alive.len()];
    let mut total = Tally::default();
    for row in 0..status.len() {
        let Some(tally) = tallies.get_mut(expiries.row_expiry[row] as usize) else { continue };
        let (bid, ask) = (quotes.bid[row], quotes.ask[row]);
        let is_counted = bid > 0.0
            && bid <= ask
            && ask.is_finite()
            && is_out_of_the_money(quotes.option_type[row], quotes.strike[row], forward[row]);
        if !is_counted {
            continue;
        }
        let has_slice = slices.of_expiry[expiries.row_expiry[row] as usize].is_some();
        let is_used = status[row].is_ok() && has_slice && model[row].is_finite();
        // A bid without a volatility is no lower bound.
        let lowest = if vols.bid.volatility[row].is_nan() { 0.0 } else { vols.bid.volatility[row] };
        let is_inside = is_used && (lowest..=vols.ask.volatility[row]).contains(&model[row]);
        let error = model[row] - vols.mid.volatility[row];
        for tally in [tally, &mut total] {
            tally.quotes += 1;
            tally.inside += usize::from(is_inside);
            if is_used && error.is_finite() {
                tally.with_mid += 1;
                tally.squares += error * error;
            }
        }
    }
    Fit { all: total.quality(), by_expiry: tallies.iter().map(Tally::quality).collect() }
}
