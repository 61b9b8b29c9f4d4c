//! The smooth smile that a slice's density is held close to in shape: raw SVI of its own quotes, whatever arbitrage it has.

use crate::{
    math::{Plain, normal_pdf},
    surface::{smile::{Smile, durrleman_g}, svi::Svi},
};

use super::quotes;

/// g of the reference is held above about this, smoothly.
const LEAST_G: f64 = 0.05;
/// Its total variance is at least this share of that at the money.
const LEAST_SHARE: f64 = 0.05;
/// No strike is further from the money than the inverse of this in deviations.
const FURTHEST: f64 = 0.1;

/// A smile that gives a positive density.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    svi: Svi,
    floor: f64,
}

impl Reference {
    /// `svi`, with total variance above zero at the money.
    pub(super) fn new(svi: Svi) -> Self {
        Self { svi, floor: LEAST_SHARE * svi.total_variance(0.0).max(1e-14) }
    }

    fn derivatives(&self, k: f64) -> [f64; 3] {
        let at = self.svi.derivatives(k);
        let wing = FURTHEST * FURTHEST * k * k;
        if wing > at[0].max(self.floor) {
            [wing, 2.0 * FURTHEST * FURTHEST * k, 2.0 * FURTHEST * FURTHEST]
        } else if at[0] > self.floor {
            at
        } else {
            [self.floor, 0.0, 0.0]
        }
    }

    /// √w(k).
    pub(super) fn deviation(&self, k: f64) -> f64 {
        self.derivatives(k)[0].sqrt()
    }

    /// −d₂: how many deviations the strike lies above the middle.
    pub(super) fn deviations(&self, k: f64) -> f64 {
        let deviation = self.deviation(k);
        k / deviation + 0.5 * deviation
    }

    /// The out-of-the-money price over the forward.
    pub(super) fn price(&self, k: f64) -> f64 {
        quotes::price(k, self.deviation(k))
    }

    /// The density of S_T/F.
    pub(super) fn density(&self, k: f64) -> f64 {
        let at = self.derivatives(k);
        let g = durrleman_g(k, at);
        let g = 0.5 * (g + (g * g + 4.0 * LEAST_G * LEAST_G).sqrt());
        let deviation = at[0].sqrt();
        (g * normal_pdf::<Plain>(k / deviation + 0.5 * deviation) / deviation).max(1e-280) * (-k).exp()
    }
}
