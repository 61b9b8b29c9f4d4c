//! The run's own folder as a sink: its numbers as Parquet, `metrics.parquet`, a row a step.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::{ArrayRef, Float64Array, RecordBatch, TimestampMillisecondArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};

use super::{Artefact, Event, Point, RunRecord, RunState, Sink, SinkError, Started};
use crate::training::write_whole;

/// Points after which the table is written again, at least; and as a share of those there are.
const EVERY: usize = 64;
const SHARE: usize = 4;

/// Writes the table whole, beside its place and then there: now and then while the run goes on, and when it ended.
pub struct LocalSink {
    path: PathBuf,
    record: RunRecord,
    unwritten: usize,
}

impl LocalSink {
    /// For a run's folder.
    pub fn new(run: &Path) -> Self {
        Self { path: run.join("metrics.parquet"), record: RunRecord::default(), unwritten: 0 }
    }

    fn write(&mut self) -> Result<(), SinkError> {
        self.unwritten = 0;
        if self.record.points.is_empty() {
            return Ok(());
        }
        let failed = |error: &dyn std::fmt::Display| SinkError::Refused(format!("{}: {error}", self.path.display()));
        let bytes = table(&self.record).map_err(|error| failed(&error))?;
        write_whole(&self.path, &bytes).map_err(|error| SinkError::Refused(error.to_string()))
    }
}

impl Sink for LocalSink {
    fn name(&self) -> &'static str {
        "folder"
    }

    fn rereads(&self) -> bool {
        true
    }

    fn started(&mut self, run: &Started) -> Result<String, SinkError> {
        self.record.apply(&Event::Started(run.clone()));
        Ok(run.id.clone())
    }

    fn resumed(&mut self, step: u64) -> Result<(), SinkError> {
        self.record.apply(&Event::Resumed { at_ms: self.record.last_ms, step });
        Ok(())
    }

    fn metrics(&mut self, points: &[Point], _again: bool) -> Result<(), SinkError> {
        points.iter().for_each(|point| self.record.apply(&Event::Metrics(point.clone())));
        self.unwritten += points.len();
        // So that a long run's table is not written for ever: what is written in all is some times what there is.
        if self.unwritten >= EVERY.max(self.record.points.len() / SHARE) { self.write() } else { Ok(()) }
    }

    fn artefact(&mut self, _file: &Artefact) -> Result<(), SinkError> {
        Ok(())
    }

    fn rests(&mut self) -> Result<(), SinkError> {
        if self.unwritten > 0 { self.write() } else { Ok(()) }
    }

    fn ended(&mut self, _at_ms: i64, _state: RunState, _summary: &[(&str, f64)]) -> Result<(), SinkError> {
        self.write()
    }
}

/// The table as Parquet: `step`, `time` (UTC), and a column a number, empty where it was not told.
fn table(record: &RunRecord) -> Result<Vec<u8>, parquet::errors::ParquetError> {
    let points = &record.points;
    let utc = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let mut fields = vec![Field::new("step", DataType::UInt64, false), Field::new("time", utc, false)];
    let times = TimestampMillisecondArray::from_iter_values(points.iter().map(|point| point.at_ms));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_iter_values(points.iter().map(|point| point.step))),
        Arc::new(times.with_timezone("UTC")),
    ];
    for name in record.names() {
        fields.push(Field::new(name, DataType::Float64, true));
        columns.push(Arc::new(points.iter().map(|point| point.values.get(name).copied()).collect::<Float64Array>()));
    }
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?;
    writer.write(&batch)?;
    writer.into_inner()
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    #[test]
    fn the_table_has_a_row_a_step_and_gaps_where_nothing_was_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = LocalSink::new(folder.path());
        let point = |step: u64, names: &[&str]| Point {
            at_ms: 1000 + step as i64,
            step,
            values: names.iter().map(|name| ((*name).to_owned(), step as f64 / 3.0)).collect(),
        };
        let points: Vec<Point> = (1..=100).map(|step| point(step, &["loss"])).collect();
        sink.metrics(&points, false).unwrap();
        sink.metrics(&[point(101, &["loss", "held_out"])], false).unwrap();
        sink.ended(0, RunState::Finished, &[]).unwrap();
        let file = std::fs::File::open(folder.path().join("metrics.parquet")).unwrap();
        let batches: Vec<RecordBatch> =
            ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap).collect();
        let batch = &batches[0];
        let names: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!((batches.len(), batch.num_rows()), (1, 101));
        assert_eq!(names, ["step", "time", "held_out", "loss"]);
        let held_out = batch.column(2).as_primitive::<arrow_array::types::Float64Type>();
        assert_eq!((arrow_array::Array::null_count(held_out), held_out.value(100)), (100, 101.0 / 3.0));
    }
}
