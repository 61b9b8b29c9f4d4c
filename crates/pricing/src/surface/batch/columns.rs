//! The columns of the batch: the quotes of many slices one after the other, and what is fitted to each slice.

use std::ops::Range;

use zomma_base::Status;

use crate::surface::{
    SliceQuotes,
    svi::{Svi, target::Target},
};

/// Quotes of many slices (of any underlying, date and expiry), one slice after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SliceColumns {
    /// k = ln(strike/forward) of each quote, in any order within its slice, |k| < 20.
    pub log_moneyness: Vec<f64>,
    /// σ²T at the middle of bid and ask, above zero.
    pub total_variance: Vec<f64>,
    /// 1 over half the distance from bid to ask in total variance, above zero: a miss counts in half spreads.
    pub inverse_half_width: Vec<f64>,
    /// Where each slice begins, and where the last ends: slices + 1 numbers that do not fall, from 0 to the number of quotes.
    pub offsets: Vec<usize>,
}

impl SliceColumns {
    /// The usable quotes of each slice: one without a mid volatility is left out, one without a bid or an ask is as wide as its other side.
    pub fn from_slices(slices: &[SliceQuotes]) -> Self {
        let mut columns = Self { offsets: vec![0], ..Self::default() };
        for quotes in slices {
            let mut target = Target::new(quotes);
            columns.log_moneyness.append(&mut target.k);
            columns.total_variance.append(&mut target.centre);
            columns.inverse_half_width.append(&mut target.inverse_half);
            columns.offsets.push(columns.log_moneyness.len());
        }
        columns
    }

    /// Slices.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there is no slice.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Which quotes are a slice's.
    pub(super) fn quotes_of(&self, slice: usize) -> Range<usize> {
        self.offsets[slice]..self.offsets[slice + 1]
    }

    /// The quotes of a slice.
    pub(super) fn slice(&self, slice: usize) -> Quotes<'_> {
        let at = self.quotes_of(slice);
        Quotes {
            k: &self.log_moneyness[at.clone()],
            centre: &self.total_variance[at.clone()],
            inverse_half: &self.inverse_half_width[at],
        }
    }

    pub(super) fn assert_whole(&self) {
        let quotes = self.log_moneyness.len();
        assert!(
            self.total_variance.len() == quotes && self.inverse_half_width.len() == quotes,
            "columns of one length"
        );
        let whole = match (self.offsets.first(), self.offsets.last()) {
            (Some(&first), Some(&last)) => first == 0 && last == quotes,
            _ => quotes == 0,
        };
        assert!(whole && self.offsets.is_sorted(), "offsets that do not fall, from 0 to the number of quotes");
    }
}

/// The quotes of one slice: residual r = (w − centre)·inverse_half.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quotes<'a> {
    pub k: &'a [f64],
    pub centre: &'a [f64],
    pub inverse_half: &'a [f64],
}

/// What was fitted: a row a slice, in the order of the slices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SliceFits {
    /// Level.
    pub a: Vec<f64>,
    /// Slope of the wings together.
    pub b: Vec<f64>,
    /// Tilt.
    pub rho: Vec<f64>,
    /// Shift.
    pub m: Vec<f64>,
    /// Rounding of the vertex.
    pub sigma: Vec<f64>,
    /// Root mean square of the misses, in half spreads.
    pub rms: Vec<f64>,
    /// Least of Durrleman's g over the quoted range and a quarter of it beyond each end: below zero, the slice has butterfly arbitrage.
    pub least_g: Vec<f64>,
    /// Evaluations of the normal equations.
    pub iterations: Vec<u32>,
    /// `Ok`; `NotConverged`, where the numbers are the best that were found; else the numbers are NaN and this says why.
    pub status: Vec<Status>,
}

impl SliceFits {
    /// Rows without a number yet.
    pub(super) fn unknown(slices: usize) -> Self {
        let absent = || vec![f64::NAN; slices];
        Self {
            a: absent(),
            b: absent(),
            rho: absent(),
            m: absent(),
            sigma: absent(),
            rms: absent(),
            least_g: absent(),
            iterations: vec![0; slices],
            status: vec![Status::NotConverged; slices],
        }
    }

    /// Slices.
    pub fn len(&self) -> usize {
        self.status.len()
    }

    /// Whether there is no slice.
    pub fn is_empty(&self) -> bool {
        self.status.is_empty()
    }

    /// The smile of a slice; none where its numbers are NaN.
    pub fn svi(&self, slice: usize) -> Option<Svi> {
        let numbers = matches!(self.status[slice], Status::Ok | Status::NotConverged);
        numbers.then(|| Svi {
            a: self.a[slice],
            b: self.b[slice],
            rho: self.rho[slice],
            m: self.m[slice],
            sigma: self.sigma[slice],
        })
    }

    pub(super) fn set(&mut self, slice: usize, fitted: &Result<Fitted, Status>) {
        let (row, status) = match fitted {
            Ok(row) => (*row, if row.converged { Status::Ok } else { Status::NotConverged }),
            Err(status) => (Fitted::NONE, *status),
        };
        let svi = row.svi;
        self.a[slice] = svi.a;
        self.b[slice] = svi.b;
        self.rho[slice] = svi.rho;
        self.m[slice] = svi.m;
        self.sigma[slice] = svi.sigma;
        self.rms[slice] = row.rms;
        self.least_g[slice] = row.least_g;
        self.iterations[slice] = row.iterations;
        self.status[slice] = status;
    }
}

/// The fit of one slice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fitted {
    pub svi: Svi,
    pub rms: f64,
    pub least_g: f64,
    pub iterations: u32,
    pub converged: bool,
}

impl Fitted {
    pub const NONE: Self = Self {
        svi: Svi { a: f64::NAN, b: f64::NAN, rho: f64::NAN, m: f64::NAN, sigma: f64::NAN },
        rms: f64::NAN,
        least_g: f64::NAN,
        iterations: 0,
        converged: false,
    };
}
