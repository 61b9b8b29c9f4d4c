//! The books of a broker: what is lent to whom, who waits, and whose turn it is. No threads and no clock: both are the caller's.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar};
use std::time::{Duration, Instant};

use super::LeaseError;
use super::free::MemoryReading;
use super::stats::{BrokerStats, TenantStats};

/// How urgent a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Work that nobody waits for.
    Low,
    /// The usual.
    #[default]
    Normal,
    /// Somebody waits for it.
    High,
}

/// A tenant's account at one broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TenantId(pub(super) usize);

/// Where a queued request stands; changed under the ledger's lock alone.
#[derive(Debug, Default)]
pub(super) struct Turn {
    phase: AtomicU8,
    pub(super) changed: Condvar,
}

/// The phases of a queued request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    Granted,
    Expired,
}

impl Turn {
    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Waiting,
            1 => Phase::Granted,
            _ => Phase::Expired,
        }
    }

    fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
        self.changed.notify_all();
    }
}

/// One request in the queue.
#[derive(Debug)]
struct Waiter {
    number: u64,
    tenant: TenantId,
    bytes: u64,
    priority: Priority,
    deadline: Option<Instant>,
    /// How many that came later were served before it.
    overtaken: u32,
    turn: Arc<Turn>,
}

/// The books.
#[derive(Debug)]
pub(super) struct Ledger {
    lendable: u64,
    overtakes_max: u32,
    /// What the device can give this process in all, as last read; absent where nobody knows.
    available: Option<u64>,
    read_at: Option<Instant>,
    next_number: u64,
    /// In order of arrival.
    waiting: Vec<Waiter>,
    stats: BrokerStats,
}

impl Ledger {
    pub(super) fn new(capacity: u64, lendable: u64, overtakes_max: u32) -> Self {
        let stats = BrokerStats { capacity_bytes: capacity, lendable_bytes: lendable, ..BrokerStats::default() };
        Self { lendable, overtakes_max, available: None, read_at: None, next_number: 0, waiting: Vec::new(), stats }
    }

    pub(super) fn tenant(&mut self, name: &str, quota_bytes: Option<u64>) -> TenantId {
        let tenants = &mut self.stats.tenants;
        let index = tenants.iter().position(|tenant| tenant.name == name).unwrap_or_else(|| {
            tenants.push(TenantStats { name: name.to_owned(), ..TenantStats::default() });
            tenants.len() - 1
        });
        tenants[index].quota_bytes = quota_bytes;
        TenantId(index)
    }

    /// Takes down what the device said; a failed reading leaves the accounts alone to decide, and is said once.
    pub(super) fn record(&mut self, reading: Result<MemoryReading, String>, now: Instant) {
        self.read_at = Some(now);
        match reading {
            Ok(reading) => {
                self.available = reading.free_bytes.map(|free| free.saturating_add(reading.held_bytes));
                self.stats.reading_fault = None;
            }
            Err(fault) => {
                if self.stats.reading_fault.as_ref() != Some(&fault) {
                    tracing::warn!(%fault, "free device memory is unknown: leases go by the accounts alone");
                }
                self.available = None;
                self.stats.reading_fault = Some(fault);
            }
        }
        self.stats.available_bytes = self.available;
    }

    pub(super) fn reading_age(&self, now: Instant) -> Duration {
        self.read_at.map_or(Duration::MAX, |at| now.saturating_duration_since(at))
    }

    /// Bytes that could be lent at this moment.
    pub(super) fn free(&self) -> u64 {
        self.available
            .map_or(self.lendable, |available| available.min(self.lendable))
            .saturating_sub(self.stats.lent_bytes)
    }

    /// Whether the device's free memory, as last read, would allow so much more.
    pub(super) fn fits_device(&self, bytes: u64) -> bool {
        self.available.is_none_or(|available| bytes <= available.saturating_sub(self.stats.lent_bytes))
    }

    fn quota_left(&self, tenant: TenantId) -> u64 {
        quota_left(&self.stats.tenants[tenant.0])
    }

    /// Whether a request that has just come may go at once: it fits, and nobody stands before it.
    fn may_go(&self, tenant: TenantId, bytes: u64) -> bool {
        let overtakes_nobody =
            self.waiting.is_empty() || (self.stats.tenants[tenant.0].waiting == 0 && self.next().is_none());
        overtakes_nobody && bytes <= self.free() && bytes <= self.quota_left(tenant)
    }

    /// Refuses what will never be granted.
    fn check(&mut self, tenant: TenantId, bytes: u64) -> Result<(), LeaseError> {
        let quota = self.stats.tenants.get(tenant.0).ok_or(LeaseError::NoSuchTenant)?.quota_bytes.unwrap_or(u64::MAX);
        if bytes > self.lendable.min(quota) {
            self.refuse(tenant);
            let max = self.lendable.min(quota);
            return Err(LeaseError::TooLarge { requested: bytes, max, quota: quota < self.lendable });
        }
        Ok(())
    }

    fn refuse(&mut self, tenant: TenantId) {
        self.stats.refused_total += 1;
        self.stats.tenants[tenant.0].refused_total += 1;
    }

    /// Lends where nobody waits and it fits.
    pub(super) fn lend_at_once(&mut self, tenant: TenantId, bytes: u64) -> Result<(), LeaseError> {
        if !self.lend_if_free(tenant, bytes)? {
            self.refuse(tenant);
            let free = self.free().min(self.quota_left(tenant));
            return Err(LeaseError::WouldWait { requested: bytes, free, waiting: self.waiting.len() });
        }
        Ok(())
    }

    /// As [`Ledger::lend_at_once`], for whoever will wait where it is not free.
    pub(super) fn lend_if_free(&mut self, tenant: TenantId, bytes: u64) -> Result<bool, LeaseError> {
        self.check(tenant, bytes)?;
        let may_go = self.may_go(tenant, bytes);
        if may_go {
            self.lend(tenant, bytes);
        }
        Ok(may_go)
    }

    /// Puts a request into the queue and serves the queue: the request may be granted before this returns.
    pub(super) fn enqueue(
        &mut self,
        tenant: TenantId,
        bytes: u64,
        priority: Priority,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Result<(u64, Arc<Turn>), LeaseError> {
        self.check(tenant, bytes)?;
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.stats.expired_total += 1;
            return Err(LeaseError::DeadlinePassed { requested: bytes, waited: Duration::ZERO });
        }
        let (number, turn) = (self.next_number, Arc::new(Turn::default()));
        self.next_number += 1;
        self.waiting.push(Waiter { number, tenant, bytes, priority, deadline, overtaken: 0, turn: Arc::clone(&turn) });
        self.stats.tenants[tenant.0].waiting += 1;
        self.serve(now);
        Ok((number, turn))
    }

    /// Grants to whoever's turn it is until the next one does not fit.
    pub(super) fn serve(&mut self, now: Instant) {
        self.expire(now);
        while let Some(at) = self.next() {
            if self.waiting[at].bytes > self.free() {
                break;
            }
            let served = self.waiting.remove(at);
            for waiter in &mut self.waiting[..at] {
                // A tenant at its quota waits for itself: nobody overtakes it.
                let eligible = waiter.bytes <= quota_left(&self.stats.tenants[waiter.tenant.0]);
                waiter.overtaken += u32::from(eligible);
            }
            self.stats.tenants[served.tenant.0].waiting -= 1;
            self.lend(served.tenant, served.bytes);
            served.turn.set(Phase::Granted);
        }
    }

    /// The place in the queue of whoever's turn it is: the overtaken first, then by priority, then first come; tenants at their quota, and
    /// whatever else of theirs stands behind, are passed over.
    fn next(&self) -> Option<usize> {
        let mut order: Vec<usize> = (0..self.waiting.len()).collect();
        order.sort_by_key(|&at| {
            let waiter = &self.waiting[at];
            let aged = waiter.overtaken >= self.overtakes_max;
            (!aged, if aged { Reverse(Priority::High) } else { Reverse(waiter.priority) }, waiter.number)
        });
        let mut at_quota: Vec<TenantId> = Vec::new();
        order.into_iter().find(|&at| {
            let waiter = &self.waiting[at];
            if at_quota.contains(&waiter.tenant) {
                return false;
            }
            let fits = waiter.bytes <= self.quota_left(waiter.tenant);
            if !fits {
                at_quota.push(waiter.tenant);
            }
            fits
        })
    }

    /// Takes those whose deadline has passed out of the queue.
    fn expire(&mut self, now: Instant) {
        let tenants = &mut self.stats.tenants;
        let expired_total = &mut self.stats.expired_total;
        self.waiting.retain(|waiter| {
            let in_time = waiter.deadline.is_none_or(|deadline| now < deadline);
            if !in_time {
                tenants[waiter.tenant.0].waiting -= 1;
                *expired_total += 1;
                waiter.turn.set(Phase::Expired);
            }
            in_time
        });
    }

    /// Takes a request that nobody wants any longer out of the queue.
    pub(super) fn cancel(&mut self, number: u64, now: Instant) {
        if let Some(at) = self.waiting.iter().position(|waiter| waiter.number == number) {
            let waiter = self.waiting.remove(at);
            self.stats.tenants[waiter.tenant.0].waiting -= 1;
            self.stats.cancelled_total += 1;
            self.serve(now);
        }
    }

    fn lend(&mut self, tenant: TenantId, bytes: u64) {
        let stats = &mut self.stats;
        stats.lent_bytes += bytes;
        stats.lent_bytes_peak = stats.lent_bytes_peak.max(stats.lent_bytes);
        stats.leases += 1;
        stats.granted_total += 1;
        let account = &mut stats.tenants[tenant.0];
        account.lent_bytes += bytes;
        account.lent_bytes_peak = account.lent_bytes_peak.max(account.lent_bytes);
        account.leases += 1;
        account.granted_total += 1;
    }

    /// Takes a lease back. The clock is read only where somebody waits.
    pub(super) fn give_back(&mut self, tenant: TenantId, bytes: u64, now: impl FnOnce() -> Instant) {
        self.stats.lent_bytes -= bytes;
        self.stats.leases -= 1;
        let account = &mut self.stats.tenants[tenant.0];
        account.lent_bytes -= bytes;
        account.leases -= 1;
        if !self.waiting.is_empty() {
            self.serve(now());
        }
    }

    pub(super) fn stats(&self) -> BrokerStats {
        BrokerStats { waiting: self.waiting.len(), ..self.stats.clone() }
    }
}

/// What an account may still have.
fn quota_left(account: &TenantStats) -> u64 {
    account.quota_bytes.map_or(u64::MAX, |quota| quota.saturating_sub(account.lent_bytes))
}
