//! The command line: what can be asked for. Each command's own arguments stand in its file.

use clap::{Parser, Subcommand};

use crate::commands::{
    alpha, analyze, bench, book, demo, export, features, gpu, greeks, iv, labels, onnx, portfolio, predict, price,
    quantize, risk, runs, sql, store, surface, train, tune,
};

/// What `zomma` without arguments prints.
pub const OVERVIEW: &str = "\
zomma: an options desk in one binary

  zomma analyze CHAIN --out DIR    an option chain in: implied volatilities, an arbitrage-free surface,
                                   all Greeks, wheel candidates and an HTML report out
  zomma price   FILE -o OUT        prices of a table of options
  zomma greeks  FILE -o OUT        price and 18 Greeks of a table of options
  zomma iv      FILE -o OUT        implied volatilities of a table of prices
  zomma portfolio FILE --by COLUMN value and Greeks of a book of positions, by underlying, expiry, strategy
  zomma risk scenarios PORTFOLIO   the same book valued in full over spot, volatility, rate and time, and stresses
  zomma surface fit CHAIN -o FILE  a volatility surface of any of many models; also query, check, plot, compare, history
  zomma book replay FILE           order books rebuilt from a recorded feed (ITCH, LOBSTER, DBN, Binance …), and checked
  zomma features FILE -o OUT       features of a recorded feed: spread, imbalance, order flow, microprice, volatility …
  zomma sql QUERY                  SQL over tables and files (Parquet, CSV, Arrow, JSON), with prices, Greeks and vols in it
  zomma alpha report FILE          what signals told of the price: information coefficients by horizon, turnover, net of cost
  zomma labels CONFIG -o PLACE     labelled rows for a network, as Parquet files in a folder or a bucket
  zomma train CONFIG               a network that prices options, trained and measured against the formula
  zomma train pinn CONFIG          one that solves a pricing equation, without any price to learn from
  zomma predict TABLE --network N  what a network of a table of one's own says of every row of another
  zomma tune CONFIG                a search of what makes such a network good, in Optuna's schema
  zomma export NETWORK -o MODEL    such a network as ONNX, held against ONNX Runtime; zomma onnx run computes it
  zomma runs list|compare|sync     runs of training beside each other, the best first, and told to MLflow
  zomma quantize NETWORK -o OUT    such a network in 8-bit integers, its loss measured; zomma price --network prices by both
  zomma store ingest ROOT FILE…    long-term tables of ticks, quotes, bars in a folder or a bucket; also bars of ticks,
                                   retention, compaction, copies, checks
  zomma gpu list|health|serve      the GPUs of this machine: what they are, whether they can be trusted
  zomma gpu run|launch -- COMMAND  a command within limits, or many ranks of one across the GPUs
  zomma bench                      what this machine and its devices do, CPU against GPU
  zomma demo chain -o FILE         a generated option chain to try things on

Try first:

  zomma demo chain -o chain.csv && zomma analyze chain.csv --out report

Each command has --help with a worked example.
";

/// An options desk in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "zomma",
    version,
    about = "An options desk in one binary",
    after_help = "Try first:\n  zomma demo chain -o chain.csv && zomma analyze chain.csv --out report\n\nExit codes: 0 done, 1 the work failed, 2 bad arguments.",
    max_term_width = 110
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Signals, what they told of the price, and what can be earned without one.
    Alpha(Box<alpha::AlphaArgs>),
    /// An option chain in: implied volatilities, surface, Greeks, wheel candidates and a report out.
    Analyze(Box<analyze::AnalyzeArgs>),
    /// Price a table of options of any model and exercise style.
    Price(price::PriceArgs),
    /// Implied volatilities of a table of option prices.
    Iv(iv::IvArgs),
    /// Price and all 18 Greeks of a table of options.
    Greeks(greeks::GreeksArgs),
    /// Value and all Greeks of a book of positions, by group.
    Portfolio(portfolio::PortfolioArgs),
    /// What a portfolio does when the market moves: full revaluation over scenarios.
    Risk(risk::RiskArgs),
    /// Volatility surfaces: fit, query, check, plot, compare, follow from day to day.
    Surface(surface::SurfaceArgs),
    /// Order books from recorded feeds.
    Book(book::BookArgs),
    /// Features of a recorded feed, by event or at a steady pace.
    Features(features::FeaturesArgs),
    /// SQL over tables and files, with prices, Greeks and implied volatilities as functions.
    Sql(Box<sql::SqlArgs>),
    /// Make labelled rows of a training config's domain, as Parquet files in a folder or a bucket.
    Labels(labels::LabelsArgs),
    /// Train a network that prices options, from one config.
    Train(train::TrainArgs),
    /// What a network of a table says of another table's rows.
    Predict(predict::PredictArgs),
    /// Search a training config for what makes its network good.
    Tune(tune::TuneArgs),
    /// Write a trained network as ONNX, and have ONNX Runtime prove it.
    Export(export::ExportArgs),
    /// Compute models of ONNX on the CPU, through CUDA or TensorRT.
    Onnx(onnx::OnnxArgs),
    /// Runs of training: which is the best, and what servers do not know yet.
    Runs(runs::RunsArgs),
    /// Shrink a trained network to 8-bit integers, where that loses little.
    Quantize(quantize::QuantizeArgs),
    /// Long-term tables of ticks, quotes, bars, Greeks and surfaces, in a folder or a bucket.
    Store(store::StoreArgs),
    /// Generated data to try things on.
    Demo(demo::DemoArgs),
    /// Find the GPUs, lend them, watch them, run work across them.
    Gpu(gpu::GpuArgs),
    /// Measure this machine and its devices: CPU against GPU in one run.
    Bench(bench::BenchArgs),
}
