use super::{
    descent::{Pull, descend},
    market::Market,
    parameters::{Characteristic, boxed},
    *,
};
use crate::{
    fourier::{Bates, Heston, Kou, Merton},
    surface::{
        SliceQuotes,
        calibration::{Estimator, FitError, ModelSettings, Note, Reason, Residual, Settings, Weights},
        coverage,
        fitted::{FittedSurface, SurfaceModel, fit_model},
        quality_of,
        smile::VolatilitySurface,
        violations,
    },
};

/// Quotes of a surface with half-spreads of `half` volatility.
fn quotes_of(surface: &impl VolatilitySurface, expiries: &[f64], half: f64) -> Vec<SliceQuotes> {
    let slice = |&t: &f64| {
        let reach = 2.5 * surface.total_variance(0.0, t).sqrt();
        let k: Vec<f64> = (0..15).map(|i| reach * (f64::from(i) / 9.0 - 1.0)).collect();
        let mid: Vec<f64> = k.iter().map(|&k| surface.implied_vol(k, t)).collect();
        SliceQuotes {
            expiry_years: t,
            forward: 100.0,
            bid_volatility: mid.iter().map(|v| v - half).collect(),
            ask_volatility: mid.iter().map(|v| v + half).collect(),
            open_interest: Vec::new(),
            log_moneyness: k,
            mid_volatility: mid,
        }
    };
    expiries.iter().map(slice).collect()
}

/// The DAX of 5 July 2002 (A. Sepp; QuantLib's test suite), with expiries rounded to weeks where asked, as QuantLib does.
fn dax(rounds_to_weeks: bool) -> Option<Vec<SliceQuotes>> {
    let path = zomma_testkit::real_data()?.join("options/dax_2002_07_05_surface.json");
    let text = std::fs::read_to_string(path).expect("the surface is there");
    let json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let column = |key: &str| -> Vec<f64> { serde_json::from_value(json[key].clone()).expect("numbers") };
    let vols: Vec<Vec<f64>> = serde_json::from_value(json["implied_vols_strike_major"].clone()).expect("numbers");
    let (strikes, days, rates) = (column("strikes"), column("days"), column("zero_rates_act365"));
    let spot = json["spot"].as_f64().expect("a number");
    let slice = |j: usize| {
        let day = if rounds_to_weeks { 7.0 * ((days[j] + 3.0) / 7.0).floor() } else { days[j] };
        // Zero rates, linear between the expiries.
        let after = days.partition_point(|it| *it < day).clamp(1, days.len() - 1);
        let share = (day - days[after - 1]) / (days[after] - days[after - 1]);
        let rate = if day <= days[0] { rates[0] } else { rates[after - 1] + share * (rates[after] - rates[after - 1]) };
        let forward = spot * (rate * day / 365.0).exp();
        let mid: Vec<f64> = vols.iter().map(|row| row[j]).collect();
        SliceQuotes {
            expiry_years: day / 365.0,
            forward,
            log_moneyness: strikes.iter().map(|k| (k / forward).ln()).collect(),
            bid_volatility: vec![f64::NAN; mid.len()],
            ask_volatility: vec![f64::NAN; mid.len()],
            mid_volatility: mid,
            open_interest: Vec::new(),
        }
    };
    Some((0..days.len()).map(slice).collect())
}

/// One unit a vol point, all quotes alike.
fn uniform() -> ModelSettings {
    let calibration = Settings { weights: Weights::Uniform, ..Settings::default() };
    ModelSettings { calibration, ..ModelSettings::default() }
}

/// Numbers in 0..1 by a linear congruence.
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

const HESTON: Heston = Heston { v0: 0.035, kappa: 2.1, theta_v: 0.06, sigma_v: 0.8, rho_v: -0.65 };
const BATES: Bates = Bates { heston: HESTON, jump_intensity: 0.4, jump_mean: -0.15, jump_std: 0.12 };
const MERTON: Merton = Merton { volatility: 0.15, jump_intensity: 0.6, jump_mean: -0.12, jump_std: 0.1 };
const KOU: Kou =
    Kou { volatility: 0.14, jump_intensity: 1.2, jump_up_probability: 0.35, jump_up_rate: 22.0, jump_down_rate: 9.0 };
const EXPIRIES: [f64; 5] = [0.03, 0.1, 0.3, 1.0, 2.0];

fn close(found: &[f64], expected: &[f64], share: f64) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= share * expected.abs(), "{found} is not {expected}");
    }
}

#[test]
fn each_model_finds_the_parameters_that_made_the_quotes() {
    let settings = ModelSettings::default();
    let found = heston(&quotes_of(&HESTON, &EXPIRIES, 0.003), &settings, None).expect("it fits");
    close(&found.surface.model().parameters(), &HESTON.model().parameters(), 1e-4);
    assert_eq!(found.notes, vec![]);
    let stability = &found.stability[0];
    assert_eq!(stability.parameters, ["v0", "kappa", "theta_v", "sigma_v", "rho_v"]);
    assert!(stability.standard_errors.iter().all(Option::is_some) && stability.condition_number.is_some());
    let found = bates(&quotes_of(&BATES, &EXPIRIES, 0.003), &settings, None).expect("it fits");
    close(&found.surface.model().parameters(), &BATES.model().parameters(), 1e-2);
    let found = merton(&quotes_of(&MERTON, &EXPIRIES, 0.003), &settings, None).expect("it fits");
    close(&found.surface.model().parameters(), &MERTON.model().parameters(), 1e-4);
    let found = kou(&quotes_of(&KOU, &EXPIRIES, 0.003), &settings, None).expect("it fits");
    close(&found.surface.model().parameters(), &KOU.model().parameters(), 1e-3);
}

#[test]
fn every_residual_weight_and_estimator_is_honoured() {
    let quotes = quotes_of(&HESTON, &EXPIRIES, 0.003);
    for residual in [Residual::Volatility, Residual::Price, Residual::TotalVariance] {
        for weights in [Weights::BidAsk, Weights::Vega, Weights::Uniform] {
            let calibration = Settings { residual, weights, ..Settings::default() };
            let found =
                heston(&quotes, &ModelSettings { calibration, ..ModelSettings::default() }, None).expect("it fits");
            close(&found.surface.model().parameters(), &HESTON.model().parameters(), 1e-3);
        }
    }
    // One quote is wild, and the others have a little noise: it moves least squares, and hardly the likelihood.
    let mut wild = quotes;
    for slice in &mut wild {
        for (i, mid) in slice.mid_volatility.iter_mut().enumerate() {
            *mid += if i % 2 == 0 { 2e-4 } else { -2e-4 };
        }
    }
    let slice = &mut wild[2];
    for side in [&mut slice.bid_volatility, &mut slice.mid_volatility, &mut slice.ask_volatility] {
        side[3] += 0.1;
    }
    let miss = |estimator| {
        let calibration = Settings { estimator, ..Settings::default() };
        let found = heston(&wild, &ModelSettings { calibration, ..ModelSettings::default() }, None).expect("it fits");
        (found.surface.implied_vol(-0.1, 0.3) - HESTON.implied_vol(-0.1, 0.3)).abs()
    };
    let (squares, likelihood) = (miss(Estimator::LeastSquares), miss(Estimator::MaximumLikelihood));
    assert!(likelihood < 3e-4 && squares > 5.0 * likelihood, "{squares} {likelihood}");
}

#[test]
fn a_prior_is_where_the_fit_starts_and_what_it_is_pulled_to() {
    let quotes = quotes_of(&HESTON, &EXPIRIES, 0.003);
    let yesterday = Heston { kappa: 3.5, sigma_v: 1.1, ..HESTON };
    let with = |tikhonov| {
        let calibration = Settings { tikhonov, ..Settings::default() };
        let settings = ModelSettings { calibration, ..ModelSettings::default() };
        heston(&quotes, &settings, Some(&yesterday)).expect("it fits").surface
    };
    close(&with(0.0).model().parameters(), &HESTON.model().parameters(), 1e-4);
    close(&with(1e9).model().parameters(), &yesterday.model().parameters(), 1e-3);
    let between = with(10.0).kappa;
    assert!(between > HESTON.kappa + 0.01 && between < yesterday.kappa - 0.01, "{between}");
}

/// All derivatives against differences of w and of the first derivatives.
#[test]
fn derivatives_are_those_of_the_total_variance() {
    let surfaces: [&dyn VolatilitySurface; 4] = [&HESTON, &BATES, &MERTON, &KOU];
    for (which, surface) in surfaces.into_iter().enumerate() {
        for t in [0.01, 0.25, 1.0, 4.0] {
            for deviations in [-4.0, -1.0, -0.1, 0.0, 0.2, 1.5, 3.0] {
                let scale = surface.total_variance(0.0, t).sqrt();
                let k = deviations * scale;
                let at = surface.variance(k, t);
                assert!((at.total / surface.total_variance(k, t) - 1.0).abs() < 1e-9, "{which} {t} {k}");
                // In units of the smile: k by its deviation, t by itself, w by itself.
                let (h, d) = (2e-3 * scale, 1e-3 * t);
                let unit = at.total;
                let by =
                    |f: &dyn Fn(f64) -> f64, h: f64| (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h);
                let pairs = [
                    (at.by_k, by(&|h| surface.total_variance(k + h, t), h), unit / scale),
                    (at.by_kk, by(&|h| surface.variance(k + h, t).by_k, h), unit / scale / scale),
                    (at.by_t, by(&|d| surface.total_variance(k, t + d), d), unit / t),
                    (at.by_kt, by(&|d| surface.variance(k, t + d).by_k, d), unit / scale / t),
                    (at.by_tt, by(&|d| surface.variance(k, t + d).by_t, d), unit / t / t),
                ];
                for (i, (ours, theirs, unit)) in pairs.into_iter().enumerate() {
                    assert!(
                        (ours - theirs).abs() < 1e-6 * unit.max(theirs.abs()),
                        "{which} {i} {t} {k}: {ours} {theirs}"
                    );
                }
            }
        }
    }
}

/// Without jumps or a volatility of variance the smile is flat.
#[test]
fn a_degenerate_model_is_black_scholes() {
    let flat = Merton { volatility: 0.2, jump_intensity: 0.0, jump_mean: 0.0, jump_std: 0.1 };
    for (k, t) in [(-0.5, 0.1), (0.0, 1.0), (0.3, 0.02), (1.0, 5.0)] {
        let at = flat.variance(k, t);
        close(&[at.total, at.by_t], &[0.04 * t, 0.04], 1e-9);
        assert!(at.by_k.abs() < 1e-9 && at.by_kk.abs() < 1e-7 && at.by_tt.abs() < 1e-8, "{at:?}");
        assert!((flat.local_vol(k, t) - 0.2).abs() < 1e-8);
    }
}

#[test]
fn every_corner_of_the_box_has_a_volatility_near_the_money() {
    let [heston, kou] = [bounds(&HESTON.model()), bounds(&KOU.model())];
    for corner in 0..32_usize {
        let pick = |box_: &[(&str, [f64; 2])]| -> [f64; 5] {
            std::array::from_fn(|i| {
                let [low, high] = box_[i].1;
                // A tenth of the way in: at the very ends a variance may vanish.
                let share = if corner >> i & 1 == 0 { 0.1 } else { 0.9 };
                if low > 0.0 { low * (high / low).powf(share) } else { low + share * (high - low) }
            })
        };
        let surfaces: [Box<dyn VolatilitySurface>; 2] =
            [Box::new(Heston::from_parameters(&pick(&heston))), Box::new(Kou::from_parameters(&pick(&kou)))];
        for surface in surfaces {
            for t in [0.02, 0.5, 5.0] {
                let w = surface.total_variance(0.0, t);
                let at = surface.variance(0.0, t);
                assert!(w > 0.0 && w.is_finite() && at.by_t.is_finite(), "{corner} {t} {w} {at:?}");
            }
        }
    }
}

#[test]
fn bad_quotes_never_panic_and_say_so() {
    let settings = ModelSettings::default();
    let fits = |quotes: &[SliceQuotes]| {
        let parameters = [
            heston(quotes, &settings, None).map(|fit| (fit.surface.model().parameters(), fit.notes)),
            bates(quotes, &settings, None).map(|fit| (fit.surface.model().parameters(), fit.notes)),
            merton(quotes, &settings, None).map(|fit| (fit.surface.model().parameters(), fit.notes)),
            kou(quotes, &settings, None).map(|fit| (fit.surface.model().parameters(), fit.notes)),
        ];
        parameters.map(|it| {
            let (parameters, notes) = it?;
            assert!(parameters.iter().all(|x| x.is_finite()), "{parameters:?}");
            Ok::<Vec<Note>, FitError>(notes)
        })
    };
    let of = |t: f64, rows: &[(f64, f64)]| SliceQuotes {
        expiry_years: t,
        forward: 100.0,
        log_moneyness: rows.iter().map(|row| row.0).collect(),
        bid_volatility: rows.iter().map(|row| row.1 - 0.01).collect(),
        mid_volatility: rows.iter().map(|row| row.1).collect(),
        ask_volatility: rows.iter().map(|row| row.1 + 0.01).collect(),
        open_interest: Vec::new(),
    };
    for found in fits(&[]) {
        assert_eq!(found, Err(FitError::NoQuotes));
    }
    for found in fits(&[of(0.1, &[(0.0, f64::NAN), (f64::NAN, 0.2)])]) {
        assert_eq!(found, Err(FitError::NoQuotes));
    }
    for found in fits(&[of(0.1, &[(-0.05, 0.22), (0.0, 0.2)])]) {
        let notes = found.expect("two quotes give a surface");
        assert!(notes.iter().any(|it| matches!(it.reason, Reason::TooFewQuotes { quotes: 2, .. })), "{notes:?}");
    }
    let mut crossed = of(0.3, &[(-0.1, 0.25), (0.0, 0.2), (0.1, 0.18), (0.2, 0.19)]);
    std::mem::swap(&mut crossed.bid_volatility, &mut crossed.ask_volatility);
    for found in fits(&[crossed]) {
        let notes = found.expect("it fits");
        assert!(notes.iter().any(|it| matches!(it.reason, Reason::CrossedQuotes { quotes: 4 })), "{notes:?}");
    }
    let ten_minutes = 10.0 / (365.0 * 1440.0);
    let cases = [
        vec![of(ten_minutes, &[(-0.002, 0.5), (-0.001, 0.4), (0.0, 0.35), (0.001, 0.36)])],
        vec![of(ten_minutes, &[(-0.5, 3.0), (0.0, 3.0), (0.5, 3.0)]), of(1.0, &[(-1.0, 3.0), (0.0, 3.0), (1.0, 3.1)])],
        vec![of(0.2, &[(-0.3, 0.2), (-0.2, 0.2), (-0.1, 0.2), (0.0, 0.2), (0.1, 0.2), (0.2, 0.2)])],
        vec![of(0.2, &[(0.1, 0.2), (0.1, 0.21), (0.1, 0.19), (0.1, 0.2), (0.1, 0.2)])],
        vec![of(0.1, &[(-0.1, 0.5), (0.0, 0.5), (0.1, 0.5)]), of(0.2, &[(-0.1, 0.2), (0.0, 0.2), (0.1, 0.2)])],
        vec![of(1e-12, &[(0.0, 0.2)]), of(5000.0, &[(0.0, 0.2), (1.0, 0.2)])],
        vec![of(0.1, &[(-19.0, 9.0), (0.0, 1e-6), (19.0, 9.0)])],
    ];
    for case in &cases {
        for found in fits(case) {
            assert!(found.is_ok(), "{found:?}");
        }
    }
}

/// Minutes before expiry: a volatility at every strike that is checked, near to the market's at the money, and no violation.
#[test]
fn ten_minutes_before_expiry_every_model_has_a_surface() {
    let ten_minutes = 10.0 / (365.0 * 1440.0);
    let of = |t: f64, reach: f64, smile: &dyn Fn(f64) -> f64| {
        let deviation = 0.2 * t.sqrt();
        let x: Vec<f64> = (-10_i32..=10).map(|i| 0.1 * reach * f64::from(i)).collect();
        SliceQuotes {
            expiry_years: t,
            forward: 100.0,
            log_moneyness: x.iter().map(|x| x * deviation).collect(),
            bid_volatility: x.iter().map(|x| smile(*x) - 0.01).collect(),
            mid_volatility: x.iter().map(|x| smile(*x)).collect(),
            ask_volatility: x.iter().map(|x| smile(*x) + 0.01).collect(),
            open_interest: Vec::new(),
        }
    };
    let smile = |x: f64| 0.2 - 0.01 * x + 0.004 * x * x;
    use SurfaceModel::{Bates, Heston, Kou, Merton};
    // Diffusions alone do not meet quotes of seven deviations in ten minutes, and are far from them at the money.
    for (reach, models) in [(2.5, &[Heston, Bates, Merton, Kou][..]), (7.0, &[Merton, Kou])] {
        for quotes in [
            vec![of(ten_minutes, reach, &smile)],
            vec![of(ten_minutes, reach, &smile), of(0.25, 2.5, &smile), of(1.0, 2.5, &smile)],
        ] {
            for model in models {
                let fitted = fit_model(*model, &quotes, &ModelSettings::default(), None).expect("it has quotes");
                let (_, found) = violations(&fitted.surface, &coverage(&quotes));
                let atm = fitted.surface.implied_vol(0.0, ten_minutes);
                let what = format!("{} {reach} {}: {atm}", model.as_str(), quotes.len());
                assert_eq!(found, vec![], "{what}");
                assert!((atm - 0.2).abs() < 0.02, "{what}");
            }
        }
    }
}

#[test]
fn a_surface_is_saved_and_read_back_as_it_was() {
    let surfaces = [
        FittedSurface::Heston(Heston { v0: 0.1 + 0.2, ..HESTON }),
        FittedSurface::Bates(BATES),
        FittedSurface::Merton(MERTON),
        FittedSurface::Kou(Kou { jump_up_rate: 21.000_000_000_000_004, ..KOU }),
    ];
    for surface in surfaces {
        let text = serde_json::to_string(&surface).expect("it writes");
        assert!(text.contains(surface.model().as_str()), "{text}");
        assert_eq!(serde_json::from_str::<FittedSurface>(&text).expect("it reads"), surface);
    }
}

#[test]
fn a_file_of_a_model_that_is_none_is_refused() {
    let none = [
        (FittedSurface::Heston(Heston { rho_v: -1.5, ..HESTON }), "bad_rho_v"),
        (FittedSurface::Bates(Bates { heston: Heston { kappa: 0.0, ..HESTON }, ..BATES }), "bad_kappa"),
        (FittedSurface::Bates(Bates { jump_std: -0.1, ..BATES }), "bad_jump_std"),
        (FittedSurface::Merton(Merton { volatility: -0.2, ..MERTON }), "bad_volatility"),
        (FittedSurface::Kou(Kou { jump_up_rate: 1.0, ..KOU }), "bad_jump_up_rate"),
    ];
    for (surface, word) in none {
        let text = serde_json::to_string(&surface).expect("it writes");
        let error = serde_json::from_str::<FittedSurface>(&text).expect_err(word).to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn one_start_is_one_start() {
    let quotes = quotes_of(&HESTON, &EXPIRIES, 0.003);
    let far = Heston { v0: 0.6, kappa: 30.0, theta_v: 0.4, sigma_v: 7.0, rho_v: 0.5 };
    let found = heston_from(&quotes, &ModelSettings::default(), &far).expect("it fits");
    close(&found.surface.model().parameters(), &HESTON.model().parameters(), 1e-4);
    let nowhere = Heston { v0: f64::NAN, ..far };
    let error = heston_from(&quotes, &ModelSettings::default(), &nowhere).expect_err("no other start is tried");
    assert_eq!(error, FitError::NotConverged { starts: 1 });
}

#[test]
fn the_door_fits_by_name_and_takes_a_prior() {
    let quotes = quotes_of(&HESTON, &EXPIRIES, 0.003);
    let model = SurfaceModel::parse("heston").expect("it is one");
    let first = fit_model(model, &quotes, &ModelSettings::default(), None).expect("it fits");
    let again = fit_model(model, &quotes, &ModelSettings::default(), Some(&first.surface)).expect("it fits");
    assert_eq!(first.surface.model(), SurfaceModel::Heston);
    assert!((first.surface.implied_vol(-0.1, 0.5) - again.surface.implied_vol(-0.1, 0.5)).abs() < 1e-7);
}

/// QuantLib's test suite finds 177.2 squared vol points over the same 104 quotes (hestonmodel.cpp, testDAXCalibration). Here from ten
/// random starts of ten.
#[test]
fn real_dax_comes_to_the_published_optimum_from_any_start() {
    let Some(quotes) = dax(true) else { return };
    let market = Market::new(&quotes, &uniform().calibration);
    let parameters = boxed::<Heston, 5>(market.largest_variance());
    let pull = Pull { weight: 0.0, towards: [0.0; 5] };
    let mut next = random(7);
    for _ in 0..10 {
        let start: [f64; 5] = parameters.map(|it| it.low + (it.high - it.low) * next());
        let found = descend::<Heston, 5>(&market, &parameters, Estimator::LeastSquares, &pull, &start);
        assert!((found.cost() - 177.233).abs() < 1e-3 && found.solution.converged, "{found:?} from {start:?}");
        close(&found.parameters, &[0.195_66, 15.6627, 0.074_591, 3.361_93, -0.511_49], 1e-4);
    }
    let fitted = heston(&quotes, &uniform(), None).expect("it fits");
    let (_, all) = quality_of(&fitted.surface, &quotes);
    let squares = all.rmse_vol_points.powi(2) * all.quotes as f64;
    assert!((squares - 177.2).abs() < 1.0, "{squares}");
    assert_eq!(fitted.notes, vec![]);
}

/// Jumps take most of the miss: QuantLib's test suite finds 36.6 within 2.5 with Bates (batesmodel.cpp, testDAXCalibration).
#[test]
fn real_dax_under_bates_is_as_close_as_published() {
    let Some(quotes) = dax(true) else { return };
    let fitted = bates(&quotes, &uniform(), None).expect("it fits");
    let (_, all) = quality_of(&fitted.surface, &quotes);
    let squares = all.rmse_vol_points.powi(2) * all.quotes as f64;
    assert!(squares < 36.6 + 2.5, "{squares}");
}

#[test]
fn real_dax_surfaces_are_free_of_static_arbitrage() {
    let Some(quotes) = dax(false) else { return };
    let of = |surface: &dyn VolatilitySurface, name: &str| {
        let (report, found) = violations(surface, &coverage(&quotes));
        assert_eq!((report.butterfly_violations, report.calendar_violations), (0, 0), "{name} {found:?}");
    };
    of(&heston(&quotes, &uniform(), None).expect("it fits").surface, "heston");
    of(&bates(&quotes, &uniform(), None).expect("it fits").surface, "bates");
    of(&merton(&quotes, &uniform(), None).expect("it fits").surface, "merton");
    of(&kou(&quotes, &uniform(), None).expect("it fits").surface, "kou");
}
