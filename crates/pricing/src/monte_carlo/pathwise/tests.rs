//! Means of many labels against closed form and characteristic function, a path against the engine's own scheme and its finite differences.

use super::*;
use crate::fourier::{Columns, Model, Sensitivities, gradient_batch};
use zomma_base::OptionType;

/// Mean and standard error of each of some columns, and the mean less `wanted` in standard errors.
fn in_errors<const K: usize>(rows: &[[f64; K]], wanted: [f64; K]) -> [f64; K] {
    let n = rows.len() as f64;
    std::array::from_fn(|k| {
        let mean = rows.iter().map(|row| row[k]).sum::<f64>() / n;
        let variance = rows.iter().map(|row| (row[k] - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean - wanted[k]) / (variance / n).sqrt()
    })
}

fn flat<const N: usize, const K: usize>(found: &PathwiseEstimate<N>) -> [f64; K] {
    let mut all = [found.price; K];
    all[1..=N].copy_from_slice(&found.by);
    all[N + 1] = found.gamma;
    all
}

fn plan(first: u64, paths: usize, steps: usize) -> PathwisePlan {
    PathwisePlan { seed: 11, first, paths, steps }
}

/// Price, derivatives by the seven inputs and gamma by the characteristic function.
fn by_transform(forward: f64, expiry_years: f64, heston: &Heston) -> [f64; 9] {
    let one = |x: f64| vec![x];
    let columns = Columns {
        model: &[Model::Heston(*heston)],
        option_type: &[OptionType::Call],
        spot: &one(forward),
        strike: &one(1.0),
        expiry_years: &one(expiry_years),
        risk_free_rate: &one(0.0),
        dividend_yield: &one(0.0),
    };
    let (mut found, mut status) = ([Sensitivities::default()], [Status::Ok]);
    gradient_batch(&columns, &mut found, &mut status);
    assert_eq!(status, [Status::Ok]);
    let Sensitivities { price, delta, gamma, theta, parameters, .. } = found[0];
    let p = parameters;
    [price, delta, -theta, p[0], p[1], p[2], p[3], p[4], gamma]
}

#[test]
fn labels_under_black_scholes_are_right_in_the_mean() {
    for (m, t, v) in [(1.1, 0.7, 0.3), (0.8, 0.1, 0.6), (1.0, 2.5, 0.15)] {
        for paths in [1, 2, 6] {
            let labels: Vec<[f64; 5]> = (0..60_000)
                .map(|i| {
                    let plan = plan(i * 3, paths, 1);
                    flat(&black_scholes_call(m, t, v, &plan).unwrap())
                })
                .collect();
            let row = crate::black::Row {
                option_type: OptionType::Call,
                spot: m,
                strike: 1.0,
                expiry_years: t,
                risk_free_rate: 0.0,
                dividend_yield: 0.0,
                volatility: v,
            };
            let [price, delta, gamma, vega, theta, ..] =
                crate::black::scalar::greeks(&row, crate::black::Model::Black76).unwrap();
            let wanted = [price, delta, -theta, vega, gamma];
            let off = in_errors(&labels, wanted);
            assert!(off.iter().all(|off| off.abs() < 4.0), "{m} {t} {v}, {paths} paths: {off:?}");
        }
    }
}

const HESTON: [(f64, f64, Heston); 4] = [
    (1.0, 1.0, Heston { v0: 0.04, kappa: 1.5, theta_v: 0.06, sigma_v: 0.5, rho_v: -0.6 }),
    // Variance reaches 0: 2κθ is a third of σ².
    (1.05, 2.0, Heston { v0: 0.04, kappa: 1.2, theta_v: 0.05, sigma_v: 0.6, rho_v: -0.7 }),
    (0.9, 0.25, Heston { v0: 0.2, kappa: 3.0, theta_v: 0.1, sigma_v: 0.3, rho_v: 0.2 }),
    (1.2, 0.05, Heston { v0: 0.3, kappa: 4.0, theta_v: 0.05, sigma_v: 0.8, rho_v: 0.0 }),
];

#[test]
fn labels_under_heston_are_right_in_the_mean() {
    for (m, t, heston) in HESTON {
        let labels: Vec<[f64; 9]> =
            (0..100_000).map(|i| flat(&heston_call(m, t, &heston, &plan(i, 2, 32)).unwrap())).collect();
        let off = in_errors(&labels, by_transform(m, t, &heston));
        assert!(off.iter().all(|off| off.abs() < 4.0), "{m} {t} {heston:?}: {off:?}");
    }
}

/// Where the variance sits at 0 most of the time (2κθ is a twentieth of σ²) the derivatives by v₀, κ and θ have tails without a deviation to count in;
/// the price and what hangs on the end of the path alone have none.
#[test]
fn where_the_variance_dies_out_price_delta_and_gamma_are_still_right_in_the_mean() {
    let heston = Heston { v0: 0.04, kappa: 0.6, theta_v: 0.04, sigma_v: 1.0, rho_v: -0.8 };
    let labels: Vec<[f64; 9]> =
        (0..60_000).map(|i| flat(&heston_call(1.05, 2.0, &heston, &plan(i, 2, 32)).unwrap())).collect();
    let off = in_errors(&labels, by_transform(1.05, 2.0, &heston));
    let [price, delta, .., gamma] = off;
    assert!([price, delta, gamma].iter().all(|off| off.abs() < 4.0), "{off:?}");
}

/// The engine's own step from the same numbers, and the label's derivatives by differences of labels of the same path.
#[test]
fn a_path_is_that_of_the_engines_scheme_and_its_derivatives_are_its_differences() {
    use crate::math::Plain;
    use crate::monte_carlo::stepper::QuadraticExponential;
    let mut compared = 0;
    for (m, t, heston) in HESTON {
        for i in 0..200 {
            let plan = plan(i, 1, 8);
            let found = heston_call(m, t, &heston, &plan).unwrap();
            let scheme = QuadraticExponential::new(&heston, 0.0, t / 8.0, None);
            let (mut v, mut drift, mut variance) = (heston.v0, 0.0, 0.0);
            for step in 0..8 {
                let u = stream_uniforms(plan.seed, VARIANCE, i, step / 2)[step as usize % 2];
                let stepped = scheme.path::<Plain>(v, inverse_normal_cdf::<Plain>(u), u);
                drift += stepped.drift;
                variance += stepped.spread;
                v = stepped.variance;
            }
            let z = inverse_normal_cdf::<Plain>(stream_uniforms(plan.seed, SPOT, i, 0)[0]);
            let wanted = (m * (drift + variance.sqrt() * z).exp() - 1.0).max(0.0);
            assert!((found.price - wanted).abs() < 1e-10 * (1.0 + wanted), "{found:?} {wanted}");
            if wanted < 0.05 {
                continue;
            }
            let at = |j: usize, by: f64| {
                let mut x = [m, t, heston.v0, heston.kappa, heston.theta_v, heston.sigma_v, heston.rho_v];
                x[j] += by;
                let moved = Heston { v0: x[2], kappa: x[3], theta_v: x[4], sigma_v: x[5], rho_v: x[6] };
                heston_call(x[0], x[1], &moved, &plan).unwrap().price
            };
            for j in 0..7 {
                let step = 1e-6;
                let slope = (at(j, step) - at(j, -step)) / (2.0 * step);
                assert!((slope - found.by[j]).abs() < 2e-5 * (1.0 + slope.abs()), "{j}: {slope} {:?}", found.by);
            }
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared}");
}

#[test]
fn what_cannot_be_simulated_has_a_status() {
    let good = plan(0, 2, 4);
    let heston = HESTON[0].2;
    for (found, wanted) in [
        (black_scholes_call(0.0, 1.0, 0.2, &good).map(drop), Status::BadForward),
        (black_scholes_call(1.0, f64::NAN, 0.2, &good).map(drop), Status::BadExpiry),
        (black_scholes_call(1.0, 1.0, 0.0, &good).map(drop), Status::BadVolatility),
        (black_scholes_call(1.0, 1.0, 0.2, &plan(0, 3, 1)).map(drop), Status::BadMethod),
        (heston_call(1.0, 1.0, &heston, &plan(0, 0, 4)).map(drop), Status::BadMethod),
        (heston_call(1.0, 1.0, &heston, &plan(0, 2, 0)).map(drop), Status::BadMethod),
        (heston_call(1.0, 1.0, &Heston { v0: 0.0, ..heston }, &good).map(drop), Status::BadV0),
        (heston_call(1.0, 1.0, &Heston { rho_v: -1.0, ..heston }, &good).map(drop), Status::BadRhoV),
        (heston_call(f64::MAX, 1.0, &heston, &good).map(drop), Status::Overflow),
    ] {
        assert_eq!(found, Err(wanted));
    }
}

#[test]
fn many_steps_and_few_are_alike_and_paths_are_of_their_own_numbers() {
    let heston = HESTON[0].2;
    let mean = |steps: usize| {
        let all = (0..4000).map(|i| heston_call(1.0, 1.0, &heston, &plan(i, 2, steps)).unwrap().price);
        all.sum::<f64>() / 4000.0
    };
    assert!((mean(100) - mean(8)).abs() < 0.01);
    let of = |first: u64| heston_call(1.0, 1.0, &heston, &plan(first, 4, 8)).unwrap();
    assert_eq!(of(3), of(3));
    assert_ne!(of(3), of(5));
}
