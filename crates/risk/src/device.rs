//! European positions under Black's formulae on a device: they go up once, each scenario is a launch, and sums by group come down.

use std::ops::Range;

use rayon::prelude::*;
use zomma_base::Status;
use zomma_gpu::{Compute, GpuError};
use zomma_pricing::{
    black::Greek,
    portfolio::{self, Positions, Resident, Shock, Totals},
    valuation::Kind,
};

use crate::{Outcome, Portfolio, Scenario, VOLATILITY_FLOOR};

/// The positions of a portfolio that have a kernel, as columns.
#[derive(Debug)]
pub struct Black {
    positions: Positions,
    groups: usize,
}

impl Black {
    /// Of a portfolio.
    pub fn of(portfolio: &Portfolio) -> Self {
        let mut positions = Positions::default();
        for part in portfolio.parts() {
            let Kind::Black(model) = part.kind else { continue };
            let table = &part.table;
            positions.model.extend(part.row.iter().map(|_| model));
            positions.option_type.extend(&table.option_type);
            positions.spot.extend(&table.spot);
            positions.strike.extend(&table.strike);
            positions.expiry_years.extend(&table.expiry_years);
            positions.risk_free_rate.extend(&table.risk_free_rate);
            positions.dividend_yield.extend(&table.dividend_yield);
            positions.given.extend(&table.volatility);
            positions.quantity.extend(&part.shares);
            positions.multiplier.extend(part.row.iter().map(|_| 1.0));
            positions.group.extend(&part.group);
        }
        Self { positions, groups: portfolio.groups() }
    }

    /// Positions.
    pub fn len(&self) -> usize {
        self.positions.model.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the positions `at` to the outcome of each scenario. Nothing is added where the device fails.
    ///
    /// # Errors
    /// [`GpuError`] where the device has no room or fails.
    ///
    /// # Panics
    /// Where `at` reaches beyond the positions, or there is not an outcome a scenario.
    pub fn add(
        &self,
        compute: &Compute,
        at: Range<usize>,
        scenarios: &[Scenario],
        outcomes: &mut [Outcome],
    ) -> Result<(), GpuError> {
        assert_eq!(scenarios.len(), outcomes.len(), "an outcome a scenario");
        let resident = Resident::upload(compute, self.part(at), self.groups)?;
        let found: Vec<_> =
            scenarios.iter().map(|scenario| resident.sums(shock(scenario))).collect::<Result<_, _>>()?;
        for ((totals, scenario), outcome) in found.iter().zip(scenarios).zip(outcomes) {
            add_sums(resident.positions(), totals, scenario, outcome);
        }
        Ok(())
    }

    /// The same on the processor: for what no device could do.
    ///
    /// # Panics
    /// As [`Black::add`].
    pub fn add_on_cpu(&self, at: Range<usize>, scenarios: &[Scenario], outcomes: &mut [Outcome]) {
        assert_eq!(scenarios.len(), outcomes.len(), "an outcome a scenario");
        let positions = self.part(at);
        outcomes.par_iter_mut().zip(scenarios).for_each(|(outcome, scenario)| {
            let totals = portfolio::sums(&positions.columns(), self.groups, shock(scenario));
            add_sums(&positions, &totals, scenario, outcome);
        });
    }

    fn part(&self, at: Range<usize>) -> Positions {
        let all = &self.positions;
        Positions {
            model: all.model[at.clone()].to_vec(),
            option_type: all.option_type[at.clone()].to_vec(),
            spot: all.spot[at.clone()].to_vec(),
            strike: all.strike[at.clone()].to_vec(),
            expiry_years: all.expiry_years[at.clone()].to_vec(),
            risk_free_rate: all.risk_free_rate[at.clone()].to_vec(),
            dividend_yield: all.dividend_yield[at.clone()].to_vec(),
            given: all.given[at.clone()].to_vec(),
            prices: false,
            quantity: all.quantity[at.clone()].to_vec(),
            multiplier: all.multiplier[at.clone()].to_vec(),
            group: all.group[at].to_vec(),
        }
    }
}

/// Adds the sums of some positions, and the exercise values of those that expire on the way.
fn add_sums(positions: &Positions, totals: &Totals, scenario: &Scenario, outcome: &mut Outcome) {
    for (group, sums) in totals.groups.iter().enumerate().filter(|(_, sums)| sums.rows_ok() > 0) {
        // A sum that is no number has left their range.
        outcome.value[group] += sums.get(Greek::Price).unwrap_or(f64::NAN);
    }
    for (group, sums) in totals.groups.iter().enumerate() {
        for (&status, &rows) in sums.failed().iter().filter(|(status, _)| **status != Status::Expired) {
            outcome.fail(group as u32, status, rows as usize);
        }
    }
    for (i, _) in positions.expiry_years.iter().enumerate().filter(|(_, expiry)| **expiry - scenario.years() <= 0.0) {
        let spot = positions.spot[i] * (1.0 + scenario.spot_change);
        let exercised = (positions.option_type[i].sign() * (spot - positions.strike[i])).max(0.0);
        outcome.add(positions.group[i], positions.quantity[i], exercised, Status::Ok);
    }
}

fn shock(scenario: &Scenario) -> Shock {
    Shock {
        spot_factor: 1.0 + scenario.spot_change,
        volatility_shift: scenario.volatility_shift,
        volatility_floor: if scenario.volatility_shift < 0.0 { VOLATILITY_FLOOR } else { f64::MIN },
        rate_shift: scenario.rate_shift,
        years: scenario.years(),
    }
}
