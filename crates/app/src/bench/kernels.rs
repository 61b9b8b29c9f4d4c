//! The pricing kernels as a caller meets them: whole calls on columns in host memory, so that a device's rate has its copies in it; and
//! those that work on what is on the device already, where only a word comes back.

use zomma_base::{OptionType, Status};
use zomma_gpu::probe::element::uniform;
use zomma_pricing::black::{self, Greek, GreekColumns, Model, RowColumns, scalar};
use zomma_pricing::implied_vol::{self, BsmPriceColumns};

use super::books::{self, Known};
use super::task::{Bench, TaskName};
use super::{Section, paths};

/// Rows of each result that are checked against the scalar twin.
const SAMPLES: usize = 1000;
/// Underlyings of the large book.
const UNDERLYINGS: usize = 100;
/// Rows of a small book.
const SMALL_BOOK: usize = 100;
/// What a quantity may be off, relative to itself and to the mean size of its column: near a zero of a Greek only that means anything.
/// The contract of the pricing crate is far tighter; this tells right from wrong.
pub(super) const TOLERANCE: f64 = 1e-10;

/// Measures price, Greeks and implied volatility on the same rows.
pub fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let count = bench.size(1 << 20, 1 << 13);
    let market = Market::new(count);
    let size = format!("{count} rows");
    let named = |task| TaskName { section: Section::Kernels, task, size: &size, unit: "Mrow/s" };
    price(bench, named("Black-Scholes price"), &market)?;
    greeks(bench, named("price and 18 Greeks"), &market)?;
    implied_volatility(bench, named("implied volatility"), &market)?;

    // More rows, so that a launch and the wait for it weigh little beside a device's work.
    let count = bench.size(1 << 22, 1 << 13);
    let market = Market::new(count);
    let size = format!("{count} rows");
    let there = |task| TaskName { section: Section::Kernels, task, size: &size, unit: "Mrow/s" };
    greeks_there(bench, there("18 Greeks, data there"), &market)?;
    implied_volatility_there(bench, there("implied vols, data there"), &market)?;
    books::there(bench, there("sums of a book, data there"), &market, UNDERLYINGS, Known::Volatilities)?;
    books::there(bench, there("sums from quotes, data there"), &market, UNDERLYINGS, Known::Quotes)?;

    // Each alone would be a launch of its own that leaves most of a device idle: they go as groups of one.
    let count = bench.size(1000, 80);
    let market = Market::new(count * SMALL_BOOK);
    let size = format!("{count} x {SMALL_BOOK} rows");
    let small = TaskName { section: Section::Kernels, task: "small books, data there", size: &size, unit: "Mrow/s" };
    books::there(bench, small, &market, count, Known::Volatilities)?;
    paths::run(bench)
}

/// Rows whose prices determine their volatility: within two standard deviations of the money.
pub(super) struct Market {
    pub(super) option_type: Vec<OptionType>,
    pub(super) spot: Vec<f64>,
    pub(super) strike: Vec<f64>,
    pub(super) expiry_years: Vec<f64>,
    pub(super) risk_free_rate: Vec<f64>,
    pub(super) dividend_yield: Vec<f64>,
    pub(super) volatility: Vec<f64>,
}

impl Market {
    pub(super) fn new(count: usize) -> Self {
        let column = |seed: u64, low: f64, high: f64| -> Vec<f64> {
            uniform::<f64>(count, seed).iter().map(|x| low + (high - low) * 0.5 * (x + 1.0)).collect()
        };
        let (spot, expiry_years, volatility) = (column(1, 50.0, 200.0), column(2, 0.02, 2.0), column(3, 0.08, 0.6));
        let (risk_free_rate, dividend_yield) = (column(4, 0.0, 0.05), column(5, 0.0, 0.03));
        let deviations = column(6, -2.0, 2.0);
        let strike = (0..count).map(|i| spot[i] * (deviations[i] * volatility[i] * expiry_years[i].sqrt()).exp());
        Self {
            option_type: (0..count).map(|i| if i % 2 == 0 { OptionType::Call } else { OptionType::Put }).collect(),
            strike: strike.collect(),
            spot,
            expiry_years,
            risk_free_rate,
            dividend_yield,
            volatility,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.spot.len()
    }

    pub(super) fn rows(&self) -> RowColumns<'_> {
        RowColumns {
            option_type: &self.option_type,
            spot: &self.spot,
            strike: &self.strike,
            expiry_years: &self.expiry_years,
            risk_free_rate: &self.risk_free_rate,
            dividend_yield: &self.dividend_yield,
            volatility: &self.volatility,
        }
    }

    fn prices<'a>(&'a self, price: &'a [f64]) -> BsmPriceColumns<'a> {
        BsmPriceColumns {
            option_type: &self.option_type,
            spot: &self.spot,
            strike: &self.strike,
            expiry_years: &self.expiry_years,
            risk_free_rate: &self.risk_free_rate,
            dividend_yield: &self.dividend_yield,
            price,
        }
    }

    pub(super) fn millions(&self) -> f64 {
        self.len() as f64 / 1e6
    }

    /// Quantities of the sampled rows by the scalar twin, and the mean size of each.
    fn twins(&self) -> (Vec<(usize, [f64; 19])>, [f64; 19]) {
        let rows = self.rows();
        let twins: Vec<(usize, [f64; 19])> = (0..self.len())
            .step_by((self.len() / SAMPLES).max(1))
            .filter_map(|i| Some((i, scalar::greeks(&rows.row(i), Model::Bsm).ok()?)))
            .collect();
        let mut means = [0.0; 19];
        for (_, twin) in &twins {
            for (mean, quantity) in means.iter_mut().zip(twin) {
                *mean += quantity.abs() / twins.len() as f64;
            }
        }
        (twins, means)
    }

    /// Whether these are the volatilities that the prices were made with: their own inverse.
    fn made(&self, volatility: &[f64], status: &[Status]) -> bool {
        status.iter().all(|status| *status == Status::Ok)
            && volatility.iter().zip(&self.volatility).all(|(found, made)| (found - made).abs() <= TOLERANCE)
    }

    /// Whether the first quantities are the scalar twin's in the sampled rows, and all rows are in order.
    fn agrees(&self, columns: &[&[f64]], status: &[Status]) -> bool {
        let (twins, means) = self.twins();
        let near = |found: f64, twin: f64, mean: f64| (found - twin).abs() <= TOLERANCE * (twin.abs() + mean);
        status.iter().all(|status| *status == Status::Ok)
            && !twins.is_empty()
            && twins.iter().all(|(i, twin)| {
                columns.iter().zip(twin).zip(means).all(|((column, twin), mean)| near(column[*i], *twin, mean))
            })
    }
}

fn price(bench: &mut Bench<'_>, name: TaskName<'_>, market: &Market) -> anyhow::Result<()> {
    let n = market.len();
    bench.task(name, market.millions(), n * 2 * size_of::<f64>(), |task| {
        let (mut out, mut status) = (vec![0.0; n], vec![Status::Ok; n]);
        task.on_host(|_| black::price(&market.rows(), Model::Bsm, &mut out, &mut status))?;
        task.check("cpu", market.agrees(&[&out], &status));
        task.on_device(|compute, timer| {
            out.fill(f64::NAN);
            let speed = timer
                .measure(|| Ok(black::launch::price(compute, &market.rows(), Model::Bsm, &mut out, &mut status)?))?;
            Ok((speed, market.agrees(&[&out], &status)))
        })
    })
}

fn greeks(bench: &mut Bench<'_>, name: TaskName<'_>, market: &Market) -> anyhow::Result<()> {
    let n = market.len();
    bench.task(name, market.millions(), n * (2 * Greek::ALL.len() + 1) * size_of::<f64>(), |task| {
        let (mut out, mut status) = (GreekColumns::zeros(n), vec![Status::Ok; n]);
        let agrees = |out: &GreekColumns, status: &[Status]| {
            let columns: Vec<&[f64]> = Greek::ALL.iter().map(|greek| out.column(*greek)).collect();
            market.agrees(&columns, status)
        };
        task.on_host(|_| black::greeks(&market.rows(), Model::Bsm, &mut out, &mut status))?;
        task.check("cpu", agrees(&out, &status));
        task.on_device(|compute, timer| {
            out = GreekColumns::zeros(n);
            let speed = timer
                .measure(|| Ok(black::launch::greeks(compute, &market.rows(), Model::Bsm, &mut out, &mut status)?))?;
            Ok((speed, agrees(&out, &status)))
        })
    })
}

fn implied_volatility(bench: &mut Bench<'_>, name: TaskName<'_>, market: &Market) -> anyhow::Result<()> {
    let n = market.len();
    bench.task(name, market.millions(), n * 3 * size_of::<f64>(), |task| {
        let (mut price, mut status) = (vec![0.0; n], vec![Status::Ok; n]);
        black::price(&market.rows(), Model::Bsm, &mut price, &mut status);
        let prices = market.prices(&price);
        let mut out = vec![0.0; n];
        let agrees = |out: &[f64], status: &[Status]| market.made(out, status);
        task.on_host(|_| implied_vol::implied_volatility_bsm(&prices, &mut out, &mut status))?;
        task.check("cpu", agrees(&out, &status));
        task.on_device(|compute, timer| {
            out.fill(f64::NAN);
            let speed = timer.measure(|| {
                Ok(implied_vol::launch::implied_volatility_bsm(compute, &prices, &mut out, &mut status)?)
            })?;
            Ok((speed, agrees(&out, &status)))
        })
    })
}

fn greeks_there(bench: &mut Bench<'_>, name: TaskName<'_>, market: &Market) -> anyhow::Result<()> {
    let n = market.len();
    bench.task(name, market.millions(), n * (2 * Greek::ALL.len() + 1) * size_of::<f64>(), |task| {
        let (mut out, mut status) = (GreekColumns::zeros(n), vec![Status::Ok; n]);
        let agrees = |out: &GreekColumns, status: &[Status]| {
            let columns: Vec<&[f64]> = Greek::ALL.iter().map(|greek| out.column(*greek)).collect();
            market.agrees(&columns, status)
        };
        let rows = market.rows();
        task.on_host(|_| black::greeks(&rows, Model::Bsm, &mut out, &mut status))?;
        task.check("cpu", agrees(&out, &status));
        task.on_device(|compute, timer| {
            let resident = black::Resident::upload(compute, &rows, Model::Bsm)?;
            let speed = timer.measure(|| Ok(resident.value()?))?;
            out = GreekColumns::zeros(n);
            resident.download(&mut out, &mut status)?;
            Ok((speed, agrees(&out, &status)))
        })
    })
}

fn implied_volatility_there(bench: &mut Bench<'_>, name: TaskName<'_>, market: &Market) -> anyhow::Result<()> {
    let n = market.len();
    bench.task(name, market.millions(), n * 3 * size_of::<f64>(), |task| {
        let (mut price, mut status) = (vec![0.0; n], vec![Status::Ok; n]);
        black::price(&market.rows(), Model::Bsm, &mut price, &mut status);
        let prices = market.prices(&price);
        let mut out = vec![0.0; n];
        let agrees = |out: &[f64], status: &[Status]| market.made(out, status);
        task.on_host(|_| implied_vol::implied_volatility_bsm(&prices, &mut out, &mut status))?;
        task.check("cpu", agrees(&out, &status));
        task.on_device(|compute, timer| {
            let resident = implied_vol::Resident::upload(compute, &prices)?;
            let speed = timer.measure(|| Ok(resident.invert()?))?;
            out.fill(f64::NAN);
            resident.download(&mut out, &mut status)?;
            Ok((speed, agrees(&out, &status)))
        })
    })
}
