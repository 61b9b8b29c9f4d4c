//! Quotes of options with their terms, written by the crate `dbn`'s encoder, and real definitions.

use ::dbn::{
    CbboMsg, Cmbp1Msg, ConsolidatedBidAskPair, InstrumentDefMsg, RecordHeader, Schema, encode::EncodeRecord as _,
    flags, rtype,
};
use zomma_base::{OptionType, Status};

use super::{
    DbnDecoder,
    tests::{DAY_NS, stream},
};
use crate::{event::NO_PRICE, feed::Decoder as _, option_quotes::OptionQuotes};

/// Definitions of an OPRA option and of one on a future, by the version's own record, then consolidated quotes of both.
fn options() -> Vec<u8> {
    let text = |text: &str| -> [u8; 71] {
        let mut field = [0; 71];
        field[..text.len()].copy_from_slice(text.as_bytes());
        field
    };
    let define = |number: u32, symbol: &str, class: u8, underlying: &str| {
        let mut record = InstrumentDefMsg {
            hd: RecordHeader::new::<InstrumentDefMsg>(rtype::INSTRUMENT_DEF, 30, number, DAY_NS),
            strike_price: 4_500_000_000_000,
            expiration: 1_718_980_200_000_000_000,
            instrument_class: class as _,
            ts_recv: DAY_NS + 1,
            ..InstrumentDefMsg::default()
        };
        for (to, from) in record.raw_symbol.iter_mut().zip(text(symbol)) {
            *to = from as _;
        }
        for (to, from) in record.underlying.iter_mut().zip(text(underlying)) {
            *to = from as _;
        }
        record
    };
    let pair = |bid_px, bid_sz, ask_px, ask_sz| ConsolidatedBidAskPair {
        bid_px,
        ask_px,
        bid_sz,
        ask_sz,
        ..ConsolidatedBidAskPair::default()
    };
    stream(Some(Schema::Cmbp1), |encoder| {
        encoder.encode_record(&define(7, "SPY   240119C00470000", b'C', "SPY")).unwrap();
        encoder.encode_record(&define(8, "ESM4 P4500", b'P', "ESM4")).unwrap();
        encoder.encode_record(&define(9, "ESM4", b'F', "ES")).unwrap();
        for (number, levels) in [
            (7, pair(5_100_000_000, 10, 5_150_000_000, 12)),
            (8, pair(31_250_000_000, 3, NO_PRICE, 0)),
            (9, pair(1, 1, 2, 2)),
        ] {
            let record = Cmbp1Msg {
                hd: RecordHeader::new::<Cmbp1Msg>(rtype::CMBP_1, 30, number, DAY_NS + 2),
                action: b'A' as _,
                side: b'N' as _,
                flags: flags::LAST.into(),
                ts_recv: DAY_NS + 3,
                levels: [levels],
                ..Cmbp1Msg::default_for_schema(Schema::Cmbp1)
            };
            encoder.encode_record(&record).unwrap();
        }
        // A sample a second later.
        let record = CbboMsg {
            hd: RecordHeader::new::<CbboMsg>(rtype::CBBO_1S, 30, 7, DAY_NS + 4),
            side: b'N' as _,
            ts_recv: DAY_NS + 1_000_000_000,
            levels: [pair(5_200_000_000, 1, 5_250_000_000, 2)],
            ..CbboMsg::default_for_schema(Schema::Cbbo1S)
        };
        encoder.encode_record(&record).unwrap();
    })
}

#[test]
fn quotes_of_options_become_rows_of_a_chain_with_their_terms() {
    let (mut decoder, mut latest) = (DbnDecoder::new(), OptionQuotes::new());
    decoder.feed(&options(), &mut latest).unwrap();
    decoder.finish(&mut latest).unwrap();
    let counts = decoder.counts();
    assert_eq!((counts.messages, counts.malformed, decoder.first_fault()), (7, 0, None));
    let instruments = decoder.instruments();
    let spy = latest.chain(instruments, "SPY");
    assert_eq!((spy.len(), spy.strike[0], spy.option_type[0]), (1, 470.0, OptionType::Call));
    assert_eq!((spy.bid[0], spy.ask[0], spy.roots.as_slice()), (5.2, 5.25, &["SPY".to_owned()][..]));
    // The third Friday's close, whatever the record's field says.
    assert_eq!(spy.expiry[0].to_string(), "2024-01-19T16:00:00");
    let es = latest.chain(instruments, "ESM4");
    assert_eq!((es.len(), es.strike[0], es.option_type[0], es.status[0]), (1, 4_500.0, OptionType::Put, Status::Ok));
    assert!(es.bid[0] == 31.25 && es.ask[0].is_nan());
    assert_eq!(es.expiry[0].to_string(), "2024-06-21T10:30:00");
    // A future is no option, and nothing is made of a name that nobody has.
    assert_eq!(
        (instruments.option(instruments.find("ESM4").unwrap()), latest.chain(instruments, "X").len()),
        (None, 0)
    );
    assert_eq!(latest.time_ns(), DAY_NS + 1_000_000_000);
}

#[test]
fn real_definitions_of_options_on_es_have_the_terms_that_their_names_say() {
    let Some(data) = zomma_testkit::real_data() else { return };
    let packed = std::fs::read(data.join("books/dbn/definition-glbx-es-opt.dbn.zst")).unwrap();
    let bytes = zstd::decode_all(packed.as_slice()).unwrap();
    let mut decoder = DbnDecoder::new();
    decoder.feed(&bytes, &mut Vec::new()).unwrap();
    let mut options = 0;
    for (id, definition) in decoder.instruments().iter() {
        let Some(terms) = decoder.instruments().option(id) else { continue };
        options += 1;
        // Such as "EW4N9 C3000": the strike in whole points.
        let (_, name) = definition.symbol.split_once(' ').unwrap();
        let (kind, strike) = name.split_at(1);
        assert_eq!(terms.option_type.as_str().as_bytes()[0].to_ascii_uppercase(), kind.as_bytes()[0], "{definition:?}");
        assert_eq!(terms.strike(), strike.parse::<f64>().unwrap(), "{definition:?}");
        assert!(!terms.underlying.is_empty() && terms.expiry_ns > 0, "{terms:?}");
    }
    assert!(options > 0, "{} instruments", decoder.instruments().len());
}
