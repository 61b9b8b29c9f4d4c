//! What a launch is going to do: which ranks, on which GPUs and CPUs, with which variables.

use std::{ffi::OsString, io::ErrorKind, net::TcpListener, path::Path};

use anyhow::Context;
use zomma_gpu::{
    group::{
        cpus::{CpuTopology, allowed_cpus},
        environment::{GroupShape, Variables, Visibility, variables},
        launch::RankCommand,
        pinning::{self, Pin},
        selection::{self, ChosenGpu},
        topology::{Topology, locality},
    },
    inventory::{Inventory, Sources},
};

use super::LaunchArgs;
use crate::failure::BadArguments;

/// The port of torchrun, for groups of several nodes, which must agree on one beforehand.
const MASTER_PORT: u16 = 29500;
/// Where the kernel shows CPUs and buses.
const SYSFS: &str = "/sys";

/// Everything that is decided before a rank starts.
pub struct Plan {
    /// What all ranks share.
    pub shape: GroupShape,
    /// Each rank of this node.
    pub ranks: Vec<PlannedRank>,
    /// Whether ranks see one another's GPUs.
    pub visibility: Visibility,
    /// GPUs among one another; empty without GPUs.
    pub topology: Topology,
    /// CPUs that ranks may use.
    pub cpus: CpuTopology,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// One rank of this node.
pub struct PlannedRank {
    /// Its GPU.
    pub gpu: Option<ChosenGpu>,
    /// Where it runs; none where ranks are not pinned.
    pub pin: Option<Pin>,
}

impl Plan {
    /// Decides, and refuses what contradicts itself.
    pub fn make(args: &LaunchArgs, mark: &str) -> anyhow::Result<Self> {
        let sysfs = Path::new(SYSFS);
        let inventory = match args.devices {
            selection::DeviceChoice::None => Inventory::default(),
            _ => Inventory::take(&Sources::default()),
        };
        let refused = |error: selection::SelectionError| BadArguments(error.to_string());
        let mut chosen = selection::choose(&inventory, &args.devices, &environment).map_err(refused)?;
        for gpu in &mut chosen {
            gpu.locality = locality(sysfs, &inventory.gpus[gpu.index]);
        }
        // To look at a machine takes no number of ranks.
        let looking = args.topology && args.command.is_empty() && !args.preflight_only && chosen.is_empty();
        let ranks = if looking { args.ranks.or(Some(0)) } else { args.ranks };
        let gpus = selection::assign(&chosen, ranks, args.oversubscribe).map_err(refused)?;
        let (cpus, pins) = pins(args, sysfs, &gpus)?;
        let shares_gpus = gpus.len() > chosen.len() && !chosen.is_empty();
        let gpus_shown: Vec<_> = chosen.iter().map(|gpu| &inventory.gpus[gpu.index]).collect();
        Ok(Self {
            shape: shape(args, gpus.len(), mark)?,
            visibility: if args.virtual_local_rank || shares_gpus { Visibility::Own } else { Visibility::Group },
            topology: Topology::read(sysfs, &gpus_shown),
            cpus,
            notes: notes(args, &pins),
            ranks: gpus.into_iter().zip(pins).map(|(gpu, pin)| PlannedRank { gpu, pin }).collect(),
        })
    }

    /// The variables of one rank, with its group meeting at `port`.
    pub fn variables(&self, local_rank: usize, port: u16, visibility: Visibility) -> Variables {
        let shape = GroupShape { master_port: port, ..self.shape.clone() };
        let gpus: Vec<_> = self.ranks.iter().map(|rank| rank.gpu.clone()).collect();
        variables(&shape, local_rank, &gpus, visibility, &environment)
    }

    /// What to start for the user's command.
    pub fn commands(&self, command: &[OsString]) -> Vec<RankCommand> {
        let rank = |local_rank: usize| RankCommand {
            rank: self.shape.rank(local_rank),
            program: command[0].clone(),
            arguments: command[1..].to_vec(),
            variables: self.variables(local_rank, self.shape.master_port, self.visibility),
            cpus: self.ranks[local_rank].pin.as_ref().map(|pin| pin.cpus.clone()),
        };
        (0..self.ranks.len()).map(rank).collect()
    }

    /// Whether each rank has a GPU to itself.
    pub fn has_a_gpu_a_rank(&self) -> bool {
        self.ranks.iter().all(|rank| rank.gpu.is_some()) && self.ranks.len() <= self.topology.gpus.len()
    }

    /// The next attempt: one more restart, and a port that nothing of the last one still holds.
    pub fn restart(&mut self, args: &LaunchArgs) -> anyhow::Result<()> {
        self.shape.restart_count += 1;
        if args.master_port.is_none() {
            self.shape.master_port = free_port(&self.shape.master_addr)?;
        }
        Ok(())
    }
}

/// The launcher's own environment; what is no text is as good as not set.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A port that is free now where ranks will meet.
pub fn free_port(host: &str) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((host, 0)).with_context(|| {
        format!("--master-addr {host}: no free port there; one of another machine needs --master-port too")
    })?;
    Ok(listener.local_addr()?.port())
}

/// Refuses a port that somebody listens on already: ranks would wait for one another there until they gave up.
fn not_taken(host: &str, port: u16) -> anyhow::Result<()> {
    match TcpListener::bind((host, port)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let message =
                format!("--master-port {port}: taken on {host}; name another, or none, which takes a free one");
            Err(BadArguments(message).into())
        }
        // A host that this machine cannot listen on may be another name of its own.
        _ => Ok(()),
    }
}

fn shape(args: &LaunchArgs, ranks_per_node: usize, mark: &str) -> anyhow::Result<GroupShape> {
    let several = args.nnodes > 1;
    if args.node_rank >= args.nnodes {
        let (rank, nodes) = (args.node_rank, args.nnodes);
        anyhow::bail!(BadArguments(format!(
            "--node-rank {rank}: allowed are 0 to {} with --nnodes {nodes}",
            nodes - 1
        )));
    }
    if several && args.master_addr.is_none() {
        anyhow::bail!(BadArguments("--nnodes: several nodes need --master-addr, where rank 0 runs".into()));
    }
    if several && args.restarts > 0 {
        let message = "--restarts: nodes cannot restart together without an elastic rendezvous; use torchrun for that";
        anyhow::bail!(BadArguments(message.into()));
    }
    let master_addr = args.master_addr.clone().unwrap_or_else(|| "127.0.0.1".to_string());
    let master_port = match args.master_port {
        Some(port) => {
            if args.node_rank == 0 {
                not_taken(&master_addr, port)?;
            }
            port
        }
        None if several => MASTER_PORT,
        None => free_port(&master_addr)?,
    };
    // Nodes must agree on the name; torchrun's own default does.
    let run_id = if several { "none" } else { mark };
    Ok(GroupShape {
        nodes: args.nnodes,
        node_rank: args.node_rank,
        ranks_per_node,
        master_addr,
        master_port,
        restart_count: 0,
        restarts_max: args.restarts,
        run_id: args.run_id.clone().unwrap_or_else(|| run_id.to_string()),
    })
}

fn pins(
    args: &LaunchArgs,
    sysfs: &Path,
    gpus: &[Option<ChosenGpu>],
) -> anyhow::Result<(CpuTopology, Vec<Option<Pin>>)> {
    let unpinned = || vec![None; gpus.len()];
    let allowed = match allowed_cpus() {
        Ok(allowed) => allowed,
        Err(_) if args.no_pin => return Ok((CpuTopology::default(), unpinned())),
        Err(error) => {
            return Err(error).context("which CPUs this process may use cannot be told; --no-pin does without");
        }
    };
    let cpus = CpuTopology::read(sysfs, &allowed);
    if args.no_pin {
        return Ok((cpus, unpinned()));
    }
    let localities: Vec<_> = gpus.iter().map(|gpu| gpu.as_ref().map(|gpu| gpu.locality.clone())).collect();
    let pins = pinning::plan(&cpus, &localities).into_iter().map(Some).collect();
    Ok((cpus, pins))
}

/// What is not as one would wish, each said once with the ranks that it is true of.
fn notes(args: &LaunchArgs, pins: &[Option<Pin>]) -> Vec<String> {
    let mut said: Vec<(&str, Vec<u32>)> = Vec::new();
    for (rank, pin) in (0..).zip(pins) {
        let Some(note) = pin.as_ref().and_then(|pin| pin.note.as_deref()) else { continue };
        match said.iter_mut().find(|(words, _)| *words == note) {
            Some((_, ranks)) => ranks.push(rank),
            None => said.push((note, vec![rank])),
        }
    }
    let ranks = |ranks: &[u32]| zomma_gpu::group::cpus::format_cpu_list(ranks);
    let node = if args.nnodes > 1 { "local " } else { "" };
    said.iter().map(|(note, of)| format!("{node}rank {}: {note}", ranks(of))).collect()
}
