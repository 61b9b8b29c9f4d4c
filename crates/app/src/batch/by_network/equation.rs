//! Prices by a network of `zomma train pinn`.

use std::path::Path;

use zomma_base::{ExerciseStyle, Status};
use zomma_learn::{
    LearnError,
    physics::{EquationKind, HestonConfig, Solution},
};
use zomma_pricing::{
    black::Row,
    valuation::{ModelName, Parameter, Results, Table},
};

use super::{is_black_scholes, unvalued, vanilla};

/// How far a row's parameter may be from the one that the network was trained for, as a share of it.
const SLACK: f64 = 1e-9;

/// A network that solves a pricing equation.
#[derive(Debug)]
pub struct ByEquation {
    solution: Solution,
}

impl ByEquation {
    /// Reads a network's file.
    pub fn open(path: &Path) -> Result<Self, LearnError> {
        Ok(Self { solution: Solution::read(path)? })
    }

    /// Whether its rows are Heston's.
    pub fn is_heston(&self) -> bool {
        self.equation() == EquationKind::Heston
    }

    /// Whether its volatility depends on spot and time.
    pub fn is_local_volatility(&self) -> bool {
        self.equation() == EquationKind::LocalVolatility
    }

    /// What it learned, by name.
    pub fn learned(&self) -> &'static str {
        self.equation().as_str()
    }

    fn equation(&self) -> EquationKind {
        self.solution.config.problem.equation
    }

    /// What a field may be, where a status says that the network was not trained for its value.
    pub fn allowed(&self, status: Status) -> Option<String> {
        let problem = &self.solution.config.problem;
        let domain = &problem.domain;
        let from_to = |name: &str, [from, to]: [f64; 2]| format!("the network prices {name} from {from} to {to}");
        if let Some((name, value)) = problem.heston.and_then(|heston| {
            let all = [Status::BadKappa, Status::BadThetaV, Status::BadSigmaV, Status::BadRhoV].into_iter();
            all.zip(fixed(&heston)).find(|(fault, _)| *fault == status).map(|(_, (name, value))| (name.as_str(), value))
        }) {
            return Some(format!("the network was trained for {name} = {value}"));
        }
        match status {
            Status::BadStrike => {
                let [from, to] = domain.risk_free_rate;
                let mut words = from_to("spot over strike", domain.spot_over_strike);
                words.push_str(&format!(", carried at rates from {from} to {to}"));
                if let Some(local) = &problem.local_volatility {
                    let [from, to] = local.strike_over_reference;
                    words.push_str(&format!(", and strikes from {from} to {to} times {}", local.reference));
                }
                Some(words)
            }
            Status::BadExpiry | Status::Expired => Some(from_to("expiry_years", domain.expiry_years)),
            Status::BadVolatility => Some(from_to("volatility", domain.volatility)),
            Status::BadV0 => Some(from_to("the root of v0", domain.volatility)),
            _ => None,
        }
    }

    /// The price of every row.
    pub fn evaluate(&self, table: &Table) -> Results {
        let mut results = unvalued(table);
        let (mut places, mut rows) = (Vec::new(), Vec::new());
        for row in 0..table.len() {
            if results.status[row].is_ok() {
                match self.row(table, row) {
                    Ok(option) => {
                        places.push(row);
                        rows.push(option);
                    }
                    Err(fault) => results.status[row] = fault,
                }
            }
        }
        for (row, priced) in places.into_iter().zip(self.solution.price(&rows)) {
            match priced.filter(|priced| priced.price.is_finite() && priced.delta.is_finite()) {
                Some(priced) => results.columns[0][row] = priced.price,
                None => results.status[row] = Status::Overflow,
            }
        }
        results
    }

    /// A row as the network takes it; under Heston its volatility is the root of the variance now.
    fn row(&self, table: &Table, row: usize) -> Result<Row, Status> {
        let model = table.model[row];
        let heston = self.solution.config.problem.heston;
        let fits = if heston.is_some() { model == ModelName::Heston } else { is_black_scholes(model) };
        let mut option = vanilla(table, row, ExerciseStyle::European, fits)?;
        if let Some(heston) = heston {
            // An absent column is no number, and refused as such.
            let cell =
                |parameter: Parameter| table.parameters[parameter as usize].get(row).copied().unwrap_or(f64::NAN);
            option.volatility = cell(Parameter::V0).sqrt();
            let faults = [Status::BadKappa, Status::BadThetaV, Status::BadSigmaV, Status::BadRhoV];
            for ((parameter, value), fault) in fixed(&heston).into_iter().zip(faults) {
                let is_it = (cell(parameter) - value).abs() <= SLACK * value.abs();
                if !is_it {
                    return Err(fault);
                }
            }
        }
        match self.solution.status(&option) {
            Status::Ok => Ok(option),
            fault => Err(fault),
        }
    }
}

/// The parameters that are the network's own.
fn fixed(heston: &HestonConfig) -> [(Parameter, f64); 4] {
    let HestonConfig { kappa, theta_v, sigma_v, rho_v } = *heston;
    [(Parameter::Kappa, kappa), (Parameter::ThetaV, theta_v), (Parameter::SigmaV, sigma_v), (Parameter::RhoV, rho_v)]
}
