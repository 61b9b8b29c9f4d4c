//! What came of a run, for people and for programs.

use std::{fmt::Write, path::Path};

use serde_json::{Value, json as value};
use zomma_learn::physics::{Comparison, KINK_DEVIATION, PinnEnding, Solution, Validation};

use super::{Speed, Studied};

/// All that is told.
pub struct Report<'a> {
    /// Where it lies.
    pub folder: &'a Path,
    /// Why training ended.
    pub ending: PinnEnding,
    /// The network.
    pub solution: &'a Solution,
    /// What it is worth.
    pub validation: &'a Validation,
    /// What it costs.
    pub speed: Speed,
    /// The convergence study; empty where none was asked for.
    pub study: Vec<Studied>,
}

fn errors(text: &mut String, found: &Comparison) {
    let Comparison { name, rows, price, time_value, delta, gamma, theta, price_max, .. } = found;
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "  {name:<34}{rows:>7}{price:>11.2e}{time_value:>12.2e}{delta:>11.2e}{gamma:>11.2e}{theta:>11.2e}{price_max:>11.2e}"
    );
}

/// The table that ends the command.
pub fn table(report: &Report<'_>) -> String {
    let Report { folder, ending, solution, validation, speed, study } = report;
    let Validation { reference, untrained, trained, coverage, stress, compared } = validation;
    let mut text = String::new();
    let rounds = &solution.standing.rounds;
    let ended = match ending {
        PinnEnding::Converged => "the held-out residual is below the tolerance",
        PinnEnding::StoodStill => "the held-out residual stood still",
        PinnEnding::Finished | PinnEnding::Interrupted => "all rounds are done",
    };
    let evaluations: u64 = rounds.iter().map(|round| round.evaluations).sum();
    let _ = writeln!(
        text,
        "{}: {} rounds, {evaluations} evaluations in {:.1} s; {ended}: {:.2e}",
        folder.join("network.bin").display(),
        rounds.len(),
        speed.training_seconds,
        solution.standing.best().map_or(f64::NAN, |(_, least)| least)
    );
    let _ = writeln!(
        text,
        "\n  errors against {}, ‖error‖/‖reference‖; gamma and theta where s is at least {KINK_DEVIATION}; worst price in strikes\n\
         \n  {:<34}{:>7}{:>11}{:>12}{:>11}{:>11}{:>11}{:>11}",
        reference.as_str(),
        "",
        "options",
        "price",
        "time value",
        "delta",
        "gamma",
        "theta",
        "worst"
    );
    for found in [untrained, trained].into_iter().chain(stress) {
        errors(&mut text, found);
    }
    let _ = writeln!(
        text,
        "\n  the residual's bound covers {:.2} % of the errors, at {:.1} times the error (median); bound {:.1e}, error {:.1e} of the strike (means)\n\
         \x20 twice the body's mean residual covers {:.2} %, its mean {:.1e}",
        100.0 * coverage.bound,
        coverage.bound_over_error,
        coverage.bound_mean,
        coverage.error_mean,
        100.0 * coverage.typical,
        2.0 * coverage.typical_mean
    );
    let _ = writeln!(
        text,
        "\n  {:<5}{:>9}{:>10}{:>8}{:>8}{:>8}{:>7}{:>12}{:>12}{:>12} ± {:<9}{:>7}{:>12}",
        "type",
        "spot",
        "strike",
        "years",
        "rate",
        "yield",
        "vol",
        "network",
        "reference",
        "Monte Carlo",
        "s.e.",
        "s.e.s",
        "grid"
    );
    for one in compared {
        let _ = writeln!(
            text,
            "  {:<5}{:>9.3}{:>10.3}{:>8.3}{:>8.4}{:>8.4}{:>7.3}{:>12.5}{:>12.5}{:>12.5} ± {:<9.5}{:>7.2}{:>12.5}",
            one.option_type.as_str(),
            one.spot,
            one.strike,
            one.expiry_years,
            one.risk_free_rate,
            one.dividend_yield,
            one.volatility,
            one.pinn,
            one.reference,
            one.monte_carlo,
            one.standard_error,
            (one.pinn - one.monte_carlo) / one.standard_error.max(f64::MIN_POSITIVE),
            one.finite_difference
        );
    }
    if !study.is_empty() {
        let _ = writeln!(
            text,
            "\n  {:<10}{:>7}{:>9}{:>7}{:>12}{:>11}{:>11}{:>11}",
            "study of", "width", "points", "steps", "residual", "price", "delta", "gamma"
        );
        for Studied { varied, width, points, steps, held_out_residual, price, delta, gamma } in study {
            let _ = writeln!(
                text,
                "  {varied:<10}{width:>7}{points:>9}{steps:>7}{held_out_residual:>12.2e}{price:>11.2e}{delta:>11.2e}{gamma:>11.2e}"
            );
        }
    }
    text.push_str(&honest(speed));
    text
}

/// What the accuracy costs by each method.
fn honest(speed: &Speed) -> String {
    let Speed { training_seconds, pinn, crank_nicolson, series, closed_form } = speed;
    let mut text = format!(
        "\n  time to this accuracy ({:.1e}): the network {training_seconds:.1} s of training, then {:.1} µs an option",
        pinn.price,
        pinn.option_ns / 1e3
    );
    match crank_nicolson {
        Some(method) => {
            let _ = write!(
                text,
                "; Crank–Nicolson {:.1} µs an option ({}, {:.1e})",
                method.option_ns / 1e3,
                method.name,
                method.price
            );
        }
        None => text.push_str("; no grid tried is as accurate"),
    }
    if let Some(method) = series {
        let _ = write!(text, "; the series {:.2} µs ({:.1e})", method.option_ns / 1e3, method.price);
    }
    if let Some(method) = closed_form {
        let _ = write!(text, "; the closed form {:.3} µs", method.option_ns / 1e3);
    }
    let rivals = crank_nicolson.iter().chain(series).chain(closed_form);
    let Some(best) = rivals.map(|method| method.option_ns).min_by(f64::total_cmp) else { return text + "\n" };
    if pinn.option_ns < best {
        let options = training_seconds * 1e9 / (best - pinn.option_ns);
        let _ = writeln!(
            text,
            ".\n  The network has earned its training after {options:.1e} options against the best of these."
        );
    } else {
        text.push_str(".\n  The network never earns its training here: another method is as accurate and faster from the first option on.\n");
    }
    text
}

/// The same for programs.
pub fn json(report: &Report<'_>) -> Value {
    let Report { folder, ending, solution, validation, speed, study } = report;
    value!({
        "folder": folder,
        "network": folder.join("network.bin"),
        "plot": folder.join("report.svg"),
        "equation": solution.config.problem.equation.as_str(),
        "ending": ending.as_str(),
        "parameters": solution.parameters.len(),
        "rounds": solution.standing.rounds,
        "held_out_residual": solution.standing.best().map(|(_, least)| least),
        "validation": validation,
        "speed": speed,
        "study": study,
    })
}
