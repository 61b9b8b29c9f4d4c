//! One summary an expiry.

use zomma_base::Status;
use zomma_market::chain::Quotes;
use zomma_pricing::surface::{FitQuality, Surface};

use super::{
    ExpirySummary,
    expiries::Expiries,
    forwards::Forwards,
    smile::{Fit, Slices},
};

/// Where the rows of a chain came out.
#[derive(Clone, Copy)]
pub(super) struct Outcome<'a> {
    pub quotes: &'a Quotes,
    pub status: &'a [Status],
    pub expiries: &'a Expiries,
    pub forwards: &'a Forwards,
    pub slices: &'a Slices,
    pub surface: &'a Surface,
    pub fit: &'a Fit,
}

/// Summarises every living expiry, in order. One without a forward has NaN in its place.
pub(super) fn summarize(outcome: &Outcome<'_>) -> Vec<ExpirySummary> {
    let Outcome { quotes, status, expiries, forwards, slices, surface, fit } = *outcome;
    expiries
        .alive
        .iter()
        .enumerate()
        .map(|(index, expiry)| {
            let carry = forwards.carries[index].as_ref();
            let slice = slices.of_expiry[index];
            let fitted = slice.and_then(|slice| surface.slices.get(slice));
            let quality = fit.by_expiry[index];
            let variance = fitted.map_or(f64::NAN, |fitted| fitted.svi.total_variance(0.0));
            // Counted over the same rows: what the slice did not see is outside.
            let unconstrained = fitted.map_or(
                FitQuality { quotes: quality.quotes, inside: Some(0), rmse_vol_points: f64::NAN },
                |fitted| {
                    FitQuality {
                        quotes: quality.quotes,
                        inside: Some(fitted.unconstrained.inside.unwrap_or(0).min(quality.quotes)),
                        rmse_vol_points: fitted.unconstrained.rmse_vol_points,
                    }
                    .or_known(quality)
                },
            );
            ExpirySummary {
                expiry: expiry.instant,
                expiry_date: expiry.date,
                root: quotes.roots.get(usize::from(expiry.root)).cloned().unwrap_or_default(),
                settlement: expiry.settlement,
                exercise_style: expiry.style,
                expiry_years: expiry.years,
                calendar_days: expiry.calendar_days,
                forward: carry.map_or(f64::NAN, |carry| carry.forward),
                forward_error: carry.and_then(|carry| carry.forward_error),
                discount_factor: carry.map_or(f64::NAN, |carry| carry.discount_factor),
                forward_source: carry.map_or(super::ForwardSource::SpotAndCarry, |carry| carry.forward_source),
                rate_source: carry.map_or(super::RateSource::AssumedZero, |carry| carry.rate_source),
                parity_pairs: carry.map_or(0, |carry| carry.pairs),
                quotes: expiry.rows.iter().filter(|&&row| status[row as usize].is_ok()).count(),
                slice,
                slice_source: fitted.map(|fitted| fitted.source),
                quality,
                unconstrained,
                atm_volatility: (variance / expiry.years).sqrt(),
            }
        })
        .collect()
}
