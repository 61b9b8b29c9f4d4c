//! The price-spline surface: at each expiry the smoothest density whose option prices lie inside bid and ask, free of arbitrage.
//!
//! Each slice's undiscounted prices over the forward are a cubic spline in moneyness whose second derivative, the risk-neutral density, is
//! continuous and positive ([`PriceSpline`]); [`PriceSplines`] joins them. A slice is one convex quadratic programme (after Fengler 2009, *Arbitrage-free smoothing of the implied volatility surface*, with bid and ask as constraints
//! rather than mids as data, and the density's shape rather than its curvature as roughness):
//!
//! - minimised is the roughness of the density over that of a reference (a local regression of the slice's own mids), and a weak pull of prices
//!   to the mids;
//! - bid ≤ price ≤ ask, an exact penalty: a quote is missed only where it contradicts the others;
//! - the density is at least a thousandth of the reference's, so there is no butterfly arbitrage;
//! - the price is at or above that of the expiry before, everywhere: no calendar arbitrage.
//!
//! Slices are fitted by ascending expiry, and each stays below the asks of all later ones as well, which between strikes bound a convex
//! price by their chords. Then nothing is lost against one programme over all expiries, apart from smoothness: where that has a solution C*,
//! max(Cᵢ, C*ᵢ₊₁) is convex, above Cᵢ and inside the quotes of the next slice.

mod basis;
mod interior_point;
mod knots;
mod quotes;
mod reference;
mod slice;
mod smile;
mod surface;
#[cfg(test)]
mod tests;

pub use smile::PriceSpline;
pub use surface::PriceSplines;

use rayon::prelude::*;

use super::{
    SliceQuotes,
    calibration::{Fit, FitError, ModelSettings, Note, Reason, quote_notes},
    neighbours::nearest,
    span::positive_years,
};
use quotes::Quote;
use reference::Reference;
use slice::{Task, Workspace};

/// Powers of the tails' prices in moneyness, least and most.
const PUT_POWERS: [f64; 2] = [1.2, 300.0];
const CALL_POWERS: [f64; 2] = [0.2, 300.0];

/// Total variance above which an option's price is the underlying's but for a thousandth, so that prices within the solver's reach of each other
/// have volatilities many points apart.
const MOST_VARIANCE: f64 = 40.0;

/// Programmes that a slice has: its quotes and its reference, and with less of both.
const ATTEMPTS: usize = 4;

/// What one slice brings to the fit.
struct Member {
    quotes: Vec<Quote>,
    reference: Reference,
    span: [f64; 2],
    powers: [f64; 2],
}

/// Fits price splines to slices of distinct, ascending expiry.
///
/// Of `settings`, `residual` and `weights` say how strongly each mid pulls (a miss is counted by its slope at the mid); `tikhonov` pulls the
/// density to that of `prior`, or without one to the reference, where 1 weighs as much as the roughness of a density that turns by itself
/// within one deviation; `clock` is how variance passes between expiries. The estimator is not used: the sides of the quotes are constraints.
/// The programme is convex, so no start is needed and none is taken from `prior`.
///
/// A slice of fewer than five strikes takes its reference from the slice with one that is nearest in ln(expiry). One that has no solution
/// whatever is left out has the smile of the expiry before; where there is none yet, the surface begins at the next expiry.
///
/// # Errors
/// Where no slice has a quote that can be used, or none has a solution.
pub fn fit(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&PriceSplines>,
) -> Result<Fit<PriceSplines>, FitError> {
    let expiry_years: Vec<f64> = slices.iter().map(|slice| positive_years(slice.expiry_years)).collect();
    let (read, own): (Vec<_>, Vec<_>) = slices
        .par_iter()
        .map(|slice| {
            let read = quotes::usable(slice, &settings.calibration);
            let own = Reference::of(&read);
            (read, own)
        })
        .unzip();
    let mut notes = quote_notes(slices);
    let few = (0..slices.len()).filter(|&i| own[i].is_none());
    let has_shape = own.iter().any(Option::is_some);
    notes.extend(few.map(|i| Note {
        expiry_years: Some(expiry_years[i]),
        reason: Reason::TooFewQuotes {
            quotes: quotes::strikes(&read[i]),
            needed: reference::FEWEST_STRIKES,
            instead: if has_shape { "the shape of the nearest expiry" } else { "the shape of one volatility" }.into(),
        },
    }));
    notes.extend((0..slices.len()).filter_map(|i| {
        let most = read[i].iter().map(|quote| quote.deviation * quote.deviation).fold(0.0, f64::max);
        let why = format!("a total variance of {most:.1} is above {MOST_VARIANCE}: prices no longer tell the volatility, and quotes may be missed");
        (most > MOST_VARIANCE).then(|| Note { expiry_years: Some(expiry_years[i]), reason: Reason::Failed { why } })
    }));
    let of = |smiles, first: usize, notes| {
        let surface = PriceSplines::new(expiry_years[first..].to_vec(), smiles, settings.clock.clone());
        Ok(Fit { notes, ..Fit::of(surface) })
    };
    // A slice without a solution and without one before it leaves no mark on the others.
    for first in 0..slices.len() {
        let members = members(&expiry_years, &read, &own, first).ok_or(FitError::NoQuotes)?;
        let (years, tikhonov) = (&expiry_years[first..], settings.calibration.tikhonov);
        if let Some(smiles) = fit_all(&members, years, tikhonov, prior, &mut notes) {
            return of(smiles, first, notes);
        }
        let why = "no smile free of arbitrage was reached; the shape of the next expiry instead".to_owned();
        notes.push(Note { expiry_years: Some(expiry_years[first]), reason: Reason::Failed { why } });
    }
    if slices.is_empty() { of(Vec::new(), 0, notes) } else { Err(FitError::NotConverged { starts: ATTEMPTS }) }
}

/// What the slices from `first` on bring to the fit; none where no slice has a quote.
fn members(expiry_years: &[f64], read: &[Vec<Quote>], own: &[Option<Reference>], first: usize) -> Option<Vec<Member>> {
    let mut members: Vec<Member> = Vec::with_capacity(read.len() - first);
    for (i, quotes) in read.iter().enumerate().skip(first) {
        let reference = match &own[i] {
            Some(reference) => reference.clone(),
            None => borrowed(expiry_years, read, own, i)?,
        };
        let inner = members.last().map_or([0.0; 2], |before: &Member| before.span);
        let span = knots::span(quotes, &reference, inner);
        members.push(Member { quotes: quotes.clone(), reference, span, powers: [0.0; 2] });
    }
    lay_tails(&mut members);
    Some(members)
}

/// The reference of slice `i`, which has none of its own: the shape of the nearest in ln(expiry) that has, or one volatility, at the level of
/// the slice's own quote nearest to the money where there is one.
fn borrowed(expiry_years: &[f64], read: &[Vec<Quote>], own: &[Option<Reference>], i: usize) -> Option<Reference> {
    let nearest = |has: &dyn Fn(usize) -> bool| {
        let known = (0..own.len()).filter(|j| has(*j)).map(|j| (expiry_years[j], j));
        Some(nearest(known, expiry_years[i])?.1)
    };
    let at_money = |j: usize| read[j].iter().min_by(|a, b| a.k.abs().total_cmp(&b.k.abs()));
    let root = |j: usize| (expiry_years[i] / expiry_years[j]).sqrt();
    let shape = match nearest(&|j| own[j].is_some()) {
        Some(j) => own[j].as_ref()?.scaled(root(j)),
        None => {
            let j = nearest(&|j| !read[j].is_empty())?;
            Reference::flat(at_money(j)?.deviation * root(j))
        }
    };
    Some(match at_money(i) {
        Some(quote) => shape.scaled(quote.deviation / shape.deviation(quote.k)),
        None => shape,
    })
}

/// Gives each slice the powers of its tails: the reference's at the ends of the knots, and not below those of a later slice, so that tails
/// which are in order at the later slice's end stay so.
fn lay_tails(members: &mut [Member]) {
    let mut after = [PUT_POWERS[0], CALL_POWERS[0]];
    for member in members.iter_mut().rev() {
        let [low, high] = member.span;
        let reference = &member.reference;
        let step = 0.05 * reference.deviation(0.0);
        let put = (reference.price(low) / reference.price(low - step)).ln() / step;
        let call = (reference.price(high) / reference.price(high + step)).ln() / step;
        let within = |power: f64, [least, most]: [f64; 2]| if power > least { power.min(most) } else { least };
        after = [after[0].max(within(put, PUT_POWERS)), after[1].max(within(call, CALL_POWERS))];
        member.powers = after;
    }
}

/// Fits the slices one after the other; none where the first has no solution.
fn fit_all(
    members: &[Member],
    expiry_years: &[f64],
    tikhonov: f64,
    prior: Option<&PriceSplines>,
    notes: &mut Vec<Note>,
) -> Option<Vec<PriceSpline>> {
    let ceiling = quotes::Ceiling::new(members.iter().map(|member| member.quotes.as_slice()));
    let mut workspace = Workspace::default();
    let mut smiles: Vec<PriceSpline> = Vec::with_capacity(members.len());
    let (mut knots, mut bounds) = (Vec::new(), Vec::new());
    for (i, member) in members.iter().enumerate() {
        let prior = prior.map(|surface| (surface, expiry_years[i]));
        let mean = member.quotes.iter().map(|quote| quote.deviation).sum::<f64>() / member.quotes.len() as f64;
        let flat = Reference::flat(if mean > 0.0 { mean } else { member.reference.deviation(0.0) });
        let none: &[Quote] = &[];
        let attempts: [_; ATTEMPTS] = [
            (member.quotes.as_slice(), &member.reference, ""),
            (member.quotes.as_slice(), &flat, "no reference"),
            (none, &member.reference, "the reference's shape"),
            (none, &flat, "one volatility"),
        ];
        let mut smile = None;
        let mut instead = "";
        for (quotes, reference, what) in attempts {
            knots::lay(quotes, reference, member.span, &mut knots);
            ceiling.fill(if quotes.is_empty() { members.len() } else { i + 1 }, &knots, &mut bounds);
            let task = Task {
                quotes,
                reference,
                previous: smiles.last(),
                knots: &knots,
                ceiling: &bounds,
                powers: member.powers,
                tikhonov,
                prior,
            };
            smile = workspace.fit(&task);
            instead = what;
            if smile.is_some() {
                if let Some(steps) = workspace.unsettled {
                    notes.push(Note { expiry_years: Some(expiry_years[i]), reason: Reason::NotConverged { steps } });
                }
                break;
            }
        }
        if smile.is_none() {
            smile = Some(smiles.last()?.clone());
            instead = "the smile of the expiry before";
        }
        if !instead.is_empty() {
            let why = format!("no smile free of arbitrage was reached; {instead} instead");
            notes.push(Note { expiry_years: Some(expiry_years[i]), reason: Reason::Failed { why } });
        }
        smiles.extend(smile);
    }
    Some(smiles)
}
