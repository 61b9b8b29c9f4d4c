//! `zomma gpu serve`: serve metrics and health over HTTP.

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use zomma_gpu::{
    health::Hysteresis,
    telemetry::{MonitorSettings, Watch},
};

use crate::watch::{
    WatchArgs, parse_samples, parse_seconds,
    server::{self, Answers},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Serves /metrics for Prometheus, /health (JSON: each GPU with its state, reasons and what to do), /readyz (503 until the GPUs were
looked at, while one has failed, and once they are looked at no more) and /healthz. Without a GPU it serves that there is none. How often and how long GPUs are
asked: sample_interval_seconds and call_timeout_seconds of the configuration. Ctrl-C ends it.

Example:
  $ zomma gpu serve --dcgm-names
  zomma: GPU metrics on http://127.0.0.1:9835/metrics, health on http://127.0.0.1:9835/health
  $ curl -s http://127.0.0.1:9835/metrics | grep temperature
  zomma_gpu_temperature_celsius{gpu=\"0\",uuid=\"GPU-8f5c…\",name=\"NVIDIA H200\",pci_bus_id=\"0000:19:00.0\",vendor=\"nvidia\"} 34";

/// Arguments of `zomma gpu serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9835", value_parser = parse_address)]
    listen: SocketAddr,
    /// Serve the values of NVIDIA's GPUs under the names, labels and units of dcgm-exporter too.
    #[arg(long)]
    dcgm_names: bool,
    /// Samples with a warning in a row before a healthy GPU is degraded.
    #[arg(long, value_name = "N", default_value_t = Hysteresis::default().degrade_after, value_parser = parse_samples)]
    degrade_after: u32,
    /// Critical samples in a row before a GPU is failed; a fatal XID or a new uncorrected memory error needs one.
    #[arg(long, value_name = "N", default_value_t = Hysteresis::default().fail_after, value_parser = parse_samples)]
    fail_after: u32,
    /// Samples in a row without that trouble before a GPU goes a step back: failed, recovering, healthy.
    #[arg(long, value_name = "N", default_value_t = Hysteresis::default().recover_after, value_parser = parse_samples)]
    recover_after: u32,
    /// How long an XID, or an uncorrected memory error, bears on the health of its GPU, unless that is reset before.
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = parse_seconds)]
    xid_hold: Duration,
    #[command(flatten)]
    watch: WatchArgs,
}

/// Runs it.
pub fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let hysteresis = Hysteresis {
        degrade_after: args.degrade_after,
        fail_after: args.fail_after,
        recover_after: args.recover_after,
    };
    let settings = MonitorSettings { hysteresis, hold: args.xid_hold, ..args.watch.settings("serve")? };
    let stale_after = settings.stale_after();
    let listener = server::bind(args.listen)?;
    // Where the port was 0 it is known only now.
    let address = listener.local_addr()?;
    let watch = Watch::start(settings)?;
    eprintln!("zomma: GPU metrics on http://{address}/metrics, health on http://{address}/health");
    server::serve(listener, Answers { watch, stale_after, dcgm_hostname: args.dcgm_names.then(hostname) })
}

/// What dcgm-exporter puts into its label `Hostname`: the node's name in Kubernetes, else the machine's.
fn hostname() -> String {
    let node = std::env::var("NODE_NAME").ok().filter(|name| !name.is_empty());
    node.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "allowed is an IP address and a port, such as 127.0.0.1:9835, 0.0.0.0:9835 or [::1]:9835".into())
}
