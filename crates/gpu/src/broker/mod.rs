//! Lends a device's memory: admission, a queue by priority, accounts a tenant, never more than there is.
