//! The layers together: who wins, where a value comes from, what a fault says, and that a printed file reads back.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::device::DeviceKind;

/// Reads with `text` in a file that the flag names, these variables, and these flags.
fn load_with(text: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zomma.toml");
    fs::write(&path, text).unwrap();
    load(Some(&path), environment(variables), &flag_values(flags))
}

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn flag_values(flags: &[(&str, &str)]) -> Vec<FlagValue> {
    let flag_value = |(key, value): &(&str, &str)| FlagValue {
        flag: "--gpu-set".into(),
        key: (*key).into(),
        value: (*value).into(),
    };
    flags.iter().map(flag_value).collect()
}

/// An environment that no file of this machine gets into.
const NO_FILES: &[(&str, &str)] = &[("HOME", "/nowhere"), ("XDG_CONFIG_DIRS", "/nowhere")];

#[test]
fn each_layer_wins_over_the_one_below_and_is_remembered() {
    let text = "[gpu]\nmemory_fraction = 0.5\nalert_threshold = 0.7\npool_size_bytes = \"512 MB\"\n";
    let variables = [("ZOMMA_GPU_ALERT_THRESHOLD", "75%"), ("ZOMMA_GPU_POOL_SIZE_BYTES", "2GiB")];
    let settings = load_with(text, &variables, &[("pool_size_bytes", "4GiB")]).unwrap();
    let config = &settings.config;
    assert_eq!((config.memory_fraction, config.alert_threshold), (0.5, 0.75));
    assert_eq!((config.pool_size_bytes, config.cpu_fallback), (4 << 30, true));
    let from = |key: &str| settings.origin(key);
    assert!(matches!(from("memory_fraction"), Origin::File { line: 2, .. }));
    assert_eq!(from("alert_threshold").to_string(), "ZOMMA_GPU_ALERT_THRESHOLD");
    assert_eq!(from("pool_size_bytes"), &Origin::Flag { name: "--gpu-set".into() });
    assert_eq!(from("cpu_fallback"), &Origin::Default);
    assert_eq!(settings.warnings, [""; 0]);
}

#[test]
fn nothing_said_gives_the_defaults() {
    let settings = load(None, environment(NO_FILES), &[]).unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.config, GpuConfig::default());
}

#[test]
fn all_faults_are_told_at_once_with_place_key_value_and_range() {
    let text = "[gpu]\nmemory_fraction = 1.5\nmemory_fracton = 0.5\nallow_growth = \"yes\"\nalert_threshold = nan\n\
                sample_interval_seconds = inf\npool_size_bytes = -1\ndevice = \"abacus\"\n";
    let variables = [("ZOMMA_GPU_CALL_TIMEOUT_SECONDS", "0"), ("ZOMMA_GPU_DEVICE", "cuda:x")];
    let error = load_with(text, &variables, &[("memory_fraction", "0"), ("colour", "red")]).unwrap_err();
    let told = error.to_string();
    let lines: Vec<&str> = told.lines().collect();
    for (line, words) in lines.iter().zip([
        ["zomma.toml:2: memory_fraction = 1.5: allowed: a share in (0, 1]", ""],
        ["zomma.toml:3: unknown key \"memory_fracton\": did you mean memory_fraction?", ""],
        ["zomma.toml:4: allow_growth = \"yes\": allowed: true or false", ""],
        ["zomma.toml:5: alert_threshold = nan", "(0, 1]"],
        ["zomma.toml:6: sample_interval_seconds = inf", "from 0.01 to 3600"],
        ["zomma.toml:7: pool_size_bytes = -1", "from 1MiB to 1TiB"],
        ["zomma.toml:8: device = \"abacus\"", "vulkan[:n]"],
        ["ZOMMA_GPU_CALL_TIMEOUT_SECONDS: call_timeout_seconds = \"0\"", "from 0.01 to 600"],
        ["ZOMMA_GPU_DEVICE: device = \"cuda:x\"", "cuda[:n]"],
        ["--gpu-set: memory_fraction = \"0\"", "(0, 1]"],
        ["--gpu-set: unknown key \"colour\": the keys are device, memory_fraction", ""],
    ]) {
        assert!(words.iter().all(|word| line.contains(word)), "{words:?} is not in: {line}");
    }
    assert_eq!(lines.len(), 11, "{told}");
}

#[test]
fn a_bad_value_below_is_told_though_a_higher_layer_overrides_it() {
    let error = load_with("[gpu]\nmemory_fraction = 2\n", &[], &[("memory_fraction", "0.5")]).unwrap_err();
    assert_eq!(error.faults.len(), 1);
}

#[test]
fn a_variable_that_no_key_has_warns_and_other_meanings_are_left_alone() {
    let variables = [
        ("ZOMMA_GPU_MEMORY_FRACTOIN", "0.5"),
        ("ZOMMA_GPU_COLOUR", "red"),
        ("ZOMMA_DATA", "x"),
        ("ZOMMA_GPUS", "3"),
        ("ZOMMA_GPU_DEVICE", ""),
        ("zomma_gpu_device", "cpu"),
    ];
    let settings = load_with("[gpu]\n", &variables, &[]).unwrap();
    assert_eq!(settings.config, GpuConfig::default());
    let expected = [
        "ZOMMA_GPU_COLOUR: unknown variable, not used",
        "ZOMMA_GPU_MEMORY_FRACTOIN: unknown variable: did you mean ZOMMA_GPU_MEMORY_FRACTION?",
    ];
    assert_eq!(settings.warnings, expected);
}

#[test]
fn a_value_that_is_no_text_is_refused() {
    let broken = vec![("ZOMMA_GPU_DEVICE".into(), OsString::from_vec(vec![b'c', 0xff]))];
    let error = load(None, broken, &[]).unwrap_err().to_string();
    assert!(error.starts_with("ZOMMA_GPU_DEVICE: device = "), "{error}");
}

#[test]
fn a_file_that_is_no_configuration_says_what_and_where() {
    for (text, words) in [
        ("[gpu\n", ":1: "),
        ("\n\n[gpu]\nmemory_fraction = \n", ":4: "),
        ("[gpu]\ndevice = \"cpu\"\ndevice = \"cpu\"\n", ":3: duplicate key"),
        ("gpu = 5\n", ":1: gpu = \"integer\": allowed is the table [gpu]"),
        ("memory_fraction = 0.5\n", ":1: \"memory_fraction\" outside a table: [gpu] goes before it"),
        ("[gpu]\nmemory_fraction = [0.5, 0.6]\n", ":2: memory_fraction = [0.5, 0.6]: allowed"),
        ("[gpu]\nmemory_fraction = {a = 1}\n", ":2: memory_fraction = {a = 1}: allowed"),
        ("[gpu.memory_fraction]\na = 1\n", "memory_fraction"),
    ] {
        let told = load_with(text, &[], &[]).unwrap_err().to_string();
        assert!(told.contains(words), "{words:?} is not in: {told}");
    }
    let settings = load_with("[desk]\nx = 1\n", &[], &[]).unwrap();
    assert!(settings.warnings[0].contains("no table [gpu]"), "{:?}", settings.warnings);
    let dotted = load_with("gpu.pool_size_bytes = 0x200000\ngpu.memory_fraction = 1\n", &[], &[]).unwrap();
    assert_eq!((dotted.config.pool_size_bytes, dotted.config.memory_fraction), (1 << 21, 1.0));
}

#[test]
fn a_file_that_cannot_be_read_says_who_named_it() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.toml");
    let told = load(Some(&missing), [], &[]).unwrap_err().to_string();
    assert!(told.contains("missing.toml: ") && told.ends_with("(named by --gpu-config)"), "{told}");
    let told = load(None, environment(&[("ZOMMA_GPU_CONFIG", folder.path().to_str().unwrap())]), &[]).unwrap_err();
    assert!(told.to_string().ends_with("(named by ZOMMA_GPU_CONFIG)"), "{told}");
    let latin = folder.path().join("latin.toml");
    fs::write(&latin, b"[gpu]\n# caf\xe9\n").unwrap();
    let told = load(Some(&latin), [], &[]).unwrap_err().to_string();
    assert!(told.contains("not UTF-8 from byte 11 on"), "{told}");
    let told = load(Some(Path::new("/dev/zero")), [], &[]).unwrap_err().to_string();
    assert!(told.contains("longer than 1MiB"), "{told}");
}

#[test]
fn the_file_is_found_by_flag_then_variable_then_the_xdg_folders() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str, fraction: f64| -> PathBuf {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("[gpu]\nmemory_fraction = {fraction}\n")).unwrap();
        path
    };
    let flag = place("flag.toml", 0.1);
    let variable = place("variable.toml", 0.2);
    place("own/zomma/zomma.toml", 0.3);
    place("home/.config/zomma/zomma.toml", 0.4);
    place("shared/zomma/zomma.toml", 0.5);
    let in_folder = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut variables = vec![
        ("ZOMMA_GPU_CONFIG", variable.to_str().unwrap().to_owned()),
        ("XDG_CONFIG_HOME", in_folder("own")),
        ("HOME", in_folder("home")),
        ("XDG_CONFIG_DIRS", format!("relative:{}:{}", in_folder("none"), in_folder("shared"))),
    ];
    let mut expected = vec![0.2, 0.3, 0.4, 0.5];
    let environment =
        |variables: &[(&str, String)]| variables.iter().map(|(n, v)| (n.into(), v.into())).collect::<Vec<_>>();
    let settings = load(Some(&flag), environment(&variables), &[]).unwrap();
    assert_eq!((settings.config.memory_fraction, settings.file), (0.1, Some(flag)));
    while !variables.is_empty() {
        let settings = load(None, environment(&variables), &[]).unwrap();
        assert_eq!(settings.config.memory_fraction, expected.remove(0), "{variables:?}");
        variables.remove(0);
    }
}

#[test]
fn json_has_value_layer_and_origin_of_each_key() {
    let settings = load_with("[gpu]\n\ndevice = \"cpu\"\n", &[], &[]).unwrap();
    let json = serde_json::to_value(&settings).unwrap();
    assert_eq!(json["values"]["device"]["value"], "cpu");
    assert_eq!(json["values"]["device"]["layer"], "file");
    assert!(json["values"]["device"]["origin"].as_str().unwrap().ends_with("zomma.toml:3"));
    assert_eq!(json["values"]["pool_size_bytes"]["value"], 1_u64 << 30);
    assert_eq!(json["values"].as_object().unwrap().len(), KEYS.len());
}

fn any_config() -> impl Strategy<Value = GpuConfig> {
    let device = prop_oneof![
        Just(DeviceRequest::Auto),
        Just(DeviceRequest::CPU),
        (0..3_usize, 0..64_usize).prop_map(|(kind, index)| DeviceRequest::Device {
            kind: [DeviceKind::Cuda, DeviceKind::Hip, DeviceKind::Vulkan][kind],
            index
        }),
    ];
    let share = || prop_oneof![Just(1.0), Just(f64::MIN_POSITIVE), 0.0..1.0_f64].prop_filter("0", |share| *share > 0.0);
    let pool = prop_oneof![(1 << 20)..=(1_u64 << 40), (1..=1024_u64).prop_map(|mib| mib << 20)];
    (device, share(), any::<[bool; 4]>(), pool, share(), 0.01..=3600.0_f64, 0.01..=600.0_f64).prop_map(
        |(device, memory_fraction, switches, pool_size_bytes, alert_threshold, interval, timeout)| GpuConfig {
            device,
            memory_fraction,
            allow_growth: switches[0],
            cpu_fallback: switches[1],
            pool_size_bytes,
            enable_monitoring: switches[2],
            enable_alerts: switches[3],
            alert_threshold,
            sample_interval_seconds: interval,
            call_timeout_seconds: timeout,
        },
    )
}

proptest! {
    #[test]
    fn a_printed_file_and_printed_variables_read_back_to_the_same_values(config in any_config()) {
        prop_assert_eq!(config.check(), Ok(()));
        prop_assert_eq!(&load_with(&config.to_toml(), &[], &[]).unwrap().config, &config);
        let variables: Vec<(OsString, OsString)> =
            KEYS.iter().map(|key| (key.variable().into(), key.get(&config).to_string().into())).collect();
        let variables = variables.into_iter().chain(environment(NO_FILES));
        prop_assert_eq!(&load(None, variables, &[]).unwrap().config, &config);
        // serde's own reader of the struct agrees where sizes are whole numbers.
        let json = serde_json::to_string(&config).unwrap();
        prop_assert_eq!(&serde_json::from_str::<GpuConfig>(&json).unwrap(), &config);
    }

    #[test]
    fn no_file_panics(text in "(\\[gpu\\]\n)?([a-z_]{1,12} ?= ?[-0-9a-z\".\\[\\]{}]{0,12}\n){0,4}.{0,20}") {
        let _ = load_with(&text, &[], &[]);
    }

    #[test]
    fn what_is_outside_its_range_is_refused_by_every_layer(share in prop_oneof![-1e9..=0.0_f64, 1.0000001..1e9_f64]) {
        let told = load_with(&format!("[gpu]\nmemory_fraction = {share:?}\n"), &[], &[]).unwrap_err().to_string();
        prop_assert!(told.contains("(0, 1]"), "{}", told);
        prop_assert!(load_with("", &[("ZOMMA_GPU_MEMORY_FRACTION", &share.to_string())], &[]).is_err());
        prop_assert!(load_with("", &[], &[("memory_fraction", &share.to_string())]).is_err());
        let config = GpuConfig { memory_fraction: share, ..GpuConfig::default() };
        prop_assert!(config.check().is_err());
    }
}
