//! A request on its way to a lease: built, queued, waited for, cancelled when dropped.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ledger::{Ledger, Phase, Priority, TenantId, Turn};
use super::{Broker, LeaseError, Shared};

/// The longest that a waiting thread sleeps before the device's free memory is read again: other processes free memory without a word.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A request that has not been made yet.
#[derive(Debug)]
#[must_use = "a request does nothing until it is queued or waited for"]
pub struct Request<'a> {
    broker: &'a Broker,
    tenant: TenantId,
    bytes: u64,
    priority: Priority,
    deadline: Option<Instant>,
}

impl<'a> Request<'a> {
    pub(super) fn new(broker: &'a Broker, tenant: TenantId, bytes: u64, priority: Priority) -> Self {
        Self { broker, tenant, bytes, priority, deadline: None }
    }

    /// Until when the lease is wanted: it is never granted at or after this instant.
    pub fn deadline(self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// Takes a place in the queue.
    ///
    /// # Errors
    ///
    /// [`LeaseError::TooLarge`], [`LeaseError::DeadlinePassed`], [`LeaseError::NoSuchTenant`].
    pub fn queue(self) -> Result<Ticket, LeaseError> {
        let now = Instant::now();
        let (number, turn) = {
            let mut ledger = self.broker.fresh_ledger();
            ledger.enqueue(self.tenant, self.bytes, self.priority, self.deadline, now)?
        };
        let shared = Arc::clone(&self.broker.shared);
        Ok(Ticket {
            shared: Some(shared),
            number,
            turn,
            tenant: self.tenant,
            bytes: self.bytes,
            since: now,
            deadline: self.deadline,
        })
    }

    /// Waits for the lease.
    ///
    /// # Errors
    ///
    /// As [`Request::queue`], and [`LeaseError::DeadlinePassed`] where the turn does not come in time.
    pub fn wait(self) -> Result<Lease, LeaseError> {
        if self.deadline.is_none() {
            // The usual case costs no place in the queue: nobody waits and it fits.
            let mut ledger = self.broker.fresh_ledger();
            if ledger.lend_if_free(self.tenant, self.bytes)? {
                drop(ledger);
                return Ok(Lease::new(&self.broker.shared, self.tenant, self.bytes));
            }
        }
        self.queue()?.wait()
    }
}

/// A place in the queue. Dropping it gives the place up, and the lease too where it was granted meanwhile.
#[must_use = "dropping a ticket gives up its place"]
pub struct Ticket {
    /// Absent once the ticket has become a lease.
    shared: Option<Arc<Shared>>,
    number: u64,
    turn: Arc<Turn>,
    tenant: TenantId,
    bytes: u64,
    since: Instant,
    deadline: Option<Instant>,
}

impl Ticket {
    /// Whether the lease is there to be taken.
    pub fn is_granted(&self) -> bool {
        self.turn.phase() == Phase::Granted
    }

    /// Waits for the lease.
    ///
    /// # Errors
    ///
    /// [`LeaseError::DeadlinePassed`].
    pub fn wait(mut self) -> Result<Lease, LeaseError> {
        // Held until here by every ticket.
        let Some(shared) = self.shared.clone() else { return Err(LeaseError::NoSuchTenant) };
        let mut ledger: MutexGuard<'_, Ledger> = shared.lock();
        loop {
            let now = Instant::now();
            match self.turn.phase() {
                Phase::Granted => {
                    self.shared = None;
                    drop(ledger);
                    return Ok(Lease::new(&shared, self.tenant, self.bytes));
                }
                Phase::Expired => {
                    self.shared = None;
                    return Err(LeaseError::DeadlinePassed { requested: self.bytes, waited: now - self.since });
                }
                Phase::Waiting => {}
            }
            let left = self.deadline.map_or(LOOK_AGAIN, |deadline| deadline.saturating_duration_since(now));
            if left.is_zero() {
                // Expires what is due, this ticket included.
                ledger.serve(now);
                continue;
            }
            let sleep = left.min(LOOK_AGAIN);
            let waited = self.turn.changed.wait_timeout(ledger, sleep).unwrap_or_else(PoisonError::into_inner);
            ledger = waited.0;
            if waited.1.timed_out() && sleep == LOOK_AGAIN && self.turn.phase() == Phase::Waiting {
                drop(ledger);
                shared.read_again();
                ledger = shared.lock();
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        let mut ledger = shared.lock();
        match self.turn.phase() {
            Phase::Granted => ledger.give_back(self.tenant, self.bytes, Instant::now),
            Phase::Waiting => ledger.cancel(self.number, Instant::now()),
            Phase::Expired => {}
        }
    }
}

/// Bytes of a device that a tenant may use until the lease is dropped.
#[must_use = "a lease that is dropped is given back"]
pub struct Lease {
    shared: Arc<Shared>,
    tenant: TenantId,
    bytes: u64,
}

impl Lease {
    pub(super) fn new(shared: &Arc<Shared>, tenant: TenantId, bytes: u64) -> Self {
        Self { shared: Arc::clone(shared), tenant, bytes }
    }

    /// How many bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whose.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.lock().give_back(self.tenant, self.bytes, Instant::now);
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("tenant", &self.tenant).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("bytes", &self.bytes).field("phase", &self.turn.phase()).finish_non_exhaustive()
    }
}
