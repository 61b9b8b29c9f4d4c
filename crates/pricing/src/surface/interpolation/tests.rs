use super::*;
pub(super) use crate::surface::test_quotes::{grid, quotes};
use crate::surface::{
    Clock, SliceQuotes, Slices, Smile, Ssvi, VolatilitySurface,
    calibration::{Fit, FitError, ModelSettings, Note, Reason},
    quality_of,
};

/// An index's surface.
const SHAPE: Ssvi = Ssvi { rho: -0.7, eta: 1.2, gamma: 0.4 };

/// Quotes of an index whose smile is the SSVI surface above with a ripple that SSVI has not.
pub(super) fn rippled(expiries: &[f64], ripple: f64) -> Vec<SliceQuotes> {
    let of = |&t: &f64| {
        let theta = (0.03 + 0.01 * t) * t;
        let reach = 4.0 * theta.sqrt();
        let vol = |k: f64| {
            let z = k / theta.sqrt();
            (SHAPE.total_variance(k, theta) / t).sqrt() * (1.0 + ripple * (1.5 * z + 2.0 * t).sin())
        };
        quotes(t, &grid(-reach, 0.6 * reach, 31), 0.002, vol)
    };
    expiries.iter().map(of).collect()
}

/// Everything that a market may send and a fit must stand.
pub(super) fn bad_inputs() -> Vec<(&'static str, Vec<SliceQuotes>)> {
    let good = |t: f64| rippled(&[t], 0.0).remove(0);
    let strikes = grid(-0.3, 0.2, 9);
    let mut crossed = good(0.5);
    std::mem::swap(&mut crossed.bid_volatility, &mut crossed.ask_volatility);
    let mut holes = good(0.5);
    holes.mid_volatility[3] = f64::NAN;
    holes.log_moneyness[5] = f64::INFINITY;
    holes.bid_volatility[7] = f64::NAN;
    holes.ask_volatility[8] = f64::NAN;
    let mut nothing = good(0.5);
    nothing.mid_volatility.fill(f64::NAN);
    let doubled: Vec<f64> = strikes.iter().flat_map(|&k| [k, k, k + 1e-15]).collect();
    vec![
        ("two quotes", vec![quotes(0.5, &[-0.1, 0.1], 0.01, |k| 0.2 - 0.1 * k)]),
        ("one quote", vec![quotes(0.5, &[0.02], 0.01, |_| 0.2), good(1.0)]),
        ("calls alone", vec![quotes(0.5, &grid(0.05, 0.4, 8), 0.01, |k| 0.2 + 0.1 * k), good(1.0)]),
        ("one expiry", vec![good(0.5)]),
        ("crossed", vec![good(0.25), crossed, good(1.0)]),
        ("inverted", vec![quotes(0.25, &strikes, 0.01, |_| 0.4), quotes(0.5, &strikes, 0.01, |_| 0.2)]),
        ("flat", vec![quotes(0.5, &strikes, 0.0, |_| 0.2), quotes(1.0, &strikes, 0.0, |_| 0.2)]),
        ("300 %", vec![quotes(0.5, &strikes, 0.3, |k| 3.0 - k), good(1.0)]),
        ("ten minutes", vec![quotes(1.9e-5, &grid(-0.01, 0.008, 12), 0.02, |k| 0.2 + 900.0 * k * k), good(0.1)]),
        ("duplicates", vec![quotes(0.5, &doubled, 0.01, |k| 0.2 - 0.1 * k), good(1.0)]),
        ("holes", vec![holes, good(1.0)]),
        (
            "an empty slice",
            vec![nothing.clone(), good(0.7), SliceQuotes { expiry_years: 0.8, ..nothing.clone() }, good(1.0)],
        ),
        ("the last empty", vec![good(0.3), nothing]),
        (
            "jagged",
            vec![quotes(0.5, &strikes, 0.01, |k| if (k * 1e3).rem_euclid(2.0) < 1.0 { 0.9 } else { 0.05 }), good(1.0)],
        ),
        ("past", vec![SliceQuotes { expiry_years: -0.1, ..good(0.5) }, good(1.0)]),
    ]
}

/// What `text` becomes by losing the last entry of one of its lists, with the list's name; of lists of lists the first two are enough.
fn truncated(text: &str) -> Vec<(String, String)> {
    fn lists(value: &serde_json::Value, place: &str, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Array(items) => {
                found.push(place.into());
                items.iter().enumerate().take(2).for_each(|(i, item)| lists(item, &format!("{place}/{i}"), found));
            }
            serde_json::Value::Object(fields) => {
                fields.iter().for_each(|(name, field)| lists(field, &format!("{place}/{name}"), found));
            }
            _ => {}
        }
    }
    let whole: serde_json::Value = serde_json::from_str(text).expect("what was written");
    let mut places = Vec::new();
    lists(&whole, "", &mut places);
    let without = |place: String| {
        let mut value = whole.clone();
        value.pointer_mut(&place).and_then(serde_json::Value::as_array_mut).and_then(Vec::pop)?;
        Some((place, value.to_string()))
    };
    places.into_iter().filter_map(without).collect()
}

/// That `fit` gives positive, finite values for all of them, slopes within Lee's bound far out, and comes back from text as it went.
pub(super) fn stands<S>(fit: impl Fn(&[SliceQuotes], &ModelSettings) -> Result<Fit<S>, FitError>)
where
    S: VolatilitySurface + PartialEq + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    for (name, slices) in bad_inputs() {
        let fitted = fit(&slices, &ModelSettings::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = serde_json::to_string(&fitted.surface).unwrap_or_default();
        assert_eq!(serde_json::from_str::<S>(&text).expect(name), fitted.surface, "{name}");
        // A file from which a number was lost is no surface.
        for (place, text) in truncated(&text) {
            assert!(serde_json::from_str::<S>(&text).is_err(), "{name}: read without the last of {place}");
        }
        for t in [1e-5, 0.1, 0.5, 0.6, 0.9, 1.0, 3.0] {
            for k in grid(-2.0, 2.0, 81) {
                let at = fitted.surface.variance(k, t);
                assert!(at.total > 0.0, "{name}: {at:?} at {k}, {t}");
                let parts = [at.by_k, at.by_kk, at.by_t, at.by_kt, at.by_tt];
                assert!(parts.iter().all(|part| part.is_finite()), "{name}: {at:?} at {k}, {t}");
            }
            for (sign, k) in [(-1.0, -15.0), (1.0, 15.0)] {
                let at = fitted.surface.variance(k, t);
                let slope = sign * at.by_k;
                // An edge that falls by s at w goes on falling by s e^{−2sx/w}: at a distance x by w/(2e x) at most, w/2 being left of it.
                let least = -at.total / (std::f64::consts::E * 13.0);
                assert!((least..=2.0 + 1e-6).contains(&slope), "{name}: outward slope {slope} at {k}, {t}");
            }
        }
    }
    for nothing in [vec![], vec![quotes(0.5, &[0.0, 0.1], 0.01, |_| f64::NAN)]] {
        assert_eq!(fit(&nothing, &ModelSettings::default()).err(), Some(FitError::NoQuotes));
    }
}

/// That what `surface` is written as is refused where a `(place, value)` of it is changed, and the field named.
pub(super) fn refuses<S>(surface: &S, changes: &[(&str, serde_json::Value)])
where
    S: serde::Serialize + serde::de::DeserializeOwned,
{
    let whole = serde_json::to_value(surface).expect("plain numbers");
    assert!(serde_json::from_value::<S>(whole.clone()).is_ok());
    for (place, value) in changes {
        let mut changed = whole.clone();
        *changed.pointer_mut(place).expect(place) = value.clone();
        let error = serde_json::from_value::<S>(changed).err().unwrap_or_else(|| panic!("{place}: {value} is read"));
        let field = place.rsplit('/').find(|part| part.parse::<usize>().is_err()).expect(place);
        assert!(error.to_string().contains(field), "{place}: {error}");
    }
}

/// That the surface's derivatives are those of its total variance at these points; away from knots.
pub(super) fn derivatives_agree(surface: &impl VolatilitySurface, points: &[(f64, f64)], tolerance: f64) {
    for &(k, t) in points {
        let at = surface.variance(k, t);
        let (h, d) = (2e-5, 2e-5 * t);
        let [left, right] = [-h, h].map(|h| surface.variance(k + h, t));
        let [early, late] = [-d, d].map(|d| surface.variance(k, t + d));
        let pairs = [
            (at.by_k, (right.total - left.total) / (2.0 * h)),
            (at.by_kk, (right.by_k - left.by_k) / (2.0 * h)),
            (at.by_t, (late.total - early.total) / (2.0 * d)),
            (at.by_kt, (right.by_t - left.by_t) / (2.0 * h)),
            (at.by_kt, (late.by_k - early.by_k) / (2.0 * d)),
            (at.by_tt, (late.by_t - early.by_t) / (2.0 * d)),
        ];
        for (i, (ours, numeric)) in pairs.into_iter().enumerate() {
            let error = (ours - numeric).abs();
            assert!(error < tolerance * (1.0 + numeric.abs()), "{i}: {ours} and {numeric} at {k}, {t}");
        }
    }
}

fn note_of(notes: &[Note], matches: impl Fn(&Reason) -> bool) -> Option<&Note> {
    notes.iter().find(|note| matches(&note.reason))
}

type SplineFit = fn(
    &[SliceQuotes],
    &ModelSettings,
    Option<&Slices<PiecewiseCubic>>,
) -> Result<Fit<Slices<PiecewiseCubic>>, FitError>;
const SPLINES: [SplineFit; 2] = [cubic_spline::fit, monotone_spline::fit];

#[test]
fn splines_stand_bad_input() {
    for fit in SPLINES {
        stands(|slices, settings| fit(slices, settings, None));
    }
}

#[test]
fn unsound_splines_are_refused() {
    let slices = rippled(&[0.1, 0.5], 0.0);
    let spline = cubic_spline::fit(&slices, &ModelSettings::default(), None).expect("quotes").surface;
    let smile = |field: &str| format!("/smiles/1/{field}");
    let minus = serde_json::json!(-1.0);
    refuses(&spline, &[(&smile("log_moneyness/3"), minus.clone()), (&smile("total_variance/3"), minus.clone())]);
    let smoothed = smoothing_spline::fit(&slices, &ModelSettings::default(), None).expect("quotes").surface;
    assert!(smoothed.smiles.iter().all(|smile| matches!(smile, smoothing_spline::SmoothedSmile::Price(_))));
    refuses(
        &smoothed,
        &[
            (&smile("moneyness/0"), minus.clone()),
            (&smile("put_price/3"), minus),
            (&smile("put_price/0"), serde_json::json!(2.0)),
        ],
    );
}

#[test]
fn splines_pass_through_the_mids() {
    let slices = rippled(&[0.02, 0.1, 0.5, 2.0], 0.03);
    for fit in SPLINES {
        let fitted = fit(&slices, &ModelSettings::default(), None).expect("quotes");
        assert_eq!(fitted.notes, []);
        let (_, quality) = quality_of(&fitted.surface, &slices);
        assert!(quality.inside == quality.quotes && quality.rmse_vol_points < 1e-10, "{quality:?}");
    }
}

#[test]
fn splines_have_the_derivatives_they_say() {
    let slices = rippled(&[0.1, 0.5, 2.0], 0.03);
    let clock = Clock::new(vec![[0.2, 0.15], [0.4, 0.41]]).expect("it rises");
    for fit in SPLINES {
        let fitted = fit(&slices, &ModelSettings { clock: clock.clone(), ..Default::default() }, None).expect("quotes");
        let points =
            [(-0.1231, 0.05), (0.0411, 0.05), (-0.311, 0.3), (-3.0, 0.3), (2.0, 1.0), (0.0333, 1.0), (-0.07, 4.0)];
        derivatives_agree(&fitted.surface, &points, 1e-5);
    }
}

#[test]
fn the_smoothing_spline_stands_bad_input() {
    stands(|slices, settings| smoothing_spline::fit(slices, settings, None));
}

#[test]
fn the_smoothing_spline_meets_quotes_without_arbitrage_and_has_the_derivatives_it_says() {
    let slices = rippled(&[0.1, 0.5, 2.0], 0.0);
    let fitted = smoothing_spline::fit(&slices, &ModelSettings::default(), None).expect("quotes");
    assert_eq!(fitted.notes, []);
    let (_, quality) = quality_of(&fitted.surface, &slices);
    assert!(quality.inside as f64 > 0.98 * quality.quotes as f64, "{quality:?}");
    derivatives_agree(
        &fitted.surface,
        &[(-0.0731, 0.05), (0.0411, 0.1001), (-0.211, 0.3), (0.0333, 1.0), (-0.07, 4.0)],
        1e-4,
    );
}

#[test]
fn the_smoothing_spline_takes_the_arbitrage_of_the_quotes_away() {
    // Ripples that make the quotes' density negative, and a later expiry under the earlier.
    let mut slices = rippled(&[0.1, 0.5, 0.52], 0.1);
    for vol in &mut slices[2].mid_volatility {
        *vol *= 0.95;
    }
    let fitted = smoothing_spline::fit(&slices, &ModelSettings::default(), None).expect("quotes");
    let spline = cubic_spline::fit(&slices, &ModelSettings::default(), None).expect("quotes");
    for (i, slice) in slices.iter().enumerate() {
        let [low, high] = [slice.log_moneyness[0], slice.log_moneyness[slice.len() - 1]];
        let smile = &fitted.surface.smiles[i];
        let least = |smile: &dyn Smile| {
            grid(low + 1e-9, high - 1e-9, 2001).into_iter().map(|k| smile.durrleman_g(k)).fold(f64::INFINITY, f64::min)
        };
        assert!(least(&spline.surface.smiles[i]) < -1e-3);
        assert!(least(smile) >= -1e-9, "{i}: {}", least(smile));
        if let Some(next) = fitted.surface.smiles.get(i + 1) {
            assert!(slice.log_moneyness.iter().all(|&k| smile.total_variance(k) < next.total_variance(k)));
        }
    }
    assert!(fitted.notes.iter().all(|note| !matches!(note.reason, Reason::Failed { .. })), "{:?}", fitted.notes);
}

#[test]
fn tikhonov_stiffens_the_smoothing_spline() {
    let slices = rippled(&[0.5], 0.02);
    let miss = |tikhonov: f64| {
        let mut settings = ModelSettings::default();
        settings.calibration.tikhonov = tikhonov;
        let fitted = smoothing_spline::fit(&slices, &settings, None).expect("quotes");
        quality_of(&fitted.surface, &slices).1.rmse_vol_points
    };
    let (free, stiff) = (miss(0.0), miss(1e3));
    assert!(stiff > 1.5 * free, "{stiff} {free}");
}

#[test]
fn quotes_at_one_strike_are_averaged_by_their_weights() {
    let mut slice = quotes(1.0, &[-0.1, 0.0, 0.0, 0.1], 0.01, |_| 0.2);
    (slice.bid_volatility[2], slice.mid_volatility[2], slice.ask_volatility[2]) = (0.27, 0.3, 0.33);
    let fitted = cubic_spline::fit(&[slice], &ModelSettings::default(), None).expect("quotes");
    // Half-spreads of one and three points: weights of nine and one.
    let expected = (9.0 * 0.04 + 0.09) / 10.0;
    assert!((fitted.surface.smiles[0].total_variance(0.0) - expected).abs() < 1e-12);
}

#[test]
fn slices_that_lack_something_say_so() {
    let fit =
        |slices: &[SliceQuotes]| cubic_spline::fit(slices, &ModelSettings::default(), None).expect("quotes").notes;
    let all: std::collections::BTreeMap<_, _> = bad_inputs().into_iter().map(|(name, it)| (name, fit(&it))).collect();
    let has = |name: &str, matches: fn(&Reason) -> bool| note_of(&all[name], matches).is_some();
    assert!(has("one quote", |it| matches!(it, Reason::TooFewQuotes { quotes: 1, needed: 2, .. })));
    assert!(has("an empty slice", |it| matches!(it, Reason::TooFewQuotes { quotes: 0, .. })));
    assert!(has("calls alone", |it| matches!(it, Reason::OneSided { .. })));
    assert!(has("crossed", |it| matches!(it, Reason::CrossedQuotes { quotes: 31 })));
    assert!(has("flat", |it| matches!(it, Reason::Flat)));
    // From the bid before to the ask: 0.39² of a quarter less 0.21² of a half.
    let fell = |it: &Reason| matches!(it, Reason::CalendarInverted { fall, .. } if (fall - 0.015975).abs() < 1e-12);
    assert!(has("inverted", fell));
    assert_eq!(all["one expiry"], []);
}

#[test]
fn an_empty_slice_lies_between_its_neighbours() {
    let mut slices = rippled(&[0.2, 0.4, 0.8], 0.02);
    let with = cubic_spline::fit(&slices, &ModelSettings::default(), None).expect("quotes").surface;
    slices[1].mid_volatility.fill(f64::NAN);
    let filled = cubic_spline::fit(&slices, &ModelSettings::default(), None).expect("quotes").surface;
    for k in grid(-1.0, 1.0, 41) {
        let expected = with.smiles[0].total_variance(k) * (2.0 / 3.0) + with.smiles[2].total_variance(k) / 3.0;
        let w = filled.smiles[1].total_variance(k);
        // Beyond the quotes of one neighbour its bend into the wing is no cubic.
        let tolerance = if k.abs() < 0.25 { 1e-12 } else { 0.2 * expected };
        assert!((w - expected).abs() < tolerance, "{k}: {w} {expected}");
    }
}
