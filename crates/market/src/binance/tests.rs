use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
};

use proptest::prelude::*;

use super::*;
use crate::mutations::{any_split_gives_the_same, damage_does_no_harm, decode};

const SPOT: &str = r#"100 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1000,"s":"BTCUSDT","U":5,"u":8,"b":[["10.50000000","1.00000000"]],"a":[]}}
101 {"stream":"btcusdt@bookTicker","data":{"u":8,"s":"BTCUSDT","b":"10.50000000","B":"1.00000000","a":"0.00000000","A":"0.00000000"}}
102 {"stream":"btcusdt@trade","data":{"e":"trade","E":1001,"s":"BTCUSDT","t":77,"p":"10.50000000","q":"0.02000000","T":1000,"m":true,"M":true}}
103 {"lastUpdateId":6,"bids":[["10.00000000","2.00000000"]],"asks":[["11.00000000","3.00000000"]]}
104 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1002,"s":"BTCUSDT","U":9,"u":9,"b":[],"a":[["11.00000000","0.00000000"]]}}
105 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1003,"s":"BTCUSDT","U":12,"u":13,"b":[],"a":[["11.00000000","1.00000000"],["12.00000000","1.00000000"]]}}
"#;

const FUTURES: &str = r#"100 {"stream":"x","data":{"e":"depthUpdate","E":1000,"T":999,"s":"ETHUSDT","U":50,"u":80,"pu":40,"b":[["10.5","1"]],"a":[]}}
101 {"lastUpdateId":60,"E":1001,"T":998,"bids":[["10.5","2.000"]],"asks":[["10.6","3"]]}
102 {"stream":"x","data":{"e":"bookTicker","u":90,"s":"ETHUSDT","b":"10.5","B":"1","a":"10.6","A":"2","T":1003,"E":1004}}
103 {"stream":"x","data":{"e":"aggTrade","E":1005,"s":"ETHUSDT","a":7,"p":"10.6","q":"1","f":1,"l":2,"T":1004,"m":false}}
104 {"stream":"x","data":{"e":"markPriceUpdate","E":1006,"s":"ETHUSDT","p":"10.5","T":9}}
"#;

fn decoded(text: &str) -> (BinanceDecoder, Vec<Event>) {
    let mut decoder = BinanceDecoder::new();
    let mut events = Vec::new();
    decoder.feed(text.as_bytes(), &mut events).unwrap();
    decoder.finish(&mut events).unwrap();
    (decoder, events)
}

fn level(side: Side, price_ticks: i64, size: u64) -> Body {
    Body::Level { side, price_ticks, size }
}

#[test]
fn spot_messages_become_events_once_the_snapshot_is_there() {
    let (decoder, events) = decoded(SPOT);
    let first = events[0];
    assert_eq!((first.sequence, first.exchange_ns, first.receive_ns), (8, 101, 101));
    assert_eq!((first.flags, events[1].flags), (Flags::BAD_TIME, Flags::BAD_TIME | Flags::LAST));
    assert_eq!(first.body, Body::Quote { side: Side::Bid, price_ticks: 1_050_000_000, size: 100_000_000 });
    assert_eq!(events[1].body, Body::Quote { side: Side::Ask, price_ticks: NO_PRICE, size: 0 });

    let trade = events[2];
    assert_eq!((trade.sequence, trade.exchange_ns, trade.flags), (77, 1_000_000_000, Flags::LAST));
    let resting_side = Some(Side::Bid);
    assert_eq!(trade.body, Body::Trade { resting_side, price_ticks: 1_050_000_000, size: 2_000_000 });

    let snapshot: Vec<_> = events[3..6].iter().map(|event| (event.body, event.flags)).collect();
    let within = Flags::SNAPSHOT | Flags::BAD_TIME;
    let expected = [
        (Body::Clear, within),
        (level(Side::Bid, 1_000_000_000, 200_000_000), within),
        (level(Side::Ask, 1_100_000_000, 300_000_000), within | Flags::LAST),
    ];
    assert_eq!(snapshot, expected);
    // The update that waited has its own time of the exchange, and is received when it can be used.
    assert_eq!(events[6].body, level(Side::Bid, 1_050_000_000, 100_000_000));
    assert_eq!((events[6].sequence, events[6].exchange_ns, events[6].receive_ns), (8, 1_000_000_000, 103));
    assert_eq!((events[7].sequence, events[7].flags), (9, Flags::LAST));
    // Updates 10 and 11 never came.
    assert_eq!((events[8].flags, events[9].flags), (Flags::GAP, Flags::LAST));
    assert_eq!(events.len(), 10);
    assert_eq!(decoder.counts(), Counts { messages: 6, missing: 1, ..Counts::default() });
    let id = decoder.instruments().find("BTCUSDT").unwrap();
    assert_eq!((decoder.book_state(id), decoder.last_update(id)), (Some(BookState::Broken), Some(13)));
    assert_eq!(decoder.held_updates(id), Some(1));
}

#[test]
fn futures_messages_are_told_by_their_previous_update() {
    let (decoder, events) = decoded(FUTURES);
    let bodies: Vec<Body> = events.iter().map(|event| event.body).collect();
    assert_eq!(bodies[0], Body::Clear);
    assert_eq!(bodies[3], level(Side::Bid, 1_050_000_000, 100_000_000));
    assert_eq!((events[0].exchange_ns, events[3].exchange_ns), (998_000_000, 999_000_000));
    assert_eq!(events[5].flags, Flags::LAST);
    let resting_side = Some(Side::Ask);
    assert_eq!(bodies[6], Body::Trade { resting_side, price_ticks: 1_060_000_000, size: 100_000_000 });
    assert_eq!((events[6].sequence, events.len()), (7, 7));
    assert_eq!(decoder.counts(), Counts { messages: 5, passed_over: 1, ..Counts::default() });
    assert_eq!(decoder.book_state(InstrumentId(0)), Some(BookState::Live));
    let found = ["ETHUSDT@futures", "ETHUSDT", "ETHUSDT@spot"].map(|name| decoder.instruments().find(name));
    assert_eq!(found, [Some(InstrumentId(0)), Some(InstrumentId(0)), None]);
}

#[test]
fn spot_and_futures_of_one_symbol_are_two_instruments_with_a_snapshot_each() {
    // The lines of the two in turns, and those of futures called by the symbol of spot.
    let futures = FUTURES.replace("ETHUSDT", "BTCUSDT");
    let mut lines: Vec<(u64, &str)> = (0..).step_by(2).zip(SPOT.lines()).collect();
    lines.extend((1..).step_by(2).zip(futures.lines()));
    lines.sort_unstable();
    let both: String = lines.iter().flat_map(|(_, line)| [line, "\n"]).collect();
    let (decoder, events) = decoded(&both);
    assert_eq!(decoder.first_fault(), None);
    let of = |name: &str| {
        let id = decoder.instruments().find(name).unwrap();
        events.iter().filter(|event| event.instrument == id).map(|event| event.body).collect::<Vec<_>>()
    };
    let alone = |text: &str| decoded(text).1.iter().map(|event| event.body).collect::<Vec<_>>();
    assert_eq!((of("BTCUSDT@spot"), of("BTCUSDT@futures")), (alone(SPOT), alone(FUTURES)));
    assert_eq!(decoder.instruments().find("BTCUSDT"), None, "it could be either");
}

#[test]
fn a_trade_that_tells_no_market_is_of_the_only_one_or_of_none() {
    let trade = |symbol: &str| {
        format!("9 {{\"e\":\"trade\",\"s\":\"{symbol}\",\"t\":1,\"p\":\"1\",\"q\":\"1\",\"m\":true,\"T\":1}}\n")
    };
    let names = |decoder: &BinanceDecoder| -> Vec<Option<InstrumentId>> {
        ["ETHUSDT@futures", "ETHUSDT@spot", "XRPUSDT@futures", "XRPUSDT@spot"]
            .map(|name| decoder.instruments().find(name))
            .to_vec()
    };
    // In a capture of futures it is one of futures, of a symbol that is known and of a new one.
    let (decoder, events) = decoded(&format!("{FUTURES}{}{}", trade("ETHUSDT"), trade("XRPUSDT")));
    assert_eq!(names(&decoder), [Some(InstrumentId(0)), None, Some(InstrumentId(1)), None]);
    assert_eq!(events[events.len() - 2].instrument, InstrumentId(0));
    assert_eq!(decoder.first_fault(), None);
    // What was guessed before any message told a market is no evidence.
    let (decoder, events) = decoded(&format!("{}{FUTURES}{}", trade("ETHUSDT"), trade("ETHUSDT")));
    assert_eq!(decoder.instruments().find("ETHUSDT@futures"), Some(events[events.len() - 1].instrument));
    assert_eq!((decoder.counts().malformed, decoder.first_fault()), (0, None));
    // Where the symbol is in both, whichever message came before says nothing of it.
    let spot = SPOT.replace("BTCUSDT", "ETHUSDT");
    for both in [format!("{FUTURES}{spot}"), format!("{spot}{FUTURES}")] {
        let (decoder, events) = decoded(&format!("{both}{}", trade("ETHUSDT")));
        assert_eq!((events.len(), decoder.counts().malformed), (decoded(&both).1.len(), 1));
        let fault = decoder.first_fault().unwrap().problem.clone();
        assert_eq!(
            fault,
            "a trade of ETHUSDT tells no market, and both are known; allowed: M (spot) or X (futures) in it"
        );
    }
}

#[test]
fn updates_that_never_see_a_snapshot_are_told() {
    let without: String =
        SPOT.lines().filter(|line| !line.contains("lastUpdateId")).flat_map(|line| [line, "\n"]).collect();
    let (decoder, events) = decoded(&without);
    assert_eq!(decoder.awaiting_snapshot().collect::<Vec<_>>(), [(InstrumentId(0), 3)]);
    assert!(!events.iter().any(|event| matches!(event.body, Body::Level { .. })));
    assert_eq!(decoded(SPOT).0.awaiting_snapshot().count(), 0);
}

#[test]
fn a_gap_is_told_by_the_next_level_even_where_the_update_behind_it_is_empty() {
    let (_, events) = decoded(
        r#"1 {"e":"depthUpdate","E":1,"s":"A","U":1,"u":1,"b":[],"a":[]}
2 {"lastUpdateId":1,"bids":[],"asks":[]}
3 {"e":"depthUpdate","E":1,"s":"A","U":5,"u":5,"b":[],"a":[]}
4 {"e":"depthUpdate","E":1,"s":"A","U":6,"u":6,"b":[["1","1"]],"a":[]}
5 {"e":"depthUpdate","E":1,"s":"A","U":7,"u":7,"b":[["1","2"]],"a":[]}"#,
    );
    let flags: Vec<Flags> = events.iter().map(|event| event.flags).collect();
    let snapshot = Flags::SNAPSHOT | Flags::BAD_TIME | Flags::LAST;
    assert_eq!(flags, [snapshot, Flags::GAP | Flags::LAST, Flags::LAST]);
}

#[test]
fn lines_that_make_no_sense_are_counted_and_the_first_is_named() {
    let (decoder, events) = decoded(
        r#"nonsense
1 {"e":"depthUpdate","E":1,"s":"A","U":9,"u":1,"b":[],"a":[]}
1 {"lastUpdateId":1,"bids":[],"asks":[]}
1 {"e":"trade","E":1,"s":"A","t":1,"p":"1.123456789","q":"1","m":true}
1 {"e":"trade","E":1,"s":"A","t":1,"p":"1","q":"99999999999999","m":true}
1 {"e":"somethingNew","E":1}
1 {"result":null,"id":3}
1 {"stream":"a@depth5","data":{"lastUpdateId":1,"bids":[],"asks":[]}}
1 {"stream":"a@depth20@100ms","data":{"e":"depthUpdate","s":"A","U":1,"u":1,"pu":0,"b":[],"a":[]}}

"#,
    );
    assert_eq!(events, []);
    let counts = Counts { messages: 9, passed_over: 3, unknown: 1, malformed: 5, missing: 0 };
    assert_eq!(decoder.counts(), counts);
    let fault = decoder.first_fault().unwrap().to_string();
    assert_eq!(fault, "byte 0: line begins \"nonsense\"; allowed: the local time in nanoseconds, a space, JSON");
}

#[test]
fn a_snapshot_is_of_the_symbol_that_was_told_and_of_none_where_there_are_two() {
    let mut decoder = BinanceDecoder::for_symbol("BTCUSDT");
    let mut events = Vec::new();
    let snapshot = br#"1 {"lastUpdateId":1,"bids":[],"asks":[]}"#;
    decoder.feed(snapshot, &mut events).unwrap();
    decoder
        .feed(b"\n2 {\"e\":\"trade\",\"s\":\"B\",\"t\":1,\"p\":\"1\",\"q\":\"1\",\"m\":true,\"T\":1}\n", &mut events)
        .unwrap();
    decoder.feed(snapshot, &mut events).unwrap();
    decoder.finish(&mut events).unwrap();
    assert_eq!((events[0].instrument, events[1].instrument), (InstrumentId(0), InstrumentId(1)));
    assert_eq!(decoder.first_fault().unwrap().problem, "a snapshot names no symbol, and 2 are known; allowed: one");
}

#[test]
fn nothing_is_allocated_for_a_message_once_its_like_has_been_seen() {
    let mut decoder = BinanceDecoder::new();
    let mut events = Vec::with_capacity(10_000);
    decoder.feed(SPOT.lines().take(4).collect::<Vec<_>>().join("\n").as_bytes(), &mut events).unwrap();
    let line = |update: u64| {
        let tick = update % 100;
        format!(
            "\n9 {{\"e\":\"depthUpdate\",\"E\":1,\"s\":\"BTCUSDT\",\"U\":{update},\"u\":{update},\"b\":[[\"{tick}.5\",\"1\"]],\"a\":[]}}"
        )
    };
    decoder.feed(line(9).as_bytes(), &mut events).unwrap();
    let text: String = (10..1_000).map(line).collect();
    let ((), allocated) = crate::allocations::measure(|| decoder.feed(text.as_bytes(), &mut events).unwrap());
    assert_eq!(decoder.counts().messages, 4 + 990);
    // The last line, which has no end yet, is copied.
    assert!(allocated.calls <= 1, "{allocated:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_gives_the_same_events(seed: u64, longest in 1_usize..400, futures: bool) {
        let text = if futures { FUTURES } else { SPOT };
        any_split_gives_the_same(text.as_bytes(), seed, longest, BinanceDecoder::new);
    }
}

#[test]
fn damaged_lines_do_no_harm() {
    let valid = [SPOT.as_bytes().to_vec(), FUTURES.as_bytes().to_vec()];
    damage_does_no_harm(&valid, 20_000, 64 << 10, BinanceDecoder::new);
}

/// A book of levels as events tell it, without the care of the true one.
#[derive(Default)]
struct LevelBook {
    bids: BTreeMap<i64, u64>,
    asks: BTreeMap<i64, u64>,
}

/// Compares the book with the last bookTicker at or below each update, which may come behind the update: quotes are gathered first.
struct Check {
    book: LevelBook,
    quotes: BTreeMap<u64, [(i64, u64); 2]>,
    compared: u64,
    quotes_met: BTreeSet<u64>,
    last_receive_ns: u64,
}

impl Sink for Check {
    fn event(&mut self, event: &Event) {
        assert!(event.receive_ns >= self.last_receive_ns, "time of receipt goes back");
        self.last_receive_ns = event.receive_ns;
        match event.body {
            Body::Clear => self.book = LevelBook::default(),
            Body::Level { side, price_ticks, size } => {
                let levels = if side == Side::Bid { &mut self.book.bids } else { &mut self.book.asks };
                if size == 0 {
                    levels.remove(&price_ticks);
                } else {
                    levels.insert(price_ticks, size);
                }
                if event.flags.contains(Flags::LAST)
                    && let Some((update, quote)) = self.quotes.range(..=event.sequence).next_back()
                {
                    let best = |level: Option<(&i64, &u64)>| level.map(|(price, size)| (*price, *size));
                    let book = [best(self.book.bids.last_key_value()), best(self.book.asks.first_key_value())];
                    assert_eq!(book, quote.map(Some), "update {} against bookTicker {update}", event.sequence);
                    self.compared += 1;
                    self.quotes_met.insert(*update);
                }
            }
            _ => {}
        }
    }
}

fn real_capture(name: &str) -> Option<Vec<u8>> {
    let file = std::fs::File::open(zomma_testkit::real_data()?.join("books").join(name)).unwrap();
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(file).read_to_end(&mut text).unwrap();
    Some(text)
}

/// Every bookTicker that an update or the snapshot meets: how many of those were compared, and with how many different ones.
fn real_book_equals_book_ticker(name: &str, messages: u64, compared: (u64, usize)) {
    let Some(text) = real_capture(name) else { return };
    let mut events = Vec::new();
    let mut decoder = BinanceDecoder::new();
    decoder.feed(&text, &mut events).unwrap();
    decoder.finish(&mut events).unwrap();
    assert_eq!(decoder.first_fault(), None);
    let counts = decoder.counts();
    assert_eq!((counts.messages, counts.unknown, counts.malformed, counts.missing), (messages, 0, 0, 0), "{counts:?}");
    assert_eq!(decoder.book_state(InstrumentId(0)), Some(BookState::Live));

    let mut quotes: BTreeMap<u64, [(i64, u64); 2]> = BTreeMap::new();
    for event in &events {
        if let Body::Quote { side, price_ticks, size } = event.body {
            quotes.entry(event.sequence).or_default()[side as usize] = (price_ticks, size);
        }
    }
    let mut check =
        Check { book: LevelBook::default(), quotes, compared: 0, quotes_met: BTreeSet::new(), last_receive_ns: 0 };
    events.iter().for_each(|event| check.event(event));
    assert_eq!((check.compared, check.quotes_met.len()), compared);
}

#[test]
fn real_spot_book_equals_book_ticker() {
    real_book_equals_book_ticker("spot_btcusdt_20240808.gz", 41_249, (3_450, 2_895));
}

#[test]
fn real_futures_book_equals_book_ticker() {
    real_book_equals_book_ticker("usdm_btcusdt_20240808.gz", 93_954, (6_548, 5_703));
}

#[test]
fn real_captures_split_anywhere_are_the_same() {
    let Some(text) = real_capture("spot_btcusdt_20240808.gz") else { return };
    let whole = decode(BinanceDecoder::new(), &text, || text.len());
    assert_eq!(decode(BinanceDecoder::new(), &text, || 4_093), whole);
}

/// Whether a line is a depth update.
fn is_depth(line: &[u8]) -> bool {
    memchr::memmem::find(line, b"\"depthUpdate\"").is_some()
}

#[test]
fn real_captures_of_two_connections_are_as_one() {
    for name in ["spot_btcusdt_20240808.gz", "usdm_btcusdt_20240808.gz"] {
        let Some(text) = real_capture(name) else { return };
        let twice: Vec<&[u8]> = text
            .split_inclusive(|&byte| byte == b'\n')
            .flat_map(|line| std::iter::repeat_n(line, 1 + usize::from(is_depth(line))))
            .collect();
        let (twice, once) = (twice.concat(), decode(BinanceDecoder::new(), &text, || text.len()));
        let found = decode(BinanceDecoder::new(), &twice, || twice.len());
        assert!(found.counts.passed_over > 3_000);
        assert_eq!((found.counts.missing, found.events), (0, once.events), "{name}");
    }
}

#[test]
fn real_capture_without_one_update_tells_the_gap_and_goes_on() {
    let Some(text) = real_capture("usdm_btcusdt_20240808.gz") else { return };
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let updates: Vec<usize> = (0..lines.len()).filter(|&at| is_depth(lines[at])).collect();
    let lost = updates[1_000];
    let without = [&lines[..lost], &lines[lost + 1..]].concat().concat();
    let mut events = Vec::new();
    let mut decoder = BinanceDecoder::new();
    decoder.feed(&without, &mut events).unwrap();
    assert_eq!((decoder.counts().missing, decoder.book_state(InstrumentId(0))), (1, Some(BookState::Broken)));
    let gaps: Vec<&Event> = events.iter().filter(|event| event.flags.contains(Flags::GAP)).collect();
    let json = lines[updates[1_001]].splitn(2, |&byte| byte == b' ').nth(1).unwrap();
    let next: serde_json::Value = serde_json::from_slice(json).unwrap();
    // The first level behind the lost update, and that alone.
    assert_eq!((gaps.len(), Some(gaps[0].sequence)), (1, next["data"]["u"].as_u64()));
    assert_eq!(decoder.held_updates(InstrumentId(0)), Some(updates.len() - 1_001));
}
