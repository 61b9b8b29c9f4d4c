//! `zomma book replay`: books of every recorded format, rows after message counts, the check, and rubbish.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use serde_json::Value;
use zomma_testkit::real_data;

use crate::program::{arg, run, run_with_input};

/// An ITCH file: a stock, two orders, an execution, a cancel.
fn itch() -> Vec<u8> {
    let mut file = Vec::new();
    let mut frame = |kind: u8, body: &[u8]| {
        let seconds = 34_200_u64 * 1_000_000_000 + file.len() as u64;
        let mut message = vec![kind, 0, 7, 0, 0];
        message.extend(&seconds.to_be_bytes()[2..]);
        message.extend(body);
        file.extend((message.len() as u16).to_be_bytes());
        file.extend(message);
    };
    frame(b'R', b"ACME    QN\0\0\0\x64NC  PNNNN\0\0\0\0N");
    let add = |id: u64, side: u8, shares: u32, price: u32| {
        [&id.to_be_bytes()[..], &[side], &shares.to_be_bytes(), b"ACME    ", &price.to_be_bytes()].concat()
    };
    frame(b'A', &add(1, b'B', 300, 99_900));
    frame(b'A', &add(2, b'S', 200, 100_100));
    frame(b'E', &[&1_u64.to_be_bytes()[..], &100_u32.to_be_bytes(), &9_u64.to_be_bytes()].concat());
    frame(b'D', &2_u64.to_be_bytes());
    file
}

/// A LOBSTER day of two messages and its rows.
const MESSAGES: &str = "34200.1,1,77,30,5853300,1\n34200.25,4,77,10,5853300,1\n";
const ROWS: &str = "5859400,200,5853300,30\n5859400,200,5853300,20\n";

pub fn written(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn an_itch_file_gives_rows_after_the_counts_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let feed = written(folder.path(), "day.itch50", itch());
    let rows = folder.path().join("rows.csv");
    let text = written(folder.path(), "at.txt", "0\n2\n3\n4\n4\n5\n");
    let words = written(folder.path(), "at.u32", [0_u32, 2, 3, 4, 4, 5].map(u32::to_le_bytes).concat());
    let expected = "\
        9999999999,0,-9999999999,0,9999999999,0,-9999999999,0\n\
        9999999999,0,99900,300,9999999999,0,-9999999999,0\n\
        100100,200,99900,300,9999999999,0,-9999999999,0\n\
        100100,200,99900,200,9999999999,0,-9999999999,0\n\
        100100,200,99900,200,9999999999,0,-9999999999,0\n\
        9999999999,0,99900,200,9999999999,0,-9999999999,0\n";
    for counts in [&text, &words] {
        run(&["book", "replay", arg(&feed), "--levels", "2", "--at", arg(counts), "-o", arg(&rows)]).ok();
        assert_eq!(fs::read_to_string(&rows).unwrap(), expected);
        let args = ["--instrument", "ACME", "--levels", "2", "--at", arg(counts), "-o", arg(&rows)];
        run(&[&["book", "replay", arg(&feed)][..], &args].concat()).ok();
        assert_eq!(fs::read_to_string(&rows).unwrap(), expected);
    }
}

#[test]
fn the_top_is_shown_at_the_end_and_at_times_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let feed = written(folder.path(), "day.itch50", itch());
    let shown = run(&["book", "replay", arg(&feed), "--time", "09:29:59", "--time", "09:30:01", "--json"]).ok();
    let found = json(&shown.out);
    assert_eq!((found["messages"].as_u64(), found["events"].as_u64()), (Some(5), Some(5)));
    assert_eq!(found["moments"][0]["tops"], Value::Array(Vec::new()));
    let top = &found["moments"][1]["tops"][0];
    assert_eq!((top["instrument"].as_str(), top["bid"]["price"].as_f64()), (Some("ACME"), Some(9.99)));
    assert_eq!(found["tops"][0]["ask"], Value::Null);
    let text = run(&["book", "replay", arg(&feed), "--date", "2012-06-21"]).ok();
    assert!(text.out.contains("2012-06-21T13:30:00"), "{}", text.out);
    assert!(text.out.contains("ACME") && text.out.contains("9.99"), "{}", text.out);
}

#[test]
fn what_could_not_be_applied_is_told_and_makes_the_check_fail() {
    let folder = tempfile::tempdir().unwrap();
    let mut feed = itch();
    let sound = written(folder.path(), "sound.itch50", &feed);
    let checked = run(&["book", "replay", arg(&sound), "--check"]).ok();
    assert!(checked.out.contains("Check: right"), "{}", checked.out);
    // The delete once more: an order that is not there.
    let last = feed[feed.len() - 21..].to_vec();
    feed.extend(last);
    let faulty = written(folder.path(), "faulty.itch50", &feed);
    let refused = run(&["book", "replay", arg(&faulty), "--check"]).refused(1, &[]);
    assert!(refused.out.contains("Check: WRONG") && refused.out.contains("1 unknown_order"), "{}", refused.out);
    run(&["book", "replay", arg(&faulty)]).ok();
}

#[test]
fn a_lobster_day_is_checked_row_by_row_from_files_and_from_a_zip() {
    let folder = tempfile::tempdir().unwrap();
    let name = |part: &str| format!("ACME_2012-06-21_34200000_57600000_{part}_1.csv");
    let messages = written(folder.path(), &name("message"), MESSAGES);
    let alone = run(&["book", "replay", arg(&messages), "--check"]).refused(1, &["no orderbook file", "_orderbook_"]);
    assert!(alone.out.is_empty());
    let rows = written(folder.path(), &name("orderbook"), ROWS);
    let right = run(&["book", "replay", arg(&messages), "--check", "--json"]).ok();
    let found = json(&right.out);
    assert_eq!(found["check"]["orderbook_rows"]["rows"].as_u64(), Some(2));
    assert_eq!(found["first_time_ns"].as_u64(), Some(1_340_285_400_100_000_000));
    fs::write(&rows, ROWS.replace(",20\n", ",21\n")).unwrap();
    let wrong = run(&["book", "replay", arg(&messages), "--check"]).refused(1, &[]);
    assert!(wrong.out.contains("row 2, bid level 1: 21 at 5853300; the messages give 20 at 5853300"), "{}", wrong.out);
}

#[test]
fn binance_books_are_checked_against_the_feeds_own_quotes() {
    let folder = tempfile::tempdir().unwrap();
    let capture = |ask: &str| {
        let snapshot = r#"{"lastUpdateId":10,"bids":[["99.0","5"]],"asks":[["101.0","5"]]}"#;
        let depth = |first: u64, last: u64, bids: &str| {
            format!(
                r#"{{"stream":"xusdt@depth","data":{{"e":"depthUpdate","E":1,"s":"XUSDT","U":{first},"u":{last},"b":[{bids}],"a":[]}}}}"#
            )
        };
        let quote = |update: u64, ask: &str| {
            format!(
                r#"{{"stream":"xusdt@bookTicker","data":{{"u":{update},"s":"XUSDT","b":"99.0","B":"6","a":"{ask}","A":"5"}}}}"#
            )
        };
        let lines = [
            depth(8, 10, r#"["98.0","1"]"#),
            snapshot.to_owned(),
            depth(11, 12, r#"["99.0","6"]"#),
            quote(12, ask),
            quote(14, ask),
        ];
        let numbered =
            lines.iter().enumerate().map(|(i, line)| format!("{} {line}\n", 1_723_161_253_937_085_768 + i as u64));
        numbered.collect::<String>()
    };
    let right = written(folder.path(), "right.txt", capture("101.0"));
    let checked = json(&run(&["book", "replay", arg(&right), "--check", "--json"]).ok().out);
    assert_eq!(checked["check"]["quotes"]["compared"].as_u64(), Some(1), "{checked}");
    let wrong = written(folder.path(), "wrong.txt", capture("102.0"));
    let refused = run(&["book", "replay", arg(&wrong), "--check"]).refused(1, &[]);
    assert!(refused.out.contains("6 at 99 / 5 at 101; quote 6 at 99 / 5 at 102"), "{}", refused.out);
    // Without its snapshot the depth is never shown: that is told, and no check passes.
    let without = capture("101.0").lines().filter(|line| !line.contains("lastUpdateId")).collect::<Vec<_>>().join("\n");
    let without = written(folder.path(), "without.txt", without);
    let told = run(&["book", "replay", arg(&without)]).ok();
    assert!(told.out.contains("2 updates of XUSDT@spot held: no snapshot seen"), "{}", told.out);
    let refused = run(&["book", "replay", arg(&without), "--check", "--json"]).refused(1, &[]);
    let found = json(&refused.out);
    assert_eq!(
        (found["held_updates"]["XUSDT@spot"].as_u64(), found["check"]["lost"].as_u64()),
        (Some(2), Some(2)),
        "{found}"
    );
    let rows = folder.path().join("rows.csv");
    let features = run(&["features", arg(&without), "--features", "mid", "-o", arg(&rows)]).ok();
    assert!(features.err.contains("2 updates of XUSDT@spot held: no snapshot seen"), "{}", features.err);
}

/// A spot pair and its perpetual have one symbol: it names the one market that a capture has, and neither where it has both.
#[test]
fn a_symbol_of_two_markets_must_say_which() {
    let folder = tempfile::tempdir().unwrap();
    let spot = "1 {\"u\":1,\"s\":\"XUSDT\",\"b\":\"99.0\",\"B\":\"6\",\"a\":\"101.0\",\"A\":\"5\"}\n";
    let futures = "2 {\"e\":\"bookTicker\",\"u\":1,\"s\":\"XUSDT\",\"b\":\"98.0\",\"B\":\"6\",\"a\":\"102.0\",\"A\":\"5\",\"T\":1,\"E\":1}\n";
    let bids = |text: &str, name: &str| {
        let path = written(folder.path(), "capture.txt", text);
        let found = json(&run(&["book", "replay", arg(&path), "--instrument", name, "--json"]).ok().out);
        found["tops"].as_array().unwrap().iter().map(|top| top["bid"]["price"].as_f64()).collect::<Vec<_>>()
    };
    let both = format!("{spot}{futures}");
    assert_eq!((bids(spot, "XUSDT"), bids(futures, "XUSDT")), (vec![Some(99.0)], vec![Some(98.0)]));
    assert_eq!((bids(&both, "XUSDT@spot"), bids(&both, "XUSDT@futures")), (vec![Some(99.0)], vec![Some(98.0)]));
    let path = written(folder.path(), "both.txt", &both);
    run(&["book", "replay", arg(&path), "--instrument", "XUSDT"]).refused(2, &["XUSDT@spot, XUSDT@futures"]);
}

#[test]
fn compressed_feeds_and_standard_input_are_read_too() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&itch()).unwrap();
    let packed = gzip.finish().unwrap();
    let piped = run_with_input(&["book", "replay", "-", "--json"], &packed).ok();
    assert_eq!(json(&piped.out)["messages"].as_u64(), Some(5));
}

/// A capture of UDP packets, each with the last byte of its multicast group.
pub fn capture(packets: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut file: Vec<u8> =
        [0xA1B2_3C4D_u32, 0x0004_0002, 0, 0, 65_535, 1].iter().flat_map(|word| word.to_le_bytes()).collect();
    for (i, (group, payload)) in packets.iter().enumerate() {
        let udp_length = payload.len() as u16 + 8;
        let mut frame = vec![1, 0, 94, 1, 1, *group, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
        frame.extend((udp_length + 20).to_be_bytes());
        frame.extend([0, 0, 0, 0, 8, 17, 0, 0, 10, 0, 0, 1, 233, 54, 12, *group, 0x67, 0x6D, 0x67, 0x6D]);
        frame.extend(udp_length.to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(payload);
        for word in [1_340_285_400_u32, i as u32, frame.len() as u32, frame.len() as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

#[test]
fn captured_packets_of_two_lines_give_every_message_once() {
    let folder = tempfile::tempdir().unwrap();
    let day = itch();
    // Each message a packet of session SESSION001, from number 1: line A misses the second, line B the fourth.
    let mut packets = Vec::new();
    let (mut rest, mut number) = (&day[..], 1_u64);
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let (message, behind) = behind.split_at(usize::from(u16::from_be_bytes(*length)));
        let packet = [&b"SESSION001"[..], &number.to_be_bytes(), &1_u16.to_be_bytes(), length, message].concat();
        packets
            .extend([(111, 2), (112, 4)].iter().filter(|line| line.1 != number).map(|line| (line.0, packet.clone())));
        (rest, number) = (behind, number + 1);
    }
    let path = written(folder.path(), "lines.pcap", capture(&packets));
    let found = json(&run(&["book", "replay", arg(&path), "--check", "--json"]).ok().out);
    assert_eq!((found["format"].as_str(), found["messages"].as_u64()), (Some("itch50-pcap"), Some(5)), "{found}");
    assert_eq!((found["missing"].as_u64(), found["tops"][0]["bid"]["size"].as_f64()), (Some(0), Some(200.0)));
    // What the capture has of other traffic, cut by its snap length, is no fault of the feed: UDP sent elsewhere, and TCP.
    let mut among_others = capture(&packets);
    for protocol in [17, 6] {
        let mut other = capture(&[(200, vec![0; 60])]).split_off(24);
        (other[12], other[16 + 23]) = (other[12] + 40, protocol);
        among_others.extend(other);
    }
    let path = written(folder.path(), "others.pcap", among_others);
    let found = json(&run(&["book", "replay", arg(&path), "--check", "--json"]).ok().out);
    assert_eq!((found["malformed"].as_u64(), found["packets_of_others"].as_u64()), (Some(0), Some(2)), "{found}");
    // A second session behind the first, which is not read, and a packet whose header counts more messages than it has, are told and no "right".
    let mut of_two = packets.clone();
    of_two.extend(packets.iter().map(|(line, packet)| (*line, [b"SESSION002", &packet[10..]].concat())));
    let path = written(folder.path(), "two_sessions.pcap", capture(&of_two));
    let told = run(&["book", "replay", arg(&path), "--check"]).refused(1, &[]).out;
    assert!(told.contains("are of another session than the first") && told.contains("WRONG"), "{told}");
    let found = json(&run(&["book", "replay", arg(&path), "--check", "--json"]).refused(1, &[]).out);
    let numbers = ["messages", "packets_of_other_session"].map(|name| found[name].as_u64());
    assert_eq!(numbers, [Some(5), Some(packets.len() as u64)], "{found}");
    let mut counts_more = packets.clone();
    let last = &mut counts_more.last_mut().unwrap().1;
    last[19] = 2;
    let path = written(folder.path(), "counts_more.pcap", capture(&counts_more));
    let found = json(&run(&["book", "replay", arg(&path), "--check", "--json"]).refused(1, &[]).out);
    assert_eq!(found["malformed"].as_u64(), Some(1), "{found}");
    // The first two packets out of order: the first message comes too late.
    let mut swapped: Vec<_> = packets.iter().filter(|(group, _)| *group == 112).cloned().collect();
    swapped.swap(0, 1);
    let path = written(folder.path(), "swapped.pcap", capture(&swapped));
    let found = json(&run(&["book", "replay", arg(&path), "--json"]).ok().out);
    assert_eq!(found["missing"].as_u64(), Some(2), "the first, and the fourth: {found}");
    // Without line B the second message never comes: the gap is told, and the book lacks an order.
    packets.retain(|(group, _)| *group == 111);
    let path = written(folder.path(), "line.pcap", capture(&packets));
    let found = json(&run(&["book", "replay", arg(&path), "--json"]).ok().out);
    assert_eq!((found["missing"].as_u64(), found["messages"].as_u64()), (Some(1), Some(4)), "{found}");
    assert_eq!(found["malformed"].as_u64(), Some(0), "{found}");
    // A packet of which the capture kept less than there was is told, beside the messages that were in it.
    let mut cut = capture(&packets);
    let whole_length = 24 + 12;
    cut[whole_length] += 1;
    let path = written(folder.path(), "cut.pcap", cut.clone());
    let found = json(&run(&["book", "replay", arg(&path), "--json"]).ok().out);
    assert_eq!((found["malformed"].as_u64(), found["messages"].as_u64()), (Some(1), Some(3)), "{found}");
    // It is told too where the file ends within a packet.
    cut.truncate(cut.len() - 1);
    let path = written(folder.path(), "cut_short.pcap", cut);
    let broken = run(&["book", "replay", arg(&path), "--json"]).refused(1, &["ends within a block"]);
    assert_eq!(json(&broken.out)["malformed"].as_u64(), Some(1), "{}", broken.out);
}

/// Outputs that would destroy an input or mean nothing.
fn refused_with_rows(feed: &Path, rows: &Path) {
    let at = written(rows.parent().unwrap(), "counts.txt", "1\n");
    let refused = |out: &str, words: &[&str]| {
        run(&["book", "replay", arg(feed), "--at", arg(&at), "-o", out]).refused(2, words);
    };
    refused(arg(feed), &["is the file"]);
    refused(arg(&at), &["is the file"]);
    refused("-", &["standard output"]);
    assert_eq!((fs::read(feed).unwrap(), fs::read_to_string(&at).unwrap()), (itch(), "1\n".to_owned()));
    let lobster = written(rows.parent().unwrap(), "ACME_2012-06-21_message_1.csv", MESSAGES);
    let args = ["--at", arg(&at), "-o", arg(rows)];
    run(&[&["book", "replay", arg(&lobster)][..], &args].concat()).refused(2, &["orderbook file"]);
    run(&["book", "replay", arg(feed), "--time", "2012-06-21T14:00:00Z"]).refused(2, &["needs --date"]);
    let later = run(&["book", "replay", arg(feed), "--time", "23:00"]).ok();
    assert!(later.out.contains("(after the feed's last event)"), "{}", later.out);
}

#[test]
fn a_damaged_archive_shows_what_came_before_the_damage() {
    let folder = tempfile::tempdir().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(&itch().repeat(2_000)).unwrap();
    let mut packed = gzip.finish().unwrap();
    packed.truncate(packed.len() / 2);
    let path = written(folder.path(), "cut.gz", packed);
    let cut =
        run(&["book", "replay", arg(&path), "--check"]).refused(1, &["cut.gz: after", "what came before it is shown"]);
    assert!(cut.out.contains("Check: WRONG"), "{}", cut.out);
}

#[test]
fn rubbish_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let feed = written(folder.path(), "day.itch50", itch());
    let at = |text: &str| written(folder.path(), "at.txt", text);
    let rows = folder.path().join("rows.csv");
    let replay = |file: &Path, more: &[&str]| run(&[&["book", "replay", arg(file)][..], more].concat());
    let with = |counts: &Path| replay(&feed, &["--at", arg(counts), "-o", arg(&rows)]);

    replay(&folder.path().join("nowhere"), &[]).refused(1, &["nowhere", "No such file"]);
    replay(folder.path(), &[]).refused(1, &["is a directory"]);
    replay(&written(folder.path(), "empty", ""), &[]).refused(1, &["the file is empty"]);
    let chain = written(folder.path(), "chain.csv", "underlying,bid,ask\nSPX,1,2\n");
    replay(&chain, &[]).refused(1, &["not a feed that I know", "--format", "itch50"]);
    for format in ["itch50", "itch50-pcap", "mdp3-pcap", "lobster", "dbn", "binance", "tardis"] {
        replay(&chain, &["--format", format]).refused(1, &["chain.csv"]);
    }
    replay(&feed, &["--schema", "any.xml"]).refused(2, &["--schema", "mdp3-pcap", "itch50"]);
    replay(&feed, &["--format", "ouch"]).refused(2, &["itch50, itch50-pcap, mdp3-pcap"]);
    replay(&feed, &["--instrument", "NONE"]).refused(2, &["NONE", "ACME"]);
    replay(&feed, &["--levels", "0"]).refused(2, &["1 to 10000"]);
    replay(&feed, &["--levels", "3"]).refused(2, &["--at"]);
    replay(&feed, &["--time", "noon"]).refused(2, &["10:30:00.5"]);
    replay(&feed, &["--at", "x"]).refused(2, &["--output"]);
    with(&at("3\n2\n")).refused(1, &["2 after 3"]);
    with(&at("x\n")).refused(1, &["line 1", "\"x\""]);
    with(&at("3\n6\n")).refused(1, &["number 2: 6", "at most 5"]);
    assert!(!rows.exists(), "a file of rows was left behind by a run that failed");

    refused_with_rows(&feed, &rows);

    let mut cut = itch();
    cut.truncate(cut.len() - 4);
    let cut = replay(&written(folder.path(), "cut.itch50", &cut), &[]).refused(1, &["ends within a message"]);
    assert!(cut.out.contains("4 messages"), "{}", cut.out);
}

#[test]
fn real_itch_books_are_lobsters_after_every_message() {
    let Some(data) = real_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let counts = folder.path().join("at.u32");
    let mut words = Vec::new();
    let packed = fs::File::open(data.join("books/itch/AMZN.row_end_msg_count.u32le.gz")).unwrap();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut words).unwrap();
    fs::write(&counts, &words).unwrap();
    let feed = data.join("books/itch/lobster_20120621_AAPL_AMZN_GOOG.itch50.bin.gz");
    let rows = folder.path().join("rows.csv");
    let args = ["--instrument", "AMZN", "--levels", "5", "--at", arg(&counts), "-o", arg(&rows), "--check"];
    run(&[&["book", "replay", arg(&feed)][..], &args].concat()).ok();
    let zip = fs::File::open(data.join("books/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip")).unwrap();
    let mut zip = zip::ZipArchive::new(zip).unwrap();
    let place = (0..zip.len()).find(|i| zip.by_index(*i).unwrap().name().unwrap().contains("orderbook")).unwrap();
    let mut wanted = String::new();
    zip.by_index(place).unwrap().read_to_string(&mut wanted).unwrap();
    let found = fs::read_to_string(&rows).unwrap();
    assert_eq!((wanted.lines().count(), found.lines().count()), (155_935, 155_935));
    for (i, (wanted, found)) in wanted.lines().zip(found.lines()).enumerate() {
        assert_eq!(found, wanted, "row {}", i + 1);
    }
}

#[test]
fn real_feeds_agree_with_what_comes_with_them() {
    let Some(data) = real_data() else { return };
    let books = data.join("books");
    for (file, least) in [
        ("LOBSTER_SampleFile_AAPL_2012-06-21_1.zip", 118_497),
        ("LOBSTER_SampleFile_AMZN_2012-06-21_5.zip", 155_935),
        ("usdm_btcusdt_20240808.gz", 1_000),
        ("spot_btcusdt_20240808.gz", 1_000),
        ("dbn/esh4-glbx-mdp3-20231225.mbo.dbn.zst", 0),
    ] {
        let path = books.join(file);
        let checked = run(&["book", "replay", arg(&path), "--check", "--json"]);
        let found = json(&checked.out);
        let check = &found["check"];
        assert_eq!(check["right"].as_bool(), Some(true), "{file}: {check} {}", checked.err);
        let compared = check["orderbook_rows"]["rows"].as_u64().or(check["quotes"]["compared"].as_u64());
        assert!(compared.unwrap_or(0) >= least, "{file}: {check}");
    }
    // One snapshot: nothing that could be checked, which is neither right nor wrong.
    let path = books.join("dbn/tardis_deribit_incremental_book_L2_BTC-PERPETUAL.csv");
    let checked = json(&run(&["book", "replay", arg(&path), "--check", "--json"]).ok().out);
    assert_eq!((checked["events"].as_u64(), &checked["check"]["right"]), (Some(16), &Value::Null), "{checked}");
}

/// The symbol alone goes on naming the one market of a capture, where rows are written too.
#[test]
fn real_futures_rows_are_written_by_the_plain_symbol() {
    let Some(data) = zomma_testkit::real_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (at, rows) = (written(folder.path(), "counts.txt", "5000\n40000\n"), folder.path().join("rows.csv"));
    for file in ["spot_btcusdt_20240808.gz", "usdm_btcusdt_20240808.gz"] {
        let path = data.join("books").join(file);
        let by_symbol = ["book", "replay", arg(&path), "--instrument", "BTCUSDT"];
        run(&[&by_symbol[..], &["--at", arg(&at), "-o", arg(&rows)]].concat()).ok();
        let written = fs::read_to_string(&rows).unwrap();
        assert!(written.lines().count() == 2 && !written.contains("9999999999"), "{file}: {written}");
    }
}

#[test]
fn switches_of_memory_change_no_book_and_a_node_that_there_is_not_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let feed = written(folder.path(), "day.itch50", itch());
    let (at, rows) = (written(folder.path(), "at.txt", "2\n3\n5\n"), folder.path().join("rows.csv"));
    let replay = |switches: &[&str]| {
        let all = ["book", "replay", arg(&feed), "--instrument", "ACME", "--at", arg(&at), "-o", arg(&rows)];
        run(&[&all, switches].concat())
    };
    replay(&[]).ok();
    let plain = fs::read(&rows).unwrap();
    replay(&["--no-huge-pages", "--no-prefetch"]).ok();
    assert_eq!(fs::read(&rows).unwrap(), plain);
    if cfg!(target_os = "linux") {
        // A container may forbid it, which is told and is no crash.
        let bound = replay(&["--numa-node", "0"]);
        if bound.code == 0 {
            assert_eq!(fs::read(&rows).unwrap(), plain);
        } else {
            bound.refused(1, &["--numa-node", "memory node 0"]);
        }
    }
    replay(&["--numa-node", "4000"]).refused(2, &["--numa-node", "memory node 4000", "allowed: 0"]);
}
