//! Implied volatility: the batch verb on one thread and on all, by instruction set, against the crate `implied-vol`, on the same rows
//! in the same run. Prints the worst error of each first, in ulp × max(1, price/(σ·vega)), against the 60-digit golden rows.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use implied_vol::{DefaultSpecialFn, ImpliedBlackVolatility};
use zomma_base::{OptionType, Status};
use zomma_pricing::implied_vol::{PriceColumns, implied_volatility_on, implied_volatility_row};
use zomma_pricing::math::Target;

/// Columns of rows, owned.
#[derive(Default)]
struct Rows {
    option_type: Vec<OptionType>,
    forward: Vec<f64>,
    strike: Vec<f64>,
    years: Vec<f64>,
    discount: Vec<f64>,
    price: Vec<f64>,
    /// The exact volatility and condition, where the rounded price determines one.
    truth: Vec<Option<[f64; 2]>>,
}

impl Rows {
    fn columns(&self) -> PriceColumns<'_> {
        PriceColumns {
            option_type: &self.option_type,
            forward: &self.forward,
            strike: &self.strike,
            expiry_years: &self.years,
            discount_factor: &self.discount,
            price: &self.price,
        }
    }
}

/// The golden Black rows that are out of the money and undiscounted: where both sides are given the same numbers.
fn golden() -> Rows {
    let mut rows = Rows::default();
    for line in include_str!("../../../golden/implied_vol.csv").lines().skip(1) {
        let f: Vec<&str> = line.split(',').collect();
        let n = |i: usize| f[i].parse::<f64>().ok();
        let (Some(forward), Some(strike), Some(years), Some(discount), Some(price)) = (n(2), n(3), n(4), n(5), n(7))
        else {
            continue;
        };
        let call = f[1] == "call";
        if f[0] != "black76" || discount != 1.0 || call != (strike > forward) || n(8).is_none() {
            continue;
        }
        rows.option_type.push(if call { OptionType::Call } else { OptionType::Put });
        rows.forward.push(forward);
        rows.strike.push(strike);
        rows.years.push(years);
        rows.discount.push(discount);
        rows.price.push(price);
        rows.truth.push(n(8).zip(n(9)).map(|(volatility, condition)| [volatility, condition]));
    }
    rows
}

/// Out-of-the-money rows as an index chain quotes them: log-moneyness up to 3.5 total standard deviations either way, a week to two
/// years, volatilities from 8 to 80 %. Prices come from the crate under comparison, so that they favour neither.
fn market(count: usize) -> Rows {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut rows = Rows::default();
    while rows.price.len() < count {
        let years = 0.02 + 2.0 * uniform() * uniform();
        let volatility = 0.08 + 0.72 * uniform();
        let (forward, deviations) = (100.0, 7.0 * uniform() - 3.5);
        let strike = forward * (deviations * volatility * years.sqrt()).exp();
        let call = strike > forward;
        let price = implied_vol::PriceBlackScholes::builder()
            .forward(forward)
            .strike(strike)
            .volatility(volatility)
            .expiry(years)
            .is_call(call)
            .build()
            .map_or(f64::NAN, |p| p.calculate::<DefaultSpecialFn>());
        if price > 0.0 {
            rows.option_type.push(if call { OptionType::Call } else { OptionType::Put });
            rows.forward.push(forward);
            rows.strike.push(strike);
            rows.years.push(years);
            rows.discount.push(1.0);
            rows.price.push(price);
        }
    }
    rows
}

fn peer(rows: &Rows, i: usize) -> f64 {
    ImpliedBlackVolatility::builder()
        .option_price(rows.price[i])
        .forward(rows.forward[i])
        .strike(rows.strike[i])
        .expiry(rows.years[i])
        .is_call(rows.option_type[i] == OptionType::Call)
        .build()
        .and_then(|b| b.calculate::<DefaultSpecialFn>())
        .unwrap_or(f64::NAN)
}

fn twin(rows: &Rows, i: usize) -> f64 {
    implied_volatility_row(
        rows.option_type[i],
        rows.forward[i],
        rows.strike[i],
        rows.years[i],
        rows.discount[i],
        rows.price[i],
    )
    .unwrap_or(f64::NAN)
}

fn print_errors() {
    let rows = golden();
    let n = rows.price.len();
    let report = |name: &str, volatilities: &[f64]| {
        let errors: Vec<f64> = volatilities
            .iter()
            .zip(&rows.truth)
            .filter_map(|(v, t)| {
                t.map(|[truth, condition]| (v - truth).abs() / truth / f64::EPSILON / condition.max(1.0))
            })
            .collect();
        let (right, wrong): (Vec<f64>, Vec<f64>) = errors.iter().partition(|&&e| e <= 1e6);
        let worst = right.iter().fold(0.0f64, |a, &e| a.max(e));
        let mean = right.iter().sum::<f64>() / right.len() as f64;
        println!(
            "{name:>20}: worst {worst:8.2}, mean {mean:6.3} ulp x condition over {} golden rows; {} more rows not solved",
            right.len(),
            wrong.len()
        );
    };
    for target in Target::ALL.into_iter().filter(|t| t.is_available()) {
        let (mut out, mut status) = (vec![0.0; n], vec![Status::Ok; n]);
        implied_volatility_on(target, &rows.columns(), &mut out, &mut status);
        report(target.as_str(), &out);
    }
    report("twin", &(0..n).map(|i| twin(&rows, i)).collect::<Vec<_>>());
    report("peer implied-vol", &(0..n).map(|i| peer(&rows, i)).collect::<Vec<_>>());
}

fn benchmark(c: &mut Criterion) {
    print_errors();
    let rows = market(65_536);
    let n = rows.price.len();
    let (mut out, mut status) = (vec![0.0; n], vec![Status::Ok; n]);
    let mut group = c.benchmark_group("implied_vol");
    group.throughput(Throughput::Elements(n as u64));
    group.sample_size(20);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for count in if threads > 1 { vec![1, threads] } else { vec![1] } {
        // A pool that cannot be made leaves its row out of the table.
        let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(count).build() else { continue };
        for target in Target::ALL.into_iter().filter(|t| t.is_available()) {
            group.bench_function(format!("{} x{count}", target.as_str()), |b| {
                b.iter(|| {
                    pool.install(|| implied_volatility_on(target, black_box(&rows.columns()), &mut out, &mut status))
                });
            });
        }
    }
    group.bench_function("twin x1", |b| b.iter(|| (0..n).map(|i| twin(black_box(&rows), i)).sum::<f64>()));
    group.bench_function("peer implied-vol x1", |b| b.iter(|| (0..n).map(|i| peer(black_box(&rows), i)).sum::<f64>()));
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
