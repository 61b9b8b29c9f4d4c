//! Many threads at one broker: nothing over-committed at any moment, nothing lost, everybody served.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::*;

/// A generator of numbers below a bound.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn threads_never_hold_more_than_there_is(seed in any::<u64>(), threads in 2..6_u64, lendable in 100..1000_u64) {
        let config = BrokerConfig { memory_fraction: 1.0, overtakes_max: 2, ..BrokerConfig::default() };
        let broker = Broker::new(lendable, Unknown, config).unwrap();
        // Counted by the threads themselves, and not by the broker that is under test.
        let (held, taken) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for number in 0..threads {
                let (broker, held, taken) = (&broker, &held, &taken);
                scope.spawn(move || {
                    let mut numbers = Numbers(seed ^ (number << 40));
                    let tenant = broker.tenant(["a", "b"][(number % 2) as usize], None);
                    let hold = |lease: Lease| {
                        let now = held.fetch_add(lease.bytes(), Ordering::SeqCst) + lease.bytes();
                        assert!(now <= lendable, "{now} of {lendable} held");
                        thread::yield_now();
                        held.fetch_sub(lease.bytes(), Ordering::SeqCst);
                        taken.fetch_add(1, Ordering::SeqCst);
                    };
                    for _ in 0..200 {
                        let bytes = numbers.below(lendable + 1);
                        let priority = [Priority::Low, Priority::Normal, Priority::High][numbers.below(3) as usize];
                        let request = broker.request(tenant, bytes, priority);
                        match numbers.below(5) {
                            0 => broker.try_lease(tenant, bytes).map_or((), hold),
                            1 => drop(request.queue().unwrap()),
                            2 => request.deadline(Instant::now() + Duration::from_micros(50)).wait().map_or((), hold),
                            // Without a deadline every request is served: this loop ends.
                            _ => hold(request.wait().unwrap()),
                        }
                    }
                });
            }
        });
        let stats = broker.stats();
        prop_assert_eq!((stats.lent_bytes, stats.leases, stats.waiting), (0, 0, 0));
        prop_assert!(stats.lent_bytes_peak <= lendable);
        prop_assert!(stats.granted_total >= taken.load(Ordering::SeqCst));
        prop_assert_eq!(stats.granted_total, stats.tenants.iter().map(|tenant| tenant.granted_total).sum::<u64>());
    }
}
