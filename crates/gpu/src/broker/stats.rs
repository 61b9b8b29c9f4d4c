//! What a broker holds and has done, as plain figures for whoever serves metrics.

use serde::Serialize;

/// A broker's figures at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BrokerStats {
    /// Memory of the device; `u64::MAX` where nobody knows.
    pub capacity_bytes: u64,
    /// The share of it that may be lent.
    pub lendable_bytes: u64,
    /// What the device can give this process in all, as last read; absent where it cannot be read.
    pub available_bytes: Option<u64>,
    /// Why the last reading failed.
    pub reading_fault: Option<String>,
    /// Bytes lent now.
    pub lent_bytes: u64,
    /// The most bytes ever lent at once.
    pub lent_bytes_peak: u64,
    /// Leases held now.
    pub leases: u64,
    /// Requests that wait now.
    pub waiting: usize,
    /// Leases granted since the start.
    pub granted_total: u64,
    /// Requests refused: too large, or not to be had without waiting.
    pub refused_total: u64,
    /// Requests whose deadline passed.
    pub expired_total: u64,
    /// Requests dropped while they waited.
    pub cancelled_total: u64,
    /// Each tenant's account.
    pub tenants: Vec<TenantStats>,
}

/// A tenant's account at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TenantStats {
    /// Name.
    pub name: String,
    /// The most bytes that it may have at once, where it is bounded.
    pub quota_bytes: Option<u64>,
    /// Bytes lent to it now.
    pub lent_bytes: u64,
    /// The most bytes ever lent to it at once.
    pub lent_bytes_peak: u64,
    /// Leases that it holds now.
    pub leases: u64,
    /// Requests of it that wait now.
    pub waiting: u64,
    /// Leases granted to it since the start.
    pub granted_total: u64,
    /// Requests of it refused since the start.
    pub refused_total: u64,
}
