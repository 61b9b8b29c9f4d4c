use crate::surface::test_quotes::{RealSmile, grid as strikes, quotes as slice, real_smiles_of_2025};
use proptest::prelude::*;

use super::{grid::Grid, step::Prices, step::Step, *};
use crate::surface::{
    Clock, SliceQuotes, Svi, VarianceEvent,
    calibration::{Estimator, FitError, ModelSettings, Reason, Residual, Settings, Weights},
    coverage, quality_of, violations,
};

/// Total variance by log-moneyness at each of `expiries` under the local volatility `local_vol(k, t)`, by `steps` implicit steps from each
/// expiry to the next, the first of them the finest.
pub(in crate::surface) fn reprice(
    local_vol: impl Fn(f64, f64) -> f64,
    expiries: &[f64],
    steps: usize,
) -> Vec<Box<dyn Fn(f64) -> f64>> {
    let grid = Arc::new(Grid::new(-2.5, 2.0, 0.02));
    let mut prices = Prices::today(&grid);
    let mut start = 0.0;
    let mut smiles: Vec<Box<dyn Fn(f64) -> f64>> = Vec::new();
    for &end in expiries {
        let power = if start == 0.0 { 2 } else { 1 };
        let time = |n: usize| start + (end - start) * (n as f64 / steps as f64).powi(power);
        for n in 0..steps {
            let (from, to) = (time(n), time(n + 1));
            let half_square = |y: &f64| {
                let volatility = local_vol(y.clamp(-2.0, 1.5), 0.5 * (from + to));
                0.5 * volatility * volatility
            };
            let half_squares: Vec<f64> = grid.log_nodes.iter().map(half_square).collect();
            prices = Step::new(&grid, &half_squares, to - from).advance(&prices);
        }
        let (grid, now) = (grid.clone(), prices.clone());
        smiles.push(Box::new(move |k| {
            total_variance(k, grid.price(&grid.place(k), &now.out_of_the_money, &now.bends).value.ln())
        }));
        start = end;
    }
    smiles
}

fn smile(level: f64) -> Svi {
    Svi { a: 0.6 * level, b: 0.2 * level.sqrt(), rho: -0.5, m: 0.01, sigma: 2.0 * level.sqrt() }
}

/// Five expiries of SVI smiles.
fn market() -> Vec<SliceQuotes> {
    [0.02, 0.1, 0.25, 0.7, 2.0]
        .map(|t| {
            let (svi, reach) = (smile(0.04 * t), 0.2 * t.sqrt());
            slice(t, &strikes(-4.0 * reach, 2.5 * reach, 40), 0.002, |k| (svi.total_variance(k) / t).sqrt())
        })
        .to_vec()
}

fn fitted(slices: &[SliceQuotes]) -> Fitted {
    let found = fit(slices, &ModelSettings::default(), None).expect("there are quotes");
    Fitted { surface: found.surface, reasons: found.notes.into_iter().map(|note| note.reason).collect() }
}

struct Fitted {
    surface: AndreasenHuge,
    reasons: Vec<Reason>,
}

/// No violation over the quotes and beyond, and values everywhere.
fn assert_sound(surface: &AndreasenHuge, slices: &[SliceQuotes]) {
    let (report, found) = violations(surface, &coverage(slices));
    assert!(found.is_empty(), "{report:?} {found:?}");
    let last = slices.last().map_or(1.0, |slice| slice.expiry_years);
    for t in [0.01, 0.3, 0.55, 1.0, 1.7].map(|share| share * last) {
        for k in [-30.0, -3.0, -0.7, 0.0, 0.02, 1.5, 30.0] {
            let at = surface.variance(k, t);
            assert!(at.total > 0.0 && at.by_k.is_finite() && at.by_kk.is_finite() && at.by_t >= 0.0, "{k} {t} {at:?}");
        }
    }
}

#[test]
fn one_step_of_constant_volatility_has_its_closed_form() {
    // c − ½σ²τ x² c″ = (1 − x)⁺ is solved by powers of x: x^β/(β₊ − β₋), β± = ½ ± √(¼ + 2/(σ²τ)), β₊ below the forward and β₋ above.
    let grid = Grid::new(-2.0, 2.0, 0.05);
    for square in [0.01, 0.04, 0.3] {
        let step = Step::new(&grid, &vec![0.5; grid.len()], square);
        let after = step.advance(&Prices::today(&grid));
        let root = (0.25 + 2.0 / square).sqrt();
        for k in [-1.0, -0.4, -0.1, 0.0, 0.05, 0.3, 0.8_f64] {
            let ours = grid.price(&grid.place(k), &after.out_of_the_money, &after.bends).value;
            let theirs = ((0.5 + if k < 0.0 { root } else { -root }) * k).exp() / (2.0 * root);
            // The grid's error is one of the tail's rate, so the price's grows with the distance.
            let tolerance = 4e-3 * (1.0 + k.abs() / square.sqrt());
            assert!((ours / theirs - 1.0).abs() < tolerance, "{ours} and {theirs} at {k} of {square}");
        }
    }
}

#[test]
fn a_step_solves_its_equation_and_changes_as_it_says() {
    let grid = Grid::new(-1.0, 0.8, 0.03);
    let half_squares: Vec<f64> = grid.log_nodes.iter().map(|y| 0.02 * (1.0 + 8.0 * y * y)).collect();
    let before = Step::new(&grid, &half_squares, 0.1).advance(&Prices::today(&grid));
    let at = |tau: f64| Step::new(&grid, &half_squares, tau).advance(&before);
    let (tau, h) = (0.3, 1e-4);
    let after = at(tau);
    for i in 1..grid.len() - 1 {
        // A put and a call have one second difference, but for the two nodes about the money.
        if i + 1 == grid.money || i == grid.money {
            continue;
        }
        let price = &after.out_of_the_money;
        let bend = grid.lower[i] * (price[i - 1] - price[i]) + grid.upper[i] * (price[i + 1] - price[i]);
        let scale = grid.lower[i] * price[i];
        assert!((bend - after.bends[i]).abs() < 1e-12 * scale, "{bend} {} at {i}", after.bends[i]);
    }
    let [by_t, by_tt] = Step::new(&grid, &half_squares, tau).time_derivatives(&after);
    let (low, high) = (at(tau - h), at(tau + h));
    for i in (10..grid.len() - 10).step_by(7) {
        let price = |prices: &Prices| prices.out_of_the_money[i];
        let first = (price(&high) - price(&low)) / (2.0 * h);
        assert!((first - by_t[i]).abs() < 1e-6 * by_t[i].abs() + 1e-13, "{first} {}", by_t[i]);
        let second = (price(&high) - 2.0 * price(&after) + price(&low)) / (h * h);
        assert!((second - by_tt[i]).abs() < 1e-5 * by_tt[i].abs() + 2e-7, "{second} {}", by_tt[i]);
    }
}

#[test]
fn quotes_are_met_inside_a_tenth_of_a_vol_point_without_arbitrage() {
    let slices = market();
    let Fitted { surface, reasons } = fitted(&slices);
    let (_, all) = quality_of(&surface, &slices);
    assert!(all.inside == Some(all.quotes) && all.rmse_vol_points < 0.1, "{all:?}");
    assert!(reasons.is_empty(), "{reasons:?}");
    assert_sound(&surface, &slices);
}

#[test]
fn derivatives_are_those_of_the_total_variance() {
    let clock = Clock::default().with_events(&[VarianceEvent { years: 0.15, extra_days: 5.0 }]).expect("sound");
    let settings = ModelSettings { clock, ..ModelSettings::default() };
    let surface = fit(&market(), &settings, None).expect("there are quotes").surface;
    for t in [0.01, 0.05, 0.12, 0.1501, 0.4, 1.3, 2.6] {
        for x in [-2.5, -1.0, -0.2, 0.1, 0.6, 1.5] {
            let k = x * 0.2 * f64::sqrt(t);
            let at = surface.variance(k, t);
            let (h, d) = (1e-4 * t.sqrt(), 1e-6_f64.min(1e-3 * t));
            let side = |k: f64, t: f64| surface.variance(k, t);
            let numeric = [
                (side(k + h, t).total - side(k - h, t).total) / (2.0 * h),
                (side(k + h, t).by_k - side(k - h, t).by_k) / (2.0 * h),
                (side(k, t + d).total - side(k, t - d).total) / (2.0 * d),
                (side(k, t + d).by_k - side(k, t - d).by_k) / (2.0 * d),
                (side(k, t + d).by_t - side(k, t - d).by_t) / (2.0 * d),
            ];
            let ours = [at.by_k, at.by_kk, at.by_t, at.by_kt, at.by_tt];
            let scales = [0.1 * t.sqrt(), 1.0, 0.04, 0.1 / t.sqrt(), 0.04 / t];
            for i in 0..5 {
                let tolerance = 1e-3 * (ours[i].abs() + scales[i]);
                assert!((ours[i] - numeric[i]).abs() < tolerance, "{i}: {} and {} at {k}, {t}", ours[i], numeric[i]);
            }
            assert!((surface.total_variance(k, t) / at.total - 1.0).abs() < 1e-14);
        }
    }
}

#[test]
fn what_is_saved_is_small_and_reads_back_to_the_same_bits() {
    let surface = fitted(&market()).surface;
    let json = serde_json::to_string(&surface).expect("plain data");
    let read: AndreasenHuge = serde_json::from_str(&json).expect("written by us");
    assert_eq!(read, surface);
    assert!(json.len() < 10_000, "{}", json.len());
    for (k, t) in [(-0.3, 0.1), (0.0, 0.17), (0.2, 1.0), (0.1, 3.0)] {
        assert_eq!(read.variance(k, t), surface.variance(k, t));
    }
    let broken =
        [("\"expiry_years\":0.1,", "\"expiry_years\":0.01,"), ("\"finest_deviation\":", "\"finest_deviation\":-")];
    for (from, to) in broken {
        assert!(json.contains(from));
        assert!(serde_json::from_str::<AndreasenHuge>(&json.replacen(from, to, 1)).is_err(), "{to}");
    }
}

#[test]
fn yesterday_is_where_tikhonov_pulls_to() {
    let yesterday = fitted(&market()).surface;
    // Today there are three quotes an expiry, a vol point higher.
    let thin: Vec<SliceQuotes> = market()
        .iter()
        .map(|quotes| {
            let (t, k) = (quotes.expiry_years, &quotes.log_moneyness);
            slice(t, &[k[2], k[20], k[37]], 0.002, |k| yesterday.implied_vol(k, t) + 0.01)
        })
        .collect();
    let fit_with = |tikhonov, prior| {
        let settings =
            ModelSettings { calibration: Settings { tikhonov, ..Settings::default() }, ..ModelSettings::default() };
        fit(&thin, &settings, prior).expect("there are quotes").surface
    };
    let miss = |surface: &AndreasenHuge, shift: f64| {
        let at = |quotes: &SliceQuotes| {
            let t = quotes.expiry_years;
            quotes
                .log_moneyness
                .iter()
                .map(|&k| surface.implied_vol(k, t) - yesterday.implied_vol(k, t) - shift)
                .map(f64::abs)
                .fold(0.0, f64::max)
        };
        thin.iter().map(at).fold(0.0, f64::max)
    };
    let (free, held) = (fit_with(0.0, Some(&yesterday)), fit_with(1e7, Some(&yesterday)));
    assert!(miss(&free, 0.01) < 1e-3, "without a pull it goes to the quotes: {}", miss(&free, 0.01));
    assert!(miss(&held, 0.0) < 0.6 * miss(&free, 0.0), "{} and {}", miss(&held, 0.0), miss(&free, 0.0));
}

#[test]
fn every_residual_weight_and_estimator_meets_a_market_without_noise() {
    let slices = &market()[..3];
    for residual in [Residual::Volatility, Residual::Price, Residual::TotalVariance] {
        for weights in [Weights::BidAsk, Weights::Vega, Weights::Uniform] {
            for estimator in [Estimator::LeastSquares, Estimator::MaximumLikelihood] {
                let calibration = Settings { residual, weights, estimator, tikhonov: 0.0 };
                let settings = ModelSettings { calibration, ..ModelSettings::default() };
                let surface = fit(slices, &settings, None).expect("there are quotes").surface;
                let (_, all) = quality_of(&surface, slices);
                assert!(all.rmse_vol_points < 0.5, "{all:?} under {calibration:?}");
            }
        }
    }
}

#[test]
fn sparse_and_odd_quotes_give_what_they_can() {
    let wide = strikes(-0.3, 0.2, 11);
    let nan = f64::NAN;
    let good = slice(0.5, &wide, 0.005, |k| 0.2 - 0.1 * k);
    // One quote: one volatility.
    let one = [slice(0.25, &[-0.05], 0.01, |_| 0.3)];
    let found = fitted(&one);
    assert!(matches!(found.reasons[..], [Reason::TooFewQuotes { quotes: 1, .. }]), "{:?}", found.reasons);
    for k in [-0.3, -0.05, 0.0, 0.2] {
        assert!((found.surface.implied_vol(k, 0.25) - 0.3).abs() < 2e-3, "{}", found.surface.implied_vol(k, 0.25));
    }
    assert_sound(&found.surface, &one);
    // Two quotes, one-sided.
    let two = [slice(0.25, &[0.05, 0.2], 0.01, |k| 0.2 + k)];
    let found = fitted(&two);
    assert!(found.reasons.iter().any(|reason| matches!(reason, Reason::OneSided { .. })), "{:?}", found.reasons);
    assert_eq!(quality_of(&found.surface, &two).1.inside, Some(2));
    assert_sound(&found.surface, &two);
    // Flat, of 300 %, of ten minutes, and duplicates.
    for slices in [
        [slice(1.0, &wide, 0.001, |_| 0.25)],
        [slice(0.5, &wide, 0.05, |_| 3.0)],
        [slice(10.0 / 525_600.0, &strikes(-0.004, 0.004, 9), 0.02, |k| 0.3 + 300.0 * k * k)],
        [slice(0.5, &[-0.1, -0.1, 0.0, 0.0, 0.0, 0.1, 0.1], 0.01, |k| 0.2 - 0.2 * k)],
    ] {
        let found = fitted(&slices);
        let quality = quality_of(&found.surface, &slices).1;
        assert_eq!(quality.inside, Some(quality.quotes), "{slices:?}");
        assert_sound(&found.surface, &slices);
    }
    // Crossed, and NaN among the good.
    let mut odd = good.clone();
    (odd.bid_volatility[3], odd.ask_volatility[3]) = (0.3, 0.1);
    (odd.mid_volatility[5], odd.log_moneyness[6], odd.bid_volatility[7]) = (nan, nan, nan);
    let found = fitted(&[odd.clone()]);
    assert!(found.reasons.contains(&Reason::CrossedQuotes { quotes: 1 }), "{:?}", found.reasons);
    assert_sound(&found.surface, &[odd]);
    // A slice without any, between two with some: interpolated, and said so.
    let empty = slice(0.7, &[0.0], 0.1, |_| nan);
    let later = slice(1.0, &wide, 0.005, |k| 0.21 - 0.08 * k);
    let found = fitted(&[good.clone(), empty, later.clone()]);
    assert!(matches!(found.reasons[..], [Reason::TooFewQuotes { quotes: 0, .. }]), "{:?}", found.reasons);
    assert!((0.19..0.22).contains(&found.surface.implied_vol(0.0, 0.7)));
    assert_sound(&found.surface, &[good.clone(), later]);
    // Variance that falls: the later slice stays above the earlier, and it is said.
    let inverted = [good.clone(), slice(0.6, &wide, 0.005, |_| 0.12)];
    let found = fitted(&inverted);
    assert!(
        found.reasons.iter().any(|reason| matches!(reason, Reason::CalendarInverted { .. })),
        "{:?}",
        found.reasons
    );
    assert_sound(&found.surface, &inverted);
    // The same expiry twice, and nothing at all.
    let found = fitted(&[good.clone(), good]);
    assert!(matches!(found.reasons[..], [Reason::Failed { .. }]), "{:?}", found.reasons);
    let nothing = [slice(0.5, &wide, 0.01, |_| nan)];
    for slices in [&[][..], &nothing[..]] {
        assert_eq!(fit(slices, &ModelSettings::default(), None).err(), Some(FitError::NoQuotes));
    }
}

#[test]
fn local_volatility_at_the_first_expiry_is_that_before_it() {
    let flat = |t: f64| slice(t, &strikes(-0.4, 0.4, 11), 0.001, |_| 0.2);
    for slices in [vec![flat(0.5)], vec![flat(0.5), flat(1.0)]] {
        let surface = fitted(&slices).surface;
        for k in [-0.3, -0.1, 0.0, 0.1, 0.2] {
            let [before, at] = [0.5 * (1.0 - 1e-9), 0.5].map(|t| surface.local_vol(k, t));
            assert!((at - before).abs() < 1e-6 && (at - 0.2).abs() < 2e-3, "{k}: {at} {before}");
        }
    }
}

#[test]
fn a_thin_first_slice_leaves_room_for_the_later_ones() {
    // A quarter of an hour before expiry: three puts with wide spreads, whose mids rise so steeply that what they say of strikes further
    // out, taken as it is, is above the quotes of the day after.
    let mut first = slice(2.9e-5, &[-0.0054, -0.002, -0.0002], 0.0, |_| 0.0);
    first.bid_volatility = vec![0.7, 0.54, 0.09];
    first.mid_volatility = vec![1.55, 0.82, 0.34];
    first.ask_volatility = vec![2.2, 1.08, 0.58];
    let second = slice(0.0028, &strikes(-0.037, 0.007, 28), 0.005, |k| 0.09 + 5.0 * k.abs());
    let slices = [first, second];
    let found = fitted(&slices);
    let (parts, _) = quality_of(&found.surface, &slices);
    assert!(parts[0].inside == Some(3) && parts[1].inside >= Some(26), "{parts:?}");
    assert_sound(&found.surface, &slices);
}

#[test]
fn real_smiles_of_2025_have_the_right_volatility_at_the_money() {
    for RealSmile { name, quotes, at_the_money } in real_smiles_of_2025() {
        let found = fitted(std::slice::from_ref(&quotes));
        let ours = found.surface.implied_vol(0.0, quotes.expiry_years);
        assert!((ours - at_the_money).abs() < 1e-3, "{name}: {ours}");
        assert_sound(&found.surface, &[quotes]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_parameters_are_free_of_arbitrage(
        steps in prop::collection::vec((0.001_f64..0.5, 1e-4_f64..0.1, prop::collection::vec(-4.0_f64..4.0, 1..9)), 1..4)
    ) {
        let (mut expiry_years, mut total_variance) = (0.0, 0.0);
        let steps: Vec<AndreasenHugeStep> = steps
            .into_iter()
            .map(|(time, rise, log_ratios)| {
                expiry_years += time;
                total_variance += rise;
                let log_moneyness = (0..log_ratios.len()).map(|i| -0.6 + 0.13 * i as f64).collect();
                AndreasenHugeStep { expiry_years, total_variance, log_moneyness, log_ratios }
            })
            .collect();
        let slices: Vec<SliceQuotes> =
            steps.iter().map(|step| slice(step.expiry_years, &[-0.5, 0.4], 0.0, |_| 0.2)).collect();
        let parameters = AndreasenHugeParameters {
            log_moneyness_range: [-2.5, 2.5],
            finest_deviation: steps[0].total_variance.sqrt(),
            clock: Clock::default(),
            steps,
        };
        let surface = AndreasenHuge::try_from(parameters).expect("sound");
        let (report, found) = violations(&surface, &coverage(&slices));
        prop_assert!(found.is_empty(), "{report:?} {found:?}");
    }
}

/// Digitals across the ends of the grid, by the slope of prices on each side: no strike has probability below zero, and what the last
/// expiry adds is never taken away.
#[test]
fn probabilities_do_not_fall_across_the_ends_of_the_grid_nor_beyond() {
    let surface = fitted(&market()).surface;
    let years: Vec<f64> = surface.parameters().steps.iter().map(|step| step.expiry_years).collect();
    let half_way = years.windows(2).map(|pair| 0.5 * (pair[0] + pair[1]));
    let times: Vec<f64> = years.iter().copied().chain(half_way).collect();
    let price = |k: f64, t: f64| crate::surface::from_price::price(k, surface.total_variance(k, t).sqrt());
    for &t in &times {
        for (side, edge) in surface.grid.range.into_iter().enumerate() {
            let outward = if side == 0 { -1.0 } else { 1.0 };
            let x = edge.exp();
            let h = 1e-4 * x;
            let chord = |from: f64, to: f64| (price(to.ln(), t) - price(from.ln(), t)) / (to - from);
            // By ascending strike, straddling the edge: slopes of convex prices ascend.
            let slopes: Vec<f64> = (-3..3).map(|i| chord(x + h * f64::from(i), x + h * f64::from(i + 1))).collect();
            let scale = slopes[2].abs();
            assert!(slopes.windows(2).all(|pair| pair[1] - pair[0] > -1e-6 * scale), "{t} {edge}: {slopes:?}");
            assert!(scale > 0.0, "{t} {edge}");
            for away in [0.01, 0.1, 0.3, 0.6] {
                let at = surface.variance(edge + outward * away, t);
                let g = crate::surface::durrleman_g(edge + outward * away, at.smile());
                assert!(g > 0.0, "{t} {edge} {away}: {g}");
                let step = 1e-5;
                let near = |by: f64| surface.total_variance(edge + outward * away + by, t);
                let slope = (near(step) - near(-step)) / (2.0 * step);
                assert!((slope - at.by_k).abs() < 1e-5 * (1.0 + slope.abs()), "{slope} {at:?}");
            }
        }
    }
    for pair in years.windows(2) {
        for (side, edge) in surface.grid.range.into_iter().enumerate() {
            let k = if side == 0 { edge - 0.5 } else { edge + 0.5 };
            assert!(surface.total_variance(k, pair[1]) >= surface.total_variance(k, pair[0]), "{pair:?} {k}");
            let t = 0.5 * (pair[0] + pair[1]);
            let step = 1e-5 * t;
            let by_t = (surface.total_variance(k, t + step) - surface.total_variance(k, t - step)) / (2.0 * step);
            let at = surface.variance(k, t);
            assert!((by_t - at.by_t).abs() < 1e-4 * (1e-3 + by_t.abs()), "{by_t} {at:?}");
        }
    }
}
