//! `zomma gpu bench`: what it measures, and what it refuses.

use crate::program::run;

#[test]
fn memory_is_measured_for_machines_and_for_people() {
    let json = run(&["gpu", "bench", "memory", "--device", "cpu", "--json"]).ok();
    let report: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    for figure in ["grant_release_ns", "two_threads_leases_per_second"] {
        assert!(report["lending"][figure].as_f64().unwrap() > 0.0, "{figure}: {}", json.out);
    }
    assert!(report["device"].is_null(), "the CPU path needs no copies");
    let table = run(&["gpu", "bench", "memory", "--device", "cpu"]).ok();
    for words in ["lease granted and given back", "two threads", "No device"] {
        assert!(table.out.contains(words), "{words}: {}", table.out);
    }
}

#[test]
fn a_device_is_copied_to_and_from() {
    if !"vulkan".parse().is_ok_and(|request| zomma_gpu::choose(&request).is_ok_and(|device| device.has_f64())) {
        return zomma_testkit::skip("no device");
    }
    let json = run(&["gpu", "bench", "memory", "--device", "vulkan", "--mebibytes", "1", "--json"]).ok();
    let report: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(report["device"]["bytes"], 1 << 20);
    for figure in ["upload", "download", "fill"] {
        assert!(report["device"][format!("{figure}_bytes_per_second")].as_f64().unwrap() > 0.0, "{}", json.out);
    }
    let pages_of = |size: &str| {
        let set = format!("pool_size_bytes={size}");
        let json =
            run(&["gpu", "bench", "memory", "--device", "vulkan", "--mebibytes", "12", "--json", "--gpu-set", &set]);
        let report: serde_json::Value = serde_json::from_str(&json.ok().out).unwrap();
        report["device"]["memory"]["reserved_bytes"].as_u64().unwrap()
    };
    let (small, large) = (pages_of("1MiB"), pages_of("64MiB"));
    // Buffers of 12 MiB share a page of 64 MiB where pages may be so large; else each has one to itself.
    assert!(small < 64 << 20 && large >= 64 << 20, "pages are of the size asked for: {small} {large}");
}

#[test]
fn alone_it_shows_its_help_and_a_wrong_size_names_the_range() {
    run(&["gpu", "bench"]).refused(2, &["memory", "Example:"]);
    run(&["gpu", "bench", "memory", "--mebibytes", "0"]).refused(2, &["--mebibytes", "1..=1024"]);
    run(&["gpu", "bench", "memory", "--device", "hip"]).refused(2, &["--device hip"]);
}
