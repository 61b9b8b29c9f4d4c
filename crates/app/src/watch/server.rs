//! Metrics and health over HTTP. Each answer is made from the last sample: no request waits for a GPU.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use axum::{
    Router,
    extract::State as Shared,
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use tokio::signal::unix::{SignalKind, signal};
use zomma_gpu::{
    health::{HealthReport, State},
    telemetry::{Format, Scrape, Snapshot, Watch, render},
};

/// What the answers are made from.
pub struct Answers {
    /// The GPUs.
    pub watch: Watch,
    /// The age from which a sample says that nobody samples any more.
    pub stale_after: Duration,
    /// The label `Hostname` of dcgm-exporter's names, where they are wanted.
    pub dcgm_hostname: Option<String>,
}

use super::connections::{self, Limits};

const INDEX: &str = "\
<!doctype html><title>zomma gpu serve</title>
<h1>zomma gpu serve</h1>
<ul>
<li><a href=\"/metrics\">/metrics</a>: for Prometheus
<li><a href=\"/health\">/health</a>: each GPU with its state, the reasons and what to do, as JSON
<li><a href=\"/readyz\">/readyz</a>: 200 while the GPUs are looked at and none has failed, else 503
<li><a href=\"/healthz\">/healthz</a>: 200 as long as this program runs
</ul>
";

/// Takes the address, and says whose fault it is where that fails.
pub fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| {
        let port = address.port();
        match error.kind() {
            ErrorKind::AddrInUse => anyhow!(
                "--listen {address}: the port is taken: end the program that has it (`ss -ltnp 'sport = :{port}'` shows it), or \
                 choose another port"
            ),
            ErrorKind::PermissionDenied => {
                anyhow!("--listen {address}: not permitted: ports below 1024 are for root; choose another port")
            }
            ErrorKind::AddrNotAvailable => {
                anyhow!("--listen {address}: this machine does not have that address: choose one that `ip address` shows, or 0.0.0.0")
            }
            _ => anyhow!(error).context(format!("--listen {address}")),
        }
    })
}

/// Answers until the program is told to end (Ctrl-C, SIGTERM).
pub fn serve(listener: TcpListener, answers: Answers) -> anyhow::Result<()> {
    listener.set_nonblocking(true).context("--listen")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended: io::Result<()> = runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let listener = tokio::net::TcpListener::from_std(listener)?;
        // Open connections are not waited for: a scraper keeps its own open for ever.
        tokio::select! {
            () = connections::answer(listener, router(Arc::new(answers)), Limits::of_process()) => Ok(()),
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    });
    runtime.shutdown_background();
    ended.context("the HTTP server ended")
}

fn router(answers: Arc<Answers>) -> Router {
    Router::new()
        .route("/", get(|| async { Html(INDEX) }))
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .fallback(|| async { (StatusCode::NOT_FOUND, "there are /metrics, /health, /healthz and /readyz\n") })
        .with_state(answers)
}

async fn metrics(Shared(answers): Shared<Arc<Answers>>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::of_accept(&accept.collect::<Vec<_>>().join(","));
    let snapshot = answers.watch.snapshot();
    let scrape = Scrape { snapshot: &snapshot, now: Instant::now() };
    let text = render(&scrape, format, answers.dcgm_hostname.as_deref());
    ([(header::CONTENT_TYPE, format.content_type())], text).into_response()
}

async fn health(Shared(answers): Shared<Arc<Answers>>) -> Response {
    let snapshot = answers.watch.snapshot();
    if snapshot.samples == 0 {
        return (StatusCode::SERVICE_UNAVAILABLE, "the GPUs have not been looked at yet\n").into_response();
    }
    let report = HealthReport::of(&snapshot, answers.watch.started(), Instant::now());
    match serde_json::to_string_pretty(&report) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], format!("{json}\n")).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn readyz(Shared(answers): Shared<Arc<Answers>>) -> (StatusCode, String) {
    match unready(&answers.watch.snapshot(), Instant::now(), answers.stale_after) {
        None => (StatusCode::OK, "ready\n".into()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

/// Why work should not be sent here. A machine without a GPU is ready: there is none that could have failed.
fn unready(snapshot: &Snapshot, now: Instant, stale_after: Duration) -> Option<String> {
    if snapshot.samples == 0 {
        return Some("the GPUs have not been looked at yet".into());
    }
    let age = now.saturating_duration_since(snapshot.taken);
    if age >= stale_after {
        return Some(format!("the GPUs were last looked at {:.0} s ago", age.as_secs_f64()));
    }
    let failed = snapshot.gpus.iter().find(|gpu| gpu.health.state() == State::Failed)?;
    let why = failed.health.reasons.first().map_or("no reason left", |reason| reason.message.as_str());
    Some(format!("GPU {} has failed: {why}", failed.identity.index))
}
