//! Brings a spool to a sink, in order, and keeps how far it came.
//!
//! The position is written after each delivery, once the spool up to it is on the disk. A process that is killed between the two delivers the
//! same again, and says so to the sink, which looks what is there. Steps that were delivered and are done again by a run that went on are not
//! delivered twice.
//!
//! A position is one sink's at one destination: another server has another. One that the spool does not reach (what was written last is lost
//! after a power cut), or that is not of this spool, is told and repaired.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    Artefact, Event, FOLDER, Point, RunState, Sink, SinkError, Spool, Started,
    spool::{checksum_before, read_from},
};
use crate::{
    LearnError,
    training::{fnv, write_whole},
};

/// Points that are delivered at once.
const POINTS: usize = 100;
/// Before a delivery is tried again; doubled each time, to the longest.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

/// How often a file is tried on which the other side fails, each time by another process.
const FILE_TRIES: u32 = 5;

/// A file that is to be tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Untold {
    file: Artefact,
    /// Tries that failed.
    tries: u32,
}

/// How far a sink is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Position {
    /// Where the sink tells it. None of a program that knew one destination a sink only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    /// Bytes of the spool that are delivered.
    offset: u64,
    /// Checksum of the line that ends there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<String>,
    /// What the run is called there.
    run: Option<String>,
    /// The last step that was told.
    told: Option<u64>,
    /// Whether its end was told.
    ended: bool,
    /// Whether what follows in the spool may be there already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    doubtful: bool,
    /// Files that are passed by for now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<Untold>,
}

/// One sink's way through one spool.
pub(super) struct Courier {
    sink: Box<dyn Sink>,
    spool: PathBuf,
    kept: PathBuf,
    position: Position,
    again: bool,
    /// Bytes of the spool that are on the disk for certain.
    durable: u64,
    /// What is to be said that stops nothing.
    notes: Vec<String>,
}

impl Courier {
    /// For a run's folder, from where an earlier process left off.
    pub(super) fn new(run: &Path, mut sink: Box<dyn Sink>) -> Result<Self, LearnError> {
        let spool = Spool::path_in(run);
        let (kept, mut position) = match sink.rereads() {
            true => (PathBuf::new(), Position::default()),
            false => found(run, sink.as_ref())?,
        };
        let mut notes = Vec::new();
        if position.offset > 0
            && let Some(note) = repair(&spool, &mut position)?
        {
            notes.push(format!("{}: {note}", sink.name()));
            let text = serde_json::to_string(&position).map_err(|error| LearnError::file(&kept, error))?;
            write_whole(&kept, text.as_bytes())?;
        }
        if let Some(run) = &position.run {
            sink.attach(run);
        }
        Ok(Self { sink, spool, kept, position, again: true, durable: 0, notes })
    }

    /// The sink's name.
    pub(super) fn name(&self) -> &'static str {
        self.sink.name()
    }

    /// What is to be said that stopped nothing, since it was asked last.
    pub(super) fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Events that are not delivered yet.
    pub(super) fn left(&self) -> usize {
        read_from(&self.spool, self.position.offset).map_or(0, |lines| lines.events.len())
    }

    /// Delivers what there is; the place in the spool then.
    pub(super) fn deliver(&mut self) -> Result<u64, SinkError> {
        let refused = |error: LearnError| SinkError::Refused(error.to_string());
        let lines = read_from(&self.spool, self.position.offset).map_err(refused)?;
        let mut points: Vec<Point> = Vec::new();
        let mut behind = self.position.offset;
        for (place, event) in &lines.events {
            match event {
                Event::Metrics(point) => {
                    if self.sink.rereads() || self.position.told.is_none_or(|told| told < point.step) {
                        points.push(point.clone());
                    }
                    behind = *place;
                    if points.len() < POINTS {
                        continue;
                    }
                    self.points(&mut points, behind)?;
                }
                event => {
                    self.points(&mut points, behind)?;
                    self.event(event, *place)?;
                    behind = *place;
                }
            }
        }
        self.points(&mut points, behind)?;
        // Damaged lines at the end are passed by.
        self.position.offset = lines.end;
        Ok(lines.end)
    }

    /// As [`Self::deliver`], when nothing more will come.
    pub(super) fn deliver_last(&mut self) -> Result<u64, SinkError> {
        let reached = self.deliver()?;
        self.sink.rests()?;
        Ok(reached)
    }

    /// Tries the files again that were passed by; each so often, and then no more.
    pub(super) fn files_again(&mut self) -> Result<(), SinkError> {
        let mut left = std::mem::take(&mut self.position.files).into_iter();
        if left.len() == 0 {
            return Ok(());
        }
        while let Some(Untold { file, tries }) = left.next() {
            let (name, path) = (self.sink.name(), &file.path);
            match self.sink.artefact(&file) {
                Ok(()) => {}
                // Nobody is there: that was no try.
                Err(error @ SinkError::Away(_)) => {
                    self.position.files.push(Untold { file, tries });
                    self.position.files.extend(left);
                    return Err(error);
                }
                Err(SinkError::Failing(why)) if tries + 1 < FILE_TRIES => {
                    self.notes.push(format!("{name}: {path}: {why}; tried {} of {FILE_TRIES} times", tries + 1));
                    self.position.files.push(Untold { file, tries: tries + 1 });
                }
                Err(SinkError::Failing(why) | SinkError::Refused(why)) => {
                    self.notes.push(format!("{name}: {path}: {why}; it is tried no more"));
                }
            }
        }
        self.keep(self.position.offset)
    }

    /// Files that are not told and will be tried again, by their paths.
    pub(super) fn untold(&self) -> Vec<&str> {
        self.position.files.iter().map(|untold| untold.file.path.as_str()).collect()
    }

    fn points(&mut self, points: &mut Vec<Point>, behind: u64) -> Result<(), SinkError> {
        if let Some(last) = points.last().map(|point| point.step) {
            let told = self.sink.metrics(points, self.again || self.position.doubtful);
            self.told(told)?;
            self.position.told = Some(last);
            points.clear();
            self.keep(behind)?;
        }
        Ok(())
    }

    fn event(&mut self, event: &Event, place: u64) -> Result<(), SinkError> {
        match event {
            Event::Started(started) => {
                let Position { run, ended, doubtful, offset, .. } = &self.position;
                // One that is told again from the beginning is not given up.
                if run.is_some() && !ended && (*offset > 0 || !doubtful) {
                    let told = self.sink.ended(started.at_ms, RunState::Stopped, &[]);
                    self.told(told)?;
                }
                let run = self.sink.started(started);
                let run = self.told(run)?;
                let Position { destination, doubtful, .. } = std::mem::take(&mut self.position);
                self.position = Position { destination, doubtful, run: Some(run), ..Position::default() };
            }
            Event::Resumed { step, .. } => {
                let told = self.sink.resumed(*step);
                self.told(told)?;
                self.position.ended = false;
            }
            Event::Artefact(file) => match self.sink.artefact(file) {
                // It would be refused for ever; what else the run tells may go.
                Err(SinkError::Refused(why)) => {
                    self.again = false;
                    self.notes.push(format!("{}: {}: {why}; the rest of the run is told", self.name(), file.path));
                }
                // It may be refused for ever, or be taken when the server's own store is back.
                Err(SinkError::Failing(why)) => {
                    self.again = false;
                    self.notes.push(format!(
                        "{}: {}: {why}; the rest of the run is told; zomma runs sync tries it again",
                        self.name(),
                        file.path
                    ));
                    self.position.files.push(Untold { file: file.clone(), tries: 1 });
                }
                told => self.told(told)?,
            },
            Event::Ended { at_ms, state, summary } => {
                let summary: Vec<(&str, f64)> = summary.iter().map(|(name, value)| (name.as_str(), *value)).collect();
                let told = self.sink.ended(*at_ms, *state, &summary);
                self.told(told)?;
                self.position.ended = true;
            }
            Event::Metrics(_) => {}
        }
        self.keep(place)
    }

    /// Whether the last delivery may have to be done again.
    fn told<T>(&mut self, told: Result<T, SinkError>) -> Result<T, SinkError> {
        self.again = told.is_err();
        told
    }

    fn keep(&mut self, place: u64) -> Result<(), SinkError> {
        self.position.offset = place;
        if self.sink.rereads() {
            return Ok(());
        }
        let refused = |error: &dyn std::fmt::Display| SinkError::Refused(error.to_string());
        // Else a power cut could take from the spool what the position says is delivered.
        if place > self.durable {
            let synced = File::open(&self.spool).and_then(|spool| {
                let length = spool.metadata()?.len();
                spool.sync_data().map(|()| length)
            });
            self.durable = synced.map_err(|error| refused(&format!("{}: {error}", self.spool.display())))?;
        }
        self.position.line = checksum_before(&self.spool, place).map_err(|error| refused(&error))?;
        let text = serde_json::to_string(&self.position).map_err(|error| refused(&error))?;
        write_whole(&self.kept, text.as_bytes()).map_err(|error| refused(&error))
    }
}

/// The file of a sink's position at its destination, and what is in it.
fn found(run: &Path, sink: &dyn Sink) -> Result<(PathBuf, Position), LearnError> {
    let (name, destination) = (sink.name(), sink.destination());
    let read = |path: &Path| -> Result<Position, LearnError> {
        let text = fs::read_to_string(path).map_err(|error| LearnError::file(path, error))?;
        serde_json::from_str(&text).map_err(|error| LearnError::file(path, error))
    };
    let new = || Position { destination: Some(destination.clone()), ..Position::default() };
    let first = run.join(FOLDER).join(format!("{name}.json"));
    let other = run.join(FOLDER).join(format!("{name}-{:016x}.json", fnv(destination.as_bytes())));
    if other.exists() {
        let position = read(&other)?;
        return Ok((other, position));
    }
    if !first.exists() {
        return Ok((first, new()));
    }
    let position = read(&first)?;
    let is_own = match &position.destination {
        Some(kept) => *kept == destination,
        None => begun(run)?.is_none_or(|started| sink.is_own(&started)),
    };
    match is_own {
        true => Ok((first, Position { destination: Some(destination), ..position })),
        false => Ok((other, new())),
    }
}

/// How the last run of the folder began.
fn begun(run: &Path) -> Result<Option<Started>, LearnError> {
    let events = read_from(&Spool::path_in(run), 0)?.events.into_iter().rev();
    let mut started =
        events.filter_map(|(_, event)| if let Event::Started(started) = event { Some(started) } else { None });
    Ok(started.next())
}

/// Brings a position to where it fits the spool; what is to be said of it, where it did not.
fn repair(spool: &Path, position: &mut Position) -> Result<Option<String>, LearnError> {
    let end = read_from(spool, 0)?.end;
    let shown = spool.display();
    if position.offset > end {
        let lost = position.offset - end;
        // All that is there was delivered, and some that is no more.
        (position.offset, position.line) = (end, checksum_before(spool, end)?);
        return Ok(Some(format!(
            "{shown}: {lost} bytes that were told are lost, as after a power cut; it goes on from here"
        )));
    }
    let line = checksum_before(spool, position.offset)?;
    let fits = match &position.line {
        Some(kept) => line.as_ref() == Some(kept),
        // Of a program that did not keep it: a line must end there.
        None => line.is_some(),
    };
    if fits {
        return Ok(None);
    }
    (position.offset, position.line, position.told, position.doubtful) = (0, None, None, true);
    Ok(Some(format!("{shown} is another than was told before; all of it is told again, where it is not there")))
}

/// What the run and its couriers know of each other.
#[derive(Debug, Default)]
pub(super) struct Board {
    state: Mutex<Known>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Known {
    /// Bytes of the spool.
    length: u64,
    /// Nothing more will come.
    closed: bool,
    /// Nobody waits any longer.
    given_up: bool,
    /// How far each courier is; what keeps it where it does not go on.
    couriers: Vec<(u64, Option<String>)>,
}

impl Board {
    /// For so many couriers.
    pub(super) fn new(couriers: usize) -> Self {
        let known = Known { couriers: vec![(0, None); couriers], ..Known::default() };
        Self { state: Mutex::new(known), changed: Condvar::new() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The spool has grown.
    pub(super) fn grown(&self, length: u64) {
        self.known().length = length;
        self.changed.notify_all();
    }

    /// Nothing more comes: waits until all is delivered, at most so long, and sends the couriers home.
    pub(super) fn close(&self, patience: Duration) -> Vec<Option<String>> {
        let mut known = self.known();
        known.closed = true;
        self.changed.notify_all();
        let is_under_way = |known: &mut Known| {
            let length = known.length;
            known.couriers.iter().any(|(reached, lost)| *reached < length && lost.is_none())
        };
        let (mut known, _) =
            self.changed.wait_timeout_while(known, patience, is_under_way).unwrap_or_else(PoisonError::into_inner);
        known.given_up = true;
        self.changed.notify_all();
        let length = known.length;
        known
            .couriers
            .iter()
            .map(|(reached, lost)| match lost {
                Some(lost) => Some(lost.clone()),
                None => (*reached < length).then(|| "no answer in time".to_owned()),
            })
            .collect()
    }
}

/// What a courier's thread does: delivers until nothing more comes, and tries again where nobody is there.
pub(super) fn work(mut courier: Courier, number: usize, board: &Arc<Board>, warn: &dyn Fn(&str)) {
    let mut pause = SHORTEST;
    let mut is_away = false;
    loop {
        let delivered = courier.deliver();
        courier.notes().iter().for_each(|note| warn(note));
        // Said before the board is taken, so that the run never waits for the terminal.
        match &delivered {
            Ok(_) if is_away => warn(&format!("{} answers again", courier.name())),
            Err(SinkError::Away(why)) if !is_away => {
                warn(&format!("{}: {why}; the run goes on, and it is tried again", courier.name()));
            }
            Err(SinkError::Refused(why) | SinkError::Failing(why)) => {
                warn(&format!("{}: {why}; it is told nothing more of this run", courier.name()));
            }
            _ => {}
        }
        is_away = delivered.is_err();
        let mut known = board.known();
        match delivered {
            Ok(reached) => {
                pause = SHORTEST;
                known.couriers[number].0 = reached;
                board.changed.notify_all();
                let idle = |known: &mut Known| known.length <= reached && !known.closed && !known.given_up;
                known = board.changed.wait_while(known, idle).unwrap_or_else(PoisonError::into_inner);
                if known.given_up || known.closed && known.length <= reached {
                    drop(known);
                    // Of a run that says how it ended nothing is left.
                    let last = courier.deliver_last();
                    courier.notes().iter().for_each(|note| warn(note));
                    if let Err(error) = last {
                        warn(&format!("{}: {error}", courier.name()));
                    }
                    return;
                }
            }
            Err(SinkError::Away(_)) => {
                let closed = known.closed;
                let waits = |known: &mut Known| !known.given_up && known.closed == closed;
                let waited = board.changed.wait_timeout_while(known, pause, waits);
                known = waited.unwrap_or_else(PoisonError::into_inner).0;
                pause = if known.closed { SHORTEST } else { (2 * pause).min(LONGEST) };
                if known.given_up {
                    return;
                }
            }
            Err(SinkError::Refused(why) | SinkError::Failing(why)) => {
                known.couriers[number].1 = Some(why);
                board.changed.notify_all();
                return;
            }
        }
    }
}
