//! What the page draws, thinned and rounded to what an eye can see.

use serde::Serialize;
use zomma_base::OptionType;
use zomma_market::chain::Chain;
use zomma_pricing::{black::Greek, surface::SliceSource};
use zomma_strategy::analysis::{Analysis, ExpirySummary, ForwardSource, RateSource};

use crate::analyze::{CandidateRow, rate};

/// Digits of a number on the page.
const DIGITS: i32 = 6;
/// Strikes of an expiry in the Greeks' plots.
const GREEK_STRIKES_MAX: usize = 48;
/// Greeks are drawn this many standard deviations around the forward.
const GREEK_DEVIATIONS: f64 = 5.0;
/// Candidates on the page; all of them are in `candidates.csv`.
const CANDIDATES_MAX: usize = 400;

/// The page's data.
#[derive(Debug, Serialize)]
pub struct Data {
    expiries: Vec<ExpiryData>,
    candidates: Vec<CandidateRow>,
    greek_names: Vec<&'static str>,
}

/// One expiry. Vectors of one length; null where there is no number.
#[derive(Debug, Serialize)]
struct ExpiryData {
    date: String,
    root: String,
    settlement: &'static str,
    days: i64,
    years: f64,
    forward: f64,
    forward_error: Option<f64>,
    forward_source: ForwardSource,
    rate: f64,
    rate_source: RateSource,
    /// Yield that spot, forward and rate imply.
    carry_yield: f64,
    pairs: usize,
    quotes: usize,
    atm: f64,
    judged: usize,
    inside: usize,
    rmse: f64,
    free_inside: usize,
    free_rmse: f64,
    slice: Option<SliceData>,
    smile: Smile,
    greeks: [GreekLines; 2],
}

/// Raw SVI parameters and where they were quoted.
#[derive(Debug, Serialize)]
struct SliceData {
    source: SliceSource,
    a: f64,
    b: f64,
    rho: f64,
    m: f64,
    sigma: f64,
    range: [f64; 2],
}

/// Out-of-the-money quotes.
#[derive(Debug, Default, Serialize)]
struct Smile {
    strike: Vec<f64>,
    bid: Vec<f64>,
    mid: Vec<f64>,
    ask: Vec<f64>,
}

/// Greeks of the calls, or of the puts.
#[derive(Debug, Default, Serialize)]
struct GreekLines {
    strike: Vec<f64>,
    /// One vector a Greek, in the order of `greek_names`.
    values: Vec<Vec<f64>>,
}

/// Rounds to `digits` significant digits; what is not finite becomes NaN, which JSON writes as null.
fn rounded(value: f64, digits: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return if value.is_finite() { 0.0 } else { f64::NAN };
    }
    let scale = 10f64.powi(digits - 1 - value.abs().log10().floor() as i32);
    // Far below one the scale overflows; such a number is drawn as zero anyway.
    if scale.is_finite() { (value * scale).round() / scale } else { 0.0 }
}

fn short(value: f64) -> f64 {
    rounded(value, DIGITS)
}

/// Gathers what the page draws.
pub fn data(chain: &Chain, analysis: &Analysis) -> Data {
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); analysis.expiries.len()];
    for (row, &expiry) in analysis.quotes.expiry.iter().enumerate() {
        if let Some(rows) = rows.get_mut(expiry as usize) {
            rows.push(row);
        }
    }
    for rows in &mut rows {
        rows.sort_by(|&a, &b| chain.quotes.strike[a].total_cmp(&chain.quotes.strike[b]));
    }
    Data {
        expiries: analysis
            .expiries
            .iter()
            .zip(&rows)
            .map(|(expiry, rows)| expiry_data(expiry, rows, chain, analysis))
            .collect(),
        candidates: analysis
            .candidates
            .iter()
            .take(CANDIDATES_MAX)
            .map(|candidate| shortened(CandidateRow::of(candidate, chain, analysis)))
            .collect(),
        greek_names: Greek::ALL.iter().map(|greek| greek.as_str()).collect(),
    }
}

fn expiry_data(expiry: &ExpirySummary, rows: &[usize], chain: &Chain, analysis: &Analysis) -> ExpiryData {
    let rate = rate(expiry);
    let lines = |option_type| greek_lines(option_type, expiry, rows, chain, analysis);
    ExpiryData {
        date: expiry.expiry_date.to_string(),
        root: expiry.root.clone(),
        settlement: expiry.settlement.as_str(),
        days: expiry.calendar_days,
        years: expiry.expiry_years,
        forward: short(expiry.forward),
        forward_error: expiry.forward_error.map(short),
        forward_source: expiry.forward_source,
        rate: short(rate),
        rate_source: expiry.rate_source,
        carry_yield: short(rate - (expiry.forward / analysis.spot).ln() / expiry.expiry_years),
        pairs: expiry.parity_pairs,
        quotes: expiry.quotes,
        atm: short(expiry.atm_volatility),
        judged: expiry.quality.quotes,
        inside: expiry.quality.inside.unwrap_or(0),
        rmse: short(expiry.quality.rmse_vol_points),
        free_inside: expiry.unconstrained.inside.unwrap_or(0),
        free_rmse: short(expiry.unconstrained.rmse_vol_points),
        slice: slice_data(expiry, analysis),
        smile: smile(expiry, rows, chain, analysis),
        greeks: [lines(OptionType::Call), lines(OptionType::Put)],
    }
}

fn slice_data(expiry: &ExpirySummary, analysis: &Analysis) -> Option<SliceData> {
    let slice = analysis.surface.slices.get(expiry.slice?)?;
    let svi = slice.svi;
    Some(SliceData {
        source: slice.source,
        a: svi.a,
        b: svi.b,
        rho: svi.rho,
        m: svi.m,
        sigma: svi.sigma,
        range: slice.log_moneyness_range.map(short),
    })
}

fn smile(expiry: &ExpirySummary, rows: &[usize], chain: &Chain, analysis: &Analysis) -> Smile {
    let (source, result) = (&chain.quotes, &analysis.quotes);
    let mut smile = Smile::default();
    for &row in rows {
        let strike = source.strike[row];
        let is_out_of_the_money = (strike >= expiry.forward) == (source.option_type[row] == OptionType::Call);
        if is_out_of_the_money && result.status[row].is_ok() && source.bid[row] > 0.0 {
            smile.strike.push(short(strike));
            smile.bid.push(short(result.bid_volatility[row]));
            smile.mid.push(short(result.mid_volatility[row]));
            smile.ask.push(short(result.ask_volatility[row]));
        }
    }
    smile
}

fn greek_lines(
    option_type: OptionType,
    expiry: &ExpirySummary,
    rows: &[usize],
    chain: &Chain,
    analysis: &Analysis,
) -> GreekLines {
    let reach = GREEK_DEVIATIONS * expiry.atm_volatility * expiry.expiry_years.sqrt();
    let near = |row: usize| {
        let moneyness = (chain.quotes.strike[row] / expiry.forward).ln();
        // An expiry without a volatility draws all it has.
        reach.is_nan() || moneyness.abs() <= reach
    };
    let mut drawn: Vec<usize> = rows
        .iter()
        .copied()
        .filter(|&row| chain.quotes.option_type[row] == option_type)
        .filter(|&row| analysis.quotes.greeks_status[row].is_ok() && near(row))
        .collect();
    drawn.dedup_by_key(|row| chain.quotes.strike[*row]);
    let step = drawn.len().div_ceil(GREEK_STRIKES_MAX).max(1);
    let drawn: Vec<usize> = drawn.into_iter().step_by(step).collect();
    GreekLines {
        strike: drawn.iter().map(|&row| short(chain.quotes.strike[row])).collect(),
        values: Greek::ALL
            .iter()
            .map(|&greek| {
                let column = analysis.quotes.greeks.column(greek);
                drawn.iter().map(|&row| rounded(column[row], DIGITS - 1)).collect()
            })
            .collect(),
    }
}

fn shortened(mut row: CandidateRow) -> CandidateRow {
    for value in [
        &mut row.delta,
        &mut row.volatility,
        &mut row.probability_of_profit,
        &mut row.probability_of_touch,
        &mut row.expected_value_rn,
        &mut row.expected_value_p,
        &mut row.annualized_yield,
        &mut row.break_even,
        &mut row.kelly_fraction,
        &mut row.score,
    ] {
        *value = short(*value);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_significant_digits() {
        assert_eq!(rounded(2_926.173_456, 6), 2926.17);
        assert_eq!(rounded(-0.000_123_456_789, 6), -0.000_123_457);
        assert_eq!(rounded(0.0, 6), 0.0);
        assert_eq!(rounded(1e-320, 6), 0.0);
        assert!(rounded(f64::INFINITY, 6).is_nan());
    }
}
