//! What became of the rows: counts by status, and the first example of each fault.

use std::{collections::BTreeMap, time::Duration};

use anyhow::bail;
use zomma_base::Status;
use zomma_pricing::valuation::Parameter;

use super::{
    BatchArgs, Verb,
    args::Plan,
    engine::Engine,
    fields::{Field, Layout},
    request::Cells,
};
use crate::{commands, failure::shown};

/// Counts by status of some rows.
#[derive(Debug, Default)]
pub struct Tally {
    rows: u64,
    faults: BTreeMap<Status, Fault>,
}

/// Rows of one status.
#[derive(Debug)]
struct Fault {
    count: u64,
    /// Data row of the first, from 1.
    first_row: u64,
    /// Its cells at fault, and what is allowed.
    example: String,
}

impl Tally {
    /// Counts a chunk's rows.
    pub fn of(status: &[Status], cells: &dyn Cells, layout: &Layout, plan: &Plan) -> Self {
        let mut tally = Self { rows: status.len() as u64, faults: BTreeMap::new() };
        for (row, &status) in status.iter().enumerate().filter(|(_, status)| !status.is_ok()) {
            tally.faults.entry(status).and_modify(|fault| fault.count += 1).or_insert_with(|| Fault {
                count: 1,
                first_row: row as u64 + 1,
                example: {
                    let example = example(status, row, cells, layout, plan.verb);
                    match plan.network.as_ref().and_then(|network| network.allowed(status)) {
                        // What a network learned is less than what a field may be.
                        Some(allowed) => {
                            let shown = example.rsplit_once("; allowed: ").map_or(&*example, |(shown, _)| shown);
                            format!("{shown}; {allowed}")
                        }
                        None => example,
                    }
                },
            });
        }
        tally
    }

    /// Adds the rows that follow.
    pub fn append(&mut self, next: Self) {
        for (status, mut fault) in next.faults {
            fault.first_row += self.rows;
            self.faults.entry(status).and_modify(|earlier| earlier.count += fault.count).or_insert(fault);
        }
        self.rows += next.rows;
    }

    /// Whether any row has a result: without one, nothing is written.
    pub fn is_usable(&self) -> bool {
        self.rows_ok() > 0 || self.faults.keys().any(|status| status.has_numbers())
    }

    fn rows_ok(&self) -> u64 {
        self.rows - self.faults.values().map(|fault| fault.count).sum::<u64>()
    }

    /// Says what became of the rows; an error where none is usable.
    pub fn report(
        &self,
        verb: Verb,
        name: &str,
        elapsed: Duration,
        args: &BatchArgs,
        engine: &Engine,
    ) -> anyhow::Result<()> {
        if args.json {
            let line = self.json(elapsed, engine);
            if args.to_stdout() {
                eprint!("{line}");
            } else {
                commands::print(&line)?;
            }
        }
        if self.rows == 0 {
            bail!("{name}: has a header and no rows");
        }
        let faulty = self.rows - self.rows_ok();
        if !self.is_usable() {
            bail!("{name}: no usable row of {}: {}", self.rows, self.reasons("; "));
        }
        if faulty > 0 && !args.json {
            eprintln!(
                "zomma {}: {name}: {faulty} of {} rows have {}:\n  {}",
                verb.as_str(),
                self.rows,
                if self.faults.keys().any(|status| status.has_numbers()) {
                    "no result, or not all"
                } else {
                    "no result"
                },
                self.reasons("\n  ")
            );
        }
        Ok(())
    }

    fn reasons(&self, separator: &str) -> String {
        let line = |(status, fault): (&Status, &Fault)| {
            format!("{status} {} (first: row {}, {})", fault.count, fault.first_row, fault.example)
        };
        self.faults.iter().map(line).collect::<Vec<_>>().join(separator)
    }

    fn json(&self, elapsed: Duration, engine: &Engine) -> String {
        let status: BTreeMap<&str, u64> =
            self.faults.iter().map(|(status, fault)| (status.as_str(), fault.count)).collect();
        let value = serde_json::json!({
            "rows": self.rows,
            "rows_ok": self.rows_ok(),
            "status": status,
            "device": engine.name(),
            "device_notes": engine.notes(),
            "elapsed_ms": elapsed.as_secs_f64() * 1e3,
        });
        format!("{value}\n")
    }
}

/// The fields that a status is about.
fn fields_of(status: Status, verb: Verb) -> &'static [Field] {
    match status {
        Status::BadOptionType => &[Field::OptionType],
        Status::BadExerciseStyle => &[Field::ExerciseStyle],
        Status::BadModel => &[Field::Model],
        Status::BadSpot => &[Field::Spot],
        Status::BadForward => &[Field::Forward],
        Status::BadStrike => &[Field::Strike],
        Status::BadExpiry | Status::Expired => &[Field::ExpiryYears, Field::Expiry],
        Status::BadRate => &[Field::RiskFreeRate],
        Status::BadYield => &[Field::DividendYield],
        Status::TwoBoundaries => &[Field::RiskFreeRate, Field::DividendYield],
        Status::BadVolatility => &[Field::Volatility],
        Status::BadPrice => &[Field::Price],
        Status::BadV0 => &[Field::Parameter(Parameter::V0)],
        Status::BadKappa => &[Field::Parameter(Parameter::Kappa)],
        Status::BadThetaV => &[Field::Parameter(Parameter::ThetaV)],
        Status::BadSigmaV => &[Field::Parameter(Parameter::SigmaV)],
        Status::BadRhoV => &[Field::Parameter(Parameter::RhoV)],
        Status::BadJumpIntensity => &[Field::Parameter(Parameter::JumpIntensity)],
        Status::BadJumpMean => &[Field::Parameter(Parameter::JumpMean)],
        Status::BadJumpStd => &[Field::Parameter(Parameter::JumpStd)],
        Status::BadJumpUpProbability => &[Field::Parameter(Parameter::JumpUpProbability)],
        Status::BadJumpUpRate => &[Field::Parameter(Parameter::JumpUpRate)],
        Status::BadJumpDownRate => &[Field::Parameter(Parameter::JumpDownRate)],
        Status::BadVgTheta => &[Field::Parameter(Parameter::VgTheta)],
        Status::BadVgNu => &[Field::Parameter(Parameter::VgNu)],
        Status::BadDisplacement => &[Field::Parameter(Parameter::Displacement)],
        Status::BadLogMoneyness => &[Field::LogMoneyness],
        Status::NoSurface | Status::Arbitrage => {
            &[Field::Strike, Field::LogMoneyness, Field::ExpiryYears, Field::Expiry]
        }
        Status::BadMethod => &[Field::Model, Field::ExerciseStyle],
        Status::Diverges => &[Field::Strike, Field::ExpiryYears, Field::Expiry],
        Status::BadPayoff => &[Field::Payoff, Field::Model],
        Status::BadBarrierType => &[Field::BarrierType, Field::Payoff, Field::Model],
        Status::BadBarrier => &[Field::Barrier, Field::BarrierUpper],
        Status::BarrierHit => &[Field::Barrier, Field::BarrierUpper, Field::Spot, Field::Forward],
        Status::BadRebate => &[Field::Rebate],
        Status::BadCash => &[Field::CashAmount],
        Status::BadObservationDates => &[Field::ObservationDates, Field::Payoff],
        Status::BadExtreme => &[Field::Extreme, Field::ObservationDates],
        Status::BadExerciseTimes => &[Field::ExerciseTimes, Field::ExpiryYears, Field::Expiry],
        Status::BadDividend | Status::DividendAfterExpiry | Status::DividendAboveSpot => {
            &[Field::Dividends, Field::Underlying, Field::Model, Field::Payoff]
        }
        Status::BelowIntrinsic
        | Status::AboveMaximum
        | Status::Undetermined
        | Status::SeveralVolatilities
        | Status::NotConverged
            if verb == Verb::ImpliedVolatility =>
        {
            &[Field::Price, Field::Strike]
        }
        _ => &[Field::Strike],
    }
}

/// The cells at fault, and what is allowed.
pub(super) fn example(status: Status, row: usize, cells: &dyn Cells, layout: &Layout, verb: Verb) -> String {
    if status == Status::BadRow {
        return format!("it has more cells than the {} of the header", layout.names.len());
    }
    let fields = fields_of(status, verb);
    let shown: Vec<String> = fields
        .iter()
        .filter_map(|&field| {
            layout.column(field).map(|column| format!("{} = \"{}\"", field.as_str(), shown(&cells.show(row, column))))
        })
        .collect();
    let shown = if shown.is_empty() { format!("no {}", fields[0].as_str()) } else { shown.join(", ") };
    match status {
        Status::BelowIntrinsic => {
            format!(
                "{shown}: below the discounted intrinsic value of the forward, or what any volatility gives the contract"
            )
        }
        Status::AboveMaximum => format!("{shown}: at or above what any volatility gives"),
        Status::Undetermined => format!("{shown}: as rounded, it does not determine a volatility"),
        Status::SeveralVolatilities => format!("{shown}: more than one volatility gives it"),
        Status::NotConverged => format!("{shown}: the iteration did not meet its tolerance"),
        Status::TwoBoundaries => {
            format!(
                "{shown}: exercise pays between two boundaries, which no method here values to the accuracy asked for"
            )
        }
        Status::Overflow => format!("{shown}: the result is too large for a float"),
        Status::Diverges => format!("{shown}: some of the Greeks have no limit there, and empty cells"),
        Status::PriceAlone => format!("{shown}: what values this row makes no Greeks: their cells are empty"),
        Status::NoSurface => format!("{shown}: the surface has no value there"),
        Status::Arbitrage => format!("{shown}: the surface has arbitrage there, so no local volatility or density"),
        Status::BadMethod => format!("{shown}: --method does not value this model and exercise style"),
        Status::BadModel if verb == Verb::ImpliedVolatility => format!("{shown}; allowed: bsm, black76"),
        Status::BadPayoff | Status::BadBarrierType if verb == Verb::ImpliedVolatility => {
            format!("{shown}; allowed: under bsm and black76 what a closed form or a grid values")
        }
        // An expiry is given as years or as a date, and what is allowed is told of the one that is.
        Status::BadExpiry if layout.column(Field::ExpiryYears).is_none() => {
            format!("{shown}; allowed: {}", Field::Expiry.allowed())
        }
        _ => format!("{shown}; allowed: {}", fields[0].allowed()),
    }
}
