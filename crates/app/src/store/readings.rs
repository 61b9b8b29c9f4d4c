//! Other readings of an input that stand in a table beside this one (another day, schema, format or filter): told, and with `--replace` taken away.

use serde::Serialize;
use zomma_storage::{StorageError, block_on, parquet, table::Table};

use super::{digest::InputName, row_writer::Root};

/// Why rows of a server stay.
const UNTOLD: &str =
    "an earlier version put them in, or the database was restored from a dump: they cannot be told from others";
/// Why rows of files stay.
const COMPACTED: &str = "compaction has put them into one file with others";

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
}

impl OtherReading {
    /// It in words.
    pub fn text(&self) -> String {
        let Self { name, rows, removed, stays } = self;
        let rows = rows.map_or_else(|| "rows".to_owned(), |rows| format!("{rows} rows"));
        match stays {
            Some(why) => format!("{rows} of another reading of the same file may stand here (named {name}): {why}"),
            None if *removed => format!("{rows} of another reading of the same file are gone (named {name})"),
            None => format!(
                "{rows} of another reading of the same file stand here too (named {name}): --replace takes them away"
            ),
        }
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
            Some(own) if all.iter().any(|other| other.name != name.writer && other.last_us >= own) => {
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
                if name.is_same_reading(&reading.name) {
                    continue;
                }
                if replace {
                    block_on(parquet::remove(place, &reading))?;
                }
                let rows = Some(reading.rows);
                found.push(OtherReading { name: reading.name, rows, removed: replace, stays: None });
            }
            if replace {
                for file in block_on(parquet::compacted(place, table, input, &name.writer))? {
                    let name = file.meta.location.to_string();
                    found.push(OtherReading { name, rows: None, removed: false, stays: Some(COMPACTED) });
                }
            }
            Ok(found)
        }
        Root::Server(server) => {
            let asked = server.ask(|writer| {
                let mut found = Vec::new();
                for reading in block_on(writer.readings(table, input))? {
                    if name.is_same_reading(&reading.name) {
                        continue;
                    }
                    let rows = block_on(writer.standing(table, &reading.name))?;
                    // All of its rows have others in their place.
                    if rows == Some(0) && !replace {
                        continue;
                    }
                    let (removed, stays) = (replace && rows.is_some(), rows.is_none().then_some(UNTOLD));
                    if removed {
                        block_on(writer.remove(table, &reading.name))?;
                    }
                    found.push(OtherReading { name: reading.name, rows, removed, stays });
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
