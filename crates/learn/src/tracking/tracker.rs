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
        let length = spool.append(&event)?;
        let couriers =
            sinks.into_iter().map(|sink| Courier::new(folder, sink)).collect::<Result<Vec<_>, LearnError>>()?;
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

/// A sink, and how many records it was told or why it was not.
pub type Told = (&'static str, Result<usize, String>);

/// Delivers what is left of a run's spool, which no process may be writing to (see [`crate::training::RunFolder`]): what each sink was told
/// now, or why not.
///
/// Errors: [`LearnError::File`] for a folder that cannot be read.
pub fn sync(folder: &Path, sinks: Vec<Box<dyn Sink>>) -> Result<Vec<Told>, LearnError> {
    let mut told = Vec::new();
    for sink in sinks {
        let mut courier = Courier::new(folder, sink)?;
        let left = courier.left();
        told.push((courier.name(), courier.deliver_last().map(|_| left).map_err(|error| error.to_string())));
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::tracking::SinkError;

    /// What a sink that breaks down at will was told.
    #[derive(Default)]
    struct Told {
        runs: Vec<String>,
        steps: Vec<u64>,
        ends: Vec<RunState>,
        /// Calls until the next breakdown, and whether it breaks down before or after it took what it was told.
        breaks_in: Option<(usize, bool)>,
    }

    #[derive(Clone, Default)]
    struct Fragile(Arc<Mutex<Told>>);

    impl Fragile {
        fn call(&self, take: impl FnOnce(&mut Told)) -> Result<(), SinkError> {
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

        fn artefact(&mut self, _file: &Artefact) -> Result<(), SinkError> {
            self.call(|_| {})
        }

        fn ended(&mut self, _at_ms: i64, state: RunState, _summary: &[(&str, f64)]) -> Result<(), SinkError> {
            self.call(|told| told.ends.push(state))
        }
    }

    fn started(id: &str) -> Started {
        Started { id: id.into(), name: id.into(), ..Started::default() }
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
        assert_eq!(sync(folder.path(), sinks()).unwrap(), [("fragile", Ok(31))]);
        assert_eq!(sync(folder.path(), sinks()).unwrap(), [("fragile", Ok(0))]);
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
}
