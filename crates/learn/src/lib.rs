//! Networks that price: trained, checked, shrunk and exported.

pub mod search;
