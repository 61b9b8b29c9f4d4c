//! The device's books and features against the whole books and the features of the CPU's stream, event by event.
//!
//! The devices are the CPU's arrays, and the first Vulkan device with f64 (Mesa's lavapipe on most machines). Floats are compared bit for bit.

use std::path::PathBuf;

use cubecl::prelude::Runtime;
use zomma_gpu::{
    Device, DeviceKind, FaultPlan, GpuError, Job, Session,
    cuda_source::{NotCompiled, Source, compile_all},
    list,
    recovery::{Runner, RunnerConfig},
};

use super::*;
use crate::{
    book::Books,
    event::{ALL, Body, Event, Flags, InstrumentId, NO_PRICE, Side},
    features::{FeatureSet, FeatureStream, Level, Times},
    mutations::Random,
};

const SECOND_NS: u64 = 1_000_000_000;

/// Every feature with a form, at five levels.
const FEATURES: &str = "mid,spread,relative_spread,weighted_mid,bid_depth:5,ask_depth:3,imbalance,imbalance:5,bid_depth_within:2:5,\
                        ask_depth_within:0:5,bid_wall:5,ask_wall:5,bid_wall_size:5,ask_wall_size:4,ofi:1s,ofi:3s,ofi_level:2s:4,ofi_level:60s:5,\
                        microprice:4:3:1,microprice:3:2,ofi_integrated:1s:3,ofi_integrated:2s:5,effective_spread,traded";

/// Those with a state of their own.
const OF_STATE: &str =
    "microprice:4:3:1,microprice:3:2,ofi_integrated:1s:3,ofi_integrated:5s:2,effective_spread,traded";

/// The first Vulkan device that computes in double precision.
fn vulkan() -> Option<Device> {
    let found = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
    if found.is_none() {
        zomma_testkit::skip("no device");
    }
    found
}

fn runner(devices: Vec<Device>, fault: Option<&str>) -> Runner {
    // Without it a panic of CubeCL's own thread has no words, and lack of memory reads as a lost device.
    zomma_gpu::log_panics();
    let fault = fault.map(|fault| fault.parse::<FaultPlan>().unwrap());
    Runner::new(devices, RunnerConfig { fault, rows_min: 2, ..RunnerConfig::default() }).unwrap()
}

/// Events of books that come and go around a price, with everything that a feed may tell; times ascend, now and then one is not told.
fn made(seed: u64, instruments: u32, count: usize) -> Vec<Event> {
    let mut random = Random(seed);
    let mut time_ns = 1_000 * SECOND_NS + 1;
    let mut events = Vec::with_capacity(count);
    for sequence in 0..count as u64 {
        let instrument = InstrumentId(random.below(instruments as usize) as u32);
        time_ns += random.next() % (2 * SECOND_NS / 100);
        let side = if random.below(2) == 0 { Side::Bid } else { Side::Ask };
        let away = random.below(9) as i64;
        // Some books are crossed, some have negative prices, and some are of levels.
        let middle = 5 - i64::from(instrument.0) * 3;
        let price_ticks = if side == Side::Bid { middle - away } else { middle + away };
        let (order_id, size) = (random.next() % 40, 1 + random.next() % 500);
        let by_level = instrument.0 % 3 == 2;
        let body = match random.below(100) {
            0 => Body::Clear,
            1 => Body::Trade { resting_side: Some(side), price_ticks, size },
            2 => Body::Quote { side, price_ticks, size },
            3 => Body::Status(crate::event::TradingStatus::Trading),
            _ if by_level => Body::Level { side, price_ticks, size: if random.below(3) == 0 { 0 } else { size } },
            4..50 => Body::Add { order_id, side, price_ticks, size },
            50..65 => Body::Cancel { order_id, size: if random.below(2) == 0 { ALL } else { size / 4 } },
            65..85 => Body::Execute { order_id, size: size / 4, price_ticks: NO_PRICE },
            _ => Body::Modify { order_id, new_order_id: random.next() % 40, price_ticks, size },
        };
        let mut flags = if random.below(5) == 0 { Flags(0) } else { Flags::LAST };
        if random.below(300) == 0 {
            flags = flags | Flags::GAP;
        }
        if random.below(60) == 0 {
            flags = flags | Flags::BAD_TIME;
        }
        events.push(Event { exchange_ns: time_ns, receive_ns: time_ns, sequence, instrument, flags, body });
    }
    events
}

/// Rows of one instrument: the time, and the bits of each value.
type Rows = Vec<(u64, Vec<Option<u64>>)>;

fn bits(values: &[Option<f64>]) -> Vec<Option<u64>> {
    values.iter().map(|value| value.map(f64::to_bits)).collect()
}

/// Rows at each second by the CPU's stream, an instrument each.
fn by_stream(features: &str, events: &[Event], instruments: u32) -> Vec<Rows> {
    let levels = FeatureSet::parse(features).unwrap().levels();
    let stream = |id| FeatureStream::new(FeatureSet::parse(features).unwrap(), InstrumentId(id), levels);
    let mut streams: Vec<FeatureStream> = (0..instruments).map(stream).collect();
    let mut rows = vec![Vec::new(); instruments as usize];
    let mut has_begun = vec![false; instruments as usize];
    at_each_second(events, |event, due_ns| {
        if let Some(due_ns) = due_ns {
            for ((stream, rows), has_begun) in streams.iter_mut().zip(&mut rows).zip(&has_begun) {
                if *has_begun {
                    stream.advance(due_ns);
                }
                rows.push((due_ns, bits(stream.set().values())));
            }
        }
        if let Some(event) = event {
            streams[event.instrument.0 as usize].event(event);
            has_begun[event.instrument.0 as usize] = true;
        }
    });
    rows
}

/// Calls with the time of each row that is due before an event, with the event, and once at the end.
fn at_each_second(events: &[Event], mut step: impl FnMut(Option<&Event>, Option<u64>)) {
    let mut due_ns = events[0].exchange_ns.next_multiple_of(SECOND_NS);
    for event in events {
        while !event.flags.contains(Flags::BAD_TIME) && event.exchange_ns > due_ns {
            step(None, Some(due_ns));
            due_ns += SECOND_NS;
        }
        step(Some(event), None);
    }
    step(None, Some(due_ns));
}

/// The same rows by the grid.
fn by_grid(features: &str, events: &[Event], instruments: u32, runner: &Runner) -> (Vec<Rows>, u64) {
    let plan = Plan::parse(features, SECOND_NS).unwrap();
    let columns = plan.names().count();
    let mut grid = FeatureGrid::new(runner, plan, SECOND_NS, Times::Exchange);
    let mut rows = vec![Vec::new(); instruments as usize];
    let mut values = Vec::new();
    let mut take = |row: &GridRow<'_>| -> Result<(), GridError> {
        for (instrument, rows) in rows.iter_mut().enumerate() {
            row.values(InstrumentId(instrument as u32), &mut values);
            assert_eq!(values.len(), columns);
            rows.push((row.time_ns, bits(&values)));
        }
        Ok(())
    };
    at_each_second(events, |event, due_ns| {
        if let Some(due_ns) = due_ns {
            grid.row(due_ns, &mut take).unwrap();
        }
        if let Some(event) = event {
            grid.event(event);
        }
    });
    grid.finish(&mut take).unwrap();
    let rebuilds = grid.books().rebuilds();
    (rows, rebuilds)
}

fn assert_same(found: &[Rows], wanted: &[Rows], features: &str) {
    for (instrument, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            if found == wanted {
                continue;
            }
            for (name, (found, wanted)) in features.split(',').zip(found.1.iter().zip(&wanted.1)) {
                let number = |bits: &Option<u64>| bits.map(f64::from_bits);
                assert_eq!(number(found), number(wanted), "instrument {instrument}, {name}");
            }
            assert_eq!(found, wanted, "instrument {instrument}");
        }
    }
}

#[test]
fn the_cpus_arrays_give_the_streams_rows_bit_for_bit() {
    for seed in 0..6 {
        let events = made(seed, 7, 8_000);
        let wanted = by_stream(FEATURES, &events, 7);
        assert!(wanted[0].len() > 60);
        let (found, _) = by_grid(FEATURES, &events, 7, &runner(vec![Device::cpu()], None));
        assert_same(&found, &wanted, FEATURES);
    }
}

#[test]
fn a_vulkan_device_gives_the_streams_rows_bit_for_bit() {
    let Some(device) = vulkan() else { return };
    let events = made(11, 130, 20_000);
    let wanted = by_stream(FEATURES, &events, 130);
    let (found, rebuilds) = by_grid(FEATURES, &events, 130, &runner(vec![device], None));
    assert_same(&found, &wanted, FEATURES);
    assert_eq!(rebuilds, 0);
}

/// How many values of each feature are in the rows of all instruments.
fn present(rows: &[Rows], features: &str) -> Vec<usize> {
    let values = |column: usize| rows.iter().flatten().filter(|(_, values)| values[column].is_some()).count();
    (0..features.split(',').count()).map(values).collect()
}

/// Long enough for tables and weights to be fitted again and again, with books at rows' moments, from where the next interval begins.
#[test]
fn features_with_a_state_are_the_streams_bit_for_bit_where_they_have_values() {
    let mut events = made(21, 3, 24_000);
    let first = events.len() / 2;
    events[first..].iter_mut().for_each(|event| event.exchange_ns -= event.exchange_ns % (SECOND_NS / 4));
    let wanted = by_stream(OF_STATE, &events, 3);
    let rows: usize = wanted.iter().map(Vec::len).sum();
    for (feature, present) in OF_STATE.split(',').zip(present(&wanted, OF_STATE)) {
        assert!(present > rows / 4, "{feature} has {present} values in {rows} rows");
    }
    for device in std::iter::once(Device::cpu()).chain(vulkan()) {
        let (found, _) = by_grid(OF_STATE, &events, 3, &runner(vec![device], None));
        assert_same(&found, &wanted, OF_STATE);
    }
}

/// Tables, trades and sums that a device lost are made anew from the checkpoint and the batches since.
#[test]
fn features_with_a_state_survive_a_device_that_fails() {
    let Some(device) = vulkan() else { return };
    let events = made(22, 3, 24_000);
    let wanted = by_stream(OF_STATE, &events, 3);
    let fitted = present(&wanted, OF_STATE);
    assert!(fitted.iter().all(|present| *present > 100), "{fitted:?}");
    for fault in ["lost@600", "oom@700", "panic@650", "oom>3000"] {
        let (found, rebuilds) = by_grid(OF_STATE, &events, 3, &runner(vec![device.clone()], Some(fault)));
        assert_same(&found, &wanted, OF_STATE);
        assert!(rebuilds > 0 || fault.contains('>'), "{fault}");
    }
}

/// Instruments whose events come late, by turns, cost no batch each: what is of one moment goes up together.
#[test]
fn events_of_two_moments_by_turns_are_two_batches() {
    let plan = Plan::parse("ofi_integrated:1s:3", SECOND_NS).unwrap();
    let mut recorder = Recorder::of_plan(&plan, SECOND_NS, Times::Exchange);
    for step in 0..40 {
        let (late, body) = (step % 2, Body::Level { side: Side::Bid, price_ticks: 5 + step as i64, size: 1 + step });
        let exchange_ns = (9 - late) * SECOND_NS - 100 + step;
        let instrument = InstrumentId(late as u32);
        recorder.event(&Event { exchange_ns, receive_ns: 0, sequence: step, instrument, flags: Flags::LAST, body });
    }
    let cuts = recorder.cut(9 * SECOND_NS);
    assert_eq!(cuts.iter().map(|cut| cut.slot_ns).collect::<Vec<_>>(), [8 * SECOND_NS, 9 * SECOND_NS]);
    assert!(cuts.iter().all(|cut| cut.batch.changes() == 20));
    assert!(recorder.cut(9 * SECOND_NS)[0].batch.is_empty());
}

#[test]
fn features_of_one_level_and_without_flows_run_on_a_device() {
    let Some(device) = vulkan() else { return };
    let events = made(12, 5, 3_000);
    for features in ["mid,imbalance", "ofi:2s", "traded", "ofi_integrated:2s:2", "microprice:2:1:1"] {
        let wanted = by_stream(features, &events, 5);
        let (found, _) = by_grid(features, &events, 5, &runner(vec![device.clone()], None));
        assert_same(&found, &wanted, features);
    }
}

/// What the device holds is the top of the whole book, whatever was pushed out of view and came back.
#[test]
fn levels_beyond_the_view_come_back_when_nearer_ones_go() {
    let cpu = runner(vec![Device::cpu()], None);
    let on_device = vulkan().map(|device| runner(vec![device], None));
    for runner in std::iter::once(&cpu).chain(&on_device) {
        let plan = Plan::parse("imbalance:3,ofi_level:1s:3", SECOND_NS).unwrap();
        let mut books = DeviceBooks::new(runner, plan);
        let mut recorder = Recorder::new(3, SECOND_NS, Times::Exchange);
        let mut random = Random(5);
        for batch in 0..40 {
            for step in 0..60 {
                // Twelve levels a side at the most, of which three are in view: most changes are below them until nearer ones go.
                let side = if random.below(2) == 0 { Side::Bid } else { Side::Ask };
                let away = 1 + random.below(12) as i64;
                let price_ticks = if side == Side::Bid { -away } else { away };
                let size = if random.below(2) == 0 { 0 } else { 1 + random.next() % 9 };
                let body = Body::Level { side, price_ticks, size };
                let flags = if random.below(3) == 0 { Flags(0) } else { Flags::LAST };
                let (exchange_ns, sequence, instrument) =
                    (SECOND_NS, batch * 60 + step, InstrumentId((step % 4) as u32));
                recorder.event(&Event { exchange_ns, receive_ns: 0, sequence, instrument, flags, body });
            }
            // Every message ends here, so that the whole books can be looked at.
            for instrument in 0..4 {
                let (body, flags) = (Body::Trade { resting_side: None, price_ticks: 0, size: 1 }, Flags::LAST);
                let instrument = InstrumentId(instrument);
                recorder.event(&Event { exchange_ns: SECOND_NS, receive_ns: 0, sequence: 0, instrument, flags, body });
            }
            for cut in recorder.cut(SECOND_NS) {
                books.submit(cut.batch).unwrap();
                books.collect().unwrap();
            }
            let held = books.download().unwrap();
            for instrument in 0..4 {
                let book = recorder.books().book(InstrumentId(instrument));
                for side in [Side::Bid, Side::Ask] {
                    let wanted = book.levels(side).take(3);
                    let wanted: Vec<Level> =
                        wanted.map(|it| Level { price_ticks: it.price_ticks, size: it.size }).collect();
                    let at = instrument as usize;
                    let found: Vec<Level> =
                        (0..held.depth(side, at)).map(|level| held.level(side, level, at)).collect();
                    assert_eq!(found, wanted, "batch {batch}, instrument {instrument}, {side:?}");
                }
            }
        }
    }
}

#[test]
fn a_failure_at_any_step_changes_no_bit() {
    let Some(device) = vulkan() else { return };
    let events = made(3, 6, 1_500);
    let wanted = by_stream(FEATURES, &events, 6);
    let mut struck = 0;
    for kind in ["oom", "refused", "panic", "lost"] {
        // The steps of the first rows one by one, then some.
        for step in (1..14).chain([20, 31, 47]) {
            let runner = runner(vec![device.clone()], Some(&format!("{kind}@{step}")));
            let (found, rebuilds) = by_grid(FEATURES, &events, 6, &runner);
            assert_same(&found, &wanted, FEATURES);
            struck += rebuilds;
            assert_eq!(runner.is_on_cpu(), kind == "lost", "{kind}@{step}");
        }
    }
    assert!(struck > 20, "books were made anew {struck} times");
}

#[test]
fn a_device_with_little_memory_holds_the_books_in_parts_or_hands_them_on() {
    let Some(device) = vulkan() else { return };
    let events = made(4, 100, 4_000);
    let wanted = by_stream(FEATURES, &events, 100);
    for most in [4_096, 1_000, 16] {
        let runner = runner(vec![device.clone()], Some(&format!("oom>{most}")));
        let (found, _) = by_grid(FEATURES, &events, 100, &runner);
        assert_same(&found, &wanted, FEATURES);
        let stats = runner.stats();
        assert!(stats.halvings_total > 0, "{most}: {stats:?}");
        assert_eq!(runner.is_on_cpu(), most == 16, "{most}: {stats:?}");
    }
}

#[test]
fn without_a_cpu_to_fall_back_on_a_lost_device_is_told() {
    let Some(device) = vulkan() else { return };
    let gpu = zomma_gpu::GpuConfig { cpu_fallback: false, ..zomma_gpu::GpuConfig::default() };
    let config = RunnerConfig { gpu, fault: Some("lost@8".parse().unwrap()), ..RunnerConfig::default() };
    zomma_gpu::log_panics();
    let runner = Runner::new(vec![device], config).unwrap();
    let mut grid = FeatureGrid::new(&runner, Plan::parse("mid", SECOND_NS).unwrap(), SECOND_NS, Times::Exchange);
    let mut rows = 0;
    let mut failed = None;
    at_each_second(&made(5, 3, 2_000), |event, due_ns| {
        event.map(|event| grid.event(event));
        let mut take = |_: &GridRow<'_>| -> Result<(), GridError> {
            rows += 1;
            Ok(())
        };
        let due_ns = due_ns.filter(|_| failed.is_none());
        failed = failed.take().or_else(|| due_ns.and_then(|due_ns| grid.row(due_ns, &mut take).err()));
    });
    let told = failed.unwrap().to_string();
    assert!(told.contains("device lost") && told.contains("cpu_fallback is off"), "{told}");
    assert!(rows < 5);
}

#[test]
fn a_book_from_ahead_of_its_row_is_told() {
    let cpu = runner(vec![Device::cpu()], None);
    let body = Body::Level { side: Side::Bid, price_ticks: 1, size: 1 };
    let event = Event {
        exchange_ns: 9 * SECOND_NS,
        receive_ns: 0,
        sequence: 1,
        instrument: InstrumentId(0),
        flags: Flags::LAST,
        body,
    };
    let mut none = |_: &GridRow<'_>| -> Result<(), GridError> { Ok(()) };
    let grid = |features| {
        let mut grid = FeatureGrid::new(&cpu, Plan::parse(features, SECOND_NS).unwrap(), SECOND_NS, Times::Exchange);
        grid.event(&event);
        grid
    };
    let told = grid("ofi:1s").row(5 * SECOND_NS, &mut none).unwrap_err().to_string();
    assert!(told.starts_with("a book of 9000000000 ns before the row of 5000000000 ns"), "{told}");
    grid("mid").row(5 * SECOND_NS, &mut none).unwrap();
}

#[test]
fn microprices_of_more_instruments_than_there_is_memory_for_are_refused_with_the_figures() {
    let cpu = runner(vec![Device::cpu()], None);
    let mut none = |_: &GridRow<'_>| -> Result<(), GridError> { Ok(()) };
    let mut told = |features: &str, instruments: u32| {
        let plan = Plan::parse(features, SECOND_NS).unwrap();
        let mut grid = FeatureGrid::new(&cpu, plan, SECOND_NS, Times::Exchange).with_most_table_bytes(6_000_000);
        for number in 0..instruments {
            let body = Body::Level { side: Side::Bid, price_ticks: 1, size: 1 };
            let (exchange_ns, instrument, flags) = (SECOND_NS / 2, InstrumentId(number), Flags::LAST);
            grid.event(&Event { exchange_ns, receive_ns: exchange_ns, sequence: 1, instrument, flags, body });
        }
        grid.row(SECOND_NS, &mut none).and_then(|()| grid.finish(&mut none)).map_err(|error| error.to_string())
    };
    assert_eq!(told("microprice:20:20", 2), Ok(()));
    let refused = told("microprice:20:20", 5).unwrap_err();
    assert!(refused.starts_with("microprices of 3 instruments, 26"), "{refused}");
    assert!(refused.contains("need 7 MB; allowed: 6 MB"), "{refused}");
    assert_eq!((told("microprice", 5), told("mid", 5)), (Ok(()), Ok(())));
}

#[test]
fn sums_and_prices_at_the_edges_are_the_cpus() {
    let level = |side, price_ticks, size| Body::Level { side, price_ticks, size };
    let bodies = [
        level(Side::Bid, i64::MIN, u64::MAX),
        level(Side::Bid, i64::MIN + 1, u64::MAX - 7),
        level(Side::Ask, i64::MAX - 1, u64::MAX),
        level(Side::Ask, i64::MAX - 2, 1 << 62),
        level(Side::Bid, i64::MAX - 3, (1 << 53) + 1),
        level(Side::Ask, i64::MAX - 5, 3),
    ];
    let event = |(sequence, body): (u64, Body)| {
        let exchange_ns = SECOND_NS + sequence * SECOND_NS / 2;
        let (instrument, flags) = (InstrumentId(0), Flags::LAST);
        Event { exchange_ns, receive_ns: 0, sequence, instrument, flags, body }
    };
    let events: Vec<Event> = (1..).zip(bodies).map(event).collect();
    let wanted = by_stream(FEATURES, &events, 1);
    let devices = std::iter::once(Device::cpu()).chain(vulkan());
    for device in devices {
        let (found, _) = by_grid(FEATURES, &events, 1, &runner(vec![device], None));
        assert_same(&found, &wanted, FEATURES);
    }
}

/// Three stocks of a real day through both, a row a minute.
#[test]
fn real_itch_features_of_all_stocks_are_the_streams() {
    let Some(data) = zomma_testkit::real_data() else { return };
    let path = data.join("books/itch/lobster_20120621_AAPL_AMZN_GOOG.itch50.bin.gz");
    let mut file = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()), &mut file)
        .unwrap();
    let mut events: Vec<Event> = Vec::new();
    let mut decoder = crate::itch::Decoder::new(0);
    crate::feed::Decoder::feed(&mut decoder, &file, &mut events).unwrap();
    // The first hour and a half, so that the test is short.
    let end_ns = 11 * 3_600 * SECOND_NS;
    events.retain(|event| event.exchange_ns > 0 && event.exchange_ns < end_ns && event.body != Body::Definition);
    assert!(events.len() > 100_000, "{} events", events.len());
    let instruments = events.iter().map(|event| event.instrument.0).max().unwrap() + 1;
    let wanted = by_stream(FEATURES, &events, instruments);
    let mut books = Books::new();
    books.apply_all(&events);
    assert_eq!(books.faults().total(), 0);
    let devices = std::iter::once(Device::cpu()).chain(vulkan());
    for device in devices {
        let (found, _) = by_grid(FEATURES, &events, instruments, &runner(vec![device], None));
        assert_same(&found, &wanted, FEATURES);
    }
}

struct Emit;

impl Job for Emit {
    type Output = Vec<Source>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
        let mut sources = Vec::new();
        super::kernel::sources(session, &mut sources);
        Ok(sources)
    }
}

#[test]
fn nvidias_compiler_takes_the_kernel() {
    let Some(compute) = vulkan().and_then(|device| device.open().unwrap()) else { return };
    let folder = std::env::var_os("ZOMMA_CUDA_SOURCES").map(PathBuf::from);
    match compile_all(&compute.run(Emit).unwrap(), folder.as_deref()) {
        Ok(()) => {}
        Err(NotCompiled::NoCompiler(why)) => zomma_testkit::skip(why),
        Err(NotCompiled::Refused(words)) => panic!("{words}"),
    }
}
