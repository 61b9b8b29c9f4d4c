//! Which file it was: DataFusion says of a damaged Parquet file what is wrong, and not in which file. When a query has failed for one, the files that it
//! was to read are read again, a column of a row group at a time, up to the first that cannot be.

use std::{collections::BTreeSet, sync::Arc};

use arrow_schema::ArrowError;
use datafusion::{
    datasource::{physical_plan::FileScanConfig, source::DataSourceExec},
    error::DataFusionError,
    execution::{TaskContext, object_store::ObjectStoreUrl},
    physical_plan::ExecutionPlan,
};
use futures::StreamExt;
use object_store::{ObjectStore, path::Path};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

use super::{error::SqlError, session::running};
use crate::{parquet::object::ObjectReader, place::Place};

/// What is said where a file's end is not that of a Parquet file.
pub(super) const FOOTER: &str = "its footer cannot be read; is the file whole?";

/// Whether an error may be that of a damaged Parquet file.
pub(super) fn may_be_damage(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::ParquetError(_) => true,
        DataFusionError::ArrowError(inner, _) => {
            matches!(**inner, ArrowError::ParquetError(_) | ArrowError::ExternalError(_) | ArrowError::IoError(..))
        }
        _ => false,
    }
}

/// What a query has run on, as far as an error is to be told of.
#[derive(Clone)]
pub(super) struct Ran {
    /// Its steps.
    pub plan: Arc<dyn ExecutionPlan>,
    /// What they run with.
    pub task: Arc<TaskContext>,
    /// The places of tables, by the name that the session knows their store under.
    pub places: Arc<[(ObjectStoreUrl, Place)]>,
    /// Its text.
    pub sql: String,
}

impl Ran {
    /// What went wrong, and in which file where one is damaged.
    pub async fn told(&self, error: &DataFusionError) -> SqlError {
        let said = running(error, &self.sql);
        if !may_be_damage(error) {
            return said;
        }
        let mut files = BTreeSet::new();
        gather(&self.plan, &mut files);
        for (url, path, size) in files {
            let Ok(url) = ObjectStoreUrl::parse(url) else { continue };
            let Ok(store) = self.task.runtime_env().object_store(&url) else { continue };
            if let Err(fault) = read(store, &path, size).await {
                return said.of_file(&format!("{}: {fault}", self.shown(&url, &path)));
            }
        }
        said
    }

    fn shown(&self, url: &ObjectStoreUrl, path: &Path) -> String {
        match self.places.iter().find(|(of, _)| of == url) {
            Some((_, place)) => place.path_shown(path),
            None if url.as_str().starts_with("file:") => format!("/{path}"),
            None => format!("{}{path}", url.as_str()),
        }
    }
}

/// The Parquet files below a step, with their store and their size.
fn gather(step: &Arc<dyn ExecutionPlan>, files: &mut BTreeSet<(String, Path, u64)>) {
    let scan = step.downcast_ref::<DataSourceExec>();
    if let Some(config) = scan.and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>())
        && config.file_source().file_type() == "parquet"
    {
        let url = config.object_store_url.to_string();
        let of_group = config.file_groups.iter().flat_map(|group| group.iter());
        files.extend(of_group.map(|file| (url.clone(), file.path().clone(), file.object_meta.size)));
    }
    step.children().into_iter().for_each(|below| gather(below, files));
}

/// Reads a file to its end; what of it cannot be read where it is damaged.
async fn read(store: Arc<dyn ObjectStore>, path: &Path, size: u64) -> Result<(), String> {
    let reader = || ObjectReader { store: Arc::clone(&store), path: path.clone(), size };
    let opened = ParquetRecordBatchStreamBuilder::new(reader()).await.map_err(|_| FOOTER.to_owned())?;
    let metadata = Arc::clone(opened.metadata());
    let groups = metadata.num_row_groups();
    for group in 0..groups {
        for (place, column) in metadata.file_metadata().schema_descr().columns().iter().enumerate() {
            let name = column.path().string();
            let fault =
                || format!("row group {} of {groups}, column {name}, cannot be read; is the file whole?", group + 1);
            let builder = ParquetRecordBatchStreamBuilder::new(reader()).await.map_err(|_| FOOTER.to_owned())?;
            let mask = ProjectionMask::leaves(builder.parquet_schema(), [place]);
            let built = builder.with_row_groups(vec![group]).with_projection(mask).build();
            let mut rows = built.map_err(|_| fault())?;
            while let Some(batch) = rows.next().await {
                batch.map_err(|_| fault())?;
            }
        }
    }
    Ok(())
}
