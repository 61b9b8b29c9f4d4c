//! `zomma predict`: a table in, the same table with a network's prediction and a status a row out. The table is in memory whole.

mod table;

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use zomma_learn::table::{Columns, RowStatus, TablePredictor};
use zomma_storage::block_on;

use self::table::Table;
use crate::sql::{Format, Output};

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
    /// Rows without a prediction, since a window is not full yet.
    pub warming_up: u64,
}

/// Predicts every row of `input`, and writes it with the rest of its row.
///
/// # Errors
///
/// A table that cannot be read or lacks a column; an output that cannot be written.
pub fn run(
    predictor: &TablePredictor,
    input: &Path,
    output: Option<&Path>,
    format: Option<Format>,
) -> anyhow::Result<Predicted> {
    let table = block_on(Table::read(input)).with_context(|| input.display().to_string())?;
    if table.rows() == 0 {
        bail!("{}: has no rows", table.shown);
    }
    let (found, status) = predictor.predict_table(&table)?;
    let columns = table.schema.fields();
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
    status.iter().for_each(|status| predicted.count(*status));
    let name = |status: &RowStatus| Some(predictor.columns().inputs[status.input()?].name.as_str());
    let mut first = 0;
    for batch in &table.batches {
        let at = first..first + batch.num_rows();
        first = at.end;
        let (found, status) = (&found[at.clone()], &status[at]);
        let results: [ArrayRef; 3] = [
            Arc::new(found.iter().map(|x| x.is_finite().then_some(*x)).collect::<Float64Array>()),
            Arc::new(status.iter().map(|status| Some(status.as_str())).collect::<StringArray>()),
            Arc::new(status.iter().map(name).collect::<StringArray>()),
        ];
        let arrays = kept.iter().map(|i| Arc::clone(batch.column(*i))).chain(results).collect();
        sink.write(&RecordBatch::try_new(Arc::clone(&schema), arrays)?)?;
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
            RowStatus::Warming => &mut self.warming_up,
        } += 1;
    }
}
