//! The variables that each rank is given, as torchrun gives them, and those by which a vendor's run time finds the rank's GPU.
//!
//! torchrun's are those of `torch/distributed/elastic/agent/server/local_elastic_agent.py`; without a store of the launcher's own,
//! `TORCHELASTIC_USE_AGENT_STORE` is `False`, so that rank 0 opens the store at `MASTER_ADDR:MASTER_PORT`.

use std::collections::BTreeMap;

use super::selection::ChosenGpu;
use crate::inventory::Vendor;

/// What all ranks of this node share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupShape {
    /// Nodes in the group.
    pub nodes: usize,
    /// This node, from 0.
    pub node_rank: usize,
    /// Ranks on each node.
    pub ranks_per_node: usize,
    /// Where rank 0 runs.
    pub master_addr: String,
    /// The port at which ranks meet.
    pub master_port: u16,
    /// How often the group has been started anew.
    pub restart_count: u32,
    /// How often it may be.
    pub restarts_max: u32,
    /// The run's own name.
    pub run_id: String,
}

impl GroupShape {
    /// Ranks in the whole group.
    #[must_use]
    pub fn world_size(&self) -> usize {
        self.nodes * self.ranks_per_node
    }

    /// The rank in the group of a rank on this node.
    #[must_use]
    pub fn rank(&self, local_rank: usize) -> usize {
        self.node_rank * self.ranks_per_node + local_rank
    }
}

/// Whether a rank sees its own GPU alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Every rank sees the group's GPUs, and its own is the one that `LOCAL_RANK` counts: what programs for torchrun expect.
    Group,
    /// A rank sees its own GPU as device 0 and its `LOCAL_RANK` is 0: torchrun's `--virtual-local-rank`.
    Own,
}

/// Variables to set, and, with no value, to take away.
pub type Variables = BTreeMap<&'static str, Option<String>>;

/// The variables of one rank; `gpus` has one entry for each rank of this node, `inherited` reads the launcher's own environment.
#[must_use]
pub fn variables(
    shape: &GroupShape,
    local_rank: usize,
    gpus: &[Option<ChosenGpu>],
    visibility: Visibility,
    inherited: &impl Fn(&str) -> Option<String>,
) -> Variables {
    let rank = shape.rank(local_rank).to_string();
    let world_size = shape.world_size().to_string();
    let seen_rank = match visibility {
        Visibility::Group => local_rank,
        Visibility::Own => 0,
    };
    let mut variables: Variables = [
        ("RANK", rank.clone()),
        ("LOCAL_RANK", seen_rank.to_string()),
        ("WORLD_SIZE", world_size.clone()),
        ("LOCAL_WORLD_SIZE", shape.ranks_per_node.to_string()),
        ("GROUP_RANK", shape.node_rank.to_string()),
        ("GROUP_WORLD_SIZE", shape.nodes.to_string()),
        ("NODE_RANK", shape.node_rank.to_string()),
        ("ROLE_NAME", "default".to_string()),
        ("ROLE_RANK", rank),
        ("ROLE_WORLD_SIZE", world_size),
        ("MASTER_ADDR", shape.master_addr.clone()),
        ("MASTER_PORT", shape.master_port.to_string()),
        ("TORCHELASTIC_RESTART_COUNT", shape.restart_count.to_string()),
        ("TORCHELASTIC_MAX_RESTARTS", shape.restarts_max.to_string()),
        ("TORCHELASTIC_RUN_ID", shape.run_id.clone()),
        ("TORCHELASTIC_USE_AGENT_STORE", "False".to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name, Some(value)))
    .collect();
    if inherited("TORCH_NCCL_ASYNC_ERROR_HANDLING").is_none() {
        variables.insert("TORCH_NCCL_ASYNC_ERROR_HANDLING", Some("1".to_string()));
    }
    // Several ranks that each start a thread a core slow one another down; whoever knows better sets it.
    if shape.ranks_per_node > 1 && inherited("OMP_NUM_THREADS").is_none() {
        variables.insert("OMP_NUM_THREADS", Some("1".to_string()));
    }
    add_visible_gpus(&mut variables, local_rank, gpus, visibility);
    variables
}

fn add_visible_gpus(variables: &mut Variables, local_rank: usize, gpus: &[Option<ChosenGpu>], visibility: Visibility) {
    let Some(own) = gpus.get(local_rank).and_then(Option::as_ref) else {
        // A rank that runs on CPUs must not find a GPU that it was not given. Level Zero's mask cannot say "none".
        variables.insert("CUDA_VISIBLE_DEVICES", Some(String::new()));
        variables.insert("HIP_VISIBLE_DEVICES", Some("-1".to_string()));
        return;
    };
    let seen = match visibility {
        Visibility::Own => own.token.clone(),
        Visibility::Group => gpus.iter().flatten().map(|gpu| gpu.token.as_str()).collect::<Vec<_>>().join(","),
    };
    match own.vendor {
        Vendor::Nvidia => {
            // CUDA's own order puts the fastest first; places here are by PCI address.
            variables.insert("CUDA_DEVICE_ORDER", Some("PCI_BUS_ID".to_string()));
            variables.insert("CUDA_VISIBLE_DEVICES", Some(seen));
        }
        Vendor::Amd => {
            // HIP would count its places within what ROCR leaves, so one of the two has to go; HIP reads CUDA's variable too.
            variables.insert("ROCR_VISIBLE_DEVICES", None);
            variables.insert("CUDA_VISIBLE_DEVICES", None);
            variables.insert("HIP_VISIBLE_DEVICES", Some(seen));
        }
        Vendor::Intel => {
            // A card is one device and cards come by PCI address, whatever the defaults of the driver's version.
            variables.insert("ZE_FLAT_DEVICE_HIERARCHY", Some("COMPOSITE".to_string()));
            variables.insert("ZE_ENABLE_PCI_ID_DEVICE_ORDER", Some("1".to_string()));
            variables.insert("ZE_AFFINITY_MASK", Some(seen));
        }
        Vendor::Software | Vendor::Other => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::selection::tests::gpu;
    use super::super::selection::{DeviceChoice, assign, choose};
    use super::*;
    use crate::inventory::Inventory;

    fn shape() -> GroupShape {
        GroupShape {
            nodes: 2,
            node_rank: 1,
            ranks_per_node: 4,
            master_addr: "10.0.0.1".into(),
            master_port: 29500,
            restart_count: 2,
            restarts_max: 3,
            run_id: "night".into(),
        }
    }

    fn gpus(vendor: Vendor, ranks: usize) -> Vec<Option<ChosenGpu>> {
        let mut gpus: Vec<_> = (0..4).map(|index| gpu(index, vendor)).collect();
        gpus.iter_mut().for_each(|gpu| gpu.memory_bytes = Some(1 << 30));
        let inventory = Inventory { gpus, notes: Vec::new() };
        assign(&choose(&inventory, &DeviceChoice::All, &|_| None).unwrap(), Some(ranks), true).unwrap()
    }

    fn get(variables: &Variables, name: &str) -> Option<String> {
        variables.get(name).and_then(Clone::clone)
    }

    #[test]
    fn a_rank_of_the_second_node_knows_its_place() {
        let variables = variables(&shape(), 3, &gpus(Vendor::Nvidia, 4), Visibility::Group, &|_| None);
        for (name, value) in [
            ("RANK", "7"),
            ("LOCAL_RANK", "3"),
            ("WORLD_SIZE", "8"),
            ("LOCAL_WORLD_SIZE", "4"),
            ("GROUP_RANK", "1"),
            ("NODE_RANK", "1"),
            ("GROUP_WORLD_SIZE", "2"),
            ("ROLE_NAME", "default"),
            ("ROLE_RANK", "7"),
            ("ROLE_WORLD_SIZE", "8"),
            ("MASTER_ADDR", "10.0.0.1"),
            ("MASTER_PORT", "29500"),
            ("TORCHELASTIC_RESTART_COUNT", "2"),
            ("TORCHELASTIC_MAX_RESTARTS", "3"),
            ("TORCHELASTIC_RUN_ID", "night"),
            ("TORCHELASTIC_USE_AGENT_STORE", "False"),
            ("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1"),
            ("OMP_NUM_THREADS", "1"),
            ("CUDA_DEVICE_ORDER", "PCI_BUS_ID"),
            ("CUDA_VISIBLE_DEVICES", "0,1,2,3"),
        ] {
            assert_eq!(get(&variables, name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn what_the_user_set_for_torch_and_openmp_stands() {
        let set =
            |name: &str| ["OMP_NUM_THREADS", "TORCH_NCCL_ASYNC_ERROR_HANDLING"].contains(&name).then(|| "3".into());
        let several = variables(&shape(), 0, &[None], Visibility::Group, &set);
        assert!(!several.contains_key("OMP_NUM_THREADS") && !several.contains_key("TORCH_NCCL_ASYNC_ERROR_HANDLING"));
        let alone = GroupShape { ranks_per_node: 1, nodes: 1, node_rank: 0, ..shape() };
        assert!(!variables(&alone, 0, &[None], Visibility::Group, &|_| None).contains_key("OMP_NUM_THREADS"));
    }

    #[test]
    fn a_rank_that_sees_its_own_gpu_alone_is_local_rank_0() {
        let variables = variables(&shape(), 3, &gpus(Vendor::Nvidia, 4), Visibility::Own, &|_| None);
        assert_eq!(get(&variables, "CUDA_VISIBLE_DEVICES").as_deref(), Some("3"));
        assert_eq!(get(&variables, "LOCAL_RANK").as_deref(), Some("0"));
        assert_eq!(get(&variables, "RANK").as_deref(), Some("7"));
    }

    #[test]
    fn each_vendor_has_its_own_variable() {
        let amd = variables(&shape(), 1, &gpus(Vendor::Amd, 2), Visibility::Group, &|_| None);
        assert_eq!(get(&amd, "HIP_VISIBLE_DEVICES").as_deref(), Some("0,1"));
        assert_eq!((amd["ROCR_VISIBLE_DEVICES"].clone(), amd["CUDA_VISIBLE_DEVICES"].clone()), (None, None));
        let intel = variables(&shape(), 1, &gpus(Vendor::Intel, 2), Visibility::Own, &|_| None);
        assert_eq!(get(&intel, "ZE_AFFINITY_MASK").as_deref(), Some("1"));
        assert!(!intel.contains_key("CUDA_VISIBLE_DEVICES"));
    }

    #[test]
    fn a_rank_without_a_gpu_sees_none() {
        let variables = variables(&shape(), 0, &[None, None], Visibility::Group, &|_| None);
        assert_eq!(get(&variables, "CUDA_VISIBLE_DEVICES").as_deref(), Some(""));
        assert_eq!(get(&variables, "HIP_VISIBLE_DEVICES").as_deref(), Some("-1"));
    }
}
