//! A table of a place as DataFusion scans it: the files that count, of the days that a query's times can be in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow_schema::{DataType, Field, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Result, ScalarValue, project_schema},
    datasource::{
        TableType,
        file_format::{FileFormat, parquet::ParquetFormat},
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource, parquet::metadata::DFParquetMetadata},
        table_schema::TableSchema,
    },
    error::DataFusionError,
    execution::object_store::ObjectStoreUrl,
    logical_expr::{Expr, ScalarUDF, TableProviderFilterPushDown},
    physical_expr::{ScalarFunctionExpr, expressions::Column},
    physical_plan::{ExecutionPlan, empty::EmptyExec, filter::FilterExecBuilder, union::UnionExec},
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::civil::Date;

use super::{
    bounds::{Bounds, DATE, DAY_NS},
    contested::{Contested, Keys, all_intervals, is_plain, part},
    damage::{FOOTER, may_be_damage},
    newest::{IsUncontested, NewestScan, Piece},
    postgres_table::instruments,
};
use crate::{
    error::StorageError,
    parquet::{DataFile, Filter, files},
    place::Place,
    table::{TIME, Table},
};

/// Footers that are read at once.
const FOOTERS: usize = 16;

/// One table of one place.
#[derive(Debug)]
pub(super) struct PlaceTable {
    place: Place,
    table: Table,
    /// Under which the session knows the place's store.
    url: ObjectStoreUrl,
    columns: TableSchema,
}

/// The files of a table, and those of them that a query has to open.
#[derive(Debug)]
pub(super) struct Picked {
    /// Those that have to be opened.
    pub(super) files: Vec<DataFile>,
    /// How many there are.
    pub(super) files_all: usize,
    /// Days that have files.
    pub(super) days_all: usize,
    /// What the query's predicates say of time.
    pub(super) bounds: Bounds,
}

impl Picked {
    /// Days that have to be opened.
    pub(super) fn days(&self) -> BTreeSet<Date> {
        self.files.iter().map(|file| file.date).collect()
    }
}

impl PlaceTable {
    /// A table of a place whose store the session knows under `url`.
    pub(super) fn new(place: Place, table: Table, url: ObjectStoreUrl) -> Self {
        let day = Arc::new(Field::new(DATE, DataType::Date32, false));
        let columns = TableSchema::builder(table.schema()).with_table_partition_cols(vec![day]).build();
        Self { place, table, url, columns }
    }

    /// Which table it is.
    pub(super) fn table(&self) -> Table {
        self.table
    }

    /// Where it is.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Under which the session knows the place's store.
    pub(super) fn url(&self) -> &ObjectStoreUrl {
        &self.url
    }

    /// The files that rows can be in that pass all predicates.
    ///
    /// # Errors
    /// Where the store fails.
    pub(super) async fn pick(&self, predicates: &[Expr]) -> crate::error::Result<Picked> {
        let bounds = Bounds::of(predicates);
        let all = files(&self.place, self.table, None).await?;
        let (files_all, days) = (all.len(), all.iter().map(|file| file.date).collect::<BTreeSet<_>>());
        let picked = all.into_iter().filter(|file| bounds.meets_day(i128::from(days_since_epoch(file.date)) * DAY_NS));
        Ok(Picked { files: picked.collect(), files_all, days_all: days.len(), bounds })
    }
}

/// Days since 1970-01-01.
pub(super) fn days_since_epoch(date: Date) -> i32 {
    let epoch = Date::constant(1970, 1, 1);
    // The days of jiff's years fit.
    epoch.until(date).map_or(0, |span| span.get_days())
}

#[async_trait]
impl TableProvider for PlaceTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.columns.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // Days, row groups and pages are left out by them; rows are still to be looked at.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let picked = self.pick(filters).await.map_err(|error| DataFusionError::External(Box::new(error)))?;
        if picked.files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema(), projection)?)));
        }
        let Picked { files, bounds, .. } = picked;
        let (plain, contested) = self.parted(state, files).await?;
        let mut plans = Vec::new();
        if !plain.is_empty() {
            plans.push(self.of_files(state, plain, projection.cloned(), limit).await?);
        }
        if !contested.is_empty() {
            let outside: Vec<DataFile> = contested.iter().flat_map(Contested::files_outside).collect();
            if !outside.is_empty() {
                plans.push(self.outside(state, outside, &contested, projection).await?);
            }
            let pieces = pieces(&contested, bounds, filters);
            if !pieces.is_empty() {
                let schema = project_schema(&self.schema(), projection)?;
                let columns = projection.map_or_else(|| (0..self.schema().fields().len()).collect(), Vec::clone);
                let of = (self.place.clone(), self.table, self.url.clone());
                let partitions = state.config().target_partitions();
                plans.push(Arc::new(NewestScan::new(of, pieces, columns, schema, partitions)));
            }
        }
        match plans.len() {
            0 => Ok(Arc::new(EmptyExec::new(project_schema(&self.schema(), projection)?))),
            1 => Ok(plans.remove(0)),
            _ => UnionExec::try_new(plans),
        }
    }
}

/// What is read together: by day and interval, as far as the predicates' times let it.
fn pieces(contested: &[Contested], bounds: Bounds, predicates: &[Expr]) -> Vec<Piece> {
    let within = |ns: i128| ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
    let instruments: BTreeSet<String> = instruments(predicates).into_iter().collect();
    let mut pieces = Vec::new();
    for day in contested {
        for (first, last) in &day.intervals {
            let (first, last) = ((*first).max(within(bounds.first_ns)), (*last).min(within(bounds.last_ns)));
            if first > last {
                continue;
            }
            // The last time that there is has none behind it.
            let to_ns = last.checked_add(1);
            let filter = Filter { from_ns: Some(first), to_ns, instruments: instruments.clone() };
            pieces.push(Piece { date: day.date, files: day.files_of((first, last)), filter });
        }
    }
    pieces
}

impl PlaceTable {
    /// Files that share no key with another, and the days whose others may.
    async fn parted(&self, state: &dyn Session, files: Vec<DataFile>) -> Result<(Vec<DataFile>, Vec<Contested>)> {
        let mut by_date: BTreeMap<Date, Vec<DataFile>> = BTreeMap::new();
        files.into_iter().for_each(|file| by_date.entry(file.date).or_default().push(file));
        let (mut plain, mut contested, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        for files in by_date.into_values() {
            if is_plain(&files) { plain.extend(files) } else { asked.extend(files) }
        }
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let read = asked.into_iter().map(|file| {
            let cache = Arc::clone(&cache);
            async move {
                let footer = DFParquetMetadata::new(self.place.store().as_ref(), &file.meta);
                let metadata = footer.with_file_metadata_cache(Some(cache)).fetch_metadata().await;
                let metadata = metadata.map_err(|error| match may_be_damage(&error) {
                    true => {
                        let path = self.place.path_shown(&file.meta.location);
                        DataFusionError::External(Box::new(StorageError::file(path, FOOTER)))
                    }
                    false => error,
                })?;
                let keys = Keys::of(&file, &metadata);
                Ok::<_, DataFusionError>((file, keys))
            }
        });
        let read: Vec<_> = stream::iter(read).buffered(FOOTERS).try_collect().await?;
        let mut by_date: BTreeMap<Date, Vec<(DataFile, Keys)>> = BTreeMap::new();
        read.into_iter().for_each(|(file, keys)| by_date.entry(file.date).or_default().push((file, keys)));
        for files in by_date.into_values() {
            let (apart, shared) = part(files);
            plain.extend(apart);
            contested.extend(shared);
        }
        Ok((plain, contested))
    }

    /// Reads files as they are.
    async fn of_files(
        &self,
        state: &dyn Session,
        files: Vec<DataFile>,
        projection: Option<Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = files.into_iter().map(|file| {
            let day = ScalarValue::Date32(Some(days_since_epoch(file.date)));
            PartitionedFile::new_from_meta(file.meta).with_partition_values(vec![day])
        });
        let groups = FileGroup::new(files.collect()).split_files(state.config().target_partitions());
        let source = Arc::new(ParquetSource::new(self.columns.clone()));
        let scan = FileScanConfigBuilder::new(self.url.clone(), source)
            .with_file_groups(groups)
            .with_projection_indices(projection)?
            .with_limit(limit)
            .build();
        let options = state.default_table_options().parquet;
        ParquetFormat::default().with_options(options).create_physical_plan(state, scan).await
    }

    /// Reads of files the rows at whose times no other file may have one of their key.
    async fn outside(
        &self,
        state: &dyn Session,
        files: Vec<DataFile>,
        contested: &[Contested],
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let asked = projection.cloned().unwrap_or_else(|| (0..self.schema().fields().len()).collect());
        let mut read = asked.clone();
        // The time is looked at, also where it is not asked for.
        let at = asked.iter().position(|column| *column == 0).unwrap_or_else(|| {
            read.push(0);
            read.len() - 1
        });
        let scan = self.of_files(state, files, Some(read), None).await?;
        let function = Arc::new(ScalarUDF::from(IsUncontested::new(all_intervals(contested))));
        let time = Arc::new(Column::new(TIME, at));
        let schema = scan.schema();
        let options = Arc::clone(state.config().options());
        let predicate = ScalarFunctionExpr::try_new(function, vec![time], &schema, options)?;
        let filter = FilterExecBuilder::new(Arc::new(predicate), scan);
        Ok(Arc::new(filter.apply_projection(Some((0..asked.len()).collect()))?.build()?))
    }
}
