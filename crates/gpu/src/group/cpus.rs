//! The CPUs that this process may use, by core and NUMA node, as sysfs tells them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use rustix::thread::{CpuSet, sched_getaffinity};
use serde::Serialize;

/// No kernel numbers a CPU higher; a larger number in a list is a damaged file.
const CPU_MAX: u32 = 1 << 16;

/// Cores in the order of NUMA node, package and first CPU.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CpuTopology {
    /// Every core of which this process may use at least one CPU.
    pub cores: Vec<Core>,
}

/// One core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Core {
    /// Its logical CPUs (SMT siblings) that this process may use, ascending.
    pub cpus: Vec<u32>,
    /// NUMA node; absent where the kernel tells none.
    pub numa_node: Option<u32>,
    /// Socket; absent where the kernel tells none.
    pub package: Option<u32>,
}

impl CpuTopology {
    /// Reads `devices/system/cpu` and `devices/system/node` under `sysfs`, and keeps what is in `allowed`.
    ///
    /// A CPU without a topology of its own counts as a core, so a missing file hides none.
    #[must_use]
    pub fn read(sysfs: &Path, allowed: &[u32]) -> Self {
        let allowed: BTreeSet<u32> = allowed.iter().copied().collect();
        let nodes = node_of_each_cpu(&sysfs.join("devices/system/node"));
        let mut placed: BTreeSet<u32> = BTreeSet::new();
        let mut cores = Vec::new();
        for &cpu in &allowed {
            if placed.contains(&cpu) {
                continue;
            }
            let folder = sysfs.join(format!("devices/system/cpu/cpu{cpu}/topology"));
            // Kernels before 5.3 know only the older of the two names.
            let siblings = ["core_cpus_list", "thread_siblings_list"]
                .iter()
                .find_map(|name| parse_cpu_list(&fs::read_to_string(folder.join(name)).ok()?))
                .unwrap_or_default();
            let mut cpus: Vec<u32> = siblings.into_iter().filter(|cpu| allowed.contains(cpu)).collect();
            if !cpus.contains(&cpu) {
                cpus = vec![cpu];
            }
            placed.extend(&cpus);
            let package = fs::read_to_string(folder.join("physical_package_id")).ok();
            // The file holds -1 where the firmware says nothing.
            let package = package.and_then(|text| text.trim().parse().ok());
            cores.push(Core { numa_node: nodes.get(&cpu).copied(), package, cpus });
        }
        cores.sort_by_key(|core| (core.numa_node, core.package, core.cpus[0]));
        Self { cores }
    }

    /// Every CPU, ascending.
    #[must_use]
    pub fn cpus(&self) -> Vec<u32> {
        let all: BTreeSet<u32> = self.cores.iter().flat_map(|core| core.cpus.iter().copied()).collect();
        all.into_iter().collect()
    }
}

/// The CPUs of this process's affinity mask, which its cgroup's cpuset has already narrowed.
///
/// # Errors
///
/// The kernel's refusal, for instance on a machine with more than 1024 possible CPUs.
pub fn allowed_cpus() -> io::Result<Vec<u32>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).map(|cpu| cpu as u32).collect())
}

fn node_of_each_cpu(folder: &Path) -> BTreeMap<u32, u32> {
    let mut nodes = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(node) = name.to_str().and_then(|name| name.strip_prefix("node")?.parse::<u32>().ok()) else {
            continue;
        };
        let list = fs::read_to_string(entry.path().join("cpulist")).ok();
        nodes
            .extend(list.and_then(|text| parse_cpu_list(&text)).unwrap_or_default().into_iter().map(|cpu| (cpu, node)));
    }
    nodes
}

/// Reads the kernel's list format, `0-3,8,10-11`; an empty list is one without CPUs.
#[must_use]
pub fn parse_cpu_list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = BTreeSet::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= CPU_MAX {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus.into_iter().collect())
}

/// Writes the kernel's list format of ascending numbers.
#[must_use]
pub fn format_cpu_list(cpus: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &cpu in cpus {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => ranges.push((cpu, cpu)),
        }
    }
    let text = |(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A folder like sysfs with sockets of one node each, `cores` cores a socket and two CPUs a core: core c of socket s has CPUs
    /// `s·cores + c` and, as Linux numbers siblings on x86, that plus all cores of the machine.
    pub(crate) fn two_way_machine(sockets: u32, cores: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let total = sockets * cores;
        for socket in 0..sockets {
            let node = folder.path().join(format!("devices/system/node/node{socket}"));
            fs::create_dir_all(&node).unwrap();
            let (first, last) = (socket * cores, (socket + 1) * cores - 1);
            fs::write(node.join("cpulist"), format!("{first}-{last},{}-{}\n", first + total, last + total)).unwrap();
            for core in first..=last {
                for cpu in [core, core + total] {
                    let topology = folder.path().join(format!("devices/system/cpu/cpu{cpu}/topology"));
                    fs::create_dir_all(&topology).unwrap();
                    fs::write(topology.join("core_cpus_list"), format!("{core},{}\n", core + total)).unwrap();
                    fs::write(topology.join("physical_package_id"), format!("{socket}\n")).unwrap();
                }
            }
        }
        folder
    }

    #[test]
    fn cores_keep_their_siblings_and_come_by_node() {
        let sysfs = two_way_machine(2, 4);
        let topology = CpuTopology::read(sysfs.path(), &(0..16).collect::<Vec<_>>());
        assert_eq!(topology.cores.len(), 8);
        assert_eq!(topology.cores[5], Core { cpus: vec![5, 13], numa_node: Some(1), package: Some(1) });
        assert_eq!(topology.cpus(), (0..16).collect::<Vec<_>>());
    }

    #[test]
    fn cpus_outside_the_mask_are_not_there() {
        let sysfs = two_way_machine(2, 4);
        let topology = CpuTopology::read(sysfs.path(), &[1, 4, 9, 5]);
        let cpus: Vec<_> = topology.cores.iter().map(|core| core.cpus.clone()).collect();
        assert_eq!(cpus, [vec![1, 9], vec![4], vec![5]]);
    }

    #[test]
    fn a_machine_that_tells_nothing_has_a_core_a_cpu() {
        let empty = tempfile::tempdir().unwrap();
        let topology = CpuTopology::read(empty.path(), &[0, 3]);
        let core = |cpu| Core { cpus: vec![cpu], numa_node: None, package: None };
        assert_eq!(topology.cores, [core(0), core(3)]);
    }

    #[test]
    fn damaged_lists_are_absent() {
        for bad in ["3-1", "a", "1-", "-1", "0-4294967295", "1;2"] {
            assert_eq!(parse_cpu_list(bad), None, "{bad}");
        }
        assert_eq!(parse_cpu_list("\n"), Some(vec![]));
    }

    #[test]
    fn this_process_may_run_somewhere() {
        assert!(!allowed_cpus().unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn lists_read_back(cpus in proptest::collection::btree_set(0_u32..300, 0..60)) {
            let cpus: Vec<u32> = cpus.into_iter().collect();
            prop_assert_eq!(parse_cpu_list(&format_cpu_list(&cpus)), Some(cpus));
        }
    }
}
