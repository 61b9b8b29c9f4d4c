use super::surface::{SliceSettings, fit, fit_from, fit_slice, nearest_free};
use crate::surface::test_quotes::real_smiles_of_2025;
use crate::surface::{
    Clock, SliceQuotes, Slices, Ssvi, Svi,
    calibration::{Estimator, FitError, ModelSettings, Objective, Reason, Residual, Settings, Weights},
    coverage,
    fitted::{FittedSurface, SurfaceModel, fit_model},
    quality_of, violations,
};

const SMILE: Svi = Svi { a: 0.002, b: 0.05, rho: -0.5, m: 0.01, sigma: 0.08 };

/// Quotes on total variance `w`, each side `half` of volatility away.
fn quotes(expiry_years: f64, low: f64, high: f64, n: usize, half: f64, w: impl Fn(f64) -> f64) -> SliceQuotes {
    let k: Vec<f64> = (0..n).map(|i| low + (high - low) * i as f64 / (n - 1) as f64).collect();
    let mid: Vec<f64> = k.iter().map(|&k| (w(k) / expiry_years).sqrt()).collect();
    SliceQuotes {
        expiry_years,
        forward: 3000.0,
        log_moneyness: k,
        bid_volatility: mid.iter().map(|vol| vol - half).collect(),
        ask_volatility: mid.iter().map(|vol| vol + half).collect(),
        open_interest: vec![10.0; n],
        mid_volatility: mid,
    }
}

/// Three expiries of one shape.
fn market() -> Vec<SliceQuotes> {
    let slice = |t: f64, size: f64| quotes(t, -0.4, 0.25, 40, 2e-3, move |k| size * SMILE.total_variance(k));
    vec![slice(0.2, 1.0), slice(0.5, 2.6), slice(1.0, 5.5)]
}

/// The slices of [`market`], their variance times `share`.
fn market_of(share: f64) -> Vec<Svi> {
    [1.0, 2.6, 5.5].map(|size| Svi { a: share * size * SMILE.a, b: share * size * SMILE.b, ..SMILE }).into()
}

fn told(calibration: Settings) -> ModelSettings {
    ModelSettings { calibration, ..ModelSettings::default() }
}

fn misses(surface: &Slices<Svi>, market: &[SliceQuotes]) -> f64 {
    quality_of(surface, market).1.rmse_vol_points
}

#[test]
fn every_setting_recovers_quotes_without_noise() {
    for residual in [Residual::Volatility, Residual::Price, Residual::TotalVariance] {
        for weights in [Weights::BidAsk, Weights::Vega, Weights::OpenInterest, Weights::Uniform] {
            for estimator in [Estimator::LeastSquares, Estimator::MaximumLikelihood] {
                let settings = Settings { residual, weights, estimator, tikhonov: 0.0 };
                let found = fit(&market(), &told(settings), None).expect("there are quotes");
                let missed = misses(&found.surface, &market());
                assert!(missed < 2e-2, "{settings:?} {missed}");
                let (report, all) = violations(&found.surface, &coverage(&market()));
                assert_eq!((report.butterfly_violations, report.calendar_violations), (0, 0), "{all:?}");
            }
        }
    }
}

/// Mids alone on a steep smile out to eight deviations, which no five parameters follow to a tenth of a vol point.
fn mids() -> SliceQuotes {
    let smile = Svi { a: -0.033, b: 0.098, rho: -0.29, m: -0.035, sigma: 0.37 };
    let ripple = |k: f64| 2e-3 * (40.0 * k).sin();
    let mut slice =
        quotes(0.1, -0.68, 0.18, 350, 0.0, |k| ((smile.total_variance(k) / 0.1).sqrt() + ripple(k)).powi(2) * 0.1);
    for side in [&mut slice.bid_volatility, &mut slice.ask_volatility] {
        side.fill(f64::NAN);
    }
    slice
}

#[test]
fn mids_alone_are_met_in_the_wings_as_at_the_money() {
    let mut cases = vec![(mids(), [0.16; 2])];
    // What a free slice costs that is within 0.05 points of the market at the money, and any free one.
    let most = [[0.45, 0.27], [0.2, 0.2]];
    cases.extend(real_smiles_of_2025().into_iter().map(|real| real.quotes).zip(most));
    for (i, (slice, [by_default, squares])) in cases.into_iter().enumerate() {
        let market = [slice];
        for (estimator, most) in [(Estimator::ModelDefault, by_default), (Estimator::LeastSquares, squares)] {
            let settings = told(Settings { estimator, ..Settings::default() });
            let found = fit(&market, &settings, None).expect("there are quotes").surface;
            assert!(misses(&found, &market) < most, "{i} {estimator:?}: {}", misses(&found, &market));
            assert_eq!(violations(&found, &coverage(&market)).1, vec![]);
        }
        let analysed = crate::surface::fit(&market).quality.rmse_vol_points;
        assert!(analysed < by_default, "{i}: {analysed}");
        let own = fit_slice(&market[0], &SliceSettings::default(), None).expect("there are quotes");
        let own = Slices { expiry_years: vec![market[0].expiry_years], smiles: vec![own], clock: Clock::default() };
        assert!(misses(&own, &market) < by_default, "{i}");
    }
}

/// `mids` with sides `half` of volatility away.
fn with_sides(mids: &SliceQuotes, half: f64) -> SliceQuotes {
    let away = |by: f64| mids.mid_volatility.iter().map(|mid| mid + by).collect();
    SliceQuotes { bid_volatility: away(-half), ask_volatility: away(half), ..mids.clone() }
}

#[test]
fn spreads_too_tight_for_any_slice_leave_the_fit_as_good_as_that_of_mids() {
    let mut cases = vec![mids()];
    cases.extend(real_smiles_of_2025().into_iter().map(|real| real.quotes));
    for (i, mids) in cases.into_iter().enumerate() {
        let of_mids = crate::surface::fit(std::slice::from_ref(&mids)).quality.rmse_vol_points;
        // What any slice misses the mids by is ten times to a thousandth more.
        for half in [1e-4, 2e-4] {
            let market = [with_sides(&mids, half)];
            let surface = crate::surface::fit(&market);
            let found = surface.quality.rmse_vol_points;
            assert!(found < 1.05 * of_mids + 0.01, "{i}, {half}: {found} and {of_mids} of mids alone");
            assert_eq!(surface.arbitrage.butterfly_violations, 0);
            let own = fit_slice(&market[0], &SliceSettings::default(), None).expect("there are quotes");
            let own = Slices { expiry_years: vec![market[0].expiry_years], smiles: vec![own], clock: Clock::default() };
            assert!(misses(&own, &market) < 1.05 * of_mids + 0.01, "{i}, {half}: {}", misses(&own, &market));
        }
    }
}

#[test]
fn wild_quotes_among_tight_ones_are_left_aside() {
    let smile = Svi { a: 0.001, b: 0.05, rho: -0.5, m: 0.0, sigma: 0.05 };
    let mut market = quotes(0.1, -0.3, 0.2, 60, 1e-5, |k| smile.total_variance(k));
    for column in [&mut market.bid_volatility, &mut market.mid_volatility, &mut market.ask_volatility] {
        column[20] += 0.05;
        column[40] -= 0.03;
    }
    let surface = crate::surface::fit(std::slice::from_ref(&market));
    assert!(surface.quality.inside >= Some(50), "{:?}", surface.quality);
}

#[test]
fn least_squares_that_is_asked_for_is_least_squares() {
    // One wild quote: a loss that saturates leaves it aside, a sum of squares does not.
    let mut wild = market();
    let slice = &mut wild[1];
    for column in [&mut slice.bid_volatility, &mut slice.mid_volatility, &mut slice.ask_volatility] {
        column[20] += 0.05;
    }
    let of = |model, estimator| {
        let settings = told(Settings { estimator, ..Settings::default() });
        fit_model(model, &wild, &settings, None).expect("there are quotes").surface
    };
    let [natural, squares] = [Estimator::ModelDefault, Estimator::LeastSquares].map(|it| of(SurfaceModel::Svi, it));
    let FittedSurface::Svi(natural) = natural else { panic!("{natural:?}") };
    let FittedSurface::Svi(squares) = squares else { panic!("{squares:?}") };
    let cost = |surface: &Slices<Svi>| {
        let objective = Objective::new(&wild[1], &Settings::default());
        let miss = |i: usize| objective.miss(i, surface.smiles[1].total_variance(objective.points[i].k))[0];
        (0..objective.points.len()).map(|i| miss(i).powi(2)).sum::<f64>()
    };
    assert!(cost(&squares) < 0.98 * cost(&natural), "{} {}", cost(&squares), cost(&natural));
    assert!(misses(&natural, &market()) < 0.2 * misses(&squares, &market()));
    assert_eq!(of(SurfaceModel::Sabr, Estimator::ModelDefault), of(SurfaceModel::Sabr, Estimator::LeastSquares));
    // Files of before say least_squares where they meant the default.
    let saved: Settings = serde_json::from_str(r#"{"estimator": "least_squares"}"#).expect("it is sound");
    assert_eq!(saved.estimator, Estimator::LeastSquares);
    assert_eq!(serde_json::from_str::<Settings>("{}").expect("it is sound"), Settings::default());
}

#[test]
fn weights_decide_which_quotes_are_met() {
    // A kink that no slice follows: open interest sits on the left of it or on the right.
    let bent = |heavy_left: bool| {
        let mut slice = quotes(0.5, -0.4, 0.3, 40, 2e-3, |k| 0.02 + 0.3 * k * k + 0.01 * (12.0 * k).sin().powi(3));
        for (k, interest) in slice.log_moneyness.iter().zip(&mut slice.open_interest) {
            *interest = if (*k < 0.0) == heavy_left { 1e4 } else { 0.0 };
        }
        slice
    };
    let left_misses = |slice: SliceQuotes| {
        let settings = Settings { weights: Weights::OpenInterest, ..Settings::default() };
        let found = fit(std::slice::from_ref(&slice), &told(settings), None).expect("there are quotes");
        let svi = found.surface.smiles[0];
        (0..slice.len())
            .filter(|&i| slice.log_moneyness[i] < 0.0)
            .map(|i| ((svi.total_variance(slice.log_moneyness[i]) / 0.5).sqrt() - slice.mid_volatility[i]).powi(2))
            .sum::<f64>()
    };
    let (heavy, light) = (left_misses(bent(true)), left_misses(bent(false)));
    assert!(heavy < 0.5 * light, "{heavy} {light}");
}

#[test]
fn the_likelihood_bears_wild_quotes() {
    let mut wild = market();
    for i in [5, 17, 30] {
        let slice = &mut wild[1];
        for column in [&mut slice.bid_volatility, &mut slice.mid_volatility, &mut slice.ask_volatility] {
            column[i] += 0.08;
        }
    }
    let of = |estimator| {
        let settings = Settings { estimator, weights: Weights::Uniform, ..Settings::default() };
        misses(&fit(&wild, &told(settings), None).expect("there are quotes").surface, &market())
    };
    let (squares, likelihood) = (of(Estimator::LeastSquares), of(Estimator::MaximumLikelihood));
    assert!(likelihood < 0.3 * squares, "{squares} {likelihood}");
}

#[test]
fn tikhonov_pulls_towards_the_prior() {
    let raised: Vec<SliceQuotes> = market()
        .into_iter()
        .map(|mut slice| {
            for column in [&mut slice.bid_volatility, &mut slice.mid_volatility, &mut slice.ask_volatility] {
                column.iter_mut().for_each(|vol| *vol += 0.02);
            }
            slice
        })
        .collect();
    let prior = fit(&market(), &ModelSettings::default(), None).expect("there are quotes").surface;
    let money = |tikhonov: f64| {
        let settings = Settings { residual: Residual::TotalVariance, tikhonov, ..Settings::default() };
        let found = fit(&raised, &told(settings), Some(&prior)).expect("there are quotes").surface;
        found.smiles[1].total_variance(0.0)
    };
    let (free, pulled, held) = (money(0.0), money(1e4), money(1e8));
    let before = prior.smiles[1].total_variance(0.0);
    assert!(
        free > pulled && pulled > held && held - before < 0.02 * (free - before),
        "{free} {pulled} {held} {before}"
    );
}

#[test]
fn an_expiry_of_few_strikes_has_the_shape_of_the_prior_at_its_own_level() {
    let own = market_of(1.0);
    let steep = Svi { b: 1.2 * own[1].b, rho: -0.65, ..own[1] };
    let prior =
        Slices { expiry_years: vec![0.2, 0.5, 1.0], smiles: vec![own[0], steep, own[2]], clock: Clock::default() };
    // Volatilities a tenth higher than the prior's, by three strikes, one, and none.
    for few in [3, 1, 0] {
        let mut quoted = market();
        let middle = quotes(0.5, -0.02, 0.02, 3, 2e-3, |k| steep.total_variance(k));
        let taken = |column: &[f64], by: f64| column[..few].iter().map(|value| value * by).collect::<Vec<f64>>();
        quoted[1] = SliceQuotes {
            log_moneyness: taken(&middle.log_moneyness, 1.0),
            bid_volatility: taken(&middle.bid_volatility, 1.1),
            mid_volatility: taken(&middle.mid_volatility, 1.1),
            ask_volatility: taken(&middle.ask_volatility, 1.1),
            open_interest: taken(&middle.open_interest, 1.0),
            ..middle
        };
        let bent = if few > 1 { ", bent to them," } else { "" };
        for estimator in [Estimator::ModelDefault, Estimator::LeastSquares] {
            let of = |tikhonov: f64| {
                let settings = told(Settings { estimator, tikhonov, ..Settings::default() });
                let found = fit(&quoted, &settings, Some(&prior)).expect("there are quotes");
                let svi = found.surface.smiles[1];
                let shape = |svi: &Svi, k: f64| svi.total_variance(k) / svi.total_variance(0.0);
                let away = [-0.25, -0.1, 0.1].map(|k| (shape(&svi, k) / shape(&steep, k)).ln().abs());
                let said = found.notes.iter().find_map(|note| match &note.reason {
                    Reason::TooFewQuotes { instead, .. } => Some(instead.clone()),
                    _ => None,
                });
                (away.into_iter().fold(0.0, f64::max), svi.total_variance(0.0) / steep.total_variance(0.0), said)
            };
            let (away, level, said) = of(1.0);
            assert!(
                away < 0.02 && said == Some(format!("the prior's shape{bent}")),
                "{few} {estimator:?}: {away} {said:?}"
            );
            assert!(few < 3 || level > 1.15, "{estimator:?}: {level}");
            // Three strikes bend the backbone's shape, so that it is not so far from the prior's as that of one.
            let least = if few > 1 { 2.0 * away } else { 0.05 };
            let (away, _, said) = of(0.0);
            assert!(
                away > least && said == Some(format!("the backbone's shape{bent}")),
                "{few} {estimator:?}: {away} {said:?}"
            );
        }
    }
}

#[test]
fn a_start_is_not_what_tikhonov_pulls_to() {
    // Quotes at odds with the typical shape: their own fits, taken as a prior, would hold the surface at them.
    let quoted = market();
    let starts: Vec<Option<Svi>> =
        quoted.iter().map(|slice| fit_slice(slice, &SliceSettings::default(), None).ok()).collect();
    let away =
        Slices { smiles: market_of(1.3), ..fit(&quoted, &ModelSettings::default(), None).expect("quotes").surface };
    for estimator in [Estimator::ModelDefault, Estimator::LeastSquares] {
        for prior in [None, Some(&away)] {
            let settings = told(Settings { estimator, tikhonov: 1e4, ..Settings::default() });
            let plain = fit(&quoted, &settings, prior).expect("there are quotes").surface;
            let started = fit_from(&quoted, &settings, prior, &starts).expect("there are quotes").surface;
            let free =
                fit(&quoted, &told(Settings { estimator, ..Settings::default() }), None).expect("quotes").surface;
            for i in 0..3 {
                let at = |surface: &Slices<Svi>, k: f64| surface.smiles[i].total_variance(k);
                let most = |one: &Slices<Svi>, other: &Slices<Svi>| {
                    [-0.3, 0.0, 0.2].into_iter().map(|k| (at(one, k) / at(other, k)).ln().abs()).fold(0.0, f64::max)
                };
                assert!(most(&plain, &free) > 1e-3, "the pull is felt: {plain:?} {free:?}");
                assert!(most(&plain, &started) < 1e-5, "{plain:?} {started:?}");
            }
        }
    }
}

#[test]
fn stability_is_told_for_every_slice() {
    let found = fit(&market(), &ModelSettings::default(), None).expect("there are quotes");
    assert_eq!(found.stability.len(), 3);
    for (stability, svi) in found.stability.iter().zip(&found.surface.smiles) {
        assert_eq!(stability.parameters, ["a", "b", "rho", "m", "sigma"]);
        assert_eq!(stability.values, [svi.a, svi.b, svi.rho, svi.m, svi.sigma]);
        assert!(stability.condition_number.is_some_and(|number| number > 1.0));
        assert!(
            stability.standard_errors.iter().all(Option::is_some) && stability.tick_changes.iter().all(Option::is_some)
        );
    }
    let mut unknown = market();
    unknown[0].forward = f64::NAN;
    let found = fit(&unknown, &ModelSettings::default(), None).expect("there are quotes");
    assert!(found.stability[0].tick_changes.iter().all(Option::is_none));
}

#[test]
fn a_tick_moves_the_parameters_as_told() {
    let settings = Settings { residual: Residual::TotalVariance, ..Settings::default() };
    let mut slice = quotes(0.5, -0.4, 0.25, 30, 2e-3, |k| SMILE.total_variance(k));
    let before = fit(std::slice::from_ref(&slice), &told(settings), None).expect("there are quotes");
    // The quote at the money by a tick: 0.05 over the forward, over its vega.
    let at = slice.log_moneyness.iter().position(|k| *k > 0.0).expect("there are calls");
    let (k, vol) = (slice.log_moneyness[at], slice.mid_volatility[at]);
    let deviation = vol * 0.5_f64.sqrt();
    let d1 = -k / deviation + 0.5 * deviation;
    let vega = (-0.5 * d1 * d1).exp() / (2.0 * std::f64::consts::PI).sqrt() * 0.5_f64.sqrt();
    let change = 0.05 / slice.forward / vega;
    for column in [&mut slice.bid_volatility, &mut slice.mid_volatility, &mut slice.ask_volatility] {
        column[at] += change;
    }
    let after = fit(std::slice::from_ref(&slice), &told(settings), None).expect("there are quotes");
    for i in 0..5 {
        let moved = (after.stability[0].values[i] - before.stability[0].values[i]).abs();
        let most = before.stability[0].tick_changes[i].expect("the forward is known");
        // The report has the largest over all quotes.
        assert!(moved <= 1.1 * most + 1e-9, "{i}: {moved} {most}");
        assert!(moved >= 1e-3 * most, "{i}: {moved} {most}");
    }
}

#[test]
fn notes_say_what_was_odd() {
    let has = |slices: &[SliceQuotes], is: &dyn Fn(&Reason) -> bool| {
        let found = fit(slices, &ModelSettings::default(), None).expect("there are quotes");
        assert_eq!(found.surface.smiles.len(), slices.len());
        found.notes.iter().any(|note| is(&note.reason))
    };
    let good = market();
    assert!(!has(&good, &|_| true));
    let mut few = good.clone();
    few[1] = quotes(0.5, -0.05, 0.05, 3, 2e-3, |k| 2.6 * SMILE.total_variance(k));
    assert!(has(&few, &|it| matches!(it, Reason::TooFewQuotes { quotes: 3, needed: 5, .. })));
    let mut one_sided = good.clone();
    one_sided[1] = quotes(0.5, -0.4, -0.02, 30, 2e-3, |k| 2.6 * SMILE.total_variance(k));
    assert!(has(&one_sided, &|it| matches!(it, Reason::OneSided { high, .. } if *high < 0.0)));
    let flat = vec![quotes(0.5, -0.4, 0.3, 30, 2e-3, |_| 0.02)];
    assert!(has(&flat, &|it| *it == Reason::Flat));
    let mut crossed = good.clone();
    let side = &mut crossed[0];
    std::mem::swap(&mut side.bid_volatility[3], &mut side.ask_volatility[3]);
    assert!(has(&crossed, &|it| *it == Reason::CrossedQuotes { quotes: 1 }));
    let mut inverted = good.clone();
    inverted[1] = quotes(0.5, -0.4, 0.25, 40, 2e-3, |k| 0.8 * SMILE.total_variance(k));
    assert!(has(&inverted, &|it| matches!(it, Reason::CalendarInverted { fall, .. } if *fall > 0.0)));
    assert!(has(&inverted, &|it| matches!(it, Reason::Constrained { .. })));
    // A straight line leaves no room for a vertex: it ends at a bound.
    let line = vec![quotes(0.5, -0.4, 0.3, 30, 2e-3, |k| 0.03 - 0.04 * k)];
    assert!(has(&line, &|it| matches!(it, Reason::AtBound { .. })));
    let none = vec![SliceQuotes { mid_volatility: vec![f64::NAN; 40], ..good[0].clone() }];
    assert_eq!(fit(&none, &ModelSettings::default(), None).err(), Some(FitError::NoQuotes));
}

#[test]
fn one_slice_is_fitted_cold_warm_and_free_of_butterfly_arbitrage() {
    let slice = quotes(0.3, -0.4, 0.25, 60, 1e-3, |k| SMILE.total_variance(k));
    let near = |svi: &Svi| {
        [-0.4, -0.1, 0.0, 0.2].into_iter().all(|k| (svi.total_variance(k) - SMILE.total_variance(k)).abs() < 1e-5)
    };
    let plain = SliceSettings::default();
    let cold = fit_slice(&slice, &plain, None).expect("there are quotes");
    assert!(near(&cold), "{cold:?}");
    let yesterday = Svi { a: 0.003, b: 0.06, rho: -0.4, m: 0.0, sigma: 0.1 };
    assert!(near(&fit_slice(&slice, &plain, Some(&yesterday)).expect("there are quotes")));
    // A start that leads nowhere does no harm.
    let nonsense = Svi { a: f64::NAN, ..yesterday };
    assert!(near(&fit_slice(&slice, &plain, Some(&nonsense)).expect("there are quotes")));
    let far = Svi { a: 3.0, b: 1.5, rho: 0.9, m: -0.4, sigma: 1e-3 };
    assert!(near(&fit_slice(&slice, &plain, Some(&far)).expect("there are quotes")));
    for estimator in [Estimator::LeastSquares, Estimator::MaximumLikelihood] {
        let calibration = Settings { estimator, residual: Residual::Price, weights: Weights::Vega, tikhonov: 0.0 };
        let settings = SliceSettings { calibration, is_butterfly_free: false };
        assert!(near(&fit_slice(&slice, &settings, None).expect("there are quotes")), "{estimator:?}");
    }
    let vogt = Svi { a: -0.0410, b: 0.1331, m: 0.3586, rho: 0.3060, sigma: 0.4153 };
    let arbitrage = quotes(1.0, -1.0, 1.2, 60, 1e-3, |k| vogt.total_variance(k));
    assert!(!fit_slice(&arbitrage, &plain, None).expect("there are quotes").butterfly().is_free);
    let free = SliceSettings { is_butterfly_free: true, ..plain };
    let found = fit_slice(&arbitrage, &free, None).expect("there are quotes");
    assert!(found.is_butterfly_free(), "{found:?}");
    assert!((found.total_variance(0.0) - vogt.total_variance(0.0)).abs() < 2e-3);
    let few = quotes(0.3, -0.1, 0.1, 4, 1e-3, |k| SMILE.total_variance(k));
    assert_eq!(fit_slice(&few, &plain, None), Err(FitError::TooFewQuotes { quotes: 4, needed: 5 }));
}

#[test]
fn the_nearest_free_slice_is_free_whatever_it_is_drawn_to() {
    let vogt = Svi { a: -0.0410, b: 0.1331, m: 0.3586, rho: 0.3060, sigma: 0.4153 };
    let steep = Svi { b: 2.5, ..vogt };
    let backbone = Ssvi { rho: -0.3, eta: 1.0, gamma: 0.4 }.slice(vogt.total_variance(0.0));
    for own in [vogt, steep, Svi { a: -1.0, ..vogt }] {
        for shape in [None, Some(vogt), Some(steep), Some(backbone), Some(Svi { a: f64::NAN, ..backbone })] {
            let found = nearest_free(&own, shape);
            assert!(found.is_butterfly_free(), "{own:?} {shape:?} {found:?}");
        }
    }
    assert_eq!(nearest_free(&backbone, None), backbone);
    // Only as far as it must: the money hardly moves.
    let found = nearest_free(&vogt, Some(backbone));
    assert!(found != backbone && (found.total_variance(0.0) - vogt.total_variance(0.0)).abs() < 1e-3, "{found:?}");
    assert!(nearest_free(&Svi { a: f64::NAN, ..vogt }, Some(vogt)).is_butterfly_free());
}

#[test]
fn a_warm_start_in_the_wrong_hollow_gives_way_to_a_cold_fit() {
    let least_squares = SliceSettings {
        calibration: Settings { residual: Residual::TotalVariance, ..Settings::default() },
        is_butterfly_free: false,
    };
    for n in [12, 40, 150] {
        let slice = quotes(0.5, -0.6, 0.3, n, 1e-3, |k| 2.6 * SMILE.total_variance(k));
        let cost = |svi: &Svi| {
            let miss =
                |i: usize| svi.total_variance(slice.log_moneyness[i]) / (0.5 * slice.mid_volatility[i].powi(2)) - 1.0;
            (0..n).map(|i| miss(i).powi(2)).sum::<f64>()
        };
        let cold = fit_slice(&slice, &least_squares, None).expect("there are quotes");
        let wild = [
            Svi::flat(0.5),
            Svi { a: 0.01, b: 0.3, rho: 0.9, m: -0.55, sigma: 1e-4 },
            Svi { a: 0.5, b: 1e-3, rho: -0.9, m: 0.9, sigma: 3.0 },
            Svi { a: 1e-3, b: 1.0, rho: 0.0, m: 0.3, sigma: 1e-3 },
        ];
        for warm in wild {
            let found = fit_slice(&slice, &least_squares, Some(&warm)).expect("there are quotes");
            assert!(cost(&found) < 1.01 * cost(&cold) + 1e-6, "{n} {warm:?} {found:?} {cold:?}");
        }
        // Yesterday's slice leads to the same place.
        let near = fit_slice(&slice, &least_squares, Some(&Svi { a: 1.1 * cold.a, b: 0.95 * cold.b, ..cold }));
        let near = near.expect("there are quotes");
        assert!((near.total_variance(-0.4) / cold.total_variance(-0.4)).ln().abs() < 1e-4, "{n} {near:?} {cold:?}");
    }
}

#[test]
fn two_to_four_strikes_are_met_free_of_arbitrage_and_it_is_said_by_what() {
    let smile = |k: f64| 0.2 - 0.15 * k + 0.1 * k * k;
    let slice = |t: f64, k: &[f64]| crate::surface::test_quotes::quotes(t, k, 0.002, |k| smile(k / t.sqrt()));
    let strikes = [vec![-0.05, 0.05], vec![-0.1, 0.0, 0.1], vec![-0.15, -0.05, 0.05, 0.15]];
    let alone = strikes.iter().map(|k| (vec![slice(0.5, k)], "the SSVI shape that meets them"));
    let together = vec![slice(0.1, &strikes[2]), slice(0.5, &strikes[1]), slice(1.0, &strikes[0])];
    for (slices, instead) in alone.chain([(together, "the backbone's shape, bent to them,")]) {
        for estimator in [Estimator::ModelDefault, Estimator::LeastSquares] {
            let settings = told(Settings { estimator, ..Settings::default() });
            let found = fit(&slices, &settings, None).expect("there are quotes");
            let quality = crate::surface::quality_of(&found.surface, &slices).1;
            let name = format!("{estimator:?} {:?}", slices[0].log_moneyness);
            assert_eq!(quality.inside, Some(quality.quotes), "{name} {quality:?}");
            assert!(quality.rmse_vol_points < 0.1, "{name} {quality:?}");
            let wrong = crate::surface::violations(&found.surface, &crate::surface::coverage(&slices)).1;
            assert_eq!(wrong, Vec::new(), "{name}");
            for slice in &slices {
                let is_said = found.notes.iter().any(|note| {
                    note.expiry_years == Some(slice.expiry_years)
                        && matches!(&note.reason, Reason::TooFewQuotes { instead: said, .. } if said == instead)
                });
                assert!(is_said, "{name} {:?}", found.notes);
            }
        }
    }
}
