//! Small files of a closed partition become one, and of rows with one key the last stays.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use crate::{
    error::{Result, StorageError},
    parquet::{
        Attempt, DataFile, files,
        layout::{DAY_NS, REPLACE, REPLACER, RULE_WRITER, begin_ns, date_of_path, folder},
        rewrite::{All, rewrite},
        take_up,
    },
    place::{Place, UNFINISHED},
    table::Table,
};

/// What is compacted, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactSettings {
    /// The tables.
    pub tables: Vec<Table>,
    /// Now, and whether another process's work is taken over.
    pub attempt: Attempt,
    /// How long after the end of its day a partition is closed.
    pub closed_after_ns: i64,
    /// Whether it is only told what would be done.
    pub dry_run: bool,
}

/// A partition that was compacted, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// The table.
    pub table: Table,
    /// The day.
    pub date: Date,
    /// Files before.
    pub files_before: usize,
    /// Their bytes.
    pub bytes_before: u64,
    /// Files after; 0 where it is only told what would be done.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows after.
    pub rows: u64,
    /// Rows that were dropped, since a later one has their key.
    pub duplicates: u64,
}

/// A partition that was left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftAlone {
    /// The table.
    pub table: Table,
    /// The day.
    pub date: Date,
    /// Why.
    pub reason: String,
}

/// What compaction came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CompactReport {
    /// Partitions that are new.
    pub compacted: Vec<Compacted>,
    /// Partitions that were not, though they have files to be put together.
    pub left_alone: Vec<LeftAlone>,
    /// Work of dead processes that was ended or taken back.
    pub taken_up: usize,
    /// Files that a dead process had not finished, removed.
    pub unfinished_removed: usize,
}

impl CompactReport {
    /// Whether a partition could not be compacted for a fault, not for its age.
    pub fn has_failed(&self) -> bool {
        self.left_alone.iter().any(|left| left.reason != STILL_OPEN)
    }
}

/// Why a partition is not compacted yet.
const STILL_OPEN: &str = "its day may still get rows";

/// Compacts every closed partition that has several files. Files that [`crate::downsample`] makes stay: each is one already, and is replaced whole.
///
/// # Errors
///
/// Where the store cannot be listed. What is wrong with one partition is in the report, and the others are compacted.
pub async fn compact(place: &Place, settings: &CompactSettings) -> Result<CompactReport> {
    let mut report = CompactReport::default();
    for table in &settings.tables {
        clean_up(place, *table, settings, &mut report).await?;
        let mut by_date: BTreeMap<Date, Vec<DataFile>> = BTreeMap::new();
        for file in files(place, *table, None).await?.into_iter().filter(is_compacted) {
            by_date.entry(file.date).or_default().push(file);
        }
        for (date, files) in by_date.into_iter().filter(|(_, files)| needs_it(files)) {
            let end = begin_ns(date).saturating_add(DAY_NS);
            if end.saturating_add(settings.closed_after_ns) > settings.attempt.now_ns {
                report.left_alone.push(LeftAlone { table: *table, date, reason: STILL_OPEN.to_owned() });
                continue;
            }
            match partition(place, (*table, date), &files, settings).await {
                Ok(compacted) => report.compacted.push(compacted),
                Err(error @ (StorageError::File { .. } | StorageError::Busy { .. })) => {
                    report.left_alone.push(LeftAlone { table: *table, date, reason: error.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(report)
}

/// Whether compaction takes a file: not what a rule of aggregation made.
fn is_compacted(file: &DataFile) -> bool {
    !file.writer.starts_with(RULE_WRITER)
}

/// Whether files are more than one, and not the parts of one compaction.
fn needs_it(files: &[DataFile]) -> bool {
    let first = &files[0].writer;
    files.len() > 1 && !(first.starts_with(REPLACER) && files.iter().all(|file| file.writer == *first))
}

async fn partition(
    place: &Place,
    (table, date): (Table, Date),
    files: &[DataFile],
    settings: &CompactSettings,
) -> Result<Compacted> {
    let mut compacted = Compacted {
        table,
        date,
        files_before: files.len(),
        bytes_before: files.iter().map(|file| file.meta.size).sum(),
        files: 0,
        bytes: 0,
        rows: 0,
        duplicates: 0,
    };
    if !settings.dry_run {
        let written = rewrite(place, (table, date), "compact", settings.attempt, &mut All, is_compacted).await?;
        compacted.files = written.files;
        compacted.bytes = written.bytes;
        compacted.rows = written.rows;
        compacted.duplicates = written.rows_read - written.rows;
    }
    Ok(compacted)
}

/// Ends what dead processes have begun, and removes what they had not finished.
async fn clean_up(place: &Place, table: Table, settings: &CompactSettings, report: &mut CompactReport) -> Result<()> {
    if settings.dry_run {
        return Ok(());
    }
    for meta in place.list(&folder(table)).await? {
        let Some(name) = meta.location.filename() else { continue };
        if name == REPLACE {
            let Some(date) = date_of_path(&meta.location) else { continue };
            match take_up(place, table, date, settings.attempt).await {
                Ok(was_there) => report.taken_up += usize::from(was_there),
                // Told when the partition's turn comes.
                Err(StorageError::Busy { .. }) => {}
                Err(error) => return Err(error),
            }
        } else if name.starts_with('.') && name.ends_with(UNFINISHED) {
            let age_ns = meta.last_modified.timestamp_nanos_opt().map(|at| settings.attempt.now_ns.saturating_sub(at));
            if age_ns.is_some_and(|age| age > DAY_NS) {
                place.delete(&meta.location).await?;
                report.unfinished_removed += 1;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use object_store::path::Path;

    use super::*;
    use crate::{
        block_on,
        parquet::{Earlier, Filter, Writer, WriterSettings, layout::replace_path, read, samples},
        place::{Put, S3Settings},
        replicate::{ReplicateSettings, replicate},
        retention::retain,
        rules::Rules,
        thin::thin,
        verify::verify,
    };

    const DAY: Date = date(2026, 1, 2);

    struct Ground {
        folder: tempfile::TempDir,
        place: Place,
    }

    fn ground() -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::open(folder.path().to_str().unwrap(), &S3Settings::default()).unwrap();
        Ground { folder, place }
    }

    impl Ground {
        fn ingest(&self, writer: &str, date: Date, count: usize) {
            block_on(async {
                let settings = WriterSettings::new(writer, Earlier::Keep, samples::clock());
                let mut writer = Writer::new(&self.place, settings).unwrap();
                writer.append(Table::Quotes, &samples::quotes(date, count)).await.unwrap();
                writer.finish().await.unwrap();
            });
        }

        fn rows(&self) -> u64 {
            block_on(read(&self.place, Table::Quotes, &Filter::default())).unwrap().1.rows
        }

        fn paths(&self) -> Vec<String> {
            let listed = block_on(self.place.list(&Path::from(""))).unwrap();
            listed.into_iter().map(|meta| meta.location.to_string()).collect()
        }

        fn compact(&self, settings: &CompactSettings) -> CompactReport {
            block_on(compact(&self.place, settings)).unwrap()
        }
    }

    fn settings(now: Date) -> CompactSettings {
        CompactSettings {
            tables: vec![Table::Quotes],
            attempt: Attempt { now_ns: begin_ns(now) + 1, take_over: false },
            closed_after_ns: 0,
            dry_run: false,
        }
    }

    #[test]
    fn closed_partitions_become_one_file_and_open_ones_stay() {
        let ground = ground();
        for writer in ["a", "b", "c"] {
            ground.ingest(writer, DAY, 10);
            ground.ingest(writer, date(2026, 1, 3), 10);
        }
        let dry = ground.compact(&CompactSettings { dry_run: true, ..settings(date(2026, 1, 3)) });
        assert_eq!((dry.compacted.len(), dry.compacted[0].files_before, ground.paths().len()), (1, 3, 6));
        let report = ground.compact(&settings(date(2026, 1, 3)));
        assert_eq!((report.compacted[0].files, report.compacted[0].rows, report.left_alone.len()), (1, 30, 1));
        assert!(!report.has_failed());
        assert_eq!((ground.paths().len(), ground.rows()), (4, 60));
        assert_eq!(ground.compact(&settings(date(2026, 1, 3))).compacted, []);
        assert!(block_on(verify(&ground.place, &[Table::Quotes])).unwrap().faults.is_empty());
        // A late file joins the one that is there.
        ground.ingest("late", DAY, 5);
        assert_eq!(ground.compact(&settings(date(2026, 1, 3))).compacted[0].rows, 35);
    }

    #[test]
    fn a_damaged_file_keeps_its_partition_as_it_is() {
        let ground = ground();
        for writer in ["a", "b"] {
            ground.ingest(writer, DAY, 10);
            ground.ingest(writer, date(2026, 1, 3), 10);
        }
        let path = crate::parquet::layout::file_path(Table::Quotes, DAY, "a", 0);
        block_on(ground.place.put(&path, "PAR1 and nothing".into(), Put::Replace)).unwrap();
        let report = ground.compact(&settings(date(2026, 2, 1)));
        assert_eq!((report.compacted.len(), report.left_alone.len()), (1, 1));
        assert!(report.has_failed() && report.left_alone[0].reason.contains("a-000000.parquet"), "{report:?}");
        assert_eq!((ground.paths().len(), ground.rows()), (3, 30));
    }

    #[test]
    fn what_a_dead_process_left_is_ended_or_taken_back() {
        let ground = ground();
        for writer in ["a", "b"] {
            ground.ingest(writer, DAY, 10);
        }
        // A list that says nothing is done yet, with a file of its own, and a file that was never whole.
        let begun_ns = begin_ns(DAY);
        let list = format!(r#"{{"begun_ns":{begun_ns},"writer":"replace-x","old":[],"done":false}}"#);
        block_on(ground.place.put(&replace_path(Table::Quotes, DAY), list.into(), Put::New)).unwrap();
        let stray = crate::parquet::layout::file_path(Table::Quotes, DAY, "replace-x", 0);
        block_on(ground.place.put(&stray, "half".into(), Put::New)).unwrap();
        let unfinished = ground.folder.path().join("quotes/date=2026-01-02/.a-000009.parquet.7-1.tmp");
        std::fs::write(&unfinished, "half").unwrap();
        assert_eq!(ground.rows(), 20);
        let soon = CompactSettings { attempt: Attempt { now_ns: begun_ns + 5, take_over: false }, ..settings(DAY) };
        let soon = CompactSettings { closed_after_ns: -DAY_NS, ..soon };
        let report = ground.compact(&soon);
        assert!(report.has_failed() && report.left_alone[0].reason.contains("take over"), "{report:?}");
        let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap() + 2 * DAY_NS;
        let report = ground.compact(&CompactSettings { attempt: Attempt { now_ns: now, take_over: false }, ..soon });
        assert_eq!((report.taken_up, report.unfinished_removed, report.compacted[0].rows), (1, 1, 20));
        assert_eq!((ground.paths().len(), ground.rows(), unfinished.exists()), (1, 20, false));
    }

    #[test]
    fn old_quotes_are_thinned_to_the_last_of_each_interval() {
        let ground = ground();
        ground.ingest("a", DAY, 600);
        ground.ingest("b", DAY, 600);
        let rules = "[[thin]]\ntable = \"quotes\"\ninterval = \"1m\"\nafter = \"1d\"";
        let rules = Rules::parse("rules", rules).unwrap();
        let (batches, _) = block_on(read(&ground.place, Table::Quotes, &Filter::default())).unwrap();
        let mut last = std::collections::BTreeMap::new();
        for rows in &batches {
            for row in 0..rows.num_rows() {
                let time = crate::parquet::check::times(rows).value(row);
                let name = crate::parquet::check::instruments(rows).value(row).to_owned();
                let kept = last.entry((name, time.div_euclid(60_000_000_000))).or_insert(time);
                *kept = time.max(*kept);
            }
        }
        let at = |date: Date| Attempt { now_ns: begin_ns(date), take_over: false };
        let young = block_on(thin(&ground.place, &rules, at(date(2026, 1, 3)), false)).unwrap();
        assert_eq!((young.thinned.len(), ground.rows()), (0, 1_200));
        let told = block_on(thin(&ground.place, &rules, at(date(2026, 1, 4)), true)).unwrap();
        assert_eq!((told.thinned.len(), ground.rows()), (1, 1_200));
        let report = block_on(thin(&ground.place, &rules, at(date(2026, 1, 4)), false)).unwrap();
        assert_eq!((report.thinned[0].rows_before, report.thinned[0].rows), (1_200, last.len() as u64));
        let (batches, _) = block_on(read(&ground.place, Table::Quotes, &Filter::default())).unwrap();
        let times: Vec<i64> =
            batches.iter().flat_map(|rows| crate::parquet::check::times(rows).values().to_vec()).collect();
        assert_eq!(times, last.into_values().collect::<Vec<_>>());
        assert_eq!(block_on(thin(&ground.place, &rules, at(date(2026, 1, 4)), false)).unwrap().thinned, []);
        // A late file is thinned with the others.
        ground.ingest("late", DAY, 60);
        assert_eq!(block_on(thin(&ground.place, &rules, at(date(2026, 1, 4)), false)).unwrap().thinned.len(), 1);
    }

    #[test]
    fn partitions_go_when_their_whole_day_is_too_old() {
        let ground = ground();
        for day in 1..=4 {
            ground.ingest("a", date(2026, 1, day), 10);
        }
        let rules = Rules::parse("rules", "[retention]\nquotes = \"2d\"").unwrap();
        let now_ns = begin_ns(date(2026, 1, 5));
        // By this clock the files were written later: they are not being written now.
        let dry = block_on(retain(&ground.place, &rules, now_ns, true)).unwrap();
        assert_eq!(dry.dropped, [], "{dry:?}");
        let dates = |now: i64, dry_run| -> Vec<Date> {
            let report = block_on(retain(&ground.place, &rules, now, dry_run)).unwrap();
            report.dropped.iter().map(|dropped| dropped.date).collect()
        };
        let written_ns = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap();
        assert_eq!(dates(written_ns, true), [], "just written");
        assert_eq!(dates(written_ns + DAY_NS, true).len(), 4);
        assert_eq!(ground.rows(), 40);
        assert_eq!(dates(written_ns + DAY_NS, false).len(), 4);
        // What stays says which days went, for rules that are added later.
        let told: Vec<_> = (1..=4).map(|day| format!("_state/dropped/quotes/2026-01-0{day}.json")).collect();
        assert_eq!((ground.rows(), ground.paths()), (0, told));
    }

    #[test]
    fn a_copy_has_what_the_source_has_and_follows_a_compaction() {
        let (source, copy) = (ground(), ground());
        for writer in ["a", "b"] {
            source.ingest(writer, DAY, 10);
        }
        let settings = ReplicateSettings { tables: Table::ALL.to_vec(), delete: false, full: false, dry_run: false };
        let run = |settings: &ReplicateSettings| block_on(replicate(&source.place, &copy.place, settings)).unwrap();
        let dry = run(&ReplicateSettings { dry_run: true, ..settings.clone() });
        assert_eq!((dry.copied.len(), copy.paths().len()), (2, 0));
        assert_eq!((run(&settings).copied.len(), copy.rows()), (2, 20));
        let again = run(&settings);
        assert_eq!((again.copied.len(), again.same), (0, 2));
        source.compact(&super::tests::settings(date(2026, 2, 1)));
        let after = run(&settings);
        assert_eq!((after.copied.len(), after.deleted.len(), copy.rows()), (1, 2, 20));
        assert_eq!(source.paths(), copy.paths());
        // A file that was changed at the copy is mended where everything is compared.
        let file = copy.folder.path().join(&copy.paths()[0]);
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(run(&settings).copied.len(), 0);
        assert_eq!(run(&ReplicateSettings { full: true, ..settings.clone() }).copied.len(), 1);
        // What the source dropped stays, and goes where that is asked for.
        block_on(source.place.delete(&Path::from(source.paths()[0].as_str()))).unwrap();
        assert_eq!(run(&settings).extra.len(), 1);
        assert_eq!(run(&ReplicateSettings { delete: true, ..settings.clone() }).deleted.len(), 1);
        assert_eq!(copy.rows(), 0);
    }

    #[test]
    fn a_damaged_file_is_not_copied() {
        let (source, copy) = (ground(), ground());
        for writer in ["a", "b"] {
            source.ingest(writer, DAY, 10);
        }
        let path = crate::parquet::layout::file_path(Table::Quotes, DAY, "a", 0);
        block_on(source.place.put(&path, "PAR1 and nothing".into(), Put::Replace)).unwrap();
        let settings = ReplicateSettings { tables: vec![Table::Quotes], delete: false, full: false, dry_run: false };
        let report = block_on(replicate(&source.place, &copy.place, &settings)).unwrap();
        assert_eq!((report.copied.len(), report.damaged.len(), copy.rows()), (1, 1, 10));
    }
}
