//! `zomma surface`: volatility surfaces of any model, fitted, asked, told in any form, checked, drawn, compared and followed from day to day.

mod check;
mod compare;
mod fit;
mod history;
pub mod model_args;
mod parameters;
mod plot;
mod query;

use clap::{Args, Subcommand};

/// Arguments of `zomma surface`.
#[derive(Debug, Args)]
pub struct SurfaceArgs {
    #[command(subcommand)]
    command: SurfaceCommand,
}

#[derive(Debug, Subcommand)]
enum SurfaceCommand {
    /// Fit a surface to a chain or a table of volatilities.
    Fit(Box<fit::FitArgs>),
    /// Volatility, total variance, density and local volatility at points.
    Query(Box<query::QueryArgs>),
    /// The parameters of SVI slices: raw, natural or jump wings.
    Parameters(parameters::ParametersArgs),
    /// Look for static arbitrage; exit code 1 where there is any, 2 where the file cannot be read.
    Check(check::CheckArgs),
    /// Draw a surface, as SVG or as an interactive page.
    Plot(Box<plot::PlotArgs>),
    /// Fit several models to the same quotes and compare them.
    Compare(Box<compare::CompareArgs>),
    /// Fit many days, each with the day before as its prior, and follow the parameters.
    History(Box<history::HistoryArgs>),
}

/// Runs it.
pub fn run(args: &SurfaceArgs) -> anyhow::Result<()> {
    match &args.command {
        SurfaceCommand::Fit(args) => fit::run(args),
        SurfaceCommand::Query(args) => query::run(args),
        SurfaceCommand::Parameters(args) => parameters::run(args),
        SurfaceCommand::Check(args) => check::run(args),
        SurfaceCommand::Plot(args) => plot::run(args),
        SurfaceCommand::Compare(args) => compare::run(args),
        SurfaceCommand::History(args) => history::run(args),
    }
}
