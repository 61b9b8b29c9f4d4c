//! Weights & Biases over its public API: GraphQL for the run, the file stream for its numbers.
//!
//! A line of the history has its place: the same line at the same place is there once, however often it is sent. Another process asks the
//! server how many lines it has and which step was the last.

use serde_json::{Value, json};

use super::super::{Artefact, Point, RunState, Secret, Sink, SinkError, Started, http::Http};
use super::{history_values, run_id};

type Map = serde_json::Map<String, Value>;

const UPSERT: &str = "mutation UpsertBucket($name: String!, $project: String, $entity: String, $displayName: String, $config: JSONString, \
    $host: String, $commit: String) { upsertBucket(input: { name: $name, modelName: $project, entityName: $entity, displayName: $displayName, \
    config: $config, host: $host, commit: $commit }) { bucket { name project { name entity { name } } } } }";
const STATUS: &str = "query RunResumeStatus($project: String, $entity: String, $name: String!) { model(name: $project, entityName: $entity) { \
    bucket(name: $name, missingOk: true) { historyLineCount summaryMetrics } } }";

/// Which server, and as whom.
#[derive(Clone, PartialEq, Eq)]
pub struct WandbConfig {
    /// Its address, `https://api.wandb.ai` unless one has one's own.
    pub address: String,
    /// The key of the account.
    pub key: String,
    /// Whose project it is; the account's own where absent.
    pub entity: Option<String>,
}

/// Weights & Biases' server.
pub struct WandbServer {
    http: Http,
    entity: Option<String>,
    /// `entity/project/run`.
    run: String,
    /// Lines of the history that are there; not known of a run that another process began.
    lines: Option<u64>,
    /// What this process told last.
    last: Option<Point>,
}

impl WandbServer {
    /// Nobody is asked yet.
    ///
    /// Errors: an address that is none.
    pub fn new(config: WandbConfig) -> Result<Self, SinkError> {
        let http = Http::new(&config.address, Secret::Basic("api".into(), config.key))?;
        Ok(Self { http, entity: config.entity, run: String::new(), lines: None, last: None })
    }

    fn graphql(&self, query: &str, variables: &Value) -> Result<Value, SinkError> {
        let mut answer =
            self.http.post("graphql", &json!({ "query": query, "variables": variables }))?.good("graphql")?;
        match answer["errors"][0]["message"].as_str() {
            Some(why) => Err(SinkError::Refused(format!("graphql: {why}"))),
            None => Ok(answer["data"].take()),
        }
    }

    /// How many lines the server has, and its summary.
    fn standing(&self) -> Result<(u64, Map), SinkError> {
        let mut parts = self.run.splitn(3, '/');
        let mut part = || parts.next().unwrap_or_default();
        let variables = json!({ "entity": part(), "project": part(), "name": part() });
        let found = self.graphql(STATUS, &variables)?;
        let bucket = &found["model"]["bucket"];
        let summary = bucket["summaryMetrics"].as_str().and_then(|text| serde_json::from_str(text).ok());
        Ok((bucket["historyLineCount"].as_u64().unwrap_or(0), summary.unwrap_or_default()))
    }

    fn stream(&self, body: &Value) -> Result<(), SinkError> {
        self.http.post(&format!("files/{}/file_stream", self.run), body)?.good("file_stream").map(drop)
    }
}

/// A summary as the file stream takes it, with what came of the run.
fn summary(mut values: Map, more: &[(&str, f64)]) -> Value {
    values.extend(more.iter().map(|(name, value)| (format!("final.{name}"), json!(value))));
    json!({ "offset": 0, "content": [Value::Object(values).to_string()] })
}

impl Sink for WandbServer {
    fn name(&self) -> &'static str {
        "wandb"
    }

    fn destination(&self) -> String {
        let entity = self.entity.as_deref().map_or(String::new(), |entity| format!(" {entity}"));
        format!("{}{entity}", self.http.shown())
    }

    fn started(&mut self, run: &Started) -> Result<String, SinkError> {
        // As its own client has it: each key of the config with its value within.
        let config: serde_json::Map<String, Value> = run
            .config
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), json!({ "value": value })))
            .chain(run.tags.iter().map(|(key, value)| (key.clone(), json!({ "value": value }))))
            .collect();
        let made = self.graphql(
            UPSERT,
            &json!({
                "name": run_id(run), "project": run.experiment, "entity": self.entity, "displayName": run.name,
                "config": Value::Object(config).to_string(), "host": run.tags.get("host.name"), "commit": run.tags.get("git.commit"),
            }),
        )?;
        let bucket = &made["upsertBucket"]["bucket"];
        let (name, project) = (bucket["name"].as_str(), bucket["project"]["name"].as_str());
        let entity = bucket["project"]["entity"]["name"].as_str();
        let Some(((name, project), entity)) = name.zip(project).zip(entity) else {
            return Err(SinkError::Refused("graphql: upsertBucket names no run".into()));
        };
        self.run = format!("{entity}/{project}/{name}");
        (self.lines, self.last) = (None, None);
        Ok(self.run.clone())
    }

    fn attach(&mut self, run: &str) {
        self.run = run.to_owned();
    }

    fn resumed(&mut self, _step: u64) -> Result<(), SinkError> {
        Ok(())
    }

    fn metrics(&mut self, points: &[Point], again: bool) -> Result<(), SinkError> {
        let (lines, there) = match self.lines.filter(|_| !again) {
            Some(lines) => (lines, None),
            None => {
                let (lines, summary) = self.standing()?;
                (lines, summary.get("_step").and_then(Value::as_u64))
            }
        };
        self.lines = Some(lines);
        let new: Vec<&Point> = points.iter().filter(|point| there.is_none_or(|there| there < point.step)).collect();
        let Some(last) = new.last() else { return Ok(()) };
        let values = history_values(last);
        self.last = Some((*last).clone());
        let content: Vec<String> = new.iter().map(|point| Value::Object(history_values(point)).to_string()).collect();
        let history = json!({ "offset": lines, "content": content });
        let files = json!({ "wandb-history.jsonl": history, "wandb-summary.json": summary(values, &[]) });
        self.stream(&json!({ "files": files }))?;
        self.lines = Some(lines + new.len() as u64);
        Ok(())
    }

    fn artefact(&mut self, _file: &Artefact) -> Result<(), SinkError> {
        Ok(())
    }

    fn ended(&mut self, _at_ms: i64, state: RunState, more: &[(&str, f64)]) -> Result<(), SinkError> {
        let exit = u8::from(state != RunState::Finished);
        // The file is replaced: of a run whose numbers another process told it begins with what is there.
        let values = match &self.last {
            Some(last) => history_values(last),
            None => self.standing()?.1,
        };
        self.stream(&json!({ "files": { "wandb-summary.json": summary(values, more) } }))?;
        self.stream(&json!({ "complete": true, "exitcode": exit }))
    }
}
