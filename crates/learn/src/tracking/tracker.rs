//! What a run tells, from the thread that trains: a line into the spool, and nothing that waits for anybody.

use std::{collections::BTreeMap, path::Path, sync::Arc, thread, time::Duration};

use super::{
    Artefact, Event, Point, RunRecord, RunState, Sink, Spool, Started,
    courier::{Board, Courier, work},
};
use crate::LearnError;

/// Who hears of a sink that is away, on another thread than the one that trains.
pub type Warn = Arc<dyn Fn(&str) + Send + Sync>;

/// A run that is tracked.
pub struct Tracker {
    spool: Spool,
    board: Arc<Board>,
    couriers: Vec<&'static str>,
}

/// What a sink was not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The sink.
    pub sink: &'static str,
    /// Why.
    pub why: String,
}

impl Tracker {
    /// Begins to track the run of a folder: as `started`, or where `resumed_at` names the step that it goes on from and the folder has a
    /// spool, as the run that is in it.
    ///
    /// Errors: [`LearnError::File`] for a folder that cannot be written.
    pub fn begin(
        folder: &Path,
        started: Started,
        resumed_at: Option<u64>,
        sinks: Vec<Box<dyn Sink>>,
        warn: &Warn,
    ) -> Result<Self, LearnError> {
        let mut spool = Spool::open(folder)?;
        let is_known = spool.length() > 0 && RunRecord::read(folder)?.is_some();
        let event = match resumed_at.filter(|_| is_known) {
            Some(step) => Event::Resumed { at_ms: started.at_ms, step },
            None => Event::Started(started),
        };
        // Before the first event: what is told of the spool is held against it as it was found.
        let couriers =
            sinks.into_iter().map(|sink| Courier::new(folder, sink)).collect::<Result<Vec<_>, LearnError>>()?;
        let length = spool.append(&event)?;
        let board = Arc::new(Board::new(couriers.len()));
        board.grown(length);
        let names = couriers.iter().map(Courier::name).collect();
        for (number, courier) in couriers.into_iter().enumerate() {
            let (board, warn) = (Arc::clone(&board), Arc::clone(warn));
            let spawned =
                thread::Builder::new().name(courier.name().into()).spawn(move || work(courier, number, &board, &*warn));
            spawned.map_err(|error| LearnError::file(folder, format!("no thread for a sink: {error}")))?;
        }
        Ok(Self { spool, board, couriers: names })
    }

    fn tell(&mut self, event: &Event) -> Result<(), LearnError> {
        let length = self.spool.append(event)?;
        self.board.grown(length);
        Ok(())
    }

    /// Numbers at a step.
    ///
    /// Errors: [`LearnError::File`], as of a full disk; the run may go on.
    pub fn metrics(&mut self, point: Point) -> Result<(), LearnError> {
        self.tell(&Event::Metrics(point))
    }

    /// A file of the run's folder that is worth keeping.
    ///
    /// Errors: as [`Self::metrics`].
    pub fn artefact(&mut self, file: Artefact) -> Result<(), LearnError> {
        self.tell(&Event::Artefact(file))
    }

    /// The run ended. Waits until the sinks know it, at most so long; what was left then is delivered by [`sync`].
    ///
    /// Errors: as [`Self::metrics`].
    pub fn end(
        mut self,
        at_ms: i64,
        state: RunState,
        summary: BTreeMap<String, f64>,
        patience: Duration,
    ) -> Result<Vec<Left>, LearnError> {
        self.tell(&Event::Ended { at_ms, state, summary })?;
        self.spool.sync()?;
        let lost = self.board.close(patience);
        let left = self.couriers.iter().zip(lost).filter_map(|(sink, why)| Some(Left { sink, why: why? }));
        Ok(left.collect())
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        // Of a run that did not say how it ended: the couriers go home with what they have.
        self.board.close(Duration::ZERO);
    }
}

/// What a sink was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The sink.
    pub sink: &'static str,
    /// How many events it was told, or why it was not told all.
    pub told: Result<usize, String>,
    /// What did not stop it: files that it refuses, a position that was repaired.
    pub notes: Vec<String>,
}

/// Delivers what is left of a run's spool, which no process may be writing to (see [`crate::training::RunFolder`]): what each sink was told
/// now, or why not.
///
/// Errors: [`LearnError::File`] for a folder that cannot be read.
pub fn sync(folder: &Path, sinks: Vec<Box<dyn Sink>>) -> Result<Vec<Told>, LearnError> {
    let mut all = Vec::new();
    for sink in sinks {
        let mut courier = Courier::new(folder, sink)?;
        let left = courier.left();
        let told = courier.files_again().and_then(|()| courier.deliver_last());
        let told = told.map(|_| left).map_err(|error| error.to_string());
        let told = match (told, courier.untold()) {
            (Ok(left), files) if files.is_empty() => Ok(left),
            (Ok(_), files) => Err(format!("all but {}, tried again the next time", files.join(", "))),
            (away, _) => away,
        };
        all.push(Told { sink: courier.name(), told, notes: courier.notes() });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::tracking::SinkError;

    /// What a sink that breaks down at will was told.
    #[derive(Default)]
    struct Heard {
        runs: Vec<String>,
        steps: Vec<u64>,
        ends: Vec<RunState>,
        /// Calls until the next breakdown, and whether it breaks down before or after it took what it was told.
        breaks_in: Option<(usize, bool)>,
        files: Vec<String>,
        /// A file that is too long for it.
        refuses: Option<&'static str>,
        /// A file on which it breaks down, and how often it did.
        fails: Option<&'static str>,
        failed: usize,
    }

    #[derive(Clone, Default)]
    struct Fragile(Arc<Mutex<Heard>>, &'static str);

    impl Fragile {
        fn call(&self, take: impl FnOnce(&mut Heard)) -> Result<(), SinkError> {
            let mut told = self.0.lock().unwrap();
            if let Some((calls, after)) = told.breaks_in {
                if calls == 0 {
                    told.breaks_in = None;
                    if after {
                        take(&mut told);
                    }
                    return Err(SinkError::Away("broken".into()));
                }
                told.breaks_in = Some((calls - 1, after));
            }
            take(&mut told);
            Ok(())
        }
    }

    impl Sink for Fragile {
        fn name(&self) -> &'static str {
            "fragile"
        }

        fn destination(&self) -> String {
            self.1.into()
        }

        fn started(&mut self, run: &Started) -> Result<String, SinkError> {
            self.call(|told| {
                if !told.runs.contains(&run.id) {
                    told.runs.push(run.id.clone());
                }
            })?;
            Ok(run.id.clone())
        }

        fn resumed(&mut self, _step: u64) -> Result<(), SinkError> {
            self.call(|_| {})
        }

        fn metrics(&mut self, points: &[Point], again: bool) -> Result<(), SinkError> {
            self.call(|told| {
                for point in points {
                    if !again || !told.steps.contains(&point.step) {
                        told.steps.push(point.step);
                    }
                }
            })
        }

        fn artefact(&mut self, file: &Artefact) -> Result<(), SinkError> {
            {
                let mut heard = self.0.lock().unwrap();
                if heard.refuses == Some(file.path.as_str()) {
                    return Err(SinkError::Refused("413 Payload Too Large".into()));
                }
                if heard.fails == Some(file.path.as_str()) {
                    heard.failed += 1;
                    return Err(SinkError::Failing("500 Internal Server Error".into()));
                }
            }
            self.call(|told| told.files.push(file.path.clone()))
        }

        fn ended(&mut self, _at_ms: i64, state: RunState, _summary: &[(&str, f64)]) -> Result<(), SinkError> {
            self.call(|told| told.ends.push(state))
        }
    }

    fn started(id: &str) -> Started {
        Started { id: id.into(), name: id.into(), ..Started::default() }
    }

    fn told(events: usize) -> [super::Told; 1] {
        [super::Told { sink: "fragile", told: Ok(events), notes: vec![] }]
    }

    fn silent() -> Warn {
        Arc::new(|_| {})
    }

    fn at(step: u64) -> Point {
        Point { at_ms: step as i64, step, values: [("loss".into(), 1.0 / step as f64)].into() }
    }

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn whatever_call_breaks_down_each_step_arrives_once_and_in_order() {
        for after in [false, true] {
            for calls in 0..5 {
                let folder = tempfile::tempdir().unwrap();
                let sink = Fragile::default();
                sink.0.lock().unwrap().breaks_in = Some((calls, after));
                let sinks: Vec<Box<dyn Sink>> = vec![Box::new(sink.clone())];
                let mut tracker = Tracker::begin(folder.path(), started("a"), None, sinks, &silent()).unwrap();
                (1..=250).for_each(|step| tracker.metrics(at(step)).unwrap());
                let left = tracker.end(9, RunState::Finished, BTreeMap::new(), PATIENCE).unwrap();
                assert_eq!(left, []);
                let told = sink.0.lock().unwrap();
                assert!(told.steps.iter().copied().eq(1..=250), "{calls} {after}: {:?}", told.steps);
                assert_eq!((&told.runs[..], told.ends.last()), (&["a".to_owned()][..], Some(&RunState::Finished)));
            }
        }
    }

    #[test]
    fn a_run_that_was_killed_goes_on_and_tells_no_step_twice() {
        let folder = tempfile::tempdir().unwrap();
        let sink = Fragile::default();
        let sinks = || -> Vec<Box<dyn Sink>> { vec![Box::new(sink.clone())] };
        let mut killed = Tracker::begin(folder.path(), started("a"), None, vec![], &silent()).unwrap();
        (1..=30).for_each(|step| killed.metrics(at(step)).unwrap());
        drop(killed);
        assert_eq!(sync(folder.path(), sinks()).unwrap(), told(31));
        assert_eq!(sync(folder.path(), sinks()).unwrap(), told(0));
        let mut resumed = Tracker::begin(folder.path(), started("b"), Some(20), sinks(), &silent()).unwrap();
        (21..=40).for_each(|step| resumed.metrics(at(step)).unwrap());
        assert_eq!(resumed.end(9, RunState::Finished, BTreeMap::new(), PATIENCE).unwrap(), []);
        let told = sink.0.lock().unwrap();
        assert!(told.steps.iter().copied().eq(1..=40), "{:?}", told.steps);
        assert_eq!(told.runs, ["a"]);
        let record = RunRecord::read(folder.path()).unwrap().unwrap();
        assert!(record.points.iter().map(|point| point.step).eq(1..=40));
        assert_eq!((record.state, record.started.id.as_str()), (RunState::Finished, "a"));
    }

    #[test]
    fn a_run_given_up_is_told_as_stopped_before_the_next_in_the_folder_begins() {
        let folder = tempfile::tempdir().unwrap();
        let sink = Fragile::default();
        for id in ["a", "b"] {
            let mut tracker = Tracker::begin(folder.path(), started(id), None, vec![], &silent()).unwrap();
            tracker.metrics(at(1)).unwrap();
        }
        sync(folder.path(), vec![Box::new(sink.clone())]).unwrap();
        let told = sink.0.lock().unwrap();
        assert_eq!(
            (&told.runs[..], &told.steps[..], &told.ends[..]),
            (&["a".into(), "b".into()][..], &[1, 1][..], &[RunState::Stopped][..])
        );
    }

    #[test]
    fn a_sink_that_refuses_is_named_with_its_reason_and_the_spool_keeps_all() {
        struct Closed;
        impl Sink for Closed {
            fn name(&self) -> &'static str {
                "closed"
            }
            fn started(&mut self, _run: &Started) -> Result<String, SinkError> {
                Err(SinkError::Refused("no such experiment".into()))
            }
            fn resumed(&mut self, _step: u64) -> Result<(), SinkError> {
                Ok(())
            }
            fn metrics(&mut self, _points: &[Point], _again: bool) -> Result<(), SinkError> {
                Ok(())
            }
            fn artefact(&mut self, _file: &Artefact) -> Result<(), SinkError> {
                Ok(())
            }
            fn ended(&mut self, _at_ms: i64, _state: RunState, _summary: &[(&str, f64)]) -> Result<(), SinkError> {
                Ok(())
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let mut tracker = Tracker::begin(folder.path(), started("a"), None, vec![Box::new(Closed)], &silent()).unwrap();
        tracker.metrics(at(1)).unwrap();
        let left = tracker.end(9, RunState::Finished, BTreeMap::new(), PATIENCE).unwrap();
        assert_eq!(left, [Left { sink: "closed", why: "no such experiment".into() }]);
        assert_eq!(RunRecord::read(folder.path()).unwrap().unwrap().points.len(), 1);
    }

    /// A run of so many steps in a folder, told to nobody.
    fn unheard(folder: &Path, id: &str, steps: u64) -> Tracker {
        let mut tracker = Tracker::begin(folder, started(id), None, vec![], &silent()).unwrap();
        (1..=steps).for_each(|step| tracker.metrics(at(step)).unwrap());
        tracker
    }

    #[test]
    fn each_destination_has_a_position_of_its_own_and_an_old_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        drop(unheard(folder.path(), "a", 20));
        let [here, there] = ["here", "there"].map(|place| Fragile(Arc::default(), place));
        for sink in [&here, &there] {
            assert_eq!(sync(folder.path(), vec![Box::new(sink.clone())]).unwrap(), told(21), "{}", sink.1);
            assert_eq!(sync(folder.path(), vec![Box::new(sink.clone())]).unwrap(), told(0), "{}", sink.1);
            assert!(sink.0.lock().unwrap().steps.iter().copied().eq(1..=20));
        }
        // As a program wrote it that kept neither destination nor line.
        let kept = folder.path().join(super::super::FOLDER).join("fragile.json");
        let mut position: serde_json::Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
        for key in ["destination", "line"] {
            position.as_object_mut().unwrap().remove(key).unwrap();
        }
        std::fs::write(&kept, position.to_string()).unwrap();
        assert_eq!(sync(folder.path(), vec![Box::new(here)]).unwrap(), told(0));
    }

    #[test]
    fn a_position_beyond_the_spool_is_told_and_nothing_that_comes_then_is_skipped() {
        for (kept_lines, grows_before) in [(21, false), (11, false), (0, false), (11, true)] {
            let folder = tempfile::tempdir().unwrap();
            let sink = Fragile::default();
            drop(unheard(folder.path(), "a", 30));
            assert_eq!(sync(folder.path(), vec![Box::new(sink.clone())]).unwrap(), told(31));
            // What a power cut leaves of a spool that was not synced.
            let spool = Spool::path_in(folder.path());
            let text = std::fs::read_to_string(&spool).unwrap();
            let rest: String = text.split_inclusive('\n').take(kept_lines).collect();
            std::fs::write(&spool, rest).unwrap();
            let done = (kept_lines as u64).saturating_sub(1);
            let said = Arc::new(Mutex::new(Vec::<String>::new()));
            let warn: Warn = {
                let said = Arc::clone(&said);
                Arc::new(move |words: &str| said.lock().unwrap().push(words.to_owned()))
            };
            // A process that does not tell this sink may have written on meanwhile.
            if grows_before {
                let mut other = Tracker::begin(folder.path(), started("x"), Some(done), vec![], &silent()).unwrap();
                (done + 1..=100).for_each(|step| other.metrics(at(step)).unwrap());
            }
            let done = if grows_before { 100 } else { done };
            let resumed = (kept_lines > 0).then_some(done);
            let sinks: Vec<Box<dyn Sink>> = vec![Box::new(sink.clone())];
            let mut tracker = Tracker::begin(folder.path(), started("b"), resumed, sinks, &warn).unwrap();
            (done + 1..=done + 30).for_each(|step| tracker.metrics(at(step)).unwrap());
            assert_eq!(tracker.end(9, RunState::Finished, BTreeMap::new(), PATIENCE).unwrap(), []);
            let heard = sink.0.lock().unwrap();
            let new: Vec<u64> = heard.steps.iter().copied().filter(|step| *step > 30).collect();
            if kept_lines > 0 {
                let mut steps = heard.steps.clone();
                steps.dedup();
                assert!(steps.iter().copied().eq(1..=done + 30), "{kept_lines}: {steps:?}");
                assert_eq!(new.len() as u64, done, "{kept_lines}");
            } else {
                assert!(heard.steps.iter().copied().eq((1..=30).chain(1..=30)), "{:?}", heard.steps);
                assert_eq!(
                    (&heard.runs[..], &heard.ends[..1]),
                    (&["a".into(), "b".into()][..], &[RunState::Stopped][..])
                );
            }
            assert_eq!(heard.ends.last(), Some(&RunState::Finished));
            let said = said.lock().unwrap();
            let word = if grows_before { "is another than was told" } else { "are lost" };
            assert!(said.iter().any(|words| words.contains("fragile") && words.contains(word)), "{said:?}");
        }
    }

    #[test]
    fn a_position_keeps_the_checksum_of_the_line_that_it_follows() {
        let folder = tempfile::tempdir().unwrap();
        drop(unheard(folder.path(), "a", 3));
        let spool = Spool::path_in(folder.path());
        let length = std::fs::metadata(&spool).unwrap().len();
        let line = super::super::spool::checksum_before(&spool, length).unwrap().unwrap();
        sync(folder.path(), vec![Box::new(Fragile::default())]).unwrap();
        let kept = folder.path().join(super::super::FOLDER).join("fragile.json");
        let position: serde_json::Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
        assert_eq!((position["offset"].as_u64(), position["line"].as_str()), (Some(length), Some(line.as_str())));
    }

    #[test]
    fn a_file_that_is_refused_is_said_and_the_end_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let sink = Fragile::default();
        sink.0.lock().unwrap().refuses = Some("network.bin");
        let mut tracker = unheard(folder.path(), "a", 3);
        for path in ["config.json", "network.bin", "report.html"] {
            tracker.artefact(Artefact { at_ms: 4, path: path.into() }).unwrap();
        }
        tracker.end(5, RunState::Finished, BTreeMap::new(), PATIENCE).unwrap();
        let [found] = &sync(folder.path(), vec![Box::new(sink.clone())]).unwrap()[..] else { panic!("one sink") };
        assert_eq!((&found.told, found.notes.len()), (&Ok(8), 1));
        assert!(found.notes[0].contains("network.bin: 413"), "{:?}", found.notes);
        let heard = sink.0.lock().unwrap();
        assert_eq!(
            (&heard.files[..], &heard.ends[..]),
            (&["config.json".into(), "report.html".into()][..], &[RunState::Finished][..])
        );
    }

    #[test]
    fn a_file_on_which_the_server_fails_is_named_tried_a_few_times_and_keeps_nothing_else_from_it() {
        for mended in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let sink = Fragile::default();
            sink.0.lock().unwrap().fails = Some("network.bin");
            let sinks = || -> Vec<Box<dyn Sink>> { vec![Box::new(sink.clone())] };
            let mut tracker = unheard(folder.path(), "a", 3);
            for path in ["network.bin", "report.html"] {
                tracker.artefact(Artefact { at_ms: 4, path: path.into() }).unwrap();
            }
            tracker.end(5, RunState::Finished, BTreeMap::new(), PATIENCE).unwrap();
            let one = || sync(folder.path(), sinks()).unwrap().remove(0);
            let tried = || sink.0.lock().unwrap().failed;
            let found = one();
            assert!(found.told.as_ref().is_err_and(|why| why.contains("all but network.bin")), "{found:?}");
            assert!(found.notes[0].contains("network.bin: 500") && found.notes.len() == 1, "{found:?}");
            assert_eq!(sink.0.lock().unwrap().ends, [RunState::Finished]);
            assert_eq!(sink.0.lock().unwrap().files, ["report.html"]);
            if mended {
                sink.0.lock().unwrap().fails = None;
                assert_eq!([one()], told(0));
                assert_eq!(sink.0.lock().unwrap().files, ["report.html", "network.bin"]);
                continue;
            }
            for tries in 2..5 {
                let found = one();
                assert!(found.told.is_err() && found.notes[0].contains(&format!("{tries} of 5")), "{found:?}");
            }
            let found = one();
            assert_eq!((found.told, found.notes.len(), tried()), (Ok(0), 1, 5));
            assert!(found.notes[0].contains("network.bin") && found.notes[0].contains("tried no more"));
            assert_eq!(sync(folder.path(), sinks()).unwrap(), told(0));
            assert_eq!(tried(), 5);
        }
    }
}
