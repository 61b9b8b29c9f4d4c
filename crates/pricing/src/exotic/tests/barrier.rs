use super::*;
use crate::finite_difference::{Barrier, Contract, Monitoring, Settings, solve};
use crate::tolerance::{EXOTIC_BARRIER, FINITE_DIFFERENCE_BARRIER};

/// Haug, "The Complete Guide to Option Pricing Formulas" (1998), page 72; 2nd edition (2007), table 4-13: S = 100, T = 0.5, r = 8 %,
/// q = 4 %, rebate 3; strikes 90, 100, 110.
#[test]
fn published() {
    use Direction::{Down, Up};
    use Knock::{In, Out};
    use OptionType::{Call, Put};
    let table = [
        (Down, Out, 95.0, Call, 0.25, [9.0246, 6.7924, 4.8759]),
        (Up, Out, 105.0, Call, 0.25, [2.6789, 2.3580, 2.3453]),
        (Down, In, 95.0, Call, 0.25, [7.7627, 4.0109, 2.0576]),
        (Up, In, 105.0, Call, 0.25, [14.1112, 8.4482, 4.5910]),
        (Down, Out, 95.0, Call, 0.30, [8.8334, 7.0285, 5.4137]),
        (Up, Out, 105.0, Call, 0.30, [2.6341, 2.4389, 2.4315]),
        (Down, In, 95.0, Call, 0.30, [9.0093, 5.1370, 2.8517]),
        (Up, In, 105.0, Call, 0.30, [15.2098, 9.7278, 5.8350]),
        (Down, Out, 95.0, Put, 0.25, [2.2798, 2.2947, 2.6252]),
        (Up, Out, 105.0, Put, 0.25, [3.7760, 5.4932, 7.5187]),
        (Down, In, 95.0, Put, 0.25, [2.9586, 6.5677, 11.9752]),
        (Up, In, 105.0, Put, 0.25, [1.4653, 3.3721, 7.0846]),
        (Down, Out, 95.0, Put, 0.30, [2.4170, 2.4258, 2.6246]),
        (Up, Out, 105.0, Put, 0.30, [4.2293, 5.8032, 7.5649]),
        (Down, In, 95.0, Put, 0.30, [3.8769, 7.7989, 13.3078]),
    ];
    for (direction, knock, level, option_type, volatility, values) in table {
        for (strike, value) in [90.0, 100.0, 110.0].into_iter().zip(values) {
            let row = row(option_type, 100.0, strike, 0.5, [0.08, 0.04], volatility);
            let terms = SingleBarrier { level, direction, knock, rebate: 3.0 };
            let got = barrier(&row, &terms).unwrap();
            // Four digits, some of them cut and not rounded.
            assert!((got - value).abs() < 1e-4, "{row:?} {terms:?}: {got} is not {value}");
        }
    }
}

/// In and out together are the vanilla option; the rebate's two forms bracket each other.
#[test]
fn in_and_out_are_the_whole() {
    for option_type in BOTH {
        for (level, direction) in
            [(80.0, Direction::Down), (99.0, Direction::Down), (101.0, Direction::Up), (140.0, Direction::Up)]
        {
            for strike in [60.0, 90.0, 100.0, 120.0, 150.0] {
                for (rates, volatility) in
                    [([0.05, 0.0], 0.2), ([0.0, 0.03], 0.6), ([-0.01, 0.0], 0.05), ([0.04, 0.04], 0.3)]
                {
                    let row = row(option_type, 100.0, strike, 0.8, rates, volatility);
                    let at = |knock| barrier(&row, &SingleBarrier { level, direction, knock, rebate: 0.0 }).unwrap();
                    let whole = crate::black::scalar::price(&row, crate::black::Model::Bsm).unwrap();
                    let sum = at(Knock::In) + at(Knock::Out);
                    assert!((sum - whole).abs() < EXOTIC_BARRIER * 100.0, "{row:?} {level}: {sum} is not {whole}");
                }
            }
        }
    }
}

/// The grid and the closed form, all eight with rebates.
#[test]
fn grid() {
    for option_type in BOTH {
        for (level, direction) in
            [(85.0, Direction::Down), (97.0, Direction::Down), (103.0, Direction::Up), (120.0, Direction::Up)]
        {
            for strike in [90.0, 100.0, 110.0] {
                for knock in [Knock::In, Knock::Out] {
                    let row = row(option_type, 100.0, strike, 0.5, [0.08, 0.04], 0.25);
                    let exact = barrier(&row, &SingleBarrier { level, direction, knock, rebate: 3.0 }).unwrap();
                    let (lower, upper) = match direction {
                        Direction::Down => (Some(level), None),
                        Direction::Up => (None, Some(level)),
                    };
                    let watched = Barrier { lower, upper, knock, rebate: 3.0, monitoring: Monitoring::Continuous };
                    let contract = Contract { barrier: Some(watched), ..Contract::european(row) };
                    let got = solve(&contract, &Settings::default()).unwrap();
                    let off = (got.value - exact).abs();
                    assert!(off < FINITE_DIFFERENCE_BARRIER * 100.0, "{row:?} {watched:?}: {got:?} is not {exact}");
                }
            }
        }
    }
}

/// Small and large volatilities leave the limits: the barrier that is never touched, and the one that surely is.
#[test]
fn limits() {
    let row = |volatility| row(OptionType::Call, 100.0, 95.0, 1.0, [0.05, 0.0], volatility);
    let out = |volatility, level| {
        barrier(&row(volatility), &SingleBarrier { level, direction: Direction::Down, knock: Knock::Out, rebate: 0.0 })
    };
    let certain = 100.0 - 95.0 * (-0.05_f64).exp();
    assert!((out(1e-3, 90.0).unwrap() - certain).abs() < 1e-9);
    assert!((out(1e-8, 90.0).unwrap() - certain).abs() < 1e-9);
    assert!(out(0.0, 90.0).is_err());
    let up = SingleBarrier { level: 103.0, direction: Direction::Up, knock: Knock::Out, rebate: 2.0 };
    // The certain spot meets 103 at ln(1.03)/0.05.
    let at_the_touch = 2.0 * (-(1.03_f64.ln())).exp();
    assert!((barrier(&row(1e-4), &up).unwrap() - at_the_touch).abs() < 1e-6);
    assert!((barrier(&row(1e-8), &up).unwrap() - at_the_touch).abs() < 1e-12);
}

/// The carry leads to the barrier below: the rebate is paid when the certain spot is there, at ln(0.9)/b.
#[test]
fn a_rebate_on_the_way_of_the_carry_keeps_its_digits_at_small_volatilities() {
    let down = SingleBarrier { level: 90.0, direction: Direction::Down, knock: Knock::Out, rebate: 100.0 };
    let certain = 100.0 * (-0.01 * 0.9_f64.ln() / -0.05).exp();
    for (volatility, allowed) in
        [(1e-4, 2e-6), (1e-5, 2e-8), (1e-6, 1e-9), (1e-7, 1e-10), (1e-8, 1e-10), (1e-12, 1e-10)]
    {
        let row = row(OptionType::Call, 100.0, 100.0, 5.0, [0.01, 0.06], volatility);
        let got = barrier(&row, &down).unwrap();
        assert!((got - certain).abs() < allowed, "{volatility}: {got} for {certain}");
    }
}

/// Broadie, Glasserman and Kou (1997), "A continuity correction for discrete barrier options", Table 2.1, true values: a down-and-out call
/// watched on 50 dates, S = K = 100, T = 0.2, r = 10 %, σ = 30 %. Their correction moves the barrier of the closed form by
/// e^(−0.5826 σ√(T/m)), and is meant for barriers that are not next to the spot.
#[test]
fn watched_at_dates() {
    let row = row(OptionType::Call, 100.0, 100.0, 0.2, [0.1, 0.0], 0.3);
    let dates: Vec<f64> = (1..=50).map(|i| 0.2 * f64::from(i) / 50.0).collect();
    let step = 0.3 * (0.2_f64 / 50.0).sqrt();
    let table = [
        (85.0, 6.322),
        (87.0, 6.281),
        (89.0, 6.184),
        (91.0, 5.977),
        (93.0, 5.584),
        (95.0, 4.907),
        (97.0, 3.834),
        (99.0, 2.337),
    ];
    for (level, published) in table {
        let monitoring = Monitoring::Dates(&dates);
        let watched = Barrier { lower: Some(level), upper: None, knock: Knock::Out, rebate: 0.0, monitoring };
        let contract = Contract { barrier: Some(watched), ..Contract::european(row) };
        let got = solve(&contract, &Settings { space_steps: 800, time_steps: 400, ..Settings::default() }).unwrap();
        assert!((got.value - published).abs() < 7e-4, "{level}: {got:?} is not {published}");
        let moved = level * (-0.5826 * step).exp();
        let terms = SingleBarrier { level: moved, direction: Direction::Down, knock: Knock::Out, rebate: 0.0 };
        let corrected = barrier(&row, &terms).unwrap();
        assert!(level > 95.0 || (got.value - corrected).abs() < 1e-3, "{level}: {got:?} is not {corrected}");
    }
}
