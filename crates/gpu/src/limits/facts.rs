//! What this machine can enforce, read and not touched: control groups, an MPS daemon, the GPUs.

use std::path::{Path, PathBuf};

use super::cgroup::CgroupFacts;
use crate::inventory::{Gpu, PciAddress, Vendor};

/// Where an MPS daemon has its pipes unless `CUDA_MPS_PIPE_DIRECTORY` says otherwise.
const MPS_PIPES: &str = "/tmp/nvidia-mps";

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
    /// What `CUDA_VISIBLE_DEVICES` says, where it is set.
    pub cuda_visible_devices: Option<String>,
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
        Self {
            cgroups: CgroupFacts::gather(root),
            mps: MpsFacts::gather(root, pipes.as_deref().unwrap_or(MPS_PIPES)),
            gpus: gpus.iter().filter(|gpu| gpu.vendor != Vendor::Software).map(GpuFacts::of).collect(),
            nvml_obstacle,
            cuda_visible_devices: variable("CUDA_VISIBLE_DEVICES"),
        }
    }
}

impl MpsFacts {
    /// A daemon leaves its pipe behind when it is killed, so the process that its pid file names must be there too.
    fn gather(root: &Path, directory: &str) -> Self {
        let below = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
        let pipe_directory = PathBuf::from(directory);
        let there = below(&pipe_directory);
        let pid = std::fs::read_to_string(there.join("nvidia-cuda-mps-control.pid")).ok();
        let alive = pid.is_none_or(|pid| {
            pid.trim().parse::<u32>().is_ok_and(|pid| root.join("proc").join(pid.to_string()).is_dir())
        });
        Self { daemon_runs: there.join("control").exists() && alive, pipe_directory }
    }
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
            requests: gpu.back_ends.iter().filter_map(|back_end| back_end.request.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mps_daemon_is_there_when_its_pipe_and_its_process_are() {
        let root = tempfile::tempdir().unwrap();
        let pipes = root.path().join("tmp/nvidia-mps");
        std::fs::create_dir_all(&pipes).unwrap();
        let runs = || MpsFacts::gather(root.path(), "/tmp/nvidia-mps").daemon_runs;
        assert!(!runs(), "no pipe");
        std::fs::write(pipes.join("control"), "").unwrap();
        assert!(runs(), "a pipe, and no word about a process");
        std::fs::write(pipes.join("nvidia-cuda-mps-control.pid"), "77\n").unwrap();
        assert!(!runs(), "the process is gone");
        std::fs::create_dir_all(root.path().join("proc/77")).unwrap();
        assert!(runs());
        std::fs::write(pipes.join("nvidia-cuda-mps-control.pid"), "rubbish").unwrap();
        assert!(!runs());
    }
}
