//! Optuna's tables, as SQLAlchemy makes them, in the two dialects.

use sqlx::{AnyConnection, AssertSqlSafe, Row, query};

/// `version_info.schema_version` of Optuna 3.2 and later.
pub(super) const VERSION: i64 = 12;
/// `alembic_version` of the same: Optuna refuses a database without it.
const ALEMBIC: &str = "v3.2.0.a";
/// What `version_info` says of who made the tables.
const LIBRARY: &str = "3.2.0";

/// What differs between databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// A parameter that goes into a column of an enumeration.
    pub(super) fn of_type(self, parameter: &str, name: &str) -> String {
        match self {
            Self::Sqlite => parameter.to_owned(),
            Self::Postgres => format!("CAST({parameter} AS {name})"),
        }
    }

    /// A parameter that goes into a column of times.
    pub(super) fn time(self, parameter: &str) -> String {
        self.of_type(parameter, "TIMESTAMP")
    }

    /// The moment as many seconds before the database's own clock as parameter `$1` says.
    pub(super) fn before_now(self) -> &'static str {
        match self {
            Self::Sqlite => "datetime('now', '-' || CAST($1 AS TEXT) || ' seconds')",
            Self::Postgres => "LOCALTIMESTAMP - CAST($1 AS BIGINT) * INTERVAL '1 second'",
        }
    }

    /// The database's own clock.
    pub(super) fn now(self) -> &'static str {
        match self {
            Self::Sqlite => "datetime('now')",
            Self::Postgres => "LOCALTIMESTAMP",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Sqlite => "INTEGER NOT NULL PRIMARY KEY",
            Self::Postgres => "SERIAL PRIMARY KEY",
        }
    }

    fn time_type(self) -> &'static str {
        match self {
            Self::Sqlite => "DATETIME",
            Self::Postgres => "TIMESTAMP WITHOUT TIME ZONE",
        }
    }

    fn float_type(self) -> &'static str {
        match self {
            Self::Sqlite => "FLOAT",
            Self::Postgres => "DOUBLE PRECISION",
        }
    }

    fn enumeration(self, name: &'static str, length: u8) -> String {
        match self {
            Self::Sqlite => format!("VARCHAR({length})"),
            Self::Postgres => name.to_owned(),
        }
    }
}

const TYPES: &[(&str, &str)] = &[
    ("studydirection", "'NOT_SET', 'MINIMIZE', 'MAXIMIZE'"),
    ("trialstate", "'RUNNING', 'COMPLETE', 'PRUNED', 'FAIL', 'WAITING'"),
    ("trialvaluetype", "'FINITE', 'INF_POS', 'INF_NEG'"),
    ("trialintermediatevaluetype", "'FINITE', 'INF_POS', 'INF_NEG', 'NAN'"),
];

fn statements(dialect: Dialect) -> Vec<String> {
    let (key, time, float) = (dialect.key(), dialect.time_type(), dialect.float_type());
    let direction = dialect.enumeration("studydirection", 8);
    let state = dialect.enumeration("trialstate", 8);
    let value_type = dialect.enumeration("trialvaluetype", 7);
    let reported_type = dialect.enumeration("trialintermediatevaluetype", 7);
    let of_study = "study_id INTEGER REFERENCES studies (study_id)";
    let of_trial = "trial_id INTEGER REFERENCES trials (trial_id)";
    let needed_trial = "trial_id INTEGER NOT NULL REFERENCES trials (trial_id)";
    let mut all = Vec::new();
    if dialect == Dialect::Postgres {
        all.extend(TYPES.iter().map(|(name, values)| format!("CREATE TYPE {name} AS ENUM ({values})")));
    }
    all.extend([
        format!("CREATE TABLE studies (study_id {key}, study_name VARCHAR(512) NOT NULL)"),
        "CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name)".to_owned(),
        "CREATE TABLE version_info (version_info_id INTEGER NOT NULL PRIMARY KEY CHECK (version_info_id = 1), \
         schema_version INTEGER, library_version VARCHAR(256))"
            .to_owned(),
        format!(
            "CREATE TABLE study_directions (study_direction_id {key}, direction {direction} NOT NULL, \
             study_id INTEGER NOT NULL REFERENCES studies (study_id), objective INTEGER NOT NULL, UNIQUE (study_id, objective))"
        ),
        format!(
            "CREATE TABLE trials (trial_id {key}, number INTEGER, {of_study}, state {state} NOT NULL, \
             datetime_start {time}, datetime_complete {time})"
        ),
        "CREATE INDEX ix_trials_study_id ON trials (study_id)".to_owned(),
        format!(
            "CREATE TABLE trial_params (param_id {key}, {of_trial}, param_name VARCHAR(512), param_value {float}, \
             distribution_json TEXT, UNIQUE (trial_id, param_name))"
        ),
        format!(
            "CREATE TABLE trial_values (trial_value_id {key}, {needed_trial}, objective INTEGER NOT NULL, value {float}, \
             value_type {value_type} NOT NULL, UNIQUE (trial_id, objective))"
        ),
        format!(
            "CREATE TABLE trial_intermediate_values (trial_intermediate_value_id {key}, {needed_trial}, step INTEGER NOT NULL, \
             intermediate_value {float}, intermediate_value_type {reported_type} NOT NULL, UNIQUE (trial_id, step))"
        ),
        format!(
            "CREATE TABLE trial_heartbeats (trial_heartbeat_id {key}, {needed_trial}, heartbeat {time} NOT NULL, \
             UNIQUE (trial_id))"
        ),
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY)"
            .to_owned(),
        format!("INSERT INTO version_info VALUES (1, {VERSION}, '{LIBRARY}')"),
        format!("INSERT INTO alembic_version VALUES ('{ALEMBIC}')"),
    ]);
    for (owner, reference) in [("study", of_study), ("trial", of_trial)] {
        for kind in ["user", "system"] {
            all.push(format!(
                "CREATE TABLE {owner}_{kind}_attributes ({owner}_{kind}_attribute_id {key}, {reference}, key VARCHAR(512), \
                 value_json TEXT, UNIQUE ({owner}_id, key))"
            ));
        }
    }
    all
}

/// Makes the tables where there are none, and gives the version of those that are there. To be called in a transaction that locks others out.
pub(super) async fn ensure(connection: &mut AnyConnection, dialect: Dialect) -> Result<i64, sqlx::Error> {
    let there = match dialect {
        Dialect::Sqlite => {
            "SELECT CAST(COUNT(*) AS BIGINT) FROM sqlite_master WHERE type = 'table' AND name = 'version_info'"
        }
        Dialect::Postgres => {
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'version_info' AND table_schema = current_schema()"
        }
    };
    if query(there).fetch_one(&mut *connection).await?.try_get::<i64, _>(0)? == 0 {
        for statement in statements(dialect) {
            // Made of the constants above alone.
            query(AssertSqlSafe(statement)).execute(&mut *connection).await?;
        }
    }
    query("SELECT CAST(schema_version AS BIGINT) FROM version_info").fetch_one(connection).await?.try_get(0)
}
