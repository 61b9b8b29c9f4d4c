//! Files as tables: Parquet, CSV, Arrow and JSON by their endings, one, a folder of them, or those that a pattern names.

use std::{path::Path, sync::Arc};

use arrow_array::cast::AsArray;
use arrow_schema::{DataType, Field, Schema};
use datafusion::{
    catalog::TableProvider,
    datasource::{
        file_format::{FileFormat, arrow::ArrowFormat, csv::CsvFormat, json::JsonFormat, parquet::ParquetFormat},
        listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
    },
    error::DataFusionError,
    execution::SessionState,
    physical_plan::collect,
};
use futures::StreamExt;

use super::error::SqlError;

/// What is allowed, in words.
const ENDINGS: &str = ".parquet, .csv, .tsv, .arrow, .json (an object a line), and folders and patterns of them";

/// Rows of a text file by which its columns' types are told.
const ROWS_FOR_TYPES: usize = 100_000;

/// Whether a name in a query stands for a file and not for a table.
pub(super) fn is_file(name: &str) -> bool {
    name.contains(['/', '\\', '*']) || format_of(name).is_some() || Path::new(name).is_file()
}

fn format_of(name: &str) -> Option<(Arc<dyn FileFormat>, String)> {
    let ending = Path::new(name).extension()?.to_str()?;
    let text = |delimiter: u8| {
        CsvFormat::default().with_has_header(true).with_delimiter(delimiter).with_schema_infer_max_rec(ROWS_FOR_TYPES)
    };
    let format: Arc<dyn FileFormat> = match ending.to_ascii_lowercase().as_str() {
        "parquet" | "pq" => Arc::new(ParquetFormat::default()),
        "csv" | "txt" => Arc::new(text(b',')),
        "tsv" => Arc::new(text(b'\t')),
        "arrow" | "ipc" | "feather" => Arc::new(ArrowFormat),
        "json" | "jsonl" | "ndjson" => Arc::new(JsonFormat::default().with_schema_infer_max_rec(ROWS_FOR_TYPES)),
        _ => return None,
    };
    Some((format, format!(".{ending}")))
}

/// The table of a file, a folder or a pattern, whose columns are found out now.
///
/// # Errors
/// Where there is none, its kind is not told by its ending, or it is not what the ending says.
pub(super) async fn open(state: &SessionState, name: &str) -> Result<Arc<dyn TableProvider>, SqlError> {
    let wrong = |problem: String| SqlError::failed(format!("{name}: {problem}"));
    let is_pattern = name.contains(['*', '?', '[']);
    let is_remote = name.contains("://");
    let is_folder = !is_remote && Path::new(name).is_dir();
    if !is_remote && !is_pattern && !Path::new(name).exists() {
        return Err(wrong("no such file".into()));
    }
    let known = if is_folder { first_of(Path::new(name)).and_then(|file| format_of(&file)) } else { format_of(name) };
    let Some((format, ending)) = known else {
        return Err(wrong(format!("its kind is told by its ending; allowed: {ENDINGS}")));
    };
    // A folder is told from a file by its end.
    let path = if is_folder { format!("{}/", name.trim_end_matches('/')) } else { name.to_owned() };
    let url = ListingTableUrl::parse(&path).map_err(|error| wrong(error.strip_backtrace()))?;
    let is_text = matches!(ending.to_ascii_lowercase().as_str(), ".csv" | ".txt" | ".tsv");
    let listing = ListingOptions::new(Arc::clone(&format)).with_file_extension(ending.clone());
    let config = ListingTableConfig::new(url.clone()).with_listing_options(listing);
    let mut config = match config.infer_schema(state).await {
        Ok(config) => config,
        Err(error) => {
            let said = SqlError::of(&error, "").message;
            let of = damaged(state, &url, format.as_ref(), &ending).await;
            return Err(wrong(match of {
                Some(file) if is_folder || is_pattern => format!("{file}: cannot be read: {said}"),
                _ => format!("cannot be read: {said}"),
            }));
        }
    };
    if is_text {
        let unread = |error: DataFusionError| wrong(format!("cannot be read: {}", SqlError::of(&error, "").message));
        config = with_offsets(config, state).await.map_err(unread)?;
    }
    let table = ListingTable::try_new(config).map_err(|error| wrong(SqlError::of(&error, "").message))?;
    if table.options().file_extension.is_empty()
        || datafusion::catalog::TableProvider::schema(&table).fields().is_empty()
    {
        return Err(wrong(if is_pattern { "no file is of this pattern".into() } else { "has no columns".into() }));
    }
    let cache = state.runtime_env().cache_manager.get_file_statistic_cache();
    Ok(Arc::new(table.with_cache(cache)))
}

/// Times that come with an offset are instants, not wall clocks: what is found out of CSV tells times alone, and drops the offset.
async fn with_offsets(config: ListingTableConfig, state: &SessionState) -> Result<ListingTableConfig, DataFusionError> {
    let Some(schema) = config.file_schema.clone() else { return Ok(config) };
    let is_time = |field: &Field| matches!(field.data_type(), DataType::Timestamp(_, None));
    let times: Vec<usize> = (0..schema.fields().len()).filter(|&column| is_time(schema.field(column))).collect();
    if times.is_empty() {
        return Ok(config);
    }
    let of = |change: &dyn Fn(usize, &Field) -> Field| {
        let fields: Vec<Field> = schema.fields().iter().enumerate().map(|(at, field)| change(at, field)).collect();
        Arc::new(Schema::new(fields))
    };
    // The same file as text.
    let texts = of(&|at, field| match times.contains(&at) {
        true => Field::new(field.name(), DataType::Utf8, true),
        false => field.clone(),
    });
    let plain = ListingTable::try_new(config.clone().with_schema(texts))?;
    let plan = plain.scan(state, Some(&times), &[], Some(ROWS_FOR_TYPES)).await?;
    let batches = collect(plan, state.task_ctx()).await?;
    let mut zoned = Vec::new();
    for (i, &at) in times.iter().enumerate() {
        let cells = batches.iter().flat_map(|batch| batch.column(i).as_string::<i32>().iter().flatten());
        let mut is_with = cells.filter(|time| !time.trim().is_empty()).map(ends_with_offset);
        let Some(first) = is_with.next() else { continue };
        if is_with.any(|is_with| is_with != first) {
            let name = schema.field(at).name();
            let problem =
                format!("column {name} has times with an offset and without one; allowed: the one or the other");
            return Err(DataFusionError::Plan(problem));
        }
        if first {
            zoned.push(at);
        }
    }
    let schema = of(&|at, field| match field.data_type() {
        DataType::Timestamp(unit, None) if zoned.contains(&at) => {
            Field::new(field.name(), DataType::Timestamp(*unit, Some("+00:00".into())), true)
        }
        _ => field.clone(),
    });
    Ok(config.with_schema(schema))
}

/// Whether a time ends with Z or an offset such as +05:30, -0500 or +05.
fn ends_with_offset(time: &str) -> bool {
    let clock = time.trim().get(10..).unwrap_or_default();
    clock.ends_with(['Z', 'z']) || clock.contains(['+', '-'])
}

/// Of the files behind a name the first whose columns cannot be found out: looked for where all of them together could not be.
async fn damaged(state: &SessionState, url: &ListingTableUrl, format: &dyn FileFormat, ending: &str) -> Option<String> {
    let store = state.runtime_env().object_store(url).ok()?;
    let mut files = url.list_all_files(state, store.as_ref(), ending).await.ok()?;
    while let Some(Ok(file)) = files.next().await {
        if format.infer_schema(state, &store, std::slice::from_ref(&file)).await.is_err() {
            return Some(format!("file {}", file.location.filename().unwrap_or_default()));
        }
    }
    None
}

/// The name of a folder's first file that can be read.
fn first_of(folder: &Path) -> Option<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with(['.', '_']) && format_of(name).is_some())
        .collect();
    names.sort();
    names.into_iter().next()
}
