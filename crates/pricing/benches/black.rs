//! Rows a second of the Black formulae: every target on data in cache, beside a textbook scalar loop over std and libm.

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use zomma_base::{OptionType, Status};
use zomma_pricing::{
    black::{self, GreekColumns, Model, Row, RowColumns, batch, scalar},
    math::Target,
};

/// Rows that stay in the second-level cache with all their outputs.
const IN_CACHE: usize = 4096;
/// Rows for the threads: with all their outputs they fill the last-level cache, beyond which memory sets the pace.
const MANY: usize = 1 << 15;

/// Market-like rows: near the money, days to two years, both types.
struct Market {
    option_type: Vec<OptionType>,
    columns: [Vec<f64>; 6],
}

impl Market {
    fn new(n: usize) -> Self {
        let column = |low: f64, high: f64, step: f64| -> Vec<f64> {
            (0..n).map(|i| low + (high - low) * (i as f64 * step).fract()).collect()
        };
        Self {
            option_type: (0..n).map(|i| if i * 7 % 13 < 6 { OptionType::Put } else { OptionType::Call }).collect(),
            columns: [
                column(80.0, 120.0, 0.618_034),
                column(60.0, 140.0, 0.414_214),
                column(0.02, 2.0, 0.732_051),
                column(0.0, 0.05, 0.236_068),
                column(0.0, 0.03, 0.302_776),
                column(0.05, 0.65, 0.162_278),
            ],
        }
    }

    fn rows(&self) -> RowColumns<'_> {
        let [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility] = &self.columns;
        let option_type = &self.option_type;
        RowColumns { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
    }
}

/// Price and five Greeks as textbooks print them: the peer.
fn textbook(row: &Row) -> [f64; 6] {
    let cdf = |x: f64| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
    let omega = row.option_type.sign();
    let Row { spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility, .. } = *row;
    let root = expiry_years.sqrt();
    let v = volatility * root;
    let drift = (risk_free_rate - dividend_yield + 0.5 * volatility * volatility) * expiry_years;
    let d1 = ((spot / strike).ln() + drift) / v;
    let d2 = d1 - v;
    let (yield_discount, rate_discount) =
        ((-dividend_yield * expiry_years).exp(), (-risk_free_rate * expiry_years).exp());
    let (n1, n2) = (cdf(omega * d1), cdf(omega * d2));
    let pdf = yield_discount * (-0.5 * d1 * d1).exp() * 0.398_942_280_401_432_7;
    let (asset, cash) = (omega * spot * yield_discount * n1, omega * strike * rate_discount * n2);
    let theta = -0.5 * spot * pdf * volatility / root + dividend_yield * asset - risk_free_rate * cash;
    [asset - cash, omega * yield_discount * n1, pdf / (spot * v), spot * pdf * root, theta, expiry_years * cash]
}

fn targets() -> impl Iterator<Item = Target> {
    Target::ALL.into_iter().filter(|target| target.is_available())
}

fn group<'a>(c: &'a mut Criterion, name: &str, rows: usize) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(rows as u64));
    group
}

fn in_cache(c: &mut Criterion) {
    let market = Market::new(IN_CACHE);
    let rows = market.rows();
    let (mut out, mut status) = (GreekColumns::zeros(IN_CACHE), vec![Status::Ok; IN_CACHE]);

    let mut five = group(c, "black/price_and_five", IN_CACHE);
    five.bench_function("peer std+libm", |b| {
        b.iter(|| {
            let [price, delta, gamma, vega, theta, rho, ..] = out.columns_mut();
            let rows = black_box(&rows);
            for i in 0..IN_CACHE {
                [price[i], delta[i], gamma[i], vega[i], theta[i], rho[i]] = textbook(&rows.row(i));
            }
        })
    });
    for target in targets() {
        five.bench_function(target.as_str(), |b| {
            b.iter(|| {
                let [price, delta, gamma, vega, theta, rho, ..] = out.columns_mut().each_mut().map(Vec::as_mut_slice);
                let columns = [price, delta, gamma, vega, theta, rho];
                batch::evaluate(target, black_box(&rows), Model::Bsm, columns, &mut status);
            })
        });
    }
    five.finish();

    let mut all = group(c, "black/greeks", IN_CACHE);
    all.bench_function("peer scalar twin", |b| {
        b.iter(|| {
            for i in 0..IN_CACHE {
                let _ = black_box(scalar::greeks(&black_box(&rows).row(i), Model::Bsm));
            }
        })
    });
    for target in targets() {
        all.bench_function(target.as_str(), |b| {
            b.iter(|| {
                let columns = out.columns_mut().each_mut().map(Vec::as_mut_slice);
                batch::evaluate(target, black_box(&rows), Model::Bsm, columns, &mut status);
            })
        });
    }
    all.finish();
}

fn threads(c: &mut Criterion) {
    let market = Market::new(MANY);
    let rows = market.rows();
    let (mut out, mut status) = (GreekColumns::zeros(MANY), vec![Status::Ok; MANY]);
    let mut many = group(c, "black/greeks_threads", MANY);
    for (name, count) in [("peer 1 thread", 1), ("2 threads", 2)] {
        let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(count).build() else { continue };
        many.bench_function(name, |b| {
            b.iter(|| pool.install(|| black::greeks(black_box(&rows), Model::Bsm, &mut out, &mut status)))
        });
    }
    many.finish();
}

criterion_group!(benches, in_cache, threads);
criterion_main!(benches);
