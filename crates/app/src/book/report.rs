//! What a replay says: as text, and as JSON.

use std::fmt::Write;

use jiff::Timestamp;
use serde_json::{Value, json};
use zomma_market::{
    event::{InstrumentId, NO_PRICE, Side},
    format::Format,
    instruments::{Definition, Instruments},
    truth::Top,
};

use super::{
    latency::ONE_IN,
    replay::{TopLine, tops},
    run::Outcome,
    verdict::Verdict,
};
use crate::feed::Note;

/// So many instruments have a line; the others are counted.
const LINES_SHOWN: usize = 20;
/// So many differences are printed.
const DIFFERENCES_SHOWN: usize = 5;

/// The outcome as text; only `wanted`'s lines where an instrument is named.
pub fn text(outcome: &Outcome, wanted: Option<&str>) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_text(outcome, wanted, &mut text);
    text
}

fn write_text(outcome: &Outcome, wanted: Option<&str>, out: &mut String) -> std::fmt::Result {
    let Outcome { name, format, replay, instruments, counts, .. } = outcome;
    writeln!(
        out,
        "{name}: {format}, {} messages, {} events, {} trades, {} {}",
        grouped(replay.messages),
        grouped(replay.events),
        grouped(replay.trades),
        grouped(instruments.len() as u64),
        if instruments.len() == 1 { "instrument" } else { "instruments" },
    )?;
    if let Some((first, last)) = replay.span_ns {
        writeln!(out, "  from {} to {}", time(first), time(last))?;
    }
    let seconds = outcome.busy.as_secs_f64();
    write!(out, "  {:.2} s decoding and applying", seconds)?;
    if seconds > 0.0 {
        write!(out, ", {} messages/s", grouped((replay.messages as f64 / seconds) as u64))?;
    }
    let latency = &replay.latency;
    match (latency.quantile_ns(0.5), latency.quantile_ns(0.99), latency.quantile_ns(0.999), latency.max_ns()) {
        (Some(median), Some(p99), Some(p999), Some(most)) => {
            writeln!(
                out,
                "; one message: p50 {median} ns, p99 {p99} ns, p99.9 {p999} ns, most {most} ns (one in {ONE_IN} timed)"
            )?;
        }
        _ => writeln!(out)?,
    }
    let told: Vec<String> =
        counted(outcome).into_iter().map(|(what, count)| format!("{} {what}", grouped(count))).collect();
    if !told.is_empty() {
        writeln!(out, "  counted: {}", told.join(", "))?;
    }
    if counts.missing > 0 {
        writeln!(
            out,
            "  {} messages or more are missing from the feed: books may be wrong after the gap",
            grouped(counts.missing)
        )?;
    }
    for note in &replay.notes {
        writeln!(out, "  {note}")?;
    }
    if let Some(rows) = outcome.rows_written {
        writeln!(out, "  {} rows written", grouped(rows as u64))?;
    }
    for (at, lines) in &replay.moments.tops {
        let outside = match replay.span_ns {
            Some((first, _)) if *at < first => " (before the feed's first event)",
            Some((_, last)) if *at > last => " (after the feed's last event)",
            _ => "",
        };
        writeln!(out, "At {}{outside}:", time(*at))?;
        write_tops(lines, instruments, wanted, out)?;
    }
    writeln!(out, "At the end:")?;
    write_tops(&tops(&replay.books), instruments, wanted, out)?;
    if *format == Format::Lobster {
        writeln!(
            out,
            "  LOBSTER tells neither the orders that rested before nor those below its levels: this is not the market's whole book"
        )?;
    }
    if let Some(verdict) = &outcome.verdict {
        write_verdict(verdict, instruments, out)?;
    }
    Ok(())
}

/// What was counted beside the messages that became events.
fn counted(outcome: &Outcome) -> Vec<(&'static str, u64)> {
    let counts = &outcome.counts;
    let of_feed =
        [("passed_over", counts.passed_over), ("unknown_type", counts.unknown), ("malformed", counts.malformed)];
    let of_books = outcome.replay.books.faults().iter().map(|(fault, count)| (fault.name(), count));
    of_feed.into_iter().filter(|(_, count)| *count > 0).chain(of_books).collect()
}

fn write_tops(
    lines: &[TopLine],
    instruments: &Instruments,
    wanted: Option<&str>,
    out: &mut String,
) -> std::fmt::Result {
    let wanted = wanted.and_then(|symbol| instruments.find(symbol));
    let lines: Vec<&TopLine> = lines.iter().filter(|line| wanted.is_none_or(|id| id == line.instrument)).collect();
    if lines.is_empty() {
        return writeln!(out, "  no book with an order or a quote");
    }
    writeln!(out, "  {:<24}{:>14}{:>16}{:>16}{:>14}", "instrument", "bid_size", "bid", "ask", "ask_size")?;
    for line in lines.iter().take(LINES_SHOWN) {
        let definition = instruments.latest(line.instrument);
        let symbol = definition.map_or("?", |definition| definition.symbol.as_str());
        let [(bid, bid_size), (ask, ask_size)] = line.sides.map(|side| cells(side, definition));
        writeln!(out, "  {symbol:<24}{bid_size:>14}{bid:>16}{ask:>16}{ask_size:>14}")?;
    }
    if lines.len() > LINES_SHOWN {
        writeln!(out, "  … and {} more (--instrument shows one)", lines.len() - LINES_SHOWN)?;
    }
    Ok(())
}

/// Price and size as they are printed.
fn cells(side: Option<(i64, u64)>, definition: Option<&Definition>) -> (String, String) {
    match (side, definition) {
        (Some((price, size)), Some(definition)) => (
            decimal(i128::from(price) * i128::from(definition.tick_nanos)),
            decimal(i128::from(size) * i128::from(definition.lot_nanos)),
        ),
        _ => ("-".to_owned(), "-".to_owned()),
    }
}

/// Billionths as a decimal, exactly, without zeros at its end but for two decimals of what has any.
fn decimal(nanos: i128) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let (whole, fraction) = (nanos.unsigned_abs() / 1_000_000_000, nanos.unsigned_abs() % 1_000_000_000);
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let digits = format!("{fraction:09}");
    let kept = digits.trim_end_matches('0').len().max(2);
    format!("{sign}{whole}.{}", &digits[..kept])
}

fn write_verdict(verdict: &Verdict, instruments: &Instruments, out: &mut String) -> std::fmt::Result {
    let conclusion = match verdict.is_right() {
        Some(true) => "right",
        Some(false) => "WRONG",
        None => "nothing in the feed that could be checked",
    };
    writeln!(out, "Check: {conclusion}")?;
    if let Some(steps) = &verdict.steps {
        writeln!(
            out,
            "  {} rows of the orderbook file against the messages: {} differ; {} could be judged at every level",
            grouped(steps.rows),
            grouped(steps.mismatched),
            grouped(steps.whole)
        )?;
        for wrong in steps.mismatches.iter().take(DIFFERENCES_SHOWN) {
            let shown = |level: Option<(i64, i64)>| {
                level.map_or("nothing".to_owned(), |(price, size)| format!("{size} at {price}"))
            };
            let side = if wrong.side == Side::Bid { "bid" } else { "ask" };
            writeln!(
                out,
                "    row {}, {side} level {}: {}; the messages give {}",
                wrong.row,
                wrong.level,
                shown(wrong.found),
                shown(wrong.wanted)
            )?;
        }
    }
    if let Some(quotes) = &verdict.quotes {
        writeln!(
            out,
            "  {} book updates against the feed's own quotes: {} differ ({} without a quote to compare with)",
            grouped(quotes.compared),
            grouped(quotes.different),
            grouped(quotes.without_quote)
        )?;
        for wrong in quotes.shown.iter().take(DIFFERENCES_SHOWN) {
            let top = |top: Top| shown_top(top, wrong.instrument, instruments);
            writeln!(out, "    update {}: book {}; quote {}", wrong.sequence, top(wrong.book), top(wrong.quote))?;
        }
    }
    if verdict.lost > 0 {
        let lost = grouped(verdict.lost);
        writeln!(out, "  {lost} messages are missing, make no sense or wait for a snapshot, or the stream breaks off")?;
    }
    if verdict.are_faults_wrong {
        let crosses = &verdict.crosses;
        writeln!(
            out,
            "  books looked at {} times: crossed {} times before the first trade, {} times after it",
            grouped(crosses.looked_at),
            grouped(crosses.crossed_before_first_trade),
            grouped(crosses.crossed_after_first_trade)
        )?;
        let faults: Vec<String> =
            verdict.faults.iter().map(|(name, count)| format!("{} {name}", grouped(*count))).collect();
        let faults = if faults.is_empty() { "none".to_owned() } else { faults.join(", ") };
        writeln!(out, "  events that could not be applied: {faults}")?;
    }
    Ok(())
}

fn shown_top(top: Top, instrument: InstrumentId, instruments: &Instruments) -> String {
    let definition = instruments.latest(instrument);
    let [bid, ask] = top.map(|(price, size)| cells((price != NO_PRICE).then_some((price, size)), definition));
    format!("{} at {} / {} at {}", bid.1, bid.0, ask.1, ask.0)
}

/// A whole number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time in UTC; of the first day of 1970, which stands for a day that nobody named, the time of day alone.
fn time(time_ns: u64) -> String {
    match Timestamp::from_nanosecond(i128::from(time_ns)) {
        Ok(timestamp) if time_ns < 86_400_000_000_000 => {
            let shown = timestamp.to_string();
            format!("{} of the session's day", shown.trim_start_matches("1970-01-01T").trim_end_matches('Z'))
        }
        Ok(timestamp) => timestamp.to_string(),
        Err(_) => format!("{time_ns} ns"),
    }
}

/// The outcome as JSON; only `wanted`'s tops where an instrument is named.
pub fn json(outcome: &Outcome, wanted: Option<&str>) -> Value {
    let replay = &outcome.replay;
    let wanted = wanted.and_then(|symbol| outcome.instruments.find(symbol));
    let shown = |lines: &[TopLine]| -> Vec<Value> {
        let lines = lines.iter().filter(|line| wanted.is_none_or(|id| id == line.instrument));
        lines.map(|line| top_json(line, &outcome.instruments)).collect()
    };
    let moments: Vec<Value> =
        replay.moments.tops.iter().map(|(at, lines)| json!({ "time_ns": at, "tops": shown(lines) })).collect();
    let faults: serde_json::Map<String, Value> =
        replay.books.faults().iter().map(|(fault, count)| (fault.name().to_owned(), count.into())).collect();
    let held: serde_json::Map<String, Value> = replay.notes.iter().filter_map(held).collect();
    json!({
        "file": outcome.name,
        "format": outcome.format.as_str(),
        "messages": replay.messages,
        "events": replay.events,
        "trades": replay.trades,
        "instruments": outcome.instruments.len(),
        "first_time_ns": replay.span_ns.map(|span| span.0),
        "last_time_ns": replay.span_ns.map(|span| span.1),
        "busy_seconds": outcome.busy.as_secs_f64(),
        "message_ns": {
            "p50": replay.latency.quantile_ns(0.5),
            "p99": replay.latency.quantile_ns(0.99),
            "p99_9": replay.latency.quantile_ns(0.999),
            "max": replay.latency.max_ns(),
        },
        "passed_over": outcome.counts.passed_over,
        "unknown_type": outcome.counts.unknown,
        "malformed": outcome.counts.malformed,
        "missing": outcome.counts.missing,
        "held_updates": held,
        "books_waiting": replay.notes.iter().map(waiting).sum::<u64>(),
        "packets_of_others": replay.notes.iter().map(of_others).sum::<u64>(),
        "packets_of_other_session": replay.notes.iter().map(of_other_session).sum::<u64>(),
        "faults": faults,
        "rows_written": outcome.rows_written,
        "moments": moments,
        "tops": shown(&tops(&replay.books)),
        "check": outcome.verdict.as_ref().map(verdict_json),
        "broken": outcome.broken,
    })
}

fn held(note: &Note) -> Option<(String, Value)> {
    if let Note::Held { symbol, updates } = note { Some((symbol.clone(), (*updates).into())) } else { None }
}

fn waiting(note: &Note) -> u64 {
    if let Note::Waiting(books) = note { *books } else { 0 }
}

fn of_others(note: &Note) -> u64 {
    if let Note::OfOthers(packets) = note { *packets } else { 0 }
}

fn of_other_session(note: &Note) -> u64 {
    if let Note::OfOtherSession(packets) = note { *packets } else { 0 }
}

fn top_json(line: &TopLine, instruments: &Instruments) -> Value {
    let definition = instruments.latest(line.instrument);
    let side = |side: Option<(i64, u64)>| match (side, definition) {
        (Some((price, size)), Some(definition)) => {
            json!({ "price": definition.price(price), "size": definition.size(size) })
        }
        _ => Value::Null,
    };
    json!({
        "instrument": definition.map(|definition| definition.symbol.as_str()),
        "bid": side(line.sides[Side::Bid as usize]),
        "ask": side(line.sides[Side::Ask as usize]),
    })
}

fn verdict_json(verdict: &Verdict) -> Value {
    let quotes = verdict.quotes.as_ref();
    let steps = verdict.steps.as_ref();
    json!({
        "right": verdict.is_right(),
        "orderbook_rows": steps.map(|steps| json!({
            "rows": steps.rows, "whole": steps.whole, "different": steps.mismatched,
        })),
        "quotes": quotes.map(|quotes| json!({
            "compared": quotes.compared, "different": quotes.different, "without_quote": quotes.without_quote,
        })),
        "lost": verdict.lost,
        "crossed": verdict.are_faults_wrong.then(|| json!({
            "looked_at": verdict.crosses.looked_at,
            "before_first_trade": verdict.crosses.crossed_before_first_trade,
            "after_first_trade": verdict.crosses.crossed_after_first_trade,
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_printed_exactly() {
        for (nanos, shown) in [
            (585_940_000_000_i128, "585.94"),
            (61_837_630_000_000, "61837.63"),
            (4_500_000_000, "4.50"),
            (7_000_000_000, "7"),
            (-20, "-0.00000002"),
            (0, "0"),
        ] {
            assert_eq!(decimal(nanos), shown);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1_000, 506_209, 50_000_000].map(grouped), ["0", "999", "1,000", "506,209", "50,000,000"]);
    }

    #[test]
    fn a_day_without_a_name_shows_its_time_alone() {
        assert_eq!(time(34_200_189_607_670), "09:30:00.18960767 of the session's day");
        assert_eq!(time(1_340_285_400_000_000_000), "2012-06-21T13:30:00Z");
    }
}
