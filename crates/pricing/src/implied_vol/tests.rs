use proptest::prelude::*;
use zomma_base::{OptionType, Status};

use super::{
    BsmPriceColumns, PriceColumns, implied_volatility_bsm_on, implied_volatility_bsm_row, implied_volatility_on,
    implied_volatility_row, reduced_price, reduced_vega,
};
use crate::black::Row;
use crate::math::Target;
use crate::tolerance::IMPLIED_VOLATILITY_CONDITIONED_ULP;

/// One line of `golden/implied_vol.csv`.
struct Golden {
    bsm: bool,
    option_type: OptionType,
    numbers: [f64; 6],
    /// (volatility, condition, noise), absent where the rounded price determines none.
    truth: Option<[f64; 3]>,
}

fn golden() -> Vec<Golden> {
    let parse = |field: &str| field.parse::<f64>().expect("the generator writes numbers");
    include_str!("../../../../golden/implied_vol.csv")
        .lines()
        .skip(1)
        .map(|line| {
            let f: Vec<&str> = line.split(',').collect();
            Golden {
                bsm: f[0] == "bsm",
                option_type: if f[1] == "call" { OptionType::Call } else { OptionType::Put },
                numbers: std::array::from_fn(|i| parse(f[i + 2])),
                truth: (!f[8].is_empty()).then(|| [parse(f[8]), parse(f[9]), parse(f[10])]),
            }
        })
        .collect()
}

/// The batch verbs over all golden rows, in order.
fn solve(target: Target, rows: &[Golden]) -> Vec<(f64, Status)> {
    let column = |i: usize| rows.iter().map(|r| r.numbers[i]).collect::<Vec<_>>();
    let types: Vec<_> = rows.iter().map(|r| r.option_type).collect();
    let [a, strike, years, x, y, price] = std::array::from_fn(column);
    let mut out = vec![0.0; rows.len()];
    let mut status = vec![Status::Ok; rows.len()];
    if rows[0].bsm {
        let rows = BsmPriceColumns {
            option_type: &types,
            spot: &a,
            strike: &strike,
            expiry_years: &years,
            risk_free_rate: &x,
            dividend_yield: &y,
            price: &price,
        };
        implied_volatility_bsm_on(target, &rows, &mut out, &mut status);
    } else {
        let rows = PriceColumns {
            option_type: &types,
            forward: &a,
            strike: &strike,
            expiry_years: &years,
            discount_factor: &x,
            price: &price,
        };
        implied_volatility_on(target, &rows, &mut out, &mut status);
    }
    out.into_iter().zip(status).collect()
}

/// The twin over the same rows.
fn solve_by_twin(rows: &[Golden]) -> Vec<(f64, Status)> {
    rows.iter()
        .map(|r| {
            let [a, strike, years, x, y, price] = r.numbers;
            let result = if r.bsm {
                implied_volatility_bsm_row(
                    &Row {
                        option_type: r.option_type,
                        spot: a,
                        strike,
                        expiry_years: years,
                        risk_free_rate: x,
                        dividend_yield: y,
                        volatility: f64::NAN,
                    },
                    price,
                )
            } else {
                implied_volatility_row(r.option_type, a, strike, years, x, price)
            };
            result.map_or_else(|status| (f64::NAN, status), |volatility| (volatility, Status::Ok))
        })
        .collect()
}

fn available() -> impl Iterator<Item = Target> {
    Target::ALL.into_iter().filter(|target| target.is_available())
}

/// What a golden row allows, relative to its volatility.
fn allowed(row: &Golden, [_, condition, noise]: [f64; 3]) -> f64 {
    // On spot exp(−rT) and exp(−qT) carry an error of their own into the time value.
    let legs = if row.bsm { 2.0 * noise } else { 0.0 };
    IMPLIED_VOLATILITY_CONDITIONED_ULP * f64::EPSILON * condition.max(1.0) + legs
}

/// Within the tolerance of the volatility that gives exactly the rounded price, for every golden row that determines one.
#[test]
fn golden_rows() {
    let (bsm, black): (Vec<_>, Vec<_>) = golden().into_iter().partition(|r| r.bsm);
    for rows in [black, bsm] {
        let by_target = available().map(|target| (target.as_str(), solve(target, &rows)));
        for (name, got) in by_target.chain([("twin", solve_by_twin(&rows))]) {
            let mut worst = 0.0f64;
            for (row, (volatility, status)) in rows.iter().zip(got) {
                let at = format!("{name} {:?} {:?}: {volatility} {status}", row.option_type, row.numbers);
                let Some(truth) = row.truth else {
                    assert!(!status.is_ok() || row.bsm, "{at}, which the price does not determine");
                    continue;
                };
                let (error, allowed) = ((volatility - truth[0]).abs() / truth[0], allowed(row, truth));
                assert!(status.is_ok() && error <= allowed, "{at} is not {}: {error:e} against {allowed:e}", truth[0]);
                worst = worst.max(error / allowed);
            }
            println!("{name}: worst error {worst:.2} of what is allowed");
        }
    }
}

/// Every target against the twin: the same statuses, and volatilities within twice the tolerance.
#[test]
fn targets_are_the_twin() {
    let (bsm, black): (Vec<_>, Vec<_>) = golden().into_iter().partition(|r| r.bsm);
    for rows in [black, bsm] {
        let twin = solve_by_twin(&rows);
        for target in available() {
            for ((row, got), expected) in rows.iter().zip(solve(target, &rows)).zip(&twin) {
                let at = format!("{target:?} {:?} {:?}: {got:?}, twin {expected:?}", row.option_type, row.numbers);
                assert_eq!(got.1, expected.1, "{at}");
                if let Some(truth) = row.truth {
                    assert!((got.0 - expected.0).abs() <= 2.0 * allowed(row, truth) * expected.0, "{at}");
                }
            }
        }
    }
}

/// Row i depends on row i alone: bit for bit the same in another order, at another length, and from several tasks.
#[test]
fn permutation() {
    let rows: Vec<_> = golden().into_iter().filter(|r| !r.bsm).collect();
    let bits = |answers: Vec<(f64, Status)>| answers.into_iter().map(|(v, s)| (v.to_bits(), s)).collect::<Vec<_>>();
    for target in available() {
        let straight = bits(solve(target, &rows));
        let mut reversed: Vec<_> = golden().into_iter().filter(|r| !r.bsm).collect();
        reversed.reverse();
        let mut back = bits(solve(target, &reversed));
        back.reverse();
        assert_eq!(straight, back, "{target:?} reversed");
        for length in [1, 7, 63, 65] {
            assert_eq!(straight[..length], bits(solve(target, &rows[..length])), "{target:?} {length} rows");
        }
        let many: Vec<_> = (0..10).flat_map(|_| golden().into_iter().filter(|r| !r.bsm)).collect();
        let answers = bits(solve(target, &many));
        assert!(answers.chunks(rows.len()).all(|part| part == straight), "{target:?} many rows");
    }
}

/// How many golden rows the vectorised path leaves to the twin that the twin then solves: it must carry the load itself.
#[test]
fn few_rows_need_the_twin() {
    let rows: Vec<_> = golden().into_iter().filter(|r| !r.bsm && r.truth.is_some()).collect();
    let left = rows.iter().filter(|r| !super::batch::solves_alone(r.option_type, r.numbers)).count();
    println!("{left} of {} rows left to the twin", rows.len());
    assert!(left * 20 < rows.len(), "{left} of {}", rows.len());
}

proptest! {
    /// A volatility prices to a number that gives it back, on every target, and the volatility rises with the price.
    #[test]
    fn round_trip_and_monotone(
        call in any::<bool>(), log_moneyness in -3.0..3.0f64, deviations in 0.02..6.0f64, years in 0.002..10.0f64,
        discount in 0.5..1.1f64,
    ) {
        // Between a deep wing and ten times the inflection.
        let s = (log_moneyness.abs() / deviations).max(0.001);
        prop_assume!(s < 5.0);
        let value = reduced_price(log_moneyness.abs(), s);
        prop_assume!(value > 1e-280 && value < 1.0 - 1e-12);
        let (forward, strike) = (100.0, 100.0 * log_moneyness.exp());
        let option_type = if call { OptionType::Call } else { OptionType::Put };
        let out_of_the_money = call == (strike > forward);
        prop_assume!(out_of_the_money);
        let lesser = f64::min(forward, strike);
        let prices = [value, value * (1.0 + 1e-9)].map(|v| discount * lesser * v);
        for target in available() {
            let (mut out, mut status) = ([0.0; 2], [Status::Ok; 2]);
            let rows = PriceColumns {
                option_type: &[option_type; 2],
                forward: &[forward; 2],
                strike: &[strike; 2],
                expiry_years: &[years; 2],
                discount_factor: &[discount; 2],
                price: &prices,
            };
            implied_volatility_on(target, &rows, &mut out, &mut status);
            prop_assert!(status == [Status::Ok; 2], "{status:?} at {s}");
            let condition = value / (s * reduced_vega(log_moneyness.abs(), s));
            // Another 6 ulp for the price and the rounding of its factors, and of ln(F/K) here.
            let allowed = 10.0 * f64::EPSILON * condition.max(1.0) + 2.0 * f64::EPSILON / log_moneyness.abs();
            let error = (out[0] * years.sqrt() / s - 1.0).abs();
            prop_assert!(error <= allowed, "{error:e} against {allowed:e} at s = {s}");
            prop_assert!(out[1] > out[0]);
        }
    }
}

#[test]
fn statuses() {
    use OptionType::{Call, Put};
    let nan = f64::NAN;
    let cases = [
        (Call, [nan, 100.0, 1.0, 1.0, 5.0], Status::BadForward),
        (Call, [-1.0, 100.0, 1.0, 1.0, 5.0], Status::BadForward),
        (Call, [100.0, 0.0, 1.0, 1.0, 5.0], Status::BadStrike),
        (Call, [100.0, f64::INFINITY, 1.0, 1.0, 5.0], Status::BadStrike),
        (Call, [100.0, 100.0, nan, 1.0, 5.0], Status::BadExpiry),
        (Call, [100.0, 100.0, 0.0, 1.0, 5.0], Status::Expired),
        (Call, [100.0, 100.0, -1.0, 1.0, 5.0], Status::Expired),
        (Call, [100.0, 100.0, 1.0, 0.0, 5.0], Status::BadRate),
        (Call, [100.0, 100.0, 1.0, 1.0, -0.5], Status::BadPrice),
        (Call, [100.0, 100.0, 1.0, 1.0, nan], Status::BadPrice),
        (Call, [100.0, 110.0, 1.0, 1.0, 0.0], Status::Undetermined),
        (Call, [110.0, 100.0, 1.0, 1.0, 10.0], Status::Undetermined),
        (Put, [100.0, 110.0, 1.0, 0.5, 5.0], Status::Undetermined),
        (Call, [110.0, 100.0, 1.0, 1.0, 9.999999], Status::BelowIntrinsic),
        (Put, [100.0, 110.0, 1.0, 1.0, 9.0], Status::BelowIntrinsic),
        (Call, [100.0, 90.0, 1.0, 1.0, 100.0], Status::AboveMaximum),
        (Call, [100.0, 190.0, 1.0, 0.5, 50.0], Status::AboveMaximum),
        (Put, [100.0, 90.0, 1.0, 1.0, 90.0], Status::AboveMaximum),
        (Put, [100.0, 90.0, 1.0, 1.0, 1e300], Status::AboveMaximum),
    ];
    for (option_type, [forward, strike, years, discount, price], expected) in cases {
        let got = implied_volatility_row(option_type, forward, strike, years, discount, price);
        assert_eq!(got, Err(expected), "{option_type:?} {forward} {strike} {years} {discount} {price}");
    }
}
