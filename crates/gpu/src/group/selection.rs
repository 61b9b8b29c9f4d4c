//! Which GPUs a group runs on, and which of them each rank has.

use std::fmt;

use serde::Serialize;

use super::pinning::Locality;
use crate::inventory::{Gpu, Inventory, PciAddress, Vendor};

/// What `--devices` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceChoice {
    /// Every GPU of one vendor that the environment lets through: NVIDIA's where there is one, else AMD's, else Intel's.
    All,
    /// No GPU: ranks run on CPUs alone.
    None,
    /// These, by their place in `zomma gpu list`.
    These(Vec<usize>),
}

/// A GPU of the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChosenGpu {
    /// Place in `zomma gpu list`.
    pub index: usize,
    /// Who made it.
    pub vendor: Vendor,
    /// How its vendor's variable names it: its place among that vendor's GPUs by PCI address, or a MIG slice's own name.
    pub token: String,
    /// Model.
    pub name: Option<String>,
    /// Where it sits on the PCI bus.
    pub pci: Option<PciAddress>,
    /// Where it sits among the CPUs.
    #[serde(skip)]
    pub locality: Locality,
}

/// Why GPUs cannot be chosen as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// `--devices` is no list of numbers.
    #[error("--devices {got:?}: allowed are all, none, or places in `zomma gpu list` such as 0,1")]
    BadList {
        /// What was given.
        got: String,
    },
    /// The same GPU twice.
    #[error("--devices names GPU {index} twice")]
    Twice {
        /// Which.
        index: usize,
    },
    /// No such GPU.
    #[error("--devices {index}: {}", gpus_in_words(*.count))]
    NoSuchGpu {
        /// Which was asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A device that ranks cannot be given through a variable.
    #[error("--devices {index}: {what} is no GPU of NVIDIA, AMD or Intel, which alone ranks can be given")]
    NotAssignable {
        /// Which.
        index: usize,
        /// What it is.
        what: String,
    },
    /// GPUs of several vendors in one group.
    #[error("--devices: GPU {first} is {first_vendor}'s and GPU {other} is {other_vendor}'s; a group has one vendor")]
    Mixed {
        /// The first one.
        first: usize,
        /// Its vendor.
        first_vendor: VendorName,
        /// One of another vendor.
        other: usize,
        /// That vendor.
        other_vendor: VendorName,
    },
    /// The environment hides a GPU that was asked for.
    #[error("--devices {index}: hidden by {variable}={value}")]
    Hidden {
        /// Which.
        index: usize,
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// The environment names a GPU that is not there.
    #[error("{variable}={value}: {token:?} is no GPU of this machine")]
    BadVariable {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// The part that means nothing.
        token: String,
    },
    /// More ranks than GPUs.
    #[error("-n {ranks}: {}; --oversubscribe lets ranks share them, --devices none runs on CPUs alone", gpus_in_words(*.gpus))]
    TooManyRanks {
        /// Ranks asked for.
        ranks: usize,
        /// GPUs chosen.
        gpus: usize,
    },
    /// Without GPUs nothing says how many ranks there should be.
    #[error("-n N is needed: no GPU says how many ranks there should be")]
    NoCount,
}

/// A vendor's name in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VendorName(pub Vendor);

impl fmt::Display for VendorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Vendor::Nvidia => "NVIDIA",
            Vendor::Amd => "AMD",
            Vendor::Intel => "Intel",
            Vendor::Software => "a software device",
            Vendor::Other => "another vendor",
        })
    }
}

fn gpus_in_words(count: usize) -> String {
    match count {
        0 => "there is no GPU".to_string(),
        1 => "there is only 1 GPU".to_string(),
        _ => format!("there are only {count} GPUs"),
    }
}

impl std::str::FromStr for DeviceChoice {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let bad = || SelectionError::BadList { got: text.to_string() };
        match text {
            "all" => return Ok(Self::All),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let mut indices = Vec::new();
        for part in text.split(',') {
            let index = part.trim().parse().map_err(|_| bad())?;
            if indices.contains(&index) {
                return Err(SelectionError::Twice { index });
            }
            indices.push(index);
        }
        Ok(Self::These(indices))
    }
}

/// The variables by which a vendor's run time hides GPUs, the outer one first: the inner one counts what the outer one left.
#[must_use]
pub fn visibility_variables(vendor: Vendor) -> &'static [&'static str] {
    match vendor {
        Vendor::Nvidia => &["CUDA_VISIBLE_DEVICES"],
        Vendor::Amd => &["ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"],
        Vendor::Intel => &["ZE_AFFINITY_MASK"],
        Vendor::Software | Vendor::Other => &[],
    }
}

/// The GPUs of the group, in the order of local ranks; `variable` reads the environment that the launcher itself was given.
///
/// # Errors
///
/// [`SelectionError`] names what `--devices` or the environment says that cannot be.
pub fn choose(
    inventory: &Inventory,
    choice: &DeviceChoice,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Vec<ChosenGpu>, SelectionError> {
    match choice {
        DeviceChoice::None => Ok(Vec::new()),
        DeviceChoice::All => {
            for vendor in [Vendor::Nvidia, Vendor::Amd, Vendor::Intel] {
                let gpus = of_vendor(inventory, vendor).filter(|gpu| computes(gpu)).count();
                if gpus > 0 {
                    let visible = visible(inventory, vendor, variable)?;
                    return Ok(visible.into_iter().filter(|gpu| computes(&inventory.gpus[gpu.index])).collect());
                }
            }
            Ok(Vec::new())
        }
        DeviceChoice::These(indices) => these(inventory, indices, variable),
    }
}

/// An integrated GPU of Intel's has no memory of its own and computes no faster than the CPUs beside it.
fn computes(gpu: &Gpu) -> bool {
    gpu.vendor != Vendor::Intel || gpu.memory_bytes.is_some()
}

fn these(
    inventory: &Inventory,
    indices: &[usize],
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Vec<ChosenGpu>, SelectionError> {
    let count = inventory.gpus.len();
    let mut chosen: Vec<ChosenGpu> = Vec::with_capacity(indices.len());
    for &index in indices {
        let gpu = inventory.gpus.get(index).ok_or(SelectionError::NoSuchGpu { index, count })?;
        if visibility_variables(gpu.vendor).is_empty() {
            let what = gpu.name.clone().unwrap_or_else(|| "this device".to_string());
            return Err(SelectionError::NotAssignable { index, what });
        }
        if let Some(first) = chosen.first().filter(|first| first.vendor != gpu.vendor) {
            return Err(SelectionError::Mixed {
                first: first.index,
                first_vendor: VendorName(first.vendor),
                other: index,
                other_vendor: VendorName(gpu.vendor),
            });
        }
        let visible = visible(inventory, gpu.vendor, variable)?;
        let found = visible.into_iter().find(|gpu| gpu.index == index).ok_or_else(|| {
            let set = |name: &&&'static str| variable(name).is_some();
            let name = visibility_variables(gpu.vendor).iter().rev().find(set).copied().unwrap_or_default();
            SelectionError::Hidden { index, variable: name, value: variable(name).unwrap_or_default() }
        })?;
        chosen.push(found);
    }
    Ok(chosen)
}

fn of_vendor(inventory: &Inventory, vendor: Vendor) -> impl Iterator<Item = &Gpu> {
    inventory.gpus.iter().filter(move |gpu| gpu.vendor == vendor)
}

/// A vendor's GPUs as its variables leave them, in their order.
fn visible(
    inventory: &Inventory,
    vendor: Vendor,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Vec<ChosenGpu>, SelectionError> {
    let as_chosen = |(place, gpu): (usize, &Gpu)| ChosenGpu {
        index: gpu.index,
        vendor,
        token: place.to_string(),
        name: gpu.name.clone(),
        pci: gpu.pci,
        locality: Locality { cpus: gpu.cpus.clone(), numa_node: gpu.numa_node },
    };
    let mut visible: Vec<ChosenGpu> = of_vendor(inventory, vendor).enumerate().map(as_chosen).collect();
    for &name in visibility_variables(vendor) {
        let Some(value) = variable(name) else { continue };
        let mut kept = Vec::new();
        // CUDA's own way to hide everything is an empty value or -1.
        for token in value.split(',').map(str::trim).filter(|token| !token.is_empty() && *token != "-1") {
            let found = by_token(inventory, &visible, token);
            kept.push(found.ok_or_else(|| SelectionError::BadVariable {
                variable: name,
                value: value.clone(),
                token: token.to_string(),
            })?);
        }
        visible = kept;
    }
    Ok(visible)
}

/// The GPU that a part of a variable means: a place, the start of a board's own name, or a MIG slice's.
fn by_token(inventory: &Inventory, visible: &[ChosenGpu], token: &str) -> Option<ChosenGpu> {
    // Intel's masks name a tile after a dot; the card is what ranks are given.
    let place = token.split_once('.').map_or(token, |(card, _)| card);
    if let Ok(place) = place.parse::<usize>() {
        return visible.get(place).cloned();
    }
    let is_slice = |gpu: &Gpu| gpu.partitions.iter().any(|slice| slice.uuid.as_deref() == Some(token));
    visible.iter().find_map(|chosen| {
        let gpu = &inventory.gpus[chosen.index];
        if gpu.uuid.as_deref().is_some_and(|uuid| token.starts_with("GPU-") && uuid.starts_with(token)) {
            return Some(chosen.clone());
        }
        is_slice(gpu).then(|| ChosenGpu { token: token.to_string(), ..chosen.clone() })
    })
}

/// One entry a rank: its GPU, or none on a group without. Ranks beyond the GPUs go round again where `oversubscribe` allows it.
///
/// # Errors
///
/// [`SelectionError::TooManyRanks`], or [`SelectionError::NoCount`] where neither `-n` nor a GPU says how many.
pub fn assign(
    chosen: &[ChosenGpu],
    ranks: Option<usize>,
    oversubscribe: bool,
) -> Result<Vec<Option<ChosenGpu>>, SelectionError> {
    let gpus = chosen.len();
    match ranks {
        None if gpus == 0 => Err(SelectionError::NoCount),
        None => Ok(chosen.iter().cloned().map(Some).collect()),
        Some(ranks) if gpus == 0 => Ok(vec![None; ranks]),
        Some(ranks) if ranks > gpus && !oversubscribe => Err(SelectionError::TooManyRanks { ranks, gpus }),
        Some(ranks) => Ok((0..ranks).map(|rank| Some(chosen[rank % gpus].clone())).collect()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::inventory::Partition;

    /// A GPU of which only vendor, place and NUMA node are known.
    pub(crate) fn gpu(index: usize, vendor: Vendor) -> Gpu {
        Gpu {
            index,
            name: Some(format!("model {index}")),
            uuid: Some(format!("GPU-{index}{index}-beef")),
            numa_node: Some(0),
            ..Gpu::unknown(vendor)
        }
    }

    fn machine(vendors: &[Vendor]) -> Inventory {
        let gpus = vendors.iter().enumerate().map(|(index, &vendor)| gpu(index, vendor)).collect();
        Inventory { gpus, notes: Vec::new() }
    }

    fn tokens(inventory: &Inventory, choice: &str, set: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let set: Vec<(String, String)> = set.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect();
        let variable = move |name: &str| set.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let chosen = choice.parse().and_then(|choice| choose(inventory, &choice, &variable));
        chosen.map(|gpus| gpus.into_iter().map(|gpu| gpu.token).collect()).map_err(|error| error.to_string())
    }

    const MIXED: [Vendor; 5] = [Vendor::Amd, Vendor::Nvidia, Vendor::Nvidia, Vendor::Software, Vendor::Nvidia];

    #[test]
    fn a_vendor_s_variable_counts_that_vendor_s_gpus_alone() {
        let machine = machine(&MIXED);
        assert_eq!(tokens(&machine, "all", &[]).unwrap(), ["0", "1", "2"]);
        assert_eq!(tokens(&machine, "4,1", &[]).unwrap(), ["2", "0"]);
        assert_eq!(tokens(&machine, "0", &[]).unwrap(), ["0"]);
        assert!(tokens(&machine, "none", &[]).unwrap().is_empty());
    }

    #[test]
    fn what_the_environment_hides_stays_hidden() {
        let mut machine = machine(&[Vendor::Nvidia; 4]);
        let cuda = |value| [("CUDA_VISIBLE_DEVICES", value)];
        assert_eq!(tokens(&machine, "all", &cuda("3,1")).unwrap(), ["3", "1"]);
        assert_eq!(tokens(&machine, "all", &cuda("GPU-22")).unwrap(), ["2"]);
        assert!(tokens(&machine, "all", &cuda("")).unwrap().is_empty());
        assert!(tokens(&machine, "all", &cuda("-1")).unwrap().is_empty());
        let hidden = tokens(&machine, "0", &cuda("3,1")).unwrap_err();
        assert_eq!(hidden, "--devices 0: hidden by CUDA_VISIBLE_DEVICES=3,1");
        let bad = tokens(&machine, "all", &cuda("0,9")).unwrap_err();
        assert_eq!(bad, "CUDA_VISIBLE_DEVICES=0,9: \"9\" is no GPU of this machine");
        let slice = Partition {
            profile: "1g.10gb".into(),
            uuid: Some("MIG-a".into()),
            memory_bytes: None,
            multiprocessors: None,
        };
        machine.gpus[1].partitions.push(slice);
        assert_eq!(tokens(&machine, "all", &cuda("MIG-a")).unwrap(), ["MIG-a"]);
    }

    #[test]
    fn amd_s_inner_variable_counts_what_the_outer_one_left() {
        let machine = machine(&[Vendor::Amd; 4]);
        let set = [("ROCR_VISIBLE_DEVICES", "2,3"), ("HIP_VISIBLE_DEVICES", "1")];
        assert_eq!(tokens(&machine, "all", &set).unwrap(), ["3"]);
    }

    #[test]
    fn rubbish_is_named() {
        let machine = machine(&MIXED);
        for (list, words) in [
            ("x", "--devices \"x\": allowed are all, none"),
            ("", "--devices \"\""),
            ("1,1", "names GPU 1 twice"),
            ("9", "--devices 9: there are only 5 GPUs"),
            ("3", "model 3 is no GPU of NVIDIA"),
            ("1,0", "GPU 1 is NVIDIA's and GPU 0 is AMD's"),
        ] {
            let error = tokens(&machine, list, &[]).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn an_integrated_gpu_makes_no_gpu_group() {
        let mut machine = machine(&[Vendor::Intel, Vendor::Intel]);
        assert!(tokens(&machine, "all", &[]).unwrap().is_empty());
        machine.gpus[1].memory_bytes = Some(16 << 30);
        assert_eq!(tokens(&machine, "all", &[]).unwrap(), ["1"]);
    }

    #[test]
    fn ranks_get_gpus_in_order_and_share_them_only_when_told() {
        let machine = machine(&[Vendor::Nvidia; 2]);
        let chosen = choose(&machine, &DeviceChoice::All, &|_| None).unwrap();
        let indices = |ranks, share| {
            let ranks = assign(&chosen, ranks, share)?;
            Ok(ranks.into_iter().map(|gpu| gpu.unwrap().index).collect::<Vec<_>>())
        };
        assert_eq!(indices(None, false), Ok(vec![0, 1]));
        assert_eq!(indices(Some(1), false), Ok(vec![0]));
        assert_eq!(indices(Some(3), true), Ok(vec![0, 1, 0]));
        assert_eq!(indices(Some(3), false), Err(SelectionError::TooManyRanks { ranks: 3, gpus: 2 }));
        assert_eq!(assign(&[], None, false), Err(SelectionError::NoCount));
        assert_eq!(assign(&[], Some(2), false), Ok(vec![None, None]));
    }
}
