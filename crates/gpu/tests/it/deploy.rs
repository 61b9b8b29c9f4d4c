//! What `deploy/` says of configuration and clouds: keys exist, values are in range, the page shows the data.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use zomma_gpu::{DeviceRequest, GpuConfig};

/// `deploy/cloud/gpus.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clouds {
    looked_up: toml::value::Datetime,
    instance: Vec<Instance>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Instance {
    provider: String,
    r#type: String,
    gpu: String,
    count: u32,
    memory_gb: u32,
    interconnect: String,
    f64: String,
    source: String,
    config: toml::Table,
}

impl Instance {
    fn row(&self) -> String {
        let config = |key: &str| match &self.config[key] {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        format!(
            "| {} | `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.provider,
            self.r#type,
            self.gpu,
            self.count,
            self.memory_gb,
            self.interconnect,
            self.f64,
            config("device"),
            config("memory_fraction"),
            config("pool_size_bytes"),
            config("cpu_fallback"),
        )
    }
}

fn file(path: &str) -> String {
    let path = zomma_testkit::workspace_root().join(PathBuf::from(path));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn clouds() -> Clouds {
    toml::from_str(&file("deploy/cloud/gpus.toml")).unwrap()
}

fn known_keys() -> BTreeSet<String> {
    toml::Table::try_from(GpuConfig::default()).unwrap().keys().cloned().collect()
}

/// Bytes of a size such as `512MiB`.
fn bytes(size: &str) -> u64 {
    let unit = size.find(|c: char| !c.is_ascii_digit()).unwrap();
    let count: u64 = size[..unit].parse().unwrap();
    count
        * match &size[unit..] {
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            other => panic!("{size}: unit {other}"),
        }
}

#[test]
fn the_page_shows_each_instance_type_of_the_file_and_no_other() {
    let (clouds, page) = (clouds(), file("docs/cloud-gpus.md"));
    let shown: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && line.contains('`')).skip(1).collect();
    let rows: Vec<String> = clouds.instance.iter().map(Instance::row).collect();
    assert_eq!(shown, rows);
    assert!(page.contains(&clouds.looked_up.to_string()), "the page has the date of the file");
}

#[test]
fn each_instance_type_has_a_configuration_that_its_memory_bears() {
    let clouds = clouds();
    let mut seen = BTreeSet::new();
    for instance in &clouds.instance {
        let name = format!("{} {}", instance.provider, instance.r#type);
        assert!(seen.insert(name.clone()), "{name} twice");
        assert!(["full", "reduced"].contains(&instance.f64.as_str()), "{name}: f64 {}", instance.f64);
        assert!(!instance.source.is_empty(), "{name}: no source");
        assert!((1..=16).contains(&instance.count), "{name}: {} GPUs", instance.count);
        assert_eq!(instance.interconnect == "none", instance.count == 1, "{name}: {}", instance.interconnect);
        assert!(instance.config.keys().all(|key| known_keys().contains(key)), "{name}: {:?}", instance.config);
        let fraction = instance.config["memory_fraction"].as_float().unwrap();
        let memory_bytes = u64::from(instance.memory_gb) * 1_000_000_000;
        let pool_size_bytes = bytes(instance.config["pool_size_bytes"].as_str().unwrap());
        assert!(fraction > 0.0 && fraction <= 1.0, "{name}: memory_fraction {fraction}");
        // Room for the context of at least one process.
        assert!(memory_bytes as f64 * (1.0 - fraction) >= 1e9, "{name}: memory_fraction {fraction}");
        // A batch's largest chunk fits into a pool, and a pool is a small part of the memory.
        assert!((256 << 20..=memory_bytes / 14).contains(&pool_size_bytes), "{name}: pool of {pool_size_bytes} bytes");
        let device: DeviceRequest = instance.config["device"].as_str().unwrap().parse().unwrap();
        let falls_back = instance.config["cpu_fallback"].as_bool().unwrap();
        let names_cuda = device.to_string() == "cuda:0";
        assert!(falls_back != names_cuda, "{name}: {device} with cpu_fallback = {falls_back}");
    }
}

#[test]
fn the_config_map_sets_keys_that_exist() {
    let manifest = file("deploy/kubernetes/config.yaml");
    let (_, table) = manifest.split_once("zomma.toml: |\n").unwrap();
    let parsed: toml::Table = toml::from_str(table).unwrap();
    assert_eq!(parsed.keys().collect::<Vec<_>>(), ["gpu"]);
    let keys: BTreeSet<String> = parsed["gpu"].as_table().unwrap().keys().cloned().collect();
    assert_eq!(keys, known_keys(), "the manifest shows every key");
}
