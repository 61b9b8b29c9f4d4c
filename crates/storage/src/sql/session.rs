//! A session: the tables of places and files under their names, and the answers to queries over them.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::{
    catalog::{MemorySchemaProvider, SchemaProvider, TableProvider},
    common::TableReference,
    error::DataFusionError,
    execution::{
        SendableRecordBatchStream, SessionStateBuilder,
        memory_pool::{FairSpillPool, TrackConsumersPool},
        object_store::ObjectStoreUrl,
        runtime_env::RuntimeEnvBuilder,
    },
    logical_expr::LogicalPlan,
    physical_plan::{ExecutionPlan, execute_stream},
    prelude::{SQLOptions, SessionConfig, SessionContext},
};
use futures::StreamExt;

use super::{
    damage::Ran,
    error::SqlError,
    explain::{Explained, explain},
    files, functions,
    place_table::PlaceTable,
    postgres_table::PostgresTable,
    statement::{self, Explain},
};
use crate::{
    place::{Place, S3Settings},
    postgres::Database,
    table::Table,
};

/// The catalog that names without one are looked for in.
const CATALOG: &str = "zomma";
/// The schema that names without one are looked for in: the first place's tables, and files with a name.
const SCHEMA: &str = "public";
/// Consumers of memory that are named where there is not enough of it.
const CONSUMERS_NAMED: usize = 3;

/// A place of tables under a name: `FROM name.quotes`. The first place's tables are also found without it.
#[derive(Debug, Clone)]
pub struct NamedPlace {
    /// The name.
    pub name: String,
    /// Where they are.
    pub kept: Kept,
}

/// Where tables are kept.
#[derive(Debug, Clone)]
pub enum Kept {
    /// As Parquet files.
    Files(Place),
    /// By a PostgreSQL server.
    Server(Box<Database>),
}

impl Kept {
    fn shown(&self) -> &str {
        match self {
            Self::Files(place) => place.shown(),
            Self::Server(database) => database.shown(),
        }
    }
}

/// What a session is opened with.
#[derive(Debug, Default)]
pub struct Settings {
    /// Places of tables, in order.
    pub places: Vec<NamedPlace>,
    /// Files under a name, each with its path.
    pub files: Vec<(String, String)>,
    /// How the files in S3 that a query names are reached.
    pub s3: S3Settings,
    /// Threads that work on a query; as many as processors where absent.
    pub threads: Option<usize>,
    /// Memory for sorting, joining and grouping; what is beyond it goes to files of the system's temporary folder where that is
    /// possible. As much as there is where absent.
    pub memory_bytes: Option<usize>,
}

/// A table that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    /// Its name in a query.
    pub name: String,
    /// Where it comes from.
    pub source: String,
    /// Its columns.
    pub columns: SchemaRef,
}

/// What a query came to.
pub enum Outcome {
    /// Rows.
    Rows(Answer),
    /// What was read, or would be.
    Explained(Explained),
}

/// Rows that come as they are computed.
pub struct Answer {
    columns: SchemaRef,
    stream: SendableRecordBatchStream,
    ran: Ran,
}

impl Answer {
    /// The columns.
    pub fn columns(&self) -> &SchemaRef {
        &self.columns
    }

    /// The next rows, or `None` at the end.
    ///
    /// # Errors
    /// Where they cannot be computed; with the file's name where a damaged Parquet file is why.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, SqlError> {
        match self.stream.next().await.transpose() {
            Ok(rows) => Ok(rows),
            Err(error) => Err(self.ran.told(&error).await),
        }
    }
}

/// Tables under their names, and our functions.
pub struct Session {
    context: SessionContext,
    s3: S3Settings,
    tables: Vec<TableInfo>,
    places: Vec<(ObjectStoreUrl, Place)>,
}

impl Session {
    /// Opens one; files under a name are looked at now.
    ///
    /// # Errors
    /// Where a file cannot be read, or two tables or places have one name.
    pub async fn open(settings: Settings) -> Result<Self, SqlError> {
        let mut config =
            SessionConfig::new().with_default_catalog_and_schema(CATALOG, SCHEMA).with_information_schema(true);
        config.options_mut().sql_parser.collect_spans = true;
        if let Some(threads) = settings.threads {
            config = config.with_target_partitions(threads);
        }
        let mut runtime = RuntimeEnvBuilder::new();
        if let (Some(bytes), Some(named)) = (settings.memory_bytes, std::num::NonZeroUsize::new(CONSUMERS_NAMED)) {
            runtime = runtime.with_memory_pool(Arc::new(TrackConsumersPool::new(FairSpillPool::new(bytes), named)));
        }
        let runtime = runtime.build_arc().map_err(|error| SqlError::of(&error, ""))?;
        let state =
            SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features().build();
        let context = SessionContext::new_with_state(state);
        functions::register(&context);
        let mut session = Self { context, s3: settings.s3, tables: Vec::new(), places: Vec::new() };
        for (at, place) in settings.places.into_iter().enumerate() {
            session.add_place(at, place)?;
        }
        for (name, path) in settings.files {
            session.add_file(&name, &path).await?;
        }
        Ok(session)
    }

    /// The tables, in order of registration.
    pub fn tables(&self) -> &[TableInfo] {
        &self.tables
    }

    /// Answers a query, or explains it where it says EXPLAIN or `explain` is given.
    ///
    /// # Errors
    /// Where the text is no query, or does not fit the tables; what goes wrong later is told by [`Answer::next`].
    pub async fn ask(&self, sql: &str, explaining: Option<Explain>) -> Result<Outcome, SqlError> {
        let asked = statement::parse(sql)?;
        let state = self.context.state();
        let fault = |error: DataFusionError| self.planning(&error, sql);
        for reference in state.resolve_table_references(&asked.query).map_err(fault)? {
            if let TableReference::Bare { table } = &reference
                && !self.context.table_exist(reference.clone()).map_err(fault)?
                && files::is_file(table)
            {
                self.add_file_of_query(table).await?;
            }
        }
        let plan = self.context.state().statement_to_plan(asked.query).await.map_err(fault)?;
        let reading = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        reading.verify_plan(&plan).map_err(fault)?;
        match asked.explain.or(explaining) {
            Some(mode) => {
                let (logical, physical) = self.planned(&plan).await.map_err(fault)?;
                Ok(Outcome::Explained(explain(&logical, &self.ran(physical, sql), mode).await?))
            }
            None => {
                let (_, physical) = self.planned(&plan).await.map_err(fault)?;
                let ran = self.ran(physical, sql);
                match execute_stream(Arc::clone(&ran.plan), Arc::clone(&ran.task)) {
                    Ok(stream) => Ok(Outcome::Rows(Answer { columns: stream.schema(), stream, ran })),
                    Err(error) => Err(ran.told(&error).await),
                }
            }
        }
    }

    fn ran(&self, plan: Arc<dyn ExecutionPlan>, sql: &str) -> Ran {
        Ran { plan, task: self.context.task_ctx(), places: self.places.clone().into(), sql: sql.to_owned() }
    }

    /// The plan without what it need not do, and how it is run.
    async fn planned(&self, plan: &LogicalPlan) -> Result<(LogicalPlan, Arc<dyn ExecutionPlan>), DataFusionError> {
        let state = self.context.state();
        let logical = state.optimize(plan)?;
        let physical = state.query_planner().create_physical_plan(&logical, &state).await?;
        Ok((logical, physical))
    }

    fn add_place(&mut self, at: usize, NamedPlace { name, kept }: NamedPlace) -> Result<(), SqlError> {
        let fault = |error: DataFusionError| SqlError::of(&error, "");
        // Each has a store of its own: DataFusion tells them by scheme and host.
        let url = ObjectStoreUrl::parse(format!("place-{at}://tables")).map_err(fault)?;
        if let Kept::Files(place) = &kept {
            self.context.register_object_store(url.as_ref(), Arc::clone(place.store()));
            self.places.push((url.clone(), place.clone()));
        }
        let catalog = self.context.catalog(CATALOG).ok_or_else(|| SqlError::failed("the session has no catalog"))?;
        let schema = Arc::new(MemorySchemaProvider::new());
        if catalog.schema(&name).is_some() {
            return Err(SqlError::query(format!("{name}: two places of this name; give one another: NAME=PLACE")));
        }
        for table in Table::ALL {
            let provider: Arc<dyn TableProvider> = match &kept {
                Kept::Files(place) => Arc::new(PlaceTable::new(place.clone(), table, url.clone())),
                Kept::Server(database) => Arc::new(PostgresTable::new(Database::clone(database), table)),
            };
            let columns = provider.schema();
            schema.register_table(table.name().to_owned(), Arc::clone(&provider)).map_err(fault)?;
            if at == 0 {
                self.context.register_table(table.name(), provider).map_err(fault)?;
            }
            let shown = if at == 0 { table.name().to_owned() } else { format!("{name}.{table}") };
            self.tables.push(TableInfo { name: shown, source: kept.shown().to_owned(), columns });
        }
        catalog.register_schema(&name, schema).map_err(fault)?;
        Ok(())
    }

    async fn add_file(&mut self, name: &str, path: &str) -> Result<(), SqlError> {
        let reference = TableReference::bare(name);
        let fault = |error: DataFusionError| SqlError::of(&error, "");
        if self.context.table_exist(reference.clone()).map_err(fault)? {
            return Err(SqlError::query(format!("{name}: two tables of this name")));
        }
        let provider = self.open_file(path).await?;
        let columns = provider.schema();
        self.context.register_table(reference, provider).map_err(fault)?;
        self.tables.push(TableInfo { name: name.to_owned(), source: path.to_owned(), columns });
        Ok(())
    }

    /// A file that a query names, under its path.
    async fn add_file_of_query(&self, path: &str) -> Result<(), SqlError> {
        let provider = self.open_file(path).await?;
        let registered = self.context.register_table(TableReference::bare(path), provider);
        registered.map(|_| ()).map_err(|error| SqlError::of(&error, ""))
    }

    async fn open_file(&self, path: &str) -> Result<Arc<dyn TableProvider>, SqlError> {
        if let Some(rest) = path.strip_prefix("s3://") {
            let bucket = rest.split('/').next().unwrap_or_default();
            let place = Place::open(&format!("s3://{bucket}"), &self.s3)?;
            let url = ObjectStoreUrl::parse(format!("s3://{bucket}")).map_err(|error| SqlError::of(&error, ""))?;
            self.context.register_object_store(url.as_ref(), Arc::clone(place.store()));
        }
        files::open(&self.context.state(), path).await
    }

    /// What DataFusion says of a query that it could not plan, with the nearest of our names.
    fn planning(&self, error: &DataFusionError, sql: &str) -> SqlError {
        let mut fault = SqlError::of(error, sql);
        let lost = fault.message.split_once("table '").and_then(|(_, rest)| rest.split_once("' not found"));
        if let Some((lost, _)) = lost {
            let lost = lost
                .strip_prefix(&format!("{CATALOG}.{SCHEMA}."))
                .or_else(|| lost.strip_prefix(&format!("{CATALOG}.")))
                .unwrap_or(lost)
                .to_owned();
            fault.message = format!("no table {lost}");
            let names: Vec<_> = self.tables.iter().map(|table| table.name.as_str()).collect();
            fault.help = Some(match names.as_slice() {
                _ if files::is_file(&lost) => format!("a file's name stands in quotes: FROM '{lost}'"),
                [] => "there is none: name a place with --root, a file with --table NAME=FILE, or a file in quotes: \
                       FROM 'chain.csv'"
                    .into(),
                names => format!("tables are: {}; a file's name stands in quotes: FROM 'chain.csv'", names.join(", ")),
            });
        }
        fault
    }
}

/// What went wrong in a query that was planned.
pub(super) fn running(error: &DataFusionError, sql: &str) -> SqlError {
    SqlError::of(error, sql).without_position()
}
