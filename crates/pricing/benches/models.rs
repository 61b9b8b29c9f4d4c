//! Heston by the cosine series and by simulation, beside what specifies each.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zomma_base::{OptionType, Status};
use zomma_pricing::{
    fourier::{self, Heston, Sensitivities, Slice},
    math::Target,
    monte_carlo::{self, Market, Payoff, Plan, prices_on},
};

/// Strikes of a slice.
const STRIKES: usize = 21;

/// An equity surface's usual parameters, and ones that break Feller's condition by far.
const USUAL: Heston = Heston { v0: 0.04, kappa: 2.0, theta_v: 0.05, sigma_v: 0.4, rho_v: -0.7 };
const BROKEN: Heston = Heston { v0: 0.02, kappa: 0.8, theta_v: 0.04, sigma_v: 1.0, rho_v: -0.9 };

fn heston_slices(c: &mut Criterion) {
    let strikes: Vec<f64> = (0..STRIKES).map(|i| 70.0 + 3.0 * i as f64).collect();
    let types = [OptionType::Put; STRIKES];
    let (mut out, mut status) = ([0.0; STRIKES], [Status::Ok; STRIKES]);
    let mut sensitivities = [Sensitivities::NAN; STRIKES];
    for (name, heston) in [("usual", USUAL), ("feller_broken", BROKEN)] {
        for (when, expiry_years) in [("week", 7.0 / 365.0), ("quarter", 0.25), ("year", 1.0), ("five_years", 5.0)] {
            let model = fourier::Model::Heston(heston);
            let slice = Slice { spot: 100.0, expiry_years, risk_free_rate: 0.03, dividend_yield: 0.01 };
            let mut group = c.benchmark_group(format!("heston_21_strikes/{name}_{when}"));
            group.throughput(Throughput::Elements(STRIKES as u64));
            group.bench_function("peer integral", |b| {
                b.iter(|| {
                    for (out, &strike) in out.iter_mut().zip(&strikes) {
                        *out = fourier::twin::price(black_box(&model), &slice, OptionType::Put, strike)
                            .unwrap_or(f64::NAN);
                    }
                })
            });
            group.bench_function("cos", |b| {
                b.iter(|| fourier::price_slice(black_box(&model), &slice, &types, &strikes, &mut out, &mut status))
            });
            group.bench_function("cos_gradient", |b| {
                b.iter(|| {
                    fourier::gradient_slice(
                        black_box(&model),
                        &slice,
                        &types,
                        &strikes,
                        &mut sensitivities,
                        &mut status,
                    )
                })
            });
            group.finish();
        }
    }
}

fn heston_paths(c: &mut Criterion) {
    let market = Market { spot: 100.0, expiry_years: 1.0, risk_free_rate: 0.03, dividend_yield: 0.01 };
    let heston = monte_carlo::Heston { v0: 0.04, kappa: 2.0, theta_v: 0.05, sigma_v: 0.4, rho_v: -0.7 };
    let model = monte_carlo::Model::Heston(heston);
    let payoff = Payoff::European { option_type: OptionType::Put, strike: 95.0 };
    let (paths, steps) = (1 << 14, 64);
    let plan = Plan::new(1, paths, steps);
    let mut group = c.benchmark_group("heston_path_steps");
    group.throughput(Throughput::Elements((paths * steps) as u64));
    let Ok(one) = rayon::ThreadPoolBuilder::new().num_threads(1).build() else { return };
    for target in Target::ALL.into_iter().rev().filter(|target| target.is_available()) {
        let name = if target == Target::Baseline { "peer baseline" } else { target.as_str() };
        group.bench_function(name, |b| {
            b.iter(|| one.install(|| prices_on(target, black_box(&market), &model, &[payoff], &plan)))
        });
    }
    group.finish();
}

criterion_group!(benches, heston_slices, heston_paths);
criterion_main!(benches);
