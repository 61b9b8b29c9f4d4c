//! What a query reads, in plain words: days, files, row groups, bytes, and how many of them there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use datafusion::{
    common::tree_node::TreeNodeRecursion,
    datasource::{physical_plan::FileScanConfig, source::DataSourceExec, source_as_provider},
    error::DataFusionError,
    execution::TaskContext,
    logical_expr::LogicalPlan,
    physical_plan::{ExecutionPlan, displayable, execute_stream, metrics::MetricValue},
};
use futures::StreamExt;
use jiff::{Timestamp, civil::Date};
use serde::Serialize;

use super::{
    bounds::Bounds,
    damage::Ran,
    error::SqlError,
    newest::{self, NewestScan},
    place_table::{Picked, PlaceTable},
    postgres_table::PostgresTable,
    statement::Explain,
};

/// Some of what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Share {
    /// What is read.
    pub read: usize,
    /// What there is.
    pub all: usize,
}

/// What is read of one table or file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Read {
    /// Its name.
    pub table: String,
    /// Where it is.
    pub source: String,
    /// Days, where it is partitioned by them.
    pub days: Option<Share>,
    /// The first and the last day that is read.
    pub dates: Option<[Date; 2]>,
    /// The first time that the query's predicates let through, where they bound it, and the last.
    pub times: Option<[Option<Timestamp>; 2]>,
    /// Files; none where a server is asked.
    pub files: Option<Share>,
    /// Row groups of the Parquet files that were opened; none before the query is run.
    pub row_groups: Option<Share>,
    /// Rows that came out of the files; none before the query is run.
    pub rows: Option<usize>,
    /// Bytes read, beside the files' footers; none before the query is run.
    pub bytes: Option<usize>,
}

/// What a query reads, and how it is computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// By table or file.
    pub reads: Vec<Read>,
    /// Rows of the result; none before the query is run.
    pub rows: Option<u64>,
    /// The steps, the last first, an indent for each step that one takes its rows from.
    pub plan: String,
}

/// What the scans of one table came to.
#[derive(Debug, Default)]
struct Scanned {
    files: BTreeSet<String>,
    row_groups: usize,
    row_groups_left_out: usize,
    is_parquet: bool,
    rows: usize,
    bytes: usize,
}

/// Explains a query, after running it where that is asked.
pub(super) async fn explain(logical: &LogicalPlan, ran: &Ran, mode: Explain) -> Result<Explained, SqlError> {
    let (physical, sql) = (&ran.plan, &ran.sql);
    let fault = |error: DataFusionError| SqlError::of(&error, sql);
    let rows = match mode {
        Explain::Plan => None,
        Explain::Run => match run(physical, Arc::clone(&ran.task)).await {
            Ok(rows) => Some(rows),
            Err(error) => return Err(ran.told(&error).await),
        },
    };
    let mut scanned = BTreeMap::new();
    visit(physical, &mut scanned);
    let mut reads = Vec::new();
    for (name, source, predicates) in scans(logical).map_err(fault)? {
        if let Some(table) = source.downcast_ref::<PostgresTable>() {
            reads.push(of_server(name, table, Bounds::of(&predicates)));
            continue;
        }
        let Some(table) = source.downcast_ref::<PlaceTable>() else { continue };
        let picked = table.pick(&predicates).await?;
        let key = (table.url().to_string(), table.table().name().to_owned());
        reads.push(of_place(name, table, &picked, scanned.remove(&key).as_ref(), mode));
    }
    let files = scanned.into_iter().filter(|((url, _), _)| !url.starts_with("place-"));
    reads.extend(files.map(|((_, name), scanned)| of_files(name, &scanned, mode)));
    Ok(Explained { reads, rows, plan: displayable(physical.as_ref()).indent(false).to_string() })
}

/// Runs a query and drops its rows; how many there were.
async fn run(physical: &Arc<dyn ExecutionPlan>, task: Arc<TaskContext>) -> Result<u64, DataFusionError> {
    let mut stream = execute_stream(Arc::clone(physical), task)?;
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        rows += batch?.num_rows() as u64;
    }
    Ok(rows)
}

type Scan = (String, Arc<dyn datafusion::catalog::TableProvider>, Vec<datafusion::logical_expr::Expr>);

/// The tables that a query scans, each with what it asks of their rows.
fn scans(logical: &LogicalPlan) -> Result<Vec<Scan>, DataFusionError> {
    let mut found = Vec::new();
    logical.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(provider) = source_as_provider(&scan.source)
        {
            found.push((scan.table_name.to_string(), provider, scan.filters.clone()));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Gathers what the scans below a step did, by store and by table of a place or file.
fn visit(step: &Arc<dyn ExecutionPlan>, scanned: &mut BTreeMap<(String, String), Scanned>) {
    let scan = step.downcast_ref::<DataSourceExec>();
    if let Some(config) = scan.and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>()) {
        let url = config.object_store_url.to_string();
        let files: Vec<_> = config.file_groups.iter().flat_map(|group| group.iter()).collect();
        let location = files.first().map(|file| file.path().clone()).unwrap_or_default();
        let name = if url.starts_with("place-") {
            location.parts().next().map(|table| table.as_ref().to_owned()).unwrap_or_default()
        } else {
            format!("/{location}")
        };
        let sums = scanned.entry((url, name)).or_default();
        sums.files.extend(files.iter().map(|file| file.path().to_string()));
        sums.is_parquet |= config.file_source().file_type() == "parquet";
        for metric in step.metrics().iter().flat_map(|metrics| metrics.iter()) {
            match metric.value() {
                MetricValue::PruningMetrics { name, pruning_metrics } => match name.as_ref() {
                    "row_groups_pruned_statistics" => {
                        sums.row_groups += pruning_metrics.pruned() + pruning_metrics.matched();
                        sums.row_groups_left_out += pruning_metrics.pruned();
                    }
                    "row_groups_pruned_bloom_filter" | "limit_pruned_row_groups" => {
                        sums.row_groups_left_out += pruning_metrics.pruned();
                    }
                    _ => {}
                },
                MetricValue::Count { name, count } if name == "row_groups_pruned_dynamic_filter" => {
                    sums.row_groups_left_out += count.value();
                }
                MetricValue::Count { name, count } if name == "bytes_scanned" => sums.bytes += count.value(),
                MetricValue::OutputRows(count) => sums.rows += count.value(),
                _ => {}
            }
        }
    }
    if let Some(scan) = step.downcast_ref::<NewestScan>() {
        add_newest(scan, step, scanned);
    }
    for below in step.children() {
        visit(below, scanned);
    }
}

/// Adds what reading files together came to, to what the scan of the same table's other files did.
fn add_newest(scan: &NewestScan, step: &Arc<dyn ExecutionPlan>, scanned: &mut BTreeMap<(String, String), Scanned>) {
    let sums = scanned.entry((scan.url().to_string(), scan.table().name().to_owned())).or_default();
    sums.files.extend(scan.files().map(|file| file.meta.location.to_string()));
    sums.is_parquet = true;
    for metric in step.metrics().iter().flat_map(|metrics| metrics.iter()) {
        match metric.value() {
            MetricValue::Count { name, count } if name == newest::ROW_GROUPS => sums.row_groups += count.value(),
            MetricValue::Count { name, count } if name == newest::ROW_GROUPS_LEFT_OUT => {
                sums.row_groups_left_out += count.value();
            }
            MetricValue::Count { name, count } if name == newest::BYTES => sums.bytes += count.value(),
            MetricValue::OutputRows(count) => sums.rows += count.value(),
            _ => {}
        }
    }
}

fn of_place(name: String, table: &PlaceTable, picked: &Picked, scanned: Option<&Scanned>, mode: Explain) -> Read {
    let days = picked.days();
    let dates = days.first().zip(days.last()).map(|(first, last)| [*first, *last]);
    let ran = (mode == Explain::Run).then(|| scanned.map_or(Counts::default(), Counts::of));
    Read {
        table: name,
        source: table.place().shown().to_owned(),
        days: Some(Share { read: days.len(), all: picked.days_all }),
        dates,
        times: times(picked.bounds),
        files: Some(Share { read: picked.files.len(), all: picked.files_all }),
        row_groups: ran.map(|ran| ran.row_groups),
        rows: ran.map(|ran| ran.rows),
        bytes: ran.map(|ran| ran.bytes),
    }
}

/// What a server reads it tells itself: the plan says what it is asked for.
fn of_server(name: String, table: &PostgresTable, bounds: Bounds) -> Read {
    Read {
        table: name,
        source: table.shown().to_owned(),
        days: None,
        dates: None,
        times: times(bounds),
        files: None,
        row_groups: None,
        rows: None,
        bytes: None,
    }
}

fn of_files(name: String, scanned: &Scanned, mode: Explain) -> Read {
    let ran = (mode == Explain::Run).then(|| Counts::of(scanned));
    let files = scanned.files.len();
    Read {
        table: if files == 1 { "file".into() } else { "files".into() },
        source: if files == 1 { name } else { format!("{name} …") },
        days: None,
        dates: None,
        times: None,
        files: Some(Share { read: files, all: files }),
        row_groups: ran.filter(|_| scanned.is_parquet).map(|ran| ran.row_groups),
        rows: ran.map(|ran| ran.rows),
        bytes: ran.map(|ran| ran.bytes).filter(|_| scanned.is_parquet),
    }
}

#[derive(Debug, Clone, Copy)]
struct Counts {
    row_groups: Share,
    rows: usize,
    bytes: usize,
}

impl Default for Counts {
    fn default() -> Self {
        Self { row_groups: Share { read: 0, all: 0 }, rows: 0, bytes: 0 }
    }
}

impl Counts {
    fn of(scanned: &Scanned) -> Self {
        let read = scanned.row_groups.saturating_sub(scanned.row_groups_left_out);
        Self { row_groups: Share { read, all: scanned.row_groups }, rows: scanned.rows, bytes: scanned.bytes }
    }
}

/// The ends that predicates set; none where they set neither.
fn times(bounds: Bounds) -> Option<[Option<Timestamp>; 2]> {
    let end = |ns: i128, open: i128| (ns != open).then(|| Timestamp::from_nanosecond(ns).ok()).flatten();
    let ends = [end(bounds.first_ns, i128::MIN), end(bounds.last_ns, i128::MAX)];
    ends.iter().any(Option::is_some).then_some(ends)
}

impl fmt::Display for Read {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}): ", self.table, self.source)?;
        if let Some(days) = self.days {
            write!(formatter, "{} of {} days", days.read, days.all)?;
            if let Some([first, last]) = self.dates {
                write!(formatter, " ({first} to {last})")?;
            }
            formatter.write_str(", ")?;
        }
        match self.files {
            Some(files) => write!(formatter, "{} of {} files", files.read, files.all)?,
            None => formatter.write_str("asked of the server")?,
        }
        if let Some(groups) = self.row_groups {
            write!(formatter, ", {} of their {} row groups", groups.read, groups.all)?;
        }
        if let Some(bytes) = self.bytes {
            write!(formatter, ", {bytes} bytes")?;
        }
        if let Some(rows) = self.rows {
            write!(formatter, ", {rows} rows out of them")?;
        }
        match self.times {
            Some([Some(first), Some(last)]) => write!(formatter, "; by time from {first} to {last}"),
            Some([Some(first), None]) => write!(formatter, "; by time from {first} on"),
            Some([None, Some(last)]) => write!(formatter, "; by time up to {last}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rows {
            Some(rows) => writeln!(formatter, "reads, for {rows} rows of result")?,
            None => writeln!(formatter, "would read (EXPLAIN ANALYZE runs it and tells row groups, rows and bytes)")?,
        }
        for read in &self.reads {
            writeln!(formatter, "  {read}")?;
        }
        if self.reads.is_empty() {
            writeln!(formatter, "  no table and no file")?;
        }
        writeln!(formatter, "steps, the last first")?;
        self.plan.lines().try_for_each(|line| writeln!(formatter, "  {line}"))
    }
}
