//! `zomma predict`: a table in, the same table with a network's prediction and a status a row out. The table is in memory whole.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, cast::AsArray, types::Float64Type};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use zomma_learn::table::{RowStatus, TablePredictor};
use zomma_storage::{
    block_on,
    place::S3Settings,
    sql::{Outcome, Session, Settings},
};

use crate::{
    failure::BadArguments,
    sql::{Format, Output},
};

/// The columns that are added.
const PREDICTION: &str = "prediction";
const STATUS: &str = "status";
const STATUS_INPUT: &str = "status_input";

/// What came of it.
#[derive(Debug, Default, serde::Serialize)]
pub struct Predicted {
    /// Rows of the table.
    pub rows: u64,
    /// Rows whose inputs are all within what was learned.
    pub ok: u64,
    /// Rows with an input outside of it.
    pub outside_training: u64,
    /// Rows without a prediction, since an input is empty or no number.
    pub missing_input: u64,
    /// Rows without a prediction, since an input cannot be scaled.
    pub bad_input: u64,
}

/// A table in memory, in the order of its rows.
struct Table {
    columns: SchemaRef,
    batches: Vec<RecordBatch>,
}

/// Predicts every row of `input`, and writes it with the rest of its row.
///
/// # Errors
///
/// A table that cannot be read or lacks an input; an output that cannot be written.
pub fn run(
    predictor: &TablePredictor,
    input: &Path,
    output: Option<&Path>,
    format: Option<Format>,
) -> anyhow::Result<Predicted> {
    let shown = input.display().to_string();
    let table = block_on(read(input)).with_context(|| shown.clone())?;
    let columns = table.columns.fields();
    let at: Vec<usize> = predictor
        .columns()
        .inputs
        .iter()
        .map(|input| {
            let place = columns.iter().position(|field| *field.name() == input.name);
            place.with_context(|| {
                let names: Vec<&str> = columns.iter().map(|field| field.name().as_str()).collect();
                format!("{shown}: has no column {}, an input of the network; it has {}", input.name, names.join(", "))
            })
        })
        .collect::<anyhow::Result<_>>()?;
    let kept: Vec<usize> = (0..columns.len()).filter(|i| !is_ours(columns[*i].name())).collect();
    for replaced in columns.iter().filter(|field| is_ours(field.name())) {
        eprintln!("zomma predict: the input's column {} is replaced by the result", replaced.name());
    }
    let fields = kept.iter().map(|i| Arc::clone(&columns[*i])).chain([
        Arc::new(Field::new(PREDICTION, DataType::Float64, true)),
        Arc::new(Field::new(STATUS, DataType::Utf8, false)),
        Arc::new(Field::new(STATUS_INPUT, DataType::Utf8, true)),
    ]);
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut sink = Output::create(output, format, &schema)?;
    let mut predicted = Predicted::default();
    for batch in &table.batches {
        let rows = inputs(batch, &at).with_context(|| shown.clone())?;
        let (mut found, mut status) = (vec![0.0; batch.num_rows()], vec![RowStatus::Ok; batch.num_rows()]);
        predictor.predict(&rows, &mut found, &mut status);
        status.iter().for_each(|status| predicted.count(*status));
        let name = |status: &RowStatus| Some(predictor.columns().inputs[status.input()?].name.as_str());
        let results: [ArrayRef; 3] = [
            Arc::new(found.iter().map(|x| x.is_finite().then_some(*x)).collect::<Float64Array>()),
            Arc::new(status.iter().map(|status| Some(status.as_str())).collect::<StringArray>()),
            Arc::new(status.iter().map(name).collect::<StringArray>()),
        ];
        let arrays = kept.iter().map(|i| Arc::clone(batch.column(*i))).chain(results).collect();
        sink.write(&RecordBatch::try_new(Arc::clone(&schema), arrays)?)?;
    }
    if predicted.rows == 0 {
        bail!("{shown}: has no rows");
    }
    sink.finish()?;
    Ok(predicted)
}

fn is_ours(name: &str) -> bool {
    [PREDICTION, STATUS, STATUS_INPUT].contains(&name)
}

impl Predicted {
    fn count(&mut self, status: RowStatus) {
        self.rows += 1;
        *match status {
            RowStatus::Ok => &mut self.ok,
            RowStatus::Outside(_) => &mut self.outside_training,
            RowStatus::Missing(_) => &mut self.missing_input,
            RowStatus::Bad(_) => &mut self.bad_input,
        } += 1;
    }
}

/// Reads a file of any kind that `zomma sql` reads. One thread, so that rows stay in their order.
async fn read(input: &Path) -> anyhow::Result<Table> {
    let Some(path) = input.to_str().filter(|path| *path != "-") else {
        bail!(BadArguments("TABLE: a file is needed: .parquet, .csv, .tsv, .arrow or .json".into()));
    };
    let s3 = S3Settings::from_variables(std::env::vars())?;
    let files = vec![("input".to_owned(), path.to_owned())];
    let session = Session::open(Settings { files, s3, threads: Some(1), ..Settings::default() }).await?;
    let Outcome::Rows(mut answer) = session.ask("SELECT * FROM input", None).await? else {
        bail!("cannot be read as a table");
    };
    let columns = Arc::clone(answer.columns());
    let mut batches = Vec::new();
    while let Some(batch) = answer.next().await? {
        batches.push(batch);
    }
    Ok(Table { columns, batches })
}

/// The inputs of every row, one row after the other; NaN where a cell is empty or no number.
fn inputs(batch: &RecordBatch, at: &[usize]) -> anyhow::Result<Vec<f64>> {
    let mut rows = vec![f64::NAN; batch.num_rows() * at.len()];
    for (j, column) in at.iter().enumerate() {
        let array = batch.column(*column);
        let numbers = arrow_cast::cast(array, &DataType::Float64).with_context(|| {
            let name = batch.schema().field(*column).name().clone();
            format!("column {name} is of type {}; allowed: numbers", array.data_type())
        })?;
        let numbers = numbers.as_primitive::<Float64Type>();
        for (i, place) in rows.iter_mut().skip(j).step_by(at.len()).enumerate() {
            if numbers.is_valid(i) {
                *place = numbers.value(i);
            }
        }
    }
    Ok(rows)
}
