use std::{collections::HashMap, path::PathBuf};

use ::dbn::{
    BboMsg, BidAskPair, MboMsg, Mbp1Msg, Mbp10Msg, MetadataBuilder, RecordHeader, SType, Schema, StatusMsg,
    encode::{
        EncodeRecord, EncodeRecordRef,
        dbn::{Encoder as DbnEncoder, MetadataEncoder},
    },
};
use proptest::prelude::*;

use super::*;
use crate::{
    event::{NO_PRICE, Side, Step},
    mutations::{Decoded, any_split_gives_the_same, damage_does_no_harm, decode},
};

mod options;

const DAY_NS: u64 = 86_400_000_000_000;

/// A header that maps ESH4 to 17077 for all days, as a file of `schema` has it.
fn header(schema: Option<Schema>) -> Metadata {
    MetadataBuilder::new()
        .dataset("GLBX.MDP3")
        .schema(schema)
        .start(DAY_NS)
        .stype_in(Some(SType::RawSymbol))
        .stype_out(SType::InstrumentId)
        .symbols(vec!["ESH4".into()])
        .build()
}

fn hd<T: ::dbn::HasRType>(kind: u8) -> RecordHeader {
    RecordHeader::new::<T>(kind, 1, 17_077, DAY_NS + 5)
}

fn mbo(action: u8, side: u8, order_id: u64, price: i64, size: u32, flags: u8) -> MboMsg {
    MboMsg {
        hd: hd::<MboMsg>(rtype::MBO),
        order_id,
        price,
        size,
        flags: flags.into(),
        channel_id: 0,
        action: action as _,
        side: side as _,
        ts_recv: DAY_NS + 9,
        ts_in_delta: 0,
        sequence: 3,
    }
}

fn stream(schema: Option<Schema>, write: impl FnOnce(&mut DbnEncoder<Vec<u8>>)) -> Vec<u8> {
    let mut encoder = DbnEncoder::new(Vec::new(), &header(schema)).unwrap();
    write(&mut encoder);
    std::mem::take(encoder.get_mut())
}

fn orders() -> Vec<u8> {
    const LAST: u8 = flags::LAST;
    stream(Some(Schema::Mbo), |encoder| {
        for record in [
            mbo(b'R', b'N', 0, ::dbn::UNDEF_PRICE, 0, flags::SNAPSHOT),
            mbo(b'A', b'B', 1, 4_780_250_000_000, 5, flags::SNAPSHOT | LAST),
            mbo(b'M', b'B', 1, 4_780_000_000_000, 4, LAST),
            mbo(b'T', b'A', 0, 4_780_000_000_000, 1, 0),
            mbo(b'F', b'B', 1, 4_780_000_000_000, 1, 0),
            mbo(b'C', b'B', 1, 4_780_000_000_000, 1, LAST | flags::MAYBE_BAD_BOOK),
            mbo(b'A', b'N', 2, 1, 1, LAST),
            mbo(b'A', b'A', 2, ::dbn::UNDEF_PRICE, 1, LAST),
            mbo(b'X', b'A', 2, 1, 1, LAST),
            mbo(b'A', b'A', 0, 7, 8, LAST | flags::TOB),
            mbo(b'M', b'A', 0, 7, 8, LAST | flags::MBP),
        ] {
            encoder.encode_record(&record).unwrap();
        }
    })
}

fn pair(bid_px: i64, bid_sz: u32, ask_px: i64, ask_sz: u32) -> BidAskPair {
    BidAskPair { bid_px, ask_px, bid_sz, ask_sz, bid_ct: 1, ask_ct: 1 }
}

fn depth_record(action: u8, levels: &[BidAskPair]) -> Mbp10Msg {
    let mut record = Mbp10Msg { hd: hd::<Mbp10Msg>(rtype::MBP_10), ..Mbp10Msg::default() };
    record.levels = std::array::from_fn(|_| pair(NO_PRICE, 0, NO_PRICE, 0));
    record.levels[..levels.len()].clone_from_slice(levels);
    (record.action, record.side, record.price, record.size) = (action as _, b'A' as _, 100, 1);
    (record.ts_recv, record.flags) = (DAY_NS + 9, flags::LAST.into());
    record
}

fn depths() -> Vec<u8> {
    stream(Some(Schema::Mbp10), |encoder| {
        for record in [
            depth_record(b'A', &[pair(99, 5, 101, 6), pair(98, 1, 102, 2)]),
            depth_record(b'A', &[pair(100, 3, 101, 6), pair(99, 5, 103, 2)]),
            depth_record(b'T', &[pair(100, 3, 101, 6), pair(99, 5, 103, 2)]),
            depth_record(b'M', &[pair(100, 3, 101, 6), pair(99, 5, 103, 2)]),
            depth_record(b'R', &[]),
        ] {
            encoder.encode_record(&record).unwrap();
        }
    })
}

fn all_of(bytes: &[u8]) -> Decoded {
    decode(DbnDecoder::new(), bytes, || bytes.len())
}

fn bodies(decoded: &Decoded) -> Vec<Body> {
    decoded.events.iter().map(|event| event.body).collect()
}

#[test]
fn orders_become_events_with_their_times_and_flags() {
    let decoded = all_of(&orders());
    assert_eq!(decoded.error, None);
    let price_ticks = 4_780_000_000_000;
    let expected = [
        Body::Clear,
        Body::Add { order_id: 1, side: Side::Bid, price_ticks: 4_780_250_000_000, size: 5 },
        Body::Modify { order_id: 1, new_order_id: 1, price_ticks, size: 4 },
        Body::Trade { resting_side: Some(Side::Bid), price_ticks, size: 1 },
        Body::Cancel { order_id: 1, size: 1 },
        Body::Quote { side: Side::Ask, price_ticks: 7, size: 8 },
        Body::Level { side: Side::Ask, price_ticks: 7, size: 8 },
    ];
    assert_eq!(bodies(&decoded), expected);
    let flags: Vec<Flags> = decoded.events.iter().take(5).map(|event| event.flags).collect();
    let (last, none) = (Flags::LAST, Flags::default());
    assert_eq!(flags, [Flags::SNAPSHOT, Flags::SNAPSHOT | last, last, none, last | Flags::GAP]);
    let first = decoded.events[0];
    assert_eq!((first.exchange_ns, first.receive_ns, first.sequence), (DAY_NS + 5, DAY_NS + 9, 3));
    assert_eq!(decoded.counts, Counts { messages: 11, passed_over: 1, malformed: 3, ..Counts::default() });
}

#[test]
fn instruments_have_the_name_of_the_header_and_units_of_a_billionth() {
    let mut decoder = DbnDecoder::new();
    decoder.feed(&mapped_header(), &mut Vec::new()).unwrap();
    // 2023-12-24, and 2023-12-26, which is the first day that the mapping is not for.
    let (from_ns, until_ns) = (19_715 * DAY_NS, 19_717 * DAY_NS);
    let symbols = &mut decoder.inner.symbols;
    let id = symbols.resolve(1, 17_077, from_ns);
    let definition = symbols.instruments.latest(id).unwrap();
    assert_eq!((definition.symbol.as_str(), definition.tick_nanos), ("ESH4", 1));
    assert_eq!(definition.price(4_780_250_000_000), 4_780.25);
    assert_eq!(symbols.resolve(1, 17_077, until_ns - 1), id);
    for outside in [from_ns - 1, until_ns] {
        let unnamed = symbols.resolve(1, 17_077, outside);
        assert_eq!(symbols.instruments.latest(unnamed).unwrap().symbol, "#17077");
    }
}

/// A header with one mapping, made here.
fn mapped_header() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut metadata = header(Some(Schema::Mbo));
    MetadataEncoder::new(&mut bytes).encode(&metadata).unwrap();
    // The four counts at the end are of symbols (one), partial, not found, mappings (none): one mapping is put in place of the last.
    metadata.symbols.clear();
    let symbol_bytes = metadata.symbol_cstr_len;
    bytes.truncate(8 + 100 + 4 + 4 + symbol_bytes + 4 + 4);
    let cstr = |text: &str| [text.as_bytes(), &vec![0; symbol_bytes - text.len()]].concat();
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(cstr("ESH4"));
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(20_231_224_u32.to_le_bytes());
    bytes.extend(20_231_226_u32.to_le_bytes());
    bytes.extend(cstr("17077"));
    let length = bytes.len() as u32 - 8;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes
}

#[test]
fn best_prices_come_before_the_trade_that_was_made_at_them() {
    let bytes = stream(None, |encoder| {
        let mut record = Mbp1Msg { hd: hd::<Mbp1Msg>(rtype::MBP_1), ..Mbp1Msg::default() };
        record.levels = [pair(99, 5, NO_PRICE, 0)];
        (record.price, record.size, record.ts_recv) = (99, 2, DAY_NS);
        (record.action, record.side, record.flags) = (b'T' as _, b'A' as _, flags::LAST.into());
        encoder.encode_record(&record).unwrap();
        record.action = b'R' as _;
        encoder.encode_record(&record).unwrap();
        let mut sample = BboMsg::default_for_schema(Schema::Bbo1S);
        sample.hd = hd::<BboMsg>(rtype::BBO_1S);
        (sample.levels, sample.ts_recv) = ([pair(98, 1, 101, 2)], DAY_NS + 77);
        encoder.encode_record(&sample).unwrap();
        let mut status = StatusMsg { hd: hd::<StatusMsg>(rtype::STATUS), ..StatusMsg::default() };
        status.action = StatusAction::Halt as u16;
        encoder.encode_record(&status).unwrap();
    });
    let decoded = all_of(&bytes);
    let quote = |side, price_ticks, size| Body::Quote { side, price_ticks, size };
    let (bid, ask) = (quote(Side::Bid, 99, 5), quote(Side::Ask, NO_PRICE, 0));
    let trade = Body::Trade { resting_side: Some(Side::Bid), price_ticks: 99, size: 2 };
    let sampled = [quote(Side::Bid, 98, 1), quote(Side::Ask, 101, 2)];
    let halted = Body::Status(TradingStatus::Halted);
    let expected = [bid, ask, trade, Body::Clear, bid, ask, sampled[0], sampled[1], halted];
    assert_eq!(bodies(&decoded), expected);
    // A sample is of its time of receipt, not of the last trade.
    let sample = decoded.events[7];
    assert_eq!((sample.exchange_ns, sample.flags), (DAY_NS + 77, Flags::LAST | Flags::BAD_TIME));
}

#[test]
fn depth_is_told_by_what_changed() {
    let decoded = all_of(&depths());
    let bid = |price_ticks, size| Body::Level { side: Side::Bid, price_ticks, size };
    let ask = |price_ticks, size| Body::Level { side: Side::Ask, price_ticks, size };
    let filled = [bid(99, 5), bid(98, 1), ask(101, 6), ask(102, 2)];
    let moved = [bid(98, 0), ask(102, 0), bid(100, 3), ask(103, 2)];
    let traded = [Body::Trade { resting_side: Some(Side::Bid), price_ticks: 100, size: 1 }];
    let expected = [&filled[..], &moved, &traded, &[bid(100, 3)], &[Body::Clear]].concat();
    assert_eq!(bodies(&decoded), expected);
    let last: Vec<usize> =
        (0..).zip(&decoded.events).filter(|(_, event)| event.flags == Flags::LAST).map(|(at, _)| at).collect();
    assert_eq!(last, [3, 7, 8, 9, 10]);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    let valid = orders();
    let header_bytes = valid.len() - 11 * size_of::<MboMsg>();
    let fails = |bytes: &[u8]| all_of(bytes).error.unwrap().to_string();
    assert_eq!(fails(b"DBN\x04\0\0\0\0"), "byte 3: DBN version 4; allowed: 1 to 3");
    assert_eq!(
        fails(b"\x51\x2A\x4D\x18\0\0\0\0"),
        "byte 0: begins with DBZ, the format before DBN; allowed: DBN versions 1 to 3"
    );
    assert_eq!(fails(b"DBN\x03\xFF\xFF\xFF\xFF"), "byte 4: header of 4294967295 bytes; allowed: up to 1073741824");
    assert_eq!(fails(b"DB"), "byte 0: the stream ends within the header, behind 2 bytes of it");
    let cut = &valid[..header_bytes + 60];
    assert_eq!(
        fails(cut),
        format!("byte {}: the stream ends within a record, behind 4 bytes of it", header_bytes + 56)
    );
    let mut zero_length = valid.clone();
    zero_length[header_bytes + 56] = 0;
    let expected = format!("byte {}: record of 0 bytes; allowed: 16 at least", header_bytes + 56);
    assert_eq!(fails(&zero_length), expected);
    // Of a record that is too short for its type only that record is lost.
    let mut short = valid[..header_bytes + 56].to_vec();
    short[header_bytes] = 10;
    short.drain(header_bytes + 40..);
    let decoded = all_of(&short);
    assert_eq!((decoded.error, decoded.counts.malformed), (None, 1));
    assert!(DbnDecoder::fragment(4).is_err());
}

#[test]
fn another_stream_follows_one_that_has_ended_however_it_ended() {
    let whole = orders();
    let alone = all_of(&whole).events;
    let mut broken = whole.clone();
    broken[0] = b'X';
    for first in [&whole[..], &whole[..whole.len() - 3], &whole[..30], &broken] {
        let mut decoder = DbnDecoder::new();
        let _ = decoder.feed(first, &mut Vec::new());
        let ended = decoder.finish(&mut Vec::new());
        assert_eq!(ended.is_ok(), first.len() == whole.len() && first[0] == b'D');
        let mut events = Vec::new();
        decoder.feed(&whole, &mut events).unwrap();
        decoder.finish(&mut events).unwrap();
        assert_eq!((events.len(), decoder.instruments().len()), (alone.len(), 1));
        assert!(
            events
                .iter()
                .zip(&alone)
                .all(|(again, alone)| (again.instrument, again.body) == (alone.instrument, alone.body))
        );
    }
    // Records without a header go on without one.
    let records = &whole[whole.len() - 11 * size_of::<MboMsg>()..];
    let mut decoder = DbnDecoder::fragment(3).unwrap();
    for _ in 0..2 {
        let mut events = Vec::new();
        decoder.feed(&records[..60], &mut events).unwrap();
        assert_eq!((events.len(), decoder.finish(&mut events).is_err()), (1, true));
    }
}

#[test]
fn a_symbol_of_digits_is_a_name_unless_it_is_the_number_itself() {
    for (symbol, expected) in [("7203", "7203"), ("17077", "#17077")] {
        let bytes = stream(None, |encoder| {
            let mut mapping =
                SymbolMappingMsg { hd: hd::<SymbolMappingMsg>(rtype::SYMBOL_MAPPING), ..Default::default() };
            for (place, byte) in mapping.stype_out_symbol.iter_mut().zip(symbol.bytes()) {
                *place = byte as _;
            }
            encoder.encode_record(&mapping).unwrap();
            encoder.encode_record(&mbo(b'A', b'B', 1, 4, 5, flags::LAST)).unwrap();
        });
        let mut decoder = DbnDecoder::new();
        decoder.feed(&mapped_header(), &mut Vec::new()).unwrap();
        decoder.feed(&bytes[stream(None, |_| {}).len()..], &mut Vec::new()).unwrap();
        let name = &decoder.instruments().latest(InstrumentId(0)).unwrap().symbol;
        // The header's mapping is for other days than the records.
        assert_eq!(name, expected);
    }
}

#[test]
fn nothing_is_allocated_for_a_record_once_its_like_has_been_seen() {
    for (schema, bytes) in [(Schema::Mbo, orders()), (Schema::Mbp10, depths())] {
        let mut decoder = DbnDecoder::new();
        let mut events = Vec::with_capacity(10_000);
        decoder.feed(&bytes, &mut events).unwrap();
        let records = &bytes[stream(Some(schema), |_| {}).len()..];
        // What is malformed is told in words the first time: it is left out here.
        let records = if schema == Schema::Mbo { &records[..6 * size_of::<MboMsg>()] } else { records };
        let ((), allocated) =
            crate::allocations::measure(|| (0..100).for_each(|_| decoder.feed(records, &mut events).unwrap()));
        assert_eq!(allocated.calls, 0);
        assert!(events.len() > 500);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_gives_the_same_events(seed: u64, longest in 1_usize..300) {
        any_split_gives_the_same(&orders(), seed, longest, DbnDecoder::new);
    }
}

#[test]
fn damaged_bytes_do_no_harm() {
    damage_does_no_harm(&[orders(), depths(), mapped_header()], 20_000, 1 << 20, DbnDecoder::new);
}

fn read(path: &std::path::Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|ending| ending == "zst") {
        return zstd::decode_all(bytes.as_slice()).unwrap();
    }
    bytes
}

/// Every fixture of a kind of file name, decompressed, by name.
fn fixtures(is_wanted: impl Fn(&str) -> bool) -> Option<Vec<(String, Vec<u8>)>> {
    let folder = zomma_testkit::real_data()?.join("books/dbn/codec_fixtures");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let named = paths.iter().map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path));
    Some(named.filter(|(name, _)| is_wanted(name)).map(|(name, path)| (name, read(path))).collect())
}

fn has_header(name: &str) -> bool {
    (name.ends_with(".dbn") || name.ends_with(".dbn.zst")) && !name.contains(".frag")
}

#[test]
fn real_fixtures_of_every_schema_and_version_are_written_again_byte_for_byte() {
    let Some(fixtures) = fixtures(has_header) else { return };
    let mut kinds = std::collections::BTreeSet::new();
    for (name, bytes) in &fixtures {
        let mut reader =
            ::dbn::decode::dbn::Decoder::with_upgrade_policy(bytes.as_slice(), VersionUpgradePolicy::AsIs).unwrap();
        let metadata = ::dbn::decode::DbnMetadata::metadata(&reader).clone();
        let mut encoder = DbnEncoder::new(Vec::new(), &metadata).unwrap();
        let mut records = 0;
        while let Some(record) = reader.decode_ref().unwrap() {
            encoder.encode_record_ref(record).unwrap();
            records += 1;
        }
        assert_eq!(encoder.get_ref(), bytes, "{name}");
        // This decoder takes the same records, and the same header.
        let mut decoder = DbnDecoder::new();
        decoder.feed(bytes, &mut Vec::new()).unwrap();
        decoder.finish(&mut Vec::new()).unwrap();
        assert_eq!(decoder.metadata(), Some(&metadata), "{name}");
        let counts = decoder.counts();
        assert_eq!(
            (counts.messages, counts.unknown, counts.malformed),
            (records, 0, 0),
            "{name}: {:?}",
            decoder.first_fault()
        );
        kinds.insert((metadata.schema.unwrap().to_string(), metadata.version));
    }
    // 17 schemas: 12 in three versions, 5 (bbo, cbbo, cmbp and status, which came later) in two.
    assert_eq!((fixtures.len(), kinds.len()), (64, 46));
}

#[test]
fn real_fixtures_of_one_schema_give_the_same_events_in_all_versions() {
    let Some(fixtures) = fixtures(has_header) else { return };
    let mut by_schema: HashMap<String, (String, Vec<Event>)> = HashMap::new();
    let mut compared = 0;
    for (name, bytes) in &fixtures {
        let schema = name.trim_start_matches("test_data.").split('.').next().unwrap().to_owned();
        let decoded = all_of(bytes);
        let passed_over = ["ohlcv", "statistics", "imbalance"].iter().any(|kind| schema.starts_with(kind));
        assert_eq!(decoded.events.is_empty(), passed_over || decoded.counts.messages == 0, "{name}");
        if let Some((first, events)) = by_schema.get(&schema) {
            assert_eq!(&decoded.events, events, "{name} against {first}");
            compared += 1;
        } else {
            by_schema.insert(schema, (name.clone(), decoded.events));
        }
    }
    assert_eq!(compared, 47);
}

#[test]
fn real_fragments_are_read_as_the_version_that_they_are_told_to_be() {
    let Some(fragments) = fixtures(|name| name.contains(".frag")) else { return };
    for (name, bytes) in &fragments {
        let version = name.split('.').find_map(|part| part.strip_prefix('v')?.parse().ok()).unwrap_or(1);
        let mut events = Vec::new();
        let mut decoder = DbnDecoder::fragment(version).unwrap();
        decoder.feed(bytes, &mut events).unwrap();
        decoder.finish(&mut events).unwrap();
        let counts = decoder.counts();
        assert!(counts.messages > 0 && counts.malformed == 0, "{name}: {counts:?} {:?}", decoder.first_fault());
        assert!(events.iter().all(|event| event.body == Body::Definition), "{name}");
        let (id, definition) = decoder.instruments().iter().next().unwrap();
        assert!(!definition.symbol.starts_with('#') && decoder.increment_nanos(id).is_some(), "{name}: {definition:?}");
    }
    assert_eq!(fragments.len(), 7);
}

#[test]
fn real_fixtures_split_anywhere_and_damaged() {
    let Some(fixtures) = fixtures(has_header) else { return };
    let files: Vec<Vec<u8>> = fixtures.into_iter().map(|(_, bytes)| bytes).collect();
    for (seed, file) in (0..).zip(&files) {
        for longest in [1, 7, 100, 1_000] {
            any_split_gives_the_same(file, seed, longest, DbnDecoder::new);
        }
    }
    damage_does_no_harm(&files, 20_000, 1 << 20, DbnDecoder::new);
}

/// A book of orders as events tell it, without the care of the true one.
#[derive(Default)]
struct OrderBook {
    orders: HashMap<u64, (Side, i64, u64)>,
    levels: [std::collections::BTreeMap<i64, u64>; 2],
    traded: bool,
    trades: u64,
    checked: u64,
}

impl OrderBook {
    fn put(&mut self, order_id: u64, side: Side, price_ticks: i64, size: u64) {
        assert_eq!(self.orders.insert(order_id, (side, price_ticks, size)), None, "order {order_id} is there already");
        *self.levels[side as usize].entry(price_ticks).or_default() += size;
    }

    fn take(&mut self, order_id: u64) -> (Side, i64, u64) {
        let (side, price_ticks, size) =
            self.orders.remove(&order_id).unwrap_or_else(|| panic!("unknown order {order_id}"));
        let level = self.levels[side as usize].get_mut(&price_ticks).unwrap();
        *level -= size;
        if *level == 0 {
            self.levels[side as usize].remove(&price_ticks);
        }
        (side, price_ticks, size)
    }
}

impl Sink for OrderBook {
    fn event(&mut self, event: &Event) {
        match event.body {
            Body::Add { order_id, side, price_ticks, size } => self.put(order_id, side, price_ticks, size),
            Body::Modify { order_id, price_ticks, size, .. } => {
                let (side, ..) = self.take(order_id);
                self.put(order_id, side, price_ticks, size);
            }
            Body::Cancel { order_id, size } => {
                let (side, price_ticks, left) = self.take(order_id);
                assert!(size <= left, "order {order_id} has {left} left, {size} are cancelled");
                if size < left {
                    self.put(order_id, side, price_ticks, left - size);
                }
            }
            Body::Trade { resting_side, price_ticks, .. } => {
                self.traded = true;
                // The trade comes before what it takes away: its price must rest on the side that is told.
                if let Some(side) = resting_side {
                    assert!(self.levels[side as usize].contains_key(&price_ticks), "nothing rests at {price_ticks}");
                    self.trades += 1;
                }
            }
            other => panic!("{other:?}"),
        }
        if self.traded && event.flags.contains(Flags::LAST) {
            let best_bid = self.levels[0].last_key_value().unwrap().0;
            let best_ask = self.levels[1].first_key_value().unwrap().0;
            assert!(best_bid < best_ask, "crossed: {best_bid} {best_ask}");
            self.checked += 1;
        }
    }
}

#[test]
fn real_es_orders_are_all_known_and_the_book_is_uncrossed_after_the_first_trade() {
    let Some(folder) = zomma_testkit::real_data() else { return };
    for (file, records, snapshot_orders, checked, trades) in [
        ("esh4-glbx-mdp3-20231224.mbo.dbn.zst", 8_725, 8_725, 0, 0),
        ("esh4-glbx-mdp3-20231225.mbo.dbn.zst", 68_792, 8_725, 46_097, 2_972),
    ] {
        let bytes = read(&folder.join("books/dbn").join(file));
        let mut book = OrderBook::default();
        let mut decoder = DbnDecoder::new();
        decoder.feed(&bytes, &mut book).unwrap();
        decoder.finish(&mut book).unwrap();
        let counts = decoder.counts();
        assert_eq!((counts.messages, counts.unknown, counts.malformed), (records, 0, 0), "{:?}", decoder.first_fault());
        let mut events = Vec::new();
        DbnDecoder::new().feed(&bytes, &mut events).unwrap();
        let of_snapshot = events.iter().filter(|event| event.flags.contains(Flags::SNAPSHOT)).count();
        assert_eq!((of_snapshot, book.checked, book.trades), (snapshot_orders, checked, trades));
        assert_eq!(decoder.instruments().latest(InstrumentId(0)).unwrap().symbol, "ESH4");
    }
}

#[test]
fn real_definitions_and_best_prices_are_read() {
    let Some(folder) = zomma_testkit::real_data() else { return };
    for file in ["definition-glbx-es-opt.dbn.zst", "futures_mbp-1_2024-07-01T23-58_2024-07-02T00-02.dbn.zst"] {
        let bytes = read(&folder.join("books/dbn").join(file));
        let decoded = all_of(&bytes);
        assert_eq!((decoded.error, decoded.counts.malformed, decoded.counts.unknown), (None, 0, 0));
        assert!(!decoded.events.is_empty());
        any_split_gives_the_same(&bytes, 1, 5_000, DbnDecoder::new);
    }
}

/// Takes what a decoder gives, and asks to be told ahead.
#[derive(Default)]
struct Foretold {
    events: Vec<Event>,
    told: std::cell::RefCell<Vec<(Step, InstrumentId, u64)>>,
}

impl Sink for Foretold {
    fn event(&mut self, event: &Event) {
        self.events.push(*event);
    }

    fn looks_ahead(&self) -> bool {
        true
    }

    fn ahead(&self, step: Step, instrument: InstrumentId, known: u64) -> u64 {
        self.told.borrow_mut().push((step, instrument, known));
        known
    }
}

#[test]
fn orders_are_told_ahead_of_their_records_and_change_no_event() {
    let numbers: Vec<u64> = (1..=40).collect();
    let bytes = stream(Some(Schema::Mbo), |encoder| {
        numbers.iter().for_each(|number| encoder.encode_record(&mbo(b'A', b'B', *number, 7, 1, 0)).unwrap());
    });
    let mut plain: Vec<Event> = Vec::new();
    DbnDecoder::new().feed(&bytes, &mut plain).unwrap();
    assert_eq!(plain.len(), numbers.len());
    // Split within records and between them.
    for piece in [bytes.len(), 1, 56, 100, 701] {
        let (mut decoder, mut foretold) = (DbnDecoder::new(), Foretold::default());
        bytes.chunks(piece).for_each(|piece| decoder.feed(piece, &mut foretold).unwrap());
        assert_eq!((decoder.finish(&mut foretold), &foretold.events), (Ok(()), &plain), "{piece}");
        if piece == bytes.len() {
            let told = foretold.told.into_inner();
            let at = |step| told.iter().filter(move |told| told.0 == step).map(|told| told.2);
            assert!(at(Step::Far).eq(numbers.iter().copied()), "{told:?}");
            // The first ones come too soon for the nearer steps.
            assert_eq!(at(Step::Near).take(32).collect::<Vec<_>>(), numbers[8..]);
            assert_eq!(at(Step::Next).take(36).collect::<Vec<_>>(), numbers[4..]);
            // Which instrument a number means is known once a record of it has been taken.
            assert_eq!(told.iter().rfind(|told| told.0 == Step::Far).map(|told| told.1), Some(InstrumentId(0)));
        }
    }
}
