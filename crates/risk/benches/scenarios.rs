//! A book of 10,000 European options in 1,000 scenarios: ten million values.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zomma_base::{ExerciseStyle, OptionType, Status};
use zomma_pricing::{
    black::{Model, Row, scalar},
    valuation::{ModelName, Table},
};
use zomma_risk::{Axes, Portfolio, revalue};

const POSITIONS: usize = 10_000;

fn table() -> Table {
    let column = |low: f64, high: f64, step: f64| -> Vec<f64> {
        (0..POSITIONS).map(|i| low + (high - low) * (i as f64 * step).fract()).collect()
    };
    Table {
        model: vec![ModelName::Bsm; POSITIONS],
        exercise: vec![ExerciseStyle::European; POSITIONS],
        option_type: (0..POSITIONS).map(|i| if i % 3 == 0 { OptionType::Put } else { OptionType::Call }).collect(),
        on_forward: vec![false; POSITIONS],
        spot: column(80.0, 120.0, 0.618_034),
        strike: column(60.0, 140.0, 0.414_214),
        expiry_years: column(0.1, 2.0, 0.732_051),
        risk_free_rate: column(0.0, 0.05, 0.236_068),
        dividend_yield: column(0.0, 0.03, 0.302_776),
        volatility: column(0.1, 0.65, 0.162_278),
        status: vec![Status::Ok; POSITIONS],
        ..Table::default()
    }
}

fn scenarios(c: &mut Criterion) {
    let table = table();
    let axes = Axes {
        spot_change: (0..20).map(|i| -0.2 + 0.02 * f64::from(i)).collect(),
        volatility_shift: (0..10).map(|i| -0.05 + 0.02 * f64::from(i)).collect(),
        rate_shift: vec![0.0],
        days: vec![0.0, 2.0, 7.0, 14.0, 28.0],
    };
    let scenarios = axes.scenarios();
    let quantity: Vec<f64> = (0..POSITIONS).map(|i| (i % 21) as f64 - 10.0).collect();
    let group: Vec<u32> = (0..POSITIONS).map(|i| (i % 7) as u32).collect();
    let book = Portfolio::new(table.clone(), &quantity, &vec![100.0; POSITIONS], &group, 7);
    let mut bench = c.benchmark_group("scenarios/10000_positions_1000_scenarios");
    bench.sample_size(10);
    bench.throughput(Throughput::Elements((POSITIONS * scenarios.len()) as u64));
    // A hundredth of the scenarios is enough to know the twin's rate.
    let some: Vec<_> = scenarios.iter().step_by(100).collect();
    for threads in [1, 2] {
        let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(threads).build() else { continue };
        bench.bench_function(format!("{threads} threads"), |b| {
            b.iter(|| pool.install(|| revalue(black_box(&book), &scenarios, || {})))
        });
    }
    bench.throughput(Throughput::Elements((POSITIONS * some.len()) as u64));
    bench.bench_function("scalar twin, 1 thread", |b| {
        b.iter(|| {
            let mut sum = 0.0;
            for scenario in &some {
                for (i, quantity) in quantity.iter().enumerate() {
                    let row = table.columns().row(i);
                    let moved = Row {
                        spot: row.spot * (1.0 + scenario.spot_change),
                        volatility: row.volatility + scenario.volatility_shift,
                        risk_free_rate: row.risk_free_rate + scenario.rate_shift,
                        expiry_years: row.expiry_years - scenario.years(),
                        ..row
                    };
                    sum += quantity * scalar::price(&moved, Model::Bsm).unwrap_or(0.0);
                }
            }
            black_box(sum)
        })
    });
    bench.finish();
}

criterion_group!(benches, scenarios);
criterion_main!(benches);
