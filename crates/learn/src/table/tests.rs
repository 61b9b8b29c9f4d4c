//! A network of a table from its files to its predictions: which rows it learns, from what its scales come, what it says, and what is refused.

use std::{fs, path::Path, sync::Arc};

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use zomma_storage::{Place, place::S3Settings};

use super::*;
use crate::LearnError;
use crate::config::{TABLE_EXAMPLE, TrainConfig};
use crate::data::{Rows, uniform};
use crate::network::{Architecture, Native};
use crate::training::{Engine, Outcome, Progress, RunFolder, Start, TrainedNetwork, Trainer, Watch};

const CONFIG: &str = r#"
[network]
width = 16
depth = 2
output = "none"
[data]
model = "table"
shards = "table"
held_out = 400
[data.table]
inputs = ["a", "b", "noise"]
target = "y"
split_by = "time"
gap = 10.0
[data.table.scaling_of]
b = "robust"
[training]
steps = 400
batch = 128
learning_rate = 0.01
warm_up = 20
ema = 0.98
evaluate_every = 50
checkpoint_every = 50
"#;

fn config(changes: &[(&str, &str)]) -> TrainConfig {
    let change = |text: String, (from, to): &(&str, &str)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    TrainConfig::parse(&changes.iter().fold(CONFIG.to_owned(), change)).unwrap()
}

fn refusal(changes: &[(&str, &str)]) -> String {
    let change = |text: String, (from, to): &(&str, &str)| text.replacen(from, to, 1);
    TrainConfig::parse(&changes.iter().fold(CONFIG.to_owned(), change)).unwrap_err().to_string()
}

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    for at in (0..batch.num_rows()).step_by(700) {
        writer.write(&batch.slice(at, 700.min(batch.num_rows() - at))).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
}

/// Two files whose rows lie in no order of time: y = 5000·(ab − 1) of inputs that are even over −1 to 1, times a hundred in b; from time 3200 on `a` is
/// greater by `shift`, so that scales that had seen the end would tell.
fn folder(shift: f64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (file, rows) in [("first.parquet", 0..2500usize), ("second.parquet", 2500..4000)] {
        let times: Vec<i64> = rows.map(|i| (i * 1237 % 4000) as i64).collect();
        let number = |k: u64| times.iter().map(move |time| 2.0 * uniform(k, *time as u64) - 1.0).collect::<Vec<f64>>();
        let (a, b) = (number(1), number(2));
        let y = a.iter().zip(&b).map(|(a, b)| 5000.0 * (a * b - 1.0));
        let late = |(a, time): (&f64, &i64)| if *time >= 3200 { a + shift } else { *a };
        write(
            &folder.path().join(file),
            vec![
                ("y", Arc::new(y.collect::<Float64Array>())),
                ("noise", Arc::new(Float64Array::from(number(3)))),
                ("b", Arc::new(b.iter().map(|b| 100.0 * b).collect::<Float64Array>())),
                ("time", Arc::new(Int64Array::from(times.clone()))),
                ("a", Arc::new(a.iter().zip(&times).map(late).collect::<Float64Array>())),
            ],
        );
    }
    folder
}

fn native(_: &TrainConfig, architecture: &Architecture) -> Result<Box<dyn Engine + Send>, LearnError> {
    Ok(Box::new(Native::new(architecture.clone())))
}

/// Leaves after so many steps, where it says so.
struct Eyes(u64, Option<u64>);

impl Watch for Eyes {
    fn seconds(&self) -> f64 {
        0.0
    }

    fn should_stop(&self) -> bool {
        self.1.is_some_and(|steps| self.0 >= steps)
    }

    fn stepped(&mut self, progress: &Progress) {
        self.0 = progress.step;
    }

    fn warn(&mut self, message: &str) {
        panic!("{message}");
    }
}

fn place(folder: &Path) -> Place {
    Place::open(folder.to_str().unwrap(), &S3Settings::default()).unwrap()
}

fn trainer(config: &TrainConfig, table: &Path, run: &Path, resume: bool) -> Result<Trainer, LearnError> {
    let folder = RunFolder::open(run).unwrap();
    Trainer::new(config.clone(), Start { resume, place: Some(place(table)), ..Start::alone(folder) }, &native)
}

fn train(trainer: &mut Trainer, leaves_after: Option<u64>) -> Outcome {
    trainer.train(&mut Eyes(0, leaves_after)).unwrap()
}

#[test]
fn a_product_is_learned_where_a_line_finds_nothing_and_noise_is_worth_nothing() {
    let (table, run) = (folder(0.0), tempfile::tempdir().unwrap());
    let config = config(&[("split_by = \"time\"\ngap = 10.0\n", "")]);
    let mut trainer = trainer(&config, table.path(), run.path(), false).unwrap();
    let network = train(&mut trainer, None).network.unwrap();
    let found = trainer.assess(&network).unwrap().unwrap();
    assert!(found.network.r2 > 0.95, "{found:?}");
    // ab has a deviation of 1/3, and no line in it.
    assert!((found.mean.rmse - 5000.0 / 3.0).abs() < 150.0, "{found:?}");
    assert!(found.ridge.unwrap().errors.r2 < 0.1, "{found:?}");
    let worth = |name: &str| found.importance.iter().find(|of| of.input == name).unwrap().rmse_increase;
    assert!(worth("a") > 1000.0 && worth("b") > 1000.0 && worth("noise") < 100.0, "{:?}", found.importance);
    assert!(network.evaluation.unwrap().price_rmse < 0.2);
    // The file says the same as the network in memory, with the target in its own units.
    let predictor = TablePredictor::new(TrainedNetwork::read(&run.path().join("network.bin")).unwrap()).unwrap();
    let (mut out, mut status) = ([0.0; 3], [RowStatus::Ok; 3]);
    predictor.predict(&[0.5, 50.0, 0.0, 0.9, -80.0, 0.3, 30.0, 1.0, 0.0], &mut out, &mut status);
    assert!((out[0] + 3750.0).abs() < 500.0 && (out[1] + 8600.0).abs() < 500.0, "{out:?}");
    assert_eq!(status, [RowStatus::Ok, RowStatus::Ok, RowStatus::Outside(0)]);
}

/// A column says which rows count: of the others, the targets are something else.
#[test]
fn rows_that_weigh_nothing_are_not_learned_and_weights_have_a_mean_of_1() {
    let (table, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let number = |k: u64| (0..4000u64).map(move |i| 2.0 * uniform(k, i) - 1.0).collect::<Vec<f64>>();
    let (a, b) = (number(1), number(2));
    let counts: Vec<f64> = (0..4000).map(|i| f64::from(6 * u8::from(i % 3 == 0))).collect();
    let y: Vec<f64> = a.iter().zip(&counts).map(|(a, count)| if *count > 0.0 { *a } else { 2.0 - a }).collect();
    let columns = |counts: Vec<f64>| -> Vec<(&str, ArrayRef)> {
        [("a", a.clone()), ("b", b.clone()), ("noise", number(3)), ("y", y.clone()), ("count", counts)]
            .into_iter()
            .map(|(name, column)| (name, Arc::new(Float64Array::from(column)) as ArrayRef))
            .collect()
    };
    write(&table.path().join("all.parquet"), columns(counts.clone()));
    let changes = [("split_by = \"time\"\ngap = 10.0\n", "weight = \"count\"\n")];
    let config = config(&changes);
    let source = crate::data::Source::open(&config.data, 1, Some(place(table.path()))).unwrap();
    let weights = source.fitted().unwrap().weights;
    assert!((weights.iter().sum::<f64>() / weights.len() as f64 - 1.0).abs() < 1e-9, "{}", weights.len());
    let mut rows = Rows { inputs: vec![0.0; 3 * 64], prices: vec![0.0; 64], ..Rows::default() };
    source.draw(0, &mut rows).unwrap();
    assert!(rows.weights.iter().zip(rows.inputs.chunks(3)).all(|(weight, row)| {
        let i = a.iter().position(|a| *a == row[0]).unwrap();
        (*weight > 0.0) == (counts[i] > 0.0)
    }));
    let mut trainer = trainer(&config, table.path(), run.path(), false).unwrap();
    let predictor = TablePredictor::new(train(&mut trainer, None).network.unwrap()).unwrap();
    let (mut out, mut status) = ([0.0; 3], [RowStatus::Ok; 3]);
    predictor.predict(&[0.5, 0.5, 0.0, -0.7, -0.3, 0.3, 0.1, 0.9, 0.0], &mut out, &mut status);
    assert!(out.iter().zip([0.5, -0.7, 0.1]).all(|(found, wanted)| (found - wanted).abs() < 0.15), "{out:?}");
    // Below 0 it is a fault, by row; and where nothing weighs anything nothing can be learned.
    let mut below = counts;
    below[77] = -0.5;
    write(&table.path().join("all.parquet"), columns(below));
    let error =
        crate::data::Source::open(&config.data, 1, Some(place(table.path()))).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("row 78: column count is -0.5; a weight is 0 or more"), "{error}");
    write(&table.path().join("all.parquet"), columns(vec![0.0; 4000]));
    let error =
        crate::data::Source::open(&config.data, 1, Some(place(table.path()))).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("data.table.weight: count") && error.contains("a mean above 0"), "{error}");
    for weight in ["a", "y", ""] {
        let error = refusal(&[(changes[0].0, &format!("weight = \"{weight}\"\n"))]);
        assert!(error.contains("data.table.weight") && error.contains("neither input nor target"), "{error}");
    }
}

#[test]
fn scales_and_bounds_are_of_the_rows_before_the_cut_alone() {
    let (table, run) = (folder(7.0), tempfile::tempdir().unwrap());
    let trainer = trainer(&config(&[]), table.path(), run.path(), false).unwrap();
    let counts = trainer.counts().unwrap();
    // Times are 0 to 3999, each once: the last 400 for the last word, ten less before each cut.
    assert_eq!((counts.rows, counts.learned, counts.held_out, counts.tested), (4000, 3190, 390, 400));
    let columns = trainer.columns().unwrap();
    let [a, b, noise] = &columns.inputs[..] else { panic!("{columns:?}") };
    // Of times up to 3189 no `a` is above 1.
    assert!(
        a.greatest <= 1.0 && a.least >= -1.0 && a.mean.abs() < 0.05 && (a.deviation - 1.0 / 3.0f64.sqrt()).abs() < 0.02
    );
    // Of an even distribution the interquartile range is half of the whole one.
    assert!(b.mean.abs() < 5.0 && (b.deviation - 100.0 / 1.349).abs() < 4.0, "{b:?}");
    assert_eq!(noise.name, "noise");
    let by_hand: Vec<f64> = (0..3190)
        .map(|time| 5000.0 * ((2.0 * uniform(1, time) - 1.0) * (2.0 * uniform(2, time) - 1.0) - 1.0))
        .collect();
    let mean = by_hand.iter().sum::<f64>() / by_hand.len() as f64;
    assert!((columns.target.mean - mean).abs() < 1e-9 * mean.abs(), "{} {mean}", columns.target.mean);
}

#[test]
fn a_run_that_was_stopped_ends_bit_for_bit_as_one_that_was_not() {
    let (table, whole, parts) = (folder(7.0), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = config(&[("steps = 400", "steps = 120")]);
    let wanted = train(&mut trainer(&config, table.path(), whole.path(), false).unwrap(), None).network.unwrap();
    assert!(train(&mut trainer(&config, table.path(), parts.path(), false).unwrap(), Some(70)).network.is_none());
    let found = train(&mut trainer(&config, table.path(), parts.path(), true).unwrap(), None).network.unwrap();
    assert_eq!(found.parameters, wanted.parameters);
    assert_eq!(found.architecture, wanted.architecture);
    // Other scales are another network.
    let other = TrainConfig { data: crate::config::DataConfig { seed: 9, ..config.data.clone() }, ..config.clone() };
    let error = trainer(&other, table.path(), parts.path(), true).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("learned other data"), "{error}");
}

#[test]
fn a_positive_target_is_scaled_without_its_mean_and_never_said_below_0() {
    let (table, run) = (folder(7.0), tempfile::tempdir().unwrap());
    let config = config(&[
        ("output = \"none\"", "output = \"positive\""),
        ("target = \"y\"", "target = \"time\""),
        ("split_by = \"time\"\ngap = 10.0\n", ""),
    ]);
    let mut trainer = trainer(&config, table.path(), run.path(), false).unwrap();
    let columns = trainer.columns().unwrap().clone();
    assert!(columns.target.mean == 0.0 && columns.target.deviation > 2000.0, "{:?}", columns.target);
    let network = train(&mut trainer, None).network.unwrap();
    let predictor = TablePredictor::new(network).unwrap();
    let rows: Vec<f64> = (0..300).map(|i| 40.0 * uniform(8, i) - 20.0).collect();
    let (mut out, mut status) = (vec![0.0; 100], vec![RowStatus::Ok; 100]);
    predictor.predict(&rows, &mut out, &mut status);
    assert!(out.iter().all(|x| *x >= 0.0 && x.is_finite()), "{out:?}");
}

#[test]
fn rows_that_cannot_be_learned_are_named_by_file_row_and_column() {
    let table = tempfile::tempdir().unwrap();
    let column = |bad: Option<(usize, f64)>| -> ArrayRef {
        let mut numbers: Vec<Option<f64>> = (0..100).map(|i| Some(uniform(1, i))).collect();
        if let Some((at, x)) = bad {
            numbers[at] = (!x.is_nan()).then_some(x);
        }
        Arc::new(Float64Array::from(numbers))
    };
    let put = |a, noise, time| {
        let columns = vec![
            ("a", column(a)),
            ("b", column(None)),
            ("noise", column(noise)),
            ("y", column(None)),
            ("time", column(time)),
        ];
        write(&table.path().join("bad.parquet"), columns);
    };
    let held = [("held_out = 400", "held_out = 20"), ("gap = 10.0", "gap = 0.0"), ("b = \"robust\"", "a = \"log1p\"")];
    let open = |config: &TrainConfig| {
        let run = tempfile::tempdir().unwrap();
        trainer(config, table.path(), run.path(), false).map(|trainer| trainer.counts().unwrap().bad)
    };
    for (a, noise, time, words) in [
        (None, Some((41, f64::NAN)), None, "bad.parquet row 42: column noise is empty or NaN"),
        (None, Some((0, f64::INFINITY)), None, "row 1: column noise is inf"),
        (Some((7, -1.5)), None, None, "row 8: column a is -1.5; scaling log1p allows numbers above -1"),
        (None, None, Some((99, f64::NAN)), "row 100: column time is empty or NaN"),
    ] {
        put(a, noise, time);
        let error = open(&config(&held)).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("1 of 100 rows"), "{error}");
        let lenient = config(&[&held[..], &[("shards = \"table\"", "shards = \"table\"\nbad_rows = 0.02")]].concat());
        assert_eq!(open(&lenient).unwrap(), 1);
    }
    let error = open(&config(&[&held[..], &[("\"noise\"]", "\"absent\"]")]].concat())).unwrap_err().to_string();
    assert!(error.contains("no column absent; it has a, b, noise, y, time"), "{error}");
    let error = open(&config(&[("held_out = 400", "held_out = 40")])).unwrap_err().to_string();
    assert!(error.contains("data.held_out"), "{error}");
    // A target that is the same everywhere teaches nothing.
    let ones: ArrayRef = Arc::new(Float64Array::from(vec![1.0; 100]));
    write(
        &table.path().join("bad.parquet"),
        vec![("a", column(None)), ("b", column(None)), ("noise", column(None)), ("y", ones), ("time", column(None))],
    );
    let error = open(&config(&held)).unwrap_err().to_string();
    assert!(error.contains("data.table.target: y") && error.contains("it is 1 in all"), "{error}");
}

#[test]
fn configs_that_cannot_be_are_refused_by_key() {
    assert!(TrainConfig::parse(TABLE_EXAMPLE).is_ok());
    for (from, to, words) in [
        ("inputs = [\"a\", \"b\", \"noise\"]", "inputs = []", "data.table.inputs: 0 columns"),
        ("\"noise\"]", "\"a\"]", "data.table.inputs: \"a\""),
        ("target = \"y\"", "target = \"b\"", "what is learned must not be given"),
        ("b = \"robust\"", "c = \"robust\"", "data.table.scaling_of: c"),
        ("b = \"robust\"", "b = \"rank\"", "unknown variant `rank`"),
        ("split_by = \"time\"\n", "", "data.table.gap: 10"),
        ("gap = 10.0", "gap = -1.0", "data.table.gap: -1"),
        ("target = \"y\"", "target = \"y\"\nweights = \"w\"", "unknown field `weights`"),
        ("shards = \"table\"\n", "", "data.shards is missing"),
        ("output = \"none\"", "output = \"bounds\"", "network.output: bounds"),
        ("output = \"none\"", "output = \"none\"\nfeatures = [\"kappa\"]", "network.features: kappa"),
        ("model = \"table\"", "model = \"heston\"", "data.table"),
        ("[training]", "[data.ranges]\nvolatility = { min = 0.1, max = 0.2 }\n[training]", "data.ranges: volatility"),
        ("held_out = 400", "held_out = 400\nheld_out_shards = [\"x\"]", "split_by or held_out_shards"),
        ("held_out = 400", "held_out = 400\nnoise_half_spread = 0.1", "data.noise_half_spread"),
    ] {
        let error = refusal(&[(from, to)]);
        assert!(error.contains(words), "{to}: {error}");
    }
    let without = CONFIG.replace("[data.table]", "[data.ranges]").split("[data.ranges]").next().unwrap().to_owned();
    let error = TrainConfig::parse(&(without + "[training]\nsteps = 1")).unwrap_err().to_string();
    assert!(error.contains("data.table is missing"), "{error}");
}

#[test]
fn rows_have_no_derivatives_to_be_learned() {
    let config = config(&[]);
    assert!(config.data.differentials && !config.data.learns_differentials());
    assert!(Rows::zeros(3, config.data.inputs()).batch(config.data.learns_differentials()).differentials.is_empty());
}

/// A price that walks, a file a session; what is derived is of more row groups than one.
fn sessions() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (session, name) in ["monday.parquet", "tuesday.parquet"].into_iter().enumerate() {
        let mut price = 100.0;
        let mids: Vec<f64> = (0..1500)
            .map(|i| {
                price *= 1.0 + 0.002 * (uniform(50 + session as u64, i) - 0.5);
                price
            })
            .collect();
        let ahead: Vec<f64> = (0..1500).map(|i| mids[(i + 5).min(1499)] - mids[i]).collect();
        // From 09:30 in New York, a second apart.
        let first = 1_782_739_800_000_000_000 + session as i64 * 86_400_000_000_000;
        let times: Vec<i64> = (0..1500).map(|i| first + i * 1_000_000_000).collect();
        write(
            &folder.path().join(name),
            vec![
                ("time_ns", Arc::new(Int64Array::from(times))),
                ("mid", Arc::new(Float64Array::from(mids))),
                ("ahead", Arc::new(Float64Array::from(ahead))),
            ],
        );
    }
    folder
}

const DERIVED: &str = r#"
[network]
width = 8
depth = 1
output = "none"
[data]
model = "table"
shards = "sessions"
held_out = 300
[data.table]
inputs = ["return:3", "rsi:5", "time_of_day_sin", "mid"]
target = "ahead"
split_by = "time_ns"
[[data.table.derive]]
kind = "series"
of = "mid"
time = "time_ns"
columns = ["return:3", "rsi:5"]
[[data.table.derive]]
kind = "time"
of = "time_ns"
columns = ["time_of_day_sin"]
[training]
steps = 20
batch = 64
warm_up = 10
"#;

#[test]
fn what_training_derives_is_what_prediction_derives_bit_for_bit() {
    let (table, run) = (sessions(), tempfile::tempdir().unwrap());
    let config = TrainConfig::parse(DERIVED).unwrap();
    let shards = crate::data::shards::Shards::open(&config.data, 7, place(table.path())).unwrap();
    let counts = shards.counts();
    // Five changes of the index are six rows: five early ones of each file.
    assert_eq!((counts.rows, counts.warming, counts.bad), (3000, 10, 0));
    assert_eq!(counts.learned + counts.held_out + counts.tested, 2990);
    let mut learned = Rows { inputs: vec![0.0; 4 * counts.learned as usize], ..Rows::default() };
    learned.prices = vec![0.0; counts.learned as usize];
    shards.draw(0, &mut learned).unwrap();
    let bits = |rows: &[f64]| {
        rows.chunks(4).map(|row| row.iter().map(|x| x.to_bits()).collect::<Vec<u64>>()).collect::<Vec<_>>()
    };
    let mut trained: Vec<Vec<u64>> =
        [&learned, shards.held_out(), shards.tested()].iter().flat_map(|rows| bits(&rows.inputs)).collect();
    let mut trainer = trainer(&config, table.path(), run.path(), false).unwrap();
    let predictor = TablePredictor::new(train(&mut trainer, None).network.unwrap()).unwrap();
    let set = zomma_storage::block_on(zomma_storage::shards::ShardSet::open(place(table.path()))).unwrap();
    let mut served = Vec::new();
    for file in set.files() {
        let shard = zomma_storage::block_on(set.fetch(file)).unwrap();
        assert!(shard.groups().len() > 1);
        let (rows, made) = predictor.inputs(&shard).unwrap();
        served
            .extend(bits(&rows).into_iter().enumerate().filter(|(row, _)| !made.is_warming(*row)).map(|(_, row)| row));
        let (out, status) = predictor.predict_table(&shard).unwrap();
        assert!(status[..5].iter().all(|status| *status == RowStatus::Warming) && out[..5].iter().all(|x| x.is_nan()));
        assert!(status[5..].iter().all(|status| status.has_prediction()) && out[5..].iter().all(|x| x.is_finite()));
    }
    trained.sort_unstable();
    served.sort_unstable();
    assert!(trained == served);
}

#[test]
fn derived_columns_are_checked_with_the_config() {
    for (from, to, words) in [
        ("\"rsi:5\"]\n[[data.table.derive]]", "\"rsi:0\"]\n[[data.table.derive]]", "rsi:0"),
        (
            "columns = [\"time_of_day_sin\"]",
            "columns = [\"time_of_day_sin\", \"time_of_day_sin\"]",
            "each derived column once",
        ),
        ("columns = [\"time_of_day_sin\"]", "prefix = \"a\"\ncolumns = [\"head\"]", "head is not allowed"),
        ("kind = \"time\"", "kind = \"clock\"", "unknown variant `clock`"),
    ] {
        assert!(DERIVED.contains(from), "{from}");
        let error = TrainConfig::parse(&DERIVED.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(words), "{to}: {error}");
    }
    let table = sessions();
    let run = tempfile::tempdir().unwrap();
    let config = TrainConfig::parse(&DERIVED.replacen("of = \"mid\"", "of = \"last\"", 1)).unwrap();
    let error = trainer(&config, table.path(), run.path(), false).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("monday.parquet") && error.contains("no column last"), "{error}");
}
