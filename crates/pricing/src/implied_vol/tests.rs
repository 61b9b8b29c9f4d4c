use zomma_base::{OptionType, Status};

use super::{BsmPriceColumns, PriceColumns, implied_volatility, implied_volatility_bsm, implied_volatility_row};

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
fn solve(rows: &[Golden]) -> Vec<(f64, Status)> {
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
        implied_volatility_bsm(&rows, &mut out, &mut status);
    } else {
        let rows = PriceColumns {
            option_type: &types,
            forward: &a,
            strike: &strike,
            expiry_years: &years,
            discount_factor: &x,
            price: &price,
        };
        implied_volatility(&rows, &mut out, &mut status);
    }
    out.into_iter().zip(status).collect()
}

/// Within 4 ulp × max(1, condition) of the volatility of the rounded price, for every golden row that determines one; on spot
/// the discounted spot and strike carry an error of their own.
#[test]
fn golden_rows() {
    let (bsm, black): (Vec<_>, Vec<_>) = golden().into_iter().partition(|r| r.bsm);
    let mut worst = [0.0f64; 2];
    for rows in [black, bsm] {
        let got = solve(&rows);
        for (row, (volatility, status)) in rows.iter().zip(got) {
            let at = format!("{:?} {:?}: {volatility} {status}", row.option_type, row.numbers);
            let Some([truth, condition, noise]) = row.truth else {
                assert!(!status.is_ok() || row.bsm, "{at}, which the price does not determine");
                continue;
            };
            // relative to the time value, what exp(−rT) and exp(−qT) may leave in the intrinsic value of a row on spot
            let legs = if row.bsm {
                4.0 * (noise / f64::EPSILON).max(condition) * row.numbers[0].max(row.numbers[1]) / row.numbers[5]
            } else {
                0.0
            };
            let allowed = 4.0 * f64::EPSILON * (condition.max(1.0) + legs);
            let error = (volatility - truth).abs() / truth;
            assert!(status.is_ok() && error <= allowed, "{at} is not {truth}: {error:e} against {allowed:e}");
            let worst = &mut worst[usize::from(row.bsm)];
            *worst = worst.max(4.0 * error / allowed);
        }
    }
    println!("worst error in ulp × condition: {worst:.2?}");
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
