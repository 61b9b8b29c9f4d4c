//! Which CPUs each rank runs on: those near its GPU, or, without GPUs, its own share of the machine in the order of NUMA nodes.
//!
//! Cores are never split between ranks while there are enough of them, so SMT siblings stay together. Memory needs no policy of its
//! own: Linux gives a page from the node of the CPU that touches it first, and a pinned rank runs on no other.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Serialize;

use super::cpus::{Core, CpuTopology, format_cpu_list};

/// What is known about where a rank's GPU sits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Locality {
    /// Logical CPUs near it.
    pub cpus: Option<Vec<u32>>,
    /// NUMA node that it is attached to; looked at where `cpus` is absent.
    pub numa_node: Option<u32>,
}

/// Where one rank runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// Its logical CPUs, ascending; never empty.
    pub cpus: Vec<u32>,
    /// Their NUMA nodes, ascending.
    pub numa_nodes: Vec<u32>,
    /// Where this is not the place that one would wish: why.
    pub note: Option<String>,
}

/// Plans one pin a rank; `None` is a rank without a GPU. Empty where the process may use no CPU at all.
#[must_use]
pub fn plan(topology: &CpuTopology, ranks: &[Option<Locality>]) -> Vec<Pin> {
    let cores = &topology.cores;
    if cores.is_empty() {
        return Vec::new();
    }
    let without_gpu = ranks.iter().filter(|rank| rank.is_none()).count();
    let mut shares = shares_of_nodes(cores, without_gpu).into_iter();
    let wished: Vec<(Vec<usize>, Option<String>)> = ranks.iter().flatten().map(|gpu| near(topology, gpu)).collect();
    let mut near_gpus = divide(&wished).into_iter();
    let next = |rank: &Option<Locality>| {
        let (indices, note) = match rank {
            Some(_) => near_gpus.next(),
            None => shares.next(),
        }
        // Each iterator was made with one entry for every rank of its kind.
        .unwrap_or_default();
        pin(cores, &indices, note)
    };
    ranks.iter().map(next).collect()
}

fn pin(cores: &[Core], indices: &[usize], note: Option<String>) -> Pin {
    let cpus: BTreeSet<u32> = indices.iter().flat_map(|&core| cores[core].cpus.iter().copied()).collect();
    let nodes: BTreeSet<u32> = indices.iter().filter_map(|&core| cores[core].numa_node).collect();
    Pin { cpus: cpus.into_iter().collect(), numa_nodes: nodes.into_iter().collect(), note }
}

/// Places of the cores near a GPU; all cores, with the reason, where none is known or usable.
fn near(topology: &CpuTopology, gpu: &Locality) -> (Vec<usize>, Option<String>) {
    let cores = &topology.cores;
    let all = || (0..cores.len()).collect::<Vec<_>>();
    let of = |test: &dyn Fn(&Core) -> bool| (0..cores.len()).filter(|&core| test(&cores[core])).collect::<Vec<_>>();
    let (found, place) = match (gpu.cpus.as_ref().filter(|cpus| !cpus.is_empty()), gpu.numa_node) {
        (Some(cpus), _) => {
            let set: BTreeSet<u32> = cpus.iter().copied().collect();
            (of(&|core| core.cpus.iter().any(|cpu| set.contains(cpu))), format!("CPUs {}", format_cpu_list(cpus)))
        }
        (None, Some(node)) => (of(&|core| core.numa_node == Some(node)), format!("NUMA node {node}")),
        (None, None) => return (all(), Some("where its GPU is attached is not known".to_string())),
    };
    if found.is_empty() {
        let may = format_cpu_list(&topology.cpus());
        return (all(), Some(format!("its GPU is near {place}, this process may use CPUs {may} alone")));
    }
    (found, None)
}

/// Ranks that wish for the same cores share them out.
fn divide(wished: &[(Vec<usize>, Option<String>)]) -> Vec<(Vec<usize>, Option<String>)> {
    let mut rivals: BTreeMap<&[usize], usize> = BTreeMap::new();
    for (cores, _) in wished {
        *rivals.entry(cores).or_default() += 1;
    }
    let mut placed: BTreeMap<&[usize], usize> = BTreeMap::new();
    let mut divided = Vec::with_capacity(wished.len());
    for (cores, note) in wished {
        let turn = placed.entry(cores).or_default();
        let (range, crowded) = share(cores.len(), rivals[cores.as_slice()], *turn);
        *turn += 1;
        divided.push((cores[range].to_vec(), note.clone().or(crowded)));
    }
    divided
}

/// Shares of the whole machine: within one node where there are at least as many ranks as nodes, else whole nodes.
fn shares_of_nodes(cores: &[Core], ranks: usize) -> Vec<(Vec<usize>, Option<String>)> {
    let mut nodes: Vec<Vec<usize>> = Vec::new();
    for core in 0..cores.len() {
        match nodes.last_mut() {
            Some(node) if cores[node[0]].numa_node == cores[core].numa_node => node.push(core),
            _ => nodes.push(vec![core]),
        }
    }
    if ranks < nodes.len() {
        return (0..ranks).map(|rank| (nodes[share(nodes.len(), ranks, rank).0].concat(), None)).collect();
    }
    let mut counts = vec![0_usize; nodes.len()];
    for _ in 0..ranks {
        // The node whose ranks would still have the most cores each; the first of equals.
        let roomiest = (0..nodes.len())
            .rev()
            .max_by(|&a, &b| (nodes[a].len() * (counts[b] + 1)).cmp(&(nodes[b].len() * (counts[a] + 1))));
        if let Some(node) = roomiest {
            counts[node] += 1;
        }
    }
    let of_node = |(node, &count): (&Vec<usize>, &usize)| {
        (0..count)
            .map(|turn| {
                let (range, crowded) = share(node.len(), count, turn);
                (node[range].to_vec(), crowded)
            })
            .collect::<Vec<_>>()
    };
    nodes.iter().zip(&counts).flat_map(of_node).collect()
}

/// Part `turn` of `length` things among `parts`; where there are too few, one thing that others have too, and a note of it.
fn share(length: usize, parts: usize, turn: usize) -> (Range<usize>, Option<String>) {
    if parts <= length {
        return (turn * length / parts..(turn + 1) * length / parts, None);
    }
    let at = turn * length / parts;
    let cores = if length == 1 { "1 core".to_string() } else { format!("{length} cores") };
    (at..at + 1, Some(format!("{parts} ranks share {cores}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cpus::tests::two_way_machine;
    use super::*;

    fn machine(sockets: u32, cores: u32) -> CpuTopology {
        CpuTopology::read(two_way_machine(sockets, cores).path(), &(0..2 * sockets * cores).collect::<Vec<_>>())
    }

    fn lists(pins: &[Pin]) -> Vec<String> {
        pins.iter().map(|pin| format_cpu_list(&pin.cpus)).collect()
    }

    fn on_node(node: u32) -> Option<Locality> {
        Some(Locality { cpus: None, numa_node: Some(node) })
    }

    #[test]
    fn eight_gpus_on_two_sockets_get_a_quarter_of_their_socket_each() {
        let ranks: Vec<_> = (0..8).map(|gpu| on_node(gpu / 4)).collect();
        let pins = plan(&machine(2, 56), &ranks);
        assert_eq!(lists(&pins)[..2], ["0-13,112-125", "14-27,126-139"]);
        assert_eq!(lists(&pins)[4], "56-69,168-181");
        assert_eq!(pins[7].numa_nodes, [1]);
        assert!(pins.iter().all(|pin| pin.note.is_none()));
    }

    #[test]
    fn the_driver_s_own_list_of_near_cpus_goes_before_the_node() {
        let gpu = Locality { cpus: Some(vec![0, 1, 8, 9]), numa_node: Some(1) };
        assert_eq!(lists(&plan(&machine(2, 4), &[Some(gpu)])), ["0-1,8-9"]);
    }

    #[test]
    fn what_keeps_a_rank_from_its_gpu_is_said() {
        let masked = CpuTopology::read(two_way_machine(2, 4).path(), &[0, 1, 2, 3]);
        let pins = plan(&masked, &[on_node(1), Some(Locality::default())]);
        assert_eq!(lists(&pins), ["0-1", "2-3"]);
        assert_eq!(pins[0].note.as_deref(), Some("its GPU is near NUMA node 1, this process may use CPUs 0-3 alone"));
        assert_eq!(pins[1].note.as_deref(), Some("where its GPU is attached is not known"));
    }

    #[test]
    fn ranks_without_gpus_fill_the_nodes_in_order() {
        let ranks = |n: usize| vec![None; n];
        assert_eq!(lists(&plan(&machine(2, 4), &ranks(1))), ["0-15"]);
        assert_eq!(lists(&plan(&machine(2, 4), &ranks(2))), ["0-3,8-11", "4-7,12-15"]);
        assert_eq!(lists(&plan(&machine(2, 4), &ranks(3))), ["0-1,8-9", "2-3,10-11", "4-7,12-15"]);
        assert_eq!(lists(&plan(&machine(4, 2), &ranks(2))), ["0-3,8-11", "4-7,12-15"]);
    }

    #[test]
    fn more_ranks_than_cores_share_them_and_say_so() {
        let pins = plan(&machine(1, 2), &vec![None; 5]);
        assert_eq!(lists(&pins), ["0,2", "0,2", "0,2", "1,3", "1,3"]);
        assert_eq!(pins[0].note.as_deref(), Some("5 ranks share 2 cores"));
    }

    #[test]
    fn a_process_without_cpus_plans_nothing() {
        assert_eq!(plan(&CpuTopology::default(), &[None]), []);
    }

    proptest! {
        #[test]
        fn ranks_are_disjoint_while_cores_last_and_never_without_a_cpu(
            sockets in 1_u32..4, cores in 1_u32..6, ranks in 1_usize..12, mask in any::<u64>(),
        ) {
            let allowed: Vec<u32> = (0..2 * sockets * cores).filter(|cpu| mask >> (cpu % 64) & 1 == 1).collect();
            let total = sockets * cores;
            let core = |core: u32| Core {
                cpus: [core, core + total].into_iter().filter(|cpu| allowed.contains(cpu)).collect(),
                numa_node: Some(core / cores),
                package: Some(core / cores),
            };
            let topology = CpuTopology { cores: (0..total).map(core).filter(|core| !core.cpus.is_empty()).collect() };
            let pins = plan(&topology, &vec![None; ranks]);
            prop_assert_eq!(pins.len(), if allowed.is_empty() { 0 } else { ranks });
            prop_assert!(pins.iter().all(|pin| !pin.cpus.is_empty() && pin.cpus.iter().all(|cpu| allowed.contains(cpu))));
            if pins.iter().all(|pin| pin.note.is_none()) {
                let used: Vec<u32> = pins.iter().flat_map(|pin| pin.cpus.clone()).collect();
                prop_assert_eq!(used.iter().collect::<BTreeSet<_>>().len(), used.len());
            }
        }
    }
}
