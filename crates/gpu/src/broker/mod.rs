//! Lends a device's memory: admission, a queue by priority, accounts a tenant, never more than there is.
//!
//! A [`Broker`] stands before one device. A tenant asks for bytes and gets a [`Lease`], which gives them back when it is dropped; what
//! does not fit waits. Three limits hold at every moment: the leases together never exceed the lendable share of the device, nor, when one
//! is granted, what the device can still give this process (as last read, see [`FreeMemory`]), nor a tenant's leases its quota.
//!
//! Order of the queue: priority, then first come. Nobody is served before whoever stands ahead, so a large request cannot be starved by
//! small ones that would still fit; and whoever has been overtaken [`BrokerConfig::overtakes_max`] times by later, more urgent requests
//! goes first whatever its priority, so no stream of urgent requests starves the rest. A tenant at its quota holds up nobody else.
//!
//! ```
//! use zomma_gpu::broker::{Broker, BrokerConfig, Priority, Unknown};
//!
//! let broker = Broker::new(1 << 30, Unknown, BrokerConfig::default())?;
//! let pricing = broker.tenant("pricing", None);
//! let lease = broker.request(pricing, 64 << 20, Priority::Normal).wait()?;
//! assert_eq!(broker.stats().lent_bytes, 64 << 20);
//! drop(lease);
//! assert_eq!(broker.stats().lent_bytes, 0);
//! # Ok::<(), zomma_gpu::broker::LeaseError>(())
//! ```

mod free;
mod lease;
mod ledger;
mod measure;
mod stats;
#[cfg(test)]
mod tests;

pub use free::{FreeMemory, HostMemory, MemoryReading, NvmlMemory, SysfsVram, Unknown};
pub use lease::{Lease, Request, Ticket};
pub use ledger::{Priority, TenantId};
pub use measure::{DeviceMemoryBench, LendingBench, Percentiles};
pub use stats::{BrokerStats, TenantStats};

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ledger::Ledger;

/// How a broker lends.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerConfig {
    /// Share of the device's memory that may be lent, in (0, 1].
    pub memory_fraction: f64,
    /// How old a reading of the device's free memory may be before it is read again.
    pub reading_age_max: Duration,
    /// How many later requests of higher priority may go before a waiting one.
    pub overtakes_max: u32,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self { memory_fraction: 0.8, reading_age_max: Duration::from_millis(100), overtakes_max: 16 }
    }
}

/// Why there is no lease.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// The configuration is out of range.
    #[error("memory_fraction = {value}: allowed is above 0 and at most 1")]
    BadFraction {
        /// What was given, as text.
        value: String,
    },
    /// More than will ever be lent, or than the tenant may ever have.
    #[error("{requested} bytes asked for, at most {max} can be lent{}", if *.quota { " to this tenant" } else { "" })]
    TooLarge {
        /// Bytes asked for.
        requested: u64,
        /// The most that one lease can have.
        max: u64,
        /// Whether the tenant's quota is what binds.
        quota: bool,
    },
    /// It does not fit now, or others wait before it; whoever does not want to wait gets this.
    #[error("{requested} bytes asked for, {free} free to lend now{}", waiting_words(*.waiting))]
    WouldWait {
        /// Bytes asked for.
        requested: u64,
        /// Bytes that could be lent at this moment.
        free: u64,
        /// Requests that wait.
        waiting: usize,
    },
    /// The deadline passed before the request's turn came.
    #[error("{requested} bytes asked for, none free before the deadline ({} ms of waiting)", waited.as_millis())]
    DeadlinePassed {
        /// Bytes asked for.
        requested: u64,
        /// How long the request waited.
        waited: Duration,
    },
    /// The tenant belongs to another broker.
    #[error("no such tenant at this broker")]
    NoSuchTenant,
}

fn waiting_words(waiting: usize) -> String {
    match waiting {
        0 => String::new(),
        1 => ", and 1 request waits".into(),
        more => format!(", and {more} requests wait"),
    }
}

/// Lends the memory of one device. Clones share it.
#[derive(Clone)]
pub struct Broker {
    shared: Arc<Shared>,
}

/// What leases, tickets and clones of a broker share.
struct Shared {
    ledger: Mutex<Ledger>,
    source: Box<dyn FreeMemory>,
    reading_age_max: Duration,
    /// Whether a thread is reading the device's free memory at this moment: others go by the reading before.
    reading: AtomicBool,
}

impl Broker {
    /// A broker for a device of `capacity_bytes`; `source` says what of them the device can still give.
    ///
    /// # Errors
    ///
    /// [`LeaseError::BadFraction`].
    pub fn new(
        capacity_bytes: u64,
        source: impl FreeMemory + 'static,
        config: BrokerConfig,
    ) -> Result<Self, LeaseError> {
        let fraction = config.memory_fraction;
        if !(fraction > 0.0 && fraction <= 1.0) {
            return Err(LeaseError::BadFraction { value: fraction.to_string() });
        }
        // A device whose size nobody knows is lent without a bound of its own.
        let lendable = if capacity_bytes == u64::MAX { u64::MAX } else { (capacity_bytes as f64 * fraction) as u64 };
        let mut ledger = Ledger::new(capacity_bytes, lendable, config.overtakes_max);
        ledger.record(source.read(), Instant::now());
        let shared = Shared {
            ledger: Mutex::new(ledger),
            source: Box::new(source),
            reading_age_max: config.reading_age_max,
            reading: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The account of a name, opened when it is first asked for. `quota_bytes` bounds all its leases together; the last one given holds.
    pub fn tenant(&self, name: &str, quota_bytes: Option<u64>) -> TenantId {
        self.shared.lock().tenant(name, quota_bytes)
    }

    /// A request that may wait; nothing happens until it is told how.
    pub fn request(&self, tenant: TenantId, bytes: u64, priority: Priority) -> Request<'_> {
        Request::new(self, tenant, bytes, priority)
    }

    /// A lease at once or not at all.
    ///
    /// # Errors
    ///
    /// [`LeaseError::WouldWait`] where it does not fit now or others wait, [`LeaseError::TooLarge`] where it never will.
    pub fn try_lease(&self, tenant: TenantId, bytes: u64) -> Result<Lease, LeaseError> {
        let mut ledger = self.fresh_ledger();
        if !ledger.fits_device(bytes) {
            // The reading may be old: nobody is refused by what was.
            drop(ledger);
            self.shared.read_again();
            ledger = self.shared.lock();
        }
        ledger.lend_at_once(tenant, bytes)?;
        Ok(Lease::new(&self.shared, tenant, bytes))
    }

    /// What the broker holds and has done.
    pub fn stats(&self) -> BrokerStats {
        self.shared.lock().stats()
    }

    /// Reads the device's free memory now.
    pub fn refresh(&self) {
        self.shared.read_again();
    }

    /// The ledger with a reading no older than allowed (unless another thread is just taking one).
    fn fresh_ledger(&self) -> MutexGuard<'_, Ledger> {
        let ledger = self.shared.lock();
        if ledger.reading_age(Instant::now()) <= self.shared.reading_age_max {
            return ledger;
        }
        drop(ledger);
        self.shared.read_again();
        self.shared.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ledger> {
        // Nothing panics while it is held; a poisoned ledger would still be whole.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the device's free memory without holding the ledger: a driver may take its time. One thread at once.
    fn read_again(&self) {
        if self.reading.swap(true, Ordering::Acquire) {
            return;
        }
        let reading = self.source.read();
        let mut ledger = self.lock();
        ledger.record(reading, Instant::now());
        ledger.serve(Instant::now());
        drop(ledger);
        self.reading.store(false, Ordering::Release);
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
