//! Where a run was made: enough to tell whether two runs can be compared.

use std::fs;

use serde::{Deserialize, Serialize};
use zomma_gpu::Device;

/// The host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name, or its architecture where the name cannot be read.
    pub cpu: String,
    /// Cores, as the operating system counts them for this program.
    pub cores: usize,
    /// Threads that the column "all cores" has.
    pub threads: usize,
    /// Memory, where it can be read.
    pub memory_bytes: Option<u64>,
    /// Operating system, with the kernel's release where it can be read.
    pub os: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let release = text("/proc/sys/kernel/osrelease");
        Self {
            cpu: cpu_model(&text("/proc/cpuinfo")).unwrap_or_else(|| std::env::consts::ARCH.into()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            threads: rayon::current_num_threads(),
            memory_bytes: meminfo(&text("/proc/meminfo"), "MemTotal"),
            os: format!("{} {}", std::env::consts::OS, release.trim()).trim().into(),
        }
    }

    /// What differs from another machine in what decides speed, in words; absent where nothing does.
    pub fn differs_from(&self, other: &Self) -> Option<String> {
        let mut differences = Vec::new();
        if self.cpu != other.cpu {
            differences.push(format!("processor {:?}, not {:?}", other.cpu, self.cpu));
        }
        if self.cores != other.cores {
            differences.push(format!("{} cores, not {}", other.cores, self.cores));
        }
        if self.threads != other.threads {
            differences.push(format!("{} threads, not {}", other.threads, self.threads));
        }
        (!differences.is_empty()).then(|| differences.join("; "))
    }
}

/// The device of the third column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// As `--device` takes it.
    pub id: String,
    /// As its driver names it.
    pub name: String,
    /// The driver, where it can be read.
    pub driver: Option<String>,
    /// Whether it is a processor that emulates a GPU.
    pub software: bool,
}

impl DeviceFacts {
    /// Of one device.
    pub fn of(device: &Device) -> Self {
        Self {
            id: format!("{}:{}", device.kind(), device.index()),
            name: device.name().into(),
            driver: driver(device),
            software: device.is_software(),
        }
    }
}

/// The kernel module that drives NVIDIA cards says its version in a file; a Vulkan device's name carries Mesa's.
fn driver(device: &Device) -> Option<String> {
    if device.kind() != zomma_gpu::DeviceKind::Cuda {
        return None;
    }
    nvidia_version(&fs::read_to_string("/proc/driver/nvidia/version").ok()?)
}

/// `570.124.06` of "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.124.06  Wed …".
fn nvidia_version(text: &str) -> Option<String> {
    let is_version = |word: &&str| word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    text.lines().next()?.split_whitespace().find(is_version).map(str::to_owned)
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Bytes of one line of /proc/meminfo.
fn meminfo(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Memory that can be had without pushing other programs out: the kernel's estimate, or what the control group leaves, if less.
/// Absent where neither can be read.
pub fn available_bytes() -> Option<u64> {
    let text = |path: &str| fs::read_to_string(path).ok();
    let free = meminfo(&text("/proc/meminfo")?, "MemAvailable");
    let group = |folder: &str, [limit, used]: [&str; 2], cached: &[&str]| {
        let file = |name: &str| text(&format!("{folder}/{name}"));
        left_of_group(&file(limit)?, &file(used)?, &file("memory.stat").unwrap_or_default(), cached)
    };
    let unified = group("/sys/fs/cgroup", ["memory.max", "memory.current"], &["inactive_file", "active_file"]);
    let files = ["memory.limit_in_bytes", "memory.usage_in_bytes"];
    let legacy = group("/sys/fs/cgroup/memory", files, &["total_inactive_file", "total_active_file"]);
    [free, unified, legacy].into_iter().flatten().min()
}

/// What a control group leaves of its limit. Pages that hold files' contents count as used and grow to the limit in ordinary work; the kernel gives them
/// back where memory is wanted, so that they are not used here. Absent where there is no limit.
fn left_of_group(limit: &str, used: &str, stat: &str, cached: &[&str]) -> Option<u64> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let of_key = |line: &str| line.split_once(' ').filter(|(key, _)| cached.contains(key)).and_then(|(_, n)| number(n));
    let cache: u64 = stat.lines().filter_map(of_key).sum();
    Some(number(limit)?.saturating_sub(number(used)?.saturating_sub(cache)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel_are_read_by_key() {
        let text = "MemTotal:       16384 kB\nMemFree:          100 kB\nMemAvailable:    2048 kB\n";
        assert_eq!(meminfo(text, "MemTotal"), Some(16384 * 1024));
        assert_eq!(meminfo(text, "MemAvailable"), Some(2048 * 1024));
        assert_eq!(meminfo(text, "Mem"), None);
        assert_eq!(meminfo("MemTotal: lots", "MemTotal"), None);
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\n";
        assert_eq!(cpu_model(cpuinfo).as_deref(), Some("Some CPU @ 2.0GHz"));
        assert_eq!(cpu_model("processor: 0\n"), None);
        let version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.124.06  Wed Feb 26 02:02:46 UTC 2025\nGCC";
        assert_eq!(nvidia_version(version).as_deref(), Some("570.124.06"));
        assert_eq!(nvidia_version(""), None);
    }

    #[test]
    fn what_a_control_group_caches_of_files_can_be_had() {
        let stat = "anon 300\ninactive_file 500\nactive_file 100\nshmem 7\ntotal_active_file 9\n";
        let cached = ["inactive_file", "active_file"];
        assert_eq!(left_of_group("1000\n", "950\n", stat, &cached), Some(650));
        assert_eq!(left_of_group("1000", "950", "", &cached), Some(50));
        assert_eq!(left_of_group("1000", "400", stat, &cached), Some(1000));
        assert_eq!(left_of_group("max\n", "950\n", stat, &cached), None);
    }

    #[test]
    fn machines_differ_by_what_decides_speed() {
        let machine = Machine { cpu: "a".into(), cores: 2, threads: 2, memory_bytes: Some(1), os: "linux 1".into() };
        assert_eq!(
            machine.differs_from(&Machine { memory_bytes: None, os: "linux 2".into(), ..machine.clone() }),
            None
        );
        let other = Machine { cpu: "b".into(), cores: 4, threads: 3, ..machine.clone() };
        assert_eq!(
            machine.differs_from(&other).unwrap(),
            "processor \"b\", not \"a\"; 4 cores, not 2; 3 threads, not 2"
        );
    }
}
