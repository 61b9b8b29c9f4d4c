//! Serves a session over SoupBinTCP to several clients, in a thread.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    metrics::Counter,
    reader::{Clock, TURN},
};
use crate::itch::frame::soup::{Closed, Conversation, ServerSettings, Session, SessionError};

/// What is read of a client at once at most.
const READ_BYTES: usize = 16 << 10;
/// So many batches are written to one client before the others have their turn.
const MOST_BATCHES_IN_A_TURN: usize = 16;

/// Where and whom to serve.
#[derive(Debug, Clone)]
pub struct SoupServerSettings {
    /// The address to listen on; port 0 leaves the port to the kernel.
    pub address: SocketAddr,
    /// Who may log in, and how slow a client may be.
    pub protocol: ServerSettings,
    /// How many connections there may be at once; one more is closed as it comes.
    pub most_clients: usize,
    /// What time it is.
    pub clock: Clock,
}

/// What a server has counted.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct ServerMetrics {
    /// Connections accepted.
    pub connections: Counter,
    /// Connections that there are.
    pub clients: Counter,
    /// Connections closed as they came, since there were as many as there may be.
    pub turned_away: Counter,
    /// Logins refused.
    pub refused: Counter,
    /// Clients dropped for being slow.
    pub slow: Counter,
    /// Clients dropped for being silent.
    pub silent: Counter,
    /// Clients dropped for what they sent.
    pub faults: Counter,
    /// Bytes that sockets took.
    pub bytes: Counter,
}

#[derive(Debug)]
struct Shared {
    session: Mutex<Session>,
    stop: AtomicBool,
    /// A byte lies in the pipe, so that another need not be written.
    is_woken: AtomicBool,
    metrics: ServerMetrics,
}

/// A server that runs.
#[derive(Debug)]
pub struct SoupServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    wake: UnixStream,
    thread: JoinHandle<()>,
}

impl SoupServer {
    /// Listens, and serves a session in a thread until it is stopped. What clients send without a number is given to `unsequenced` with their
    /// names, in that thread.
    ///
    /// # Errors
    ///
    /// Where the address cannot be listened on, or no thread can be made.
    pub fn start(
        settings: SoupServerSettings,
        session: Session,
        unsequenced: impl FnMut([u8; 6], &[u8]) + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.address)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", settings.address)))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
            session: Mutex::new(session),
            stop: AtomicBool::new(false),
            is_woken: AtomicBool::new(false),
            metrics: ServerMetrics::default(),
        });
        let of_thread = Arc::clone(&shared);
        let mut server = Serving { settings, listener, woken, shared: of_thread, clients: Vec::new(), unsequenced };
        let thread = thread::Builder::new().name("soup server".into()).spawn(move || server.run())?;
        Ok(Self { address, shared, wake, thread })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a message to the session, and has it sent. Gives its number.
    ///
    /// # Errors
    ///
    /// [`SessionError`].
    pub fn publish(&self, message: &[u8]) -> Result<u64, SessionError> {
        let number = self.session().push(message);
        self.wake();
        number
    }

    /// Adds messages to the session under one lock, and has them sent together. Gives the number of the next one.
    ///
    /// # Errors
    ///
    /// [`SessionError`] of the first that cannot be added; those before it are.
    pub fn publish_batch<'m>(&self, messages: impl IntoIterator<Item = &'m [u8]>) -> Result<u64, SessionError> {
        let mut session = self.session();
        let outcome = messages.into_iter().try_for_each(|message| session.push(message).map(|_| ()));
        let next = session.next_sequence();
        drop(session);
        self.wake();
        outcome.map(|()| next)
    }

    /// Ends the session: clients are told behind its last message, and then let go.
    pub fn end_session(&self) {
        self.session().end();
        self.wake();
    }

    /// What has been counted.
    pub fn metrics(&self) -> &ServerMetrics {
        &self.shared.metrics
    }

    /// Closes every connection at once, stops the thread, and gives the session back.
    ///
    /// # Errors
    ///
    /// What the thread panicked with.
    pub fn stop(self) -> thread::Result<Session> {
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
        self.thread.join()?;
        Ok(self.shared.session.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn session(&self) -> std::sync::MutexGuard<'_, Session> {
        self.shared.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        if !self.shared.is_woken.swap(true, Ordering::AcqRel) {
            // Where the pipe is full the thread is woken by what lies in it.
            let _ = (&self.wake).write(&[0]);
        }
    }
}

struct Client {
    stream: TcpStream,
    conversation: Conversation,
}

struct Serving<U> {
    settings: SoupServerSettings,
    listener: TcpListener,
    woken: UnixStream,
    shared: Arc<Shared>,
    clients: Vec<Client>,
    unsequenced: U,
}

impl<U: FnMut([u8; 6], &[u8])> Serving<U> {
    fn run(&mut self) {
        let mut buffer = vec![0; READ_BYTES];
        while !self.shared.stop.load(Ordering::Acquire) {
            self.wait();
            if self.shared.is_woken.swap(false, Ordering::AcqRel) {
                let _ = (&self.woken).read(&mut buffer);
            }
            self.accept();
            self.serve(&mut buffer);
        }
    }

    /// Waits until a socket has something, a message is published, or the time may be due for a heartbeat.
    fn wait(&self) {
        let mut polled = vec![PollFd::new(&self.listener, PollFlags::IN), PollFd::new(&self.woken, PollFlags::IN)];
        let session = self.shared.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut more = false;
        polled.extend(self.clients.iter().map(|Client { stream, conversation }| {
            let waits_for_room = !conversation.outgoing().is_empty();
            more |= !waits_for_room && conversation.is_behind(&session);
            PollFd::new(stream, if waits_for_room { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN })
        }));
        drop(session);
        let turn = Timespec { tv_sec: 0, tv_nsec: if more { 0 } else { TURN.as_nanos() as _ } };
        if poll(&mut polled, Some(&turn)).is_err_and(|error| error != rustix::io::Errno::INTR) {
            thread::sleep(TURN);
        }
    }

    fn accept(&mut self) {
        let metrics = &self.shared.metrics;
        while let Ok((stream, _)) = self.listener.accept() {
            if self.clients.len() >= self.settings.most_clients {
                metrics.turned_away.add(1);
                continue;
            }
            if stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).is_ok() {
                metrics.connections.add(1);
                self.clients.push(Client { stream, conversation: Conversation::new((self.settings.clock)()) });
            }
        }
    }

    fn serve(&mut self, buffer: &mut [u8]) {
        let Self { settings, shared, clients, unsequenced, .. } = self;
        clients.retain_mut(|client| {
            let stays = client.turn(settings, shared, buffer, unsequenced);
            if !stays {
                // What was written still goes out.
                let _ = client.stream.shutdown(Shutdown::Write);
            }
            stays
        });
        shared.metrics.clients.set(clients.len() as u64);
    }
}

impl Client {
    /// Reads and writes what there is; whether the connection stays.
    fn turn(
        &mut self,
        settings: &SoupServerSettings,
        shared: &Shared,
        buffer: &mut [u8],
        unsequenced: &mut impl FnMut([u8; 6], &[u8]),
    ) -> bool {
        let outcome = match self.read(settings, shared, buffer, unsequenced) {
            Ok(true) => self.write(settings, shared),
            Ok(false) => return false,
            Err(closed) => Err(closed),
        };
        match outcome {
            Ok(stays) => return stays,
            Err(Closed::Refused(_)) => shared.metrics.refused.add(1),
            Err(Closed::Slow) => shared.metrics.slow.add(1),
            Err(Closed::Silent) => shared.metrics.silent.add(1),
            Err(Closed::Packet(_) | Closed::OutOfPlace) => shared.metrics.faults.add(1),
            Err(Closed::LoggedOut | Closed::Ended) => {}
        }
        false
    }

    /// Whether the connection still stands.
    fn read(
        &mut self,
        settings: &SoupServerSettings,
        shared: &Shared,
        buffer: &mut [u8],
        unsequenced: &mut impl FnMut([u8; 6], &[u8]),
    ) -> Result<bool, Closed> {
        let length = match self.stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(length) => length,
            Err(error) => return Ok(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)),
        };
        let now_ns = (settings.clock)();
        // Given on when the lock is free again: what takes them may publish.
        let mut sent = Vec::new();
        let session = shared.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.conversation.receive(now_ns, &buffer[..length], (&settings.protocol, &session), |message| {
            sent.push(message.to_vec());
        });
        drop(session);
        if let Some(username) = self.conversation.username() {
            sent.iter().for_each(|message| unsequenced(username, message));
        }
        outcome.map(|()| true)
    }

    /// Whether the connection still stands.
    fn write(&mut self, settings: &SoupServerSettings, shared: &Shared) -> Result<bool, Closed> {
        for _ in 0..MOST_BATCHES_IN_A_TURN {
            let session = shared.session.lock().unwrap_or_else(PoisonError::into_inner);
            self.conversation.poll((settings.clock)(), &settings.protocol, &session)?;
            drop(session);
            if self.conversation.outgoing().is_empty() {
                return Ok(true);
            }
            match self.stream.write(self.conversation.outgoing()) {
                Ok(0) => return Ok(false),
                Ok(length) => {
                    shared.metrics.bytes.add(length as u64);
                    self.conversation.sent(length);
                    if !self.conversation.outgoing().is_empty() {
                        return Ok(true);
                    }
                }
                Err(error) => return Ok(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
#[path = "soup_tests.rs"]
mod tests;
