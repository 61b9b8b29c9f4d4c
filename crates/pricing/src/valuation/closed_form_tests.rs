//! Greeks of closed forms: against their derivatives in 60 digits (mpmath 1.4, differences of 1e-20 and 1e-13 of a field) where rates outweigh the
//! volatility and where a strike is beside a barrier; against each other, the vanilla's, Black and Scholes' equation and limits anywhere.

use zomma_base::{ExerciseStyle, OptionType, Status};

use super::{
    BarrierTerms, BarrierType, Order, PayoffName, Settings, Terms, evaluate,
    test_rows::{place, shares, table},
};
use crate::black::{self, Greek, Row};

/// A contract, its spot, strike, years, rate, yield and volatility, and what its Greeks are.
struct Case {
    name: &'static str,
    terms: Terms,
    option_type: OptionType,
    row: [f64; 6],
    wanted: &'static [(Greek, f64)],
}

fn barrier(kind: BarrierType, level: f64, rebate: f64) -> Terms {
    Terms { barrier: Some(BarrierTerms { kind, level, upper: f64::NAN, rebate }), ..Terms::default() }
}

fn payoff(payoff: PayoffName, cash: f64, extreme: Option<f64>) -> Terms {
    Terms { payoff, cash, extreme, ..Terms::default() }
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "a floating lookback over its extreme",
            terms: payoff(PayoffName::FloatingLookback, 1.0, Some(99.9485)),
            option_type: OptionType::Call,
            row: [100.0, 100.0, 2.55, 0.0898, -0.0297, 0.0205],
            wanted: &[
                (Greek::Price, 28.479_314_726_86),
                (Greek::Delta, 0.486_358_047_855_2),
                (Greek::Gamma, 3.368_570_011_786),
                (Greek::Vega, 13.161_063_309_66),
                (Greek::Theta, -10.332_743_946_66),
                (Greek::Rho, 201.311_424_805_2),
                (Greek::Phi, -273.933_677_358_7),
                (Greek::Vanna, -16.827_579_858_34),
                (Greek::Charm, -0.085_226_911_393_95),
                (Greek::Vomma, 727.234_628_531_7),
                (Greek::Veta, 1.181_863_485_208),
                (Greek::Vera, -151.005_787_567_5),
            ],
        },
        Case {
            name: "a fixed lookback beside its extreme",
            terms: payoff(PayoffName::FixedLookback, 1.0, Some(100.0)),
            option_type: OptionType::Call,
            row: [100.0, 100.05, 2.0, 0.01, 0.08, 0.03],
            wanted: &[
                (Greek::Price, 0.582_912_080_117_2),
                (Greek::Delta, 0.912_694_541_693_4),
                (Greek::Gamma, 1.419_802_453_383),
                (Greek::Vega, 41.850_050_917_82),
                (Greek::Theta, 0.005_579_872_432_154),
                (Greek::Rho, 7.794_922_511_613),
                (Greek::Phi, -8.960_746_671_848),
                (Greek::Vanna, 5.118_595_296_034),
                (Greek::Charm, 0.009_115_527_644_698),
                (Greek::Vomma, 1_395.826_968_878),
                (Greek::Veta, 0.305_884_701_904_4),
                (Greek::Vera, 511.117_017_843_5),
                (Greek::DualDelta, -0.906_412_214_784_8),
                (Greek::DualGamma, 1.418_383_715_072),
            ],
        },
        Case {
            name: "a rebate at a barrier next to the spot",
            terms: barrier(BarrierType::DownAndOut, 99.9994, 7.6),
            option_type: OptionType::Call,
            row: [100.0, 266.89, 6.0, 0.098, -0.0145, 0.066],
            wanted: &[
                (Greek::Price, 7.597_765_581_828),
                (Greek::Delta, -3.723_442_985_079),
                (Greek::Gamma, 1.957_463_655_46),
                (Greek::Vega, 0.078_438_985_890_08),
                (Greek::Theta, -0.000_243_806_771_098_1),
                (Greek::Rho, -0.010_146_016_800_5),
                (Greek::Phi, 0.009_057_673_195_53),
                (Greek::Vanna, 130.693_590_230_2),
                (Greek::Charm, -0.406_281_658_943_4),
                (Greek::Vomma, -3.114_898_203_708),
                (Greek::Veta, -0.008_956_212_820_361),
                (Greek::Vera, 1.037_290_300_137),
                (Greek::DualDelta, -6.373_036_759_868e-6),
                (Greek::DualGamma, 3.273_716_232_137e-7),
            ],
        },
        Case {
            name: "a strike next to the barrier below",
            terms: barrier(BarrierType::DownAndOut, 98.2113, 0.0),
            option_type: OptionType::Put,
            row: [100.0, 98.2561, 0.5, 0.03, 0.01, 0.3],
            wanted: &[
                (Greek::Price, 2.307_239_527_961e-9),
                (Greek::Delta, 1.275_481_496_877e-9),
                (Greek::Gamma, -2.103_108_249_948e-11),
                (Greek::Vega, -2.302_522_630_998e-8),
                (Greek::Theta, 6.982_241_316_852e-9),
                (Greek::Rho, -1.290_025_714_496e-9),
                (Greek::Phi, 1.364_059_505_155e-10),
                (Greek::Vanna, -1.263_286_433_132e-8),
                (Greek::Charm, 3.841_394_443_959e-9),
                (Greek::Vomma, 3.050_642_129_195e-7),
                (Greek::Veta, -6.942_943_606_184e-8),
                (Greek::Vera, 1.762_865_582_151e-8),
                (Greek::DualDelta, 1.544_817_005_589e-7),
                (Greek::DualGamma, 6.894_633_035_394e-6),
            ],
        },
        Case {
            name: "a strike next to the barrier above",
            terms: barrier(BarrierType::UpAndOut, 110.0, 0.0),
            option_type: OptionType::Call,
            row: [100.0, 109.95, 1.0, 0.03, 0.01, 0.2],
            wanted: &[
                (Greek::Price, 1.418_297_658_127e-8),
                (Greek::Delta, -1.150_140_889_108e-9),
                (Greek::Gamma, -8.681_845_694_437e-11),
                (Greek::Vega, -2.033_825_215_989e-7),
                (Greek::Theta, 2.008_946_246_453e-8),
                (Greek::Rho, 1.953_097_305_884e-8),
                (Greek::Phi, -3.371_394_964_012e-8),
                (Greek::Vanna, 1.382_260_705_563e-8),
                (Greek::Charm, -1.291_170_706_405e-9),
                (Greek::Vomma, 3.825_594_350_9e-6),
                (Greek::Veta, -2.719_760_613_207e-7),
                (Greek::Vera, -5.462_969_092_931e-7),
                (Greek::DualDelta, -8.510_749_219_681e-7),
                (Greek::DualGamma, 3.405_069_619_5e-5),
            ],
        },
        Case {
            name: "cash at a volatility of next to nothing",
            terms: payoff(PayoffName::CashOrNothing, 10.0, None),
            option_type: OptionType::Call,
            row: [100.0, 105.123, 1.0, 0.05, 0.0, 0.00033],
            wanted: &[
                (Greek::Price, 5.204_026_804_96),
                (Greek::Delta, 114.193_804_992_1),
                (Greek::Gamma, -410.503_095_65),
                (Greek::Vega, -1_354.660_215_645),
                (Greek::Theta, -570.485_304_684_5),
                (Greek::Rho, 11_414.176_472_4),
                (Greek::Phi, -11_419.380_499_21),
                (Greek::Vanna, -341_185.656_793_7),
                (Greek::Charm, 2_108.811_111_621),
                (Greek::Vomma, 8_141_034.598_986),
                (Greek::Veta, 1_705_194.610_357),
                (Greek::Vera, -34_117_211.019_15),
                (Greek::DualDelta, -108.628_753_928_3),
                (Greek::DualGamma, -369.400_905_347),
            ],
        },
        Case {
            name: "cash against the rates",
            terms: payoff(PayoffName::CashOrNothing, 1.0, None),
            option_type: OptionType::Put,
            row: [
                100.0,
                98.89225936594423,
                0.14516773050194964,
                0.10869933585612611,
                0.18793394945409103,
                0.00032860338850305217,
            ],
            wanted: &[
                (Greek::Price, 0.982_508_396_972_5),
                (Greek::Delta, -0.467_812_696_898),
                (Greek::Gamma, -108.358_839_901_3),
                (Greek::Vega, -51.689_992_787_78),
                (Greek::Theta, -3.541_394_778_326),
                (Greek::Rho, -6.933_759_265_056),
                (Greek::Phi, 6.791_130_750_868),
                (Greek::Vanna, -10_549.762_670_56),
                (Greek::Charm, -846.724_715_176_6),
                (Greek::Vomma, -1_008_365.265_685),
                (Greek::Veta, -82_276.946_373_54),
                (Greek::Vera, -153_141.006_702_9),
                (Greek::DualDelta, 0.473_052_896_048_1),
                (Greek::DualGamma, -110.809_563_965),
            ],
        },
        Case {
            name: "an asset at 2 %",
            terms: payoff(PayoffName::AssetOrNothing, 1.0, None),
            option_type: OptionType::Put,
            row: [100.0, 117.0, 3.0, 0.08, 0.03, 0.02],
            wanted: &[
                (Greek::Price, 52.398_480_329_34),
                (Greek::Delta, -9.822_963_866_327),
                (Greek::Gamma, -0.655_629_988_585_7),
                (Greek::Vega, -393.377_993_151_4),
                (Greek::Theta, 54.617_957_735_15),
                (Greek::Rho, -3_104.084_600_886),
                (Greek::Phi, 2_946.889_159_898),
                (Greek::Vanna, 492.421_204_754_5),
                (Greek::Charm, 1.342_057_011_09),
                (Greek::Vomma, 35_435.608_176_57),
                (Greek::Veta, -2_546.131_958_288),
                (Greek::Vera, 148_906.495_405_8),
                (Greek::DualDelta, 8.843_545_871_47),
                (Greek::DualGamma, -0.478_946_591_121_1),
            ],
        },
        Case {
            name: "a rebate where the rates go",
            terms: barrier(BarrierType::UpAndOut, 103.0, 3.0),
            option_type: OptionType::Call,
            row: [100.0, 95.0, 1.0, 0.05, 0.0, 0.01],
            wanted: &[
                (Greek::Price, 2.975_244_719_394),
                (Greek::Delta, -0.133_462_705_460_6),
                (Greek::Gamma, 0.360_782_385_190_6),
                (Greek::Vega, 29.247_008_176_28),
                (Greek::Theta, 0.635_684_570_677_6),
                (Greek::Rho, -15.638_392_231_18),
                (Greek::Phi, 13.859_515_417_07),
                (Greek::Vanna, -49.340_371_434_39),
                (Greek::Charm, -1.495_585_937_974),
                (Greek::Vomma, 5_070.546_785_915),
                (Greek::Veta, 191.115_840_018_9),
                (Greek::Vera, -4_621.841_560_732),
                (Greek::DualDelta, -0.013_830_112_871_11),
                (Greek::DualGamma, 2.205_134_727_248e-23),
            ],
        },
        Case {
            name: "a rebate against the rates",
            terms: barrier(BarrierType::DownAndOut, 99.0, 50.0),
            option_type: OptionType::Put,
            row: [100.0, 90.0, 2.0, 0.09, 0.0, 0.05],
            wanted: &[
                (Greek::Price, 24.234_227_159_18),
                (Greek::Delta, -17.469_249_248_72),
                (Greek::Gamma, 12.755_156_670_44),
                (Greek::Vega, 699.542_172_352_7),
                (Greek::Theta, -0.035_134_697_651_37),
                (Greek::Rho, -193.536_499_039_1),
                (Greek::Phi, 190.903_303_143_2),
                (Greek::Vanna, 191.313_914_650_2),
                (Greek::Charm, -0.021_779_681_211_43),
                (Greek::Vomma, -22_021.181_914_81),
                (Greek::Veta, -4.372_566_549_663),
                (Greek::Vera, 2_327.817_719_924),
            ],
        },
    ]
}

/// One row of the contract: its quantities up to the second order.
fn valued(terms: &Terms, exercise: ExerciseStyle, option_type: OptionType, row: [f64; 6]) -> Result<Vec<f64>, Status> {
    let results = evaluate(&table(terms, exercise, option_type, row), Order::Second, &Settings::default());
    match results.status[0] {
        // Of the grid, which states an error: no closed form.
        Status::Ok if !results.error[0].is_nan() => Err(Status::BadMethod),
        Status::Ok => Ok(results.columns.iter().map(|column| column[0]).collect()),
        status => Err(status),
    }
}

#[test]
fn they_are_the_closed_forms_derivatives() {
    for Case { name, terms, option_type, row, wanted } in cases() {
        let got = valued(&terms, ExerciseStyle::European, option_type, row).unwrap();
        for &(greek, wanted) in wanted {
            let got = got[place(greek)];
            let allowed = 1e-9 * wanted.abs() + 1e-11 * row[0];
            assert!((got - wanted).abs() <= allowed, "{name} {greek:?}: {got}, not {wanted}");
        }
    }
}

/// Spot 100, strike, years, rates of either sign, and a volatility between 1e-6 and 2.
fn anything(share: &mut impl FnMut() -> f64) -> (OptionType, [f64; 6]) {
    let option_type = if share() < 0.5 { OptionType::Call } else { OptionType::Put };
    let volatility = 1e-6 * 2e6_f64.powf(share());
    let years = 0.01 * 500_f64.powf(share());
    let strike = if share() < 0.5 {
        60.0 + 80.0 * share()
    } else {
        100.0 * (3.0 * volatility * years.sqrt() * (2.0 * share() - 1.0)).exp()
    };
    let [rate, income] = [0.2 * share() - 0.05, 0.2 * share() - 0.05];
    (option_type, [100.0, strike, years, rate, income, volatility])
}

const SINGLE: [(BarrierType, BarrierType, f64); 2] =
    [(BarrierType::DownAndOut, BarrierType::DownAndIn, -1.0), (BarrierType::UpAndOut, BarrierType::UpAndIn, 1.0)];

#[test]
fn what_a_barrier_ends_and_what_it_starts_are_the_vanilla() {
    let mut share = shares(0x9e37_79b9_7f4a_7c15);
    for _ in 0..4_000 {
        let (option_type, row) = anything(&mut share);
        let [spot, strike, years, rate, income, volatility] = row;
        let (out, started, side) = SINGLE[usize::from(share() < 0.5)];
        let away = if share() < 0.5 { 0.4 * share() } else { 4.0 * volatility * years.sqrt() * share() };
        let level = spot * (side * away.min(3.0)).exp();
        if level == spot {
            continue;
        }
        let of = |kind| valued(&barrier(kind, level, 0.0), ExerciseStyle::European, option_type, row).unwrap();
        let (out, started) = (of(out), of(started));
        let vanilla = Row {
            option_type,
            spot,
            strike,
            expiry_years: years,
            risk_free_rate: rate,
            dividend_yield: income,
            volatility,
        };
        let vanilla = black::scalar::greeks(&vanilla, black::Model::Bsm).unwrap();
        for greek in Order::Second.quantities().filter(|&greek| greek != Greek::Lambda) {
            let (a, b, wanted) = (out[place(greek)], started[place(greek)], vanilla[greek as usize]);
            // Rounding of powers of thousands, and what the two take from each other.
            let scale = a.abs() + b.abs() + wanted.abs();
            let floor = spot * years.max(1.0) * f64::EPSILON / unit(greek, &row);
            let allowed = 1e-8 * scale + 100.0 * floor;
            let left = (a + b - wanted).abs();
            assert!(left <= allowed, "{greek:?} {option_type:?} {row:?} {level}: {a} + {b}, not {wanted}");
        }
    }
}

/// What rounding of a price becomes in a Greek: the product of what its fields change over.
fn unit(greek: Greek, row: &[f64; 6]) -> f64 {
    let [spot, strike, years, .., volatility] = *row;
    let deviation = (volatility * years.sqrt()).min(1.0);
    match greek {
        Greek::Delta => spot * deviation,
        Greek::DualDelta => strike * deviation,
        Greek::Gamma => (spot * deviation).powi(2),
        Greek::DualGamma => (strike * deviation).powi(2),
        Greek::Vega => volatility,
        Greek::Vomma => volatility * volatility,
        Greek::Vanna => spot * deviation * volatility,
        Greek::Theta => years,
        Greek::Charm => spot * deviation * years,
        Greek::Veta => volatility * years,
        Greek::Rho | Greek::Phi => deviation / years,
        Greek::Vera => deviation / years * volatility,
        _ => 1.0,
    }
}

/// Every contract whose value the spot and time alone move.
fn watched_always(share: &mut impl FnMut() -> f64, spot: f64) -> (Terms, ExerciseStyle) {
    let side = if share() < 0.5 { -1.0 } else { 1.0 };
    let level = spot * (side * 0.5 * share()).exp();
    let kind = match (side > 0.0, share() < 0.5) {
        (true, true) => BarrierType::UpAndOut,
        (true, false) => BarrierType::UpAndIn,
        (false, true) => BarrierType::DownAndOut,
        (false, false) => BarrierType::DownAndIn,
    };
    match (6.0 * share()) as u32 {
        0 => (barrier(kind, level, 0.0), ExerciseStyle::European),
        1 => (barrier(kind, level, 5.0), ExerciseStyle::European),
        2 => (payoff(PayoffName::FloatingLookback, 1.0, Some(level)), ExerciseStyle::European),
        3 => (payoff(PayoffName::FixedLookback, 1.0, Some(level)), ExerciseStyle::European),
        4 => (payoff(PayoffName::CashOrNothing, 7.0, None), exercised(share())),
        _ => (payoff(PayoffName::AssetOrNothing, 1.0, None), exercised(share())),
    }
}

fn exercised(share: f64) -> ExerciseStyle {
    if share < 0.5 { ExerciseStyle::American } else { ExerciseStyle::European }
}

#[test]
fn they_keep_black_and_scholes_equation_at_any_volatility() {
    let (mut share, mut seen) = (shares(0x9e37_79b9_7f4a_7c15), 0);
    for _ in 0..8_000 {
        let (option_type, row) = anything(&mut share);
        let [spot, strike, _, rate, income, volatility] = row;
        let (terms, exercise) = watched_always(&mut share, spot);
        let american = exercise == ExerciseStyle::American;
        let inside = option_type.sign() * (spot - strike) >= 0.0;
        let waits = american && if terms.payoff == PayoffName::CashOrNothing { rate < 0.0 } else { income < 0.0 };
        // Exercised now, or of the grid.
        if american && inside || waits {
            continue;
        }
        let Ok(got) = valued(&terms, exercise, option_type, row) else { continue };
        let of = |greek| got[place(greek)];
        let parts = [
            of(Greek::Theta),
            (rate - income) * spot * of(Greek::Delta),
            0.5 * (volatility * spot).powi(2) * of(Greek::Gamma),
            -rate * of(Greek::Price),
        ];
        let scale = parts.iter().map(|part| part.abs()).sum::<f64>();
        let left = parts.iter().sum::<f64>();
        assert!(got.iter().take(14).all(|x| x.is_finite()), "{terms:?} {row:?}: {got:?}");
        assert!(left.abs() <= 1e-7 * scale + 1e-9, "{terms:?} {option_type:?} {exercise:?} {row:?}: {parts:?}");
        seen += 1;
    }
    assert!(seen > 5_000, "{seen} contracts had a formula");
}

/// Where nothing is left to chance the Greeks are those of what is certain.
#[test]
fn without_chance_they_are_those_of_what_is_certain() {
    let european = |terms: &Terms, option_type, row| valued(terms, ExerciseStyle::European, option_type, row).unwrap();
    let american = |terms: &Terms, option_type, row| valued(terms, ExerciseStyle::American, option_type, row).unwrap();
    for volatility in [1e-6, 1e-4, 1e-3] {
        let row = [110.0, 100.0, 1.0, 0.05, 0.0, volatility];
        for (kind, level) in [(BarrierType::DownAndOut, 80.0), (BarrierType::UpAndOut, 200.0)] {
            let got = european(&barrier(kind, level, 0.0), OptionType::Call, row);
            assert!((got[place(Greek::Delta)] - 1.0).abs() < 1e-12, "{kind:?} {volatility}: {got:?}");
            for greek in [Greek::Gamma, Greek::Vega, Greek::Vanna, Greek::Vomma, Greek::Charm] {
                assert!(got[place(greek)].abs() < 1e-12, "{kind:?} {volatility} {greek:?}: {got:?}");
            }
        }
        // The spot grows by r to the strike at τ = ln(K/S)/r, where the amount is paid: cash·e^(−rτ) = cash·S/K, the strike: S.
        let row = [99.0, 100.0, 1.0, 0.05, 0.0, volatility];
        let asset = american(&payoff(PayoffName::AssetOrNothing, 1.0, None), OptionType::Call, row);
        let cash = american(&payoff(PayoffName::CashOrNothing, 10.0, None), OptionType::Call, row);
        for (got, price, delta) in [(&asset, 99.0, 1.0), (&cash, 9.9, 0.1)] {
            assert!((got[place(Greek::Price)] - price).abs() < 1e-9 * price, "{volatility}: {got:?}");
            assert!((got[place(Greek::Delta)] - delta).abs() < 1e-9, "{volatility}: {got:?}");
            for greek in [Greek::Gamma, Greek::Vanna, Greek::Theta, Greek::Charm, Greek::Rho] {
                assert!(got[place(greek)].abs() < 1e-6, "{volatility} {greek:?}: {got:?}");
            }
        }
    }
    // Digitals have their limit without any volatility: paid for certain, or never.
    for (strike, paid) in [(90.0, 1.0), (110.0, 0.0)] {
        let got = european(
            &payoff(PayoffName::CashOrNothing, 10.0, None),
            OptionType::Call,
            [100.0, strike, 2.0, 0.03, 0.01, 0.0],
        );
        let wanted = paid * 10.0 * (-0.06_f64).exp();
        let of = |greek| got[place(greek)];
        assert!((of(Greek::Price) - wanted).abs() < 1e-14 && (of(Greek::Rho) + 2.0 * wanted).abs() < 1e-13, "{got:?}");
        assert!((of(Greek::Theta) - 0.03 * wanted).abs() < 1e-14 && of(Greek::Delta) == 0.0, "{got:?}");
    }
    let jump = [100.0, 100.0, 2.0, 0.0, 0.0, 0.0];
    let found = valued(&payoff(PayoffName::CashOrNothing, 10.0, None), ExerciseStyle::European, OptionType::Call, jump);
    assert_eq!(found, Err(Status::Overflow));
}

/// Next to r = −μ²σ²/2 the formula of a touch is a quotient of what vanishes.
#[test]
fn a_touch_is_smooth_where_its_root_vanishes() {
    let cash = payoff(PayoffName::CashOrNothing, 10.0, None);
    for (income, rate) in [(-0.02, 0.0), (-0.02, 1e-12), (-0.02, 1e-7), (-0.02, 1e-4), (-0.0201, 0.0), (-0.02, 0.001)] {
        let at = |rate: f64| {
            let row = [90.0, 100.0, 0.1, rate, income, 0.2];
            valued(&cash, ExerciseStyle::American, OptionType::Call, row).unwrap()
        };
        let got = at(rate);
        // By the formula to one side, third order: no rate is below zero.
        let h = 2e-4;
        for (greek, wanted) in [(Greek::Price, Greek::Rho), (Greek::Vega, Greek::Vera)] {
            let [a, b, c, d] = [0.0, 1.0, 2.0, 3.0].map(|i| at(rate + i * h)[place(greek)]);
            let slope = (-11.0 * a + 18.0 * b - 9.0 * c + 2.0 * d) / (6.0 * h);
            let got = got[place(wanted)];
            assert!((got - slope).abs() < 1e-5 * slope.abs(), "{wanted:?} {income} {rate}: {got}, not {slope}");
        }
    }
}

/// One date at expiry: an Asian that is the vanilla, by the derivatives of another formula.
#[test]
fn an_average_of_one_price_has_the_vanillas_greeks() {
    let mut share = shares(0x9e37_79b9_7f4a_7c15);
    for _ in 0..500 {
        let (option_type, row) = anything(&mut share);
        let terms = Terms { observation_dates: Some(1), ..payoff(PayoffName::GeometricAsian, 1.0, None) };
        let [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility] = row;
        let vanilla = Row { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility };
        let wanted = black::scalar::greeks(&vanilla, black::Model::Bsm).unwrap();
        let got = valued(&terms, ExerciseStyle::European, option_type, row).unwrap();
        for greek in Order::Second.quantities().filter(|&greek| greek != Greek::Lambda) {
            let (got, wanted) = (got[place(greek)], wanted[greek as usize]);
            let allowed = 1e-8 * wanted.abs() + 1e3 * spot * f64::EPSILON / unit(greek, &row);
            assert!((got - wanted).abs() <= allowed, "{greek:?} {row:?}: {got}, not {wanted}");
        }
    }
}

/// Where rate and yield are equal, or nearly, a lookback's formula is a quotient of what vanishes: its Greeks against differences of one another.
#[test]
fn lookbacks_without_a_carry_have_their_greeks() {
    let mut share = shares(0x9e37_79b9_7f4a_7c15);
    for i in 0..600 {
        let (option_type, mut row) = anything(&mut share);
        let kind = if i % 2 == 0 { PayoffName::FloatingLookback } else { PayoffName::FixedLookback };
        let deviation = row[5] * row[2].sqrt();
        // A carry of nothing, or of some hundredths of a deviation.
        row[4] = row[3] + if share() < 0.5 { 0.0 } else { 0.02 * (share() - 0.5) * row[5] / row[2].sqrt() };
        row[1] = 100.0;
        let away = 2.0 * deviation.min(1.0) * share();
        let side = match kind {
            PayoffName::FloatingLookback => -option_type.sign(),
            _ => option_type.sign(),
        };
        let terms = payoff(kind, 1.0, Some(100.0 * (side * away).exp()));
        let of =
            |row: [f64; 6], greek| valued(&terms, ExerciseStyle::European, option_type, row).unwrap()[place(greek)];
        let h = 0.02 * row[5] / row[2].sqrt();
        for (by, wanted) in [(Greek::Price, Greek::Rho), (Greek::Vega, Greek::Vera)] {
            let at = |steps: f64| of([row[0], row[1], row[2], row[3] + steps * h, row[4], row[5]], by);
            let slope = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * h);
            let got = of(row, wanted);
            let scale =
                if wanted == Greek::Rho { 100.0 * row[2] } else { 100.0 * row[2] / row[5] * deviation.max(1e-3) };
            let allowed = 1e-6 * (slope.abs() + scale) + 1e3 * f64::EPSILON * at(0.0).abs() / h;
            assert!((got - slope).abs() <= allowed, "{wanted:?} {kind:?} {option_type:?} {row:?}: {got}, not {slope}");
        }
    }
}
