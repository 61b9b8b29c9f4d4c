//! Paths of geometric Brownian motion: sums over their ends, which live in registers, and whole paths, which come to the host.

use zomma_base::OptionType;
use zomma_pricing::black::{Greek, Model, Row, scalar};
use zomma_pricing::monte_carlo::{self, Draws, Estimate, Gbm};

use super::Section;
use super::kernels::TOLERANCE;
use super::task::{Bench, TaskName};

/// The option whose underlying moves.
const ROW: Row = Row {
    option_type: OptionType::Put,
    spot: 100.0,
    strike: 95.0,
    expiry_years: 0.5,
    risk_free_rate: 0.04,
    dividend_yield: 0.01,
    volatility: 0.2,
};
/// Paths that are checked against the scalar twin.
const SAMPLES: usize = 256;

/// Measures both.
pub fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let paths = bench.size(1 << 22, 1 << 14);
    let size = format!("{paths} paths");
    ends(bench, TaskName { section: Section::Kernels, task: "price by paths", size: &size, unit: "Mpath/s" }, paths)?;
    let (paths, steps) = bench.size((1 << 17, 64), (1 << 10, 16));
    let size = format!("{paths} x {steps} steps");
    let name = TaskName { section: Section::Kernels, task: "paths, to the host", size: &size, unit: "Mstep/s" };
    whole(bench, name, paths, steps)
}

fn gbm() -> anyhow::Result<Gbm> {
    let gbm = Gbm::new(ROW.spot, ROW.expiry_years, ROW.risk_free_rate, ROW.dividend_yield, ROW.volatility);
    gbm.map_err(|status| anyhow::anyhow!("{status}"))
}

/// A European option by antithetic paths, which live in registers; checked against the closed form.
fn ends(bench: &mut Bench<'_>, name: TaskName<'_>, paths: usize) -> anyhow::Result<()> {
    bench.task(name, paths as f64 / 1e6, 0, |task| {
        let gbm = gbm()?;
        let closed = scalar::greeks(&ROW, Model::Bsm).map_err(|status| anyhow::anyhow!("{status}"))?;
        let draws = Draws { seed: 7, paths, antithetic: true };
        let agrees = |estimate: Option<Estimate>| {
            estimate.is_some_and(|it| (it.price - closed[Greek::Price as usize]).abs() <= 5.0 * it.standard_error)
        };
        let mut estimate = None;
        task.on_host(|_| estimate = monte_carlo::european(&gbm, &draws, ROW.option_type, ROW.strike))?;
        task.check("cpu", agrees(estimate));
        task.on_device(|compute, timer| {
            let mut there = None;
            let speed = timer.measure(|| {
                there = monte_carlo::launch::european(compute, &gbm, &draws, ROW.option_type, ROW.strike)?;
                Ok(())
            })?;
            Ok((speed, agrees(there)))
        })
    })
}

/// Antithetic paths, every step of them, in the order `[step][path]`; the first ones are checked against the scalar twin, and the mean of
/// all ends against the forward.
fn whole(bench: &mut Bench<'_>, name: TaskName<'_>, paths: usize, steps: usize) -> anyhow::Result<()> {
    let count = paths * steps;
    bench.task(name, count as f64 / 1e6, count * size_of::<f64>(), |task| {
        let gbm = gbm()?;
        let draws = Draws { seed: 7, paths, antithetic: true };
        // A path depends on its number alone.
        let few = Draws { paths: SAMPLES, ..draws };
        let mut twin = vec![0.0; SAMPLES * steps];
        monte_carlo::scalar::paths(&gbm, &few, steps, &mut twin);
        let forward = ROW.spot * ((ROW.risk_free_rate - ROW.dividend_yield) * ROW.expiry_years).exp();
        // Opposite paths make the mean surer than this says.
        let error = forward * ((ROW.volatility * ROW.volatility * ROW.expiry_years).exp_m1() / paths as f64).sqrt();
        let agrees = |out: &[f64]| {
            let near = |(found, twin): (&f64, &f64)| (found - twin).abs() <= TOLERANCE * twin;
            let mut rows = out.chunks_exact(paths).zip(twin.chunks_exact(SAMPLES));
            let mean = out[count - paths..].iter().sum::<f64>() / paths as f64;
            (mean - forward).abs() <= 5.0 * error && rows.all(|(row, twin)| row.iter().zip(twin).all(near))
        };
        let mut out = vec![0.0; count];
        task.on_host(|_| monte_carlo::paths(&gbm, &draws, steps, &mut out))?;
        task.check("cpu", agrees(&out));
        task.on_device(|compute, timer| {
            out.fill(f64::NAN);
            let speed = timer.measure(|| Ok(monte_carlo::launch::paths(compute, &gbm, &draws, steps, &mut out)?))?;
            Ok((speed, agrees(&out)))
        })
    })
}
