//! Quotes that the tests of several models are fitted to.

use super::SliceQuotes;

/// Quotes on `volatility` at log-moneynesses `k`, each side `half` of volatility away; the forward is 100.
pub(super) fn quotes(expiry_years: f64, k: &[f64], half: f64, volatility: impl Fn(f64) -> f64) -> SliceQuotes {
    let mid: Vec<f64> = k.iter().map(|&k| volatility(k)).collect();
    SliceQuotes {
        expiry_years,
        forward: 100.0,
        log_moneyness: k.to_vec(),
        bid_volatility: mid.iter().map(|volatility| volatility - half).collect(),
        ask_volatility: mid.iter().map(|volatility| volatility + half).collect(),
        mid_volatility: mid,
        open_interest: Vec::new(),
    }
}

/// `n` points from `low` to `high`.
pub(super) fn grid(low: f64, high: f64, n: usize) -> Vec<f64> {
    (0..n).map(|i| low + (high - low) * i as f64 / (n.max(2) - 1) as f64).collect()
}

/// A quote: log-moneyness, volatility, half a spread.
pub(super) type Row = (f64, f64, f64);

/// Slices of rows, each so many years after the one before.
pub(super) fn slices_of_rows(seed: Vec<(f64, Vec<Row>)>) -> Vec<SliceQuotes> {
    let mut expiry_years = 0.0;
    let mut slice = |(gap, rows): (f64, Vec<Row>)| {
        expiry_years += gap;
        SliceQuotes {
            expiry_years,
            forward: 100.0,
            log_moneyness: rows.iter().map(|row| row.0).collect(),
            bid_volatility: rows.iter().map(|row| row.1 - row.2).collect(),
            mid_volatility: rows.iter().map(|row| row.1).collect(),
            ask_volatility: rows.iter().map(|row| row.1 + row.2).collect(),
            open_interest: Vec::new(),
        }
    };
    seed.into_iter().map(&mut slice).collect()
}

/// A smile on which a published SVI fitter fell into a degenerate minimum.
pub(super) struct RealSmile {
    pub(super) name: &'static str,
    /// Mids alone.
    pub(super) quotes: SliceQuotes,
    /// What a right fit gives at the money.
    pub(super) at_the_money: f64,
}

/// Both smiles of 2025; none where there is no real data, which is then said.
pub(super) fn real_smiles_of_2025() -> Vec<RealSmile> {
    let Some(folder) = zomma_testkit::real_data() else { return Vec::new() };
    let read = |name: &'static str| {
        let text = std::fs::read_to_string(folder.join("options").join(name)).expect("the smile is there");
        let smile: serde_json::Value = serde_json::from_str(&text).expect("the smile is JSON");
        let number = |key: &str| smile[key].as_f64().expect("a number");
        let rows: Vec<(f64, f64)> =
            serde_json::from_value(smile["market_vols"].clone()).expect("pairs of strike and volatility");
        let quotes = SliceQuotes {
            expiry_years: number("expiry_years"),
            forward: number("forward"),
            log_moneyness: rows.iter().map(|row| (row.0 / number("forward")).ln()).collect(),
            bid_volatility: vec![f64::NAN; rows.len()],
            mid_volatility: rows.iter().map(|row| row.1).collect(),
            ask_volatility: vec![f64::NAN; rows.len()],
            open_interest: Vec::new(),
        };
        RealSmile { name, quotes, at_the_money: number("expected_atm_iv") }
    };
    ["spx_smile_2025_jan13_feb21_39dte.json", "spx_smile_2025_jan24_feb21_28dte_stable.json"].map(read).into()
}
