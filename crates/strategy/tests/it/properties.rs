//! What must hold of any chain.

use zomma_market::chain::{Chain, Quotes};
use zomma_pricing::black::Greek;
use zomma_strategy::analysis::{Analysis, analyze};

use crate::support::{config, demo_chains};

fn select<T: Clone>(column: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().map(|&row| column[row].clone()).collect()
}

/// The chain with its rows in another order (or fewer of them).
fn with_rows(chain: &Chain, rows: &[usize]) -> Chain {
    let from = &chain.quotes;
    let quotes = Quotes {
        source_row: select(&from.source_row, rows),
        symbol: rows.iter().map(|&row| from.symbol.get(row)).collect(),
        root: select(&from.root, rows),
        roots: from.roots.clone(),
        option_type: select(&from.option_type, rows),
        strike: select(&from.strike, rows),
        expiry: select(&from.expiry, rows),
        settlement: select(&from.settlement, rows),
        exercise_style: select(&from.exercise_style, rows),
        bid: select(&from.bid, rows),
        ask: select(&from.ask, rows),
        bid_size: select(&from.bid_size, rows),
        ask_size: select(&from.ask_size, rows),
        last: select(&from.last, rows),
        volume: select(&from.volume, rows),
        open_interest: select(&from.open_interest, rows),
        vendor_implied_volatility: select(&from.vendor_implied_volatility, rows),
        status: select(&from.status, rows),
        present: from.present.clone(),
    };
    Chain { quotes, ..chain.clone() }
}

/// The generated session, European rows without duplicates (of two rows for one contract the first is kept, so order matters there).
fn european_session() -> Chain {
    let [_, chain] = demo_chains();
    let analysis = analyze(&chain, None, None, &config()).unwrap();
    let rows: Vec<usize> = (0..chain.quotes.status.len())
        .filter(|&row| analysis.quotes.status[row] != zomma_base::Status::Duplicate)
        .filter(|&row| chain.quotes.exercise_style[row] == Some(zomma_base::ExerciseStyle::European))
        .collect();
    with_rows(&chain, &rows)
}

fn assert_rows_equal(a: &Analysis, b: &Analysis, b_row_of: impl Fn(usize) -> usize) {
    for row in 0..a.rows_read {
        let other = b_row_of(row);
        assert_eq!(a.quotes.status[row], b.quotes.status[other]);
        for (x, y) in [
            (a.quotes.forward[row], b.quotes.forward[other]),
            (a.quotes.mid_volatility[row], b.quotes.mid_volatility[other]),
            (a.quotes.surface_volatility[row], b.quotes.surface_volatility[other]),
            (a.quotes.greeks.column(Greek::Vega)[row], b.quotes.greeks.column(Greek::Vega)[other]),
        ] {
            assert_eq!(x.to_bits(), y.to_bits(), "row {row}: {x} {y}");
        }
    }
}

#[test]
fn permuting_rows_permutes_results() {
    let chain = european_session();
    let rows = chain.quotes.status.len();
    // A step that shares no factor with the count visits every row.
    let step =
        (rows / 3..).find(|step| (2..=*step).all(|d| !(step.is_multiple_of(d) && rows.is_multiple_of(d)))).unwrap();
    let order: Vec<usize> = (0..rows).map(|i| i * step % rows).collect();
    let mut place = vec![0; rows];
    for (at, &row) in order.iter().enumerate() {
        place[row] = at;
    }
    let straight = analyze(&chain, None, None, &config()).unwrap();
    let shuffled = analyze(&with_rows(&chain, &order), None, None, &config()).unwrap();
    assert_rows_equal(&straight, &shuffled, |row| place[row]);
}

#[test]
fn twice_the_prices_have_twice_the_forwards_and_the_same_volatilities() {
    let chain = european_session();
    let mut doubled = chain.clone();
    doubled.underlying_last = chain.underlying_last.map(|last| 2.0 * last);
    for column in
        [&mut doubled.quotes.strike, &mut doubled.quotes.bid, &mut doubled.quotes.ask, &mut doubled.quotes.last]
    {
        for value in column {
            *value *= 2.0;
        }
    }
    let (once, twice) =
        (analyze(&chain, None, None, &config()).unwrap(), analyze(&doubled, None, None, &config()).unwrap());
    for (a, b) in once.expiries.iter().zip(&twice.expiries) {
        assert!((b.forward / a.forward - 2.0).abs() < 1e-9, "{} {}", a.forward, b.forward);
        assert!((b.discount_factor - a.discount_factor).abs() < 1e-9);
        assert!((b.atm_volatility - a.atm_volatility).abs() < 1e-6, "{} {}", a.atm_volatility, b.atm_volatility);
    }
    for row in 0..once.rows_read {
        let (a, b) = (once.quotes.mid_volatility[row], twice.quotes.mid_volatility[row]);
        assert!(a.is_nan() && b.is_nan() || (a - b).abs() < 1e-6 * a.max(1.0), "row {row}: {a} {b}");
    }
    assert!((twice.spot / once.spot - 2.0).abs() < 1e-9);
}

#[test]
fn the_same_chain_gives_the_same_answer() {
    let chain = european_session();
    let (a, b) = (analyze(&chain, None, None, &config()).unwrap(), analyze(&chain, None, None, &config()).unwrap());
    assert_rows_equal(&a, &b, |row| row);
}
