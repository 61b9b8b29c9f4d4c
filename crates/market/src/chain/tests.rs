use jiff::civil::{date, datetime, time};
use proptest::prelude::*;
use zomma_base::{ExerciseStyle, OptionType, Settlement, Status};

use super::*;

const CBOE: &str = "underlying,underlying_last,exchange,optionroot,type,expiration,quotedate,strike,last,net,bid,ask,volume,openinterest,impliedvol,delta,gamma";
const OURS: &str = "underlying,quote_date,quote_time,symbol,root,option_type,expiry,strike,bid,ask,last,volume,open_interest,implied_volatility,spot,settlement,exercise_style";

fn member_of(name: &str, bytes: impl Into<Vec<u8>>) -> Member {
    Member { name: name.into(), bytes: bytes.into(), one_of_many: false }
}

fn read(text: &str) -> Result<Vec<Chain>, ChainError> {
    parse(&member_of("spx.csv", text), &ReadOptions::default())
}

fn one(text: &str) -> Chain {
    let mut chains = read(text).unwrap();
    assert_eq!(chains.len(), 1, "{chains:?}");
    chains.remove(0)
}

fn mapped(text: &str, map: &[(&str, &str)]) -> Result<Vec<Chain>, ChainError> {
    let column_map = map.iter().map(|(ours, theirs)| ((*ours).to_owned(), (*theirs).to_owned())).collect();
    parse(&member_of("acme.csv", text), &ReadOptions { column_map, underlying: None })
}

#[test]
fn cboe_end_of_day() {
    let chain = one(&format!(
        "{CBOE}\nSPX,2919.04,CBOE,SPXW190426C00800000,call,04/26/2019,04/25/2019,800.0,1.5,0.0,2109.9,2128.2,7,2,7.9432,0.9,0.0\n\
         SPX,2919.04,CBOE,SPX190621P02900000,put,06/21/2019,04/25/2019,2900.0,0.0,0.0,0.0,50.5,0,0,0.0,0.9,0.0\n"
    ));
    let quotes = &chain.quotes;
    assert_eq!((chain.layout, chain.underlying.as_str()), (Layout::CboeEndOfDay, "SPX"));
    assert_eq!((chain.quote_date, chain.quote_time), (date(2019, 4, 25), None));
    assert_eq!((chain.underlying_last, chain.source.as_str()), (Some(2919.04), "spx.csv"));
    assert_eq!(quotes.roots, ["SPXW", "SPX"]);
    assert_eq!((quotes.root_of(0), quotes.root_of(1)), ("SPXW", "SPX"));
    assert_eq!(quotes.settlement, [Settlement::Pm, Settlement::Am]);
    assert_eq!(quotes.option_type, [OptionType::Call, OptionType::Put]);
    assert_eq!(quotes.expiry, [datetime(2019, 4, 26, 0, 0, 0, 0), datetime(2019, 6, 21, 0, 0, 0, 0)]);
    assert_eq!((quotes.strike.as_slice(), quotes.bid.as_slice()), (&[800.0, 2900.0][..], &[2109.9, 0.0][..]));
    assert_eq!((quotes.ask[1], quotes.last[0], quotes.volume[0], quotes.open_interest[0]), (50.5, 1.5, 7.0, 2.0));
    assert_eq!((quotes.vendor_implied_volatility[0], quotes.source_row.as_slice()), (7.9432, &[1, 2][..]));
    assert_eq!(quotes.symbol.get(1), "SPX190621P02900000");
    assert_eq!(quotes.exercise_style, [None, None]);
    assert!(quotes.has("open_interest") && quotes.has("spot") && !quotes.has("quote_time"));
}

#[test]
fn our_own_names_with_every_column() {
    let chain = one(&format!(
        "{OURS}\nACME,2024-03-01,15:30,ACME240315C00100000,ACME,call,2024-03-15,100,1.1,1.2,1.15,10,20,0.3,99.5,pm,american\n\
         ACME,2024-03-01,15:30,,ACMEW,P,2024-03-15T11:00,100,,,,,,,,,European\n"
    ));
    let quotes = &chain.quotes;
    assert_eq!((chain.layout, chain.quote_time), (Layout::Zomma, Some(time(15, 30, 0, 0))));
    assert_eq!((chain.underlying.as_str(), chain.underlying_last), ("ACME", Some(99.5)));
    assert_eq!(quotes.exercise_style, [Some(ExerciseStyle::American), Some(ExerciseStyle::European)]);
    assert_eq!(quotes.expiry[1], datetime(2024, 3, 15, 11, 0, 0, 0));
    assert_eq!(quotes.settlement, [Settlement::Pm, Settlement::Am]);
    assert_eq!(quotes.roots, ["ACME", "ACMEW"]);
    assert!(quotes.bid[1].is_nan() && quotes.ask[1].is_nan() && quotes.status.iter().all(|status| status.is_ok()));
    assert_eq!(quotes.present.len(), 17);
}

#[test]
fn an_occ_symbol_alone_names_the_contract() {
    let chain =
        one("quote_date,symbol,bid,ask\n2014-06-06,AAPL7140621C00640000,9,10\n2014-06-06,AAPL  140621C00640000,9,10\n");
    assert_eq!((chain.underlying.as_str(), chain.layout), ("AAPL", Layout::Zomma));
    assert_eq!(chain.quotes.roots, ["AAPL7", "AAPL"]);
    assert_eq!(chain.quotes.strike, [640.0, 640.0]);
    assert_eq!(chain.quotes.expiry[0], datetime(2014, 6, 21, 0, 0, 0, 0));
    assert!(chain.notes.is_empty(), "{:?}", chain.notes);
}

#[test]
fn synonyms_delimiters_quotes_marks_and_line_ends() {
    for (text, name) in [
        (
            "\u{feff}Quote Date;Expiration;Strike Price;Put/Call;Best Bid;Best Ask\r\n06/07/2024;6/21/2024;\"100,5\";PUT;\"1,5\";2\r\n",
            "semicolon, decimal comma",
        ),
        (
            "\"tradeDate\"\t\"expirationDate\"\t\"strike\"\t\"right\"\t\"bid\"\t\"ask\"\n2024-06-07\t2024-06-21\t100.5\tP\t1.5\t2",
            "tab, no last line end",
        ),
        ("date|expDate|strike|cp_flag|bid_price|ask_price\r2024-06-07|20240621|100.5|p|1.5|2\r", "bar, old line ends"),
        (
            "junk,date,expiry,type,strike,ask,bid\n\n\n1,2024-06-07,2024-06-21,put,$100.50,2,1.5\n",
            "blank lines, any order",
        ),
    ] {
        let chain = one(text);
        assert_eq!(
            (chain.layout, chain.quote_date, chain.underlying.as_str()),
            (Layout::Mapped, date(2024, 6, 7), "SPX"),
            "{name}"
        );
        let quotes = &chain.quotes;
        assert_eq!((quotes.strike[0], quotes.bid[0], quotes.ask[0]), (100.5, 1.5, 2.0), "{name}");
        assert_eq!((quotes.option_type[0], quotes.expiry[0].date()), (OptionType::Put, date(2024, 6, 21)), "{name}");
        assert_eq!(quotes.status[0], Status::Ok, "{name}");
        // SPX by the file's name and a monthly expiry: AM.
        assert_eq!(quotes.settlement[0], Settlement::Am, "{name}");
        assert!(chain.notes[0].contains("file's name"), "{name}");
    }
}

#[test]
fn a_symbol_column_may_hold_tickers() {
    let chains = read("symbol,date,expiration,strike,type,bid,ask\nMSFT,2024-06-07,2024-06-21,400,call,1,2\nIBM,2024-06-07,2024-06-21,150,call,1,2\n").unwrap();
    let names: Vec<&str> = chains.iter().map(|chain| chain.underlying.as_str()).collect();
    assert_eq!(names, ["IBM", "MSFT"]);
    assert!(chains.iter().all(|chain| !chain.quotes.has("symbol")));
}

#[test]
fn the_file_may_map_columns() {
    let text = "day,K,kind,last_day,b,a\n2024-06-07,100,call,2024-06-21,1,2\n";
    let map = [
        ("quote_date", "day"),
        ("strike", "K"),
        ("option_type", "kind"),
        ("expiry", "last_day"),
        ("bid", "b"),
        ("ask", "a"),
    ];
    let chains = mapped(text, &map).unwrap();
    assert_eq!((chains[0].layout, chains[0].quotes.strike[0]), (Layout::Mapped, 100.0));
    let words = mapped(text, &map[..3]).unwrap_err().to_string();
    assert!(words.contains("day, K, kind, last_day, b, a") && words.contains("Nearest"), "{words}");
    let words = mapped(text, &[("strikes", "K")]).unwrap_err().to_string();
    assert!(words.contains("\"strikes\"") && words.contains("quote_date, quote_time, symbol"), "{words}");
    let words = mapped(text, &[("strike", "KK")]).unwrap_err().to_string();
    assert!(words.contains("\"KK\"") && words.contains("day, K, kind"), "{words}");
}

#[test]
fn a_mapped_column_is_not_used_twice() {
    // The bid of another venue stands in `bid`; the map takes `ask` from it.
    let chains =
        mapped("date,expiry,strike,type,bid,ask,bid_close\n2024-06-07,2024-06-21,100,call,2,9,1\n", &[("ask", "bid")]);
    let quotes = &chains.unwrap()[0].quotes;
    assert_eq!((quotes.ask[0], quotes.bid[0]), (2.0, 1.0));
}

#[test]
fn many_dates_and_underlyings_are_many_chains() {
    let text = format!(
        "{OURS}\nB,2024-03-04,,,,call,2024-03-15,100,1,2,,,,,50,,\nA,2024-03-04,,,,call,2024-03-15,100,1,2,,,,,,,\n\
         A,2024-03-01,,,,call,2024-03-15,100,1,2,,,,,NaN,,\nA,2024-03-04,,,,put,2024-03-15,100,1,2,,,,,nan,,\n"
    );
    let chains = read(&text).unwrap();
    let keys: Vec<(String, Date, usize)> =
        chains.iter().map(|chain| (chain.underlying.clone(), chain.quote_date, chain.quotes.len())).collect();
    let expected = [("A", date(2024, 3, 1), 1), ("A", date(2024, 3, 4), 2), ("B", date(2024, 3, 4), 1)];
    assert_eq!(keys, expected.map(|(name, day, rows)| (name.to_owned(), day, rows)));
    assert_eq!(chains[1].quotes.source_row, [2, 4]);
    assert_eq!((chains[1].underlying_last, chains[2].underlying_last), (None, Some(50.0)));

    let pick = |name: &str| {
        let options = ReadOptions { column_map: vec![], underlying: Some(name.into()) };
        parse(&member_of("x.csv", text.as_str()), &options)
    };
    assert_eq!(pick("b").unwrap().len(), 1);
    let words = pick("C").unwrap_err().to_string();
    assert!(words.contains("--underlying C") && words.contains("B, A"), "{words}");
}

#[test]
fn snapshots_of_one_day_are_chains_of_their_own() {
    let text = "underlying,quote_datetime,expiration,strike,option_type,bid,ask\n\
        A,2024-03-01 15:45:00,2024-03-15,100,C,1,2\nA,2024-03-01 10:00:00,2024-03-15,100,C,1,2\n";
    let times: Vec<_> = read(text).unwrap().iter().map(|chain| chain.quote_time).collect();
    assert_eq!(times, [Some(time(10, 0, 0, 0)), Some(time(15, 45, 0, 0))]);
}

#[test]
fn cboe_datashop_quotes_are_those_of_a_quarter_to_four() {
    let chain = one(
        "underlying_symbol,quote_date,root,expiration,strike,option_type,open,high,low,close,trade_volume,bid_size_1545,bid_1545,\
         ask_size_1545,ask_1545,underlying_bid_1545,underlying_ask_1545,bid_size_eod,bid_eod,ask_size_eod,ask_eod,open_interest\n\
         ^SPX,2019-04-25,SPXW,2019-04-26,2900.000,P,1,2,1,1.5,30,5,1.40,5,1.60,2919,2920,5,1.2,5,1.3,77\n",
    );
    let quotes = &chain.quotes;
    assert_eq!((chain.underlying.as_str(), chain.quote_time), ("SPX", Some(time(15, 45, 0, 0))));
    assert_eq!((quotes.bid[0], quotes.ask[0], quotes.last[0], quotes.volume[0]), (1.4, 1.6, 1.5, 30.0));
    assert_eq!((quotes.open_interest[0], quotes.root_of(0), quotes.settlement[0]), (77.0, "SPXW", Settlement::Pm));
}

#[test]
fn faulty_rows_stay_with_a_status_and_the_first_of_each_is_noted() {
    let chain = one("underlying,quote_date,option_type,expiry,strike,bid,ask\n\
         A,2024-03-01,call,2024-03-15,100,1,2\n\
         A,2024-03-01,swap,2024-03-15,100,1,2\n\
         A,2024-03-01,call,2024-02-30,100,1,2\n\
         A,2024-03-01,call,2024-03-15,-5,1,2\n\
         A,2024-03-01,call,2024-03-15,nan,1,2\n\
         A,2024-03-01,call,2024-03-15,abc,1,2\n\
         A,2024-03-01,call,2024-03-15,100,-1,2\n\
         A,2024-03-01,call,2024-03-15,100,1,inf\n\
         A,2024-03-01,call,2024-03-15,100,x,2\n\
         A,2024-03-01,call,2024-03-15,100,,nan\n\
         A,someday,call,2024-03-15,100,1,2\n\
         A,2024-03-01,call\n\
         A,2024-03-01,call,2024-03-15,100,3,2,7,8,9\n");
    use Status::{BadExpiry, BadOptionType, BadQuote, BadQuoteDate, BadStrike, Ok};
    assert_eq!(
        chain.quotes.status,
        [
            Ok,
            BadOptionType,
            BadExpiry,
            BadStrike,
            BadStrike,
            BadStrike,
            BadQuote,
            BadQuote,
            BadQuote,
            Ok,
            BadQuoteDate,
            BadStrike,
            Ok
        ]
    );
    assert_eq!(chain.quotes.strike[3], -5.0);
    assert!(chain.quotes.bid[9].is_nan() && chain.quotes.ask[9].is_nan());
    assert_eq!(chain.notes.len(), 5, "{:?}", chain.notes);
    assert_eq!(chain.notes[2], "row 4: bad_strike: strike \"-5\"; allowed: (0, 1e15]");
}

#[test]
fn rows_before_the_first_readable_date_are_kept() {
    let chain = one(
        "underlying,quote_date,option_type,expiry,strike,bid,ask\nA,,call,2024-03-15,100,1,2\nA,2024-03-01,call,2024-03-15,100,1,2\n",
    );
    assert_eq!(chain.quotes.source_row, [2, 1]);
    assert_eq!(chain.quotes.status, [Status::Ok, Status::BadQuoteDate]);
}

#[test]
fn files_that_are_no_chain_say_why() {
    let random: Vec<u8> = (0..5000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (bytes, parts) in [
        (&b""[..], &["empty"][..]),
        (b" \n\r\n ", &["empty"]),
        (b"a,b,c\n1,2,3\n", &["found columns [a, b, c]", "quote_date, expiry, strike", "--map"]),
        (b"date expiration strike type bid ask\n2024-06-07 2024-06-21 1 call 1 2\n", &["no delimiter", "semicolon"]),
        (b"PK\x03\x04rest", &["zip"]),
        (b"\xFF\xFEd\0a\0", &["UTF-16"]),
        (b"d\xe4te,strike\n", &["UTF-8"]),
        (&random, &["not text"]),
        (b"PAR1 and nothing", &["Parquet", "truncated or damaged"]),
        (b"{\"data\": {\"options\": [", &["JSON", "truncated or damaged"]),
        (b"[1, 2]", &["JSON array"]),
        (b"{\"a\": 1, \"b\": 2}", &["found columns [a, b]", "data.options"]),
        (
            b"date,expiration,strike,type,bid,ask\n2024-06-77,2024-06-21,100,call,1,2\n",
            &["row 1", "quote_date", "2024-06-77", "allowed"],
        ),
    ] {
        let error = parse(&member_of("acme.csv", bytes), &ReadOptions::default()).unwrap_err();
        let words = error.to_string();
        assert!(words.starts_with("acme.csv: "), "{words}");
        assert!(parts.iter().all(|part| words.contains(part)), "{words}");
    }
    let words = read(&format!("{CBOE}\n")).unwrap_err().to_string();
    assert!(words.contains("no data rows"), "{words}");
    let nameless = parse(&member_of("chain.csv", "date,expiration,strike,type,bid,ask\n"), &ReadOptions::default());
    assert!(matches!(nameless, Err(ChainError::NoUnderlying { .. })), "{nameless:?}");
}

/// By the public shape of `delayed_quotes/options/_SPX.json`; the values are made up.
const DELAYED: &str = r#"{
  "timestamp": "2024-06-07 20:45:03",
  "data": {
    "options": [
      {"option": "SPXW240607C05300000", "bid": 46.1, "bid_size": 12.0, "ask": 47.3, "ask_size": 3.0, "iv": 0.0, "open_interest": 1021.0,
       "volume": 331.0, "delta": 1.0, "gamma": 0.0, "theta": 0.0, "rho": 0.0, "vega": 0.0, "theo": 46.9, "change": 0.0, "open": 40.0,
       "high": 50.0, "low": 39.5, "tick": "up", "last_trade_price": 46.6, "last_trade_time": "2024-06-07T15:58:01", "percent_change": 0.0,
       "prev_day_close": 52.0},
      {"option": "SPX240621P05300000", "bid": "31.0", "ask": null, "iv": 0.1134, "open_interest": 55, "volume": 0, "last_trade_price": 0.0},
      {"option": "nonsense", "bid": 1.0, "ask": 2.0, "iv": 0.1, "open_interest": 0, "volume": 0, "last_trade_price": 0.0}
    ],
    "symbol": "^SPX", "security_type": "index", "exchange_id": 5, "current_price": 5346.99, "price_change": -5.97,
    "last_trade_time": "2024-06-07T16:15:02"
  },
  "symbol": "_SPX"
}"#;

#[test]
fn cboe_delayed_quotes() {
    let chain = one(DELAYED);
    let quotes = &chain.quotes;
    assert_eq!((chain.layout, chain.underlying.as_str()), (Layout::CboeDelayedQuotes, "SPX"));
    assert_eq!((chain.quote_date, chain.quote_time), (date(2024, 6, 7), Some(time(16, 15, 2, 0))));
    assert_eq!(chain.underlying_last, Some(5346.99));
    assert_eq!(quotes.roots, ["SPXW", "SPX"]);
    assert_eq!(quotes.settlement[..2], [Settlement::Pm, Settlement::Am]);
    assert_eq!((quotes.bid.as_slice(), quotes.ask[0]), (&[46.1, 31.0, 1.0][..], 47.3));
    assert!(quotes.ask[1].is_nan());
    assert_eq!((quotes.strike[1], quotes.option_type[1]), (5300.0, OptionType::Put));
    assert_eq!((quotes.open_interest[0], quotes.vendor_implied_volatility[1], quotes.last[0]), (1021.0, 0.1134, 46.6));
    assert_eq!(quotes.status, [Status::Ok, Status::Ok, Status::BadOptionType]);
    assert!(quotes.has("open_interest") && quotes.has("implied_volatility"));
    assert_eq!((quotes.bid_size[0], quotes.ask_size[0], quotes.bid_size[1].is_nan()), (12.0, 3.0, true));

    // Without the time of the last trade, the time stamp is UTC.
    let chain = one(&DELAYED
        .replace("\"last_trade_time\": \"2024-06-07T16:15:02\"", "\"seqno\": 1")
        .replace("20:45:03", "01:30:00"));
    assert_eq!((chain.quote_date, chain.quote_time), (date(2024, 6, 6), Some(time(21, 30, 0, 0))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), head in 0usize..6) {
        let heads: [&[u8]; 6] = [b"", b"PAR1", b"{", b"[", CBOE.as_bytes(), OURS.as_bytes()];
        let mut whole = heads[head].to_vec();
        if head > 3 {
            whole.push(b'\n');
        }
        whole.extend(&bytes);
        let _ = parse(&member_of("spx.csv", whole), &ReadOptions::default()).map_err(|error| error.to_string());
    }

    #[test]
    fn no_mutation_panics_and_no_row_is_lost(at in 0usize..2000, byte in any::<u8>(), is_json in any::<bool>()) {
        let mut csv = format!("{CBOE}\n");
        for strike in 0..12 {
            csv.push_str(&format!(
                "SPX,2919.04,CBOE,SPXW190426C00{:03}000,call,04/26/2019,04/25/2019,{}.0,0,0,9.9,10.2,0,2,7.9,0.9,0\n", 800 + strike, 800 + strike
            ));
        }
        let mut bytes = if is_json { DELAYED.as_bytes().to_vec() } else { csv.into_bytes() };
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(chains) = parse(&member_of("spx.csv", bytes), &ReadOptions::default()) {
            for chain in &chains {
                let quotes = &chain.quotes;
                let lengths = [
                    quotes.source_row.len(), quotes.symbol.len(), quotes.root.len(), quotes.option_type.len(), quotes.expiry.len(),
                    quotes.settlement.len(), quotes.exercise_style.len(), quotes.bid.len(), quotes.ask.len(), quotes.bid_size.len(), quotes.ask_size.len(), quotes.last.len(),
                    quotes.volume.len(), quotes.open_interest.len(), quotes.vendor_implied_volatility.len(), quotes.status.len(),
                ];
                prop_assert!(lengths.iter().all(|length| *length == quotes.len()));
                prop_assert!((0..quotes.len()).all(|row| usize::from(quotes.root[row]) < quotes.roots.len()));
                for row in 0..quotes.len() {
                    if quotes.status[row].is_ok() {
                        prop_assert!(quotes.strike[row] > 0.0 && (quotes.bid[row].is_nan() || quotes.bid[row] >= 0.0) && !quotes.ask[row].is_infinite());
                    }
                }
            }
        }
    }
}
