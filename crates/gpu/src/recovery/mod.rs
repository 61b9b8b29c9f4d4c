//! What happens when memory runs out or a device is lost: retry smaller, on the next device, on the CPU, with the same results.
