use proptest::prelude::*;

use super::*;
use crate::mutations::{Decoded, any_split_gives_the_same, damage_does_no_harm, decode};

const BOOK: &str = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount
deribit,BTC-PERPETUAL,1585699200245000,1585699200355684,true,ask,6421.5,18640
deribit,BTC-PERPETUAL,1585699200245000,1585699200355684,true,bid,6421,10.5
deribit,BTC-PERPETUAL,1585699200300000,1585699200400000,false,bid,6421,0
deribit,ETH-PERPETUAL,1585699200400000,1585699200400000,false,bid,130.05,1e-7
deribit,ETH-PERPETUAL,1585699200400001,1585699200400001,true,bid,130.05,2
binance,BTC-PERPETUAL,1585699200400001,1585699200400002,true,bid,1,2
";

const TRADES: &str = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount
bitmex,XBTUSD,1,2,uuid,buy,6500.5,100
bitmex,XBTUSD,2,3,,unknown,6500,1
";

const QUOTES: &str = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount
bitmex,XBTUSD,1,2,5,6500.5,6500,4
bitmex,XBTUSD,1,3,,,6500,4
";

fn all_of(text: &str) -> Decoded {
    decode(TardisDecoder::new(), text.as_bytes(), || text.len())
}

fn level(side: Side, price_ticks: i64, size: u64) -> Body {
    Body::Level { side, price_ticks, size }
}

#[test]
fn rows_of_one_local_time_are_one_message_and_a_snapshot_empties_the_book() {
    let decoded = all_of(BOOK);
    let told: Vec<(Body, Flags, u64)> = decoded.events.iter().map(|it| (it.body, it.flags, it.sequence)).collect();
    let (last, snapshot, bad) = (Flags::LAST, Flags::SNAPSHOT, Flags::BAD_TIME);
    let expected = [
        (Body::Clear, snapshot, 1),
        (level(Side::Ask, 6_421_500_000_000, 1_864_000_000_000), snapshot, 1),
        (level(Side::Bid, 6_421_000_000_000, 1_050_000_000), snapshot | last, 1),
        (level(Side::Bid, 6_421_000_000_000, 0), last, 2),
        (level(Side::Bid, 130_050_000_000, 10), last | bad, 3),
        (Body::Clear, snapshot | bad, 4),
        (level(Side::Bid, 130_050_000_000, 200_000_000), snapshot | last | bad, 4),
        (Body::Clear, snapshot, 5),
        (level(Side::Bid, 1_000_000_000, 200_000_000), snapshot | last, 5),
    ];
    assert_eq!(told, expected);
    let first = decoded.events[0];
    assert_eq!((first.exchange_ns, first.receive_ns), (1_585_699_200_245_000_000, 1_585_699_200_355_684_000));
    assert_eq!(decoded.counts, Counts { messages: 6, ..Counts::default() });

    let mut decoder = TardisDecoder::new();
    decoder.feed(BOOK.as_bytes(), &mut Vec::new()).unwrap();
    let symbols: Vec<&str> = decoder.instruments().iter().map(|(_, it)| it.symbol.as_str()).collect();
    assert_eq!(symbols, ["BTC-PERPETUAL", "ETH-PERPETUAL", "BTC-PERPETUAL@binance"]);
    let definition = decoder.instruments().latest(InstrumentId(0)).unwrap();
    assert_eq!((definition.price(6_421_500_000_000), definition.size(1_050_000_000)), (6_421.5, 10.5));
    assert_eq!(decoder.kind(), Some(TardisKind::BookL2));
}

#[test]
fn trades_and_quotes_are_known_by_their_columns() {
    let bodies = |text| all_of(text).events.iter().map(|event| event.body).collect::<Vec<_>>();
    let trade = |resting_side, price_ticks, size| Body::Trade { resting_side, price_ticks, size };
    let expected =
        [trade(Some(Side::Ask), 6_500_500_000_000, 10_000_000_000), trade(None, 6_500_000_000_000, 100_000_000)];
    assert_eq!(bodies(TRADES), expected);
    let quote = |side, price_ticks, size| Body::Quote { side, price_ticks, size };
    let bid = quote(Side::Bid, 6_500_000_000_000, 400_000_000);
    let ask = quote(Side::Ask, 6_500_500_000_000, 500_000_000);
    assert_eq!(bodies(QUOTES), [bid, ask, bid, quote(Side::Ask, NO_PRICE, 0)]);
    let flags: Vec<Flags> = all_of(QUOTES).events.iter().map(|event| event.flags).collect();
    assert_eq!(flags, [Flags::default(), Flags::LAST, Flags::default(), Flags::LAST]);
}

#[test]
fn another_file_follows_one_that_has_ended_however_it_ended() {
    let bodies = |events: &[Event]| events.iter().map(|event| event.body).collect::<Vec<_>>();
    for first in [BOOK, TRADES, "a,b\nbegun", &BOOK[..200]] {
        let mut decoder = TardisDecoder::new();
        let outcome = decoder.feed(first.as_bytes(), &mut Vec::new());
        assert_eq!(decoder.finish(&mut Vec::new()), outcome);
        let mut events = Vec::new();
        decoder.feed(BOOK.as_bytes(), &mut events).unwrap();
        decoder.finish(&mut events).unwrap();
        assert_eq!(
            (bodies(&events), decoder.kind()),
            (bodies(&all_of(BOOK).events), Some(TardisKind::BookL2)),
            "{first}"
        );
    }
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let error = all_of("exchange,symbol,timestamp,local_timestamp,funding_rate\nx,y,1,2,3\n").error.unwrap();
    assert!(error.to_string().starts_with("byte 0: header \"exchange,symbol,timestamp"), "{error}");
    assert!(all_of("a,b\n").error.is_some());
    // An empty file says nothing, and nothing is wrong with it.
    assert_eq!(all_of("").error, None);
}

#[test]
fn rows_that_make_no_sense_are_counted_and_the_first_is_named() {
    let header = BOOK.lines().next().unwrap();
    let rows = [
        "d,B,1,2,true,ask,6421.5",
        "d,B,1,2,true,ask,6421.5,1,1",
        "d,B,1,2,yes,ask,6421.5,1",
        "d,B,1,2,true,up,6421.5,1",
        "d,B,1,2,true,ask,1.0000000001,1",
        "d,B,1,2,true,ask,1,-1",
        "d,B,1,2,true,ask,1,1e-9",
        "d,B,1,2,true,ask,1,1e999",
        "d,B,1,2,true,ask,1e300,1",
        "d,B,1.5,2,true,ask,1,1",
        "d,,1,2,true,ask,1,1",
        "d,B,1,99999999999999999999,true,ask,1,1",
    ];
    for row in rows {
        let decoded = all_of(&format!("{header}\n{row}\n"));
        assert_eq!((decoded.counts.malformed, decoded.events.len()), (1, 0), "{row}");
    }
    let mut decoder = TardisDecoder::new();
    decoder.feed(format!("{header}\n{}\n", rows[6]).as_bytes(), &mut Vec::new()).unwrap();
    let fault = decoder.first_fault().unwrap().to_string();
    assert_eq!(fault, "byte 72: amount \"1e-9\": it has more decimals than are kept");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_gives_the_same_events(seed: u64, longest in 1_usize..200, file in 0_usize..3) {
        any_split_gives_the_same([BOOK, TRADES, QUOTES][file].as_bytes(), seed, longest, TardisDecoder::new);
    }
}

#[test]
fn damaged_files_do_no_harm() {
    let valid = [BOOK, TRADES, QUOTES].map(|text| text.as_bytes().to_vec());
    damage_does_no_harm(&valid, 20_000, 64 << 10, TardisDecoder::new);
}

#[test]
fn nothing_is_allocated_for_a_row_once_its_like_has_been_seen() {
    let mut decoder = TardisDecoder::new();
    let mut events = Vec::with_capacity(10_000);
    let (header, rows) = BOOK.split_at(BOOK.find('\n').unwrap() + 1);
    let rows = rows.lines().take(3).map(|row| format!("{row}\n")).collect::<String>();
    decoder.feed(header.as_bytes(), &mut events).unwrap();
    decoder.feed(rows.as_bytes(), &mut events).unwrap();
    let many = rows.repeat(100);
    let ((), allocated) = crate::allocations::measure(|| decoder.feed(many.as_bytes(), &mut events).unwrap());
    assert_eq!((decoder.counts().messages, allocated.calls), (303, 0));
}

#[test]
fn real_deribit_snapshot_is_read() {
    let Some(folder) = zomma_testkit::real_data() else { return };
    let file = "books/dbn/tardis_deribit_incremental_book_L2_BTC-PERPETUAL.csv";
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let decoded = all_of(&text);
    assert_eq!(decoded.counts, Counts { messages: 15, ..Counts::default() });
    // One snapshot: the book is emptied, and filled with fifteen asks.
    assert_eq!(decoded.events.len(), 16);
    assert_eq!(decoded.events[0].body, Body::Clear);
    assert_eq!(decoded.events[15].body, level(Side::Ask, 6_428_500_000_000, 3_995_000_000_000));
    let ends: Vec<bool> = decoded.events.iter().map(|event| event.flags.contains(Flags::LAST)).collect();
    assert_eq!((ends.iter().filter(|end| **end).count(), ends[15]), (1, true));
    // Written again from the events, the prices and amounts are those of the file.
    for (event, row) in decoded.events[1..].iter().zip(text.lines().skip(1)) {
        let Body::Level { price_ticks, size, .. } = event.body else { panic!("{event:?}") };
        let fields: Vec<&str> = row.split(',').collect();
        let (price, amount) = (price_ticks as f64 / 1e9, size as f64 / 1e8);
        assert_eq!((fields[6], fields[7]), (price.to_string().as_str(), amount.to_string().as_str()));
    }
}
