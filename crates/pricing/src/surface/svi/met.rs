//! How well a slice meets its quotes, eight at a time.

use super::{
    Svi,
    lanes::{self, Column, LANES, Lanes, blocks},
    wings::{Curve, LaneCurve},
};
use crate::math::{Kernel, MultiplyAdd, Target as Instructions, dispatch};
use crate::surface::{SliceQuotes, quality::QualityCount, span::positive_years};

/// [`count`](crate::surface::quality::count) of the volatilities of `svi`; zero where it has no variance.
pub(super) fn met(quotes: &SliceQuotes, svi: &Svi) -> QualityCount {
    let n = quotes.len();
    let mut sums = [0.0; 4];
    dispatch(Instructions::best(), Met { quotes, n, curve: Curve::from_svi(svi), sums: &mut sums });
    let [inside, with_side, with_mid, squares] = sums;
    // Counts of fewer than 2⁵³ are exact.
    QualityCount {
        quotes: n,
        has_sides: with_side > 0.0,
        inside: inside as usize,
        with_mid: with_mid as usize,
        squares,
        // Without variance the volatility counts as zero.
        without_model: 0,
    }
}

/// Sums over the first `n` quotes: inside, with a bid's or an ask's volatility, with one of the mid, and its squared misses in vol points.
struct Met<'a> {
    quotes: &'a SliceQuotes,
    n: usize,
    curve: Curve,
    sums: &'a mut [f64; 4],
}

impl Kernel for Met<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { quotes, n, curve, sums } = self;
        let curve = LaneCurve::new(&curve);
        let inverse_years = Lanes::splat(1.0 / positive_years(quotes.expiry_years));
        let k = Column::in_any_order(&quotes.log_moneyness[..n], 0.0);
        let sides = [&quotes.bid_volatility, &quotes.mid_volatility, &quotes.ask_volatility];
        // What fills the last eight up has no volatility.
        let [bid, mid, ask] = sides.map(|column| Column::in_any_order(&column[..n], f64::NAN));
        let mut totals = [Lanes::ZERO; 4];
        for at in 0..blocks(n) {
            let (bid, mid, ask) = (bid.block(at), mid.block(at), ask.block(at));
            let w = curve.total_variance::<M>(k.block(at)).greatest(Lanes::ZERO);
            let model = (w * inverse_years).sqrt();
            let error = Lanes::splat(100.0) * (model - mid);
            for i in 0..LANES {
                let (bid, ask, model, error) = (bid.0[i], ask.0[i], model.0[i], error.0[i]);
                let is_inside = (bid.is_nan() | (model >= bid)) & (model <= ask);
                let has_side = !(bid.is_nan() & ask.is_nan());
                let has_mid = error.abs() < f64::INFINITY;
                totals[0].0[i] += if is_inside { 1.0 } else { 0.0 };
                totals[1].0[i] += if has_side { 1.0 } else { 0.0 };
                totals[2].0[i] += if has_mid { 1.0 } else { 0.0 };
                totals[3].0[i] += if has_mid { error * error } else { 0.0 };
            }
        }
        *sums = lanes::sums(&totals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::quality::count;

    #[test]
    fn eight_at_a_time_count_what_one_by_one_do() {
        let svi = Svi { a: 0.002, b: 0.05, rho: -0.5, m: 0.01, sigma: 0.08 };
        let below = Svi { a: -0.02, ..svi };
        for n in [0, 1, 7, 8, 9, 45] {
            let k: Vec<f64> = (0..n).map(|i| if i == 3 { f64::NAN } else { -0.5 + 0.02 * f64::from(i) }).collect();
            let mid: Vec<f64> =
                (0..n).map(|i| if i % 5 == 4 { f64::NAN } else { 0.15 + 0.01 * f64::from(i % 7) }).collect();
            let side = |i: usize, away: f64| if i % 6 == 5 { f64::NAN } else { mid[i] + away };
            let quotes = SliceQuotes {
                expiry_years: 0.3,
                bid_volatility: (0..mid.len()).map(|i| side(i, -0.05)).collect(),
                ask_volatility: (0..mid.len()).map(|i| side(i, if i % 4 == 1 { f64::NAN } else { 0.05 })).collect(),
                log_moneyness: k,
                mid_volatility: mid.clone(),
                ..SliceQuotes::default()
            };
            for svi in [svi, below] {
                let (found, expected) = (met(&quotes, &svi), count(&quotes, |k| svi.total_variance(k).max(0.0)));
                let whole = |it: &QualityCount| (it.quotes, it.has_sides, it.inside, it.with_mid);
                assert_eq!(whole(&found), whole(&expected), "{n}");
                assert!((found.squares - expected.squares).abs() <= 1e-12 * expected.squares, "{n}");
            }
        }
    }
}
