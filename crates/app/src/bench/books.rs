//! Sums over positions that are on the device already: in one pass from volatilities, or from quotes; one large book, or many small ones.

use zomma_base::Status;
use zomma_pricing::black::{self, Greek, Model, scalar};
use zomma_pricing::portfolio::{self, Positions, Shock, Totals};

use super::kernels::{Market, TOLERANCE};
use super::task::{Bench, TaskName};

/// Contracts have this many shares.
const MULTIPLIER: f64 = 100.0;

/// What is known of the positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Their volatilities.
    Volatilities,
    /// Their prices: the volatilities are implied in the same pass.
    Quotes,
}

/// The market's rows as positions, in turn in each of `groups` books.
fn positions(market: &Market, groups: usize, known: Known) -> Positions {
    let n = market.len();
    let given = match known {
        Known::Volatilities => market.volatility.clone(),
        Known::Quotes => {
            let (mut price, mut status) = (vec![0.0; n], vec![Status::Ok; n]);
            black::price(&market.rows(), Model::Bsm, &mut price, &mut status);
            price
        }
    };
    Positions {
        model: vec![Model::Bsm; n],
        option_type: market.option_type.clone(),
        spot: market.spot.clone(),
        strike: market.strike.clone(),
        expiry_years: market.expiry_years.clone(),
        risk_free_rate: market.risk_free_rate.clone(),
        dividend_yield: market.dividend_yield.clone(),
        given,
        prices: known == Known::Quotes,
        quantity: (0..n).map(|i| (i % 21) as f64 - 10.0).collect(),
        multiplier: vec![MULTIPLIER; n],
        group: (0..n).map(|i| (i % groups) as u32).collect(),
    }
}

/// Value and Greeks of `groups` books; only sums come back.
pub fn there(
    bench: &mut Bench<'_>,
    name: TaskName<'_>,
    market: &Market,
    groups: usize,
    known: Known,
) -> anyhow::Result<()> {
    let n = market.len();
    bench.task(name, market.millions(), n * 15 * size_of::<f64>(), |task| {
        let book = positions(market, groups, known);
        let mut totals = Totals::zero(groups);
        task.on_host(|_| totals = portfolio::sums(&book.columns(), groups, Shock::NONE))?;
        // One group by the scalar twin, from the volatilities in any case, and how large its terms are.
        let group = groups / 2;
        let (mut value, mut vega, mut sizes) = (0.0, 0.0, [0.0; 2]);
        for i in (group..n).step_by(groups) {
            let Ok(twin) = scalar::greeks(&market.rows().row(i), Model::Bsm) else { continue };
            let terms = [Greek::Price, Greek::Vega].map(|greek| MULTIPLIER * book.quantity[i] * twin[greek as usize]);
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
            let resident = portfolio::Resident::upload(compute, book.clone(), groups)?;
            let mut totals = Totals::zero(groups);
            let speed = timer.measure(|| {
                totals = resident.sums(Shock::NONE)?;
                Ok(())
            })?;
            Ok((speed, agrees(&totals)))
        })
    })
}
