//! A thread that owns something which may hang, and answers questions about it within a time limit.
//!
//! Questions queue and are answered one at a time. A question that gets no answer in time is given up by its asker; while the
//! owner is still stuck in it, later questions fail at once instead of waiting for the same limit again. When the stuck call comes
//! back after all, the door answers again: nobody need open a new one.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::stuck;

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// This call hangs: the one that was asked, or the one before it that has not come back.
    Hangs {
        /// Which call.
        call: &'static str,
    },
    /// The question itself panicked, or the owner's thread is gone.
    Broken,
}

/// Why a door did not open.
#[derive(Debug)]
pub(crate) enum Closed<E> {
    /// The start failed in its own words.
    Refused(E),
    /// The start did not come back in time.
    Hangs,
    /// No thread could be had.
    NoThread(std::io::Error),
}

/// A question and what is needed to give it up.
struct Asked<S> {
    ticket: u64,
    call: &'static str,
    question: Box<dyn FnOnce(&S) + Send>,
}

/// What the owner does now.
#[derive(Debug)]
struct Busy {
    ticket: u64,
    call: &'static str,
    since: Instant,
    /// Somebody has waited for it in vain.
    hangs: bool,
}

/// What askers and owner both see.
#[derive(Debug, Default)]
struct Desk {
    busy: Option<Busy>,
    /// Tickets given up before their turn.
    given_up: Vec<u64>,
    ended: bool,
}

#[derive(Debug, Default)]
struct Shared {
    desk: Mutex<Desk>,
    over: Condvar,
}

impl Shared {
    /// The desk. No code that can panic runs while it is held, so a poisoned one is whole.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The door to `S`, which lives on a thread of its own.
pub(crate) struct Door<S> {
    /// Absent only while the door is being dropped.
    questions: Option<Sender<Asked<S>>>,
    shared: Arc<Shared>,
    next_ticket: AtomicU64,
    limit: Duration,
}

impl<S> fmt::Debug for Door<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("limit", &self.limit).field("desk", &self.shared.desk).finish_non_exhaustive()
    }
}

impl<S: 'static> Door<S> {
    /// Starts the owner's thread; `limit` bounds the start and every question.
    pub(crate) fn open<E: Send + 'static>(
        name: &str,
        limit: Duration,
        start: impl FnOnce() -> Result<S, E> + Send + 'static,
    ) -> Result<Self, Closed<E>> {
        let (questions, asked) = channel();
        let (started, answer) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let owner = move || {
            match start() {
                Ok(owned) => {
                    // Whoever opened the door may have given up; the loop then ends at once, and what is owned is closed.
                    if started.send(Ok(())).is_ok() {
                        serve(&owned, &asked, &seen);
                    }
                }
                Err(refusal) => {
                    // As above: nobody may be listening any more.
                    let _ = started.send(Err(refusal));
                }
            }
            seen.desk().ended = true;
            seen.over.notify_all();
        };
        thread::Builder::new().name(name.into()).spawn(owner).map_err(Closed::NoThread)?;
        match answer.recv_timeout(limit) {
            Ok(Ok(())) => Ok(Self { questions: Some(questions), shared, next_ticket: AtomicU64::new(0), limit }),
            Ok(Err(refusal)) => Err(Closed::Refused(refusal)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                stuck::give_up();
                Err(Closed::Hangs)
            }
        }
    }

    /// Asks, and waits for the answer no longer than the limit, the time in the queue included.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        call: &'static str,
        question: impl FnOnce(&S) -> T + Send + 'static,
    ) -> Result<T, Silence> {
        if let Some(call) = self.hanging() {
            return Err(Silence::Hangs { call });
        }
        let (answer, answered) = sync_channel(1);
        let question = Box::new(move |owned: &S| {
            // The receiver is gone where the asker gave up first.
            let _ = answer.send(question(owned));
        });
        let ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        let sent = self.questions.as_ref().map(|questions| questions.send(Asked { ticket, call, question }));
        if !matches!(sent, Some(Ok(()))) {
            return Err(Silence::Broken);
        }
        match answered.recv_timeout(self.limit) {
            Ok(value) => Ok(value),
            Err(RecvTimeoutError::Disconnected) => Err(Silence::Broken),
            Err(RecvTimeoutError::Timeout) => self.give_up(ticket, call, &answered),
        }
    }

    /// The call that the owner is stuck in, if it is.
    pub(crate) fn hanging(&self) -> Option<&'static str> {
        let desk = self.shared.desk();
        let busy = desk.busy.as_ref()?;
        (busy.hangs || busy.since.elapsed() >= self.limit).then_some(busy.call)
    }

    /// Ends the wait for a question: takes it back where its turn has not come, else marks the owner as stuck.
    fn give_up<T>(&self, ticket: u64, call: &'static str, answered: &Receiver<T>) -> Result<T, Silence> {
        let mut desk = self.shared.desk();
        // The answer may have come between the end of the wait and here.
        if let Ok(value) = answered.try_recv() {
            return Ok(value);
        }
        let waited = self.limit;
        let stuck_in = match desk.busy.as_mut() {
            Some(busy) if busy.ticket == ticket || busy.since.elapsed() >= waited => {
                busy.hangs = true;
                stuck::give_up();
                Some((busy.ticket, busy.call))
            }
            _ => None,
        };
        if stuck_in.is_none_or(|(busy, _)| busy != ticket) {
            desk.given_up.push(ticket);
        }
        Err(Silence::Hangs { call: stuck_in.map_or(call, |(_, stuck)| stuck) })
    }
}

impl<S> Drop for Door<S> {
    /// Waits for the owner to close what it owns, unless it is stuck: a driver's library must not be torn down while the
    /// process exits.
    fn drop(&mut self) {
        self.questions = None;
        let desk = self.shared.desk();
        if desk.busy.as_ref().is_some_and(|busy| busy.hangs) {
            return;
        }
        let waited = self.shared.over.wait_timeout_while(desk, self.limit, |desk| !desk.ended);
        // Nothing hangs on whether it ended in time.
        drop(waited);
    }
}

/// Answers until nobody can ask any more.
fn serve<S>(owned: &S, asked: &Receiver<Asked<S>>, shared: &Shared) {
    for Asked { ticket, call, question } in asked {
        {
            let mut desk = shared.desk();
            if let Some(place) = desk.given_up.iter().position(|&given_up| given_up == ticket) {
                desk.given_up.swap_remove(place);
                continue;
            }
            desk.busy = Some(Busy { ticket, call, since: Instant::now(), hangs: false });
        }
        // The asker sees the panic as a missing answer; the door stays open for others. The question had only a shared view.
        let _ = catch_unwind(AssertUnwindSafe(|| question(owned)));
        shared.desk().busy = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(30);

    fn open(limit: Duration) -> Door<u32> {
        Door::open("test", limit, || Ok::<_, ()>(7)).unwrap()
    }

    #[test]
    fn many_threads_ask_at_once_and_all_are_answered() {
        // A rendezvous lost questions that came while the owner was between two; a queue loses none.
        let door = open(LONG);
        thread::scope(|scope| {
            for asker in 0..4_u32 {
                let door = &door;
                scope.spawn(move || {
                    for n in 0..2_000_u32 {
                        assert_eq!(door.ask("sum", move |owned| owned + asker + n), Ok(7 + asker + n));
                    }
                });
            }
        });
    }

    #[test]
    fn a_hang_costs_one_limit_then_nothing_and_ends_when_the_call_comes_back() {
        let door = open(SHORT);
        let (release, hold) = mpsc::channel::<()>();
        let stuck = door.ask("stuck", move |_| {
            // Ends when the sender is dropped.
            let _ = hold.recv();
        });
        assert_eq!(stuck, Err(Silence::Hangs { call: "stuck" }));
        assert_eq!(door.hanging(), Some("stuck"));
        // Later questions name the call at fault, and never reach the owner.
        let reached = Arc::new(AtomicU64::new(0));
        for _ in 0..3 {
            let count = Arc::clone(&reached);
            let later = door.ask("later", move |_| count.fetch_add(1, Ordering::SeqCst));
            assert_eq!(later, Err(Silence::Hangs { call: "stuck" }));
        }
        drop(release);
        while door.hanging().is_some() {
            thread::yield_now();
        }
        assert_eq!(door.ask("again", |owned| *owned), Ok(7));
        assert_eq!(reached.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_question_given_up_in_the_queue_is_never_asked() {
        let door = Arc::new(open(Duration::from_millis(200)));
        let (release, hold) = mpsc::channel::<()>();
        let asked = Arc::new(AtomicU64::new(0));
        let (begun, started) = mpsc::channel();
        thread::scope(|scope| {
            let first = scope.spawn(|| {
                door.ask("first", move |_| {
                    begun.send(()).unwrap();
                    let _ = hold.recv();
                })
            });
            started.recv().unwrap();
            let count = Arc::clone(&asked);
            let second = door.ask("second", move |_| count.fetch_add(1, Ordering::SeqCst));
            assert_eq!(second, Err(Silence::Hangs { call: "first" }));
            assert_eq!(first.join().unwrap(), Err(Silence::Hangs { call: "first" }));
        });
        drop(release);
        while door.hanging().is_some() {
            thread::yield_now();
        }
        assert_eq!(door.ask("third", |owned| *owned), Ok(7));
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_question_that_panics_breaks_itself_alone() {
        let door = open(LONG);
        assert_eq!(door.ask("panics", |_| -> u32 { panic!("on purpose") }), Err(Silence::Broken));
        assert_eq!(door.ask("next", |owned| *owned), Ok(7));
    }

    #[test]
    fn a_start_that_fails_or_hangs_says_so() {
        assert!(matches!(Door::<u32>::open("test", LONG, || Err("no")), Err(Closed::Refused("no"))));
        let (release, hold) = mpsc::channel::<()>();
        let opened = Door::<u32>::open("test", SHORT, move || {
            let _ = hold.recv();
            Ok::<_, ()>(7)
        });
        assert!(matches!(opened, Err(Closed::Hangs)));
        drop(release);
        assert!(open(LONG).ask("fresh", |owned| *owned).is_ok());
    }

    #[test]
    fn closing_waits_for_what_is_owned_to_be_closed() {
        struct Owned(Arc<AtomicU64>);
        impl Drop for Owned {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let closed = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&closed);
        let door = Door::open("test", LONG, move || Ok::<_, ()>(Owned(count))).unwrap();
        assert_eq!(door.ask("look", |owned| owned.0.load(Ordering::SeqCst)), Ok(0));
        drop(door);
        assert_eq!(closed.load(Ordering::SeqCst), 1);
    }
}
