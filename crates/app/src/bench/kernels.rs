//! The pricing kernels as a caller meets them: whole calls on columns in host memory, so that a device's rate has its copies in it; and
//! those that work on what is on the device already, where only a word comes back.

use zomma_base::{OptionType, Status};
use zomma_gpu::probe::element::uniform;
use zomma_pricing::black::{self, Greek, GreekColumns, Model, Row, RowColumns, scalar};
use zomma_pricing::implied_vol::{self, BsmPriceColumns};
use zomma_pricing::monte_carlo::{self, Draws, Estimate, Gbm};
use zomma_pricing::portfolio::{self, Positions, Shock, Totals};

use super::Section;
use super::task::{Bench, TaskName};

/// Rows of each result that are checked against the scalar twin.
const SAMPLES: usize = 1000;
/// What a quantity may be off, relative to itself and to the mean size of its column: near a zero of a Greek only that means anything.
/// The contract of the pricing crate is far tighter; this tells right from wrong.
const TOLERANCE: f64 = 1e-10;

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
    book_there(bench, there("sums of a book, data there"), &market)?;

    let count = bench.size(1 << 22, 1 << 14);
    let size = format!("{count} paths");
    ends(bench, TaskName { section: Section::Kernels, task: "price by paths", size: &size, unit: "Mpath/s" }, count)
}

/// Rows whose prices determine their volatility: within two standard deviations of the money.
struct Market {
    option_type: Vec<OptionType>,
    spot: Vec<f64>,
    strike: Vec<f64>,
    expiry_years: Vec<f64>,
    risk_free_rate: Vec<f64>,
    dividend_yield: Vec<f64>,
    volatility: Vec<f64>,
}

impl Market {
    fn new(count: usize) -> Self {
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

    fn len(&self) -> usize {
        self.spot.len()
    }

    fn rows(&self) -> RowColumns<'_> {
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

    fn millions(&self) -> f64 {
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

/// Value and Greeks of a book of 100 underlyings, from volatilities; only sums come back.
fn book_there(bench: &mut Bench<'_>, name: TaskName<'_>, market: &Market) -> anyhow::Result<()> {
    const UNDERLYINGS: usize = 100;
    let n = market.len();
    bench.task(name, market.millions(), n * 15 * size_of::<f64>(), |task| {
        let quantity: Vec<f64> = (0..n).map(|i| (i % 21) as f64 - 10.0).collect();
        let book = Positions {
            model: vec![Model::Bsm; n],
            option_type: market.option_type.clone(),
            spot: market.spot.clone(),
            strike: market.strike.clone(),
            expiry_years: market.expiry_years.clone(),
            risk_free_rate: market.risk_free_rate.clone(),
            dividend_yield: market.dividend_yield.clone(),
            given: market.volatility.clone(),
            prices: false,
            quantity,
            multiplier: vec![100.0; n],
            group: (0..n).map(|i| (i % UNDERLYINGS) as u32).collect(),
        };
        let mut totals = Totals::zero(UNDERLYINGS);
        task.on_host(|_| totals = portfolio::sums(&book.columns(), UNDERLYINGS, Shock::NONE))?;
        // One group by the scalar twin, and how large its terms are.
        let group = UNDERLYINGS / 2;
        let (mut value, mut vega, mut sizes) = (0.0, 0.0, [0.0; 2]);
        for i in (group..n).step_by(UNDERLYINGS) {
            let Ok(twin) = scalar::greeks(&market.rows().row(i), Model::Bsm) else { continue };
            let terms = [Greek::Price, Greek::Vega].map(|greek| 100.0 * book.quantity[i] * twin[greek as usize]);
            value += terms[0];
            vega += terms[1];
            sizes.iter_mut().zip(terms).for_each(|(size, term)| *size += term.abs());
        }
        let near = |found: Option<f64>, wanted: f64, size: f64| {
            found.is_some_and(|found| (found - wanted).abs() <= TOLERANCE * size)
        };
        let agrees = |totals: &Totals| {
            let sums = &totals.groups[group];
            totals.total.rows_ok() == n as u64
                && near(sums.get(Greek::Price), value, sizes[0])
                && near(sums.get(Greek::Vega), vega, sizes[1])
        };
        task.check("cpu", agrees(&totals));
        task.on_device(|compute, timer| {
            let resident = portfolio::Resident::upload(compute, book.clone(), UNDERLYINGS)?;
            let mut totals = Totals::zero(UNDERLYINGS);
            let speed = timer.measure(|| {
                totals = resident.sums(Shock::NONE)?;
                Ok(())
            })?;
            Ok((speed, agrees(&totals)))
        })
    })
}

/// A European option by antithetic paths, which live in registers; checked against the closed form.
fn ends(bench: &mut Bench<'_>, name: TaskName<'_>, paths: usize) -> anyhow::Result<()> {
    bench.task(name, paths as f64 / 1e6, 0, |task| {
        let unusable = |status| anyhow::anyhow!("{status}");
        let row = Row {
            option_type: OptionType::Put,
            spot: 100.0,
            strike: 95.0,
            expiry_years: 0.5,
            risk_free_rate: 0.04,
            dividend_yield: 0.01,
            volatility: 0.2,
        };
        let gbm = Gbm::new(row.spot, row.expiry_years, row.risk_free_rate, row.dividend_yield, row.volatility);
        let (gbm, closed) = (gbm.map_err(unusable)?, scalar::greeks(&row, Model::Bsm).map_err(unusable)?);
        let draws = Draws { seed: 7, paths, antithetic: true };
        let agrees = |estimate: Option<Estimate>| {
            estimate.is_some_and(|it| (it.price - closed[Greek::Price as usize]).abs() <= 5.0 * it.standard_error)
        };
        let mut estimate = None;
        task.on_host(|_| estimate = monte_carlo::european(&gbm, &draws, row.option_type, row.strike))?;
        task.check("cpu", agrees(estimate));
        task.on_device(|compute, timer| {
            let mut there = None;
            let speed = timer.measure(|| {
                there = monte_carlo::launch::european(compute, &gbm, &draws, row.option_type, row.strike)?;
                Ok(())
            })?;
            Ok((speed, agrees(there)))
        })
    })
}
