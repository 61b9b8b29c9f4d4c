//! Copies to a device: one copy on the host, into page-locked memory where the runtime has some.
//!
//! CubeCL 0.10's own way (`ComputeClient::create…`) copies the values twice into memory of the program, and the CUDA driver once more into its
//! page-locked memory, for which the call waits. What the client does there is done here with the same public parts, but with the
//! bytes that the runtime gives for staging: `cuMemcpyHtoDAsync` then reads them directly, while the caller goes on. The runtime keeps them
//! until the copy is done.

use cubecl::bytes::Bytes;
use cubecl::client::ComputeClient;
use cubecl::device::Device as _;
use cubecl::device_handle::DeviceHandle;
use cubecl::prelude::Runtime;
use cubecl::server::{
    ComputeServer, CopyDescriptor, Handle, MemoryLayoutDescriptor, MemoryLayoutPolicy, MemoryLayoutStrategy,
    ServerUtilities,
};
use cubecl::stream_id::StreamId;

/// From how many bytes on page-locked memory is asked for. The CUDA driver takes copies of up to 64 KiB at once and lets the call go on
/// ("API synchronization behavior", CUDA Driver API), so smaller ones gain nothing from a word with the device's thread.
const STAGED_BYTES_MIN: usize = (64 << 10) + 1;

/// The way to a device's server beside its client.
pub(crate) struct Uploads<R: Runtime> {
    server: DeviceHandle<R::Server>,
    /// Whether the runtime has page-locked memory to ask for: being refused would take a word with the device's thread each time.
    stages: bool,
}

impl<R: Runtime> Uploads<R> {
    /// Of a device whose client has been made, by a runtime that has page-locked memory or not.
    pub(crate) fn of(device: &R::Device, stages: bool) -> Self {
        Self { server: DeviceHandle::new(device.to_id()), stages }
    }

    /// A new buffer of the device with these bytes, for the lane that is current. Errors of the copy come with the lane's next answer.
    pub(crate) fn upload(&self, client: &ComputeClient<R>, bytes: &[u8]) -> Handle {
        let staged = if self.stages && bytes.len() >= STAGED_BYTES_MIN { self.staged(bytes) } else { None };
        // Utilities are what the server's own client was made of; without them its way is taken.
        let Ok(utilities) = self.server.utilities().downcast::<ServerUtilities<R::Server>>() else {
            return client.create_from_slice(bytes);
        };
        let staged = staged.unwrap_or_else(|| Bytes::from_bytes_vec(bytes.to_vec()));
        let lane = StreamId::current();
        let whole = MemoryLayoutDescriptor::new(MemoryLayoutStrategy::Contiguous, [bytes.len()].into(), 1);
        let (base, layouts) = utilities.layout_policy.apply(lane, std::slice::from_ref(&whole));
        let Some(layout) = layouts.into_iter().next() else { return client.create_from_slice(bytes) };
        let (memory, size) = (base.memory.clone(), base.size());
        let copy = CopyDescriptor::new(layout.memory.clone().binding(), whole.shape, layout.strides, whole.elem_size);
        self.server.submit(move |server| {
            server.initialize_memory(memory, size, lane);
            server.write(vec![(copy, staged)], lane);
        });
        layout.memory
    }

    /// The bytes in memory that the runtime keeps for copies to the device; none where it has none.
    fn staged(&self, bytes: &[u8]) -> Option<Bytes> {
        let (lane, sizes) = (StreamId::current(), [bytes.len()]);
        let given = self.server.submit_blocking(move |server| server.staging(&sizes, lane)).ok()?.ok()?;
        let mut staged = given.into_iter().next().filter(|staged| staged.len() == bytes.len())?;
        staged.copy_from_slice(bytes);
        Some(staged)
    }
}

#[cfg(test)]
mod tests {
    use cubecl::bytes::AllocationProperty;
    use cubecl::prelude::Runtime;

    use super::STAGED_BYTES_MIN;
    use crate::{Compute, DeviceKind, GpuError, Job, Session, list};

    fn devices() -> Vec<Compute> {
        let found = [DeviceKind::Cuda, DeviceKind::Vulkan].map(|kind| list(kind).unwrap_or_default());
        let opened = found.iter().flatten().filter(|device| device.has_f64());
        let opened: Vec<_> = opened.filter_map(|device| device.open().unwrap()).collect();
        if opened.is_empty() {
            zomma_testkit::skip("no device");
        }
        opened
    }

    /// Up and down again, several buffers before the first is asked for.
    struct ThereAndBack<'a>(&'a [Vec<u8>]);

    impl Job for ThereAndBack<'_> {
        type Output = Vec<Vec<u8>>;

        fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Vec<Vec<u8>>, GpuError> {
            let there: Result<Vec<_>, _> = self.0.iter().map(|bytes| session.upload(bytes)).collect();
            there?.into_iter().map(|buffer| session.download(buffer)).collect()
        }
    }

    #[test]
    fn what_goes_up_is_what_comes_down() {
        let lengths = [4, 1000, STAGED_BYTES_MIN - 1, STAGED_BYTES_MIN, STAGED_BYTES_MIN + 3, 3 << 20, 5 << 20];
        let made = |length: usize| (0..length).map(|place| (place * 31 + length) as u8).collect();
        let sent: Vec<Vec<u8>> = lengths.iter().map(|&length| made(length)).collect();
        for device in devices() {
            for _ in 0..3 {
                let back = device.run(ThereAndBack(&sent)).unwrap();
                assert!(back == sent, "{:?}", device.device());
            }
        }
    }

    struct IsPinned(usize);

    impl Job for IsPinned {
        type Output = Option<bool>;

        fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Option<bool>, GpuError> {
            let staged = session.uploads.staged(&vec![7; self.0]);
            Ok(staged.map(|staged| staged.len() == self.0 && matches!(staged.property(), AllocationProperty::Pinned)))
        }
    }

    #[test]
    fn on_cuda_large_uploads_are_staged_in_page_locked_memory() {
        let mut seen = 0;
        for device in devices().iter().filter(|device| device.device().kind() == DeviceKind::Cuda) {
            assert_eq!(device.run(IsPinned(8 << 20)).unwrap(), Some(true));
            seen += 1;
        }
        if seen == 0 {
            zomma_testkit::skip("no CUDA device: nothing has page-locked memory");
        }
    }
}
