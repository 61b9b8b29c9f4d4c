//! MLflow, over its REST API 2.0 (MLflow documentation, "REST API").
//!
//! The server knows a run by its tag `zomma.run`, so that a run whose creation was not answered is found and not made twice. Metrics go in
//! batches; where a batch may have arrived before, the server is asked which steps it has. Files go through the server
//! (`mlflow-artifacts:`).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use reqwest::StatusCode;
use serde_json::{Value, json};

pub use super::http::Secret;
use super::{
    Artefact, Point, RunState, Sink, SinkError, Started,
    http::{Http, shown_address},
    record::flat,
};

/// Limits of `runs/log-batch`.
const METRICS: usize = 1000;
const PARAMETERS: usize = 100;
/// Longest value of a parameter, and of a tag, in bytes.
const PARAMETER_BYTES: usize = 6000;
const TAG_BYTES: usize = 5000;
/// Metrics of a page of a history.
const PAGE: &str = "25000";
/// The tag by which a run is found again.
const RUN_TAG: &str = "zomma.run";
/// What begins where files go through the server.
const PROXIED: &str = "mlflow-artifacts:";

/// Which server, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MlflowConfig {
    /// Its address, `http://HOST:PORT` or `https://…`.
    pub address: String,
    /// What proves who one is.
    pub secret: Secret,
}

/// An MLflow server.
pub struct MlflowSink {
    http: Http,
    folder: PathBuf,
    run: String,
    /// Where the run's files go; known when the first one goes.
    files: Option<String>,
}

impl MlflowSink {
    /// For a run's folder. Nobody is asked yet.
    ///
    /// Errors: an address that is none.
    pub fn new(run: &Path, config: MlflowConfig) -> Result<Self, SinkError> {
        let http = Http::new(&config.address, config.secret)?;
        Ok(Self { http, folder: run.into(), run: String::new(), files: None })
    }

    fn post(&self, what: &str, body: &Value) -> Result<Value, SinkError> {
        self.http.post(&format!("api/2.0/mlflow/{what}"), body)?.good(what)
    }

    /// The experiment's number; it is made where there is none.
    fn experiment(&self, name: &str) -> Result<String, SinkError> {
        let id = |body: &Value| body.as_str().map(str::to_owned);
        for _ in 0..2 {
            let found = self.http.get("api/2.0/mlflow/experiments/get-by-name", &[("experiment_name", name)])?;
            if found.status != StatusCode::NOT_FOUND {
                let found = found.good("experiments/get-by-name")?;
                let experiment = &found["experiment"];
                if experiment["lifecycle_stage"] == "deleted" {
                    return Err(SinkError::Refused(format!(
                        "experiment {name} is deleted there: restore it, or name another"
                    )));
                }
                return id(&experiment["experiment_id"])
                    .ok_or_else(|| SinkError::Refused("no MLflow server: it names no experiment".into()));
            }
            let made = self.http.post("api/2.0/mlflow/experiments/create", &json!({ "name": name }))?;
            // Another run may have made it meanwhile: then it is found now.
            if made.body["error_code"] != "RESOURCE_ALREADY_EXISTS" {
                let made = made.good("experiments/create")?;
                if let Some(id) = id(&made["experiment_id"]) {
                    return Ok(id);
                }
            }
        }
        Err(SinkError::Refused(format!("experiment {name} can neither be found nor made")))
    }

    /// The steps of a metric that are there.
    fn steps(&self, key: &str) -> Result<BTreeSet<u64>, SinkError> {
        let mut steps = BTreeSet::new();
        let mut page = String::new();
        loop {
            let mut query = vec![("run_id", self.run.as_str()), ("metric_key", key), ("max_results", PAGE)];
            if !page.is_empty() {
                query.push(("page_token", &page));
            }
            let found = self.http.get("api/2.0/mlflow/metrics/get-history", &query)?.good("metrics/get-history")?;
            let metrics = found["metrics"].as_array().map_or(&[][..], Vec::as_slice);
            // Whole numbers of 64 bits are text in some servers' JSON.
            let step = |metric: &Value| {
                metric["step"].as_u64().or_else(|| metric["step"].as_str().and_then(|text| text.parse().ok()))
            };
            steps.extend(metrics.iter().map(|metric| step(metric).unwrap_or(0)));
            match found["next_page_token"].as_str().filter(|token| !token.is_empty()) {
                Some(token) => page = token.to_owned(),
                None => return Ok(steps),
            }
        }
    }

    fn log(&self, points: &[Point], again: bool) -> Result<(), SinkError> {
        let mut there: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        if again {
            for key in points.iter().flat_map(|point| point.values.keys()) {
                if !there.contains_key(key.as_str()) {
                    there.insert(key, self.steps(key)?);
                }
            }
        }
        let is_there = |key: &str, step: u64| there.get(key).is_some_and(|steps| steps.contains(&step));
        let metrics: Vec<Value> = points
            .iter()
            .flat_map(|point| point.values.iter().map(move |(key, value)| (point, key, value)))
            .filter(|(point, key, _)| !is_there(key, point.step))
            .map(|(point, key, value)| json!({ "key": key, "value": value, "timestamp": point.at_ms, "step": point.step }))
            .collect();
        for metrics in metrics.chunks(METRICS) {
            self.post("runs/log-batch", &json!({ "run_id": self.run, "metrics": metrics }))?;
        }
        Ok(())
    }

    /// Where the run's files go, on the server's side of `mlflow-artifacts`.
    fn files(&mut self) -> Result<String, SinkError> {
        if let Some(files) = &self.files {
            return Ok(files.clone());
        }
        let found = self.http.get("api/2.0/mlflow/runs/get", &[("run_id", &self.run)])?.good("runs/get")?;
        let address = found["run"]["info"]["artifact_uri"].as_str().unwrap_or_default();
        let Some(rest) = address.strip_prefix(PROXIED) else {
            let allowed = "a server that takes files itself (mlflow server --serve-artifacts)";
            let shown = shown_address(address);
            return Err(SinkError::Refused(format!("files go to {shown}: allowed is {allowed}")));
        };
        // With or without a host before the path.
        let path = match rest.strip_prefix("//") {
            Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
            None => rest.trim_start_matches('/'),
        };
        Ok(self.files.insert(path.to_owned()).clone())
    }
}

/// At most so many bytes of a text, whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

impl Sink for MlflowSink {
    fn name(&self) -> &'static str {
        "mlflow"
    }

    fn destination(&self) -> String {
        self.http.shown().to_owned()
    }

    fn is_own(&self, run: &Started) -> bool {
        let address = run.config["tracking"]["mlflow"].as_str();
        address.is_none_or(|address| shown_address(address) == self.http.shown())
    }

    fn started(&mut self, run: &Started) -> Result<String, SinkError> {
        let experiment = self.experiment(&run.experiment)?;
        let filter = format!("tags.`{RUN_TAG}` = '{}'", run.id.replace('\'', ""));
        let search = json!({ "experiment_ids": [experiment], "filter": filter, "max_results": 1 });
        let found = self.post("runs/search", &search)?;
        let id = |info: &Value| info["run_id"].as_str().map(str::to_owned);
        let known = found["runs"].get(0).and_then(|run| id(&run["info"]));
        self.run = match known {
            Some(known) => known,
            None => {
                let mut tags = vec![json!({ "key": RUN_TAG, "value": run.id })];
                tags.extend(run.tags.iter().map(|(key, value)| json!({ "key": key, "value": cut(value, TAG_BYTES) })));
                let made = self.post(
                    "runs/create",
                    &json!({ "experiment_id": experiment, "run_name": run.name, "start_time": run.at_ms, "tags": tags }),
                )?;
                id(&made["run"]["info"]).ok_or_else(|| SinkError::Refused("runs/create: no run_id".into()))?
            }
        };
        self.files = None;
        let parameters: Vec<Value> = flat(&run.config)
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| json!({ "key": key, "value": cut(value, PARAMETER_BYTES) }))
            .collect();
        for parameters in parameters.chunks(PARAMETERS) {
            self.post("runs/log-batch", &json!({ "run_id": self.run, "params": parameters }))?;
        }
        Ok(self.run.clone())
    }

    fn attach(&mut self, run: &str) {
        self.run = run.to_owned();
    }

    fn resumed(&mut self, _step: u64) -> Result<(), SinkError> {
        self.post("runs/update", &json!({ "run_id": self.run, "status": "RUNNING" })).map(drop)
    }

    fn metrics(&mut self, points: &[Point], again: bool) -> Result<(), SinkError> {
        self.log(points, again)
    }

    fn artefact(&mut self, file: &Artefact) -> Result<(), SinkError> {
        // A file that is gone cannot be sent later either; the rest of the run can.
        let Ok(bytes) = std::fs::read(self.folder.join(&file.path)) else { return Ok(()) };
        let place = self.files()?;
        let path = format!("api/2.0/mlflow-artifacts/artifacts/{place}/{}", file.path);
        self.http.put(&path, bytes)?.good("mlflow-artifacts").map(drop)
    }

    fn ended(&mut self, at_ms: i64, state: RunState, summary: &[(&str, f64)]) -> Result<(), SinkError> {
        let values = summary.iter().map(|(name, value)| (format!("final.{name}"), *value)).collect();
        // A run that went on ends more than once, each time after other steps.
        let step = summary.iter().find(|(name, _)| *name == "steps").map_or(0, |(_, steps)| *steps as u64);
        // Few numbers, once a sitting: whether they are there is always asked.
        self.log(&[Point { at_ms, step, values }], true)?;
        let status = match state {
            RunState::Running => "RUNNING",
            RunState::Finished => "FINISHED",
            RunState::Failed => "FAILED",
            RunState::Stopped => "KILLED",
        };
        self.post("runs/update", &json!({ "run_id": self.run, "status": status, "end_time": at_ms })).map(drop)
    }
}
