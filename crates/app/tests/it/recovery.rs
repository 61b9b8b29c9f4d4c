//! `zomma price|iv|greeks` on a device that fails: every row in its place, with the same digits, and a word about it.
//!
//! The failures are rehearsed with `ZOMMA_FAULT` on a software Vulkan device.

use crate::program::{Run, run_env, table};

const HEADER: &str = "id,option_type,spot,forward,strike,expiry_years,risk_free_rate,dividend_yield,volatility,price\n";

/// Rows enough for several chunks; every seventh is faulty, every fifth on a forward.
fn rows(count: usize) -> String {
    let row = |i: usize| {
        let strike = if i % 7 == 3 { -1 } else { 60 + (i % 80) as i64 };
        let (spot, forward) = if i.is_multiple_of(5) { ("", "100") } else { ("100", "") };
        let side = if i.is_multiple_of(2) { "call" } else { "put" };
        format!(
            "{i},{side},{spot},{forward},{strike},{},0.03,0.01,0.{},{}\n",
            0.05 + (i % 9) as f64 * 0.2,
            11 + i % 50,
            45 + i % 9
        )
    };
    let body: String = (0..count).map(row).collect();
    format!("{HEADER}{body}")
}

/// Whether there is a Vulkan device to fail.
fn has_device() -> bool {
    let found = "vulkan".parse().is_ok_and(|request| zomma_gpu::choose(&request).is_ok_and(|device| device.has_f64()));
    if !found {
        zomma_testkit::skip("no device");
    }
    found
}

fn on_vulkan(verb: &str, input: &str, environment: &[(&str, &str)]) -> Run {
    run_env(&[verb, "-", "--device", "vulkan", "--threads", "3"], input.as_bytes(), environment)
}

/// What a verb says of its devices.
fn notes(run: &Run) -> Vec<&str> {
    run.err.lines().filter(|line| line.contains("done again")).collect()
}

#[test]
fn a_failure_at_each_step_in_turn_changes_no_byte() {
    if !has_device() {
        return;
    }
    let input = rows(600);
    for verb in ["price", "iv", "greeks"] {
        let without = on_vulkan(verb, &input, &[]).ok();
        assert_eq!(notes(&without), Vec::<&str>::new());
        assert_eq!(table(&without.out).len(), 600);
        for kind in ["oom", "refused", "panic"] {
            for step in 1.. {
                let with = on_vulkan(verb, &input, &[("ZOMMA_FAULT", &format!("{kind}@{step}"))]).ok();
                assert!(with.out == without.out, "{verb}, {kind}@{step}");
                assert!(!with.err.contains("panicked"), "{}", with.err);
                if notes(&with).is_empty() {
                    assert!(step > 6, "{verb}, {kind}@{step} never struck");
                    break;
                }
                assert_eq!(notes(&with).len(), 1, "{}", with.err);
            }
        }
    }
}

#[test]
fn a_device_with_little_memory_does_a_long_table_in_smaller_pieces() {
    if !has_device() {
        return;
    }
    let input = rows(40_000);
    let without = on_vulkan("greeks", &input, &[]).ok();
    let with = on_vulkan("greeks", &input, &[("ZOMMA_FAULT", "oom>200000")]).ok();
    assert!(with.out == without.out);
    let said = notes(&with);
    assert!(
        said.len() == 1 && said[0].starts_with("zomma greeks: device memory ran out: batches halved to "),
        "{said:?}"
    );
}

#[test]
fn a_device_lost_in_mid_run_hands_its_rows_to_the_cpu_and_says_so_once() {
    if !has_device() {
        return;
    }
    let input = rows(40_000);
    let cpu = table(&run_env(&["price", "-", "--device", "cpu"], input.as_bytes(), &[]).ok().out);
    let lost = on_vulkan("price", &input, &[("ZOMMA_FAULT", "lost@8")]).ok();
    let said = notes(&lost);
    assert_eq!(said.len(), 1, "{}", lost.err);
    assert!(
        said[0].starts_with("zomma price: vulkan:0 (") && said[0].ends_with(": its rows were done again on the CPU")
    );
    let lost = table(&lost.out);
    assert_eq!(lost.len(), cpu.len(), "no row lost, none doubled");
    for (lost, cpu) in lost.iter().zip(&cpu) {
        assert_eq!((&lost["id"], &lost["status"]), (&cpu["id"], &cpu["status"]));
        if lost["status"] == "ok" {
            let (lost, cpu): (f64, f64) = (lost["price"].parse().unwrap(), cpu["price"].parse().unwrap());
            assert!((lost - cpu).abs() <= 1e-12 * (1.0 + cpu.abs()), "{lost} {cpu}");
        }
    }
}

#[test]
fn the_counts_for_machines_have_the_notes() {
    if !has_device() {
        return;
    }
    let run =
        run_env(&["price", "-", "--device", "vulkan", "--json"], rows(100).as_bytes(), &[("ZOMMA_FAULT", "lost@1")]);
    let run = run.ok();
    let line = run.err.lines().find(|line| line.starts_with('{')).unwrap();
    let counts: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(counts["device"], "cpu");
    assert!(counts["device_notes"][0].as_str().unwrap().contains("lost"), "{line}");
}

#[test]
fn without_fallback_a_lost_device_ends_the_run() {
    if !has_device() {
        return;
    }
    let environment = [("ZOMMA_FAULT", "lost@2"), ("ZOMMA_GPU_CPU_FALLBACK", "false")];
    let run = on_vulkan("price", &rows(100), &environment);
    run.refused(1, &["vulkan:0", "device lost", "no other device is left, and cpu_fallback is off"]);
}

#[test]
fn a_wrong_rehearsal_is_refused() {
    let run = run_env(&["price", "-"], rows(1).as_bytes(), &[("ZOMMA_FAULT", "fire@1")]);
    run.refused(2, &["ZOMMA_FAULT: fault \"fire@1\": allowed are oom, refused, panic or lost"]);
}

#[test]
fn a_rehearsal_on_the_cpu_says_that_it_is_none() {
    let on_cpu =
        |fault| run_env(&["price", "-", "--device", "cpu"], rows(1).as_bytes(), &[("ZOMMA_FAULT", fault)]).ok();
    let (with, without) = (on_cpu("lost@1"), on_cpu(""));
    assert_eq!(with.out, without.out);
    assert!(with.err.contains("ZOMMA_FAULT: nothing is rehearsed: the CPU computes"), "{}", with.err);
    assert!(!without.err.contains("ZOMMA_FAULT"), "{}", without.err);
}

#[test]
fn without_fallback_and_without_a_gpu_nothing_is_computed_on_the_cpu_in_silence() {
    if "auto".parse().is_ok_and(|request| zomma_gpu::choose(&request).is_ok_and(|device| !device.is_software())) {
        return zomma_testkit::skip("a GPU, which computes");
    }
    let run = run_env(&["price", "-"], rows(1).as_bytes(), &[("ZOMMA_GPU_CPU_FALLBACK", "false")]);
    run.refused(1, &["--device auto: no GPU to compute on", "cpu_fallback is off"]);
    run_env(&["price", "-", "--device", "cpu"], rows(1).as_bytes(), &[("ZOMMA_GPU_CPU_FALLBACK", "false")]).ok();
}
