//! Every type by its published layout, and every byte pattern back to itself.

use proptest::prelude::*;

use super::*;

/// The lengths of the specification's tables.
const LENGTHS: &[(u8, usize)] = &[
    (b'S', 12),
    (b'R', 39),
    (b'H', 25),
    (b'Y', 20),
    (b'L', 26),
    (b'V', 35),
    (b'W', 12),
    (b'K', 28),
    (b'J', 35),
    (b'h', 21),
    (b'A', 36),
    (b'F', 40),
    (b'E', 31),
    (b'C', 36),
    (b'X', 23),
    (b'D', 19),
    (b'U', 35),
    (b'P', 44),
    (b'Q', 40),
    (b'B', 19),
    (b'I', 50),
    (b'N', 20),
    (b'O', 48),
];

#[test]
fn every_type_has_the_length_of_the_specification() {
    assert_eq!(Message::KINDS.len(), LENGTHS.len());
    for kind in 0..=u8::MAX {
        let listed = LENGTHS.iter().find(|(of, _)| *of == kind).map(|(_, length)| *length);
        assert_eq!(Message::length_of(kind), listed, "{}", kind as char);
    }
}

#[test]
fn an_add_is_read_field_by_field() {
    let bytes =
        b"A\x00\x01\x00\x02\x1f\x1a\xcf\x1a\xa7\x18\x00\x00\x00\x00\x00\xf5\xdf\xa7B\x00\x00\x00\x12AAPL    \x00YPt";
    let expected = AddOrder {
        header: Header { stock_locate: 1, tracking_number: 2, timestamp_ns: 0x1f1a_cf1a_a718 },
        order_reference: 0xf5dfa7,
        side: b'B',
        shares: 18,
        stock: Stock::new("AAPL").unwrap(),
        price: 0x595074,
    };
    assert_eq!(Message::decode(bytes), Ok(expected.into()));
}

/// Fields whose place in the table is easily mistaken, each a byte pattern of its own.
#[test]
fn fields_lie_where_the_specification_puts_them() {
    let numbered = |kind: u8| -> Vec<u8> {
        let length = Message::length_of(kind).unwrap();
        std::iter::once(kind).chain(1..length as u8).collect()
    };
    let Ok(Message::StockDirectory(r)) = Message::decode(&numbered(b'R')) else { panic!() };
    assert_eq!((r.stock.0[0], r.round_lot_shares, r.round_lots_only), (11, 0x1516_1718, 25));
    assert_eq!((r.issue_sub_type, r.authenticity, r.etp_leverage, r.inverse), ([27, 28], 29, 0x2223_2425, 38));
    let Ok(Message::NetOrderImbalance(i)) = Message::decode(&numbered(b'I')) else { panic!() };
    assert_eq!((i.imbalance_direction, i.stock.0[0], i.far_price), (27, 28, 0x2425_2627));
    assert_eq!((i.cross_type, i.price_variation), (48, 49));
    let Ok(Message::OrderExecutedWithPrice(c)) = Message::decode(&numbered(b'C')) else { panic!() };
    assert_eq!((c.shares, c.printable, c.price), (0x1314_1516, 31, 0x2021_2223));
    let Ok(Message::CrossTrade(q)) = Message::decode(&numbered(b'Q')) else { panic!() };
    assert_eq!((q.shares, q.stock.0[0], q.price, q.cross_type), (0x0b0c_0d0e_0f10_1112, 19, 0x1b1c_1d1e, 39));
    let Ok(Message::DirectListing(o)) = Message::decode(&numbered(b'O')) else { panic!() };
    assert_eq!((o.near_execution_time, o.upper_collar), (0x2021_2223_2425_2627, 0x2c2d_2e2f));
    let Ok(Message::ParticipantPosition(l)) = Message::decode(&numbered(b'L')) else { panic!() };
    assert_eq!((l.participant[0], l.stock.0[0], l.state), (11, 15, 25));
}

#[test]
fn what_is_no_message_is_told_with_what_is_allowed() {
    assert_eq!(Message::decode(&[]), Err(MessageError::Empty));
    let unknown = Message::decode(b"z123").unwrap_err();
    assert_eq!(unknown.to_string(), "message type 0x7a; allowed: SRHYLVWKJhAFECXDUPQBINO");
    let short = Message::decode(b"D123").unwrap_err();
    assert_eq!(short.to_string(), "message type D: 4 bytes; allowed: 19");
}

proptest! {
    #[test]
    fn every_type_is_written_as_it_was_read(bytes in proptest::collection::vec(any::<u8>(), LONGEST), before: u8) {
        for &(kind, length) in LENGTHS {
            let mut message = bytes[..length].to_vec();
            message[0] = kind;
            let decoded = Message::decode(&message).unwrap();
            let mut out = vec![before];
            decoded.encode(&mut out);
            prop_assert_eq!(out[0], before);
            prop_assert_eq!(&out[1..], &message[..]);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let decoded = Message::decode(&bytes);
        let known = bytes.first().and_then(|kind| Message::length_of(*kind));
        prop_assert_eq!(decoded.is_ok(), known == Some(bytes.len()));
    }
}
