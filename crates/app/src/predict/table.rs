//! A table in memory, in the order of its rows, as derivations read it.

use std::{path::Path, sync::Arc};

use anyhow::bail;
use arrow_array::{
    Array, ArrayRef, RecordBatch,
    cast::AsArray,
    types::{Float64Type, Int64Type},
};
use arrow_schema::{DataType, SchemaRef};
use zomma_learn::{LearnError, table::Columns};
use zomma_storage::{
    place::S3Settings,
    sql::{Outcome, Session, Settings},
};

use crate::failure::BadArguments;

/// The table.
pub struct Table {
    /// Its file, for messages.
    pub shown: String,
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
}

impl Table {
    /// Reads a file of any kind that `zomma sql` reads. One thread, so that rows stay in their order.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub async fn read(input: &Path) -> anyhow::Result<Self> {
        let Some(path) = input.to_str().filter(|path| *path != "-") else {
            bail!(BadArguments("TABLE: a file is needed: .parquet, .csv, .tsv, .arrow or .json".into()));
        };
        let s3 = S3Settings::from_variables(std::env::vars())?;
        let files = vec![("input".to_owned(), path.to_owned())];
        let session = Session::open(Settings { files, s3, threads: Some(1), ..Settings::default() }).await?;
        let Outcome::Rows(mut answer) = session.ask("SELECT * FROM input", None).await? else {
            bail!("cannot be read as a table");
        };
        let schema = Arc::clone(answer.columns());
        let mut batches = Vec::new();
        while let Some(batch) = answer.next().await? {
            batches.push(batch);
        }
        Ok(Self { shown: input.display().to_string(), schema, batches })
    }

    fn wrong(&self, reason: String) -> LearnError {
        LearnError::Shard { path: self.shown.clone(), reason }
    }

    /// A column of every batch as another type; empty cells where a cell is none of it.
    fn cast(&self, name: &str, to: &DataType) -> Result<Vec<ArrayRef>, LearnError> {
        let names = || self.schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
        let Ok(place) = self.schema.index_of(name) else {
            return Err(self.wrong(format!("has no column {name}; it has {}", names())));
        };
        let cast = |batch: &RecordBatch| {
            let from = batch.column(place);
            arrow_cast::cast(from, to)
                .map_err(|_| self.wrong(format!("column {name} is of type {}, which is not {to}", from.data_type())))
        };
        self.batches.iter().map(cast).collect()
    }
}

impl Columns for Table {
    fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    fn numbers(&self, name: &str) -> Result<Vec<f64>, LearnError> {
        let arrays = self.cast(name, &DataType::Float64)?;
        let cells = arrays.iter().flat_map(|array| array.as_primitive::<Float64Type>().iter());
        Ok(cells.map(|cell| cell.unwrap_or(f64::NAN)).collect())
    }

    fn whole_numbers(&self, name: &str) -> Result<Option<Vec<Option<i64>>>, LearnError> {
        let is_whole = |kind: &DataType| kind.is_integer() || matches!(kind, DataType::Timestamp(..));
        if self.schema.field_with_name(name).is_ok_and(|field| !is_whole(field.data_type())) {
            return Ok(None);
        }
        let arrays = self.cast(name, &DataType::Int64)?;
        Ok(Some(arrays.iter().flat_map(|array| array.as_primitive::<Int64Type>().iter()).collect()))
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, LearnError> {
        let arrays = self.cast(name, &DataType::Utf8)?;
        let cells = arrays.iter().flat_map(|array| array.as_string::<i32>().iter());
        Ok(cells.map(|cell| cell.unwrap_or_default().to_owned()).collect())
    }

    fn wrong(&self, row: usize, problem: String) -> LearnError {
        Table::wrong(self, format!("row {}: {problem}", row + 1))
    }
}
