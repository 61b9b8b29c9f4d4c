//! What a surface says at many points, block by block.

use std::ops::RangeInclusive;

use zomma_base::Status;

use super::{
    point::{Answer, Place, checked_place},
    saved::SavedSurface,
};
use crate::{
    math::{Kernel, MultiplyAdd, Target, dispatch, ln_ratio},
    surface::{
        forwards::ForwardCurve,
        many,
        smile::{Variance, VolatilitySurface},
    },
};

/// Points that are asked together.
const BLOCK: usize = 256;
/// What the logarithm of a ratio is made for.
const LOGARITHMS: RangeInclusive<f64> = 1e-300..=1e300;

/// Where a surface is asked, by columns of one length; NaN where a number is not given. Each row is a [`Place`].
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// Strike, taken against `forward`, or else the surface's own forward to that expiry.
    pub strike: &'a [f64],
    /// ln(strike/forward); holds where both are given.
    pub log_moneyness: &'a [f64],
    /// Forward that the strike is taken against.
    pub forward: &'a [f64],
    /// Years to expiry.
    pub expiry_years: &'a [f64],
}

impl<'a> Places<'a> {
    /// Rows: the length of the shortest column.
    pub fn len(&self) -> usize {
        let columns = [self.strike, self.log_moneyness, self.forward, self.expiry_years];
        columns.into_iter().map(<[f64]>::len).fold(usize::MAX, usize::min)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows from `start` to before `end`.
    ///
    /// # Panics
    /// Where there are not so many.
    #[must_use]
    pub fn rows(&self, start: usize, end: usize) -> Self {
        let of = |column: &'a [f64]| &column[start..end];
        Self {
            strike: of(self.strike),
            log_moneyness: of(self.log_moneyness),
            forward: of(self.forward),
            expiry_years: of(self.expiry_years),
        }
    }

    /// One row.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn place(&self, row: usize) -> Place {
        let given = |number: f64| (!number.is_nan()).then_some(number);
        Place {
            strike: given(self.strike[row]),
            log_moneyness: given(self.log_moneyness[row]),
            forward: given(self.forward[row]),
            expiry_years: self.expiry_years[row],
        }
    }
}

/// The log-moneyness of a block of places, and what is wrong with each; NaN where something is.
struct Located {
    k: [f64; BLOCK],
    status: [Status; BLOCK],
}

impl Located {
    fn new(places: &Places<'_>, forwards: &ForwardCurve) -> Self {
        let (mut strike, mut forward, mut offset) = ([1.0; BLOCK], [1.0; BLOCK], [0.0; BLOCK]);
        let mut status = [Status::Ok; BLOCK];
        let mut has_strikes = false;
        for row in 0..places.len() {
            let place = places.place(row);
            match checked_place(&place) {
                Err(wrong) => (status[row], offset[row]) = (wrong, f64::NAN),
                Ok(()) => match (place.log_moneyness, place.strike, place.forward) {
                    (None, Some(at), given) => {
                        let [own, growth] = given.map_or_else(|| forwards.parts(place.expiry_years), |own| [own, 0.0]);
                        if !(own > 0.0 && own.is_finite() && growth.is_finite()) {
                            (status[row], offset[row]) = (Status::BadForward, f64::NAN);
                        } else if LOGARITHMS.contains(&at) && LOGARITHMS.contains(&own) {
                            (strike[row], forward[row], offset[row]) = (at, own, -growth);
                            has_strikes = true;
                        } else {
                            offset[row] = at.ln() - own.ln() - growth;
                        }
                    }
                    (k, ..) => offset[row] = k.unwrap_or(f64::NAN),
                },
            }
        }
        let mut k = offset;
        if has_strikes {
            dispatch(Target::best(), Logarithms { strike: &strike, forward: &forward, offset_and_k: &mut k });
        }
        Self { k, status }
    }
}

/// ln(strike/forward) + offset.
struct Logarithms<'a> {
    strike: &'a [f64; BLOCK],
    forward: &'a [f64; BLOCK],
    offset_and_k: &'a mut [f64; BLOCK],
}

impl Kernel for Logarithms<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        for i in 0..BLOCK {
            self.offset_and_k[i] += ln_ratio::<M>(self.strike[i], self.forward[i]);
        }
    }
}

impl SavedSurface {
    /// [`SavedSurface::implied_vol_at`] at every row, to `out`: many points side by side, so for a fraction of the time of one by one.
    ///
    /// # Panics
    /// Unless `out` and `status` have a row for each place.
    pub fn implied_vols_at(&self, places: &Places<'_>, out: &mut [f64], status: &mut [Status]) {
        self.totals_at(places, out, status, many::to_volatilities);
    }

    /// [`SavedSurface::total_variance_at`] at every row, likewise.
    ///
    /// # Panics
    /// Unless `out` and `status` have a row for each place.
    pub fn total_variances_at(&self, places: &Places<'_>, out: &mut [f64], status: &mut [Status]) {
        self.totals_at(places, out, status, |_, _| {});
    }

    /// Total variances made what is asked by `finish`; without a volatility, NaN and the status that says why.
    fn totals_at(
        &self,
        places: &Places<'_>,
        out: &mut [f64],
        status: &mut [Status],
        finish: impl Fn(&[f64], &mut [f64]),
    ) {
        let curve = ForwardCurve::new(&self.forwards);
        for (block, (out, status)) in out.chunks_mut(BLOCK).zip(status.chunks_mut(BLOCK)).enumerate() {
            let places = places.rows(block * BLOCK, block * BLOCK + out.len());
            let located = Located::new(&places, &curve);
            self.total_variances(&located.k[..out.len()], places.expiry_years, out);
            for ((status, located), (w, t)) in
                status.iter_mut().zip(located.status).zip(out.iter_mut().zip(places.expiry_years))
            {
                let has_volatility = (0.0..f64::INFINITY).contains(&(*w / t));
                *status = if has_volatility || !located.is_ok() { located } else { Status::NoSurface };
                *w = if status.is_ok() { *w } else { f64::NAN };
            }
            finish(places.expiry_years, out);
        }
    }

    /// [`SavedSurface::at`] at every row.
    pub fn answers_at(&self, places: &Places<'_>) -> Vec<Answer> {
        let curve = ForwardCurve::new(&self.forwards);
        let mut answers = Vec::with_capacity(places.len());
        let mut variances = [Variance::NONE; BLOCK];
        for start in (0..places.len()).step_by(BLOCK) {
            let places = places.rows(start, (start + BLOCK).min(places.len()));
            let located = Located::new(&places, &curve);
            let variances = &mut variances[..places.len()];
            self.variances(&located.k[..places.len()], places.expiry_years, variances);
            let of_row = |row: usize| match located.status[row] {
                Status::Ok => self.answer(located.k[row], places.expiry_years[row], &variances[row]),
                status => Answer::none(status),
            };
            answers.extend((0..places.len()).map(of_row));
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{
        calibration::ModelSettings,
        fitted::{Quoted, SurfaceModel},
        test_quotes::{grid, quotes},
    };

    /// Whether two volatilities, or two that are none, agree; one value and all derivatives may round apart.
    fn agree(ours: f64, theirs: f64) -> bool {
        (ours / theirs - 1.0).abs() < 1e-9 || ours == theirs || ours.is_nan() && theirs.is_nan()
    }

    #[test]
    fn many_places_are_as_one_by_one_whatever_is_given() {
        let slices = [0.1, 0.5, 1.0].map(|t| quotes(t, &grid(-0.3, 0.2, 13), 0.002, |k| 0.2 - 0.15 * k + 0.3 * k * k));
        let quoted = Quoted::of_slices(slices.to_vec(), Some(99.0));
        let none = f64::NAN;
        // 300 sound ones in three ways, and every way to be wrong.
        let mut rows: Vec<[f64; 4]> = (0..300)
            .map(|i| {
                let (x, t) = (f64::from(i * 37 % 100) / 100.0, 0.02 + f64::from(i * 59 % 127) / 80.0);
                match i % 3 {
                    0 => [70.0 + 50.0 * x, none, none, t],
                    1 => [none, x - 0.6, none, t],
                    _ => [70.0 + 50.0 * x, none, 101.5, t],
                }
            })
            .collect();
        rows.extend([
            [-1.0, none, none, 0.5],
            [f64::INFINITY, none, none, 0.5],
            [none, none, none, 0.5],
            [100.0, f64::INFINITY, none, 0.5],
            [100.0, none, 0.0, 0.5],
            [100.0, none, none, 0.0],
            [100.0, none, none, none],
            [100.0, -0.1, -5.0, 0.5],
            [1e-310, none, none, 0.5],
            [1e305, none, 1e304, 0.5],
        ]);
        let columns: [Vec<f64>; 4] = std::array::from_fn(|j| rows.iter().map(|row| row[j]).collect());
        let [strike, log_moneyness, forward, expiry_years] = &columns;
        let places = Places { strike, log_moneyness, forward, expiry_years };
        for model in SurfaceModel::ALL {
            let saved = quoted.fit(model, &ModelSettings::default(), None).expect("quotes");
            let (mut vols, mut totals) = (vec![0.0; rows.len()], vec![0.0; rows.len()]);
            let mut status = [vec![Status::Ok; rows.len()], vec![Status::Ok; rows.len()]];
            saved.implied_vols_at(&places, &mut vols, &mut status[0]);
            saved.total_variances_at(&places, &mut totals, &mut status[1]);
            let answers = saved.answers_at(&places);
            assert_eq!(answers.len(), rows.len());
            for row in 0..rows.len() {
                let place = places.place(row);
                let (vol, expected) = saved.implied_vol_at(&place);
                let whole = saved.at(&place);
                let what = format!("{} {place:?}", model.as_str());
                assert!(agree(vols[row], vol) && agree(totals[row], whole.total_variance), "{what}");
                assert_eq!([status[0][row], status[1][row]], [expected; 2], "{what}");
                let answer = answers[row];
                assert!(agree(answer.implied_volatility, vol) && answer.status == whole.status, "{what} {answer:?}");
                let far = (answer.density - whole.density).abs();
                assert!(far < 1e-7 * (1.0 + whole.density.abs()) || answer.density.is_nan(), "{what}");
            }
        }
        let empty = Places { strike: &[], log_moneyness: &[], forward: &[], expiry_years: &[] };
        let saved = quoted.fit(SurfaceModel::Svi, &ModelSettings::default(), None).expect("quotes");
        assert!(empty.is_empty() && saved.answers_at(&empty).is_empty());
    }

    #[test]
    fn a_surface_without_forwards_has_no_strikes() {
        let slices = vec![quotes(0.5, &grid(-0.3, 0.2, 13), 0.002, |k| 0.2 - 0.15 * k)];
        let mut saved =
            Quoted::of_slices(slices, None).fit(SurfaceModel::Svi, &ModelSettings::default(), None).expect("quotes");
        saved.forwards.points.clear();
        let none = [f64::NAN; 2];
        let places = Places {
            strike: &[100.0, f64::NAN],
            log_moneyness: &[f64::NAN, 0.0],
            forward: &none,
            expiry_years: &[0.5; 2],
        };
        let (mut vols, mut status) = ([0.0; 2], [Status::Ok; 2]);
        saved.implied_vols_at(&places, &mut vols, &mut status);
        assert_eq!(status, [Status::BadForward, Status::Ok]);
        assert!(vols[0].is_nan() && vols[1] > 0.0);
    }
}
