//! A table through a model.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Instant};

use anyhow::{Context, bail};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use zomma_base::Status;
use zomma_engines::onnx::{NodeTime, OnnxSession, SessionOptions, node_times};
use zomma_learn::{
    config::{PricingModel, Range, RangeScale},
    onnx::{self, DOMAIN_KEY, INPUTS_KEY, LEAST_VEGA_KEY, MODEL_KEY, OUTPUT, VOLATILITY_OUTPUT},
    physics::EquationKind,
    training::volatility_status,
};

use super::RuntimeArgs;
use crate::{batch, sql::Output};

/// The column of what a table's network says, as `zomma predict` calls it, and the status of a row with an input beyond what was learned.
const PREDICTION: &str = "prediction";
const OUTSIDE: &str = "outside_training";

/// What is asked for.
pub struct Job<'a> {
    /// The model's file.
    pub model: &'a Path,
    /// The table.
    pub file: &'a Path,
    /// Where it goes; standard output where absent.
    pub output: Option<&'a Path>,
    /// The library.
    pub runtime: &'a RuntimeArgs,
    /// Who computes; the profile's place is found here.
    pub options: SessionOptions,
    /// Rows at once.
    pub batch: usize,
    /// Whether the time of each node is measured.
    pub profile: bool,
}

/// What came of it.
pub struct Done {
    /// Rows of the table.
    pub rows: usize,
    /// Rows without a price.
    pub refused: usize,
    /// The column that was computed: price, volatility, or prediction.
    pub output: &'static str,
    /// Time that the model took, all lots together.
    pub seconds: f64,
    /// Who computed.
    pub provider: &'static str,
    /// What ONNX Runtime says of its build.
    pub runtime: &'static str,
    /// The time of each node, where it was asked for.
    pub nodes: Option<Vec<NodeTime>>,
}

/// Prices the table.
pub fn run(job: &Job<'_>) -> anyhow::Result<Done> {
    let shown = job.model.display();
    let bytes = fs::read(job.model).with_context(|| format!("{shown}: cannot be read"))?;
    let model = Model::of(&bytes).with_context(|| shown.to_string())?;
    let names: Vec<&str> = model.names.iter().map(String::as_str).collect();
    let names = &names[..];
    let mut columns = columns(job.file, names).with_context(|| job.file.display().to_string())?;
    let runtime = job.runtime.load()?;
    let mut fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Float64, true)).collect();
    fields.extend([Field::new(model.output, DataType::Float64, true), Field::new("status", DataType::Utf8, false)]);
    let schema = Arc::new(Schema::new(fields));
    let mut output = Output::create(job.output, None, &schema)?;
    if let zomma_engines::onnx::Provider::TensorRt(settings) = &job.options.provider
        && let Some(folder) = &settings.engine_cache
    {
        fs::create_dir_all(folder).with_context(|| format!("--engine-cache {}", folder.display()))?;
    }
    let scratch = Scratch::new(job.profile)?;
    let options = SessionOptions { profile: scratch.prefix(), ..job.options.clone() };
    let mut session = OnnxSession::open(&runtime, &bytes, &options).with_context(|| shown.to_string())?;
    if session.inputs() != names.len() {
        bail!("{shown}: takes {} columns and names {}", session.inputs(), names.len());
    }
    let (prices, status, seconds) =
        price(&mut session, &model, &columns, job.batch).with_context(|| shown.to_string())?;
    let nodes = match job.profile {
        true => {
            let path = session.end_profile()?;
            Some(node_times(&fs::read_to_string(&path).with_context(|| path.display().to_string())?)?)
        }
        false => None,
    };
    let rows = prices.len();
    let refused = prices.iter().filter(|price| price.is_none()).count();
    let number = |x: f64| Some(x).filter(|x| !x.is_nan());
    let mut arrays: Vec<ArrayRef> = columns
        .drain(..)
        .map(|column| Arc::new(column.into_iter().map(number).collect::<Float64Array>()) as ArrayRef)
        .collect();
    arrays.push(Arc::new(Float64Array::from(prices)));
    arrays.push(Arc::new(StringArray::from(status)));
    output.write(&RecordBatch::try_new(schema, arrays)?)?;
    output.finish()?;
    if refused == rows {
        bail!("{}: no row has a {}; see status", job.file.display(), model.output);
    }
    let provider = options.provider.as_str();
    Ok(Done { rows, refused, output: model.output, seconds, provider, runtime: runtime.build(), nodes })
}

/// What a model says of itself.
struct Model {
    /// Its columns, in their order.
    names: Vec<String>,
    /// What it learned of them, by name; none where its file does not say it.
    domain: BTreeMap<String, Range>,
    /// Of implied volatilities, what vega over the strike they were learned from; 0 where its file does not say it.
    least_vega: f64,
    /// What it gives.
    output: &'static str,
}

impl Model {
    fn of(bytes: &[u8]) -> anyhow::Result<Self> {
        let model = onnx::decode(bytes)?;
        let Some(names) = onnx::metadata(&model, INPUTS_KEY) else {
            bail!("names no inputs (its metadata have no {INPUTS_KEY}): a model of `zomma export` is needed");
        };
        let of_labels = [
            PricingModel::BlackScholes,
            PricingModel::Heston,
            PricingModel::American,
            PricingModel::BlackScholesImpliedVolatility,
        ];
        let is_table = onnx::metadata(&model, MODEL_KEY) == Some(PricingModel::Table.as_str());
        let mut known = of_labels
            .map(PricingModel::input_names)
            .into_iter()
            .chain(EquationKind::ALL.map(EquationKind::input_names));
        if !is_table && !known.any(|known| known.join(",") == names) {
            bail!("its inputs are {names}, which no pricing model here has");
        }
        let domain = onnx::metadata(&model, DOMAIN_KEY).map_or(Ok(BTreeMap::new()), serde_json::from_str);
        let domain = domain.with_context(|| format!("its metadata's {DOMAIN_KEY}"))?;
        let least_vega = onnx::metadata(&model, LEAST_VEGA_KEY).map_or(Ok(0.0), str::parse::<f64>);
        let least_vega = least_vega.with_context(|| format!("its metadata's {LEAST_VEGA_KEY}"))?;
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        let output = match names == PricingModel::BlackScholesImpliedVolatility.input_names() {
            _ if is_table => PREDICTION,
            true => VOLATILITY_OUTPUT,
            false => OUTPUT,
        };
        Ok(Self { names, domain, least_vega, output })
    }

    /// The first input that cannot be, or is beyond what the network learned; a correlation, a rate and a yield are the only ones that need not
    /// be above 0.
    fn fault(&self, row: &[f64]) -> Option<String> {
        let is_bad = |(name, x): (&String, &f64)| {
            // Of a table `doubt` says what is beyond.
            if self.output == PREDICTION {
                return !x.is_finite();
            }
            let is_good = match name.as_str() {
                "rho_v" => x.abs() <= 1.0,
                "risk_free_rate" | "dividend_yield" => *x >= 0.0 && x.is_finite(),
                _ => *x > 0.0 && x.is_finite(),
            };
            // Of volatilities `doubt` says it.
            let is_learned = self.output == VOLATILITY_OUTPUT
                || self.domain.get(name).is_none_or(|range| (range.min..=range.max).contains(x));
            !(is_good && is_learned)
        };
        let at = self.names.iter().zip(row).position(is_bad)?;
        Some(format!("bad_{}", self.names[at]))
    }

    /// What is wrong with what came of a row; of a volatility, that it lies outside of those that were learned, or where the price says next to
    /// nothing of it.
    fn doubt(&self, row: &[f64], found: f64) -> Option<&'static str> {
        if self.output == PREDICTION && found.is_finite() {
            let is_beyond = |(name, x): (&String, &f64)| {
                self.domain.get(name).is_some_and(|range| !(range.min..=range.max).contains(x))
            };
            return self.names.iter().zip(row).any(is_beyond).then_some(OUTSIDE);
        }
        if self.output != VOLATILITY_OUTPUT {
            return (!found.is_finite()).then_some("not_finite");
        }
        // What the model's file does not say is not refused.
        let whole = Range { min: 0.0, max: f64::MAX, scale: RangeScale::default() };
        let range = |name: &str| self.domain.get(name).copied().unwrap_or(whole);
        let ranges = ["moneyness", "expiry_years", "volatility"].map(range);
        match volatility_status(row, found, self.least_vega, &ranges) {
            Status::Ok => None,
            Status::BadStrike => Some("bad_moneyness"),
            Status::BadExpiry => Some("bad_expiry_years"),
            Status::Overflow => Some("not_finite"),
            status => Some(status.as_str()),
        }
    }
}

/// The columns of the table, in the order of `names`.
fn columns(file: &Path, names: &[&str]) -> anyhow::Result<Vec<Vec<f64>>> {
    let source = batch::open(file)?;
    let header = source.columns().join(", ");
    let read = batch::read_numbers(source, names)?;
    for fault in &read.faults {
        eprintln!("zomma onnx run: {}: {fault}", file.display());
    }
    let named = names.iter().zip(read.columns);
    named.map(|(name, column)| column.with_context(|| format!("missing column {name}; found [{header}]"))).collect()
}

/// Prices, the status of each row, and the seconds that the model took.
fn price(
    session: &mut OnnxSession,
    model: &Model,
    columns: &[Vec<f64>],
    batch: usize,
) -> anyhow::Result<(Vec<Option<f64>>, Vec<String>, f64)> {
    let rows = columns.first().map_or(0, Vec::len);
    let inputs_of = |row: usize| columns.iter().map(move |column| column[row]);
    // A row with a fault is not shown to the network.
    let fault = |row: usize| model.fault(&inputs_of(row).collect::<Vec<f64>>());
    let mut status: Vec<String> = (0..rows).map(|row| fault(row).unwrap_or_else(|| "ok".into())).collect();
    let good: Vec<usize> = (0..rows).filter(|row| status[*row] == "ok").collect();
    let mut prices = vec![None; rows];
    let mut seconds = 0.0;
    for lot in good.chunks(batch) {
        let inputs: Vec<f64> = lot.iter().flat_map(|row| inputs_of(*row)).collect();
        let begun = Instant::now();
        let found = session.prices(&inputs)?;
        seconds += begun.elapsed().as_secs_f64();
        for ((row, given), price) in lot.iter().zip(inputs.chunks_exact(columns.len())).zip(found) {
            match model.doubt(given, price) {
                None => prices[*row] = Some(price),
                Some(doubt) => {
                    // As of `zomma predict`, the number is there and the status says what it is worth.
                    prices[*row] = (doubt == OUTSIDE).then_some(price);
                    status[*row] = doubt.into();
                }
            }
        }
    }
    Ok((prices, status, seconds))
}

/// A folder for the profile, which ONNX Runtime names itself; gone when it has been read.
struct Scratch(Option<std::path::PathBuf>);

impl Scratch {
    fn new(wanted: bool) -> anyhow::Result<Self> {
        if !wanted {
            return Ok(Self(None));
        }
        let folder = std::env::temp_dir().join(format!("zomma-onnx-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(Self(Some(folder)))
    }

    fn prefix(&self) -> Option<std::path::PathBuf> {
        self.0.as_ref().map(|folder| folder.join("profile"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            // What stays is in the folder of temporary files, under this program's name.
            let _ = fs::remove_dir_all(folder);
        }
    }
}
