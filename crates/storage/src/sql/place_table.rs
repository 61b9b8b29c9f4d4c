//! A table of a place as DataFusion scans it: the files that count, of the days that a query's times can be in.

use std::{collections::BTreeSet, sync::Arc};

use arrow_schema::{DataType, Field, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Result, ScalarValue, project_schema},
    datasource::{
        TableType,
        file_format::{FileFormat, parquet::ParquetFormat},
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource},
        table_schema::TableSchema,
    },
    error::DataFusionError,
    execution::object_store::ObjectStoreUrl,
    logical_expr::{Expr, TableProviderFilterPushDown},
    physical_plan::{ExecutionPlan, empty::EmptyExec},
};
use jiff::civil::Date;

use super::bounds::{Bounds, DATE, DAY_NS};
use crate::{
    parquet::{DataFile, files},
    place::Place,
    table::Table,
};

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
fn days_since_epoch(date: Date) -> i32 {
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
        let files = picked.files.into_iter().map(|file| {
            let day = ScalarValue::Date32(Some(days_since_epoch(file.date)));
            PartitionedFile::new_from_meta(file.meta).with_partition_values(vec![day])
        });
        let groups = FileGroup::new(files.collect()).split_files(state.config().target_partitions());
        let source = Arc::new(ParquetSource::new(self.columns.clone()));
        let scan = FileScanConfigBuilder::new(self.url.clone(), source)
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        let options = state.default_table_options().parquet;
        ParquetFormat::default().with_options(options).create_physical_plan(state, scan).await
    }
}
