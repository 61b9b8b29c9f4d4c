//! The rows of files that may share keys, of each key the newest, as DataFusion runs it.

use std::{fmt, sync::Arc};

use arrow_array::{
    ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, cast::AsArray, types::TimestampNanosecondType,
};
use arrow_schema::{DataType, SchemaRef};
use datafusion::{
    common::{Result, ScalarValue, tree_node::TreeNodeRecursion},
    error::DataFusionError,
    execution::{SendableRecordBatchStream, TaskContext, object_store::ObjectStoreUrl},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility},
    physical_expr::{EquivalenceProperties, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
        execution_plan::{Boundedness, EmissionType},
        metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::stream;
use jiff::civil::Date;

use super::contested::{Interval, columns_with_key, is_within};
use crate::{
    parquet::{DataFile, Filter, merge::Merged},
    place::Place,
    table::Table,
};

/// Counter of the row groups of the files that were opened.
pub(super) const ROW_GROUPS: &str = "newest_row_groups";
/// Counter of those that were left out.
pub(super) const ROW_GROUPS_LEFT_OUT: &str = "newest_row_groups_left_out";
/// Counter of the bytes of their columns.
pub(super) const BYTES: &str = "newest_bytes";

/// Files of one day that are read together, for some of their rows.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// The day.
    pub date: Date,
    /// The files.
    pub files: Vec<DataFile>,
    /// Which rows: what is said of instruments and times alone, since other values may be those of an older row.
    pub filter: Filter,
}

/// Reads pieces, each of them merged.
#[derive(Debug)]
pub(super) struct NewestScan {
    place: Place,
    table: Table,
    url: ObjectStoreUrl,
    /// By partition of the plan.
    pieces: Vec<Vec<Piece>>,
    /// Columns that it gives, by their place in the table with the day behind it.
    columns: Vec<usize>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl NewestScan {
    /// Of pieces, which `partitions` threads at most read at once.
    pub(super) fn new(
        (place, table, url): (Place, Table, ObjectStoreUrl),
        pieces: Vec<Piece>,
        columns: Vec<usize>,
        schema: SchemaRef,
        partitions: usize,
    ) -> Self {
        let count = partitions.min(pieces.len()).max(1);
        let mut parted = vec![Vec::new(); count];
        pieces.into_iter().enumerate().for_each(|(at, piece)| parted[at % count].push(piece));
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(count),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        let metrics = ExecutionPlanMetricsSet::new();
        Self { place, table, url, pieces: parted, columns, schema, properties, metrics }
    }

    /// Under which the session knows the place's store.
    pub(super) fn url(&self) -> &ObjectStoreUrl {
        &self.url
    }

    /// The table.
    pub(super) fn table(&self) -> Table {
        self.table
    }

    /// The files that it reads.
    pub(super) fn files(&self) -> impl Iterator<Item = &DataFile> {
        self.pieces.iter().flatten().flat_map(|piece| &piece.files)
    }
}

impl DisplayAs for NewestScan {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut files: Vec<&str> = self.files().map(|file| file.meta.location.as_ref()).collect();
        files.sort_unstable();
        files.dedup();
        write!(formatter, "NewestScan: {}, the newest row of each key of {} files", self.table, files.len())
    }
}

impl ExecutionPlan for NewestScan {
    fn name(&self) -> &'static str {
        "NewestScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let reading = Reading {
            place: self.place.clone(),
            table: self.table,
            pieces: self.pieces.get(partition).cloned().unwrap_or_default().into_iter(),
            stored: columns_with_key(self.table, &self.columns),
            columns: self.columns.clone(),
            schema: Arc::clone(&self.schema),
            current: None,
            metrics: self.metrics.clone(),
            partition,
        };
        let rows = stream::try_unfold(reading, |mut reading| async move {
            match reading.next().await {
                Ok(Some(rows)) => Ok(Some((rows, reading))),
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), Box::pin(rows))))
    }
}

/// The rows of one partition of the plan.
struct Reading {
    place: Place,
    table: Table,
    pieces: std::vec::IntoIter<Piece>,
    /// Columns that are read.
    stored: Vec<usize>,
    columns: Vec<usize>,
    schema: SchemaRef,
    current: Option<(Date, Merged)>,
    metrics: ExecutionPlanMetricsSet,
    partition: usize,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let failed = |error: crate::StorageError| DataFusionError::External(Box::new(error));
        loop {
            if let Some((date, merged)) = &mut self.current {
                if let Some(rows) = merged.next().await.map_err(failed)? {
                    let date = *date;
                    MetricBuilder::new(&self.metrics).output_rows(self.partition).add(rows.num_rows());
                    return self.given(date, &rows).map(Some);
                }
                self.current = None;
            }
            let Some(piece) = self.pieces.next() else { return Ok(None) };
            let opened = Merged::open_columns(&self.place, self.table, &piece.files, &piece.filter, &self.stored).await;
            let merged = opened.map_err(failed)?;
            let (all, read, bytes) = merged.groups();
            let count = |name: &'static str, count: usize| {
                MetricBuilder::new(&self.metrics).counter(name, self.partition).add(count);
            };
            count(ROW_GROUPS, all);
            count(ROW_GROUPS_LEFT_OUT, all - read);
            count(BYTES, usize::try_from(bytes).unwrap_or(usize::MAX));
            self.current = Some((piece.date, merged));
        }
    }

    /// The columns that are asked for.
    fn given(&self, date: Date, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            match self.stored.binary_search(column) {
                Ok(at) => columns.push(Arc::clone(rows.column(at))),
                // What no file has is the day.
                Err(_) => {
                    let day = ScalarValue::Date32(Some(super::place_table::days_since_epoch(date)));
                    columns.push(day.to_array_of_size(rows.num_rows())?);
                }
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// Whether a row's time is outside of all intervals in which files are read together.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct IsUncontested {
    intervals: Vec<Interval>,
    signature: Signature,
}

impl IsUncontested {
    /// By intervals in order and apart.
    pub(super) fn new(intervals: Vec<Interval>) -> Self {
        Self { intervals, signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for IsUncontested {
    fn name(&self) -> &'static str {
        "is_uncontested"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let times = ColumnarValue::values_to_arrays(&call.args)?;
        let times = times[0].as_primitive::<TimestampNanosecondType>().values();
        let outside: BooleanArray = times.iter().map(|time| Some(!is_within(&self.intervals, *time))).collect();
        Ok(ColumnarValue::Array(Arc::new(outside)))
    }
}
