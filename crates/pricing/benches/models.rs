//! American puts, Heston by the Fourier series and by simulation, beside what specifies each.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zomma_base::{OptionType, Status};
use zomma_pricing::{
    american::{Accuracy, price_batch_on, tree},
    black::RowColumns,
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
            group.bench_function("series", |b| {
                b.iter(|| fourier::price_slice(black_box(&model), &slice, &types, &strikes, &mut out, &mut status))
            });
            group.bench_function("series_gradient", |b| {
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

/// Options of a batch.
const PUTS: usize = 4096;

fn american_puts(c: &mut Criterion) {
    let column = |low: f64, high: f64, step: f64| -> Vec<f64> {
        (0..PUTS).map(|i| low + (high - low) * (i as f64 * step).fract()).collect()
    };
    let types = vec![OptionType::Put; PUTS];
    let strike = vec![100.0; PUTS];
    let [spot, expiry, rate] =
        [column(80.0, 125.0, 0.618_034), column(0.05, 3.0, 0.732_051), column(0.02, 0.1, 0.236_068)];
    let [dividend, volatility] = [column(0.0, 0.12, 0.302_776), column(0.1, 0.6, 0.162_278)];
    let rows = RowColumns {
        option_type: &types,
        spot: &spot,
        strike: &strike,
        expiry_years: &expiry,
        risk_free_rate: &rate,
        dividend_yield: &dividend,
        volatility: &volatility,
    };
    let (mut out, mut status) = (vec![0.0; PUTS], vec![Status::Ok; PUTS]);
    let Ok(one) = rayon::ThreadPoolBuilder::new().num_threads(1).build() else { return };
    let mut group = c.benchmark_group("american_put");
    group.throughput(Throughput::Elements(PUTS as u64));
    group.sample_size(10);
    for (name, accuracy) in
        [("quick", Accuracy::quick()), ("fast", Accuracy::fast()), ("accurate", Accuracy::accurate())]
    {
        for target in Target::ALL.into_iter().filter(|target| target.is_available()) {
            group.bench_function(format!("{name} {}", target.as_str()), |b| {
                b.iter(|| one.install(|| price_batch_on(target, black_box(&rows), accuracy, &mut out, &mut status)))
            });
        }
    }
    group.throughput(Throughput::Elements((PUTS / 64) as u64));
    group.bench_function("peer tree of 101 steps", |b| {
        b.iter(|| (0..PUTS).step_by(64).filter_map(|i| tree::price(&rows.row(i), 101).ok()).sum::<f64>())
    });
    group.finish();
}

criterion_group!(benches, american_puts, heston_slices, heston_paths);
criterion_main!(benches);
