//! The line through the saddle against the twin, and its derivatives against differences.

use super::super::{
    Bates, Heston, Kou, Merton, Model, OutOfTheMoney, Slice, TimeValue, ln_time_value, out_of_the_money_slice,
    time_value, twin,
};
use super::{moved, usual};
use zomma_base::{OptionType, Status};

fn value(model: &Model, t: f64, k: f64) -> f64 {
    let slice = Slice { spot: 1.0, expiry_years: t, risk_free_rate: 0.0, dividend_yield: 0.0 };
    let option_type = if k < 0.0 { OptionType::Put } else { OptionType::Call };
    twin::price(model, &slice, option_type, k.exp()).unwrap()
}

#[test]
fn values_are_the_twins() {
    for model in usual() {
        for t in [0.005, 0.02, 0.5, 3.0, 20.0] {
            for deviations in [-3.0, -1.0, -0.01, 0.0, 0.3, 2.0] {
                let k: f64 = 0.2 * deviations * f64::sqrt(t);
                // Variance gamma falls too slowly for a straight line at short expiries.
                if matches!(model, Model::VarianceGamma(_)) && t < 10.0 {
                    continue;
                }
                let (ours, theirs) = (time_value(&model, t, k), value(&model, t, k));
                let ours = ours.unwrap_or_else(|status| panic!("{status:?} {model:?} {t} {k}"));
                assert!(
                    (ours.ln_value.exp() - theirs).abs() < 2e-12 + 1e-10 * theirs,
                    "{ours:?} {theirs} {model:?} {t} {k}"
                );
                let alone = ln_time_value(&model, t, k).unwrap();
                assert!((alone - ours.ln_value).abs() < 1e-10, "{alone} {ours:?} {model:?} {t} {k}");
            }
        }
    }
}

/// Numbers in 0..1 by a linear congruence.
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[test]
fn values_are_the_twins_at_random() {
    let mut next = random(3);
    let mut between = move |low: f64, high: f64| low * (high / low).powf(next());
    let (mut found, mut missing) = (0, 0);
    for i in 0..1200 {
        let heston = Heston {
            v0: between(1e-3, 1.0),
            kappa: between(0.05, 50.0),
            theta_v: between(1e-3, 1.0),
            sigma_v: between(0.05, 5.0),
            rho_v: between(0.01, 1.9) - 0.95,
        };
        let volatility = between(0.05, 1.0);
        let (jump_intensity, jump_mean, jump_std) = (between(1e-3, 5.0), between(0.1, 0.8) - 0.5, between(0.01, 0.5));
        let model = match i % 4 {
            0 => Model::Heston(heston),
            1 => Model::Bates(Bates { heston, jump_intensity, jump_mean, jump_std }),
            2 => Model::Merton(Merton { volatility, jump_intensity, jump_mean, jump_std }),
            _ => Model::Kou(Kou {
                volatility,
                jump_intensity,
                jump_up_probability: between(0.01, 1.0),
                jump_up_rate: between(2.0, 60.0),
                jump_down_rate: between(1.0, 60.0),
            }),
        };
        let t = between(0.003, 5.0);
        let k = (between(0.1, 10.0) - 3.0) * 0.2 * t.sqrt();
        let slice = Slice { spot: 1.0, expiry_years: t, risk_free_rate: 0.0, dividend_yield: 0.0 };
        let option_type = if k < 0.0 { OptionType::Put } else { OptionType::Call };
        let Ok(theirs) = twin::price(&model, &slice, option_type, k.exp()) else { continue };
        let (Ok(all), Ok(alone)) = (time_value(&model, t, k), ln_time_value(&model, t, k)) else {
            missing += 1;
            continue;
        };
        found += 1;
        for ours in [all.ln_value.exp(), alone.exp()] {
            assert!((ours - theirs).abs() < 5e-12 + 1e-8 * theirs, "{ours} {theirs} {model:?} {t} {k}");
        }
    }
    assert!(found > 50 * missing, "{found} found, {missing} missing");
}

/// Black's formula is Merton's without jumps: far in the wings the value keeps its digits.
#[test]
fn far_values_are_blacks() {
    let merton = Merton { volatility: 0.2, jump_intensity: 0.0, jump_mean: 0.0, jump_std: 0.1 };
    for (k, s) in [(1.5_f64, 0.1_f64), (-2.0, 0.2), (0.4, 0.04), (-1.0, 1.0)] {
        let t = (s / 0.2) * (s / 0.2);
        let found = time_value(&Model::Merton(merton), t, k).unwrap();
        let black = crate::implied_vol::reduced_price(k.abs(), s).ln() + k.min(0.0);
        assert!((found.ln_value - black).abs() < 1e-10, "{} {black}", found.ln_value);
    }
}

#[test]
fn derivatives_are_those_of_the_value() {
    for model in usual() {
        for (t, k) in [(0.3, -0.9), (0.3, -0.1), (1.0, 0.05), (1.0, 0.7), (5.0, -1.0)] {
            if matches!(model, Model::VarianceGamma(_)) {
                continue;
            }
            let at = |t: f64, k: f64| time_value(&model, t, k).unwrap();
            let TimeValue { by_k, by_kk, by_t, by_kt, by_tt, .. } = at(t, k);
            let (h, d) = (1e-3, 1e-3 * t);
            // Differences of ln v to fourth order, and from them those of v over v.
            let first =
                |f: &dyn Fn(f64) -> f64, h: f64| (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h);
            let l_k = first(&|h| at(t, k + h).ln_value, h);
            let l_t = first(&|d| at(t + d, k).ln_value, d);
            let l_kk = first(&|h| at(t, k + h).by_k, h);
            let l_kt = first(&|d| at(t + d, k).by_k, d);
            let l_tt = first(&|d| at(t + d, k).by_t, d);
            let pairs = [
                (by_k, l_k),
                (by_t, l_t),
                (by_kk, l_kk + l_k * l_k),
                (by_kt, l_kt + l_k * l_t),
                (by_tt, l_tt + l_t * l_t),
            ];
            for (i, (ours, theirs)) in pairs.into_iter().enumerate() {
                assert!((ours - theirs).abs() < 1e-6 * (1.0 + theirs.abs()), "{i}: {ours} {theirs} {model:?} {t} {k}");
            }
        }
    }
}

#[test]
fn a_slice_for_a_fit_is_the_twins_to_its_error() {
    let log_moneyness = [-0.6, -0.2, -0.03, 0.0, 0.1, 0.5];
    for model in usual() {
        // Too slow a fall for so few nodes.
        if matches!(model, Model::VarianceGamma(_)) {
            continue;
        }
        for t in [0.02, 0.4, 2.0] {
            for error in [1e-6, 1e-9] {
                let mut found = [OutOfTheMoney::default(); 6];
                let mut status = [Status::NotConverged; 6];
                out_of_the_money_slice(&model, t, &log_moneyness, error, &mut found, &mut status);
                assert_eq!(status, [Status::Ok; 6]);
                for (k, found) in log_moneyness.into_iter().zip(found) {
                    assert!((found.value - value(&model, t, k)).abs() < 2.0 * error, "{found:?} {model:?} {t} {k}");
                    for (i, by) in found.parameters.iter().enumerate().take(model.parameter_names().len()) {
                        let h = 1e-3 * model.parameters()[i].abs();
                        let at = |h: f64| value(&moved(&model, i, h), t, k);
                        let numeric = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                        assert!(
                            (by - numeric).abs() < 300.0 * error + 1e-6 * numeric.abs(),
                            "{i} {by} {numeric} {model:?} {t} {k}"
                        );
                    }
                }
            }
        }
    }
}
