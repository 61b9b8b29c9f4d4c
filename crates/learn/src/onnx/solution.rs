//! A network that solves a pricing equation in the graph: coordinates, features, layers, and the ansatz that makes a price of the last number.
//!
//! Formulae  those of `physics/problem.rs` and `physics/ansatz.rs`; 1 − e^(−y) as in `features`, and sinh by its exponentials, since runtimes
//!           have Sinh in f32 alone

use super::features::{gone, heston_deviation};
use super::graph::{GraphBuilder, INPUT, int};
use super::layers::activate;
use crate::physics::problem::{BEND, MOST_LOG_MONEYNESS};
use crate::physics::{HestonConfig, LocalVolatilityConfig, Solution};

/// Where a point lies, as names of rows × 1.
struct Place {
    log_moneyness: String,
    deviation: String,
    /// The features but the bent moneyness and the deviation.
    more: Vec<String>,
}

/// Adds the whole network; gives the undiscounted call over the strike.
pub(super) fn call(graph: &mut GraphBuilder, solution: &Solution) -> String {
    let columns = graph.columns("columns", INPUT, solution.input_names());
    let place = place(graph, solution, &columns);
    let s = &place.deviation;
    let at = |part: &str| format!("coordinates/{part}");
    // k/s, cut to where arithmetic is good.
    let most = graph.scalar(MOST_LOG_MONEYNESS);
    let most = graph.node(&at("most"), "Div", &[&most, s]);
    let least = graph.node(&at("least"), "Neg", &[&most]);
    let x = graph.node(&at("whole"), "Div", &[&place.log_moneyness, s]);
    let x = graph.node(&at("not_above"), "Min", &[&x, &most]);
    let x = graph.node(&at("x"), "Max", &[&x, &least]);
    let features = features(graph, solution, &x, &place);
    let last = layers(graph, solution, &features);
    ansatz(graph, solution, (&last, &x, s), &columns[0])
}

fn place(graph: &mut GraphBuilder, solution: &Solution, columns: &[String]) -> Place {
    let log_moneyness = graph.node("coordinates/log_moneyness", "Log", &[&columns[0]]);
    let ([_, longest], extra) = solution.problem().scales();
    let problem = &solution.config.problem;
    match (&problem.local_volatility, &problem.heston) {
        (Some(local), _) => local_volatility(graph, local, columns, (log_moneyness, extra)),
        (None, Some(heston)) => stochastic(graph, heston, columns, (log_moneyness, longest, extra[1])),
        (None, None) => {
            let root = graph.node("coordinates/sqrt_expiry_years", "Sqrt", &[&columns[1]]);
            let deviation = graph.node("coordinates/deviation", "Mul", &[&columns[2], &root]);
            Place { log_moneyness, deviation, more: Vec::new() }
        }
    }
}

/// s = σ g(κ) √∫h², and κ scaled.
fn local_volatility(
    graph: &mut GraphBuilder,
    local: &LocalVolatilityConfig,
    columns: &[String],
    (log_moneyness, [from, to]): (String, [f64; 2]),
) -> Place {
    let LocalVolatilityConfig { skew, smile, width, short_over_long, decay_years, .. } = *local;
    let at = |part: &str| format!("coordinates/{part}");
    let scalars = [1.0, skew, smile, width, decay_years, decay_years * (short_over_long * short_over_long - 1.0)];
    let [one, skew, smile, width, decay, excess] = scalars.map(|value| graph.scalar(value));
    let kappa = graph.node(&at("log_strike_over_reference"), "Log", &[&columns[2]]);
    let bent = graph.node(&at("over_width"), "Div", &[&kappa, &width]);
    let t = graph.node(&at("tanh"), "Tanh", &[&bent]);
    let slope = graph.node(&at("smile_part"), "Mul", &[&smile, &t]);
    let slope = graph.node(&at("slope"), "Add", &[&skew, &slope]);
    let change = graph.node(&at("change"), "Mul", &[&t, &slope]);
    let level = graph.node(&at("level"), "Add", &[&one, &change]);
    let years = graph.node(&at("expiry_over_decay"), "Div", &[&columns[1], &decay]);
    let gone = gone(graph, &at("clock"), &years);
    let more = graph.node(&at("clock_excess"), "Mul", &[&excess, &gone]);
    let clock = graph.node(&at("clock"), "Add", &[&columns[1], &more]);
    let root = graph.node(&at("sqrt_clock"), "Sqrt", &[&clock]);
    let volatility = graph.node(&at("volatility"), "Mul", &[&columns[3], &level]);
    let deviation = graph.node(&at("deviation"), "Mul", &[&volatility, &root]);
    let [scale, shift] = [3.0 / (to - from), -3.0 * from / (to - from) - 1.5];
    let shown = line(graph, "features/strike_over_reference", &kappa, [scale, shift]);
    Place { log_moneyness, deviation, more: vec![shown] }
}

/// s² the expected variance to τ; √τ and √v scaled.
fn stochastic(
    graph: &mut GraphBuilder,
    heston: &HestonConfig,
    columns: &[String],
    (log_moneyness, longest, most_variance): (String, f64, f64),
) -> Place {
    let HestonConfig { kappa, theta_v, .. } = *heston;
    let [kappa, theta] = [kappa, theta_v].map(|value| graph.scalar(value));
    let deviation = heston_deviation(graph, &columns[1], [&columns[2], &kappa, &theta]);
    let root = graph.node("coordinates/sqrt_expiry_years", "Sqrt", &[&columns[1]]);
    let time = line(graph, "features/sqrt_expiry_years", &root, [3.0 / longest.sqrt(), -1.2]);
    let from = 0.25 * theta_v;
    let raised = line(graph, "coordinates/raised_variance", &columns[2], [1.0, from]);
    let root = graph.node("coordinates/sqrt_variance", "Sqrt", &[&raised]);
    let variance = line(graph, "features/sqrt_variance", &root, [3.0 / (most_variance + from).sqrt(), -1.5]);
    Place { log_moneyness, deviation, more: vec![time, variance] }
}

/// scale·x + shift
fn line(graph: &mut GraphBuilder, name: &str, x: &str, [scale, shift]: [f64; 2]) -> String {
    let (scale, shift) = (graph.scalar(scale), graph.scalar(shift));
    let scaled = graph.node(&format!("{name}/scaled"), "Mul", &[&scale, x]);
    graph.node(name, "Add", &[&scaled, &shift])
}

/// Rows × features, of the layers' precision.
fn features(graph: &mut GraphBuilder, solution: &Solution, x: &str, place: &Place) -> String {
    let at = |part: &str| format!("features/moneyness/{part}");
    let [one, bend, size] = [1.0, BEND, 0.4].map(|value| graph.scalar(value));
    let bent = graph.node(&at("bent"), "Div", &[x, &bend]);
    let square = graph.node(&at("square"), "Mul", &[&bent, &bent]);
    let sum = graph.node(&at("sum"), "Add", &[&one, &square]);
    let root = graph.node(&at("root"), "Sqrt", &[&sum]);
    let ratio = graph.node(&at("ratio"), "Div", &[x, &root]);
    let moneyness = graph.node("features/moneyness", "Mul", &[&size, &ratio]);
    let ([most_deviation, _], _) = solution.problem().scales();
    let deviation = line(graph, "features/deviation", &place.deviation, [3.0 / most_deviation, -1.2]);
    let shown: Vec<&str> = [&moneyness, &deviation].into_iter().chain(&place.more).map(String::as_str).collect();
    let raw = graph.node_with("features/raw", "Concat", &shown, vec![int("axis", 1)]);
    graph.cast_for_layers("features", &raw)
}

/// The network's number, of the layers' precision.
fn layers(graph: &mut GraphBuilder, solution: &Solution, features: &str) -> String {
    let network = solution.network();
    let mut activations = features.to_owned();
    for layer in 0..=network.depth {
        let name = if layer == network.depth { "out".to_owned() } else { format!("hidden.{layer}") };
        let [begin, bias] = network.places(layer);
        let units = network.units(layer);
        // Units × inputs, column after column, are inputs × units, row after row.
        let dims = [network.inputs(layer) as i64, units as i64];
        let weight = graph.weights(&format!("{name}.weight"), &solution.parameters[begin..bias], &dims);
        let bias = graph.weights(&format!("{name}.bias"), &solution.parameters[bias..bias + units], &dims[1..]);
        let sums = graph.node(&format!("{name}/sums"), "Gemm", &[&activations, &weight, &bias]);
        activations = if layer == network.depth { sums } else { activate(graph, network.activation, &name, &sums) };
    }
    activations
}

/// (m − 1)/2 + √m D with D = √(h² + Y), not below 0.
fn ansatz(graph: &mut GraphBuilder, solution: &Solution, (last, x, s): (&str, &str, &str), moneyness: &str) -> String {
    let at = |part: &str| format!("output/{part}");
    let decay = solution.config.network.envelope_decay;
    let [zero, half, one, two, decay] = [0.0, 0.5, 1.0, 2.0, decay].map(|value| graph.scalar(value));
    let number = graph.cast_for_features(&at("last"), last);
    // E(x) = −β(√(1 + x²) − 1)
    let square = graph.node(&at("x_squared"), "Mul", &[x, x]);
    let sum = graph.node(&at("one_plus_x_squared"), "Add", &[&one, &square]);
    let root = graph.node(&at("hyperbola"), "Sqrt", &[&sum]);
    let fall = graph.node(&at("one_less_hyperbola"), "Sub", &[&one, &root]);
    let envelope = graph.node(&at("envelope"), "Mul", &[&decay, &fall]);
    let log = graph.node(&at("log_deviation"), "Log", &[s]);
    let log = graph.node(&at("log_variance"), "Mul", &[&two, &log]);
    let q = graph.node(&at("number_and_envelope"), "Add", &[&number, &envelope]);
    let q = graph.node(&at("q"), "Add", &[&q, &log]);
    let negative = graph.node(&at("negative"), "Neg", &[&q]);
    let odds = graph.node(&at("odds"), "Exp", &[&negative]);
    let below = graph.node(&at("one_plus_odds"), "Add", &[&one, &odds]);
    let product = graph.node(&at("product"), "Div", &[&one, &below]);
    // h = sinh(x s/2)
    let k = graph.node(&at("log_moneyness"), "Mul", &[x, s]);
    let k = graph.node(&at("half_log_moneyness"), "Mul", &[&half, &k]);
    let minus = graph.node(&at("minus_half_log_moneyness"), "Neg", &[&k]);
    let [rising, falling] = [("rising", &k), ("falling", &minus)].map(|(name, k)| graph.node(&at(name), "Exp", &[k]));
    let twice = graph.node(&at("twice_sinh"), "Sub", &[&rising, &falling]);
    let h = graph.node(&at("sinh"), "Mul", &[&half, &twice]);
    let square = graph.node(&at("sinh_squared"), "Mul", &[&h, &h]);
    let sum = graph.node(&at("sum"), "Add", &[&square, &product]);
    let d = graph.node(&at("d"), "Sqrt", &[&sum]);
    let root = graph.node(&at("sqrt_moneyness"), "Sqrt", &[moneyness]);
    let straddle = graph.node(&at("sqrt_moneyness_times_d"), "Mul", &[&root, &d]);
    let excess = graph.node(&at("excess"), "Sub", &[moneyness, &one]);
    let excess = graph.node(&at("half_excess"), "Mul", &[&half, &excess]);
    let call = graph.node(&at("whole"), "Add", &[&excess, &straddle]);
    graph.node(&at("call"), "Max", &[&call, &zero])
}

#[cfg(test)]
mod tests {
    use zomma_base::Status;

    use super::super::tests::interpreter::run;
    use super::super::{DOMAIN_KEY, INPUTS_KEY, MODEL_KEY, Precision, decode, encode, export_solution, metadata};
    use super::*;
    use crate::data::uniform;
    use crate::network::Activation;
    use crate::physics::{EXAMPLE, EquationKind, PinnConfig};

    fn solution(equation: EquationKind, activation: Activation, depth: usize) -> Solution {
        let mut config = PinnConfig::parse(EXAMPLE).unwrap();
        config.problem.equation = equation;
        config.problem.local_volatility =
            (equation == EquationKind::LocalVolatility).then_some(LocalVolatilityConfig {
                skew: -0.3,
                smile: 0.2,
                width: 0.5,
                short_over_long: 1.4,
                decay_years: 0.5,
                reference: 80.0,
                strike_over_reference: [0.6, 1.6],
            });
        config.problem.heston = (equation == EquationKind::Heston).then_some(HestonConfig {
            kappa: 1.5,
            theta_v: 0.06,
            sigma_v: 0.5,
            rho_v: -0.6,
        });
        (config.network.activation, config.network.depth, config.network.envelope_decay) = (activation, depth, 0.7);
        config.check().unwrap();
        let mut solution = Solution::untrained(config);
        // A last layer that says something.
        solution.parameters.iter_mut().for_each(|x| *x *= 1.5);
        let bias = solution.parameters.len() - 1;
        solution.parameters[bias] = -2.0;
        solution
    }

    /// Rows of the domain that f32 holds exactly.
    fn rows(solution: &Solution, count: usize) -> Vec<f64> {
        let ranges = solution.input_ranges().unwrap();
        let number = |i: usize| {
            let [least, most] = ranges[i % ranges.len()];
            f64::from((least + (most - least) * uniform(7, i as u64)) as f32)
        };
        (0..count * ranges.len()).map(number).collect()
    }

    #[test]
    fn a_network_of_every_equation_is_itself_in_every_precision() {
        for equation in EquationKind::ALL {
            for (activation, depth) in [
                (Activation::Tanh, 3),
                (Activation::Gelu, 1),
                (Activation::Silu, 2),
                (Activation::Softplus, 2),
                (Activation::Sine, 4),
            ] {
                let solution = solution(equation, activation, depth);
                let inputs = rows(&solution, 100);
                let wanted = solution.calls(&inputs);
                let time_value = |(row, call): (&[f64], &f64)| call - (row[0] - 1.0).max(0.0);
                let worth = inputs.chunks_exact(equation.input_names().len()).zip(&wanted).map(time_value);
                // Half of the rows are no intrinsic values alone.
                assert!(worth.filter(|worth| *worth > 1e-3).count() > 50, "{equation:?}");
                for precision in [Precision::Double, Precision::Mixed, Precision::Float] {
                    let model = decode(&encode(&export_solution(&solution, precision).unwrap())).unwrap();
                    assert_eq!(metadata(&model, MODEL_KEY), Some(equation.as_str()));
                    assert_eq!(metadata(&model, INPUTS_KEY), Some(equation.input_names().join(",").as_str()));
                    let allowed = match precision {
                        Precision::Double if activation != Activation::Gelu => 1e-12,
                        _ => 3e-6,
                    };
                    for ((found, wanted), row) in
                        run(&model, &inputs).iter().zip(&wanted).zip(inputs.chunks_exact(equation.input_names().len()))
                    {
                        let error = (found - wanted).abs();
                        assert!(error <= allowed, "{equation:?} {activation:?} {precision:?} {row:?}: {error:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn its_domain_is_priced_at_every_rate_and_its_problem_is_told() {
        for equation in EquationKind::ALL {
            let solution = solution(equation, Activation::Tanh, 2);
            let model = export_solution(&solution, Precision::Double).unwrap();
            let domain: serde_json::Value = serde_json::from_str(metadata(&model, DOMAIN_KEY).unwrap()).unwrap();
            for (name, [least, most]) in equation.input_names().iter().zip(solution.input_ranges().unwrap()) {
                assert_eq!((domain[name]["min"].as_f64(), domain[name]["max"].as_f64()), (Some(least), Some(most)));
            }
            let told = metadata(&model, "zomma.problem").unwrap();
            assert!(told.contains(&format!("\"equation\":\"{}\"", equation.as_str())), "{told}");
            // Every corner is priced, and what is beyond is not.
            let ranges = solution.input_ranges().unwrap();
            let corners = 1usize << ranges.len();
            for corner in 0..corners {
                let of = |(i, [least, most]): (usize, &[f64; 2])| if corner >> i & 1 == 0 { *least } else { *most };
                let inputs: Vec<f64> = ranges.iter().enumerate().map(of).collect();
                assert_eq!(solution.status(&solution.row(&inputs)), Status::Ok, "{equation:?} {inputs:?}");
            }
            let beyond: Vec<f64> = ranges.iter().map(|[_, most]| 1.01 * most).collect();
            assert_ne!(solution.status(&solution.row(&beyond)), Status::Ok, "{equation:?}");
        }
    }

    #[test]
    fn a_domain_without_a_row_that_was_trained_on_is_refused_by_its_key() {
        let with = |rates: [f64; 2], years: [f64; 2]| {
            let mut solution = solution(EquationKind::BlackScholes, Activation::Tanh, 2);
            let domain = &mut solution.config.problem.domain;
            (domain.spot_over_strike, domain.risk_free_rate, domain.expiry_years) = ([0.8, 1.25], rates, years);
            solution.config.check().unwrap();
            solution
        };
        // Spots of ten years at 5 % are carried to 1.32 strikes and more, those of a week to 1.25 and less.
        let error = export_solution(&with([0.05, 0.0501], [0.02, 10.0]), Precision::Double).unwrap_err().to_string();
        let words =
            ["problem.domain.spot_over_strike: [0.8, 1.25] is not allowed", "[0.02, 10.0] years", "1.3189", "1.2512"];
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        // With falling rates the other way round.
        assert!(with([-0.0501, -0.05], [0.02, 10.0]).input_ranges().is_err());
        // One rate or another carries a spot of the domain to each of these.
        let solution = with([-0.05, 0.05], [0.02, 10.0]);
        let ranges = solution.input_ranges().unwrap();
        let [least, most] = ranges[0];
        assert!(least < 0.81 && most > 1.24, "{least} {most}");
        for [years, forward] in [[0.02, least], [0.02, most], [10.0, least], [10.0, most]] {
            let is_trained = |rate: f64| (0.8..=1.25).contains(&(forward * (-rate * years).exp()));
            assert!((0..=100).any(|i| is_trained(-0.05 + 0.001 * f64::from(i))), "{years} {forward}");
        }
    }
}
