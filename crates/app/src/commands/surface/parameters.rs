//! `zomma surface parameters`: the parameters of SVI slices, in the form that is asked for.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use zomma_pricing::surface::fitted::SviParameters;

use crate::{commands, failure::BadArguments, output_file, surface};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
A row an expiry: expiry_years and five parameters (Gatheral and Jacquier 2014, section 3).
  raw         a, b, rho, m, sigma: w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2))
  natural     delta, mu, rho, omega, zeta
  jump_wings  variance a year at the money, skew (slope of volatility there times the root of time), put_slope, call_slope,
              least_variance a year
A slice that has no such form (a straight line has no natural one) leaves its cells empty and is told on standard error.

Example:
  $ zomma surface parameters surface.json --form jump_wings";

/// Arguments of `zomma surface parameters`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ParametersArgs {
    /// The surface, of the model svi: a file of `zomma surface fit` or of `zomma analyze`.
    #[arg(value_name = "SURFACE.json")]
    surface: PathBuf,
    /// The form: raw, natural or jump_wings.
    #[arg(long, default_value = "raw", value_parser = parse_form)]
    form: SviParameters,
    /// Where to, as CSV; `-` is standard output.
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
}

/// Runs it.
pub fn run(args: &ParametersArgs) -> anyhow::Result<()> {
    let saved = surface::read(&args.surface)?;
    let Some(slices) = saved.svi_parameters(args.form) else {
        let model = saved.surface.model().as_str();
        bail!(BadArguments(format!(
            "{}: is a surface of {model}; allowed: of svi, whose slices have these forms",
            args.surface.display()
        )));
    };
    let mut text = format!("expiry_years,{}\n", args.form.names().join(","));
    for (years, numbers) in slices {
        let cells = match numbers {
            Ok(numbers) => numbers.map(|number| number.to_string()).join(","),
            Err(error) => {
                eprintln!("zomma surface parameters: expiry_years {years}: {error}");
                ",".repeat(args.form.names().len() - 1)
            }
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{years},{cells}");
    }
    if args.output == Path::new("-") {
        return commands::print(&text);
    }
    output_file::write(&args.output, text.as_bytes()).with_context(|| format!("cannot write {}", args.output.display()))
}

fn parse_form(text: &str) -> Result<SviParameters, String> {
    let allowed = || format!("allowed: {}", SviParameters::ALL.map(SviParameters::as_str).join(", "));
    SviParameters::parse(text).ok_or_else(allowed)
}
