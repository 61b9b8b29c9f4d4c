use super::{family::Family, fit as fit_lognormal, *};
use crate::surface::test_quotes::{RealSmile, grid, quotes, real_smiles_of_2025};
use crate::surface::{
    FitQuality, VolatilitySurface,
    calibration::{Estimator, Note, Reason, Residual, SabrHeld, Settings, Weights},
    coverage,
    fitted::{FittedSurface, SurfaceModel, fit_model},
    quality_of,
    smile::Smile,
    violations,
};
use proptest::prelude::*;

const MODELS: [SurfaceModel; 4] =
    [SurfaceModel::Sabr, SurfaceModel::SabrFreeBeta, SurfaceModel::SabrNormal, SurfaceModel::SabrNoArbitrage];

/// Quotes on a smile, three deviations down and two up.
fn quotes_on(smile: &impl Smile, expiry_years: f64) -> SliceQuotes {
    let deviation = smile.total_variance(0.0).sqrt();
    quotes(expiry_years, &grid(-3.0 * deviation, 2.0 * deviation, 41), 0.002, |k| {
        (smile.total_variance(k) / expiry_years).sqrt()
    })
}

fn parameters(alpha: f64, beta: f64, rho: f64, nu: f64, expiry_years: f64) -> SabrParameters {
    SabrParameters { expiry_years, sabr: Sabr { alpha, beta, rho, nu } }
}

fn of(sabr: &Sabr) -> [f64; 4] {
    [sabr.alpha, sabr.rho, sabr.nu, sabr.beta]
}

/// A term structure as an index has it.
fn index() -> Vec<SliceQuotes> {
    [(0.02, -0.5, 5.0), (0.1, -0.6, 2.5), (0.5, -0.7, 1.2), (1.5, -0.75, 0.7)]
        .into_iter()
        .map(|(t, rho, nu)| quotes_on(&SabrSmile::new(parameters(0.18, 1.0, rho, nu, t)), t))
        .collect()
}

fn notes_at(notes: &[Note], years: f64) -> Vec<&Reason> {
    notes.iter().filter(|note| note.expiry_years == Some(years)).map(|note| &note.reason).collect()
}

/// Every model fits the slices, has a finite surface above zero wherever it was quoted, and parameters that are numbers.
fn assert_all_fit(slices: &[SliceQuotes]) -> Vec<(SurfaceModel, Vec<Note>)> {
    let fit_of = |model: SurfaceModel| {
        let fit = fit_model(model, slices, &ModelSettings::default(), None).expect("there is a quote");
        for quotes in slices {
            let t = crate::surface::span::positive_years(quotes.expiry_years);
            for k in quotes.log_moneyness.iter().copied().filter(|k| k.is_finite()).chain([-0.01, 0.0, 0.01]) {
                let at = fit.surface.variance(k, t);
                assert!(at.total > 0.0 && at.total.is_finite(), "{model:?} at {k}, {t}: {at:?}");
                assert!(at.by_k.is_finite() && at.by_kk.is_finite(), "{model:?} at {k}, {t}: {at:?}");
            }
        }
        let json = serde_json::to_string(&fit.surface).expect("parameters are numbers");
        assert_eq!(serde_json::from_str::<FittedSurface>(&json).expect("what was written"), fit.surface);
        assert_eq!(fit.surface.model(), model);
        (model, fit.notes)
    };
    MODELS.into_iter().map(fit_of).collect()
}

#[test]
fn parameters_that_made_the_quotes_are_found() {
    for (t, rho, nu) in [(0.02, -0.5, 5.0), (0.5, -0.7, 1.2), (2.0, 0.2, 0.5)] {
        let made = parameters(0.22, 1.0, rho, nu, t);
        let slices = [quotes_on(&SabrSmile::new(made), t)];
        let found = fit_lognormal(&slices, &ModelSettings::default(), None).expect("quotes");
        let found = SabrParameters::from(found.surface.smiles[0]).sabr;
        for (ours, theirs) in of(&found).into_iter().zip(of(&made.sabr)) {
            assert!((ours - theirs).abs() < 1e-5 * (1.0 + theirs.abs()), "{found:?} {made:?}");
        }
        let made = parameters(0.2, 0.0, rho, 0.8 * nu, t);
        let slices = [quotes_on(&NormalSabrSmile::of(made, 0.0), t)];
        let found = fit_normal(&slices, &ModelSettings::default(), None).expect("quotes");
        let found = NormalSabrParameters::from(found.surface.smiles[0]).parameters.sabr;
        for (ours, theirs) in of(&found).into_iter().zip(of(&made.sabr)) {
            assert!((ours - theirs).abs() < 1e-5 * (1.0 + theirs.abs()), "{found:?} {made:?}");
        }
    }
    // One smile hardly tells β and ρ apart: the smile itself is the test.
    let made = SabrSmile::new(parameters(0.25, 0.5, -0.4, 0.9, 1.0));
    let slices = [quotes_on(&made, 1.0)];
    let found = fit_free_beta(&slices, &ModelSettings::default(), None).expect("quotes");
    for k in grid(-0.6, 0.4, 21) {
        let (ours, theirs) = (found.surface.implied_vol(k, 1.0), made.total_variance(k).sqrt());
        assert!((ours - theirs).abs() < 2e-5, "{ours} {theirs} at {k}");
    }
    let made = parameters(0.2, 1.0, -0.6, 1.0, 0.5);
    let smile = NoArbitrageSabrSmile::new(made);
    let found = fit_no_arbitrage(&[quotes_on(&smile, 0.5)], &ModelSettings::default(), None).expect("quotes");
    for k in grid(-0.4, 0.25, 21) {
        let (ours, theirs) = (found.surface.implied_vol(k, 0.5), (smile.total_variance(k) / 0.5).sqrt());
        assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs} at {k}");
    }
}

#[test]
fn a_beta_and_a_shift_that_are_held_are_those_of_the_fit() {
    let held =
        |beta: Option<f64>, shift: f64| ModelSettings { sabr: SabrHeld { beta, shift }, ..ModelSettings::default() };
    let (t, made) = (0.5, parameters(0.22, 0.6, -0.5, 1.1, 0.5));
    let found = fit_lognormal(&[quotes_on(&SabrSmile::new(made), t)], &held(Some(0.6), 0.0), None).expect("quotes");
    let lognormal = SabrParameters::from(found.surface.smiles[0]).sabr;
    let slices = [quotes_on(&NormalSabrSmile::of(made, 0.4), t)];
    let found = fit_normal(&slices, &held(Some(0.6), 0.4), None).expect("quotes");
    let shifted = NormalSabrParameters::from(found.surface.smiles[0]);
    assert_eq!(shifted.shift, 0.4);
    for found in [lognormal, shifted.parameters.sabr] {
        for (ours, theirs) in of(&found).into_iter().zip(of(&made.sabr)) {
            assert!((ours - theirs).abs() < 1e-5 * (1.0 + theirs.abs()), "{found:?} {made:?}");
        }
    }
}

#[test]
fn every_residual_weight_and_estimator_is_honoured() {
    let mut slices = index();
    // A wild quote that each setting weighs in its own way.
    slices[2].mid_volatility[4] += 0.05;
    slices[2].open_interest = (0..slices[2].len()).map(|i| if i == 4 { 9000.0 } else { 10.0 }).collect();
    let vol = |calibration: Settings| {
        let settings = ModelSettings { calibration, ..ModelSettings::default() };
        let fit = fit_lognormal(&slices, &settings, None).expect("quotes");
        fit.surface.implied_vol(slices[2].log_moneyness[4], 0.5)
    };
    let mut seen = Vec::new();
    for residual in [Residual::Volatility, Residual::Price, Residual::TotalVariance] {
        for weights in [Weights::BidAsk, Weights::Vega, Weights::OpenInterest, Weights::Uniform] {
            for estimator in [Estimator::LeastSquares, Estimator::MaximumLikelihood] {
                seen.push((vol(Settings { residual, weights, estimator, tikhonov: 0.0 }), weights, estimator));
            }
        }
    }
    assert!(seen.iter().all(|(vol, ..)| *vol > 0.15 && *vol < 0.5), "{seen:?}");
    let of = |weights, estimator| seen.iter().find(|it| it.1 == weights && it.2 == estimator).expect("seen").0;
    let squares = Estimator::LeastSquares;
    assert!(of(Weights::OpenInterest, squares) > of(Weights::Uniform, squares) + 0.005, "{seen:?}");
    assert!(of(Weights::Uniform, squares) > of(Weights::Uniform, Estimator::MaximumLikelihood) + 1e-3, "{seen:?}");
}

#[test]
fn yesterday_is_where_a_fit_is_pulled_to() {
    let slices = index();
    let settings =
        |tikhonov| ModelSettings { calibration: Settings { tikhonov, ..Settings::default() }, ..Default::default() };
    let today = fit_lognormal(&slices, &settings(0.0), None).expect("quotes");
    let mut yesterday = today.surface.clone();
    for smile in &mut yesterday.smiles {
        let mut parameters = SabrParameters::from(*smile);
        parameters.sabr.rho = 0.1;
        *smile = SabrSmile::new(parameters);
    }
    let rho = |tikhonov| {
        let fit = fit_lognormal(&slices, &settings(tikhonov), Some(&yesterday)).expect("quotes");
        SabrParameters::from(fit.surface.smiles[2]).sabr.rho
    };
    let (free, little, much) = (rho(0.0), rho(10.0), rho(1e7));
    assert!(
        (free + 0.7).abs() < 1e-4 && free < little && little < much && (much - 0.1).abs() < 0.05,
        "{free} {little} {much}"
    );
}

#[test]
fn bad_quotes_never_lose_the_rest() {
    let good = index();
    let with = |bad: SliceQuotes| {
        let mut slices = good.clone();
        slices.push(bad);
        slices.sort_by(|x, y| x.expiry_years.total_cmp(&y.expiry_years));
        slices
    };
    let t = 0.25;
    let smile = |k: f64| 0.2 - 0.2 * k;
    let few = with(quotes(t, &[-0.05, 0.02], 0.002, smile));
    for (model, notes) in assert_all_fit(&few) {
        assert!(
            notes_at(&notes, t).iter().any(|it| matches!(it, Reason::TooFewQuotes { quotes: 2, .. })),
            "{model:?} {notes:?}"
        );
    }
    for side in [grid(-0.3, -0.05, 9), grid(0.02, 0.2, 9)] {
        for (model, notes) in assert_all_fit(&with(quotes(t, &side, 0.002, smile))) {
            assert!(notes_at(&notes, t).iter().any(|it| matches!(it, Reason::OneSided { .. })), "{model:?} {notes:?}");
        }
    }
    let mut crossed = quotes(t, &grid(-0.2, 0.1, 9), 0.002, smile);
    crossed.bid_volatility[3] += 0.1;
    for (model, notes) in assert_all_fit(&with(crossed)) {
        assert!(notes_at(&notes, t).contains(&&Reason::CrossedQuotes { quotes: 1 }), "{model:?} {notes:?}");
    }
    for (model, notes) in assert_all_fit(&with(quotes(t, &grid(-0.2, 0.1, 9), 0.002, |_| 0.3))) {
        assert!(notes_at(&notes, t).contains(&&Reason::Flat), "{model:?} {notes:?}");
    }
    for (model, notes) in assert_all_fit(&with(quotes(t, &grid(-0.2, 0.1, 9), 0.002, |_| f64::NAN))) {
        assert!(
            notes_at(&notes, t).iter().any(|it| matches!(it, Reason::TooFewQuotes { quotes: 0, .. })),
            "{model:?} {notes:?}"
        );
    }
    for (model, notes) in assert_all_fit(&with(quotes(t, &grid(-0.2, 0.1, 9), 0.002, |k| smile(k) - 0.14))) {
        assert!(
            notes_at(&notes, t).iter().any(|it| matches!(it, Reason::CalendarInverted { .. })),
            "{model:?} {notes:?}"
        );
    }
    let mut strange = quotes(t, &[-0.1, -0.1, -0.1, 0.0, 0.0, 0.05, 0.05, 0.1], 0.002, smile);
    strange.log_moneyness[2] = f64::NAN;
    strange.ask_volatility[4] = f64::NAN;
    strange.bid_volatility[5] = f64::INFINITY;
    assert_all_fit(&with(strange));
    // Ten minutes, 300 % and a meme stock's year.
    assert_all_fit(&with(quotes(1.9e-5, &grid(-0.004, 0.003, 9), 0.01, |k| 0.2 + 20.0 * k.abs())));
    assert_all_fit(&with(quotes(t, &grid(-1.5, 2.0, 19), 0.05, |k| 3.0 + 0.3 * k * k)));
    assert_all_fit(&[quotes(1.0, &grid(-2.0, 2.5, 19), 0.05, |k| 3.0 + 0.1 * k)]);
    assert_all_fit(&[quotes(1.0, &[0.01], 0.05, |_| 0.2)]);
    assert_all_fit(&[quotes(0.0, &grid(-0.1, 0.1, 7), 0.01, smile), quotes(f64::NAN, &[0.0], 0.01, smile)]);
}

#[test]
fn without_a_usable_quote_there_is_no_surface() {
    let none = [quotes(0.5, &[0.0, 0.1], 0.01, |_| f64::NAN)];
    for model in MODELS {
        assert!(fit_model(model, &none, &ModelSettings::default(), None).is_err());
        assert!(fit_model(model, &[], &ModelSettings::default(), None).is_err());
    }
}

#[test]
fn slices_that_would_cross_are_kept_apart_and_it_is_noted() {
    let steep = SabrSmile::new(parameters(0.2, 1.0, -0.8, 2.0, 0.5));
    let flat = SabrSmile::new(parameters(0.2, 1.0, -0.1, 0.3, 0.6));
    let slices = [quotes_on(&steep, 0.5), quotes_on(&flat, 0.6)];
    for model in MODELS {
        let fit = fit_model(model, &slices, &ModelSettings::default(), None).expect("quotes");
        let (report, found) = violations(&fit.surface, &coverage(&slices));
        assert_eq!(report.calendar_violations, 0, "{model:?} {found:?}");
        let of_later = notes_at(&fit.notes, 0.6);
        let constrained = of_later
            .iter()
            .any(|it| matches!(it, Reason::Constrained { change_vol_points } if *change_vol_points > 0.1));
        assert!(constrained, "{model:?} {:?}", fit.notes);
        let (_, FitQuality { rmse_vol_points, .. }) = quality_of(&fit.surface, &slices);
        let free = fit.unconstrained.expect("the model has constraints").rmse_vol_points;
        assert!(rmse_vol_points > free, "{model:?}: {rmse_vol_points} constrained, {free} free");
    }
}

#[test]
fn standard_errors_grow_with_the_noise_of_the_quotes() {
    let error = |noise: f64| {
        let mut slices = index();
        for slice in &mut slices {
            for (i, vol) in slice.mid_volatility.iter_mut().enumerate() {
                *vol += if i % 2 == 0 { noise } else { -noise };
            }
        }
        let fit = fit_lognormal(&slices, &ModelSettings::default(), None).expect("quotes");
        let stability = &fit.stability[1];
        assert_eq!(stability.parameters, ["alpha", "rho", "nu"]);
        assert!(stability.condition_number.expect("determined") < 1e4);
        assert!((stability.values[1] + 0.6).abs() < 0.02 && (stability.values[2] - 2.5).abs() < 0.1, "{stability:?}");
        stability.standard_errors[1].expect("determined")
    };
    let (little, much) = (error(1e-4), error(1e-3));
    assert!((much / little - 10.0).abs() < 1.0, "{little} {much}");
}

#[test]
fn no_step_from_a_fit_misses_the_quotes_by_less() {
    // An index's slices with noise inside the spread, and real ones where they are.
    let mut slices = index();
    for (t, slice) in slices.iter_mut().enumerate() {
        for (i, vol) in slice.mid_volatility.iter_mut().enumerate() {
            *vol += 0.0015 * (0.5 - ((i * 37 + t * 11) % 17) as f64 / 16.0);
        }
    }
    slices.extend(real_smiles_of_2025().into_iter().map(|real| real.quotes));
    for quotes in slices {
        for weights in [Weights::BidAsk, Weights::Uniform] {
            let calibration = Settings { weights, ..Settings::default() };
            let settings = ModelSettings { calibration, ..ModelSettings::default() };
            let fit = fit_lognormal(std::slice::from_ref(&quotes), &settings, None).expect("quotes");
            let found = SabrParameters::from(fit.surface.smiles[0]);
            // The objective in plain words, by the formula of one strike.
            let cost = |sabr: Sabr| {
                let smile = SabrSmile::new(SabrParameters { sabr, ..found });
                let miss = |i: usize| {
                    let vol = (smile.total_variance(quotes.log_moneyness[i]) / found.expiry_years).sqrt();
                    let (bid, ask) = (quotes.bid_volatility[i], quotes.ask_volatility[i]);
                    let mid = quotes.mid_volatility[i];
                    let unit = match weights {
                        // Without sides a quote has the least half-spread.
                        Weights::BidAsk if bid.is_nan() => mid,
                        Weights::BidAsk => 0.5 * (ask - bid),
                        _ => 1.0,
                    };
                    (vol - mid) / unit
                };
                (0..quotes.len()).map(miss).map(|miss| miss * miss).sum::<f64>()
            };
            let least = cost(found.sabr);
            for size in [1e-1, 1e-2, 1e-3, 1e-4] {
                for direction in 0..27 {
                    let [alpha, rho, nu] =
                        [direction % 3, direction / 3 % 3, direction / 9].map(|i| size * f64::from(i - 1));
                    let Sabr { alpha: at_alpha, rho: at_rho, nu: at_nu, .. } = found.sabr;
                    let moved = Sabr {
                        alpha: at_alpha * (1.0 + alpha),
                        rho: (at_rho + rho).clamp(-0.999, 0.999),
                        nu: at_nu * (1.0 + nu),
                        ..found.sabr
                    };
                    assert!(cost(moved) >= least * (1.0 - 1e-9), "{weights:?} {found:?} {moved:?}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_quotes_fit_without_panic(
        t in prop_oneof![1e-5..1e-3_f64, 0.01..3.0_f64],
        vols in proptest::collection::vec((-1.0..1.0_f64, 0.01..3.0_f64), 1..12),
    ) {
        let strikes: Vec<f64> = vols.iter().map(|it| it.0).collect();
        let mut slice = quotes(t, &strikes, 0.01, |_| 0.2);
        slice.mid_volatility = vols.iter().map(|it| it.1).collect();
        for model in [SurfaceModel::Sabr, SurfaceModel::SabrFreeBeta] {
            let fit = fit_model(model, &[slice.clone()], &ModelSettings::default(), None).expect("quotes");
            let json = serde_json::to_string(&fit.surface).expect("numbers");
            prop_assert!(!json.contains("null"));
        }
    }
}

#[test]
fn real_smiles_of_2025_give_surfaces_without_arbitrage() {
    for RealSmile { name, quotes, .. } in real_smiles_of_2025() {
        for model in [SurfaceModel::Sabr, SurfaceModel::SabrFreeBeta, SurfaceModel::SabrNoArbitrage] {
            let slices = [quotes.clone()];
            let fit = fit_model(model, &slices, &ModelSettings::default(), None).expect("quotes");
            assert_eq!(violations(&fit.surface, &coverage(&slices)).1, vec![], "{name} {model:?}");
        }
    }
}

#[test]
fn two_to_four_strikes_are_met_with_or_without_a_neighbour_and_it_is_said() {
    let made = SabrSmile::new(parameters(0.18, 1.0, -0.6, 1.7, 0.25));
    let smile = |k: f64| (made.total_variance(k) / 0.25).sqrt();
    for k in [&[-0.05, 0.05][..], &[-0.1, 0.0, 0.1], &[-0.15, -0.05, 0.05, 0.15]] {
        let few = quotes(0.25, k, 0.002, smile);
        let mut beside = index();
        beside.insert(2, few.clone());
        for (slices, drawn_to) in [(vec![few.clone()], "a usual shape"), (beside, "the shape of the nearest expiry")] {
            for model in MODELS {
                let found = fit_model(model, &slices, &ModelSettings::default(), None).expect("quotes");
                let quality = quality_of(&found.surface, std::slice::from_ref(&few)).1;
                assert!(
                    quality.inside == Some(k.len()) && quality.rmse_vol_points < 0.1,
                    "{model:?} {k:?} {quality:?}"
                );
                let said = format!("{drawn_to}, bent to them,");
                let is_said = notes_at(&found.notes, 0.25)
                    .iter()
                    .any(|it| matches!(it, Reason::TooFewQuotes { instead, .. } if *instead == said));
                assert!(is_said, "{model:?} {:?}", found.notes);
            }
        }
    }
}
