//! What this machine can enforce, read and not touched: control groups, an MPS daemon, the GPUs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::cgroup::CgroupFacts;
use super::process;
use crate::inventory::{Gpu, Partition, PciAddress, Vendor};

/// Where an MPS daemon has its pipes unless `CUDA_MPS_PIPE_DIRECTORY` says otherwise.
const MPS_PIPES: &str = "/tmp/nvidia-mps";

/// How the kernel shows the name of NVIDIA's daemon, `nvidia-cuda-mps-control`: cut to 15 bytes.
const MPS_PROCESS: &str = "nvidia-cuda-mps";

/// NVIDIA's GPUs that CUDA shows to the command.
pub const CUDA_VISIBLE: &str = "CUDA_VISIBLE_DEVICES";
/// AMD's GPUs that ROCm's runtime shows to the command.
pub const ROCR_VISIBLE: &str = "ROCR_VISIBLE_DEVICES";
/// Those of them that HIP shows.
pub const HIP_VISIBLE: &str = "HIP_VISIBLE_DEVICES";
/// Device memory of a client of NVIDIA's multi-process service.
pub const MPS_MEMORY: &str = "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT";
/// Percentage of the multiprocessors that such a client gets.
pub const MPS_PERCENTAGE: &str = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE";
/// Compute units that ROCm's runtime uses.
pub const CU_MASK: &str = "HSA_CU_MASK";
/// Variables of the command that a plan looks at before it sets its own.
const INHERITED: [&str; 6] = [CUDA_VISIBLE, ROCR_VISIBLE, HIP_VISIBLE, MPS_MEMORY, MPS_PERCENTAGE, CU_MASK];

/// Everything that a plan depends on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Control groups.
    pub cgroups: CgroupFacts,
    /// NVIDIA's multi-process service.
    pub mps: MpsFacts,
    /// GPUs; software devices are left out, since theirs is the processor's memory.
    pub gpus: Vec<GpuFacts>,
    /// Why the use of NVIDIA's memory cannot be read; absent where it can.
    pub nvml_obstacle: Option<String>,
    /// Software devices as `--device` calls them, each with its name.
    pub software: Vec<(String, String)>,
    /// What the command inherits of the variables that say which GPUs it sees and what it may hold on them.
    pub inherited: BTreeMap<&'static str, String>,
}

/// NVIDIA's multi-process service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MpsFacts {
    /// Where its daemon would listen.
    pub pipe_directory: PathBuf,
    /// Whether one does.
    pub daemon_runs: bool,
}

/// What limits need to know of a GPU.
#[derive(Clone, Debug, PartialEq)]
pub struct GpuFacts {
    /// Place in the inventory.
    pub index: usize,
    /// Who made it.
    pub vendor: Vendor,
    /// What messages call it.
    pub name: String,
    /// The vendor's own name of this board.
    pub uuid: Option<String>,
    /// Where it sits.
    pub pci: Option<PciAddress>,
    /// Its memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Multiprocessors or compute units.
    pub multiprocessors: Option<u32>,
    /// Its kernel driver.
    pub driver: Option<String>,
    /// Slices of it that are lent as devices of their own.
    pub partitions: Vec<Partition>,
    /// What `--device` calls it, by back end.
    pub requests: Vec<String>,
}

impl Facts {
    /// Looks at the machine below `root` (`/`, or a recorded tree). `variable` is the environment that the command will get.
    pub fn gather(
        root: &Path,
        variable: impl Fn(&str) -> Option<String>,
        gpus: &[Gpu],
        nvml_obstacle: Option<String>,
    ) -> Self {
        let pipes = variable("CUDA_MPS_PIPE_DIRECTORY").filter(|path| !path.is_empty());
        let software = |gpu: &Gpu| {
            let request = requests(gpu).into_iter().next()?;
            Some((request, gpu.name.clone().unwrap_or_else(|| format!("GPU {}", gpu.index))))
        };
        Self {
            cgroups: CgroupFacts::gather(root),
            mps: MpsFacts::gather(root, pipes.as_deref().unwrap_or(MPS_PIPES)),
            gpus: gpus.iter().filter(|gpu| gpu.vendor != Vendor::Software).map(GpuFacts::of).collect(),
            nvml_obstacle,
            software: gpus.iter().filter(|gpu| gpu.vendor == Vendor::Software).filter_map(software).collect(),
            inherited: INHERITED.into_iter().filter_map(|name| Some((name, variable(name)?))).collect(),
        }
    }
}

impl MpsFacts {
    /// A daemon leaves its pipe behind when it is killed, and anybody can make a file of that name: what tells is the process that the
    /// pid file names, alive and by its own name, since a number is used again.
    fn gather(root: &Path, directory: &str) -> Self {
        let pipe_directory = PathBuf::from(directory);
        let there = root.join(pipe_directory.strip_prefix("/").unwrap_or(&pipe_directory));
        let pid = fs::read_to_string(there.join("nvidia-cuda-mps-control.pid")).ok();
        let is_daemon = |pid: u32| {
            let name = fs::read_to_string(root.join(format!("proc/{pid}/comm"))).unwrap_or_default();
            name.trim() == MPS_PROCESS && process::start_ticks(root, pid).is_some()
        };
        let alive = pid.and_then(|pid| pid.trim().parse().ok()).is_some_and(is_daemon);
        Self { daemon_runs: there.join("control").exists() && alive, pipe_directory }
    }
}

/// What `--device` calls a GPU, by back end.
fn requests(gpu: &Gpu) -> Vec<String> {
    gpu.back_ends.iter().filter_map(|back_end| back_end.request.clone()).collect()
}

impl GpuFacts {
    fn of(gpu: &Gpu) -> Self {
        Self {
            index: gpu.index,
            vendor: gpu.vendor,
            name: gpu.name.clone().unwrap_or_else(|| format!("GPU {}", gpu.index)),
            uuid: gpu.uuid.clone(),
            pci: gpu.pci,
            memory_bytes: gpu.memory_bytes,
            multiprocessors: gpu.multiprocessors,
            driver: gpu.driver.as_ref().map(|driver| driver.name.clone()),
            partitions: gpu.partitions.clone(),
            requests: requests(gpu),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mps_daemon_is_there_when_its_pipe_and_its_process_are() {
        let root = tempfile::tempdir().unwrap();
        let (pipes, process) = (root.path().join("tmp/nvidia-mps"), root.path().join("proc/77"));
        fs::create_dir_all(&pipes).unwrap();
        fs::create_dir_all(&process).unwrap();
        let runs = || MpsFacts::gather(root.path(), "/tmp/nvidia-mps").daemon_runs;
        let (pid_file, stat) = (pipes.join("nvidia-cuda-mps-control.pid"), process.join("stat"));
        let stat_in = |state: &str| format!("77 (nvidia-cuda-mps) {state} {}\n", ["1"; 49].join(" "));
        fs::write(&stat, stat_in("S")).unwrap();
        fs::write(process.join("comm"), "nvidia-cuda-mps\n").unwrap();
        assert!(!runs(), "no pipe");
        let _pipe = std::os::unix::net::UnixListener::bind(pipes.join("control")).unwrap();
        assert!(!runs(), "somebody's socket, and no word about a process");
        fs::write(&pid_file, "78\n").unwrap();
        assert!(!runs(), "the process is gone");
        fs::write(&pid_file, "77\n").unwrap();
        assert!(runs());
        fs::write(&stat, stat_in("Z")).unwrap();
        assert!(!runs(), "it is dead, and nobody has buried it");
        fs::write(&stat, stat_in("S")).unwrap();
        fs::write(process.join("comm"), "sleep\n").unwrap();
        assert!(!runs(), "its number was used again");
        fs::write(&pid_file, "rubbish").unwrap();
        assert!(!runs());
    }
}
