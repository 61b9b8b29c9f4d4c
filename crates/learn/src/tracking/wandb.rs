//! Weights & Biases: its server ([`WandbServer`]), or without it the folder of an offline run, which `wandb sync FOLDER` uploads.
//!
//! The folder is `wandb/offline-run-YYYYMMDD_HHMMSS-ID` with `run-ID.wandb` in it: records of `wandb_internal.proto` (release 0.31) in a
//! log of LevelDB's blocks. It is written whole from the run's spool when the run ended.

mod log;
mod message;
mod online;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

pub use self::online::{WandbConfig, WandbServer};
use self::{log::Log, message::Message};
use super::{Artefact, Event, Point, RunRecord, RunState, Sink, SinkError, Started};
use crate::training::write_whole;

/// Places in `wandb_internal.proto`.
mod place {
    /// `Record`.
    pub const NUMBER: u32 = 1;
    pub const HISTORY: u32 = 2;
    pub const SUMMARY: u32 = 3;
    pub const CONTROL: u32 = 16;
    pub const RUN: u32 = 17;
    pub const EXIT: u32 = 18;
    pub const HEADER: u32 = 21;
    pub const FOOTER: u32 = 22;
    /// `ConfigItem`, `HistoryItem`, `SummaryItem`.
    pub const KEY: u32 = 1;
    pub const VALUE_JSON: u32 = 16;
}

/// The writer of the folder.
pub struct WandbSink {
    folder: PathBuf,
    record: RunRecord,
}

impl WandbSink {
    /// For a run's folder.
    pub fn new(run: &Path) -> Self {
        Self { folder: run.join("wandb"), record: RunRecord::default() }
    }

    fn write(&self, exit: Option<i32>) -> Result<(), SinkError> {
        let refused = |error: &dyn std::fmt::Display| SinkError::Refused(error.to_string());
        let id = run_id(&self.record.started);
        let begun = Timestamp::from_millisecond(self.record.started.at_ms).map_err(|error| refused(&error))?;
        let folder = self.folder.join(format!("offline-run-{}-{id}", begun.strftime("%Y%m%d_%H%M%S")));
        std::fs::create_dir_all(folder.join("files"))
            .map_err(|error| refused(&format!("{}: {error}", folder.display())))?;
        write_whole(&folder.join(format!("run-{id}.wandb")), &encoded(&self.record, exit))
            .map_err(|error| refused(&error))
    }
}

/// Eight letters and digits.
fn run_id(run: &Started) -> String {
    run.id.chars().filter(char::is_ascii_alphanumeric).take(8).collect::<String>().to_lowercase()
}

/// The whole file.
fn encoded(record: &RunRecord, exit: Option<i32>) -> Vec<u8> {
    let mut log = Log::new();
    let mut number = 0;
    let mut add = |place: u32, message: Message| {
        number += 1;
        // Otherwise the record is taken for one that was never to be kept.
        let control = Message::new();
        log.add(
            &Message::new().int(place::NUMBER, number).message(place, message).message(place::CONTROL, control).bytes(),
        );
    };
    let version = Message::new().text(1, concat!("zomma ", env!("CARGO_PKG_VERSION"))).text(2, "0.12.10");
    add(place::HEADER, Message::new().message(1, version));
    add(place::RUN, run_message(&record.started));
    let begun = record.started.at_ms;
    for point in &record.points {
        add(place::HISTORY, history(point));
    }
    if !record.summary.is_empty() {
        let items = record
            .summary
            .iter()
            .fold(Message::new(), |sum, (key, value)| sum.message(1, item(key, &number_json(*value))));
        add(place::SUMMARY, items);
    }
    if let Some(code) = exit {
        let seconds = (record.last_ms - begun) / 1000;
        add(place::EXIT, Message::new().int(1, i64::from(code)).int(2, seconds));
        add(place::FOOTER, Message::new());
    }
    log.bytes()
}

fn run_message(run: &Started) -> Message {
    let config = run.config.as_object();
    let config = config.into_iter().flatten().filter(|(_, value)| !value.is_null());
    let config = config.fold(Message::new(), |sum, (key, value)| sum.message(1, item(key, &value.to_string())));
    let config = run
        .tags
        .iter()
        .fold(config, |sum, (key, value)| sum.message(1, item(key, &Value::from(value.as_str()).to_string())));
    let begun = Message::new().int(1, run.at_ms.div_euclid(1000)).int(2, run.at_ms.rem_euclid(1000) * 1_000_000);
    let host = run.tags.get("host.name").map_or("", String::as_str);
    Message::new()
        .text(1, &run_id(run))
        .text(3, &run.experiment)
        .message(4, config)
        .text(8, &run.name)
        .text(13, host)
        .message(17, begun)
}

/// A line of the history: the numbers, and what W&B wants of every line.
fn history_values(point: &Point) -> serde_json::Map<String, Value> {
    let mut values: serde_json::Map<String, Value> =
        point.values.iter().map(|(name, value)| (name.clone(), Value::from(*value))).collect();
    if let Some(seconds) = point.values.get("seconds") {
        values.insert("_runtime".into(), Value::from(*seconds));
    }
    values.insert("_step".into(), Value::from(point.step));
    values.insert("_timestamp".into(), Value::from(point.at_ms as f64 / 1e3));
    values
}

fn history(point: &Point) -> Message {
    let values = history_values(point);
    let message = values.iter().fold(Message::new(), |sum, (key, value)| sum.message(1, item(key, &value.to_string())));
    message.message(2, Message::new().int(1, point.step as i64))
}

fn item(key: &str, json: &str) -> Message {
    Message::new().text(place::KEY, key).text(place::VALUE_JSON, json)
}

fn number_json(value: f64) -> String {
    Value::from(value).to_string()
}

impl Sink for WandbSink {
    fn name(&self) -> &'static str {
        "wandb folder"
    }

    fn rereads(&self) -> bool {
        true
    }

    fn started(&mut self, run: &Started) -> Result<String, SinkError> {
        self.record.apply(&Event::Started(run.clone()));
        Ok(run_id(run))
    }

    fn resumed(&mut self, step: u64) -> Result<(), SinkError> {
        self.record.apply(&Event::Resumed { at_ms: self.record.last_ms, step });
        Ok(())
    }

    fn metrics(&mut self, points: &[Point], _again: bool) -> Result<(), SinkError> {
        points.iter().for_each(|point| self.record.apply(&Event::Metrics(point.clone())));
        Ok(())
    }

    fn artefact(&mut self, _file: &Artefact) -> Result<(), SinkError> {
        Ok(())
    }

    fn rests(&mut self) -> Result<(), SinkError> {
        let has_no_end = self.record.state == RunState::Running && !self.record.points.is_empty();
        if has_no_end { self.write(None) } else { Ok(()) }
    }

    fn ended(&mut self, at_ms: i64, state: RunState, summary: &[(&str, f64)]) -> Result<(), SinkError> {
        let summary = summary.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        self.record.apply(&Event::Ended { at_ms, state, summary });
        self.write(Some(i32::from(state != RunState::Finished)))
    }
}

#[cfg(test)]
mod online_tests;
#[cfg(test)]
mod tests;
