//! Leases a second, by one thread and by two, beside the plainest thing that bounds bytes: a counter behind a mutex and a condition
//! variable.

use std::hint::black_box;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zomma_gpu::broker::{Broker, BrokerConfig, Priority, Unknown};

const BYTES: u64 = 1 << 20;

/// The peer: no tenants, no order, no deadlines, no word about the device.
#[derive(Default)]
struct Counter {
    lent: Mutex<u64>,
    given_back: Condvar,
}

impl Counter {
    fn take(&self, bytes: u64) {
        let mut lent = self.lent.lock().expect("nothing panics while it is held");
        while *lent + bytes > 1 << 30 {
            lent = self.given_back.wait(lent).expect("nothing panics while it is held");
        }
        *lent += bytes;
    }

    fn give_back(&self, bytes: u64) {
        *self.lent.lock().expect("nothing panics while it is held") -= bytes;
        self.given_back.notify_one();
    }
}

fn broker() -> Broker {
    Broker::new(1 << 30, Unknown, BrokerConfig::default()).expect("the default is in range")
}

/// The time that two threads take for `rounds` operations together.
fn two_threads(rounds: u64, operation: &(impl Fn(u64) + Sync)) -> Duration {
    let started = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| (0..rounds / 2).for_each(operation));
        (0..rounds - rounds / 2).for_each(operation);
    });
    started.elapsed()
}

fn leases(criterion: &mut Criterion) {
    let (broker, counter) = (broker(), Counter::default());
    let tenants = [broker.tenant("a", None), broker.tenant("b", None)];
    let lease = |round: u64| {
        let lease = broker.request(tenants[(round % 2) as usize], BYTES, Priority::Normal).wait();
        drop(black_box(lease.expect("it fits")));
    };
    let count = |_| {
        counter.take(BYTES);
        counter.give_back(black_box(BYTES));
    };
    let mut group = criterion.benchmark_group("lease granted and given back, one thread");
    group.throughput(Throughput::Elements(1));
    group.bench_function("broker", |bencher| bencher.iter(|| lease(0)));
    group.bench_function("peer: mutex and condition variable", |bencher| bencher.iter(|| count(0)));
    group.finish();
    let mut group = criterion.benchmark_group("lease granted and given back, two threads");
    group.throughput(Throughput::Elements(1));
    group.bench_function("broker", |bencher| bencher.iter_custom(|rounds| two_threads(rounds, &lease)));
    group.bench_function("peer: mutex and condition variable", |bencher| {
        bencher.iter_custom(|rounds| two_threads(rounds, &count));
    });
    group.finish();
}

criterion_group!(benches, leases);
criterion_main!(benches);
