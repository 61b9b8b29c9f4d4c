//! Other readings of an input that stand in a table beside this one (another day, schema, format or filter): told, and with `--replace` taken away.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::Serialize;
use zomma_storage::{Place, StorageError, block_on, downsample, parquet, table::Table};

use super::{digest::InputName, row_writer::Root};

/// Why rows of a server stay.
const UNTOLD: &str =
    "an earlier version put them in, or the database was restored from a dump: they cannot be told from others";
/// Why rows of files stay.
const COMPACTED: &str = "compaction has put them into one file with others";
/// Why rows of a whole file stay where a part of it is read.
const WIDER: &str = "it is, or may be, of all of the file, and --underlying takes a part of it";

/// Another reading of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherReading {
    /// What its rows were written under, or the file that they are in.
    pub name: String,
    /// Its rows that stand in the table, or did; none where they cannot be told from others.
    pub rows: Option<u64>,
    /// Whether they are gone.
    pub removed: bool,
    /// Why they cannot be taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stays: Option<&'static str>,
    /// The days whose last rows they were, and whose bars went with them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bars_removed: Vec<Date>,
    /// Inputs whose rows they had taken the place of: those are gone too, until the inputs are ingested again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingest_again: Vec<String>,
}

impl OtherReading {
    /// One that is told.
    fn told(name: String, rows: Option<u64>) -> Self {
        Self { name, rows, removed: false, stays: None, bars_removed: Vec::new(), ingest_again: Vec::new() }
    }

    /// One of which nothing can be taken away.
    fn stays(name: String, rows: Option<u64>, why: &'static str) -> Self {
        Self { stays: Some(why), ..Self::told(name, rows) }
    }

    /// It in words.
    pub fn text(&self) -> String {
        let Self { name, rows, removed, stays, bars_removed, ingest_again } = self;
        let may = if rows.is_some() { "" } else { "may " };
        let rows = rows.map_or_else(|| "rows".to_owned(), |rows| format!("{rows} rows"));
        let mut text = match stays {
            Some(why) => format!("{rows} of another reading of the same file {may}stand here (named {name}): {why}"),
            None if *removed => format!("{rows} of another reading of the same file are gone (named {name})"),
            None => format!(
                "{rows} of another reading of the same file stand here too (named {name}): --replace takes them away"
            ),
        };
        if !bars_removed.is_empty() {
            let days: Vec<String> = bars_removed.iter().map(Date::to_string).collect();
            text += &format!(", with the bars of {}, which has no rows left", days.join(", "));
        }
        if !ingest_again.is_empty() {
            let names = ingest_again.join(", ");
            text += &format!(
                "; rows of other files may have gone with them, whose place they had taken: ingest again {names}"
            );
        }
        text
    }
}

/// Before rows go into a server: where another reading of the input came after this one, this one's batches count as not there, or what the other put
/// in their place would stay.
pub fn before(root: &Root, table: Table, name: &InputName) -> Result<(), StorageError> {
    let (Root::Server(server), Some(input)) = (root, &name.input) else { return Ok(()) };
    let asked = server.ask(|writer| {
        let all = block_on(writer.readings(table, input))?;
        let own = all.iter().find(|reading| reading.name == name.writer).map(|reading| reading.last_us);
        match own {
            Some(own)
                if all
                    .iter()
                    .any(|other| other.name != name.writer && !name.is_apart(&other.name) && other.last_us >= own) =>
            {
                block_on(writer.forget(table, &name.writer))
            }
            _ => Ok(()),
        }
    });
    match asked {
        // The rows go into the spool.
        Some(Err(StorageError::Unreachable { .. })) if server.is_spooled() => Ok(()),
        Some(done) => done,
        None => Ok(()),
    }
}

/// When the rows are in: the other readings, and with `replace` without their rows.
pub fn after(root: &Root, table: Table, name: &InputName, replace: bool) -> Result<Vec<OtherReading>, StorageError> {
    let Some(input) = &name.input else { return Ok(Vec::new()) };
    match root {
        Root::Files(place) => {
            let mut found = Vec::new();
            for reading in block_on(parquet::readings(place, table, input, &name.writer))? {
                if name.is_same_reading(&reading.name) || name.is_apart(&reading.name) {
                    continue;
                }
                let rows = Some(reading.rows);
                found.push(match (replace, name.covers(&reading.name)) {
                    (true, true) => remove_files(place, table, reading)?,
                    (true, false) => OtherReading::stays(reading.name, rows, WIDER),
                    (false, _) => OtherReading::told(reading.name, rows),
                });
            }
            if replace {
                let is_other = |other: &str| other != name.writer && name.covers(other);
                for file in block_on(parquet::compacted(place, table, input, is_other))? {
                    found.push(OtherReading::stays(file.meta.location.to_string(), None, COMPACTED));
                }
            }
            Ok(found)
        }
        Root::Server(server) => {
            let asked = server.ask(|writer| {
                let mut found = Vec::new();
                for reading in block_on(writer.readings(table, input))? {
                    if name.is_same_reading(&reading.name) || name.is_apart(&reading.name) {
                        continue;
                    }
                    let rows = block_on(writer.standing(table, &reading.name))?;
                    // All of its rows have others in their place.
                    if rows == Some(0) && !replace {
                        continue;
                    }
                    let (is_covered, other) = (name.covers(&reading.name), reading.name);
                    found.push(match rows {
                        None => OtherReading::stays(other, None, UNTOLD),
                        Some(_) if replace && is_covered => {
                            let removed = block_on(writer.remove(table, &other))?;
                            let told = OtherReading::told(other, Some(removed.rows));
                            OtherReading { removed: true, ingest_again: removed.again, ..told }
                        }
                        Some(_) if replace => OtherReading::stays(other, rows, WIDER),
                        Some(_) => OtherReading::told(other, rows),
                    });
                }
                Ok(found)
            });
            match asked {
                Some(Err(StorageError::Unreachable { .. })) if server.is_spooled() => Ok(Vec::new()),
                Some(found) => found,
                // What waits in the spool comes after what could be told now.
                None => Ok(Vec::new()),
            }
        }
    }
}

/// Takes a reading's files away, and the bars of the days whose last ones they were.
fn remove_files(place: &Place, table: Table, reading: parquet::Reading) -> Result<OtherReading, StorageError> {
    block_on(parquet::remove(place, &reading))?;
    let days: BTreeSet<Date> = reading.files.iter().map(|file| file.date).collect();
    let mut bars_removed = Vec::new();
    for day in days {
        if block_on(downsample::forget_emptied(place, table, day))? {
            bars_removed.push(day);
        }
    }
    Ok(OtherReading { removed: true, bars_removed, ..OtherReading::told(reading.name, Some(reading.rows)) })
}
