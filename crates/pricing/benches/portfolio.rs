//! Sums over a book in one pass against separate passes, and the path generator against a textbook one.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zomma_base::{OptionType, Status};
use zomma_pricing::black::{self, GreekColumns, Model, RowColumns};
use zomma_pricing::monte_carlo::{self, Draws, Gbm, philox};
use zomma_pricing::portfolio::{self, Positions, Shock, scalar};

/// A book of `n` rows in `groups` groups, in the order of the groups.
fn book(n: usize, groups: usize) -> Positions {
    let mut state = 42u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut book = Positions::default();
    for i in 0..n {
        book.model.push(Model::Bsm);
        book.option_type.push(if i % 2 == 0 { OptionType::Call } else { OptionType::Put });
        book.spot.push(100.0);
        book.strike.push(80.0 + 40.0 * uniform());
        book.expiry_years.push(0.05 + uniform());
        book.risk_free_rate.push(0.03);
        book.dividend_yield.push(0.01);
        book.given.push(0.1 + 0.4 * uniform());
        book.quantity.push((20.0 * uniform() - 10.0).round());
        book.multiplier.push(100.0);
        book.group.push((i * groups / n) as u32);
    }
    book
}

/// All Greeks into columns, then a pass for each sum: what a book costs without the fused loop.
fn separate_passes(book: &Positions, out: &mut GreekColumns, status: &mut [Status]) -> [f64; 19] {
    let rows = RowColumns {
        option_type: &book.option_type,
        spot: &book.spot,
        strike: &book.strike,
        expiry_years: &book.expiry_years,
        risk_free_rate: &book.risk_free_rate,
        dividend_yield: &book.dividend_yield,
        volatility: &book.given,
    };
    black::greeks(&rows, Model::Bsm, out, status);
    out.columns_mut().each_ref().map(|column| {
        column
            .iter()
            .zip(&book.quantity)
            .zip(&book.multiplier)
            .map(|((x, quantity), shares)| x * quantity * shares)
            .sum()
    })
}

fn sums(criterion: &mut Criterion) {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool of one thread");
    for (n, groups) in [(1 << 13, 1), (1 << 20, 1), (1 << 20, 1 << 10)] {
        let book = book(n, groups);
        let mut group = criterion.benchmark_group(format!("portfolio sums, one thread, {n} rows, {groups} groups"));
        group.sample_size(20).throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("one pass", n), |bencher| {
            one.install(|| bencher.iter(|| portfolio::sums(black_box(&book.columns()), groups, Shock::NONE)));
        });
        let (mut out, mut status) = (GreekColumns::zeros(n), vec![Status::Ok; n]);
        group.bench_function(BenchmarkId::new("peer: separate passes", n), |bencher| {
            one.install(|| bencher.iter(|| separate_passes(black_box(&book), &mut out, &mut status)));
        });
        if n <= 1 << 13 {
            group.bench_function(BenchmarkId::new("twin", n), |bencher| {
                bencher.iter(|| scalar::sums(black_box(&book.columns()), groups, Shock::NONE));
            });
        }
        group.finish();
    }
}

/// Box and Muller's normal numbers over libm, from the same random bits.
fn textbook(gbm: (f64, f64, f64), seed: u64, steps: usize, paths: usize, out: &mut [f64]) {
    let (spot, drift, deviation) = gbm;
    let uniform = |word: u32| (f64::from(word) + 0.5) / 4_294_967_296.0;
    for path in 0..paths {
        let mut log = 0.0f64;
        for pair in 0..steps / 2 {
            let words = philox([pair as u32, 0, path as u32, 0], [seed as u32, (seed >> 32) as u32]);
            let radius = (-2.0 * uniform(words[0]).ln()).sqrt();
            let (sine, cosine) = (std::f64::consts::TAU * uniform(words[1])).sin_cos();
            for (step, z) in [(2 * pair, radius * cosine), (2 * pair + 1, radius * sine)] {
                log += drift + deviation * z;
                out[step * paths + path] = spot * log.exp();
            }
        }
    }
}

fn paths(criterion: &mut Criterion) {
    let (steps, paths) = (16, 1 << 12);
    let gbm = Gbm::new(100.0, 1.0, 0.03, 0.01, 0.2).expect("a market");
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool of one thread");
    let mut out = vec![0.0; steps * paths];
    let mut group = criterion.benchmark_group("paths, one thread, numbers");
    group.sample_size(20).throughput(Throughput::Elements((steps * paths) as u64));
    for antithetic in [false, true] {
        let draws = Draws { seed: 7, paths, antithetic };
        let name = if antithetic { "antithetic" } else { "plain" };
        group.bench_function(BenchmarkId::new(name, steps), |bencher| {
            one.install(|| bencher.iter(|| monte_carlo::paths(black_box(&gbm), &draws, steps, &mut out)));
        });
    }
    group.bench_function(BenchmarkId::new("peer: Box-Muller over libm", steps), |bencher| {
        // A rate of half the variance: no drift of the logarithm.
        let market = (100.0, 0.0, 0.2 / (steps as f64).sqrt());
        bencher.iter(|| textbook(black_box(market), 7, steps, paths, &mut out));
    });
    group.finish();
}

criterion_group!(benches, sums, paths);
criterion_main!(benches);
