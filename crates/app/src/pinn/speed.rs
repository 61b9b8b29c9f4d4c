//! What the network's accuracy costs: by the network, by finite differences, by the series.

use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;
use zomma_base::Status;
use zomma_learn::physics::{
    EquationKind, Solution, Validation, compare, finite_difference_value, references, test_rows,
};
use zomma_pricing::{
    black::{self, Row, RowColumns},
    fourier::{self, Columns, Merton, Model},
};

/// Rows of a batch of the network and of the series.
const ROWS: usize = 16_384;
/// Rows by finite differences.
const GRID_ROWS: usize = 64;
/// The least of so many runs counts.
const RUNS: usize = 5;
/// Grids tried: cells and steps.
const GRIDS: [(usize, usize); 7] = [(12, 4), (20, 6), (40, 10), (80, 20), (160, 40), (320, 80), (640, 160)];

/// A method and what an option costs by it, all threads together.
#[derive(Clone, Debug, Serialize)]
pub struct Method {
    /// What it is.
    pub name: String,
    /// Nanoseconds an option.
    pub option_ns: f64,
    /// Relative L2 error of its prices on the rows of the comparison.
    pub price: f64,
}

/// The comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Speed {
    /// Seconds of training before the first price.
    pub training_seconds: f64,
    /// The network on the rows of the comparison.
    pub pinn: Method,
    /// The coarsest grid that is as accurate; none where no grid tried is.
    pub crank_nicolson: Option<Method>,
    /// The series of the characteristic function; none where there is no such function.
    pub series: Option<Method>,
    /// The closed form, where there is one.
    pub closed_form: Option<Method>,
}

fn least(rows: usize, mut run: impl FnMut()) -> f64 {
    let mut time = || {
        let begun = Instant::now();
        run();
        begun.elapsed().as_nanos() as f64 / rows as f64
    };
    (0..RUNS).map(|_| time()).fold(f64::INFINITY, f64::min)
}

/// Relative L2 error of prices over the strike.
fn relative(rows: &[Row], found: impl Iterator<Item = Option<f64>>, wanted: &[Option<f64>]) -> f64 {
    let (mut error, mut size) = (0.0, 0.0);
    for ((row, found), wanted) in rows.iter().zip(found).zip(wanted) {
        if let (Some(found), Some(wanted)) = (found, wanted) {
            error += ((found - wanted) / row.strike).powi(2);
            size += (wanted / row.strike).powi(2);
        }
    }
    (error / size).sqrt()
}

/// Measures all on the same options.
pub fn measure(solution: &Solution, validation: &Validation) -> Speed {
    let config = &solution.config;
    let training_seconds = solution.standing.rounds.last().map_or(0.0, |round| round.seconds);
    let many = test_rows(config, ROWS, |spans| spans);
    let some = &many[..GRID_ROWS];
    let known = references(config, some);
    let prices: Vec<Option<f64>> = known.iter().map(|known| known.map(|known| known.price)).collect();
    let on_these = compare("grid rows", solution, some, &known).price;
    // As accurate as the network is on the whole domain or on these rows, whichever is the lesser demand.
    let accuracy = validation.trained.price.max(on_these);
    let option_ns = least(ROWS, || drop(std::hint::black_box(solution.price(&many))));
    let pinn = Method { name: "network".into(), option_ns, price: on_these };
    let crank_nicolson = GRIDS.into_iter().find_map(|grid| {
        let solve = || -> Vec<Option<f64>> {
            let one = |row: &Row| finite_difference_value(config, row, grid).ok().map(|found| found.value);
            some.par_iter().map(one).collect()
        };
        let found = solve();
        if found.iter().any(Option::is_none) {
            return None;
        }
        let price = relative(some, found.into_iter(), &prices);
        (price <= accuracy).then(|| {
            let option_ns = least(GRID_ROWS, || drop(std::hint::black_box(solve())));
            Method { name: format!("{} × {} cells and steps", grid.0, grid.1), option_ns, price }
        })
    });
    let [closed_form, series] = formulae(solution, &many, (some, &prices));
    Speed { training_seconds, pinn, crank_nicolson, series, closed_form }
}

/// The closed form where there is one, and the series of Heston's characteristic function or of Black–Scholes' (Merton's without jumps).
fn formulae(solution: &Solution, many: &[Row], (some, wanted): (&[Row], &[Option<f64>])) -> [Option<Method>; 2] {
    let problem = &solution.config.problem;
    let model = |row: &Row| match (problem.equation, &problem.heston) {
        (EquationKind::LocalVolatility, _) => None,
        (_, Some(heston)) => Some(Model::Heston(heston.with(row.volatility * row.volatility))),
        _ => {
            let merton = Merton { volatility: row.volatility, jump_intensity: 0.0, jump_mean: 0.0, jump_std: 0.0 };
            Some(Model::Merton(merton))
        }
    };
    let models: Vec<Model> = many.iter().filter_map(model).collect();
    if models.len() != many.len() {
        return [None, None];
    }
    let column = |of: fn(&Row) -> f64| many.iter().map(of).collect::<Vec<f64>>();
    let option_type: Vec<_> = many.iter().map(|row| row.option_type).collect();
    let [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility] = [
        column(|row| row.spot),
        column(|row| row.strike),
        column(|row| row.expiry_years),
        column(|row| row.risk_free_rate),
        column(|row| row.dividend_yield),
        column(|row| row.volatility),
    ];
    let columns = Columns {
        model: &models,
        option_type: &option_type,
        spot: &spot,
        strike: &strike,
        expiry_years: &expiry_years,
        risk_free_rate: &risk_free_rate,
        dividend_yield: &dividend_yield,
    };
    let (mut out, mut status) = (vec![0.0; many.len()], vec![Status::Ok; many.len()]);
    let mut method = |name: &str, price: &dyn Fn(&mut [f64], &mut [Status])| {
        let option_ns = least(many.len(), || price(&mut out, &mut status));
        let found = out.iter().zip(&status).map(|(price, status)| (*status == Status::Ok).then_some(*price));
        Some(Method { name: name.into(), option_ns, price: relative(some, found.take(some.len()), wanted) })
    };
    let series = method("series", &|out, status| fourier::price_batch(&columns, out, status));
    if problem.equation != EquationKind::BlackScholes {
        return [None, series];
    }
    let rows = RowColumns {
        option_type: &option_type,
        spot: &spot,
        strike: &strike,
        expiry_years: &expiry_years,
        risk_free_rate: &risk_free_rate,
        dividend_yield: &dividend_yield,
        volatility: &volatility,
    };
    [method("closed form", &|out, status| black::price(&rows, black::Model::Bsm, out, status)), series]
}
