//! The laws of the broker and of the pool, over random schedules.

mod leases;
mod pool;
mod threads;
