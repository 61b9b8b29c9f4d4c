//! Which GPUs a command sees, and what a device request names or fails to name.

use super::*;
use crate::limits::plan::tests::{gpu, nvidia};

fn machine(gpus: Vec<GpuFacts>, inherited: &[(&'static str, &str)]) -> Facts {
    let inherited = inherited.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Facts { gpus, inherited, ..Facts::default() }
}

/// GPUs of a machine whose CUDA driver was not asked, or did not answer.
fn unasked(count: usize) -> Vec<GpuFacts> {
    (0..count).map(|index| GpuFacts { requests: Vec::new(), ..nvidia(index) }).collect()
}

fn seen(facts: &Facts, vendor: Vendor) -> Vec<(usize, String)> {
    visible(facts, vendor).into_iter().map(|one| (one.gpu.index, one.token)).collect()
}

fn are(expected: &[(usize, &str)]) -> Vec<(usize, String)> {
    expected.iter().map(|(gpu, token)| (*gpu, (*token).to_owned())).collect()
}

fn name(facts: &Facts, device: &str) -> Result<(usize, String), String> {
    let found = named(facts, &device.parse().unwrap()).map_err(|error| error.to_string())?.unwrap();
    Ok((found.gpu.index, found.token))
}

#[test]
fn the_variable_decides_what_is_seen_and_in_which_order() {
    let facts = |value| machine(unasked(4), &[(CUDA_VISIBLE, value)]);
    let nvidia =
        |value| -> Vec<usize> { visible(&facts(value), Vendor::Nvidia).iter().map(|one| one.gpu.index).collect() };
    assert_eq!(nvidia("3, 1"), [3, 1]);
    assert_eq!(nvidia("GPU-2,0"), [2, 0]);
    assert_eq!(nvidia("1,9,2"), [1], "what names nothing ends the list");
    assert_eq!(nvidia(""), [0; 0]);
    assert_eq!(nvidia("-1"), [0; 0]);
    assert_eq!(seen(&machine(unasked(2), &[]), Vendor::Nvidia), are(&[(0, "GPU-0"), (1, "GPU-1")]));
    assert_eq!(seen(&facts("3,GPU-1"), Vendor::Nvidia), are(&[(3, "3"), (1, "GPU-1")]));
}

#[test]
fn a_driver_that_answered_is_believed() {
    let mut gpus = vec![nvidia(0), nvidia(1)];
    gpus[0].requests = vec!["cuda:1".into()];
    gpus[1].requests = vec!["cuda:0".into()];
    assert_eq!(seen(&machine(gpus.clone(), &[]), Vendor::Nvidia), are(&[(1, "GPU-1"), (0, "GPU-0")]));
    assert_eq!(name(&machine(gpus, &[(CUDA_VISIBLE, "5,7")]), "cuda:1"), Ok((0, "7".into())));
}

#[test]
fn a_slice_is_what_the_command_sees_of_its_gpu() {
    let mut gpus = unasked(2);
    let slice = |uuid: &str, profile: &str, gib: u64| Partition {
        profile: profile.into(),
        uuid: Some(uuid.into()),
        memory_bytes: Some(gib << 30),
        multiprocessors: None,
    };
    gpus[1].partitions = vec![slice("MIG-a", "1g.18gb", 18), slice("MIG-b", "3g.71gb", 71)];
    let facts = machine(gpus.clone(), &[(CUDA_VISIBLE, "MIG-a")]);
    let seen = visible(&facts, Vendor::Nvidia);
    assert_eq!((seen.len(), seen[0].gpu.index, seen[0].memory_bytes()), (1, 1, Some(18 << 30)));
    let facts = machine(gpus, &[]);
    assert_eq!(visible(&facts, Vendor::Nvidia)[1].memory_bytes(), Some(71 << 30), "the largest that it may get");
}

#[test]
fn amd_s_inner_variable_counts_what_the_outer_one_left() {
    let amd = |index| gpu(index, Vendor::Amd, &format!("0000:{:02x}:00.0", 3 + index), &[]);
    let gpus: Vec<GpuFacts> = (0..4).map(amd).collect();
    let facts = machine(gpus.clone(), &[(ROCR_VISIBLE, "2,3")]);
    assert_eq!(seen(&facts, Vendor::Amd), are(&[(2, "0"), (3, "1")]));
    let facts = machine(gpus, &[(ROCR_VISIBLE, "2,3"), (HIP_VISIBLE, "1")]);
    assert_eq!(seen(&facts, Vendor::Amd), are(&[(3, "1")]));
    assert_eq!(by_rocm(&facts).iter().map(|one| one.gpu.index).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn without_the_cuda_driver_numbers_go_by_address_as_nvml_s_do() {
    let mut gpus = unasked(3);
    gpus[0].driver = Some("vfio-pci".into());
    gpus[1].driver = Some("nvidia".into());
    let facts = machine(gpus, &[]);
    assert_eq!(name(&facts, "cuda:1"), Ok((2, "GPU-2".into())));
    let hidden = machine(unasked(2), &[(CUDA_VISIBLE, "1")]);
    assert_eq!(name(&hidden, "cuda:0"), Ok((1, "1".into())));
}

#[test]
fn what_names_no_gpu_is_told_with_what_there_is() {
    let facts = machine(vec![nvidia(0), nvidia(1)], &[]);
    let there = "no such GPU: found are cuda:0 (Nvidia 0), cuda:1 (Nvidia 1), vulkan:0 (Nvidia 0), vulkan:1 (Nvidia 1)";
    assert_eq!(name(&facts, "cuda:9").unwrap_err(), there);
    assert_eq!(name(&facts, "hip:0").unwrap_err(), there);
    assert!(name(&facts, "cpu").unwrap_err().contains("needs a GPU"));
    let hidden = machine(unasked(2), &[(CUDA_VISIBLE, "1")]);
    let words = name(&hidden, "cuda:1").unwrap_err();
    assert_eq!(words, "no such GPU: found are cuda:0 (Nvidia 1); CUDA_VISIBLE_DEVICES=1 hides the others");
    let all_hidden = name(&machine(unasked(1), &[(CUDA_VISIBLE, "")]), "cuda:0").unwrap_err();
    assert_eq!(
        all_hidden,
        "no such GPU: nothing here can name any of Nvidia 0; CUDA_VISIBLE_DEVICES= hides the others"
    );
    let mut none = machine(Vec::new(), &[]);
    none.nvml_obstacle = Some("NVML: libnvidia-ml.so.1 not found".into());
    none.software = vec![("vulkan:0".into(), "llvmpipe".into())];
    let words = name(&none, "cuda:0").unwrap_err();
    assert_eq!(words, "no such GPU: this machine has none (NVML: libnvidia-ml.so.1 not found)");
    assert!(name(&none, "vulkan:0").unwrap_err().starts_with("llvmpipe is a software device"));
    assert_eq!(named(&none, &DeviceRequest::Auto), Ok(None));
}
