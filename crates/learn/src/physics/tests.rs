use super::ansatz::{residual, value};
use super::points::{Objective, Points, adaptive, spread};
use super::problem::{Coordinates, Priced, Problem, Region};
use super::solution::network_of;
use super::*;
use crate::data::uniform;
use zomma_base::OptionType;
use zomma_pricing::black::Row;

mod learned;
mod nested;

const HESTON: &str = "equation = \"heston\"\n[problem.domain]\nvolatility = [0.1, 0.5]\nexpiry_years = [0.02, 2.0]\n\
    [problem.heston]\nkappa = 1.5\ntheta_v = 0.06\nsigma_v = 0.5\nrho_v = -0.6\n";
const LOCAL: &str = "equation = \"local_volatility\"\n[problem.domain]\nvolatility = [0.1, 0.5]\nexpiry_years = [0.02, 2.0]\n\
    [problem.local_volatility]\nskew = -0.3\nsmile = 0.2\nshort_over_long = 1.4\n";
const PLAIN: &str = "equation = \"black_scholes\"\n";

/// A config of one of the equations, with what else is asked for.
fn config(problem: &str, more: &str) -> PinnConfig {
    PinnConfig::parse(&format!("[problem]\n{problem}\n{more}")).unwrap()
}

fn small(problem: &str, activation: &str) -> PinnConfig {
    config(problem, &format!("[network]\nwidth = 7\ndepth = 2\nactivation = \"{activation}\""))
}

/// The jet of D at a place.
fn jet(solution: &Solution, at: Coordinates) -> ansatz::Jet {
    let problem = solution.problem();
    let order = problem.order();
    let points = Points::new(&problem, vec![at]);
    points.map(solution.network(), &solution.parameters, |fixed, last| value(order, fixed, last))[0]
}

/// D as a function of k, the time coordinate and the rest.
fn d_at(solution: &Solution, [k, time, extra]: [f64; 3]) -> f64 {
    let at = Coordinates { x: 0.0, time, extra };
    jet(solution, Coordinates { x: k / solution.problem().deviation(at), ..at })[0]
}

#[test]
fn jets_are_the_finite_differences_of_the_ansatz() {
    for problem in [PLAIN, LOCAL, HESTON] {
        for activation in ["tanh", "sine", "silu", "softplus", "gelu"] {
            let solution = Solution::untrained(small(problem, activation));
            let equation = solution.problem();
            for unit in [[0.3, 0.4, 0.5], [0.62, 0.8, 0.3], [0.48, 0.6, 0.7]] {
                let at = equation.place(&unit[..equation.dimensions()]);
                let s = equation.deviation(at);
                let place = [at.x * s, at.time, at.extra];
                let found = jet(&solution, at);
                // The jet's units: s, the time coordinate, the greatest variance.
                let unit_v = if equation.order().first == 3 { 2.5 * 0.25 } else { 1.0 };
                let units = [s, at.time, unit_v];
                let steps = [1e-3 * s, 1e-3 * at.time, 1e-3 * at.extra.abs().max(0.01)];
                let moved = |by: [f64; 3]| d_at(&solution, std::array::from_fn(|i| place[i] + by[i] * steps[i]));
                let check = |name: &str, found: f64, wanted: f64| {
                    let error = (found - wanted).abs();
                    assert!(
                        error < 2e-5 * (s + wanted.abs()),
                        "{problem} {activation} {unit:?} {name}: {found} {wanted}"
                    );
                };
                for direction in 0..equation.order().first {
                    let mut by = [0.0; 3];
                    by[direction] = 1.0;
                    let slope = (moved(by) - moved(by.map(|x| -x))) / (2.0 * steps[direction]);
                    check("first", found[1 + direction], slope * units[direction]);
                }
                for (place, [i, j]) in equation.order().pairs().map(|(place, pair)| (place, pair.map(|i| i - 1))) {
                    let corner = |a: f64, b: f64| {
                        let mut by = [0.0; 3];
                        by[i] += a;
                        by[j] += b;
                        moved(by)
                    };
                    let four = corner(1.0, 1.0) - corner(1.0, -1.0) - corner(-1.0, 1.0) + corner(-1.0, -1.0);
                    check("second", found[place], four / (4.0 * steps[i] * steps[j]) * units[i] * units[j]);
                }
            }
        }
    }
}

#[test]
fn the_gradient_is_the_finite_difference_of_the_loss_and_the_same_on_any_threads() {
    for (problem, activation) in
        [(PLAIN, "tanh"), (LOCAL, "sine"), (HESTON, "silu"), (HESTON, "gelu"), (PLAIN, "softplus")]
    {
        let config = small(problem, activation);
        let (equation, network) = (Problem::new(&config), network_of(&config));
        let mut parameters = Solution::untrained(config).parameters;
        let points = Points::new(&equation, spread(&equation, 300, 3, 0));
        let weights: Vec<f64> = (0..300).map(|i| (0.5 + uniform(4, i)) / 300.0).collect();
        let objective = Objective { points: &points, weights: &weights, penalty: 0.01 };
        let mut gradient = vec![0.0; parameters.len()];
        objective.evaluate(network, &parameters, &mut gradient);
        let size = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        let mut spare = gradient.clone();
        for i in (0..parameters.len()).step_by(5) {
            let (at, step) = (parameters[i], 1e-5);
            let [above, below] = [step, -step].map(|by| {
                parameters[i] = at + by;
                objective.evaluate(network, &parameters, &mut spare)
            });
            parameters[i] = at;
            let slope = (above - below) / (2.0 * step);
            assert!((slope - gradient[i]).abs() < 1e-7 * size, "{problem} {activation} {i}: {slope} {}", gradient[i]);
        }
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut gradient = vec![0.0; parameters.len()];
            (pool.install(|| objective.evaluate(network, &parameters, &mut gradient)).to_bits(), gradient)
        };
        assert_eq!(with(1), with(3));
    }
}

/// Rows that were calls and puts by turns had all calls in one half of the spots, since the parity of a Sobol point says which half it is in.
#[test]
fn calls_and_puts_are_tested_over_all_of_the_domain() {
    for seed in 1..=8 {
        let mut config = small(PLAIN, "tanh");
        config.sampling.seed = seed;
        let [from, to] = config.problem.domain.spot_over_strike;
        let mut counts = [[0; 4]; 2];
        for row in test_rows(&config, 256, |spans| spans) {
            let share = (row.spot / row.strike - from) / (to - from);
            counts[usize::from(row.option_type == OptionType::Put)][((4.0 * share) as usize).min(3)] += 1;
        }
        assert!(counts.as_flattened().iter().all(|count| (16..=48).contains(count)), "{seed}: {counts:?}");
    }
}

/// The pricing equation in the units of a row, from the row's own Greeks, is the network's residual times what it was divided by.
#[test]
fn the_residual_is_that_of_the_pricing_equation_in_raw_units() {
    for problem in [PLAIN, LOCAL] {
        let config = small(problem, "tanh");
        let solution = Solution::untrained(config.clone());
        let equation = solution.problem();
        for row in test_rows(&config, 50, |spans| spans) {
            let row = Row { dividend_yield: 0.01, ..row };
            let at = equation.of_row(&row).unwrap();
            let point = equation.at(at);
            let points = Points::new(&equation, vec![at]);
            let last = points.map(solution.network(), &solution.parameters, |_, last| *last)[0];
            let (scaled, _) = residual(equation.order(), &point.fixed, &last);
            let Priced { price, delta, gamma, theta, .. } = solution.price(&[row])[0].unwrap();
            let carry = row.risk_free_rate - row.dividend_yield;
            let local = config.problem.local_volatility.map_or(row.volatility, |local| {
                row.volatility * local.volatility(row.spot, 0.0, (row.expiry_years, carry))
            });
            let now = config
                .problem
                .local_volatility
                .map_or(row.volatility, |local| row.volatility * local.level(at.extra) * local.short_over_long);
            let s = equation.deviation(at);
            let raw = theta + 0.5 * (local * row.spot).powi(2) * gamma + carry * row.spot * delta
                - row.risk_free_rate * price;
            let root = (problem::forward(&row) * row.strike).sqrt() * (-row.risk_free_rate * row.expiry_years).exp();
            let wanted = -root * scaled * 0.5 * now * now / s;
            let size = theta.abs() + row.strike * 1e-6;
            assert!((raw - wanted).abs() < 1e-8 * size, "{problem} {row:?}: {raw} {wanted}");
        }
    }
}

#[test]
fn greeks_are_the_finite_differences_of_the_price() {
    for problem in [PLAIN, LOCAL, HESTON] {
        let config = small(problem, "tanh");
        let solution = Solution::untrained(config.clone());
        let price = |row: &Row| solution.price(std::slice::from_ref(row))[0].unwrap().price;
        for row in test_rows(&config, 20, |spans| spans) {
            let found = solution.price(&[row])[0].unwrap();
            let step = 1e-4 * row.spot * (row.volatility * row.expiry_years.sqrt()).min(1.0);
            let [above, below] = [step, -step].map(|by| Row { spot: row.spot + by, ..row });
            let slope = (price(&above) - price(&below)) / (2.0 * step);
            assert!((slope - found.delta).abs() < 1e-5, "{problem} delta {slope} {found:?}");
            let [da, db] = [above, below].map(|row| solution.price(&[row])[0].unwrap().delta);
            let curve = (da - db) / (2.0 * step);
            assert!((curve - found.gamma).abs() < 1e-4 * (curve.abs() + 1e-4), "{problem} gamma {curve} {found:?}");
            let step = 1e-5 * row.volatility;
            let [above, below] = [step, -step].map(|by| price(&Row { volatility: row.volatility + by, ..row }));
            let slope = (above - below) / (2.0 * step);
            assert!((slope - found.vega).abs() < 1e-5 * (1.0 + slope.abs()), "{problem} vega {slope} {found:?}");
            if problem != LOCAL {
                let step = 1e-5 * row.expiry_years;
                let [above, below] = [step, -step].map(|by| price(&Row { expiry_years: row.expiry_years + by, ..row }));
                let slope = (below - above) / (2.0 * step);
                assert!((slope - found.theta).abs() < 1e-5 * (1.0 + slope.abs()), "{problem} theta {slope} {found:?}");
            }
        }
    }
}

#[test]
fn terminal_and_boundary_values_are_exact_whatever_the_network_says() {
    for problem in [PLAIN, LOCAL, HESTON] {
        let mut solution = Solution::untrained(small(problem, "tanh"));
        // Weights ten times as large as any network begins with.
        solution.parameters.iter_mut().for_each(|w| *w *= 10.0);
        let row = |option_type, spot, expiry_years, volatility| Row {
            option_type,
            spot,
            strike: 100.0,
            expiry_years,
            risk_free_rate: 0.03,
            dividend_yield: 0.01,
            volatility,
        };
        for option_type in [OptionType::Call, OptionType::Put] {
            for spot in [60.0, 99.0, 100.0, 101.0, 170.0] {
                let price = solution.price(&[row(option_type, spot, 1e-14, 0.3)])[0].unwrap().price;
                let payoff = (option_type.sign() * (spot - 100.0)).max(0.0);
                assert!((price - payoff).abs() < 1e-2, "{problem} {spot} at expiry: {price}");
            }
            for spot in [1e-3, 1e5] {
                let at = row(option_type, spot, 0.5, 0.3);
                let price = solution.price(&[at])[0].unwrap().price;
                let discount = (-0.03_f64 * 0.5).exp();
                let value = discount * (option_type.sign() * (problem::forward(&at) - 100.0)).max(0.0);
                assert!((price - value).abs() < 1e-6 * (100.0 + value), "{problem} far out at {spot}: {price} {value}");
            }
        }
        let [call, put] = [OptionType::Call, OptionType::Put].map(|option_type| row(option_type, 93.0, 0.7, 0.25));
        let prices = solution.price(&[call, put]);
        let parity = (-0.03_f64 * 0.7).exp() * (problem::forward(&call) - 100.0);
        assert!((prices[0].unwrap().price - prices[1].unwrap().price - parity).abs() < 1e-11);
    }
}

#[test]
fn rows_outside_the_models_world_have_no_price() {
    let solution = Solution::untrained(small(PLAIN, "tanh"));
    let row = test_rows(&solution.config, 1, |spans| spans)[0];
    let rows = [
        Row { spot: 0.0, ..row },
        Row { strike: -1.0, ..row },
        Row { expiry_years: 0.0, ..row },
        Row { volatility: f64::NAN, ..row },
        Row { spot: f64::INFINITY, ..row },
        row,
    ];
    let prices = solution.price(&rows);
    assert!(prices[..5].iter().all(Option::is_none) && prices[5].is_some(), "{prices:?}");
}

#[test]
fn adaptive_points_lie_where_the_residual_is() {
    let problem = Problem::new(&small(PLAIN, "tanh"));
    let candidates = spread(&problem, 1000, 1, 0);
    // The first hundred have a residual of 10, the others of 0.1: their weights are 10/1.09 + 1 against 0.1/1.09 + 1.
    let residuals: Vec<f64> = (0..1000).map(|i| if i < 100 { -10.0 } else { 0.1 }).collect();
    let chosen = adaptive(&candidates, &residuals, (500, 1.0), 3);
    assert_eq!(chosen.len(), 500);
    let large = chosen.iter().filter(|point| candidates[..100].contains(point)).count() as f64;
    let wanted = 500.0 * 100.0 * (10.0 / 1.09 + 1.0) / 2000.0;
    assert!((large - wanted).abs() < 5.0, "{large} {wanted}");
    // Where nothing is known, all are alike.
    let even = adaptive(&candidates, &[f64::NAN; 1000], (500, 1.0), 3);
    assert!(
        even.len() == 500 && even.iter().filter(|point| candidates[..100].contains(point)).count().abs_diff(50) <= 2
    );
}

#[test]
fn moved_weights_even_out_what_they_are_made_of() {
    let config = small(PLAIN, "tanh");
    let (problem, network) = (Problem::new(&config), network_of(&config));
    let parameters = Solution::untrained(config).parameters;
    let points = Points::new(&problem, spread(&problem, 512, 1, 0));
    let of_points = points.regions(&problem);
    assert!(Region::ALL.iter().all(|region| of_points.contains(region)));
    // By turns, so that no weight is so large that it is cut.
    let regions: Vec<Region> = (0..512).map(|i| Region::ALL[i % 3]).collect();
    let norm = |region: Region| {
        let count = regions.iter().filter(|other| **other == region).count() as f64;
        let weights: Vec<f64> = regions.iter().map(|other| if *other == region { 1.0 / count } else { 0.0 }).collect();
        let mut gradient = vec![0.0; parameters.len()];
        Objective { points: &points, weights: &weights, penalty: 0.0 }.evaluate(network, &parameters, &mut gradient);
        gradient.iter().map(|g| g * g).sum::<f64>().sqrt()
    };
    let loss = LossConfig { weighting: Weighting::GradientNorm, kept: 0.0, ..LossConfig::default() };
    let update = |loss: &LossConfig| weighting::update(loss, [1.0; 3], (network, &parameters), (&points, &regions), 1);
    let weighted: Vec<f64> =
        Region::ALL.iter().zip(update(&loss)).map(|(region, weight)| weight * norm(*region)).collect();
    assert!(weighted.iter().all(|norm| (norm / weighted[0] - 1.0).abs() < 1e-9), "{weighted:?}");
    let ntk = update(&LossConfig { weighting: Weighting::Ntk, ..loss.clone() });
    assert!(ntk.iter().all(|weight| (0.01..=100.0).contains(weight)) && ntk != [1.0; 3], "{ntk:?}");
    assert_eq!(update(&LossConfig::default()), [1.0; 3]);
    // A tangent is the norm of the gradient of one residual: that of its square over twice the residual.
    let residuals = points.residuals(network, &parameters);
    let mut weights = vec![0.0; 512];
    weights[100] = 1.0;
    let mut gradient = vec![0.0; parameters.len()];
    Objective { points: &points, weights: &weights, penalty: 0.0 }.evaluate(network, &parameters, &mut gradient);
    let wanted = gradient.iter().map(|g| (g / (2.0 * residuals[100])).powi(2)).sum::<f64>();
    assert!((points.tangent(network, &parameters, 100) / wanted - 1.0).abs() < 1e-9);
}

#[test]
fn bad_configs_are_refused_by_key() {
    let refused = |text: &str, words: &[&str]| {
        let said = PinnConfig::parse(text).unwrap_err().to_string();
        words.iter().for_each(|word| assert!(said.contains(word), "{word} is not in: {said}"));
    };
    refused("[problem]\nequation = \"vasicek\"", &["vasicek", "black_scholes"]);
    refused("[problem]\nequation = \"heston\"", &["problem.heston", "kappa"]);
    refused("[problem]\nequation = \"local_volatility\"", &["problem.local_volatility", "skew"]);
    refused(
        &format!("[problem]\n{}", HESTON.replace("heston\"", "black_scholes\"")),
        &["problem.heston", "none where"],
    );
    refused(
        "[problem]\nequation = \"black_scholes\"\n[network]\nactivation = \"relu\"",
        &["network.activation", "second"],
    );
    refused("[problem]\nequation = \"black_scholes\"\n[network]\nwidht = 3", &["widht", "width"]);
    refused(
        "[problem]\nequation = \"black_scholes\"\n[problem.domain]\nvolatility = [0.5, 0.1]",
        &["problem.domain.volatility"],
    );
    refused("[problem]\nequation = \"black_scholes\"\n[training]\nadam_rounds = 0\nrounds = 0", &["training.rounds"]);
    let example = PinnConfig::parse(EXAMPLE).unwrap();
    // What the example says is what holds where it says nothing.
    assert_eq!(example, config(PLAIN, ""));
}

#[test]
fn a_forward_pass_in_blocks_is_that_of_single_points() {
    let config = small(HESTON, "tanh");
    let (problem, network) = (Problem::new(&config), network_of(&config));
    let parameters = Solution::untrained(config).parameters;
    let places = spread(&problem, 70, 1, 0);
    let together = Points::new(&problem, places.clone()).map(network, &parameters, |_, last| *last);
    for (place, together) in places.into_iter().zip(together) {
        let alone = Points::new(&problem, vec![place]).map(network, &parameters, |_, last| *last)[0];
        assert!(alone.iter().zip(together).all(|(a, b)| (a - b).abs() <= 1e-10 * (1.0 + b.abs())));
    }
}
