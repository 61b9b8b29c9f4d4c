//! Chains on shares that pay cash dividends: a made one, priced by a tree of the test's own, and Apple's on both sides of its split.

use std::sync::Arc;

use jiff::{
    ToSpan,
    civil::{Date, DateTime, date},
};
use zomma_base::{ExerciseStyle, OptionType, Status};
use zomma_market::chain::Chain;
use zomma_pricing::black::{Greek, Model, Row, scalar};
use zomma_strategy::analysis::{
    Analysis, AnalysisConfig, DividendCalendar, ExTime, ForwardSource, ScheduledDividend, analyze, surface_quotes,
};

use crate::{
    real,
    support::{Made, chain, config},
};

const SPOT: f64 = 100.0;
const RATE: f64 = 0.04;
const VOLATILITY: f64 = 0.28;
const QUOTES: Date = date(2025, 6, 2);
/// Days from the quotes, all in summer time, so that they are whole.
const EXPIRIES: [i64; 3] = [25, 74, 137];
/// Days from the quotes, and amounts.
const DIVIDENDS: [(i64, f64); 2] = [(40, 1.2), (130, 1.3)];
/// Steps of the tree a day.
const STEPS: i64 = 12;

fn years(days: i64) -> f64 {
    days as f64 / 365.0
}

/// The tree of M. H. Vellekoop and J. W. Nieuwenhuis (2006): Cox, Ross and Rubinstein's for the spot without dividends, which lie on steps;
/// there the value is that of the spot less the dividend, between nodes by a parabola.
fn tree(option_type: OptionType, strike: f64, days: i64, style: ExerciseStyle) -> f64 {
    let n = (days * STEPS) as usize;
    let dt = years(days) / n as f64;
    let up = (VOLATILITY * dt.sqrt()).exp();
    let probability = ((RATE * dt).exp() - 1.0 / up) / (up - 1.0 / up);
    let discount = (-RATE * dt).exp();
    let spot = |step: usize, j: usize| SPOT * up.powi(2 * j as i32 - step as i32);
    let payoff = |s: f64| (option_type.sign() * (s - strike)).max(0.0);
    let mut values: Vec<f64> = (0..=n).map(|j| payoff(spot(n, j))).collect();
    for step in (0..n).rev() {
        for j in 0..=step {
            values[j] = discount * (probability * values[j + 1] + (1.0 - probability) * values[j]);
        }
        values.truncate(step + 1);
        let exercise = |values: &mut Vec<f64>| {
            if style == ExerciseStyle::American {
                values.iter_mut().enumerate().for_each(|(j, v)| *v = v.max(payoff(spot(step, j))));
            }
        };
        exercise(&mut values);
        let falls = |&&(day, _): &&(i64, f64)| day < days && (day * STEPS) as usize == step;
        if let Some((_, amount)) = DIVIDENDS.iter().find(falls) {
            let nodes: Vec<f64> = (0..=step).map(|j| spot(step, j)).collect();
            values = nodes.iter().map(|s| parabola(&nodes, &values, (s - amount).max(0.0))).collect();
            exercise(&mut values);
        }
    }
    values[0]
}

fn parabola(x: &[f64], y: &[f64], at: f64) -> f64 {
    let i = x.partition_point(|x| *x < at).clamp(1, x.len() - 2);
    let term = |a: usize, b: usize, c: usize| y[a] * (at - x[b]) * (at - x[c]) / ((x[a] - x[b]) * (x[a] - x[c]));
    if at < x[0] {
        y[0] + (y[1] - y[0]) * (at - x[0]) / (x[1] - x[0])
    } else {
        term(i - 1, i, i + 1) + term(i, i - 1, i + 1) + term(i + 1, i - 1, i)
    }
}

fn strikes() -> Vec<f64> {
    (0..13).map(|i| 76.0 + 4.0 * f64::from(i)).collect()
}

fn made() -> Chain {
    let mut rows = Vec::new();
    for days in EXPIRIES {
        let expiry: DateTime = QUOTES.checked_add(days.days()).unwrap().at(0, 0, 0, 0);
        for strike in strikes() {
            for option_type in [OptionType::Call, OptionType::Put] {
                let mid = tree(option_type, strike, days, ExerciseStyle::American);
                rows.push(Made { option_type, strike, expiry, bid: (mid - 0.005).max(0.0), ask: mid + 0.005 });
            }
        }
    }
    let mut chain = chain(QUOTES, Some(SPOT), &rows);
    chain.quotes.exercise_style = vec![Some(ExerciseStyle::American); rows.len()];
    chain
}

fn scheduled(dividends: &[(f64, f64)]) -> Vec<ScheduledDividend> {
    dividends.iter().map(|&(years, amount)| ScheduledDividend { ex: ExTime::YearsFromQuotes(years), amount }).collect()
}

fn given(dividends: Vec<ScheduledDividend>) -> AnalysisConfig {
    AnalysisConfig {
        rate_curve: vec![[1.0, RATE]],
        dividends: Some(Arc::new(DividendCalendar::of_all(dividends))),
        ..config()
    }
}

fn of_the_made() -> Vec<ScheduledDividend> {
    scheduled(&DIVIDENDS.map(|(days, amount)| (years(days), amount)))
}

fn forward(days: i64) -> f64 {
    let before = DIVIDENDS.iter().filter(|(day, _)| *day < days);
    SPOT * (RATE * years(days)).exp() - before.map(|(day, d)| d * (RATE * years(days - day)).exp()).sum::<f64>()
}

/// Mean and greatest |σ(call) − σ(put)| over strikes within 10 % of the forward, of the expiries behind the first dividend.
fn put_call_gaps(chain: &Chain, analysis: &Analysis) -> [f64; 2] {
    let quotes = &analysis.quotes;
    let mut gaps = Vec::new();
    for call in (0..quotes.status.len()).step_by(2) {
        let (k, put) = ((chain.quotes.strike[call] / quotes.forward[call]).ln(), call + 1);
        if quotes.expiry_years[call] > years(DIVIDENDS[0].0) && k.abs() < 0.1 {
            gaps.push((quotes.mid_volatility[call] - quotes.mid_volatility[put]).abs());
        }
    }
    [gaps.iter().sum::<f64>() / gaps.len() as f64, gaps.iter().copied().fold(0.0, f64::max)]
}

/// Volatilities and forwards of the tree come back; a yield in place of the dividends tears calls and puts apart.
#[test]
fn a_made_chain_gives_its_volatility_back() {
    let chain = made();
    let analysis = analyze(&chain, None, None, &given(of_the_made())).unwrap();
    assert!((analysis.spot - SPOT).abs() < 0.01, "{}", analysis.spot);
    let mut compared = 0;
    for (row, &mid) in analysis.quotes.mid_volatility.iter().enumerate() {
        let days = EXPIRIES[analysis.quotes.expiry[row] as usize];
        let (strike, option_type) = (chain.quotes.strike[row], chain.quotes.option_type[row]);
        let forward = forward(days);
        assert!(
            (analysis.quotes.forward[row] / forward - 1.0).abs() < 1e-4,
            "{days}: {}",
            analysis.quotes.forward[row]
        );
        let escrowed = Row {
            option_type,
            spot: forward * (-RATE * years(days)).exp(),
            strike,
            expiry_years: years(days),
            risk_free_rate: RATE,
            dividend_yield: 0.0,
            volatility: f64::NAN,
        };
        let european = tree(option_type, strike, days, ExerciseStyle::European);
        let Ok(want) = zomma_pricing::implied_vol::implied_volatility_bsm_row(&escrowed, european) else { continue };
        // Deep in the money, and far out of it, a tenth of a cent is many points of volatility.
        if (strike / forward).ln() * option_type.sign() < -0.12 || chain.quotes.bid[row] < 0.05 {
            continue;
        }
        assert!((mid - want).abs() < 6e-4, "{option_type:?} {strike} in {days} days: {mid} for {want}");
        assert!(days < 40 || want > VOLATILITY + 0.001, "the spot model's own smile");
        compared += 1;
    }
    assert!(compared > 50, "{compared}");
    let by_yield = analyze(&chain, None, None, &AnalysisConfig { rate_curve: vec![[1.0, RATE]], ..config() }).unwrap();
    let [with, without] = [&analysis, &by_yield].map(|analysis| put_call_gaps(&chain, analysis));
    println!("calls from puts, mean and most: {with:?} with cash dividends, {without:?} with a yield");
    assert!(with[1] < 6e-4 && with[0] * 3.0 < without[0], "{with:?} {without:?}");
    assert!(analysis.notes.iter().any(|note| note.contains("2 of 2.5 in all") && note.contains("2 American expiries")));
    assert!(!analysis.notes.iter().any(|note| note.contains("disagrees")), "{:?}", analysis.notes);
    // What is sold is worth, to an American buyer, what it costs: a half-spread of half a cent is given away.
    for candidate in &analysis.candidates {
        let growth = (RATE * analysis.expiries[candidate.expiry].expiry_years).exp();
        assert!((candidate.expected_value_rn / growth + 0.005).abs() < 0.02, "{candidate:?}");
    }
}

/// A price from the Greeks' own terms: everything that they are derivatives of may be moved.
fn price(row: &Row, passed: f64) -> f64 {
    let growth = row.risk_free_rate - row.dividend_yield;
    let worth = |&(day, amount): &(i64, f64)| amount * (-growth * (years(day) - passed)).exp();
    let before = DIVIDENDS.iter().filter(|(day, _)| years(*day) < row.expiry_years);
    let spot = row.spot - before.map(worth).sum::<f64>();
    scalar::price(&Row { spot, expiry_years: row.expiry_years - passed, ..*row }, Model::Bsm).unwrap()
}

#[test]
fn greeks_are_of_the_share_and_not_of_what_dividends_leave() {
    let chain = made();
    let analysis = analyze(&chain, None, None, &given(of_the_made())).unwrap();
    for row in (0..chain.quotes.strike.len()).filter(|&row| (chain.quotes.strike[row] - 96.0).abs() < 5.0) {
        let expiry_years = analysis.quotes.expiry_years[row];
        let mut at = Row {
            option_type: chain.quotes.option_type[row],
            spot: analysis.spot,
            strike: chain.quotes.strike[row],
            expiry_years,
            risk_free_rate: RATE,
            dividend_yield: 0.0,
            volatility: analysis.quotes.surface_volatility[row],
        };
        // What is left of a yield, from the forward.
        for _ in 0..20 {
            let growth = RATE - at.dividend_yield;
            let worth = |&(day, d): &(i64, f64)| d * (growth * (expiry_years - years(day))).exp();
            let paid: f64 = DIVIDENDS.iter().filter(|(day, _)| years(*day) < expiry_years).map(worth).sum();
            at.dividend_yield = RATE - ((analysis.quotes.forward[row] + paid) / at.spot).ln() / expiry_years;
        }
        let h = 1e-4;
        let slope = |moved: &dyn Fn(f64) -> f64| (moved(h) - moved(-h)) / (2.0 * h);
        let delta = |row: &Row, passed: f64| {
            let at = |h: f64| price(&Row { spot: row.spot + h, ..*row }, passed);
            (at(1e-2) - at(-1e-2)) / 2e-2
        };
        let wanted = [
            (Greek::Price, price(&at, 0.0)),
            (Greek::Delta, delta(&at, 0.0)),
            (Greek::Gamma, slope(&|h| delta(&Row { spot: at.spot + 100.0 * h, ..at }, 0.0)) / 100.0),
            (Greek::Theta, slope(&|h| price(&at, h))),
            (Greek::Rho, slope(&|h| price(&Row { risk_free_rate: at.risk_free_rate + h, ..at }, 0.0))),
            (Greek::Phi, slope(&|h| price(&Row { dividend_yield: at.dividend_yield + h, ..at }, 0.0))),
            (Greek::Vanna, slope(&|h| delta(&Row { volatility: at.volatility + h, ..at }, 0.0))),
            (Greek::Charm, slope(&|h| delta(&at, h))),
            (Greek::Lambda, at.spot * delta(&at, 0.0) / price(&at, 0.0)),
        ];
        for (greek, want) in wanted {
            let got = analysis.quotes.greeks.column(greek)[row];
            assert!((got - want).abs() < 1e-5 * (1.0 + want.abs()), "{greek:?} {at:?}: {got} for {want}");
        }
    }
}

#[test]
fn dividends_that_take_no_part_are_told() {
    let chain = made();
    let dividends = scheduled(&[(-0.2, 1.0), (years(40), 1.2), (years(130), 1.3), (2.0, 1.4), (3.0, 1.4)]);
    let notes = analyze(&chain, None, None, &given(dividends)).unwrap().notes.join("\n");
    assert!(notes.contains("1 of the cash dividends went ex before the quotes"), "{notes}");
    assert!(notes.contains("2 of the cash dividends go ex at or after the last expiry (2025-10-17)"), "{notes}");

    let dividend = ScheduledDividend { ex: ExTime::YearsFromQuotes(0.1), amount: 1.0 };
    let calendar = DividendCalendar::by_underlying([("OTHER".to_owned(), dividend)]);
    let unknown = AnalysisConfig { dividends: Some(Arc::new(calendar)), ..given(Vec::new()) };
    let quotes = surface_quotes(&chain, None, &unknown).unwrap();
    assert!(quotes.notes.join("\n").contains("none of TST"), "{:?}", quotes.notes);
    let plain = AnalysisConfig { dividends: None, ..given(Vec::new()) };
    let plain = surface_quotes(&chain, None, &plain).unwrap();
    assert_eq!(format!("{:?}", plain.slices), format!("{:?}", quotes.slices), "as without the file");
    assert!(plain.notes.is_empty());

    // A dividend ten times too large: parity says so.
    let wrong = given(scheduled(&[(years(40), 12.0), (years(130), 1.3)]));
    let notes = analyze(&chain, None, None, &wrong).unwrap().notes.join("\n");
    assert!(notes.contains("Parity disagrees"), "{notes}");
}

/// A chain of European options on Black's formula: a forward of these dividends and this yield beside them.
fn european(expiries: &[i64], dividends: &[(i64, f64)], dividend_yield: f64) -> Chain {
    let mut rows = Vec::new();
    for &days in expiries {
        let expiry: DateTime = QUOTES.checked_add(days.days()).unwrap().at(0, 0, 0, 0);
        let growth = RATE - dividend_yield;
        let before = dividends.iter().filter(|(day, _)| *day < days);
        let spot = SPOT - before.map(|(day, amount)| amount * (-growth * years(*day)).exp()).sum::<f64>();
        for strike in strikes() {
            for option_type in [OptionType::Call, OptionType::Put] {
                let (expiry_years, volatility) = (years(days), VOLATILITY);
                let row =
                    Row { option_type, spot, strike, expiry_years, risk_free_rate: RATE, dividend_yield, volatility };
                let mid = scalar::price(&row, Model::Bsm).unwrap();
                rows.push(Made { option_type, strike, expiry, bid: (mid - 0.005).max(0.0), ask: mid + 0.005 });
            }
        }
    }
    let mut chain = chain(QUOTES, Some(SPOT), &rows);
    chain.quotes.exercise_style = vec![Some(ExerciseStyle::European); rows.len()];
    chain
}

/// Behind it no forward says so: all lie where the wrong spot has them. The file's price does.
#[test]
fn a_wrong_dividend_before_the_nearest_expiry_is_told() {
    let chain = european(&[7, 14, 35, 98, 189], &[(3, 1.2)], 0.0);
    for (amount, spot) in [(1.2, 100.0), (12.0, 110.8), (0.12, 98.92)] {
        let quotes = surface_quotes(&chain, None, &given(scheduled(&[(years(3), amount)]))).unwrap();
        assert!((quotes.spot - spot).abs() < 0.05, "{amount}: {}", quotes.spot);
        let told: Vec<&String> = quotes.notes.iter().filter(|note| note.contains("may be wrong")).collect();
        assert_eq!(told.len(), usize::from(amount != 1.2), "{amount}: {:?}", quotes.notes);
        assert!(!quotes.notes.join("\n").contains("Parity disagrees"), "{:?}", quotes.notes);
        if amount == 12.0 {
            assert!(told[0].contains("lies -10.") && told[0].contains("12 of dividends"), "{}", told[0]);
        }
    }
}

/// What is left of a yield beside the cash, and given, is no disagreement.
#[test]
fn a_given_yield_beside_dividends_does_not_disagree() {
    let dividends = [(20, 1.2), (60, 1.3)];
    let chain = european(&[35, 98, 189], &dividends, 0.02);
    let cash = scheduled(&dividends.map(|(days, amount)| (years(days), amount)));
    let disagrees = |dividend_yield: Option<f64>| {
        let config = AnalysisConfig { dividend_yield, ..given(cash.clone()) };
        surface_quotes(&chain, None, &config).unwrap().notes.join("\n").contains("Parity disagrees")
    };
    assert!(!disagrees(Some(0.02)));
    assert!(disagrees(None), "a yield that nobody gave");
}

/// Without a rate, or with dividends that have all passed, the file of dividends does not make a growth known: one far forward of few pairs
/// says no spot that is better than the file's.
#[test]
fn dividends_do_not_make_a_growth_known() {
    let american = |dividends: &[(i64, f64)]| {
        let mut chain = european(&[73], dividends, 0.0);
        chain.quotes.exercise_style.fill(Some(ExerciseStyle::American));
        for row in 0..chain.quotes.strike.len() {
            if !(90.0..107.0).contains(&chain.quotes.strike[row]) {
                chain.quotes.status[row] = Status::BadQuote;
            }
        }
        chain
    };
    let unknown = AnalysisConfig { rate_curve: Vec::new(), ..given(scheduled(&[(years(40), 0.5)])) };
    let quotes = surface_quotes(&american(&[(40, 0.5)]), None, &unknown).unwrap();
    assert_eq!(quotes.spot, SPOT, "{:?}", quotes.notes);

    let chain = Chain { underlying_last: Some(99.5), ..american(&[]) };
    let passed = given(scheduled(&[(-0.1, 0.5)]));
    let without = AnalysisConfig { dividends: None, ..passed.clone() };
    let [passed, without] = [passed, without].map(|config| surface_quotes(&chain, None, &config).unwrap().spot);
    assert_eq!(passed, without);
}

#[test]
fn the_engine_is_told_by_the_dividends_before_expiry() {
    let chain = made();
    for (dividends, words) in [
        (vec![(-0.2, 1.0), (2.0, 1.4)], "inverted with a continuous yield (no cash dividend lies before"),
        (vec![(years(40), 1.2)], "before expiry, and with a continuous yield where there are none"),
        (vec![(years(10), 1.2)], "inverted on a grid with the cash dividends before expiry, forwards"),
    ] {
        let notes = analyze(&chain, None, None, &given(scheduled(&dividends))).unwrap().notes.join("\n");
        assert!(notes.contains(words), "{dividends:?}: {notes}");
    }
}

#[test]
fn an_expiry_without_pairs_is_carried_over_its_dividends() {
    let mut chain = made();
    // The last expiry has puts alone.
    let last = (0..chain.quotes.strike.len()).filter(|&row| {
        chain.quotes.expiry[row].date() == date(2025, 10, 17) && chain.quotes.option_type[row] == OptionType::Call
    });
    for row in last.collect::<Vec<_>>() {
        chain.quotes.status[row] = Status::BadQuote;
    }
    let analysis = analyze(&chain, None, None, &given(of_the_made())).unwrap();
    let expiry = analysis.expiries.last().unwrap();
    assert_eq!(expiry.forward_source, ForwardSource::SpotAndCarry);
    assert!((expiry.forward / forward(137) - 1.0).abs() < 5e-4, "{} {}", expiry.forward, forward(137));
}

/// Apple's dividends after June 2014 as it paid them, a share of after the split of seven for one.
const APPLE: [(Date, f64); 6] = [
    (date(2014, 8, 7), 0.47),
    (date(2014, 11, 6), 0.47),
    (date(2015, 2, 5), 0.47),
    (date(2015, 5, 7), 0.52),
    (date(2015, 8, 6), 0.52),
    (date(2015, 11, 5), 0.52),
];

/// How calls and puts at one strike agree: of strikes within 15 % of the forward whose call and put have a bid, behind the first dividend.
struct Agreement {
    strikes: usize,
    /// Root mean square of σ(call) − σ(put) of the mids.
    rms: f64,
    /// Strikes at which the call's bid and ask and the put's have no volatility in common.
    apart: usize,
}

fn agreement(chain: &Chain, analysis: &Analysis, first: f64) -> Agreement {
    let quotes = &analysis.quotes;
    let mut found: std::collections::BTreeMap<(u32, u64), [Option<usize>; 2]> = std::collections::BTreeMap::new();
    for row in (0..quotes.status.len()).filter(|&row| quotes.status[row].is_ok() && chain.quotes.bid[row] > 0.0) {
        let k = (chain.quotes.strike[row] / quotes.forward[row]).ln();
        if quotes.expiry_years[row] > first && k.abs() < 0.15 {
            let side = usize::from(chain.quotes.option_type[row] == OptionType::Put);
            found.entry((quotes.expiry[row], chain.quotes.strike[row].to_bits())).or_default()[side] = Some(row);
        }
    }
    let (mut strikes, mut squares, mut apart) = (0, 0.0, 0);
    for sides in found.into_values() {
        let [Some(call), Some(put)] = sides else { continue };
        let gap = quotes.mid_volatility[call] - quotes.mid_volatility[put];
        let low = quotes.bid_volatility[call].max(quotes.bid_volatility[put]);
        let high = quotes.ask_volatility[call].min(quotes.ask_volatility[put]);
        if gap.is_finite() {
            strikes += 1;
            squares += gap * gap;
            apart += usize::from(low > high);
        }
    }
    Agreement { strikes, rms: (squares / strikes as f64).sqrt(), apart }
}

#[test]
fn real_aapl_calls_and_puts_agree_with_cash_dividends() {
    let Some(folder) = zomma_testkit::real_data() else { return };
    let chains = real::chains(&folder.join("options/aapl_american_chain_201406_daily.csv"), Some("AAPL"));
    for (chain, (shares, close)) in chains.iter().zip([(7.0, 645.57), (1.0, 93.70)]) {
        let dividends: Vec<ScheduledDividend> = APPLE
            .iter()
            .map(|&(day, amount)| ScheduledDividend {
                ex: ExTime::At(zomma_base::time::new_york_instant(day.at(9, 30, 0, 0))),
                amount: shares * amount,
            })
            .collect();
        let calendar = DividendCalendar::by_underlying(dividends.into_iter().map(|d| ("AAPL".to_owned(), d)));
        let cash = AnalysisConfig { dividends: Some(Arc::new(calendar)), ..config() };
        let [with, without] = [&cash, &config()].map(|config| analyze(chain, None, None, config).unwrap());
        for (name, analysis) in [("cash", &with), ("yield", &without)] {
            let found = agreement(chain, analysis, 0.17);
            let share = analysis.quality.inside_share().unwrap();
            println!(
                "{} {name}: spot {:.3}; {} strikes, calls from puts {:.4} vol points, {} apart; inside {share:.4} rmse {:.4}; violations {}; {:?}",
                chain.quote_date,
                analysis.spot,
                found.strikes,
                100.0 * found.rms,
                found.apart,
                analysis.quality.rmse_vol_points,
                analysis.surface.arbitrage.butterfly_violations + analysis.surface.arbitrage.calendar_violations,
                analysis.timings.stages
            );
            for expiry in &analysis.expiries {
                println!(
                    "  {} F {:.4} ±{:.4} r {:.4} atm {:.4} inside {:.3}",
                    expiry.expiry_date,
                    expiry.forward,
                    expiry.forward_error.unwrap_or(f64::NAN),
                    -expiry.discount_factor.ln() / expiry.expiry_years,
                    expiry.atm_volatility,
                    expiry.quality.inside_share().unwrap_or(0.0)
                );
            }
            for note in &analysis.notes {
                println!("  {note}");
            }
        }
        let [cash, by_yield] = [&with, &without].map(|analysis| agreement(chain, analysis, 0.17));
        assert!((with.spot / close - 1.0).abs() < 0.002, "{}", with.spot);
        assert!(cash.strikes >= by_yield.strikes && cash.strikes > 100, "{} {}", cash.strikes, by_yield.strikes);
        assert!(cash.rms <= by_yield.rms, "{} {}", cash.rms, by_yield.rms);
        assert!(cash.apart <= by_yield.apart, "{} {}", cash.apart, by_yield.apart);
        let arbitrage = &with.surface.arbitrage;
        assert_eq!(arbitrage.butterfly_violations + arbitrage.calendar_violations, 0);
    }
}
