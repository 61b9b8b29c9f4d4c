//! The laws of the broker, over random schedules.

mod leases;
mod threads;
