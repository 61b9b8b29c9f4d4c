//! `zomma surface check`: where a surface has static arbitrage.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

use clap::Args;
use zomma_pricing::surface::{DensityMaxima, density_maxima, violations};

use crate::{
    commands,
    failure::{self, ExitWith},
    surface,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Durrleman's g (the density's sign) at every expiry and at the quarters between neighbours, over the quoted strikes and a quarter of
their span beyond, and the rise of total variance to half way and to the next expiry, on 601 points and at the minima between them.
Exit code 0 without a violation, 1 with any, 2 where the file cannot be read as a surface. Local maxima of each slice's density within the quoted strikes are counted too: more than
one or two say that the surface follows noise.

Example:
  $ zomma surface check surface.json
  surface.json: svi, 41 expiries: no arbitrage at 49491 points (least g 3.1e-4)
    local maxima of the density: 1 on 41 slices";

/// Arguments of `zomma surface check`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct CheckArgs {
    /// The surface: a file of `zomma surface fit` or of `zomma analyze`.
    #[arg(value_name = "SURFACE.json")]
    surface: PathBuf,
    /// Print what was found as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &CheckArgs) -> anyhow::Result<()> {
    // 1 is the verdict of a file that could be read.
    let unread = |error: anyhow::Error| ExitWith { code: 2, message: Some(failure::words(&error)) };
    let saved = surface::read(&args.surface).map_err(unread)?;
    let covered = saved.coverage();
    let (report, found) = violations(&saved, &covered);
    let maxima = density_maxima(&saved, &covered);
    let printed = if args.json {
        let value = serde_json::json!({ "arbitrage": report, "violations": found, "density_maxima": maxima });
        commands::print(&(serde_json::to_string_pretty(&value)? + "\n"))
    } else {
        let mut text = String::new();
        let name = args.surface.display();
        let model = saved.surface.model().as_str();
        let head = format!("{name}: {model}, {} expiries: ", saved.slices.len());
        // Writing to a string does not fail.
        let _ = if found.is_empty() {
            writeln!(text, "{head}no arbitrage at {} points (least g {:.1e})", report.points, report.least_g)
        } else {
            writeln!(text, "{head}{} violations", found.len())
        };
        if !found.is_empty() {
            let _ = writeln!(
                text,
                "  {:<11}{:>13}{:>15}{:>12}   over log-moneyness",
                "kind", "expiry_years", "log_moneyness", "size"
            );
        }
        for violation in &found {
            let [low, high] = violation.log_moneyness_range;
            let _ = writeln!(
                text,
                "  {:<11}{:>13.6}{:>15.5}{:>12.3e}   {low:.5} to {high:.5}",
                violation.kind.as_str(),
                violation.expiry_years,
                violation.log_moneyness,
                violation.size
            );
        }
        let _ = writeln!(text, "  {}", humps(&maxima));
        commands::print(&text)
    };
    // The verdict stands also where the reader of the list went away.
    if found.is_empty() { printed } else { Err(ExitWith { code: 1, message: None }.into()) }
}

/// How many slices have how many maxima.
fn humps(maxima: &[DensityMaxima]) -> String {
    let mut slices: BTreeMap<usize, usize> = BTreeMap::new();
    for slice in maxima {
        *slices.entry(slice.log_moneyness.len()).or_default() += 1;
    }
    let parts: Vec<String> = slices.iter().map(|(count, slices)| format!("{count} on {slices}")).collect();
    format!("local maxima of the density: {} slices", parts.join(", "))
}
