//! How well a surface meets quotes.

use serde::{Deserialize, Serialize};

use super::{SliceQuotes, smile::VolatilitySurface, span::positive_years};

/// Fit quality over the quotes of a slice or a surface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FitQuality {
    /// Quotes counted.
    pub quotes: usize,
    /// Quotes whose model vol lies between bid vol and ask vol (a bid without a vol counts as no lower bound). None where no quote has
    /// either: mids alone say nothing of it.
    pub inside: Option<usize>,
    /// Root mean square of model vol − mid vol, in vol points (0.01), over the quotes that have both. NaN (null in a file) where there are quotes
    /// and none has both.
    #[serde(deserialize_with = "nan_for_null")]
    pub rmse_vol_points: f64,
}

/// A number; NaN where there is null, as which NaN is written.
fn nan_for_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// The error over quotes of which `with_both` have what it takes.
fn error(squares: f64, with_both: usize, quotes: usize) -> f64 {
    if with_both == 0 && quotes > 0 { f64::NAN } else { (squares / with_both.max(1) as f64).sqrt() }
}

impl FitQuality {
    /// The share of quotes that lie inside bid-ask; none where no quote has either.
    pub fn inside_share(&self) -> Option<f64> {
        self.inside.filter(|_| self.quotes > 0).map(|inside| inside as f64 / self.quotes as f64)
    }

    /// The quality of a fit whose search may have ended short of `known`, one that was open to it: `known` where that has no fewer quotes
    /// inside and no larger error. Any error is less than none known.
    #[must_use]
    pub fn or_known(self, known: Self) -> Self {
        let is_no_larger = known.rmse_vol_points <= self.rmse_vol_points || self.rmse_vol_points.is_nan();
        let is_beaten = known.inside >= self.inside && is_no_larger;
        if is_beaten { known } else { self }
    }

    /// Quality over several slices or surfaces together. Mean squares weigh by the quotes; one that is not finite is left out, with its quotes.
    pub fn pooled(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        let (mut squares, mut with_error) = (0.0, 0);
        for part in parts {
            all.quotes += part.quotes;
            all.inside = all.inside.map_or(part.inside, |inside| Some(inside + part.inside.unwrap_or(0)));
            let square = part.rmse_vol_points * part.rmse_vol_points * part.quotes as f64;
            if square.is_finite() {
                squares += square;
                with_error += part.quotes;
            }
        }
        all.rmse_vol_points = error(squares, with_error, all.quotes);
        all
    }
}

/// A running count of [`FitQuality`].
#[derive(Clone, Copy, Debug, Default)]
pub struct QualityCount {
    pub(super) quotes: usize,
    pub(super) has_sides: bool,
    pub(super) inside: usize,
    pub(super) with_mid: usize,
    pub(super) squares: f64,
    /// Quotes at which the model has no volatility.
    pub(super) without_model: usize,
}

impl QualityCount {
    /// Counts a quote by its volatilities of bid, mid and ask, NaN where it has none. One without a model's volatility is missed.
    pub fn add(&mut self, model: f64, [bid, mid, ask]: [f64; 3]) {
        self.quotes += 1;
        self.without_model += usize::from(!model.is_finite());
        self.has_sides |= !(bid.is_nan() && ask.is_nan());
        self.inside += usize::from((bid.is_nan() || model >= bid) && model <= ask);
        let error = 100.0 * (model - mid);
        if error.is_finite() {
            self.with_mid += 1;
            self.squares += error * error;
        }
    }

    /// Both counts together.
    #[must_use]
    pub(super) fn joined(self, other: Self) -> Self {
        Self {
            quotes: self.quotes + other.quotes,
            has_sides: self.has_sides || other.has_sides,
            inside: self.inside + other.inside,
            with_mid: self.with_mid + other.with_mid,
            squares: self.squares + other.squares,
            without_model: self.without_model + other.without_model,
        }
    }

    /// Quotes inside so far.
    pub(super) fn inside(&self) -> usize {
        self.inside
    }

    /// What was counted.
    pub fn quality(&self) -> FitQuality {
        FitQuality {
            quotes: self.quotes,
            inside: self.has_sides.then_some(self.inside),
            rmse_vol_points: error(self.squares, self.with_mid, self.quotes),
        }
    }
}

/// How well `total_variance` by log-moneyness meets one slice's quotes.
pub(super) fn count(quotes: &SliceQuotes, total_variance: impl Fn(f64) -> f64) -> QualityCount {
    let t = positive_years(quotes.expiry_years);
    let mut count = QualityCount::default();
    for i in 0..quotes.len() {
        let model = (total_variance(quotes.log_moneyness[i]) / t).sqrt();
        count.add(model, [quotes.bid_volatility[i], quotes.mid_volatility[i], quotes.ask_volatility[i]]);
    }
    count
}

/// Quality over all that was counted.
pub(super) fn of_all(counts: impl IntoIterator<Item = QualityCount>) -> FitQuality {
    counts.into_iter().fold(QualityCount::default(), QualityCount::joined).quality()
}

/// How well `surface` meets the quotes: of each slice, and of all together.
pub fn quality_of(
    surface: &(impl VolatilitySurface + ?Sized),
    slices: &[SliceQuotes],
) -> (Vec<FitQuality>, FitQuality) {
    let counts = counts_of(surface, slices);
    (counts.iter().map(QualityCount::quality).collect(), of_all(counts))
}

/// What there is to count at the quotes of each slice.
pub(super) fn counts_of(surface: &(impl VolatilitySurface + ?Sized), slices: &[SliceQuotes]) -> Vec<QualityCount> {
    let one = |quotes: &SliceQuotes| {
        let t = positive_years(quotes.expiry_years);
        let k = &quotes.log_moneyness[..quotes.len()];
        let mut model = vec![0.0; k.len()];
        surface.implied_vols(k, &vec![t; k.len()], &mut model);
        let mut count = QualityCount::default();
        for (i, model) in model.into_iter().enumerate() {
            count.add(model, [quotes.bid_volatility[i], quotes.mid_volatility[i], quotes.ask_volatility[i]]);
        }
        count
    };
    slices.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{Clock, Slices, Svi, test_quotes::quotes};

    #[test]
    fn quality_counts_what_lies_between_bid_and_ask() {
        let mut market = quotes(1.0, &[-0.1, 0.0, 0.1, 0.2], 0.01, |_| 0.2);
        market.bid_volatility[0] = 0.205;
        market.ask_volatility[1] = 0.195;
        market.bid_volatility[2] = f64::NAN;
        market.ask_volatility[3] = f64::NAN;
        market.mid_volatility[0] = 0.21;
        market.mid_volatility[1] = f64::NAN;
        let surface = Slices { expiry_years: vec![1.0], smiles: vec![Svi::flat(0.04)], clock: Clock::default() };
        let (parts, quality) = quality_of(&surface, &[market]);
        assert_eq!((parts[0], quality.quotes, quality.inside), (quality, 4, Some(1)));
        assert_eq!(quality.inside_share(), Some(0.25));
        assert!((quality.rmse_vol_points - (1.0_f64 / 3.0).sqrt()).abs() < 1e-9, "{quality:?}");
    }

    #[test]
    fn a_search_that_ended_short_of_what_is_known_has_the_quality_of_that() {
        let of = |inside, rmse_vol_points| FitQuality { quotes: 9, inside, rmse_vol_points };
        let known = of(Some(7), 0.2);
        assert_eq!(of(Some(6), 0.3).or_known(known), known);
        // Fewer inside at a smaller error, or more inside at a larger one, is another optimum and no worse search.
        for other in [of(Some(6), 0.1), of(Some(8), 0.3)] {
            assert_eq!(other.or_known(known), other);
        }
        assert_eq!(of(None, 0.3).or_known(of(None, 0.2)), of(None, 0.2));
    }

    #[test]
    fn without_a_volatility_of_the_model_there_is_no_error() {
        let mut count = QualityCount::default();
        assert_eq!(count.quality().rmse_vol_points, 0.0);
        (0..2).for_each(|_| count.add(f64::NAN, [0.19, 0.2, 0.21]));
        let none = count.quality();
        assert!((none.quotes, none.inside) == (2, Some(0)) && none.rmse_vol_points.is_nan(), "{none:?}");
        let json = serde_json::to_value(none).expect("numbers");
        assert!(json["rmse_vol_points"].is_null(), "{json}");
        assert!(serde_json::from_value::<FitQuality>(json).expect("it reads back").rmse_vol_points.is_nan());
        // It weighs nothing beside quotes that have an error, and is no better than any.
        let some = FitQuality { quotes: 3, inside: Some(2), rmse_vol_points: 0.5 };
        let pooled = FitQuality::pooled([none, some]);
        assert_eq!(pooled, FitQuality { quotes: 5, inside: Some(2), rmse_vol_points: 0.5 });
        assert!(FitQuality::pooled([none, none]).rmse_vol_points.is_nan());
        assert_eq!((none.or_known(some), some.or_known(none)), (some, some));
    }

    #[test]
    fn mids_alone_say_nothing_of_what_is_inside() {
        let mut mids = quotes(1.0, &[-0.1, 0.0, 0.1], 0.01, |_| 0.21);
        mids.bid_volatility.fill(f64::NAN);
        mids.ask_volatility.fill(f64::NAN);
        let with_sides = quotes(2.0, &[0.0, 0.1], 0.02, |_| 0.21);
        let surface = Slices {
            expiry_years: vec![1.0, 2.0],
            smiles: vec![Svi::flat(0.04), Svi::flat(0.08)],
            clock: Clock::default(),
        };
        let (_, quality) = quality_of(&surface, std::slice::from_ref(&mids));
        assert_eq!((quality.inside, quality.inside_share()), (None, None));
        assert!((quality.rmse_vol_points - 1.0).abs() < 1e-9, "{quality:?}");
        let json = serde_json::to_value(quality).expect("numbers");
        assert!(json["inside"].is_null() && json["quotes"] == 3, "{json}");
        assert_eq!(serde_json::from_value::<FitQuality>(json).expect("it reads back"), quality);
        // Beside quotes with bid and ask they are not inside.
        let (parts, all) = quality_of(&surface, &[mids, with_sides]);
        assert_eq!((parts[0], parts[1].inside, all.inside), (quality, Some(2), Some(2)));
        let pooled = FitQuality::pooled(parts);
        assert_eq!((pooled.quotes, pooled.inside), (all.quotes, all.inside));
        assert!((pooled.rmse_vol_points - all.rmse_vol_points).abs() < 1e-12, "{pooled:?} {all:?}");
        assert_eq!(FitQuality::pooled([]), FitQuality::default());
    }
}
