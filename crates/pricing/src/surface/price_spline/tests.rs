use crate::surface::test_quotes::{grid, quotes, slices_of_rows};
use proptest::prelude::*;

use super::*;
use crate::{
    implied_vol::total_volatility_of_log_price,
    surface::{
        Clock, Coverage, Smile, Ssvi, Svi, VolatilitySurface,
        calibration::{Reason, Residual, Settings, Weights},
        coverage, density_maxima,
        from_price::price as black_price,
        quality_of, violations,
    },
};

fn fitted(slices: &[SliceQuotes]) -> PriceSplines {
    fit(slices, &ModelSettings::default(), None).expect("quotes that can be used").surface
}

/// No arbitrage where `violations` looks, and a value everywhere, far beyond the quotes too.
fn assert_sound(surface: &PriceSplines, slices: &[SliceQuotes]) {
    assert_eq!(surface.smiles().len(), slices.len());
    let (report, found) = violations(surface, &coverage(slices));
    assert!(found.is_empty() && report.butterfly_violations == 0, "{found:?}");
    let last = surface.expiry_years()[slices.len() - 1];
    for t in surface.expiry_years().iter().flat_map(|t| [0.3 * t, *t, 1.3 * t]).filter(|t| *t <= last) {
        for k in [-30.0, -8.0, -2.0, -0.4, -0.1, 0.0, 1e-9, 0.1, 0.3, 2.0, 8.0, 30.0] {
            let at = surface.variance(k, t);
            assert!(at.total > 0.0 && at.smile().iter().all(|part| part.is_finite()), "{k} {t}: {at:?}");
            assert!(at.total <= 2.0 * (k.abs() + 20.0) && at.by_t >= 0.0, "{k} {t}: {at:?}");
        }
    }
}

/// A mixture of two lognormal variables of mean one.
struct Mixture {
    share: f64,
    forwards: [f64; 2],
    deviations: [f64; 2],
}

impl Mixture {
    fn bimodal() -> Self {
        Self { share: 0.4, forwards: [0.82, (1.0 - 0.4 * 0.82) / 0.6], deviations: [0.08, 0.06] }
    }

    fn each(&self, f: impl Fn(f64, f64) -> f64) -> f64 {
        let [low, high] = [0, 1].map(|i| f(self.forwards[i], self.deviations[i]));
        self.share * low + (1.0 - self.share) * high
    }

    fn density(&self, x: f64) -> f64 {
        self.each(|forward, s| crate::surface::density((x / forward).ln(), [s * s, 0.0, 0.0]) / x)
    }

    /// √w at log-moneyness `k`.
    fn deviation(&self, k: f64) -> f64 {
        let price = self.each(|forward, s| {
            let own = k - forward.ln();
            let out = forward * black_price(own, s);
            // Of the side that is out of the money at k, not at the component's own money.
            if k < 0.0 && own >= 0.0 {
                out + k.exp() - forward
            } else if k >= 0.0 && own < 0.0 {
                out + forward - k.exp()
            } else {
                out
            }
        });
        total_volatility_of_log_price(k.abs(), (price / k.exp().min(1.0)).ln()).expect("a price")[0]
    }
}

#[test]
fn one_volatility_and_svi_are_recovered() {
    let t = 0.25;
    let svi = Svi { a: 0.003, b: 0.05, rho: -0.6, m: 0.02, sigma: 0.1 };
    for (name, smile) in [("flat", Svi::flat(0.04 * t)), ("svi", svi)] {
        let market = [quotes(t, &grid(-0.4, 0.3, 71), 1e-3, |k| (smile.total_variance(k) / t).sqrt())];
        let surface = fitted(&market);
        assert_sound(&surface, &market);
        assert_eq!(quality_of(&surface, &market).1.inside, Some(71));
        for k in grid(-0.35, 0.25, 61) {
            let (ours, theirs) = (surface.implied_vol(k, t), (smile.total_variance(k) / t).sqrt());
            assert!((ours - theirs).abs() < 5e-4, "{name} at {k}: {ours} {theirs}");
            let (ours, theirs) = (surface.density(k, t), smile.density(k));
            let most = smile.density(0.0);
            assert!((ours - theirs).abs() < 0.03 * most, "density of {name} at {k}: {ours} {theirs}");
        }
    }
}

#[test]
fn two_humps_are_found_where_they_are() {
    let mixture = Mixture::bimodal();
    let t = 0.02;
    let market = [quotes(t, &grid(-0.35, 0.25, 61), 2e-3, |k| mixture.deviation(k) / t.sqrt())];
    let surface = fitted(&market);
    assert_sound(&surface, &market);
    assert_eq!(quality_of(&surface, &market).1.inside, Some(61));
    let maxima = density_maxima(&surface, &coverage(&market));
    assert_eq!(maxima[0].log_moneyness.len(), 2, "{maxima:?}");
    let most = (0..1000).map(|i| mixture.density(0.7 + 6e-4 * f64::from(i))).fold(0.0, f64::max);
    for x in grid(0.75, 1.25, 101) {
        let ours = surface.smiles()[0].out_of_the_money(x)[2];
        assert!((ours - mixture.density(x)).abs() < 0.05 * most, "{x}: {ours} {}", mixture.density(x));
    }
}

#[test]
fn the_density_integrates_to_one_with_mean_one_and_prices_are_its_integrals() {
    let market = [quotes(0.3, &grid(-0.5, 0.3, 41), 2e-3, |k| 0.2 - 0.3 * k + 0.3 * k * k)];
    let surface = fitted(&market);
    let smile = &surface.smiles()[0];
    let (mut mass, mut mean, mut put) = (0.0, 0.0, 0.0);
    let step = 1e-4;
    for i in 0..120_000 {
        let x = ((f64::from(i) - 70_000.0 + 0.5) * step).exp();
        let weight = smile.out_of_the_money(x)[2] * x * step;
        mass += weight;
        mean += weight * x;
        put += weight * (0.9 - x).max(0.0);
    }
    assert!((mass - 1.0).abs() < 1e-6 && (mean - 1.0).abs() < 1e-6, "{mass} {mean}");
    assert!((put / smile.out_of_the_money(0.9)[0] - 1.0).abs() < 1e-5);
    assert!(surface.smiles()[0].density_at_knots().iter().all(|density| *density > 0.0));
    // The volatility is the price's, and the density and probability those of the smile.
    for k in [-0.45, -0.2, -1e-4, 0.0, 0.1, 0.25] {
        let x = f64::exp(k);
        let [price, slope, density] = smile.out_of_the_money(x);
        assert!((black_price(k, smile.total_variance(k).sqrt()) / price - 1.0).abs() < 1e-11);
        assert!((smile.density(k) / (x * density) - 1.0).abs() < 1e-8, "{k}");
        let below = if k < 0.0 { slope } else { slope + 1.0 };
        assert!((smile.probability_below(k) - below).abs() < 1e-10, "{k}");
    }
}

#[test]
fn derivatives_agree_with_differences() {
    let smile = |t: f64| move |k: f64| 0.2 - 0.12 * k / f64::sqrt(t) + 0.1 * k * k / t;
    let market: Vec<SliceQuotes> = [0.05, 0.1, 0.3]
        .into_iter()
        .map(|t| quotes(t, &grid(-0.8 * f64::sqrt(t), 0.5 * f64::sqrt(t), 40), 2e-3, smile(t)))
        .collect();
    let clock = Clock::new(vec![[0.2, 0.2], [0.21, 0.26], [0.5, 0.5]]).expect("it rises");
    let settings = ModelSettings { clock, ..ModelSettings::default() };
    let surface = fit(&market, &settings, None).expect("a surface").surface;
    for t in [0.03, 0.07, 0.15, 0.205, 0.28, 0.4] {
        for k in [-1.5, -0.3, -0.11, -0.012, 0.0131, 0.09, 0.7] {
            let at = surface.variance(k, t);
            let w = |k: f64, t: f64| surface.total_variance(k, t);
            let (h, d) = (2e-5, 1e-4 * t);
            let by_k = (w(k + h, t) - w(k - h, t)) / (2.0 * h);
            let by_kk = (surface.variance(k + h, t).by_k - surface.variance(k - h, t).by_k) / (2.0 * h);
            let by_t = (w(k, t + d) - w(k, t - d)) / (2.0 * d);
            let by_kt = (surface.variance(k, t + d).by_k - surface.variance(k, t - d).by_k) / (2.0 * d);
            let by_tt = (surface.variance(k, t + d).by_t - surface.variance(k, t - d).by_t) / (2.0 * d);
            for (name, ours, theirs, unit) in [
                ("k", at.by_k, by_k, 1e-2),
                ("kk", at.by_kk, by_kk, 1.0),
                ("t", at.by_t, by_t, 1e-2),
                ("kt", at.by_kt, by_kt, 1e-1),
                ("tt", at.by_tt, by_tt, 1e-1),
            ] {
                let scale = ours.abs().max(theirs.abs()).max(unit);
                assert!((ours - theirs).abs() < 2e-3 * scale, "by_{name} at {k}, {t}: {ours} {theirs}");
            }
        }
    }
    // At the money total variance is linear in variance time.
    let at = |t: f64| surface.total_variance(0.0, t);
    let middle = 0.1 + 0.5 * (settings.clock.at(0.3)[0] - 0.1);
    let t =
        (0..100_000).map(|i| 0.1 + 2e-6 * f64::from(i)).find(|t| settings.clock.at(*t)[0] >= middle).expect("half way");
    assert!((at(t) - 0.5 * (at(0.1) + at(0.3))).abs() < 1e-6);
}

#[test]
fn quotes_that_contradict_each_other_leave_no_arbitrage() {
    // Total variance falls from the first expiry to the second at every strike, and rises to the third.
    let strikes = grid(-0.3, 0.2, 40);
    let market = [
        quotes(0.1, &strikes, 1e-3, |k| 0.3 - 0.2 * k),
        quotes(0.11, &strikes, 1e-3, |k| 0.2 - 0.2 * k),
        quotes(0.3, &strikes, 1e-3, |k| 0.25 - 0.2 * k),
    ];
    let surface = fitted(&market);
    assert_sound(&surface, &market);
    // One of the first two cannot be met where the other is; the third is.
    let inside: Vec<usize> = quality_of(&surface, &market).0.iter().filter_map(|slice| slice.inside).collect();
    assert!(inside[0].max(inside[1]) == 40 && inside[2] == 40, "{inside:?}");
    // A butterfly of negative price: one quote far above its neighbours is missed, the others are met.
    let mut market = [quotes(0.1, &strikes, 1e-3, |k| 0.3 - 0.2 * k)];
    for column in [&mut market[0].bid_volatility, &mut market[0].mid_volatility, &mut market[0].ask_volatility] {
        column[20] += 0.03;
    }
    let surface = fitted(&market);
    assert_sound(&surface, &market);
    assert_eq!(quality_of(&surface, &market).1.inside, Some(39));
}

#[test]
fn near_expiries_that_touch_are_kept_in_order_between_the_knots() {
    let shape = Ssvi { rho: -0.7, eta: 1.0, gamma: 0.45 };
    // Strikes that do not coincide, and total variances that differ by two parts in a thousand where spreads are ten times wider.
    let market: Vec<SliceQuotes> = [(0.1, 0.0), (0.1002, 0.003), (0.1004, 0.006)]
        .into_iter()
        .map(|(t, shift)| {
            quotes(t, &grid(-0.3 + shift, 0.2 + shift, 23), 2e-3, |k| (shape.total_variance(k, 0.04 * t) / t).sqrt())
        })
        .collect();
    let surface = fitted(&market);
    assert_sound(&surface, &market);
    for pair in surface.smiles().windows(2) {
        for k in grid(-1.5, 1.0, 20_001) {
            let [low, high] = [&pair[0], &pair[1]].map(|smile| smile.out_of_the_money(k.exp())[0]);
            assert!(high >= low, "at {k}: {low} {high}");
        }
    }
}

#[test]
fn every_third_quote_held_out_lies_inside() {
    let shape = Ssvi { rho: -0.6, eta: 0.8, gamma: 0.4 };
    let all: Vec<SliceQuotes> = [0.02, 0.1, 0.5]
        .into_iter()
        .map(|t: f64| {
            let strikes = grid(-5.0 * 0.2 * t.sqrt(), 2.5 * 0.2 * t.sqrt(), 60);
            // Mids off by up to two thirds of the half-spread, without a pattern.
            let noise = |k: f64| 2e-3 * ((1e4 * k).sin() * 78.233).sin();
            quotes(t, &strikes, 3e-3, |k| (shape.total_variance(k, 0.04 * t) / t).sqrt() + noise(k))
        })
        .collect();
    let pick = |held: bool| -> Vec<SliceQuotes> {
        let of =
            |column: &[f64]| column.iter().enumerate().filter(|(i, _)| (i % 3 == 1) == held).map(|it| *it.1).collect();
        let thin = |slice: &SliceQuotes| SliceQuotes {
            log_moneyness: of(&slice.log_moneyness),
            bid_volatility: of(&slice.bid_volatility),
            mid_volatility: of(&slice.mid_volatility),
            ask_volatility: of(&slice.ask_volatility),
            ..slice.clone()
        };
        all.iter().map(thin).collect()
    };
    let surface = fitted(&pick(false));
    let held = quality_of(&surface, &pick(true)).1;
    assert!(held.inside_share() >= Some(0.9), "{held:?}");
    assert!(density_maxima(&surface, &coverage(&all)).iter().all(|slice| slice.log_moneyness.len() <= 2));
}

#[test]
fn slices_with_few_quotes_take_the_shape_of_the_nearest() {
    let shape = Ssvi { rho: -0.7, eta: 1.0, gamma: 0.45 };
    let vol = |t: f64| move |k: f64| (shape.total_variance(k, 0.04 * t) / t).sqrt();
    let strikes = |t: f64| grid(-0.7 * t.sqrt(), 0.5 * t.sqrt(), 40);
    let market = [
        quotes(0.05, &[], 1e-3, |_| 0.2),
        quotes(0.1, &strikes(0.1), 1e-3, vol(0.1)),
        quotes(0.15, &[-0.02, 0.0, 0.02], 1e-3, vol(0.15)),
        quotes(0.2, &strikes(0.2), 1e-3, vol(0.2)),
        quotes(0.4, &[0.01], 1e-3, vol(0.4)),
    ];
    let fit = fit(&market, &ModelSettings::default(), None).expect("a surface");
    assert_sound(&fit.surface, &market);
    let few: Vec<f64> = fit.notes.iter().filter_map(|note| note.expiry_years).collect();
    assert_eq!(few, [0.05, 0.15, 0.4], "{:?}", fit.notes);
    assert!(fit.notes.iter().all(|note| matches!(note.reason, Reason::TooFewQuotes { needed: 5, .. })));
    for t in [0.05, 0.15, 0.4] {
        for k in [-0.08, 0.0, 0.04] {
            let (ours, theirs) = (fit.surface.implied_vol(k, t), vol(t)(k));
            assert!((ours - theirs).abs() < 0.02, "{k}, {t}: {ours} {theirs}");
        }
    }
    let quality = quality_of(&fit.surface, &market);
    assert_eq!(quality.1.inside, Some(quality.1.quotes));
}

#[test]
fn without_a_usable_quote_there_is_no_surface() {
    let none = |slices: &[SliceQuotes]| fit(slices, &ModelSettings::default(), None).err();
    assert_eq!(none(&[quotes(0.1, &[], 1e-3, |_| 0.2)]), Some(FitError::NoQuotes));
    assert_eq!(none(&[quotes(0.1, &[0.0, 0.1], 1e-3, |_| f64::NAN)]), Some(FitError::NoQuotes));
    assert!(fit(&[], &ModelSettings::default(), None).expect("nothing asked").surface.smiles().is_empty());
}

#[test]
fn odd_quotes_do_no_harm() {
    let strikes = grid(-0.3, 0.2, 30);
    let smile = |k: f64| 0.2 - 0.3 * k + 0.8 * k * k;
    let good = || quotes(0.2, &strikes, 1e-3, smile);
    let mut no_bids = good();
    no_bids.bid_volatility.fill(f64::NAN);
    let mut no_sides = no_bids.clone();
    no_sides.ask_volatility.fill(f64::NAN);
    let mut holes = good();
    for i in (0..30).step_by(3) {
        holes.mid_volatility[i] = f64::NAN;
        holes.log_moneyness[i + 1] = f64::INFINITY;
    }
    let mut twice = good();
    twice.log_moneyness = strikes.iter().map(|k| (k * 10.0).round() / 10.0).collect();
    let mut crossed = good();
    std::mem::swap(&mut crossed.bid_volatility, &mut crossed.ask_volatility);
    let mut short_column = good();
    short_column.ask_volatility.truncate(7);
    let mut backwards = good();
    backwards.log_moneyness.reverse();
    let cases = [
        ("no bids", no_bids),
        ("no sides", no_sides),
        ("holes", holes),
        ("duplicates", twice),
        ("crossed", crossed.clone()),
        ("short column", short_column),
        ("backwards", backwards),
        ("no width", quotes(0.2, &strikes, 0.0, smile)),
        ("flat", quotes(0.2, &strikes, 1e-3, |_| 0.2)),
        ("300 %", quotes(0.2, &strikes, 1e-2, |k| 3.0 - k)),
        ("300 % for two years", quotes(2.0, &strikes, 1e-2, |k| 3.0 - k)),
        ("ten minutes", quotes(1.9e-5, &grid(-0.004, 0.003, 12), 1e-2, |k| 0.15 - 3.0 * k)),
        ("calls alone", quotes(0.2, &grid(0.01, 0.2, 20), 1e-3, smile)),
        ("puts alone", quotes(0.2, &grid(-0.5, -0.01, 20), 1e-3, smile)),
        ("far puts", quotes(0.2, &grid(-0.5, -0.4, 6), 1e-3, smile)),
        ("one strike", quotes(0.2, &[0.05; 9], 1e-3, smile)),
        ("two quotes", quotes(0.2, &[-0.05, 0.05], 1e-3, smile)),
        ("expired", quotes(-0.1, &strikes, 1e-3, |_| 0.2)),
        ("no expiry", quotes(f64::NAN, &strikes, 1e-3, |_| 0.2)),
        ("zigzag", quotes(0.2, &strikes, 1e-4, |k| if (k * 100.0) as i32 % 2 == 0 { 0.1 } else { 0.5 })),
    ];
    for (name, case) in cases {
        println!("{name}");
        let alone = std::slice::from_ref(&case);
        match fit(alone, &ModelSettings::default(), None) {
            Ok(fit) => assert_sound(&fit.surface, alone),
            // Quotes that all lie hundreds of deviations from the money have no price.
            Err(why) => assert!(matches!(name, "expired" | "no expiry") && why == FitError::NoQuotes, "{name}: {why}"),
        }
        let expiry = case.expiry_years;
        if expiry > 0.0 {
            let before = quotes(0.5 * expiry, &strikes, 1e-3, smile);
            let after = quotes(2.0 * expiry, &strikes, 1e-3, smile);
            let market = [before, case, after];
            assert_sound(&fitted(&market), &market);
        }
    }
    let crossed = [crossed];
    let fit = fit(&crossed, &ModelSettings::default(), None).expect("a surface");
    assert!(fit.notes.iter().any(|note| note.reason == Reason::CrossedQuotes { quotes: 30 }), "{:?}", fit.notes);
}

#[test]
fn settings_move_the_fit_inside_the_spreads() {
    let strikes = grid(-0.3, 0.2, 30);
    let market = [quotes(0.2, &strikes, 2e-2, |k| 0.25 - 0.3 * k)];
    let yesterday = fitted(&[quotes(0.2, &strikes, 1e-3, |k| 0.26 - 0.3 * k)]);
    let of = |calibration: Settings, prior| {
        let settings = ModelSettings { calibration, ..ModelSettings::default() };
        fit(&market, &settings, prior).expect("a surface").surface
    };
    let free = of(Settings::default(), None).implied_vol(0.0, 0.2);
    let pulled = of(Settings { tikhonov: 1e4, ..Settings::default() }, Some(&yesterday)).implied_vol(0.0, 0.2);
    assert!((free - 0.25).abs() < 2e-3 && (pulled - 0.26).abs() < 2e-3, "{free} {pulled}");
    for residual in [Residual::Volatility, Residual::Price, Residual::TotalVariance] {
        for weights in [Weights::BidAsk, Weights::Vega, Weights::OpenInterest, Weights::Uniform] {
            let surface = of(Settings { residual, weights, ..Settings::default() }, None);
            assert_sound(&surface, &market);
            assert_eq!(quality_of(&surface, &market).1.inside, Some(30), "{residual:?} {weights:?}");
        }
    }
}

#[test]
fn a_saved_surface_reads_back_the_same_and_a_fit_depends_on_its_quotes_alone() {
    let strikes = grid(-0.3, 0.2, 30);
    let market: Vec<SliceQuotes> =
        [0.1, 0.2].into_iter().map(|t| quotes(t, &strikes, 1e-3, |k| 0.2 - 0.3 * k)).collect();
    let surface = fitted(&market);
    let text = serde_json::to_string(&surface).expect("plain numbers");
    assert_eq!(serde_json::from_str::<PriceSplines>(&text).expect("what was written"), surface);
    assert_eq!(fitted(&market), surface);
    // What is no surface is refused, not read.
    let value: serde_json::Value = serde_json::from_str(&text).expect("plain numbers");
    for (place, wrong) in [
        ("/smiles/0/knots", serde_json::json!([])),
        ("/smiles/0/density/3", serde_json::json!(-1.0)),
        ("/smiles/1/price/0", serde_json::json!(0.0)),
        ("/smiles/0/put_power", serde_json::json!(0.5)),
        ("/expiry_years", serde_json::json!([0.2, 0.1])),
        ("/expiry_years", serde_json::json!([0.2])),
    ] {
        let mut changed = value.clone();
        *changed.pointer_mut(place).expect("a place of it") = wrong;
        assert!(serde_json::from_value::<PriceSplines>(changed).is_err(), "{place}");
    }
}

#[test]
fn tails_are_powers_that_keep_their_order() {
    let shape = Ssvi { rho: -0.7, eta: 1.0, gamma: 0.45 };
    let market: Vec<SliceQuotes> = [0.05, 0.2, 1.0]
        .into_iter()
        .map(|t: f64| {
            let strikes = grid(-0.5 * t.sqrt(), 0.4 * t.sqrt(), 30);
            quotes(t, &strikes, 1e-3, |k| (shape.total_variance(k, 0.04 * t) / t).sqrt())
        })
        .collect();
    let surface = fitted(&market);
    for smile in surface.smiles() {
        let (first, last) = (smile.knots()[0], smile.knots()[smile.knots().len() - 1]);
        // Price, slope and density are continuous at both ends.
        for (end, inward) in [(first, 1e-9), (last, -1e-9)] {
            let [inside, beyond] = [inward, -inward].map(|step| smile.out_of_the_money(end * (1.0 + step)));
            for i in 0..3 {
                assert!((inside[i] / beyond[i] - 1.0).abs() < 1e-5, "part {i} at {end}: {inside:?} {beyond:?}");
            }
        }
        // Lee (2004): the slope of total variance in a wing stays below two.
        for k in [-100.0, 100.0] {
            assert!(smile.derivatives(k)[1].abs() < 2.0 && smile.total_variance(k) < 2.0 * 100.0);
        }
    }
    for k in [-100.0, -20.0, -3.0, 3.0, 20.0, 100.0] {
        let w: Vec<f64> = surface.smiles().iter().map(|smile| smile.total_variance(k)).collect();
        assert!(w[0] <= w[1] && w[1] <= w[2], "{k}: {w:?}");
    }
    let range = [Coverage { expiry_years: 0.2, log_moneyness_range: [-4.0, 4.0] }];
    assert_eq!(violations(&surface, &range).1, vec![]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_quotes_give_a_surface_without_arbitrage(
        seed in prop::collection::vec((0.001_f64..0.1, prop::collection::vec((-1.0_f64..0.7, 0.01_f64..2.5, 0.0_f64..0.1), 0..30)), 1..5)
    ) {
        let market = slices_of_rows(seed);
        match fit(&market, &ModelSettings::default(), None) {
            Ok(fit) => {
                let (_, found) = violations(&fit.surface, &coverage(&market));
                prop_assert!(found.is_empty(), "{found:?} {:?}", fit.notes);
            }
            Err(why) => prop_assert!(why == FitError::NoQuotes, "{why}"),
        }
    }
}

#[test]
fn a_first_slice_without_a_solution_leaves_the_others_and_says_so() {
    let strikes = grid(-0.3, 0.3, 21);
    // So much variance that its density is nothing.
    let unsolved = quotes(100.0, &strikes, 0.05, |_| 9.9);
    let later = [200.0, 400.0].map(|years| quotes(years, &strikes, 1e-3, |k| 0.2 - 0.1 * k));
    let market = [std::slice::from_ref(&unsolved), &later[..]].concat();
    let fit = super::fit(&market, &ModelSettings::default(), None).expect("two of three slices have a solution");
    assert_eq!(fit.surface.expiry_years(), [200.0, 400.0]);
    let is_told = |note: &Note| note.expiry_years == Some(100.0) && matches!(note.reason, Reason::Failed { .. });
    assert!(fit.notes.iter().any(is_told), "{:?}", fit.notes);
    assert_eq!(fit.surface, fitted(&later));
    let alone = super::fit(&[unsolved], &ModelSettings::default(), None);
    assert_eq!(alone.expect_err("no slice has a solution"), FitError::NotConverged { starts: 4 });
}

#[test]
fn variances_beyond_what_prices_tell_are_said() {
    let of = |vol: f64, t: f64| {
        let slice = crate::surface::test_quotes::quotes(t, &[-0.6, -0.3, -0.1, 0.0, 0.1, 0.3, 0.6], 0.02, |_| vol);
        let found = fit(&[slice], &ModelSettings::default(), None).expect("quotes");
        found.notes.iter().any(|note| note.to_string().contains("is above 40: prices no longer tell"))
    };
    assert!(of(9.0, 0.5) && of(5.0, 2.0) && !of(3.0, 2.0));
}
