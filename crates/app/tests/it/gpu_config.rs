//! The GPU configuration through the binary: who wins, what a fault says, that what is printed reads back.

use std::{fs, process::Output};

use crate::program::{arg, run, zomma};

/// Runs the binary with these variables and no configuration file of this machine.
fn run_in(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = zomma();
    command.env("HOME", "/nowhere").env("XDG_CONFIG_DIRS", "/nowhere").env_remove("XDG_CONFIG_HOME");
    command.envs(variables.iter().copied()).args(arguments).output().unwrap()
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn flag_over_variable_over_file_over_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zomma.toml");
    fs::write(&file, "[gpu]\ndevice = \"hip:3\"\nmemory_fraction = 0.5\nalert_threshold = 0.6\n").unwrap();
    let variables =
        [("ZOMMA_GPU_DEVICE", "hip:4"), ("ZOMMA_GPU_MEMORY_FRACTION", "0.7"), ("ZOMMA_GPU_CONFIG", arg(&file))];
    let output = run_in(&variables, &["gpu", "config", "--json", "--device", "cpu"]);
    assert!(output.status.success(), "{}", words(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let value = |key: &str| (json["values"][key]["value"].clone(), json["values"][key]["layer"].clone());
    assert_eq!(value("device"), ("cpu".into(), "flag".into()));
    assert_eq!(value("memory_fraction"), (0.7.into(), "variable".into()));
    assert_eq!(value("alert_threshold"), (0.6.into(), "file".into()));
    assert_eq!(value("cpu_fallback"), (true.into(), "default".into()));
}

#[test]
fn the_device_of_a_batch_comes_from_the_same_layers() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("rows.csv");
    fs::write(&table, "option_type,spot,strike,expiry_years,risk_free_rate,volatility\ncall,100,105,0.25,0.03,0.2\n")
        .unwrap();
    let refused = run_in(&[("ZOMMA_GPU_DEVICE", "hip:7")], &["price", arg(&table)]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(words(&refused.stderr).contains("ZOMMA_GPU_DEVICE=hip:7: "), "{}", words(&refused.stderr));
    let flag_wins = run_in(&[("ZOMMA_GPU_DEVICE", "hip:7")], &["price", arg(&table), "--device", "cpu"]);
    assert!(flag_wins.status.success(), "{}", words(&flag_wins.stderr));
    let odd = run_in(&[("ZOMMA_GPU_DEVISE", "cpu")], &["price", arg(&table)]);
    assert!(odd.status.success());
    assert!(words(&odd.stderr).contains("did you mean ZOMMA_GPU_DEVICE?"), "{}", words(&odd.stderr));
}

#[test]
fn a_printed_file_reads_back_to_the_same_values() {
    let folder = tempfile::tempdir().unwrap();
    let set =
        ["--gpu-set", "memory_fraction=0.1", "--gpu-set", "pool_size_bytes=2000001B", "--gpu-set", "cpu_fallback=off"];
    let first = run(&[&["gpu", "config", "--toml"][..], &set].concat()).ok();
    let file = folder.path().join("zomma.toml");
    fs::write(&file, "[gpu]\npool_size_bytes = 1\n").unwrap();
    run(&["gpu", "config", "--gpu-config", arg(&file)])
        .refused(2, &["zomma.toml:2", "pool_size_bytes = 1", "from 1MiB"]);
    fs::write(&file, &first.out).unwrap();
    assert_eq!(run(&["gpu", "config", "--toml", "--gpu-config", arg(&file)]).ok().out, first.out);
}

#[test]
fn every_fault_has_its_line_below_the_program_s_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    fs::write(&file, "[gpu]\nmemory_fraction = 1.5\npool = 1\n").unwrap();
    let refused = run(&["gpu", "config", "--gpu-config", arg(&file)]).refused(2, &["memory_fraction", "pool"]);
    let lines: Vec<&str> = refused.err.lines().collect();
    assert_eq!(lines.len(), 2, "{}", refused.err);
    assert!(lines[0].starts_with("zomma: /") && lines[1].starts_with("  /"), "{}", refused.err);
}

#[test]
fn help_is_not_broken_by_its_width() {
    let help = run(&["gpu", "config", "--help"]).ok().out;
    let line = "  pool_size_bytes          512MiB  ZOMMA_GPU_POOL_SIZE_BYTES  a size from 1MiB to 1TiB, …";
    assert!(help.lines().any(|found| found == line), "{help}");
    assert!(help.lines().any(|found| found.ends_with("table [gpu] (--gpu-config, else")), "{help}");
}

#[test]
fn rubbish_is_refused_with_exit_code_2() {
    run(&["gpu", "config", "--gpu-set", "memory_fraction"]).refused(2, &["KEY=VALUE", "memory_fraction"]);
    run(&["gpu", "config", "--gpu-set", "memory=1"]).refused(2, &["--gpu-set", "unknown key \"memory\""]);
    run(&["gpu", "config", "--gpu-set", "memory_fraction=NaN"]).refused(2, &["--gpu-set", "memory_fraction", "(0, 1]"]);
    run(&["gpu", "config", "--gpu-config", "no/such.toml"]).refused(2, &["no/such.toml", "--gpu-config"]);
    run(&["gpu", "config", "--device", "abacus"]).refused(2, &["abacus", "vulkan"]);
}
