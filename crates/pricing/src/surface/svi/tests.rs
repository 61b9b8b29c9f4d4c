use super::wings;
use crate::math::{Plain, normal_cdf};
use crate::surface::test_quotes::{RealSmile, grid, quotes, real_smiles_of_2025, slices_of_rows};
use crate::surface::*;
use proptest::prelude::*;

fn slice(expiry_years: f64, svi: Svi, range: [f64; 2]) -> SurfaceSlice {
    SurfaceSlice {
        expiry_years,
        forward: 100.0,
        svi,
        source: SliceSource::Svi,
        log_moneyness_range: range,
        quality: FitQuality::default(),
        unconstrained: FitQuality::default(),
    }
}

fn assert_sound(surface: &Surface, slices: usize) {
    assert_eq!(surface.slices.len(), slices);
    assert_eq!((surface.arbitrage.butterfly_violations, surface.arbitrage.calendar_violations), (0, 0));
    let [low, high] = surface.arbitrage.log_moneyness_range;
    for slice in &surface.slices {
        for k in grid(low - 0.1, high + 0.1, 41) {
            let w = slice.svi.total_variance(k);
            assert!(w.is_finite() && w > 0.0, "w {w} at {k} of {slice:?}");
        }
        assert!(slice.quality.rmse_vol_points.is_finite());
    }
}

/// Axel Vogt's parameters, with their published arbitrage: Gatheral and Jacquier (2014), section 5.1 and figure 1.
const VOGT: Svi = Svi { a: -0.0410, b: 0.1331, m: 0.3586, rho: 0.3060, sigma: 0.4153 };

/// Surface of SSVI quotes on a term structure.
fn ssvi_quotes(shape: &Ssvi, expiries: &[f64], half: f64) -> Vec<SliceQuotes> {
    expiries
        .iter()
        .map(|&t| {
            let svi = shape.slice(0.04 * t);
            let reach = 4.0 * (0.04 * t).sqrt();
            quotes(t, &grid(-reach, 0.6 * reach, 41), half, |k| (svi.total_variance(k) / t).sqrt())
        })
        .collect()
}

#[test]
fn check_finds_the_published_arbitrage_of_vogt() {
    let report = check(&[slice(1.0, VOGT, [-1.5, 1.5])]);
    assert!(report.butterfly_violations > 50, "{report:?}");
    assert!((report.least_g + 0.0329).abs() < 5e-5, "{report:?}");
    let least = grid(0.0, 1.5, 15_001).into_iter().min_by(|x, y| VOGT.durrleman_g(*x).total_cmp(&VOGT.durrleman_g(*y)));
    assert!((least.expect("the grid is not empty") - 0.879).abs() < 2e-3, "{least:?}");
    assert_eq!(report.calendar_violations, 0);
}

#[test]
fn check_finds_what_slips_between_the_points_of_the_grid() {
    let low = Svi { a: 0.01, b: 0.1, rho: -0.5, m: 0.0, sigma: 0.1 };
    let high = Svi { a: 0.01, b: 0.12, rho: -0.45, m: -0.3, sigma: 0.3 };
    let rise = |k: f64| high.total_variance(k) - low.total_variance(k);
    let least = grid(-3.0, 1.0, 400_001).into_iter().map(rise).fold(f64::INFINITY, f64::min);
    // The second slice dips under the first by a billionth, over a few ten-thousandths of log-moneyness.
    let dipping = Svi { a: high.a - least - 1e-9, ..high };
    let report = check(&[slice(0.5, low, [-3.0, 1.0]), slice(1.0, dipping, [-3.0, 1.0])]);
    assert!((1..=3).contains(&report.calendar_violations), "{report:?}");
    let touching = Svi { a: high.a - least + 1e-9, ..high };
    let report = check(&[slice(0.5, low, [-3.0, 1.0]), slice(1.0, touching, [-3.0, 1.0])]);
    assert_eq!(report.calendar_violations, 0, "{report:?}");
}

#[test]
fn check_counts_crossing_slices_and_falling_wings() {
    let low = Svi { a: 0.01, b: 0.1, rho: -0.5, m: 0.0, sigma: 0.1 };
    let range = [-1.0, 1.0];
    let above = Svi { a: 0.02, ..low };
    assert_eq!(check(&[slice(0.5, low, range), slice(1.0, above, range)]).calendar_violations, 0);
    // Under `low` on the right alone, and its right wing falls too.
    let tilted = Svi { a: 0.02, rho: -0.7, ..low };
    let report = check(&[slice(0.5, low, range), slice(1.0, tilted, range)]);
    assert!(report.calendar_violations > 50 && report.calendar_violations < report.points / 2, "{report:?}");
    // Over `low` on the whole grid, with a lower slope in both wings: the crossing lies beyond the grid.
    let shallow = Svi { a: 0.1, b: 0.09, ..low };
    assert_eq!(check(&[slice(0.5, low, range), slice(1.0, shallow, range)]).calendar_violations, 2);
    let steep = Svi { b: 1.5, ..low };
    assert!(check(&[slice(0.5, steep, range)]).butterfly_violations >= 1);
    let negative = Svi { a: -0.2, ..low };
    assert!(check(&[slice(0.5, negative, range)]).butterfly_violations > 10);
    // Positive on the grid, not beyond it.
    let later = Svi { a: -1e-4, b: 0.01, rho: -1.0, m: 1.5, sigma: 1e-4 };
    assert_eq!(check(&[slice(0.5, later, range)]).butterfly_violations, 1);
    let not_a_number = Svi { a: f64::NAN, ..low };
    assert!(check(&[slice(0.5, not_a_number, range)]).butterfly_violations > 800);
    assert_eq!(check(&[]), ArbitrageReport::default());
}

#[test]
fn density_and_distribution_agree_with_prices_and_with_each_other() {
    let svi = Svi { a: 0.01, b: 0.12, rho: -0.6, m: 0.05, sigma: 0.15 };
    // Undiscounted put on a forward of 1.
    let put = |k: f64| {
        let deviation = svi.total_variance(k).sqrt();
        let d1 = -k / deviation + 0.5 * deviation;
        k.exp() * normal_cdf::<Plain>(deviation - d1) - normal_cdf::<Plain>(-d1)
    };
    let mut total = 0.0;
    let step = 1e-3;
    for i in -6000..=4000 {
        let k = f64::from(i) * step;
        total += svi.density(k) * step;
        if i % 250 == 0 && (-1500..=1500).contains(&i) {
            let h = 1e-5;
            let slope = (put(k + h) - put(k - h)) / (2.0 * h * k.exp());
            assert!((svi.probability_below(k) - slope).abs() < 1e-8, "at {k}");
            let density = (svi.probability_below(k + h) - svi.probability_below(k - h)) / (2.0 * h);
            assert!((svi.density(k) - density).abs() < 1e-6, "at {k}");
            assert!((total - svi.probability_below(k)).abs() < 2e-3, "at {k}");
        }
    }
    assert!((total - 1.0).abs() < 1e-4, "{total}");
}

#[test]
fn gradients_agree_with_differences() {
    let x: wings::Wings = [0.002, 0.09, 0.03, 0.02, -2.3];
    for k in [-0.6, -0.1, 0.0, 0.03, 0.4] {
        let (w, by) = wings::Curve::new(&x).gradient(k);
        let (g, g_by) = wings::Curve::new(&x).durrleman_gradient(k);
        let svi = wings::to_svi(&x);
        assert!((w - svi.total_variance(k)).abs() < 1e-15);
        assert!((g - svi.durrleman_g(k)).abs() < 1e-12);
        for i in 0..5 {
            let at = |step: f64| {
                let mut y = x;
                y[i] += step;
                y
            };
            let total_variance = |x: wings::Wings| wings::Curve::new(&x).total_variance(k);
            let durrleman_g = |x: wings::Wings| wings::to_svi(&x).durrleman_g(k);
            let h = 1e-6;
            let difference = (total_variance(at(h)) - total_variance(at(-h))) / (2.0 * h);
            assert!((by[i] - difference).abs() < 1e-8 * (1.0 + difference.abs()), "w by {i} at {k}");
            let difference = (durrleman_g(at(h)) - durrleman_g(at(-h))) / (2.0 * h);
            assert!(
                (g_by[i] - difference).abs() < 1e-5 * (1.0 + difference.abs()),
                "g by {i} at {k}: {} {difference}",
                g_by[i]
            );
        }
    }
}

#[test]
fn coordinates_go_there_and_back() {
    let svi = Svi { a: -0.01, b: 0.2, rho: 0.4, m: 0.1, sigma: 0.3 };
    let back = wings::to_svi(&wings::from_svi(&svi));
    for (x, y) in [(svi.a, back.a), (svi.b, back.b), (svi.rho, back.rho), (svi.m, back.m), (svi.sigma, back.sigma)] {
        assert!((x - y).abs() < 1e-15, "{svi:?} {back:?}");
    }
}

#[test]
fn ssvi_slices_are_the_formula() {
    let shape = Ssvi { rho: -0.6, eta: 1.1, gamma: 0.4 };
    for theta in [1e-4, 0.02, 0.3] {
        let phi = shape.phi(theta);
        for k in [-0.7, 0.0, 0.2] {
            let root = ((phi * k + shape.rho).powi(2) + 1.0 - shape.rho * shape.rho).sqrt();
            let w = 0.5 * theta * (1.0 + shape.rho * phi * k + root);
            assert!((shape.total_variance(k, theta) - w).abs() < 1e-14 * (1.0 + w));
        }
        assert!((shape.total_variance(0.0, theta) - theta).abs() < 1e-15);
    }
}

#[test]
fn a_slice_is_recovered_from_its_own_quotes() {
    for svi in [
        Svi { a: 0.001, b: 0.04, rho: -0.6, m: 0.01, sigma: 0.05 },
        Svi { a: -0.004, b: 0.05, rho: 0.2, m: 0.08, sigma: 0.12 },
        Svi { a: 0.01, b: 0.02, rho: -0.95, m: 0.2, sigma: 0.02 },
    ] {
        let t = 0.25;
        let surface = fit(&[quotes(t, &grid(-0.4, 0.25, 60), 2e-4, |k| (svi.total_variance(k) / t).sqrt())]);
        assert_sound(&surface, 1);
        assert_eq!(surface.slices[0].source, SliceSource::Svi);
        assert_eq!(surface.quality.inside, Some(60), "{svi:?} {:?}", surface.slices[0]);
        assert!(surface.quality.rmse_vol_points < 5e-3, "{svi:?} {:?}", surface.slices[0]);
    }
}

#[test]
fn butterfly_arbitrage_in_the_quotes_stays_out_of_the_slice() {
    let t = 1.0;
    let surface = fit(&[quotes(t, &grid(-1.0, 1.2, 60), 1e-3, |k| VOGT.total_variance(k).sqrt())]);
    assert_sound(&surface, 1);
    assert!(surface.arbitrage.least_g >= 0.0);
    assert_eq!(surface.slices[0].source, SliceSource::Svi);
    // The quotes' own curve fits them and has the arbitrage; a curve without it can still meet most of them.
    assert_eq!(surface.unconstrained.inside, Some(60), "{:?}", surface.unconstrained);
    assert!(surface.quality.inside >= Some(30), "{:?}", surface.quality);
}

#[test]
fn an_ssvi_market_is_met_everywhere() {
    let shape = Ssvi { rho: -0.7, eta: 1.0, gamma: 0.45 };
    let expiries = [0.003, 0.01, 0.02, 0.04, 0.08, 0.0805, 0.16, 0.25, 0.5, 1.0, 2.0];
    let surface = fit(&ssvi_quotes(&shape, &expiries, 5e-4));
    assert_sound(&surface, expiries.len());
    assert_eq!(surface.quality.inside, Some(surface.quality.quotes), "{:?}", surface.quality);
    assert!(surface.quality.rmse_vol_points < 0.03, "{:?}", surface.quality);
    assert!(surface.ssvi_quality.rmse_vol_points < 0.1, "{:?} {:?}", surface.ssvi, surface.ssvi_quality);
    let found = surface.ssvi.expect("there are quotes enough");
    assert!((found.rho + 0.7).abs() < 0.05, "{found:?}");
}

#[test]
fn neighbours_whose_quotes_cross_do_not() {
    let shape = Ssvi { rho: -0.7, eta: 1.0, gamma: 0.45 };
    let mut market = ssvi_quotes(&shape, &[0.06, 0.0607, 0.12], 5e-4);
    // The later of the two is quoted one vol point lower: its quotes alone have calendar arbitrage.
    for side in [0, 1, 2] {
        let quotes = &mut market[1];
        let column =
            [&mut quotes.bid_volatility, &mut quotes.mid_volatility, &mut quotes.ask_volatility][side].iter_mut();
        column.for_each(|v| *v -= 0.01);
    }
    let surface = fit(&market);
    assert_sound(&surface, 3);
    assert!(surface.quality.rmse_vol_points < 1.0, "{:?}", surface.quality);
    assert_eq!(surface.slices[2].quality.inside, Some(41));
}

#[test]
fn thin_slices_take_their_shape_from_the_backbone() {
    let shape = Ssvi { rho: -0.7, eta: 1.0, gamma: 0.45 };
    let mut market = ssvi_quotes(&shape, &[0.02, 0.05, 0.1, 0.2, 0.4], 5e-4);
    let keep = |quotes: &mut SliceQuotes, n: usize| {
        for column in [
            &mut quotes.log_moneyness,
            &mut quotes.bid_volatility,
            &mut quotes.mid_volatility,
            &mut quotes.ask_volatility,
        ] {
            *column = column.iter().skip(20).take(n).copied().collect();
        }
    };
    keep(&mut market[1], 4);
    keep(&mut market[3], 0);
    let surface = fit(&market);
    assert_sound(&surface, 5);
    use SliceSource::{Ssvi as Backbone, Svi as Own};
    let sources: Vec<SliceSource> = surface.slices.iter().map(|slice| slice.source).collect();
    assert_eq!(sources, [Own, Backbone, Own, Backbone, Own]);
    assert_eq!(surface.slices[1].quality.inside, Some(4));
    // Its wings are the market's though nobody quoted them.
    for (slice, t) in [(1, 0.05), (3, 0.2)] {
        for k in [-0.1, 0.0, 0.05] {
            let expected = (shape.total_variance(k, 0.04 * t) / t).sqrt();
            assert!((surface.volatility(k, t) - expected).abs() < 4e-3, "slice {slice} at {k}");
        }
    }
}

#[test]
fn without_quotes_enough_slices_are_flat() {
    let surface = fit(&[quotes(0.1, &[0.0], 0.01, |_| 0.3), quotes(0.2, &[], 0.01, |_| 0.0)]);
    assert_sound(&surface, 2);
    assert!(surface.ssvi.is_none());
    for slice in &surface.slices {
        assert_eq!(slice.source, SliceSource::Flat);
        // The middle between bid and ask in variance: 0.3² + 0.01².
        assert!((slice.svi.total_variance(0.3) / slice.expiry_years - 0.0901).abs() < 1e-6, "{slice:?}");
    }
    assert_sound(&fit(&[quotes(0.1, &[], 0.01, |_| 0.0)]), 1);
    assert!(fit(&[]).slices.is_empty());
    assert_eq!(fit(&[]).arbitrage, ArbitrageReport::default());
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
    let cases = [
        ("no bids", no_bids),
        ("no sides", no_sides),
        ("holes", holes),
        ("duplicates", twice),
        ("crossed", crossed),
        ("short column", short_column),
        ("no width", quotes(0.2, &strikes, 0.0, smile)),
        ("flat", quotes(0.2, &strikes, 1e-3, |_| 0.2)),
        ("300 %", quotes(0.2, &strikes, 1e-2, |k| 3.0 - k)),
        ("ten minutes", quotes(1.9e-5, &grid(-0.004, 0.003, 12), 1e-2, |k| 0.15 - 3.0 * k)),
        ("calls alone", quotes(0.2, &grid(0.01, 0.2, 20), 1e-3, smile)),
        ("puts alone", quotes(0.2, &grid(-0.5, -0.01, 20), 1e-3, smile)),
        ("far puts", quotes(0.2, &grid(-0.5, -0.4, 6), 1e-3, smile)),
        ("one strike", quotes(0.2, &[0.05; 9], 1e-3, smile)),
        ("expired", quotes(-0.1, &strikes, 1e-3, smile)),
        ("no expiry", quotes(f64::NAN, &strikes, 1e-3, smile)),
        ("zigzag", quotes(0.2, &strikes, 1e-4, |k| if (k * 100.0) as i32 % 2 == 0 { 0.1 } else { 0.5 })),
    ];
    for (name, case) in cases {
        println!("{name}");
        assert_sound(&fit(std::slice::from_ref(&case)), 1);
        let expiry = case.expiry_years;
        if expiry > 0.0 {
            let before = quotes(0.5 * expiry, &strikes, 1e-3, smile);
            let after = quotes(2.0 * expiry, &strikes, 1e-3, smile);
            assert_sound(&fit(&[before, case, after]), 3);
        }
    }
    // One bad slice leaves the ones beside it good.
    let mut wild = good();
    wild.mid_volatility.fill(f64::NAN);
    let surface = fit(&[quotes(0.1, &strikes, 1e-3, smile), wild]);
    assert_eq!(surface.slices[1].source, SliceSource::Ssvi);
    assert!(surface.slices[0].quality.inside > Some(25), "{:?}", surface.slices[0]);
}

#[test]
fn between_expiries_total_variance_is_linear_and_outside_volatility_is_flat() {
    let shape = Ssvi { rho: -0.7, eta: 1.0, gamma: 0.45 };
    let surface = fit(&ssvi_quotes(&shape, &[0.1, 0.2, 0.5], 5e-4));
    for k in [-0.2, 0.0, 0.1] {
        let w: Vec<f64> = surface.slices.iter().map(|slice| slice.svi.total_variance(k)).collect();
        assert_eq!(surface.total_variance(k, 0.2), w[1]);
        assert!((surface.total_variance(k, 0.3) - (2.0 * w[1] + w[2]) / 3.0).abs() < 1e-15);
        assert!((surface.volatility(k, 0.01) - (w[0] / 0.1).sqrt()).abs() < 1e-12);
        let rise = surface.slices[2].svi.total_variance(0.0) / 0.5 * 2.5;
        assert!((surface.volatility(k, 3.0) - ((w[2] + rise) / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(surface.total_variance(k, 0.0), 0.0);
        assert!(surface.volatility(k, 0.0).is_nan());
        let times = grid(1e-6, 1.0, 200);
        assert!(times.windows(2).all(|t| surface.total_variance(k, t[0]) <= surface.total_variance(k, t[1])));
    }
    assert!(fit(&[]).total_variance(0.0, 1.0).is_nan());
}

#[test]
fn a_fit_depends_on_its_quotes_alone() {
    let shape = Ssvi { rho: -0.4, eta: 0.9, gamma: 0.3 };
    let market = ssvi_quotes(&shape, &[0.02, 0.1, 0.3], 3e-3);
    let json = |surface: &Surface| serde_json::to_string(surface).expect("plain numbers");
    assert_eq!(json(&fit(&market)), json(&fit(&market)));
}

/// Smiles on which a published fitter fell into degenerate minima: strikes from half to twice the forward, mids alone.
#[test]
fn real_smiles_of_2025_have_the_right_volatility_at_the_money() {
    for RealSmile { name, quotes, at_the_money } in real_smiles_of_2025() {
        let surface = fit(std::slice::from_ref(&quotes));
        assert_sound(&surface, 1);
        let ours = surface.volatility(0.0, quotes.expiry_years);
        assert!((ours - at_the_money).abs() < 1e-3, "{name}: {ours} {:?}", surface.slices[0]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_quotes_give_a_surface_without_arbitrage(
        seed in prop::collection::vec((0.001_f64..0.1, prop::collection::vec((-1.0_f64..0.7, 0.01_f64..2.5, 0.0_f64..0.1), 0..30)), 1..5)
    ) {
        let market = slices_of_rows(seed);
        let surface = fit(&market);
        assert_sound(&surface, market.len());
    }
}
