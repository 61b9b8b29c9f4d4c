//! The quotes as the fits of this module see them, and what there is to say of them.

use crate::surface::{
    SliceQuotes,
    calibration::{FitError, Note, Objective, Reason, Settings, quote_notes},
    clock::Clock,
    span::positive_years,
};

/// Parameters of a slice: θ, ρ, ψ.
const PARAMETERS: usize = 3;

/// All slices, by ascending expiry.
pub(super) struct Market {
    /// Years to expiry, strictly ascending.
    pub(super) years: Vec<f64>,
    /// Their variance times.
    pub(super) times: Vec<f64>,
    /// Usable quotes.
    pub(super) objectives: Vec<Objective>,
    /// What was found wrong with them.
    pub(super) notes: Vec<Note>,
}

impl Market {
    /// The usable quotes of `slices`.
    pub(super) fn new(slices: &[SliceQuotes], settings: &Settings, clock: &Clock) -> Result<Self, FitError> {
        // Expiries that coincide, or have no years, still get a place of their own.
        const APART: f64 = 1.0 + 1e-9;
        let mut before = 0.0_f64;
        let mut years = Vec::with_capacity(slices.len());
        for quotes in slices {
            before = positive_years(quotes.expiry_years).max(before * APART);
            years.push(before);
        }
        let objectives: Vec<Objective> = slices.iter().map(|quotes| Objective::new(quotes, settings)).collect();
        if objectives.iter().all(|objective| objective.points.is_empty()) {
            return Err(FitError::NoQuotes);
        }
        let mut notes = quote_notes(slices);
        let few = objectives.iter().zip(&years).filter(|(objective, _)| objective.strikes() < PARAMETERS);
        notes.extend(few.map(|(objective, &years)| {
            let quotes = objective.strikes();
            let instead =
                if quotes == 0 { "the neighbours' level and the surface's shape" } else { "the surface's shape" };
            let reason = Reason::TooFewQuotes { quotes, needed: PARAMETERS, instead: instead.into() };
            Note { expiry_years: Some(years), reason }
        }));
        let times = years.iter().map(|&years| clock.at(years)[0]).collect();
        Ok(Self { years, times, objectives, notes })
    }

    /// Whether slice `i` has quotes enough for a shape of its own.
    pub(super) fn has_shape(&self, i: usize) -> bool {
        self.objectives[i].strikes() >= PARAMETERS
    }

    /// About `most` of every slice's quotes, weighted as they are.
    pub(super) fn thinned(&self, most: usize) -> Vec<Objective> {
        let thin = |objective: &Objective| {
            let step = objective.points.len().div_ceil(most).max(1);
            let points = objective.points.iter().skip((step - 1) / 2).step_by(step).copied().collect();
            Objective { points, ..objective.clone() }
        };
        self.objectives.iter().map(thin).collect()
    }

    /// Total variance of the mid nearest the money; none without a quote.
    pub(super) fn level(&self, i: usize) -> Option<f64> {
        let nearest = self.objectives[i].points.iter().min_by(|x, y| x.k.abs().total_cmp(&y.k.abs()))?;
        Some(nearest.total_variance[1])
    }
}
