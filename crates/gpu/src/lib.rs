//! Finds devices, lends memory, streams and kernels within budgets, and is a plain CPU where there is no device.
//!
//! A caller parses a [`DeviceRequest`] (what `--device` says), asks [`choose`] for a [`Device`], and opens it: a CPU opens to
//! nothing (the caller then runs its CPU path), any other device opens to a [`Compute`], on which [`Job`]s run. Nothing here
//! panics on a missing driver, and what CubeCL panics on (out of memory, a lost device) becomes a [`GpuError`].
//!
//! ```
//! use zomma_gpu::{DeviceKind, DeviceRequest, choose};
//!
//! let request: DeviceRequest = "cpu".parse()?;
//! let device = choose(&request)?;
//! assert_eq!(device.kind(), DeviceKind::Cpu);
//! assert!(device.open()?.is_none(), "the CPU path needs no handle");
//! # Ok::<(), zomma_gpu::GpuError>(())
//! ```

pub mod broker;
pub mod config;
pub mod cuda_source;
pub mod group;
pub mod health;
pub mod inventory;
pub mod limits;
pub mod nvml;
pub mod probe;
pub mod recovery;
pub mod telemetry;

mod compute;
mod cuda;
mod device;
mod error;
mod failure;
mod fault;
mod lanes;
mod pools;
mod request;
mod session;
mod stuck;
mod upload;
mod vulkan;

pub use compute::{Compute, Job, MemoryUse};
pub use config::GpuConfig;
pub use device::{Device, DeviceKind, candidates, choose, list};
pub use error::GpuError;
pub use failure::log_panics;
pub use fault::{BadFaultPlan, FaultAt, FaultKind, FaultPlan};
pub use request::DeviceRequest;
pub use session::Session;
pub use stuck::is_driver_stuck;
