//! One thread, many schedules: what is lent, to whom, and in which order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::*;

/// A broker of `lendable` bytes and the tenants a, b (quota 400) and c.
fn broker(lendable: u64, overtakes_max: u32) -> (Broker, [TenantId; 3]) {
    let config = BrokerConfig { memory_fraction: 1.0, overtakes_max, ..BrokerConfig::default() };
    let broker = Broker::new(lendable, Unknown, config).unwrap();
    let tenants = [broker.tenant("a", None), broker.tenant("b", Some(400)), broker.tenant("c", None)];
    (broker, tenants)
}

/// One step of a schedule.
#[derive(Clone, Debug)]
enum Step {
    Queue { tenant: usize, bytes: u64, priority: Priority },
    Try { tenant: usize, bytes: u64 },
    DropTicket(usize),
    DropLease(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let priority = prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High)];
    prop_oneof![
        4 => (0..3_usize, 0..400_u64, priority).prop_map(|(tenant, bytes, priority)| Step::Queue { tenant, bytes, priority }),
        2 => (0..3_usize, 0..500_u64).prop_map(|(tenant, bytes)| Step::Try { tenant, bytes }),
        1 => any::<usize>().prop_map(Step::DropTicket),
        3 => any::<usize>().prop_map(Step::DropLease),
    ]
}

/// What the test holds beside the broker's own books.
#[derive(Default)]
struct Held {
    leases: Vec<Lease>,
    tickets: Vec<Ticket>,
}

impl Held {
    /// Granted tickets become leases, in the order of the queue.
    fn collect(&mut self) {
        let (granted, waiting): (Vec<_>, Vec<_>) = self.tickets.drain(..).partition(Ticket::is_granted);
        self.leases.extend(granted.into_iter().map(|ticket| ticket.wait().unwrap()));
        self.tickets = waiting;
    }

    fn check(&self, broker: &Broker, tenants: [TenantId; 3]) {
        let stats = broker.stats();
        assert_eq!(stats.lent_bytes, self.leases.iter().map(Lease::bytes).sum::<u64>(), "no lease is lost");
        assert_eq!(stats.leases, self.leases.len() as u64);
        assert_eq!(stats.waiting, self.tickets.len(), "a dropped ticket leaves the queue");
        assert!(stats.lent_bytes <= stats.lendable_bytes, "over-committed");
        assert_eq!(stats.lent_bytes, stats.tenants.iter().map(|tenant| tenant.lent_bytes).sum::<u64>());
        assert_eq!(stats.granted_total, stats.tenants.iter().map(|tenant| tenant.granted_total).sum::<u64>());
        for (at, tenant) in stats.tenants.iter().enumerate() {
            let of_tenant = self.leases.iter().filter(|lease| lease.tenant() == tenants[at]);
            assert_eq!(tenant.lent_bytes, of_tenant.map(Lease::bytes).sum::<u64>());
            assert!(tenant.quota_bytes.is_none_or(|quota| tenant.lent_bytes <= quota));
        }
        assert!(self.tickets.is_empty() || stats.lent_bytes > 0, "somebody waits for nobody");
    }
}

proptest! {
    #[test]
    fn the_books_are_right_after_every_step(steps in prop::collection::vec(step(), 1..120), overtakes_max in 0..4_u32) {
        let (broker, tenants) = broker(1000, overtakes_max);
        let mut held = Held::default();
        for step in steps {
            match step {
                Step::Queue { tenant, bytes, priority } => {
                    held.tickets.push(broker.request(tenants[tenant], bytes, priority).queue().unwrap());
                }
                Step::Try { tenant, bytes } => {
                    let before = broker.stats();
                    match broker.try_lease(tenants[tenant], bytes) {
                        Ok(lease) => held.leases.push(lease),
                        Err(LeaseError::TooLarge { .. }) => prop_assert!(tenant == 1 && bytes > 400),
                        Err(error) => {
                            let fits = bytes <= before.lendable_bytes - before.lent_bytes;
                            prop_assert!(before.waiting > 0 || !fits || tenant == 1, "{error}");
                        }
                    }
                }
                Step::DropTicket(at) if !held.tickets.is_empty() => drop(held.tickets.swap_remove(at % held.tickets.len())),
                Step::DropLease(at) if !held.leases.is_empty() => drop(held.leases.swap_remove(at % held.leases.len())),
                Step::DropTicket(_) | Step::DropLease(_) => {}
            }
            held.collect();
            held.check(&broker, tenants);
        }
        // Nobody is forgotten: as leases come back, every ticket has its turn.
        while !held.tickets.is_empty() {
            prop_assert!(!held.leases.is_empty());
            drop(held.leases.remove(0));
            held.collect();
            held.check(&broker, tenants);
        }
        held.leases.clear();
        held.check(&broker, tenants);
    }

    #[test]
    fn nobody_is_overtaken_more_often_than_allowed(
        requests in prop::collection::vec((1..1000_u64, 0..3_usize), 2..60),
        overtakes_max in 0..5_u32,
    ) {
        let (broker, [tenant, ..]) = broker(1000, overtakes_max);
        let all = broker.try_lease(tenant, 1000).unwrap();
        let priorities = [Priority::Low, Priority::Normal, Priority::High];
        let mut waiting: Vec<(usize, Ticket)> = requests
            .iter()
            .enumerate()
            .map(|(number, &(bytes, priority))| (number, broker.request(tenant, bytes, priorities[priority]).queue().unwrap()))
            .collect();
        drop(all);
        let mut order = Vec::new();
        while !waiting.is_empty() {
            // What one giving back granted came in an order that the books alone know: between those it is not asked here.
            let (granted, still): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, ticket)| ticket.is_granted());
            prop_assert!(!granted.is_empty(), "somebody waits for nobody");
            order.push(granted.iter().map(|(number, _)| *number).collect::<Vec<_>>());
            drop(granted);
            waiting = still;
        }
        for (round, numbers) in order.iter().enumerate() {
            for number in numbers {
                let overtakers = order[..round].iter().flatten().filter(|&earlier| earlier > number).count();
                prop_assert!(overtakers <= overtakes_max as usize, "request {number} was overtaken {overtakers} times");
            }
        }
    }
}

#[test]
fn a_large_request_at_the_head_is_not_starved_by_small_ones_that_fit() {
    let (broker, [a, _, c]) = broker(1000, 16);
    let small = broker.try_lease(a, 100).unwrap();
    let large = broker.request(c, 1000, Priority::Normal).queue().unwrap();
    let later = broker.request(a, 100, Priority::Normal).queue().unwrap();
    assert!(!large.is_granted() && !later.is_granted());
    let refused = broker.try_lease(a, 100).unwrap_err();
    assert_eq!(refused.to_string(), "100 bytes asked for, 900 free to lend now, and 2 requests wait");
    drop(small);
    assert!(large.is_granted() && !later.is_granted());
    drop(large);
    assert!(later.is_granted(), "a dropped ticket gives its lease back");
}

#[test]
fn the_more_urgent_goes_first_and_equals_in_order_of_arrival() {
    let (broker, [a, ..]) = broker(100, 16);
    let held = broker.try_lease(a, 100).unwrap();
    let queue = |priority| broker.request(a, 100, priority).queue().unwrap();
    let tickets = [queue(Priority::Low), queue(Priority::Normal), queue(Priority::Normal), queue(Priority::High)];
    drop(held);
    let mut granted = Vec::new();
    let mut tickets: Vec<_> = tickets.into_iter().enumerate().collect();
    while !tickets.is_empty() {
        let at = tickets.iter().position(|(_, ticket)| ticket.is_granted()).unwrap();
        let (number, ticket) = tickets.remove(at);
        granted.push(number);
        drop(ticket.wait().unwrap());
    }
    assert_eq!(granted, [3, 1, 2, 0]);
}

#[test]
fn a_tenant_at_its_quota_holds_up_nobody_else() {
    let (broker, [a, b, _]) = broker(1000, 16);
    let first = broker.try_lease(b, 300).unwrap();
    let second = broker.request(b, 200, Priority::High).queue().unwrap();
    assert!(!second.is_granted());
    assert!(broker.try_lease(a, 500).is_ok(), "another tenant's request fits and stands behind nobody");
    let small = broker.try_lease(b, 50).unwrap_err();
    assert!(matches!(small, LeaseError::WouldWait { .. }), "a tenant does not overtake itself: {small}");
    drop(first);
    assert!(second.is_granted());
    let error = broker.request(b, 401, Priority::Low).queue().unwrap_err();
    assert_eq!(error.to_string(), "401 bytes asked for, at most 400 can be lent to this tenant");
}

#[test]
fn a_deadline_that_passes_ends_the_waiting_and_frees_the_place() {
    let (broker, [a, _, c]) = broker(100, 16);
    let past = broker.request(a, 1, Priority::High).deadline(Instant::now()).wait().unwrap_err();
    assert!(matches!(past, LeaseError::DeadlinePassed { .. }), "even where it would fit: {past}");
    let held = broker.try_lease(a, 60).unwrap();
    let soon = Instant::now() + Duration::from_millis(20);
    let behind = broker.request(c, 40, Priority::Low).queue().unwrap();
    assert!(behind.is_granted());
    let in_vain = broker.request(a, 100, Priority::High).deadline(soon).wait().unwrap_err();
    assert!(matches!(in_vain, LeaseError::DeadlinePassed { requested: 100, .. }), "{in_vain}");
    let stats = broker.stats();
    assert_eq!((stats.waiting, stats.expired_total, stats.tenants[0].waiting), (0, 2, 0));
    // One whose deadline passed while nobody looked is never granted.
    let unseen =
        broker.request(a, 100, Priority::High).deadline(Instant::now() + Duration::from_millis(1)).queue().unwrap();
    std::thread::sleep(Duration::from_millis(5));
    drop((held, behind));
    assert!(!unseen.is_granted() && unseen.wait().is_err());
    assert!(broker.try_lease(a, 100).is_ok());
}

/// A device on which others allocate too.
#[derive(Clone)]
struct Shared(Arc<AtomicU64>);

impl FreeMemory for Shared {
    fn read(&self) -> Result<MemoryReading, String> {
        match self.0.load(Ordering::SeqCst) {
            u64::MAX => Err("the driver does not answer".into()),
            free => Ok(MemoryReading { free_bytes: Some(free), held_bytes: 50 }),
        }
    }
}

#[test]
fn what_others_hold_is_not_lent_and_is_lent_once_they_let_go() {
    let free = Arc::new(AtomicU64::new(250));
    let broker = Broker::new(1000, Shared(Arc::clone(&free)), BrokerConfig::default()).unwrap();
    let tenant = broker.tenant("a", None);
    assert_eq!(broker.stats().available_bytes, Some(300), "free, and what our own pools hold");
    let held = broker.try_lease(tenant, 300).unwrap();
    let more = broker.try_lease(tenant, 1).unwrap_err();
    assert_eq!(more.to_string(), "1 bytes asked for, 0 free to lend now");
    free.store(700, Ordering::SeqCst);
    let second = broker.try_lease(tenant, 450).unwrap();
    let ticket = broker.request(tenant, 40, Priority::Normal).queue().unwrap();
    assert!(!ticket.is_granted());
    // Nobody tells the broker: a waiting thread looks again by itself.
    free.store(900, Ordering::SeqCst);
    let third = ticket.wait().unwrap();
    drop((held, second, third));
    free.store(u64::MAX, Ordering::SeqCst);
    broker.refresh();
    let stats = broker.stats();
    assert_eq!((stats.available_bytes, stats.reading_fault.as_deref()), (None, Some("the driver does not answer")));
    assert!(broker.try_lease(tenant, 800).is_ok(), "the accounts alone decide: the lendable share");
    assert!(matches!(broker.try_lease(tenant, 801), Err(LeaseError::TooLarge { max: 800, quota: false, .. })));
}

#[test]
fn a_share_outside_its_range_is_refused() {
    for memory_fraction in [0.0, -0.1, 1.01, f64::NAN, f64::INFINITY] {
        let config = BrokerConfig { memory_fraction, ..BrokerConfig::default() };
        let error = Broker::new(1000, Unknown, config).unwrap_err();
        assert!(error.to_string().ends_with("allowed is above 0 and at most 1"), "{error}");
    }
}
