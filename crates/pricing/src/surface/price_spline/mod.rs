//! Price splines.

mod basis;
mod interior_point;
mod knots;
mod quotes;
mod reference;
mod slice;
mod smile;

pub use slice::Tuning;
pub use smile::PriceSpline;

use super::{
    SliceQuotes, Slices,
    calibration::{Fit, FitError, ModelSettings},
    target::positive_years,
};
use reference::Reference;

/// Experiments.
pub fn fit_tuned(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    tuning: &Tuning,
) -> Result<Fit<Slices<PriceSpline>>, FitError> {
    let usable: Vec<Vec<quotes::Quote>> =
        slices.iter().map(|slice| quotes::usable(slice, &settings.calibration).0).collect();
    let references: Vec<Reference> = usable
        .iter()
        .map(|quotes| Reference::of(quotes).unwrap_or_else(|| Reference::flat(quotes.first().map_or(0.01, |q| q.deviation))))
        .collect();
    let ceiling = quotes::Ceiling::new(usable.iter().map(Vec::as_slice));
    let mut spans = Vec::new();
    let mut inner = [0.0; 2];
    for (quotes, reference) in usable.iter().zip(&references) {
        inner = knots::span(quotes, reference, inner);
        spans.push(inner);
    }
    let mut powers = vec![[1.0_f64; 2]; slices.len()];
    let mut after = [1.2_f64, 0.2];
    for i in (0..slices.len()).rev() {
        let [low, high] = spans[i];
        let reference = &references[i];
        let h = 0.05 * reference.deviation(0.0);
        let put = (reference.price(low) / reference.price(low - h)).ln() / h;
        let call = (reference.price(high) / reference.price(high + h)).ln() / h;
        after = [after[0].max(put.clamp(1.2, 300.0)), after[1].max(call.clamp(0.2, 300.0))];
        powers[i] = after;
    }
    let mut workspace = slice::Workspace::default();
    let mut smiles: Vec<PriceSpline> = Vec::new();
    let (mut knots, mut bounds) = (Vec::new(), Vec::new());
    for i in 0..slices.len() {
        knots::lay(&usable[i], &references[i], spans[i], &mut knots);
        ceiling.fill(i + 1, &knots, &mut bounds);
        if std::env::var("NOCEIL").is_ok() { bounds.fill(f64::INFINITY); }
        let task = slice::Task {
            quotes: &usable[i],
            reference: &references[i],
            previous: if std::env::var("NOPREV").is_ok() { None } else { smiles.last() },
            knots: &knots,
            ceiling: &bounds,
            powers: powers[i],
        };
        let smile = workspace.fit(&task, tuning);
        if std::env::var("TRACE").is_ok() {
            println!(
                "{i} t {:.4} quotes {} knots {} span {:.3?} powers {:.2?} {:?} steps {} rounds {} settled {}",
                slices[i].expiry_years,
                usable[i].len(),
                knots.len(),
                spans[i], powers[i], (),
                workspace.steps,
                workspace.rounds,
                workspace.settled
            );
        }
        smiles.push(smile);
    }
    let surface = Slices {
        expiry_years: slices.iter().map(|slice| positive_years(slice.expiry_years)).collect(),
        smiles,
        clock: settings.clock.clone(),
    };
    Ok(Fit::of(surface))
}
