//! An inventory for people: a row a GPU, all of one GPU, or what to do where there is none.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use zomma_gpu::inventory::{Gpu, Inventory, Link, LinkKind, Partition, Vendor};

/// What stands where a value is absent.
const ABSENT: &str = "-";

/// The whole answer.
pub fn of(inventory: &Inventory, details: bool, sysfs: &Path) -> String {
    let mut text = String::new();
    if inventory.gpus.iter().all(|gpu| gpu.vendor == Vendor::Software) {
        text.push_str(&nothing(sysfs));
        if !inventory.gpus.is_empty() {
            text.push_str("Software devices, which are the processor in disguise:\n");
        }
    }
    if inventory.gpus.is_empty() {
        // All is said.
    } else if details {
        let each: Vec<String> = inventory.gpus.iter().map(detailed).collect();
        text.push_str(&each.join("\n"));
    } else {
        text.push_str(&table(&inventory.gpus));
        text.push_str(&why_not(&inventory.gpus));
    }
    for note in &inventory.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

/// What was looked at, and what to try.
fn nothing(sysfs: &Path) -> String {
    let sysfs = sysfs.display();
    format!(
        "No GPU found. Zomma computes on the processor; nothing needs to be set for that.\n\
         Looked at: {sysfs}/bus/pci/devices, {sysfs}/class/drm, {sysfs}/class/kfd, NVML, Vulkan.\n\
         If there should be one:\n\
         \x20 on the bus?     lspci -d ::0300; lspci -d ::0302; lspci -d ::1200\n\
         \x20 NVIDIA          nvidia-smi; the driver's libnvidia-ml.so.1 must be where the loader looks\n\
         \x20 AMD, Intel      lsmod: the kernel modules amdgpu, xe or i915; dmesg says why one fails\n\
         \x20 in a container  docker run --gpus all (NVIDIA), --device /dev/kfd --device /dev/dri (AMD), --device /dev/dri (Intel)\n"
    )
}

fn table(gpus: &[Gpu]) -> String {
    let header =
        ["GPU", "model", "memory", "arch", "units", "PCI", "NUMA", "ECC", "links", "back ends"].map(String::from);
    let mut rows = vec![header];
    for gpu in gpus {
        rows.push(row(gpu));
        let mut partitions = gpu.partitions.as_slice();
        while let Some(first) = partitions.first() {
            // Partitions that nothing tells apart share a row.
            let alike = partitions.iter().take_while(|partition| *partition == first).count();
            rows.push(partition_row(first, alike));
            partitions = &partitions[alike..];
        }
    }
    aligned(&rows)
}

fn row(gpu: &Gpu) -> [String; 10] {
    let requests: Vec<&str> = gpu.back_ends.iter().filter_map(|back_end| back_end.request.as_deref()).collect();
    [
        gpu.index.to_string(),
        model(gpu),
        or_absent(gpu.memory_bytes.map(bytes)),
        or_absent(gpu.architecture.clone()),
        or_absent(gpu.multiprocessors),
        or_absent(gpu.pci),
        or_absent(gpu.numa_node),
        or_absent(gpu.ecc.map(|on| if on { "on" } else { "off" })),
        joined(&gpu.links),
        if requests.is_empty() { "none".into() } else { requests.join(" ") },
    ]
}

fn partition_row(partition: &Partition, alike: usize) -> [String; 10] {
    let mut row: [String; 10] = Default::default();
    let times = if alike == 1 { String::new() } else { format!("{alike} × ") };
    row[1] = format!("  {times}{}", partition.profile);
    row[2] = or_absent(partition.memory_bytes.map(bytes));
    row[4] = or_absent(partition.multiprocessors);
    row[5] = partition.uuid.clone().unwrap_or_default();
    row
}

/// Columns by their widest cell: numbers to the right, words to the left. A partition's UUID may run over the columns behind it.
fn aligned(rows: &[[String; 10]]) -> String {
    const RIGHT: [usize; 3] = [0, 4, 6];
    const UUID: usize = 5;
    let is_partition = |row: &[String; 10]| row[0].is_empty();
    let mut widths = [0; 10];
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            if !(column == UUID && is_partition(row)) {
                widths[column] = widths[column].max(cell.chars().count());
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let _ = if RIGHT.contains(&column) {
                write!(line, "{cell:>width$}  ")
            } else {
                write!(line, "{cell:<width$}  ")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Why back ends cannot be used, each reason once with the GPUs that it is about.
fn why_not(gpus: &[Gpu]) -> String {
    let mut reasons: BTreeMap<(String, &str), Vec<usize>> = BTreeMap::new();
    for gpu in gpus {
        for back_end in &gpu.back_ends {
            if let Some(why) = &back_end.why_not {
                reasons.entry((back_end.kind.to_string(), why)).or_default().push(gpu.index);
            }
        }
    }
    reasons.iter().fold(String::new(), |mut text, ((kind, why), gpus)| {
        // A driver's own words may begin with the back end's name already.
        let why = why.strip_prefix(&format!("{kind}: ")).unwrap_or(why);
        let _ = writeln!(text, "{kind}: {why} (GPU {})", ranges(gpus));
        text
    })
}

/// All that is known of one GPU, a line a value; absent values have no line.
fn detailed(gpu: &Gpu) -> String {
    let mut text = format!("GPU {}: {}\n", gpu.index, model(gpu));
    let mut line = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "  {key:<16}{value}");
        }
    };
    line("uuid", gpu.uuid.clone());
    line("PCI", gpu.pci.map(|pci| gpu.pci_id.as_ref().map_or_else(|| pci.to_string(), |id| format!("{pci} ({id})"))));
    line("memory", gpu.memory_bytes.map(|count| format!("{} ({count} bytes)", bytes(count))));
    line("architecture", gpu.architecture.clone());
    line(units(gpu.vendor), gpu.multiprocessors.map(|count| count.to_string()));
    line("NUMA node", gpu.numa_node.map(|node| node.to_string()));
    line(
        "CPUs near it",
        gpu.cpus.as_ref().map(|cpus| ranges(&cpus.iter().map(|&cpu| cpu as usize).collect::<Vec<_>>())),
    );
    line(
        "driver",
        gpu.driver.as_ref().map(|driver| {
            format!("{} {}", driver.name, driver.version.as_deref().unwrap_or_default()).trim_end().to_owned()
        }),
    );
    line("ECC", gpu.ecc.map(|on| if on { "on" } else { "off" }.to_owned()));
    for link in &gpu.links {
        line("link", Some(described(link)));
    }
    for partition in &gpu.partitions {
        let memory = partition.memory_bytes.map(bytes);
        let units = partition.multiprocessors.map(|count| format!("{count} units"));
        let parts = [Some(partition.profile.clone()), memory, units, partition.uuid.clone()];
        line("partition", Some(parts.into_iter().flatten().collect::<Vec<_>>().join(", ")));
    }
    for back_end in &gpu.back_ends {
        let said = match (&back_end.request, &back_end.why_not) {
            (Some(request), _) => format!("--device {request}"),
            (None, why) => format!("no: {}", why.as_deref().unwrap_or("unknown")),
        };
        line(back_end.kind.as_str(), Some(said));
    }
    text
}

/// The model's name, else what stands in for it.
fn model(gpu: &Gpu) -> String {
    let maker = match gpu.vendor {
        Vendor::Nvidia => "NVIDIA",
        Vendor::Amd => "AMD",
        Vendor::Intel => "Intel",
        Vendor::Software => "software",
        Vendor::Other => "unknown",
    };
    match (&gpu.name, &gpu.pci_id) {
        (Some(name), _) => name.clone(),
        (None, Some(id)) => format!("{maker} {id}"),
        (None, None) => maker.to_owned(),
    }
}

/// What the makers call a multiprocessor.
fn units(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Nvidia => "multiprocessors",
        Vendor::Amd => "compute units",
        Vendor::Intel => "Xe cores",
        Vendor::Software | Vendor::Other => "units",
    }
}

fn kind_of(link: &Link) -> &'static str {
    match link.kind {
        LinkKind::NvLink => "NVLink",
        LinkKind::Xgmi => "xGMI",
        LinkKind::XeLink => "Xe Link",
        LinkKind::Pcie => "PCIe",
    }
}

/// How many links it has, by kind: `18 NVLink`.
fn joined(links: &[Link]) -> String {
    // Links to switches are the same ones for every GPU behind them; others are each GPU's own.
    let mut of_kind: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for link in links {
        let (direct, switched) = of_kind.entry(kind_of(link)).or_default();
        match link.switched {
            true => *switched = link.count.max(*switched),
            false => *direct += link.count,
        }
    }
    let words: Vec<String> =
        of_kind.iter().map(|(kind, (direct, switched))| format!("{} {kind}", direct + switched)).collect();
    if words.is_empty() { ABSENT.into() } else { words.join(" ") }
}

fn described(link: &Link) -> String {
    let speed = link
        .bandwidth_bytes_per_second
        .map_or_else(String::new, |speed| format!(", {} GB/s one way", speed / 1_000_000_000));
    let switched = if link.switched { " through switches" } else { "" };
    format!("to {}: {} {}{switched}{speed}", link.to, link.count, kind_of(link))
}

fn or_absent(value: Option<impl ToString>) -> String {
    value.map_or_else(|| ABSENT.to_owned(), |value| value.to_string())
}

/// Bytes in binary units with one decimal.
fn bytes(count: u64) -> String {
    const GIB: f64 = (1_u64 << 30) as f64;
    const MIB: f64 = (1_u64 << 20) as f64;
    let count = count as f64;
    if count >= GIB { format!("{:.1} GiB", count / GIB) } else { format!("{:.1} MiB", count / MIB) }
}

/// Ascending numbers as ranges: `0-3,7`.
fn ranges(numbers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let words =
        runs.iter().map(|&(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    words.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use zomma_gpu::DeviceKind;
    use zomma_gpu::inventory::BackEnd;

    use super::*;

    fn h200(index: usize) -> Gpu {
        Gpu {
            index,
            name: Some("NVIDIA H200".into()),
            pci: "0000:19:00.0".parse().ok(),
            memory_bytes: Some(150_754_820_096),
            multiprocessors: Some(132),
            back_ends: vec![BackEnd { kind: DeviceKind::Cuda, request: None, why_not: Some("no CUDA driver".into()) }],
            ..Gpu::unknown(Vendor::Nvidia)
        }
    }

    #[test]
    fn rows_align_and_a_reason_is_said_once() {
        let mut second = h200(1);
        second.name = None;
        second.pci_id = Some("10de:2335".into());
        let cpx =
            Partition { profile: "CPX".into(), uuid: None, memory_bytes: Some(24 << 30), multiprocessors: Some(38) };
        second.partitions = vec![
            cpx.clone(),
            cpx,
            Partition {
                profile: "1g.18gb".into(),
                uuid: Some("MIG-0".into()),
                memory_bytes: Some(18 << 30),
                multiprocessors: None,
            },
        ];
        let inventory = Inventory { gpus: vec![h200(0), second], notes: vec!["NVML: x".into()] };
        let expected = "\
GPU  model             memory     arch  units  PCI           NUMA  ECC  links  back ends
  0  NVIDIA H200       140.4 GiB  -       132  0000:19:00.0     -  -    -      none
  1  NVIDIA 10de:2335  140.4 GiB  -       132  0000:19:00.0     -  -    -      none
       2 × CPX         24.0 GiB            38
       1g.18gb         18.0 GiB             -  MIG-0
cuda: no CUDA driver (GPU 0-1)
note: NVML: x
";
        assert_eq!(of(&inventory, false, Path::new("/sys")), expected);
    }

    #[test]
    fn a_machine_with_software_devices_alone_is_one_without_a_gpu() {
        let software = Inventory { gpus: vec![Gpu::unknown(Vendor::Software)], notes: vec![] };
        let text = of(&software, false, Path::new("/sys"));
        assert!(
            text.starts_with("No GPU found.") && text.contains("Software devices") && text.contains("  0  software"),
            "{text}"
        );
        let none = of(&Inventory::default(), true, Path::new("/sys"));
        assert!(none.starts_with("No GPU found.") && !none.contains("Software devices"), "{none}");
    }

    #[test]
    fn details_leave_out_what_is_absent() {
        let inventory = Inventory { gpus: vec![h200(0)], notes: vec![] };
        let text = of(&inventory, true, Path::new("/sys"));
        let keys: Vec<&str> = text.lines().skip(1).map(|line| line[2..18].trim()).collect();
        assert_eq!(keys, ["PCI", "memory", "multiprocessors", "cuda"], "{text}");
    }

    #[test]
    fn links_to_switches_are_counted_once_and_direct_ones_for_each_gpu() {
        let link = |kind, to: &str, count, switched| Link {
            kind,
            to: to.parse().unwrap(),
            count,
            bandwidth_bytes_per_second: None,
            switched,
        };
        let nvlink = |to, count, switched| link(LinkKind::NvLink, to, count, switched);
        let others = ["0000:3b:00.0", "0000:4c:00.0", "0000:5d:00.0"];
        assert_eq!(joined(&others.map(|to| nvlink(to, 18, true))), "18 NVLink");
        assert_eq!(joined(&others.map(|to| nvlink(to, 6, false))), "18 NVLink");
        assert_eq!(joined(&others.map(|to| link(LinkKind::Xgmi, to, 1, false))), "3 xGMI");
        assert_eq!(joined(&[]), "-");
    }

    #[test]
    fn runs_of_numbers_are_ranges() {
        assert_eq!(
            (ranges(&[]).as_str(), ranges(&[3]).as_str(), ranges(&[0, 1, 2, 5, 7, 8]).as_str()),
            ("", "3", "0-2,5,7-8")
        );
    }
}
