//! The pricing crate as its callers use it.

mod device;
