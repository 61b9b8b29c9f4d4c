//! Reading and writing studies.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::civil::DateTime;
use sqlx::{
    Any, AnyConnection, AnyPool, AssertSqlSafe, Connection, Row, Transaction,
    any::{AnyPoolOptions, AnyRow, install_default_drivers},
    query,
};
use tokio::sync::{Mutex as Turn, oneshot};

use super::{
    Direction, Distribution, Parameter, StudyError, Trial, TrialId, TrialState,
    schema::{self, Dialect},
};

/// Whether studies can lie at an address; nobody is asked.
///
/// # Errors
///
/// [`StudyError::Address`].
pub fn check_address(address: &str) -> Result<(), StudyError> {
    dialect(address).map(drop)
}

fn dialect(address: &str) -> Result<Dialect, StudyError> {
    match address.split_once("://").map(|(scheme, _)| scheme) {
        Some("sqlite") => Ok(Dialect::Sqlite),
        Some("postgres" | "postgresql") => Ok(Dialect::Postgres),
        _ => Err(StudyError::Address(without_password(address))),
    }
}

/// A study's identity in its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StudyId(i64);

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finish {
    /// Which.
    pub trial: TrialId,
    /// [`Complete`](TrialState::Complete), [`Pruned`](TrialState::Pruned) or [`Fail`](TrialState::Fail).
    pub state: TrialState,
    /// What came of it: needed where it is complete, NaN never.
    pub value: Option<f64>,
}

/// What comes of asking for a trial of a certain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It is the asker's, and runs.
    Given(TrialId),
    /// The number is not the study's next any more: another asker was quicker.
    Taken,
    /// The study has all its trials.
    Full,
}

/// A database of studies.
#[derive(Debug)]
pub struct Studies {
    pool: AnyPool,
    dialect: Dialect,
    place: String,
    queue: Mutex<Vec<(Finish, DateTime, Answer)>>,
    turn: Turn<()>,
}

type Answer = oneshot::Sender<Result<(), StudyError>>;

impl Studies {
    /// Opens `sqlite://FILE` (made where absent) or `postgres://USER@HOST/DATABASE`, and makes the tables where there are none.
    ///
    /// `connections` is how many may be open at once.
    pub async fn open(address: &str, connections: u32) -> Result<Self, StudyError> {
        install_default_drivers();
        let (place, dialect) = (without_password(address), dialect(address)?);
        let address = match dialect {
            Dialect::Sqlite if !address.contains('?') => format!("{address}?mode=rwc"),
            Dialect::Sqlite | Dialect::Postgres => address.to_owned(),
        };
        let failed = |source| StudyError::Database { place: place.clone(), source: Arc::new(source) };
        // A pool tries again and again what this tells at once.
        prepare(&mut AnyConnection::connect(&address).await.map_err(failed)?, dialect).await.map_err(failed)?;
        let pool = AnyPoolOptions::new()
            .max_connections(connections.max(1))
            .after_connect(move |connection, _| Box::pin(prepare(connection, dialect)))
            .connect(&address)
            .await
            .map_err(failed)?;
        let studies = Self { pool, dialect, place, queue: Mutex::default(), turn: Turn::new(()) };
        let mut transaction = studies.begin().await?;
        if dialect == Dialect::Postgres {
            // Two that open at once: one makes the tables, the other waits. The number is the schema's alone.
            let lock = query("DO $$ BEGIN PERFORM pg_advisory_xact_lock(7241830012); END $$");
            lock.execute(&mut *transaction).await.map_err(|source| studies.failed(source))?;
        }
        let found = schema::ensure(&mut transaction, dialect).await.map_err(|source| studies.failed(source))?;
        transaction.commit().await.map_err(|source| studies.failed(source))?;
        if found != schema::VERSION {
            return Err(StudyError::Schema { place: studies.place, found, expected: schema::VERSION });
        }
        Ok(studies)
    }

    /// The names of all studies, in order of making.
    pub async fn names(&self) -> Result<Vec<String>, StudyError> {
        let rows = query("SELECT study_name FROM studies ORDER BY study_id").fetch_all(&self.pool).await;
        rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect()).map_err(|source| self.failed(source))
    }

    /// The study of this name, and which values it takes for better.
    pub async fn study(&self, name: &str) -> Result<(StudyId, Direction), StudyError> {
        let sql = "SELECT CAST(studies.study_id AS BIGINT), CAST(direction AS TEXT) FROM studies \
                   JOIN study_directions ON study_directions.study_id = studies.study_id WHERE study_name = $1 ORDER BY objective";
        let rows = query(sql).bind(name).fetch_all(&self.pool).await.map_err(|source| self.failed(source))?;
        let Some(first) = rows.first() else {
            let there = self.names().await?;
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            return Err(StudyError::NoStudy { name: name.to_owned(), there });
        };
        let study = StudyId(self.integer(first, 0)?);
        let directions = rows.iter().map(|row| self.text(row, 1)).collect::<Result<Vec<_>, _>>()?.join(", ");
        match directions.as_str() {
            "MINIMIZE" => Ok((study, Direction::Minimize)),
            "MAXIMIZE" => Ok((study, Direction::Maximize)),
            _ => Err(StudyError::Directions { name: name.to_owned(), found: directions, expected: "one direction" }),
        }
    }

    /// The study of this name, made where there is none. One that looks the other way is an error.
    pub async fn create(&self, name: &str, direction: Direction) -> Result<StudyId, StudyError> {
        let mut transaction = self.begin().await?;
        let made = query(
            "INSERT INTO studies (study_name) VALUES ($1) ON CONFLICT (study_name) DO NOTHING \
             RETURNING CAST(study_id AS BIGINT)",
        )
        .bind(name)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(|source| self.failed(source))?;
        if let Some(row) = made {
            let study = StudyId(self.integer(&row, 0)?);
            let direction = self.dialect.of_type(&format!("'{}'", direction.name()), "studydirection");
            let sql =
                format!("INSERT INTO study_directions (direction, study_id, objective) VALUES ({direction}, $1, 0)");
            // The direction is one of two constants.
            let insert = query(AssertSqlSafe(sql)).bind(study.0);
            insert.execute(&mut *transaction).await.map_err(|source| self.failed(source))?;
            transaction.commit().await.map_err(|source| self.failed(source))?;
            return Ok(study);
        }
        drop(transaction);
        let (study, found) = self.study(name).await?;
        if found == direction {
            return Ok(study);
        }
        Err(StudyError::Directions {
            name: name.to_owned(),
            found: found.name().to_owned(),
            expected: direction.name(),
        })
    }

    /// A new trial of these parameters that the caller works on from `now` (local time, as Optuna keeps it); its identity and its number.
    pub async fn ask(
        &self,
        study: StudyId,
        parameters: &[Parameter],
        now: DateTime,
    ) -> Result<(TrialId, i64), StudyError> {
        let mut transaction = self.begin().await?;
        self.turn(&mut transaction, study).await?;
        let asked = self.insert(&mut transaction, study, parameters, now).await?;
        transaction.commit().await.map_err(|source| self.failed(source))?;
        Ok(asked)
    }

    /// As [`Self::ask`] for trial `number`, unless the study has `most` trials already, failed ones not counted, or another asker has the number:
    /// however many processes ask, the study gets no more, and parameters that were chosen for one number serve no other.
    pub async fn ask_up_to(
        &self,
        study: StudyId,
        (number, parameters): (i64, &[Parameter]),
        now: DateTime,
        most: usize,
    ) -> Result<Asked, StudyError> {
        let mut transaction = self.begin().await?;
        self.turn(&mut transaction, study).await?;
        let sql = "SELECT CAST(COUNT(*) AS BIGINT) FROM trials WHERE study_id = $1 AND CAST(state AS TEXT) <> 'FAIL'";
        let counted =
            query(sql).bind(study.0).fetch_one(&mut *transaction).await.map_err(|source| self.failed(source))?;
        if self.integer(&counted, 0)? >= i64::try_from(most).unwrap_or(i64::MAX) {
            return Ok(Asked::Full);
        }
        let (trial, given) = self.insert(&mut transaction, study, parameters, now).await?;
        if given != number {
            transaction.rollback().await.map_err(|source| self.failed(source))?;
            return Ok(Asked::Taken);
        }
        transaction.commit().await.map_err(|source| self.failed(source))?;
        Ok(Asked::Given(trial))
    }

    /// Nobody else asks until the transaction ends, so that no two trials have one number. In SQLite a transaction has that already.
    async fn turn(&self, transaction: &mut Transaction<'static, Any>, study: StudyId) -> Result<(), StudyError> {
        if self.dialect == Dialect::Postgres {
            let lock = query("SELECT CAST(study_id AS BIGINT) FROM studies WHERE study_id = $1 FOR UPDATE");
            lock.bind(study.0).execute(&mut **transaction).await.map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    async fn insert(
        &self,
        transaction: &mut Transaction<'static, Any>,
        study: StudyId,
        parameters: &[Parameter],
        now: DateTime,
    ) -> Result<(TrialId, i64), StudyError> {
        let asked = async {
            let (time, state) = (self.dialect.time("$2"), self.dialect.of_type("'RUNNING'", "trialstate"));
            let sql = format!(
                "INSERT INTO trials (number, study_id, state, datetime_start) \
                 SELECT COUNT(*), $1, {state}, {time} FROM trials WHERE study_id = $1 \
                 RETURNING CAST(trial_id AS BIGINT), CAST(number AS BIGINT)"
            );
            // Made of constants: values are bound.
            let row = query(AssertSqlSafe(sql)).bind(study.0).bind(written(now)).fetch_one(&mut **transaction).await?;
            let trial: i64 = row.try_get(0)?;
            for parameter in parameters {
                // A distribution of numbers and JSON values always has a JSON form.
                let json = serde_json::to_string(&parameter.distribution).unwrap_or_default();
                let insert = query(
                    "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES ($1, $2, $3, $4)",
                );
                let insert = insert.bind(trial).bind(parameter.name.as_str()).bind(parameter.kept).bind(json);
                insert.execute(&mut **transaction).await?;
            }
            Ok((TrialId(trial), row.try_get(1)?))
        };
        asked.await.map_err(|source| self.failed(source))
    }

    /// Reports a value on the way, and that the trial is alive. A second value of one step replaces the first.
    pub async fn report(&self, trial: TrialId, step: i64, value: f64) -> Result<(), StudyError> {
        let (kept, kind) = kept(value);
        let kind = self.dialect.of_type(&format!("'{kind}'"), "trialintermediatevaluetype");
        // The kind is one of four constants.
        let sql = format!(
            "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) \
             VALUES ($1, $2, $3, {kind}) ON CONFLICT (trial_id, step) DO UPDATE SET \
             intermediate_value = excluded.intermediate_value, intermediate_value_type = excluded.intermediate_value_type"
        );
        let beat = format!(
            "INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES ($1, {}) \
             ON CONFLICT (trial_id) DO UPDATE SET heartbeat = excluded.heartbeat",
            self.dialect.now()
        );
        let mut transaction = self.begin().await?;
        let done = async {
            query(AssertSqlSafe(sql)).bind(trial.0).bind(step).bind(kept).execute(&mut *transaction).await?;
            query(AssertSqlSafe(beat)).bind(trial.0).execute(&mut *transaction).await?;
            transaction.commit().await
        };
        done.await.map_err(|source| self.failed(source))
    }

    /// Ends a trial. Callers that come while another's commit is on its way share the next one, so that many workers wait for few syncs.
    pub async fn tell(&self, finish: Finish, now: DateTime) -> Result<(), StudyError> {
        let allowed = match finish.state {
            TrialState::Complete => finish.value.is_some_and(|value| !value.is_nan()),
            TrialState::Pruned | TrialState::Fail => finish.value.is_none_or(|value| !value.is_nan()),
            TrialState::Running | TrialState::Waiting => false,
        };
        if !allowed {
            return Err(StudyError::Value { trial: finish.trial.0, state: finish.state, value: finish.value });
        }
        let (answer, mut answered) = oneshot::channel();
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push((finish, now, answer));
        let _turn = self.turn.lock().await;
        if let Ok(answer) = answered.try_recv() {
            return answer;
        }
        let batch = mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner));
        match self.finish(&batch).await {
            Ok(found) => {
                for ((finish, _, answer), found) in batch.into_iter().zip(found) {
                    let answered = match found {
                        None => Ok(()),
                        Some(state) => Err(StudyError::Finished { trial: finish.trial.0, state }),
                    };
                    // Who does not wait any more needs no answer.
                    let _ = answer.send(answered);
                }
            }
            Err(source) => {
                let error = self.failed(source);
                for (_, _, answer) in batch {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
        // Only one whose turn was cut off leaves the others of its batch without an answer.
        answered.try_recv().unwrap_or(Err(self.failed(sqlx::Error::WorkerCrashed)))
    }

    /// Of each, the state that it has already where it cannot be finished.
    async fn finish(&self, batch: &[(Finish, DateTime, Answer)]) -> Result<Vec<Option<&'static str>>, sqlx::Error> {
        let (time, state) = (self.dialect.time("$3"), self.dialect.of_type("$2", "trialstate"));
        let update = format!(
            "UPDATE trials SET state = {state}, datetime_complete = {time} \
             WHERE trial_id = $1 AND state NOT IN ('COMPLETE', 'PRUNED', 'FAIL')"
        );
        let value_type = self.dialect.of_type("$3", "trialvaluetype");
        let insert = format!(
            "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES ($1, 0, $2, {value_type})"
        );
        let mut transaction = self.begin_raw().await?;
        let mut found = Vec::with_capacity(batch.len());
        for (finish, now, _) in batch {
            // Both made of constants: values are bound.
            let update = query(AssertSqlSafe(update.as_str())).bind(finish.trial.0).bind(finish.state.name());
            let changed = update.bind(written(*now)).execute(&mut *transaction).await?.rows_affected();
            if changed == 0 {
                let state = query("SELECT CAST(state AS TEXT) FROM trials WHERE trial_id = $1").bind(finish.trial.0);
                let row = state.fetch_optional(&mut *transaction).await?;
                let name: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
                found.push(Some(name.and_then(|name| TrialState::of_name(&name)).map_or("gone", TrialState::name)));
                continue;
            }
            if let Some(value) = finish.value {
                let (kept, kind) = kept(value);
                let insert = query(AssertSqlSafe(insert.as_str())).bind(finish.trial.0).bind(kept).bind(kind);
                insert.execute(&mut *transaction).await?;
            }
            found.push(None);
        }
        transaction.commit().await?;
        Ok(found)
    }

    /// Fails the trials of a study that run and have not been heard of for `silent_seconds` (by the database's clock; one that never reported,
    /// not since `silent_before`, local time as begun). Gives their numbers.
    pub async fn fail_silent(
        &self,
        study: StudyId,
        silent_seconds: u32,
        silent_before: DateTime,
        now: DateTime,
    ) -> Result<Vec<i64>, StudyError> {
        let (fail, running) =
            (self.dialect.of_type("'FAIL'", "trialstate"), self.dialect.of_type("'RUNNING'", "trialstate"));
        let (limit, begun, ended) = (self.dialect.before_now(), self.dialect.time("$3"), self.dialect.time("$4"));
        // Made of constants: values are bound.
        let sql = format!(
            "UPDATE trials SET state = {fail}, datetime_complete = {ended} \
             WHERE study_id = $2 AND state = {running} AND (\
             EXISTS (SELECT 1 FROM trial_heartbeats beat WHERE beat.trial_id = trials.trial_id AND beat.heartbeat < {limit}) \
             OR (NOT EXISTS (SELECT 1 FROM trial_heartbeats beat WHERE beat.trial_id = trials.trial_id) AND datetime_start < {begun})) \
             RETURNING CAST(number AS BIGINT)"
        );
        let update = query(AssertSqlSafe(sql)).bind(i64::from(silent_seconds)).bind(study.0);
        let mut transaction = self.begin().await?;
        let done = async {
            let rows = update.bind(written(silent_before)).bind(written(now)).fetch_all(&mut *transaction).await?;
            transaction.commit().await?;
            rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, sqlx::Error>>()
        };
        done.await.map_err(|source| self.failed(source))
    }

    /// Every trial of a study, by number.
    pub async fn trials(&self, study: StudyId) -> Result<Vec<Trial>, StudyError> {
        // One snapshot, so that no trial has a value of later.
        let mut transaction = self.pool.begin().await.map_err(|source| self.failed(source))?;
        let sql = "SELECT CAST(trials.trial_id AS BIGINT), CAST(trials.number AS BIGINT), CAST(state AS TEXT), value, \
                   CAST(value_type AS TEXT), CAST(datetime_start AS TEXT), CAST(datetime_complete AS TEXT) FROM trials \
                   LEFT JOIN trial_values ON trial_values.trial_id = trials.trial_id AND objective = 0 \
                   WHERE study_id = $1 ORDER BY trials.trial_id";
        let rows = query(sql).bind(study.0).fetch_all(&mut *transaction).await.map_err(|source| self.failed(source))?;
        let mut trials = BTreeMap::new();
        for row in &rows {
            let trial = self.trial(row)?;
            trials.insert(trial.id, trial);
        }
        let sql = "SELECT CAST(trials.trial_id AS BIGINT), param_name, param_value, distribution_json FROM trial_params \
                   JOIN trials ON trials.trial_id = trial_params.trial_id WHERE study_id = $1 ORDER BY param_id";
        let rows = query(sql).bind(study.0).fetch_all(&mut *transaction).await.map_err(|source| self.failed(source))?;
        for row in &rows {
            let Some(trial) = trials.get_mut(&TrialId(self.integer(row, 0)?)) else { continue };
            let (name, json) = (self.text(row, 1)?, self.text(row, 3)?);
            let distribution: Distribution = serde_json::from_str(&json).map_err(|error| {
                self.malformed(format!("trial {}, parameter {name}: distribution {json}: {error}", trial.number))
            })?;
            let kept = row.try_get(2).map_err(|source| self.failed(source))?;
            trial.parameters.push(Parameter { name, kept, distribution });
        }
        let sql = "SELECT CAST(trials.trial_id AS BIGINT), CAST(step AS BIGINT), intermediate_value, \
                   CAST(intermediate_value_type AS TEXT) FROM trial_intermediate_values \
                   JOIN trials ON trials.trial_id = trial_intermediate_values.trial_id WHERE study_id = $1";
        let rows = query(sql).bind(study.0).fetch_all(&mut *transaction).await.map_err(|source| self.failed(source))?;
        for row in &rows {
            let Some(trial) = trials.get_mut(&TrialId(self.integer(row, 0)?)) else { continue };
            let step = self.integer(row, 1)?;
            trial.reported.insert(step, self.value(row, 2)?.unwrap_or(f64::NAN));
        }
        Ok(trials.into_values().collect())
    }

    fn trial(&self, row: &AnyRow) -> Result<Trial, StudyError> {
        let number = self.integer(row, 1)?;
        let state = self.text(row, 2)?;
        let state = TrialState::of_name(&state)
            .ok_or_else(|| self.malformed(format!("trial {number}: state {state} is none that is known")))?;
        let optional = |at| row.try_get::<Option<String>, _>(at).map_err(|source| self.failed(source));
        let value = match optional(4)? {
            Some(_) => self.value(row, 3)?,
            None => None,
        };
        Ok(Trial {
            id: TrialId(self.integer(row, 0)?),
            number,
            state,
            parameters: Vec::new(),
            value,
            reported: BTreeMap::new(),
            begun: optional(5)?,
            ended: optional(6)?,
        })
    }

    /// A value and, in the column after it, its kind.
    fn value(&self, row: &AnyRow, at: usize) -> Result<Option<f64>, StudyError> {
        match self.text(row, at + 1)?.as_str() {
            "FINITE" => row.try_get(at).map_err(|source| self.failed(source)),
            "INF_POS" => Ok(Some(f64::INFINITY)),
            "INF_NEG" => Ok(Some(f64::NEG_INFINITY)),
            "NAN" => Ok(Some(f64::NAN)),
            kind => Err(self.malformed(format!("a value of kind {kind}"))),
        }
    }

    fn integer(&self, row: &AnyRow, at: usize) -> Result<i64, StudyError> {
        row.try_get(at).map_err(|source| self.failed(source))
    }

    fn text(&self, row: &AnyRow, at: usize) -> Result<String, StudyError> {
        row.try_get(at).map_err(|source| self.failed(source))
    }

    async fn begin(&self) -> Result<Transaction<'static, Any>, StudyError> {
        self.begin_raw().await.map_err(|source| self.failed(source))
    }

    /// SQLite takes the writer's lock at once: a transaction that reads first and then finds another writing would have to begin again.
    async fn begin_raw(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        match self.dialect {
            Dialect::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await,
            Dialect::Postgres => self.pool.begin().await,
        }
    }

    fn failed(&self, source: sqlx::Error) -> StudyError {
        StudyError::Database { place: self.place.clone(), source: Arc::new(source) }
    }

    fn malformed(&self, what: String) -> StudyError {
        StudyError::Malformed { place: self.place.clone(), what }
    }
}

/// Readers of SQLite do not wait for the writer, and a commit is on the disk before it is answered.
async fn prepare(connection: &mut AnyConnection, dialect: Dialect) -> Result<(), sqlx::Error> {
    if dialect == Dialect::Sqlite {
        // Workers of several processes wait for each other, however slow the disk is.
        query("PRAGMA busy_timeout = 60000").execute(&mut *connection).await?;
        query("PRAGMA journal_mode = WAL").execute(&mut *connection).await?;
        query("PRAGMA synchronous = FULL").execute(&mut *connection).await?;
    }
    Ok(())
}

/// A time as Optuna writes it.
fn written(time: DateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

/// A value as the columns hold it: what is no number is a kind of its own.
fn kept(value: f64) -> (Option<f64>, &'static str) {
    match value {
        value if value.is_nan() => (None, "NAN"),
        f64::INFINITY => (None, "INF_POS"),
        f64::NEG_INFINITY => (None, "INF_NEG"),
        value => (Some(value), "FINITE"),
    }
}

fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => {
            let user = rest[..at].split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{}", &rest[at + 1..])
        }
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_told() {
        assert_eq!(without_password("postgres://me:se:c@ret@host/db"), "postgres://me@host/db");
        assert_eq!(without_password("postgres://me@host/db"), "postgres://me@host/db");
        assert_eq!(without_password("sqlite:///tmp/a@b.db"), "sqlite:///tmp/a@b.db");
    }
}
