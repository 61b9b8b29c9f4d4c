//! A step's loss and gradient: our own engine against Burn's CPU back end, the same network and rows, values alone and with differentials.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use zomma_engines::engine;
use zomma_learn::{
    config::{EXAMPLE, EngineKind, TrainConfig},
    data::{Rows, Source},
    network::{Architecture, Features, LossScales, MOST_INPUTS},
};

const ROWS: usize = 2048;

fn steps(criterion: &mut Criterion) {
    let mut config = TrainConfig::parse(EXAMPLE).expect("the example is a config");
    let source = Source::new(&config.data, 1).expect("labels");
    let mut rows = Rows::zeros(ROWS, 3);
    source.draw(0, &mut rows).expect("labels");
    let features = Features::unscaled(config.data.model, config.network.features(&config.data)).fit(&rows.inputs);
    let architecture = Architecture::new(&config.network, features);
    let parameters = architecture.layout().first_parameters(2.0, 1);
    let scales = LossScales { by_total_volatility: true, differentials: [0.3; MOST_INPUTS], gradient: 1.0 };
    let mut gradient = vec![0.0; parameters.len()];
    let mut group = criterion.benchmark_group("training_step");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
    for (name, kind) in [("native", EngineKind::Native), ("burn_cpu", EngineKind::BurnCpu)] {
        config.training.engine = kind;
        let mut engine = engine(&config, &architecture).expect("an engine");
        for (what, differentials) in [("values", false), ("differentials", true)] {
            group.bench_function(BenchmarkId::new(name, what), |bencher| {
                bencher.iter(|| {
                    let batch = rows.batch(differentials);
                    black_box(engine.gradient((&parameters, &mut []), &batch, &scales, 0, &mut gradient))
                });
            });
        }
    }
    group.finish();
    let mut group = criterion.benchmark_group("labels");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
    group.bench_function("black_scholes", |bencher| bencher.iter(|| source.draw(black_box(ROWS as u64), &mut rows)));
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
