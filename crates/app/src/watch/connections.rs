//! HTTP/1 connections, of which no number of slow ones keeps out one that asks: a request's head has a time limit, and where all places
//! are taken the connection that has been silent longest makes way.

use std::{
    io::ErrorKind,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::Router;
use hyper::{
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustix::process::{Resource, getrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tracing::warn;

/// Between two tries to accept where the system refuses: it has no file, or no memory, left.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most at once; at least 1.
    pub most: usize,
    /// The longest until the head of a request is complete, counted from the connection's start, or its last answer's end.
    pub head: Duration,
}

impl Limits {
    /// Half of the files that the process may have open, so that the rest is there to ask the GPUs; 256 are enough for anyone.
    pub fn of_process() -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self { most: usize::try_from(files / 2).unwrap_or(usize::MAX).clamp(4, 256), head: Duration::from_secs(10) }
    }
}

/// Answers for ever.
pub async fn answer(listener: TcpListener, router: Router, limits: Limits) {
    let mut open = Open::default();
    let mut refused = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                refused = false;
                open.make_room(limits.most);
                open.0.push(Connection::start(stream, router.clone(), limits.head));
            }
            // The client was gone before its turn came.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                if !refused {
                    warn!("a connection cannot be accepted: {error}");
                }
                refused = true;
                open.end_most_silent();
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

/// The connections that are open. Those that have ended stay until the next begins.
#[derive(Default)]
struct Open(Vec<Connection>);

impl Open {
    /// Makes room for one more.
    fn make_room(&mut self, most: usize) {
        self.0.retain(|connection| !connection.task.is_finished());
        while !self.0.is_empty() && self.0.len() >= most {
            self.end_most_silent();
        }
    }

    fn end_most_silent(&mut self) {
        let silent = self.0.iter().enumerate().min_by_key(|(_, connection)| connection.heard.last());
        if let Some(place) = silent.map(|(place, _)| place) {
            self.0.swap_remove(place).task.abort();
        }
    }
}

/// One connection, answered by a task of its own.
struct Connection {
    task: JoinHandle<()>,
    heard: Arc<Heard>,
}

impl Connection {
    fn start(stream: TcpStream, router: Router, head: Duration) -> Self {
        let heard = Arc::new(Heard(Mutex::new(Instant::now())));
        let asked = Arc::clone(&heard);
        let router = TowerToHyperService::new(router);
        let service = service_fn(move |request| {
            asked.now();
            router.call(request)
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(head);
        let answered = http.serve_connection(TokioIo::new(stream), service);
        // A client that goes away, or sends rubbish, is no concern of ours.
        let task = tokio::spawn(async move { _ = answered.await });
        Self { task, heard }
    }
}

/// When a connection began, or last asked.
struct Heard(Mutex<Instant>);

impl Heard {
    fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};

    use axum::routing::get;

    use super::*;

    /// Answers `ok` at `/` on a thread of its own, until the process ends.
    fn serve(limits: Limits) -> SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                answer(listener, Router::new().route("/", get(|| async { "ok" })), limits).await;
            });
        });
        address
    }

    fn ask(stream: &mut TcpStream) -> Vec<u8> {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: zomma\r\n\r\n").unwrap();
        let mut begin = vec![0; 12];
        stream.read_exact(&mut begin).unwrap();
        begin
    }

    fn stalled(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /met").unwrap();
        stream
    }

    /// Whether the server has closed it: waits until it has.
    fn is_closed(mut stream: TcpStream) -> bool {
        match stream.read_to_end(&mut Vec::new()) {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    #[test]
    fn a_head_that_does_not_come_ends_its_connection() {
        let address = serve(Limits { most: 8, head: Duration::from_millis(50) });
        assert!(is_closed(stalled(address)));
        assert!(is_closed(TcpStream::connect(address).unwrap()));
        assert_eq!(ask(&mut TcpStream::connect(address).unwrap()), b"HTTP/1.1 200");
    }

    #[test]
    fn where_all_places_are_taken_the_most_silent_connection_makes_way() {
        let address = serve(Limits { most: 4, head: Duration::from_secs(3600) });
        let mut scraper = TcpStream::connect(address).unwrap();
        let mut slow = vec![stalled(address), stalled(address), stalled(address)];
        assert_eq!(ask(&mut scraper), b"HTTP/1.1 200");
        // Now the scraper is the oldest connection, and the one that was heard last.
        slow.push(stalled(address));
        assert!(is_closed(slow.remove(0)));
        slow.push(stalled(address));
        assert!(is_closed(slow.remove(0)));
        assert_eq!(ask(&mut TcpStream::connect(address).unwrap()), b"HTTP/1.1 200");
    }
}
