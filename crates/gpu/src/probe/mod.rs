//! What the machine and a device can do at best: copies, bandwidth, matrix products, a network's forward pass.
