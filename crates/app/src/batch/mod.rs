//! `zomma price|iv|greeks`: a table in, the same table with results and a status a row out.
//!
//! The table streams in chunks: one thread reads, rayon's threads parse, value and format, one thread writes in the input's order.
//! At most a few chunks a thread are in memory, however long the table is.

mod args;
mod arrow_cells;
mod book;
mod by_network;
mod csv_cells;
mod engine;
mod evaluate;
mod expiry;
mod fields;
mod holdings;
mod implied;
mod late_bar;
mod numbers;
mod pipeline;
mod query;
mod request;
mod schedule;
mod sink;
mod source;
mod tally;
mod terms;
mod timed;

pub use args::{BatchArgs, DividendArgs, Format, MethodArgs, Precision, Units, parse_model};
pub use arrow_cells::{append_line, append_rows, cells};
pub use book::{Book, read as read_book};
pub use by_network::ByNetwork;
pub use engine::Engine;
pub use expiry::parse_instant;
pub use fields::Defaults;
pub use holdings::{Holdings, read as read_holdings};
pub use late_bar::LateBar;
pub use numbers::{NumberColumns, read as read_numbers};
pub use query::{ask as ask_surface, columns as query_columns};
pub use schedule::{of_chains as dividends_of_chains, unread_by_chains};
pub use source::{not_text, open};
pub use timed::{TimedColumns, read as read_timed};

use std::time::Instant;

use anyhow::Context;
use args::Plan;
use zomma_pricing::{
    black::Greek,
    surface::fitted::SavedSurface,
    valuation::{Method, Order, Settings},
};

/// What is computed for every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The price, and Greeks up to an order.
    Price(Order, Units),
    /// The implied volatility of the price.
    ImpliedVolatility,
    /// The price and all Greeks.
    Greeks(Units),
    /// What a surface says at points of it.
    Query,
}

impl Verb {
    /// As the user types it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Price(..) => "price",
            Self::ImpliedVolatility => "iv",
            Self::Greeks(_) => "greeks",
            Self::Query => "surface query",
        }
    }

    /// Up to which order Greeks are wanted, and their units; none where the verb values nothing.
    pub fn order(self) -> Option<(Order, Units)> {
        match self {
            Self::Price(order, units) => Some((order, units)),
            Self::ImpliedVolatility | Self::Query => None,
            Self::Greeks(units) => Some((Order::All, units)),
        }
    }

    /// Names of the numeric result columns; `status` follows them.
    pub fn result_columns(self) -> Vec<&'static str> {
        match (self, self.order()) {
            (Self::Query, _) => query::COLUMNS.to_vec(),
            (_, None) => vec!["implied_volatility"],
            (_, Some((order, _))) => order.quantities().map(Greek::as_str).collect(),
        }
    }
}

/// Runs a verb over a table.
pub fn run(verb: Verb, args: &BatchArgs, settings: Settings, dividends: &DividendArgs) -> anyhow::Result<()> {
    let mut plan = args.plan(verb, settings)?;
    plan.defaults.dividends = dividends.schedule(&args.input, args.valuation_time)?;
    run_plan(args, plan)
}

/// Prices a table by a network, or takes its implied volatilities of one. The rows' model is the network's.
pub fn run_by_network(args: &BatchArgs, network: ByNetwork) -> anyhow::Result<()> {
    let verb = match network {
        ByNetwork::Prices(_) | ByNetwork::Equation(_) => Verb::Price(Order::None, Units::Raw),
        ByNetwork::Volatilities(_) => Verb::ImpliedVolatility,
    };
    let mut plan = args.plan(verb, Settings::default())?;
    plan.defaults.model = network.model();
    plan.defaults.exercise = network.exercise();
    run_plan(args, Plan { network: Some(network), ..plan })
}

/// Asks a surface at the points of a table.
pub fn run_query(args: &BatchArgs, surface: SavedSurface) -> anyhow::Result<()> {
    let plan = args.plan(Verb::Query, Settings::default())?;
    run_plan(args, Plan { surface: Some(surface), ..plan })
}

fn run_plan(args: &BatchArgs, mut plan: Plan) -> anyhow::Result<()> {
    let (started, verb) = (Instant::now(), plan.verb);
    let source = source::open(&args.input)?;
    let name = args.input_name();
    let mut results = verb.result_columns();
    if verb.order().is_some() && plan.network.is_none() {
        // Without a named method, contracts with terms of their own may go to engines that state an error.
        let terms = plan.defaults.dividends.is_some() || fields::names_terms(source.columns());
        let mixed = (plan.settings.method == Method::Auto && terms).then_some("error_estimate");
        plan.error_column = plan.settings.method.error_column().or(mixed);
    }
    results.extend(plan.error_column);
    if let (Some((order, _)), Method::MonteCarlo, None) = (verb.order(), plan.settings.method, &plan.network) {
        plan.greek_errors = true;
        results.extend(order.simulated().map(|(_, column)| column));
    }
    results.extend(plan.surface.as_ref().and_then(query::error_column));
    let layout = fields::Layout::of(source.columns(), verb, results, &plan.defaults).with_context(|| name.clone())?;
    if let Some(network) = &plan.network {
        network.check(&layout)?;
    }
    for name in &layout.replaced {
        eprintln!("zomma {}: the input's column {name} is replaced by the result", verb.as_str());
    }
    let plan = &plan;
    let sink = sink::create(&args.output, plan.format, &source, &layout, plan)?;
    let done = pipeline::run(source, &name, sink, &layout, plan, args.progress());
    // Said once, and before whatever the run ended with.
    let unread = done.as_ref().ok().and(plan.defaults.dividends.as_ref()).and_then(|schedule| schedule.unread());
    for note in plan.engine.notes().into_iter().chain(unread) {
        eprintln!("zomma {}: {note}", verb.as_str());
    }
    done?.report(verb, &name, started.elapsed(), args, &plan.engine)
}
