//! `zomma onnx`: models of ONNX, computed.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use zomma_engines::onnx::{BatchSizes, Provider, SessionOptions, TensorRt};

use crate::{
    commands,
    failure::BadArguments,
    onnx::{self, Job, RuntimeArgs, run_json, run_text},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Prices a table by a network that `zomma export` wrote, through ONNX Runtime: on the CPU, through CUDA, or through TensorRT. The table has a
column for each of the network's inputs (moneyness, expiry_years, volatility …); the output has them with price (the undiscounted call
over the strike; of a network of implied volatilities volatility) and status. --profile tells where the time went, layer by layer.

Example:
  $ zomma export runs/black_scholes/network.bin -o black_scholes.onnx
  $ zomma onnx run black_scholes.onnx options.csv -o prices.csv --onnxruntime /opt/onnxruntime/lib
  $ zomma onnx run black_scholes.onnx options.csv -o prices.csv --profile
  $ zomma export runs/black_scholes/network.bin -o float.onnx --precision float
  $ zomma onnx run float.onnx options.parquet -o prices.parquet --provider tensorrt --engine-cache engines --batch-sizes 1,4096,65536 --fp16";

/// Arguments of `zomma onnx`.
#[derive(Debug, Args)]
pub struct OnnxArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Price a table by a model.
    #[command(after_help = EXAMPLE)]
    Run(Box<RunArgs>),
}

/// Arguments of `zomma onnx run`.
#[derive(Debug, Args)]
struct RunArgs {
    /// The model, as `zomma export` wrote it.
    #[arg(value_name = "MODEL.onnx")]
    model: PathBuf,
    /// The table: CSV, Parquet or Arrow; - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The table with prices, by its ending; standard output where absent.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    runtime: RuntimeArgs,
    /// Who computes.
    #[arg(long, value_enum, default_value_t)]
    provider: ProviderName,
    /// CUDA's device.
    #[arg(long, value_name = "N", default_value_t = 0)]
    gpu: u16,
    /// TensorRT's folder of built engines, so that only the first start takes its minutes.
    #[arg(long, value_name = "DIR")]
    engine_cache: Option<PathBuf>,
    /// Least, usual and greatest number of rows that TensorRT's engine is built for.
    #[arg(long, value_name = "MIN,OPT,MAX", value_parser = parse_batch_sizes)]
    batch_sizes: Option<BatchSizes>,
    /// Let TensorRT compute layers in f16.
    #[arg(long)]
    fp16: bool,
    /// Rows that are computed at once.
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = parse_batch)]
    batch: usize,
    /// Threads of the CPU; all cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
    /// Tell the time of every node, the slowest first.
    #[arg(long, requires = "output")]
    profile: bool,
    /// Print what was done as JSON.
    #[arg(long, requires = "output")]
    json: bool,
}

/// Providers by the names of the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ProviderName {
    /// The CPU.
    #[default]
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// An NVIDIA GPU, by an engine that TensorRT builds for it.
    Tensorrt,
}

fn parse_batch(text: &str) -> Result<usize, String> {
    let rows = text.parse().ok().filter(|rows| (1..=16_777_216).contains(rows));
    rows.ok_or_else(|| "a whole number from 1 to 16777216".into())
}

fn parse_batch_sizes(text: &str) -> Result<BatchSizes, String> {
    let sizes: Vec<usize> = text.split(',').map_while(|size| parse_batch(size.trim()).ok()).collect();
    match sizes[..] {
        [min, opt, max] if min <= opt && opt <= max && text.split(',').count() == 3 => Ok(BatchSizes { min, opt, max }),
        _ => Err("three whole numbers that do not fall, such as 1,4096,65536".into()),
    }
}

/// Runs it.
pub fn run(args: &OnnxArgs) -> anyhow::Result<()> {
    let Verb::Run(args) = &args.verb;
    let device = i32::from(args.gpu);
    let for_tensorrt = [
        ("--engine-cache", args.engine_cache.is_some()),
        ("--batch-sizes", args.batch_sizes.is_some()),
        ("--fp16", args.fp16),
    ];
    if args.provider != ProviderName::Tensorrt
        && let Some((flag, _)) = for_tensorrt.iter().find(|(_, given)| *given)
    {
        bail!(BadArguments(format!("{flag} is for --provider tensorrt")));
    }
    if let Some(BatchSizes { max, .. }) = args.batch_sizes.filter(|sizes| sizes.max < args.batch) {
        bail!(BadArguments(format!("--batch: {}; allowed: at most the {max} of --batch-sizes", args.batch)));
    }
    let provider = match args.provider {
        ProviderName::Cpu => Provider::Cpu,
        ProviderName::Cuda => Provider::Cuda(device),
        ProviderName::Tensorrt => Provider::TensorRt(TensorRt {
            device,
            engine_cache: args.engine_cache.clone(),
            batch: args.batch_sizes,
            fp16: args.fp16,
        }),
    };
    let done = onnx::run(&Job {
        model: &args.model,
        file: &args.file,
        output: args.output.as_deref(),
        runtime: &args.runtime,
        options: SessionOptions { provider, threads: args.threads, profile: None },
        batch: args.batch,
        profile: args.profile,
    })?;
    if args.json {
        return commands::print(&run_json(&done)?);
    }
    if args.profile {
        commands::print(&run_text(&done))?;
    }
    if done.refused > 0 {
        eprintln!("zomma onnx run: {} of {} rows have no {}; see status", done.refused, done.rows, done.output);
    }
    Ok(())
}
