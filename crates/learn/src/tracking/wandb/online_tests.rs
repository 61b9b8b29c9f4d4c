//! Against a mock of the server: what its own client's requests look like, and what is there after answers were lost.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::online::{WandbConfig, WandbServer};
use super::*;

/// What the mock was told.
#[derive(Default)]
struct Mock {
    lines: Vec<String>,
    summary: String,
    exit: Option<i64>,
    upserts: usize,
    /// Requests of the file stream that are taken and not answered.
    swallows: usize,
    authorised: bool,
}

/// Serves as long as the process lives.
fn serve(mock: &Arc<Mutex<Mock>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mock = Arc::clone(mock);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let (mut first, mut length) = (String::new(), 0);
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim().to_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(found) = line.strip_prefix("content-length: ") {
                    length = found.parse().unwrap();
                }
                // "api:secret".
                mock.lock().unwrap().authorised |= line == "authorization: basic yxbponnly3jlda==";
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let mut mock = mock.lock().unwrap();
            let Some(answer) = answer(&mut mock, &first, &body) else { continue };
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
            let _ = write!(reader.get_mut(), "{head}{answer}");
        }
    });
    address
}

fn answer(mock: &mut Mock, first: &str, body: &Value) -> Option<String> {
    if first.starts_with("POST /graphql") {
        if body["query"].as_str()?.contains("upsertBucket") {
            mock.upserts += 1;
            assert_eq!(body["variables"]["project"], "tests");
            let bucket = json!({ "name": body["variables"]["name"], "project": { "name": "tests", "entity": { "name": "me" } } });
            return Some(json!({ "data": { "upsertBucket": { "bucket": bucket } } }).to_string());
        }
        let bucket = json!({ "historyLineCount": mock.lines.len(), "summaryMetrics": mock.summary });
        return Some(json!({ "data": { "model": { "bucket": bucket } } }).to_string());
    }
    assert!(first.starts_with("POST /files/me/tests/0a1b2c3d/file_stream"), "{first}");
    if let Some(history) = body["files"].get("wandb-history.jsonl") {
        let from = history["offset"].as_u64()? as usize;
        assert!(from <= mock.lines.len(), "a gap before line {from}");
        mock.lines.truncate(from);
        mock.lines
            .extend(history["content"].as_array()?.iter().map(|line| line.as_str().unwrap_or_default().to_owned()));
    }
    if let Some(summary) = body["files"]["wandb-summary.json"]["content"][0].as_str() {
        mock.summary = summary.to_owned();
    }
    if body["complete"] == true {
        mock.exit = body["exitcode"].as_i64();
    }
    if mock.swallows > 0 {
        mock.swallows -= 1;
        return None;
    }
    Some("{}".into())
}

#[test]
fn lines_are_there_once_though_answers_are_lost_and_the_process_is_another() {
    let mock = Arc::new(Mutex::new(Mock::default()));
    let config = WandbConfig { address: serve(&mock), key: "secret".into(), entity: None };
    let point = |step: u64| Point { at_ms: 1000, step, values: [("loss".into(), step as f64)].into() };
    let started =
        Started { id: "0a1b2c3d4e".into(), experiment: "tests".into(), name: "tiny".into(), ..Started::default() };
    let mut first = WandbServer::new(config.clone()).unwrap();
    let run = first.started(&started).unwrap();
    assert_eq!(run, "me/tests/0a1b2c3d");
    first.metrics(&[point(1), point(2)], false).unwrap();
    mock.lock().unwrap().swallows = 1;
    assert!(matches!(first.metrics(&[point(3), point(4)], false), Err(SinkError::Away(_))));
    first.metrics(&[point(3), point(4)], true).unwrap();
    // The answer is lost, and then the process.
    mock.lock().unwrap().swallows = 1;
    assert!(first.metrics(&[point(5)], false).is_err());
    let mut second = WandbServer::new(config).unwrap();
    second.attach(&run);
    second.metrics(&[point(5), point(6)], true).unwrap();
    second.ended(2000, RunState::Finished, &[("price_rmse", 0.5)]).unwrap();
    let mock = mock.lock().unwrap();
    let step = |line: &String| serde_json::from_str::<Value>(line).unwrap()["_step"].as_u64().unwrap();
    assert_eq!(mock.lines.iter().map(step).collect::<Vec<u64>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!((mock.exit, mock.upserts, mock.authorised), (Some(0), 1, true));
    assert!(mock.summary.contains("\"final.price_rmse\":0.5"), "{}", mock.summary);
}

#[test]
fn an_end_that_is_told_alone_keeps_the_summary_that_is_there() {
    let mock = Arc::new(Mutex::new(Mock::default()));
    let config = WandbConfig { address: serve(&mock), key: "secret".into(), entity: None };
    let started = Started { id: "0a1b2c3d4e".into(), experiment: "tests".into(), ..Started::default() };
    let mut first = WandbServer::new(config.clone()).unwrap();
    let run = first.started(&started).unwrap();
    let point = Point { at_ms: 1000, step: 7, values: [("loss".into(), 0.25)].into() };
    first.metrics(&[point], false).unwrap();
    let mut second = WandbServer::new(config).unwrap();
    second.attach(&run);
    second.ended(2000, RunState::Finished, &[("price_rmse", 0.5)]).unwrap();
    let summary: Value = serde_json::from_str(&mock.lock().unwrap().summary).unwrap();
    let found = (&summary["loss"], &summary["_step"], &summary["final.price_rmse"]);
    assert_eq!(found, (&json!(0.25), &json!(7), &json!(0.5)), "{summary}");
}

#[test]
fn points_that_may_be_there_are_told_once_batch_by_batch() {
    let mock = Arc::new(Mutex::new(Mock::default()));
    let config = WandbConfig { address: serve(&mock), key: "secret".into(), entity: None };
    let started = Started { id: "0a1b2c3d4e".into(), experiment: "tests".into(), ..Started::default() };
    let point = |step: u64| Point { at_ms: 1000, step, values: [("loss".into(), step as f64)].into() };
    let mut server = WandbServer::new(config).unwrap();
    server.started(&started).unwrap();
    server.metrics(&[point(1), point(2), point(3), point(4)], false).unwrap();
    server.metrics(&[point(1), point(2)], true).unwrap();
    server.metrics(&[point(3), point(4), point(5)], true).unwrap();
    assert_eq!(mock.lock().unwrap().lines.len(), 5);
}
