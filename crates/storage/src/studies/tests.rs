//! Studies in SQLite and on a real PostgreSQL server where there is one: what Optuna wrote is read, what we write has Optuna's shape, and workers do not get in each other's way.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use jiff::civil::{DateTime, date};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row, SqliteConnection, query, sqlite::SqliteConnectOptions};
use zomma_testkit::postgres::Server;

use super::*;

/// `iterdump` of a study that Optuna 5.0 wrote: complete, pruned, infinite, failed and running trials.
const OPTUNA: &str = include_str!("optuna_5_0.sql");

fn now() -> DateTime {
    date(2026, 11, 29).at(12, 0, 0, 250_000_000)
}

fn address(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("studies.db").display())
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// Where studies can lie: a file, and a database of a server where the machine has one (skipped and counted where it has none).
struct Places {
    folder: tempfile::TempDir,
    server: Option<(Arc<Server>, String)>,
}

impl Places {
    fn new() -> Self {
        let server = Server::shared().map(|server| {
            let name = server.create_database();
            (server, name)
        });
        Self { folder: tempfile::tempdir().unwrap(), server }
    }

    fn addresses(&self) -> Vec<String> {
        let server = self.server.as_ref().map(|(server, name)| server.url(name));
        [address(self.folder.path())].into_iter().chain(server).collect()
    }
}

async fn raw(folder: &Path) -> SqliteConnection {
    // A dump fills tables in the order of their names: what a row refers to can come later.
    let options = SqliteConnectOptions::new().filename(folder.join("studies.db")).create_if_missing(true);
    let options = options.foreign_keys(false);
    SqliteConnection::connect_with(&options).await.unwrap()
}

async fn load_optuna(folder: &Path) {
    let mut connection = raw(folder).await;
    sqlx::raw_sql(OPTUNA).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn parameters() -> Vec<Parameter> {
    let rate = Distribution::Float { step: None, low: 1e-4, high: 0.1, log: true };
    let kind = Distribution::Categorical { choices: vec!["silu".into(), "tanh".into()] };
    vec![
        Parameter { name: "rate".to_owned(), kept: 0.01, distribution: rate },
        Parameter { name: "kind".to_owned(), kept: 1.0, distribution: kind },
    ]
}

fn complete(trial: TrialId, value: f64) -> Finish {
    Finish { trial, state: TrialState::Complete, value: Some(value) }
}

#[test]
fn what_optuna_wrote_is_read() {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        load_optuna(folder.path()).await;
        let studies = Studies::open(&address(folder.path()), 2).await.unwrap();
        assert_eq!(studies.names().await.unwrap(), ["golden"]);
        let (study, direction) = studies.study("golden").await.unwrap();
        assert_eq!(direction, Direction::Minimize);
        let trials = studies.trials(study).await.unwrap();
        let states: Vec<_> = trials.iter().map(|trial| trial.state).collect();
        use TrialState::{Complete, Fail, Pruned, Running};
        assert_eq!(states, [Complete, Pruned, Complete, Fail, Running]);
        assert_eq!(trials[0].value, Some(12.0));
        assert_eq!(trials[2].value, Some(f64::INFINITY));
        assert_eq!(trials[0].reported[&0], 1.5);
        assert!(trials[0].reported[&1].is_nan());
        assert_eq!(trials[0].reported[&2], f64::NEG_INFINITY);
        let kind = &trials[0].parameters[2];
        assert_eq!((kind.name.as_str(), kind.distribution.value(kind.kept)), ("kind", Some("silu".into())));
        assert!(trials[0].begun.as_ref().unwrap().starts_with("20"), "{:?}", trials[0].begun);
        // And the search goes on where Optuna stopped.
        let (trial, number) = studies.ask(study, &parameters(), now()).await.unwrap();
        assert_eq!(number, 5);
        studies.tell(complete(trial, 0.5), now()).await.unwrap();
        assert_eq!(studies.trials(study).await.unwrap()[5].value, Some(0.5));
    });
}

/// Of each table its columns: name, type, whether needed, place in the key.
async fn shape(connection: &mut SqliteConnection) -> BTreeMap<String, Vec<(String, String, bool, bool)>> {
    let tables =
        query("SELECT name FROM sqlite_master WHERE type = 'table'").fetch_all(&mut *connection).await.unwrap();
    let mut shape = BTreeMap::new();
    for table in tables {
        let table: String = table.get(0);
        let sql = format!("PRAGMA table_info({table})");
        let columns = query(AssertSqlSafe(sql)).fetch_all(&mut *connection).await.unwrap();
        let column = |row: &sqlx::sqlite::SqliteRow| (row.get(1), row.get(2), row.get(3), row.get::<i32, _>(5) > 0);
        shape.insert(table, columns.iter().map(column).collect());
    }
    shape
}

#[test]
fn the_tables_have_optunas_shape() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(async {
        Studies::open(&address(ours.path()), 1).await.unwrap();
        load_optuna(theirs.path()).await;
        let (ours, theirs) = (shape(&mut raw(ours.path()).await).await, shape(&mut raw(theirs.path()).await).await);
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
        for (table, columns) in &theirs {
            assert_eq!(&ours[table], columns, "{table}");
        }
    });
}

#[test]
fn however_many_ask_at_once_a_study_gets_no_more_trials_than_it_wants() {
    let places = Places::new();
    for address in places.addresses() {
        run(async {
            // As many processes have it: each with a pool of its own.
            let mut workers = tokio::task::JoinSet::new();
            for _ in 0..6 {
                let studies = Studies::open(&address, 1).await.unwrap();
                let study = studies.create("exact", Direction::Minimize).await.unwrap();
                workers.spawn(async move {
                    let mut asked = Vec::new();
                    loop {
                        let number = studies.trials(study).await.unwrap().len() as i64;
                        let trial = match studies.ask_up_to(study, (number, &parameters()), now(), 10).await.unwrap() {
                            Asked::Given(trial) => trial,
                            Asked::Taken => continue,
                            Asked::Full => break,
                        };
                        // One fails: another may be tried in its place.
                        let state = if number == 3 { TrialState::Fail } else { TrialState::Pruned };
                        studies.tell(Finish { trial, state, value: None }, now()).await.unwrap();
                        asked.push(number);
                    }
                    asked
                });
            }
            let mut all = Vec::new();
            while let Some(worker) = workers.join_next().await {
                all.extend(worker.unwrap());
            }
            all.sort_unstable();
            assert_eq!(all, (0..11).collect::<Vec<_>>());
        });
    }
}

#[test]
fn a_number_that_another_has_is_not_given_twice_and_leaves_nothing() {
    let places = Places::new();
    for address in places.addresses() {
        run(async {
            let studies = Studies::open(&address, 1).await.unwrap();
            let study = studies.create("taken", Direction::Minimize).await.unwrap();
            let ask = async |number| studies.ask_up_to(study, (number, &parameters()), now(), 2).await.unwrap();
            assert!(matches!(ask(0).await, Asked::Given(_)));
            assert_eq!((ask(0).await, ask(2).await), (Asked::Taken, Asked::Taken));
            assert_eq!(studies.trials(study).await.unwrap().len(), 1);
            assert!(matches!(ask(1).await, Asked::Given(_)));
            assert_eq!(ask(2).await, Asked::Full);
        });
    }
}

#[test]
fn many_workers_ask_and_tell_and_no_number_is_there_twice() {
    let places = Places::new();
    for address in places.addresses() {
        run(async {
            let studies = Arc::new(Studies::open(&address, 4).await.unwrap());
            let study = studies.create("many", Direction::Maximize).await.unwrap();
            let mut workers = tokio::task::JoinSet::new();
            for worker in 0..8 {
                let studies = Arc::clone(&studies);
                workers.spawn(async move {
                    for round in 0..10 {
                        let (trial, _) = studies.ask(study, &parameters(), now()).await.unwrap();
                        studies.report(trial, 1, f64::from(round)).await.unwrap();
                        studies.report(trial, 1, f64::from(round + 1)).await.unwrap();
                        studies.tell(complete(trial, f64::from(worker * 10 + round)), now()).await.unwrap();
                    }
                });
            }
            while let Some(worker) = workers.join_next().await {
                worker.unwrap();
            }
            let trials = studies.trials(study).await.unwrap();
            let numbers: Vec<_> = trials.iter().map(|trial| trial.number).collect();
            assert_eq!(numbers, (0..80).collect::<Vec<_>>());
            let mut values: Vec<_> = trials.iter().map(|trial| trial.value.unwrap() as i64).collect();
            values.sort_unstable();
            assert_eq!(values, (0..80).collect::<Vec<_>>());
            assert!(trials.iter().all(|trial| trial.state == TrialState::Complete && trial.parameters == parameters()));
            assert!(trials.iter().all(|trial| trial.reported[&1] >= 1.0), "the second report replaces the first");
        });
    }
}

#[test]
fn a_trial_ends_once() {
    let places = Places::new();
    for address in places.addresses() {
        run(async {
            let studies = Studies::open(&address, 2).await.unwrap();
            let study = studies.create("once", Direction::Minimize).await.unwrap();
            let (trial, _) = studies.ask(study, &[], now()).await.unwrap();
            for value in [None, Some(f64::NAN)] {
                let told = studies.tell(Finish { trial, state: TrialState::Complete, value }, now()).await;
                assert!(matches!(told, Err(StudyError::Value { .. })), "{told:?}");
            }
            studies.tell(complete(trial, 1.0), now()).await.unwrap();
            let again = studies.tell(complete(trial, 2.0), now()).await.unwrap_err().to_string();
            assert!(again.contains("it is COMPLETE"), "{again}");
            let absent = studies.tell(complete(TrialId(99), 2.0), now()).await.unwrap_err().to_string();
            assert!(absent.contains("it is gone"), "{absent}");
            assert_eq!(studies.trials(study).await.unwrap()[0].value, Some(1.0));
        });
    }
}

#[test]
fn a_study_of_another_direction_name_or_schema_is_named() {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let studies = Studies::open(&address(folder.path()), 1).await.unwrap();
        let made = studies.create("here", Direction::Minimize).await.unwrap();
        assert_eq!(studies.create("here", Direction::Minimize).await.unwrap(), made);
        let other = studies.create("here", Direction::Maximize).await.unwrap_err().to_string();
        assert!(other.contains("MINIMIZE") && other.contains("MAXIMIZE"), "{other}");
        let absent = studies.study("there").await.unwrap_err().to_string();
        assert!(absent.contains("there are: here"), "{absent}");
        query("UPDATE version_info SET schema_version = 11").execute(&mut raw(folder.path()).await).await.unwrap();
        let old = Studies::open(&address(folder.path()), 1).await.unwrap_err().to_string();
        assert!(old.contains("schema 11") && old.contains("12"), "{old}");
        let nonsense = Studies::open("mysql://root:secret@host/db", 1).await.unwrap_err().to_string();
        assert!(nonsense.contains("allowed are sqlite://") && !nonsense.contains("secret"), "{nonsense}");
        std::fs::write(folder.path().join("rubbish.db"), [7u8; 4096]).unwrap();
        let rubbish = format!("sqlite://{}", folder.path().join("rubbish.db").display());
        let rubbish = Studies::open(&rubbish, 1).await.unwrap_err().to_string();
        assert!(rubbish.contains("rubbish.db") && rubbish.contains("not a database"), "{rubbish}");
    });
}

#[test]
fn a_worker_that_died_is_found_by_its_silence() {
    let places = Places::new();
    for address in places.addresses() {
        run(async {
            let studies = Studies::open(&address, 2).await.unwrap();
            let study = studies.create("silent", Direction::Minimize).await.unwrap();
            let mut trials = Vec::new();
            for _ in 0..4 {
                trials.push(studies.ask(study, &[], now()).await.unwrap().0);
            }
            // 0 reported long ago, 1 just now, 2 never, 3 is complete.
            studies.report(trials[0], 1, 1.0).await.unwrap();
            studies.report(trials[1], 1, 1.0).await.unwrap();
            studies.tell(complete(trials[3], 1.0), now()).await.unwrap();
            let old = "UPDATE trial_heartbeats SET heartbeat = '2020-01-01 00:00:00' WHERE trial_id = $1";
            let mut connection = AnyConnection::connect(&address).await.unwrap();
            query(old).bind(trials[0].0).execute(&mut connection).await.unwrap();
            let failed = studies.fail_silent(study, 60, now(), now()).await.unwrap();
            assert_eq!(failed, [0], "trial 2 began now");
            let later = now().saturating_add(jiff::Span::new().seconds(1));
            assert_eq!(studies.fail_silent(study, 60, later, later).await.unwrap(), [2]);
            let states: Vec<_> = studies.trials(study).await.unwrap().iter().map(|trial| trial.state).collect();
            use TrialState::{Complete, Fail, Running};
            assert_eq!(states, [Fail, Running, Fail, Complete]);
        });
    }
}
