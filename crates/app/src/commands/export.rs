//! `zomma export`: a trained network as a file that other programs compute.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use zomma_engines::onnx::OnnxError;
use zomma_learn::{config::DataConfig, onnx};

use crate::{
    commands,
    failure::not_over_itself,
    onnx::{Exported, Network, RuntimeArgs, Tested, domain_of, export_json, export_text, verify},
    output_file,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Writes a network of `zomma train` or `zomma train pinn` as ONNX (opset 18, any number of rows): raw inputs in, prices out (of a network of
implied volatilities: prices in, volatilities out), the features, their scaling and the output transform in the graph. The file says of
itself what it was trained on and how well it did. --verify has ONNX Runtime compute it and holds the prices against the network's own
before anything is written.

Example:
  $ zomma export runs/black_scholes/network.bin -o black_scholes.onnx
  $ zomma export runs/black_scholes/network.bin -o black_scholes.onnx --verify --onnxruntime /opt/onnxruntime/lib
  $ zomma onnx run black_scholes.onnx options.csv -o prices.csv --onnxruntime /opt/onnxruntime/lib
  $ zomma export runs/pinn/network.bin -o pinn.onnx --verify --onnxruntime /opt/onnxruntime/lib";

/// Arguments of `zomma export`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ExportArgs {
    /// The network, as `zomma train`, `zomma train pinn` or `zomma quantize` keeps it.
    #[arg(value_name = "NETWORK")]
    network: PathBuf,
    /// The file to write.
    #[arg(short, long, value_name = "MODEL.onnx")]
    output: PathBuf,
    /// What is computed in f64.
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
    /// The training config, for the domain of a network whose file does not say it; config.json beside it where absent.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Have ONNX Runtime compute the model, and write it only where its prices are the network's.
    #[arg(long)]
    verify: bool,
    /// Rows that are compared.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = parse_rows, requires = "verify")]
    rows: usize,
    /// How far a price may be off, of the strike, and of itself where it is greater.
    #[arg(long, value_name = "X", default_value_t = 1e-6, value_parser = parse_tolerance, requires = "verify")]
    tolerance: f64,
    #[command(flatten)]
    runtime: RuntimeArgs,
    /// Print what was written as JSON.
    #[arg(long)]
    json: bool,
}

/// Precisions by the names of the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Precision {
    /// Mixed where that keeps prices to 1e-6 (output bounds without layer norm, integers), double elsewhere and for networks of equations.
    #[default]
    Auto,
    /// Features and output transform in f64, layers in f32, as Zomma does it.
    Mixed,
    /// All in f32, for TensorRT and other runtimes without f64.
    Float,
    /// All in f64, for networks in which f32 loses more than it may.
    Double,
}

fn parse_rows(text: &str) -> Result<usize, String> {
    let rows = text.parse().ok().filter(|rows| (1..=10_000_000).contains(rows));
    rows.ok_or_else(|| "a whole number from 1 to 10000000".into())
}

fn parse_tolerance(text: &str) -> Result<f64, String> {
    let tolerance = text.parse().ok().filter(|x| (0.0..=1.0).contains(x));
    tolerance.ok_or_else(|| "a number from 0 to 1 such as 1e-6".into())
}

/// Runs it.
pub fn run(args: &ExportArgs) -> anyhow::Result<()> {
    not_over_itself(&args.network, &args.output)?;
    let network = Network::read(&args.network)?;
    let domain = domain_of(&network, &args.network, args.config.as_deref())?;
    let precision = match args.precision {
        Precision::Auto => network.exact_precision(),
        Precision::Mixed => onnx::Precision::Mixed,
        Precision::Float => onnx::Precision::Float,
        Precision::Double => onnx::Precision::Double,
    };
    let model = network
        .export(domain.as_ref(), precision)
        .with_context(|| format!("{}: cannot be exported", args.network.display()))?;
    let bytes = onnx::encode(&model);
    let tested = match args.verify {
        true => Some(verified(args, &network, (domain.as_ref(), precision), &bytes)?),
        false => None,
    };
    output_file::write(&args.output, &bytes)
        .with_context(|| format!("{}: cannot be written", args.output.display()))?;
    let inputs = network.input_names();
    let exported =
        Exported { inputs: &inputs, model: &model, path: &args.output, bytes: bytes.len(), tested: tested.as_ref() };
    commands::print(&if args.json { export_json(&exported)? } else { export_text(&exported) })
}

fn verified(
    args: &ExportArgs,
    network: &Network,
    (domain, precision): (Option<&DataConfig>, onnx::Precision),
    bytes: &[u8],
) -> anyhow::Result<Tested> {
    let runtime = args.runtime.load()?;
    let tested = verify(network, domain, bytes, &runtime, args.rows).context("--verify")?;
    if tested.is_within(args.tolerance) {
        return Ok(tested);
    }
    let shown = args.output.display();
    let said = if tested.is_quantised {
        format!(
            "half of ONNX Runtime's prices are off by more than {:.2e} (allowed: {:.2e}, --tolerance), their root mean square is {:.2e} \
             (allowed: a tenth of the network's error, {:.2e}); nothing was written to {shown}",
            tested.median, args.tolerance, tested.rms[0], tested.rms[1],
        )
    } else {
        let advice = if precision == onnx::Precision::Double { "" } else { "; --precision double keeps f32 out of it" };
        format!(
            "ONNX Runtime's prices are off by {:.2e} at {}; allowed: {:.2e} (--tolerance); nothing was written to {shown}{advice}",
            tested.worst, tested.worst_at, args.tolerance,
        )
    };
    Err(OnnxError::Model(said).into())
}
