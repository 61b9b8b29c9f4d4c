//! What each process of a run holds on each GPU: NVIDIA's through NVML, AMD's and Intel's through what the kernel says of their
//! open DRM files (`/proc/<pid>/fdinfo`) and of AMD's compute processes (`/sys/class/kfd/kfd/proc`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use nvml_wrapper::enums::device::UsedGpuMemory;

use crate::inventory::PciAddress;
use crate::nvml::{Nvml, NvmlFault};

/// Bytes in use by PCI address of the GPU.
pub type BytesByGpu = BTreeMap<PciAddress, u64>;

/// Asks what processes hold.
pub trait GpuMemory: Send {
    /// What these processes hold together on each GPU; a GPU on which they hold nothing may be left out.
    ///
    /// # Errors
    ///
    /// Why the question has no answer: the sample is missing then, and not 0.
    fn used(&mut self, pids: &[u32]) -> Result<BytesByGpu, String>;
}

/// Through NVML.
#[derive(Debug)]
pub struct NvmlMemory {
    nvml: Nvml,
}

impl NvmlMemory {
    /// Asks this library.
    pub fn new(nvml: Nvml) -> Self {
        Self { nvml }
    }
}

impl GpuMemory for NvmlMemory {
    fn used(&mut self, pids: &[u32]) -> Result<BytesByGpu, String> {
        let pids: HashSet<u32> = pids.iter().copied().collect();
        let question = move |nvml: &nvml_wrapper::Nvml| {
            let mut found = Vec::new();
            for index in 0..nvml.device_count()? {
                let device = nvml.device_by_index(index)?;
                // A process that computes and draws is in two lists, with the same figure; an MPS client in one of its own.
                let mut by_pid: HashMap<u32, u64> = HashMap::new();
                let drawing = device.running_graphics_processes().unwrap_or_default();
                let shared = device.mps_running_compute_processes().unwrap_or_default();
                for process in device.running_compute_processes()?.into_iter().chain(drawing).chain(shared) {
                    if let (true, UsedGpuMemory::Used(bytes)) = (pids.contains(&process.pid), process.used_gpu_memory) {
                        let most = by_pid.entry(process.pid).or_default();
                        *most = bytes.max(*most);
                    }
                }
                found.push((device.pci_info()?.bus_id, by_pid.values().sum::<u64>()));
            }
            Ok(found)
        };
        let found = self
            .nvml
            .ask("nvmlDeviceGetComputeRunningProcesses", question)
            .map_err(|fault: NvmlFault| fault.to_string())?;
        Ok(found.into_iter().filter_map(|(bus, bytes)| Some((bus.parse().ok()?, bytes))).collect())
    }
}

/// Through the kernel's files below a root.
#[derive(Clone, Debug)]
pub struct KernelMemory {
    root: PathBuf,
}

impl KernelMemory {
    /// Reads below `root`: `/`, or a recorded tree.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Video memory by GPU of one process's DRM files. A client that is open twice counts once.
    fn of_drm_files(&self, pid: u32) -> BytesByGpu {
        let mut clients: HashMap<(PciAddress, String), u64> = HashMap::new();
        let folder = self.root.join(format!("proc/{pid}/fdinfo"));
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(text) = fs::read_to_string(entry.path()) else { continue };
            if let Some((gpu, client, bytes)) = read_fdinfo(&text) {
                clients.insert((gpu, client), bytes);
            }
        }
        let mut used = BytesByGpu::new();
        for ((gpu, _), bytes) in clients {
            *used.entry(gpu).or_default() += bytes;
        }
        used
    }

    /// Video memory by GPU of one process's ROCm queues.
    fn of_compute(&self, pid: u32, gpus: &HashMap<String, PciAddress>) -> BytesByGpu {
        let mut used = BytesByGpu::new();
        let folder = self.root.join(format!("sys/class/kfd/kfd/proc/{pid}"));
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let gpu = name.to_str().and_then(|name| gpus.get(name.strip_prefix("vram_")?));
            let bytes = fs::read_to_string(entry.path()).ok().and_then(|text| text.trim().parse::<u64>().ok());
            if let (Some(gpu), Some(bytes)) = (gpu, bytes) {
                *used.entry(*gpu).or_default() += bytes;
            }
        }
        used
    }

    /// The compute driver's own numbers of the GPUs.
    fn compute_gpus(&self) -> HashMap<String, PciAddress> {
        let nodes = fs::read_dir(self.root.join("sys/class/kfd/kfd/topology/nodes"));
        let mut gpus = HashMap::new();
        for node in nodes.into_iter().flatten().flatten() {
            let id = fs::read_to_string(node.path().join("gpu_id")).unwrap_or_default().trim().to_owned();
            let properties = fs::read_to_string(node.path().join("properties")).unwrap_or_default();
            let number = |name: &str| -> Option<u32> {
                properties.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
            };
            // The location is bus, device and function in 16 bits.
            if let (Some(location), false) = (number("location_id"), id.is_empty() || id == "0") {
                let pci = PciAddress {
                    domain: number("domain").unwrap_or(0),
                    bus: (location >> 8) as u8,
                    device: ((location >> 3) & 0x1f) as u8,
                    function: (location & 7) as u8,
                };
                gpus.insert(id, pci);
            }
        }
        gpus
    }
}

impl GpuMemory for KernelMemory {
    fn used(&mut self, pids: &[u32]) -> Result<BytesByGpu, String> {
        let gpus = self.compute_gpus();
        let mut used = BytesByGpu::new();
        for &pid in pids {
            // Memory of ROCm's queues is in the DRM files of newer kernels too: the greater of the two is all of it.
            let mut one = self.of_drm_files(pid);
            for (gpu, bytes) in self.of_compute(pid, &gpus) {
                let most = one.entry(gpu).or_default();
                *most = bytes.max(*most);
            }
            for (gpu, bytes) in one {
                *used.entry(gpu).or_default() += bytes;
            }
        }
        Ok(used)
    }
}

/// Several ways at once, each for the GPUs that it sees.
pub struct AllMemory(pub Vec<Box<dyn GpuMemory>>);

impl GpuMemory for AllMemory {
    fn used(&mut self, pids: &[u32]) -> Result<BytesByGpu, String> {
        let mut used = BytesByGpu::new();
        for way in &mut self.0 {
            used.extend(way.used(pids)?);
        }
        Ok(used)
    }
}

/// GPU, client and bytes of video memory that one DRM file says. Resident memory counts where the driver tells it.
fn read_fdinfo(text: &str) -> Option<(PciAddress, String, u64)> {
    let (mut gpu, mut client, mut resident, mut memory) = (None, None, None, None);
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match key {
            "drm-pdev" => gpu = value.parse().ok(),
            "drm-client-id" => client = Some(value.to_owned()),
            _ => {
                let of_video = |prefix: &str| {
                    let region = key.strip_prefix(prefix)?;
                    (region.starts_with("vram") || region.starts_with("local")).then(|| read_amount(value))?
                };
                if let Some(bytes) = of_video("drm-resident-") {
                    resident = Some(resident.unwrap_or(0) + bytes);
                } else if let Some(bytes) = of_video("drm-memory-") {
                    memory = Some(memory.unwrap_or(0) + bytes);
                }
            }
        }
    }
    Some((gpu?, client?, resident.or(memory)?))
}

/// `123 KiB` in bytes; a bare number is bytes.
fn read_amount(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    let unit = match words.next() {
        None => 1,
        Some("KiB") => 1 << 10,
        Some("MiB") => 1 << 20,
        Some("GiB") => 1 << 30,
        Some(_) => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn drm_files_are_summed_by_client_and_video_region() {
        let amd = "pos:\t0\ndrm-driver:\tamdgpu\ndrm-client-id:\t7\ndrm-pdev:\t0000:03:00.0\n\
                   drm-memory-vram:\t2048 KiB\ndrm-memory-gtt:\t999 KiB\ndrm-resident-vram:\t3 MiB\n";
        let other_client = amd.replace("client-id:\t7", "client-id:\t8");
        let intel = "drm-driver: xe\ndrm-client-id: 1\ndrm-pdev: 0000:04:00.0\ndrm-total-vram0: 9 GiB\n\
                     drm-resident-vram0: 1 GiB\ndrm-resident-vram1: 512 MiB\ndrm-resident-system: 5 GiB\n";
        let root = tree(&[
            ("proc/10/fdinfo/3", amd),
            ("proc/10/fdinfo/4", amd),
            ("proc/10/fdinfo/5", &other_client),
            ("proc/10/fdinfo/0", "pos:\t0\nflags:\t02\n"),
            ("proc/10/fdinfo/6", "drm-pdev: rubbish\ndrm-client-id: 1\ndrm-resident-vram: 1 parsec\n"),
            ("proc/11/fdinfo/3", intel),
        ]);
        let used = KernelMemory::new(root.path()).used(&[10, 11, 12]).unwrap();
        let expected = [("0000:03:00.0", 6 << 20), ("0000:04:00.0", 3 << 29)];
        assert_eq!(used, expected.map(|(pci, bytes)| (pci.parse().unwrap(), bytes)).into());
    }

    #[test]
    fn compute_processes_of_amd_count_by_the_greater_figure() {
        let drm = "drm-client-id: 7\ndrm-pdev: 0000:c1:00.0\ndrm-memory-vram: 1 MiB\n";
        let root = tree(&[
            ("sys/class/kfd/kfd/topology/nodes/0/gpu_id", "0\n"),
            ("sys/class/kfd/kfd/topology/nodes/0/properties", "location_id 0\n"),
            ("sys/class/kfd/kfd/topology/nodes/1/gpu_id", "28851\n"),
            ("sys/class/kfd/kfd/topology/nodes/1/properties", "simd_count 1216\nlocation_id 49408\ndomain 0\n"),
            ("sys/class/kfd/kfd/proc/10/vram_28851", "4194304\n"),
            ("sys/class/kfd/kfd/proc/10/vram_1", "77\n"),
            ("sys/class/kfd/kfd/proc/10/pasid", "32770\n"),
            ("proc/10/fdinfo/3", drm),
        ]);
        let used = KernelMemory::new(root.path()).used(&[10]).unwrap();
        assert_eq!(used, [("0000:c1:00.0".parse().unwrap(), 4 << 20)].into());
    }
}
