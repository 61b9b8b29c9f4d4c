//! The trace event format of Chrome ("Trace Event Format", Google 2016), which Perfetto opens.

use std::fmt::Write;

use super::Stage;

/// A stage on a thread, in nanoseconds since the profile began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub stage: Stage,
    pub layer: Option<usize>,
    /// 0 for the loop's own thread, then the pool's.
    pub thread: usize,
    pub from: u64,
    pub to: u64,
}

/// The whole file. Times are in microseconds.
pub(super) fn json(events: &[Event]) -> String {
    let mut text = String::from("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
    let threads = events.iter().map(|event| event.thread + 1).max().unwrap_or(1);
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "{{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"tid\":0,\"args\":{{\"name\":\"zomma train\"}}}}"
    );
    for thread in 0..threads {
        let name = if thread == 0 { "loop".to_owned() } else { format!("pool {}", thread - 1) };
        let _ = write!(
            text,
            ",\n{{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":{thread},\"args\":{{\"name\":\"{name}\"}}}}"
        );
    }
    for Event { stage, layer, thread, from, to } in events {
        let name = match layer {
            Some(layer) => format!("{} {layer}", stage.as_str()),
            None => stage.as_str().to_owned(),
        };
        let (begin, duration) = (*from as f64 / 1e3, to.saturating_sub(*from) as f64 / 1e3);
        let _ = write!(
            text,
            ",\n{{\"name\":\"{name}\",\"cat\":\"train\",\"ph\":\"X\",\"pid\":1,\"tid\":{thread},\"ts\":{begin:.3},\"dur\":{duration:.3}}}"
        );
    }
    text.push_str("\n]}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_json_with_whole_events() {
        let event = Event { stage: Stage::Forward, layer: Some(2), thread: 1, from: 1500, to: 4750 };
        let found: serde_json::Value = serde_json::from_str(&json(&[event])).unwrap();
        let events = found["traceEvents"].as_array().unwrap();
        assert_eq!(events.len(), 4);
        let last = &events[3];
        assert_eq!(
            (last["name"].as_str(), last["ts"].as_f64(), last["dur"].as_f64()),
            (Some("forward 2"), Some(1.5), Some(3.25))
        );
    }
}
