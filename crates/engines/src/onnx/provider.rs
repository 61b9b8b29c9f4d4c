//! Who computes within ONNX Runtime, and what that needs of the machine.

use std::path::{Path, PathBuf};

use libloading::Library;
use ort::ep::{CUDA, ExecutionProviderDispatch, TensorRT};

use super::OnnxError;

/// Who computes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Provider {
    /// The CPU.
    #[default]
    Cpu,
    /// CUDA's device of this number.
    Cuda(i32),
    /// TensorRT; what it does not know falls to CUDA.
    TensorRt(TensorRt),
}

/// TensorRT's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TensorRt {
    /// CUDA's device.
    pub device: i32,
    /// Folder in which built engines and timings are kept, so that only the first start of a model on a device takes its minutes.
    pub engine_cache: Option<PathBuf>,
    /// Numbers of rows for which the engine is built; where absent, the first batch's, and again for each that is outside.
    pub batch: Option<BatchSizes>,
    /// Whether layers may be computed in f16.
    pub fp16: bool,
}

/// Least, usual and greatest number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSizes {
    /// The least.
    pub min: usize,
    /// The one that it is tuned for.
    pub opt: usize,
    /// The greatest.
    pub max: usize,
}

/// Libraries of which one must load, and whose they are.
type Needed = (&'static [&'static str], &'static str);

const CUDA_NEEDS: &[Needed] = &[
    (&["libcuda.so.1"], "the NVIDIA driver"),
    (&["libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0"], "CUDA"),
    (&["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11"], "CUDA"),
    (&["libcudnn.so.9", "libcudnn.so.8"], "cuDNN"),
];

const TENSORRT_NEEDS: &[Needed] = &[
    (&["libnvinfer.so.10", "libnvinfer.so.11", "libnvinfer.so.8"], "TensorRT"),
    (&["libnvonnxparser.so.10", "libnvonnxparser.so.11", "libnvonnxparser.so.8"], "TensorRT's ONNX parser"),
];

impl Provider {
    /// Its name, for people.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda(_) => "cuda",
            Self::TensorRt(_) => "tensorrt",
        }
    }

    /// Whether this machine has what it needs: ONNX Runtime's own parts beside its library, and NVIDIA's libraries.
    pub(super) fn check(&self, library: &Path) -> Result<(), OnnxError> {
        let (parts, needs): (&[&str], Vec<&Needed>) = match self {
            Self::Cpu => return Ok(()),
            Self::Cuda(_) => (&["shared", "cuda"], CUDA_NEEDS.iter().collect()),
            Self::TensorRt(_) => (&["shared", "cuda", "tensorrt"], CUDA_NEEDS.iter().chain(TENSORRT_NEEDS).collect()),
        };
        let folder = library.parent().filter(|folder| !folder.as_os_str().is_empty());
        // Where the system's loader chose the library, its folder is not known.
        let absent_parts = parts.iter().filter_map(|part| {
            let name = format!("libonnxruntime_providers_{part}.so");
            let folder = folder.filter(|folder| !folder.join(&name).is_file())?;
            Some(format!("{name} (ONNX Runtime with {part}) in {}", folder.display()))
        });
        let absent = needs.into_iter().filter(|(names, _)| !names.iter().any(|name| loads(name)));
        let absent = absent.map(|(names, whose)| format!("{} ({whose})", names.join(" or ")));
        let missing: Vec<String> = absent_parts.chain(absent).collect();
        if missing.is_empty() { Ok(()) } else { Err(OnnxError::Missing { provider: self.as_str(), missing }) }
    }

    /// As ONNX Runtime takes it: in order of preference, the CPU last and unnamed. `inputs` is the number of columns.
    pub(super) fn dispatch(&self, input: &str, inputs: usize) -> Vec<ExecutionProviderDispatch> {
        match self {
            Self::Cpu => Vec::new(),
            Self::Cuda(device) => vec![cuda(*device)],
            Self::TensorRt(settings) => {
                let mut provider = TensorRT::default().with_device_id(settings.device).with_fp16(settings.fp16);
                if let Some(folder) = &settings.engine_cache {
                    let folder = folder.display();
                    provider = provider
                        .with_engine_cache(true)
                        .with_engine_cache_path(folder.to_string())
                        .with_timing_cache(true)
                        .with_timing_cache_path(folder.to_string());
                }
                if let Some(BatchSizes { min, opt, max }) = settings.batch {
                    let shape = |rows: usize| format!("{input}:{rows}x{inputs}");
                    provider = provider
                        .with_profile_min_shapes(shape(min))
                        .with_profile_opt_shapes(shape(opt))
                        .with_profile_max_shapes(shape(max));
                }
                vec![provider.build().error_on_failure(), cuda(settings.device)]
            }
        }
    }
}

fn cuda(device: i32) -> ExecutionProviderDispatch {
    // Tensor cores' 10 bits of mantissa are not what a network was trained with.
    CUDA::default().with_device_id(device).with_tf32(false).build().error_on_failure()
}

fn loads(name: &str) -> bool {
    // SAFETY: a vendor's library by its own name, whose initialisers run when ONNX Runtime loads it as well; nothing of it is called.
    unsafe { Library::new(name) }.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_by_name_and_owner() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libonnxruntime.so.1.32.0");
        Provider::Cpu.check(&library).unwrap();
        let said = Provider::TensorRt(TensorRt::default()).check(&library).unwrap_err().to_string();
        // Never beside a library in an empty folder, whatever the machine has.
        for part in ["shared", "cuda", "tensorrt"] {
            assert!(said.contains(&format!("libonnxruntime_providers_{part}.so")), "{said}");
        }
        assert!(said.starts_with("tensorrt cannot be had here; missing: "), "{said}");
        if !loads("libnvinfer.so.10") {
            assert!(said.contains("libnvinfer.so.10 or"), "{said}");
        }
        let said = Provider::Cuda(0).check(&library).unwrap_err().to_string();
        assert!(said.contains("providers_cuda.so") && !said.contains("nvinfer"), "{said}");
    }

    #[test]
    fn a_library_without_a_folder_is_asked_for_no_parts() {
        let said = Provider::Cuda(0).check(Path::new("libonnxruntime.so")).map_err(|error| error.to_string());
        assert!(!said.is_err_and(|said| said.contains("providers")));
    }
}
