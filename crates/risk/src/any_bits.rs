//! Portfolios and scenarios of any bits: nothing panics, and every row of every scenario is valued or counted, by each path alike. The same
//! rows in every run.

use std::sync::Arc;

use zomma_base::{ExerciseStyle, OptionType, Status};
use zomma_pricing::valuation::{BarrierTerms, BarrierType, ModelName, Parameter, PayoffName, Table, Terms};

use crate::{Portfolio, Scenario, Sensitivities, revalue, row_values};

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `usual` seven times of eight; any bits, or any size, else.
    fn number(&mut self, usual: f64) -> f64 {
        match self.next() % 16 {
            0 => f64::from_bits(self.next()),
            1 => 10f64.powf(-300.0 + 600.0 * self.uniform()),
            _ => usual,
        }
    }

    fn column(&mut self, rows: usize, least: f64, most: f64) -> Vec<f64> {
        (0..rows)
            .map(|_| {
                let usual = least + (most - least) * self.uniform();
                self.number(usual)
            })
            .collect()
    }

    fn terms(&mut self) -> Option<Arc<Terms>> {
        let payoff = match self.next() % 8 {
            0 => PayoffName::CashOrNothing,
            1 => PayoffName::AssetOrNothing,
            2 => PayoffName::Vanilla,
            _ => return None,
        };
        let (level, rebate) = (self.number(80.0), self.number(1.0));
        let barrier = BarrierTerms { kind: BarrierType::DownAndOut, level, upper: f64::NAN, rebate };
        let barrier = (payoff == PayoffName::Vanilla).then_some(barrier);
        Some(Arc::new(Terms { payoff, cash: self.number(10.0), barrier, ..Terms::default() }))
    }
}

const ROWS: usize = 600;
const GROUPS: usize = 4;

/// Models whose prices take a moment each, mixed row by row.
fn table(bits: &mut Bits) -> Table {
    let models = [ModelName::Bsm, ModelName::Bsm, ModelName::Black76, ModelName::Bachelier, ModelName::Displaced];
    let model: Vec<ModelName> = (0..ROWS).map(|_| models[(bits.next() % 5) as usize]).collect();
    let terms: Vec<Option<Arc<Terms>>> =
        model.iter().map(|model| if *model == ModelName::Bsm { bits.terms() } else { None }).collect();
    let early = |bits: &mut Bits, at: usize| {
        model[at] == ModelName::Bsm && terms[at].is_none() && bits.next().is_multiple_of(3)
    };
    let style = |early: bool| if early { ExerciseStyle::American } else { ExerciseStyle::European };
    let kind = |call: bool| if call { OptionType::Call } else { OptionType::Put };
    let mut table = Table {
        exercise: (0..ROWS).map(|at| style(early(bits, at))).collect(),
        option_type: (0..ROWS).map(|_| kind(bits.next().is_multiple_of(2))).collect(),
        on_forward: model.iter().map(|model| *model == ModelName::Black76).collect(),
        spot: bits.column(ROWS, 80.0, 120.0),
        strike: bits.column(ROWS, 80.0, 120.0),
        expiry_years: bits.column(ROWS, 0.02, 2.0),
        risk_free_rate: bits.column(ROWS, -0.01, 0.06),
        dividend_yield: bits.column(ROWS, -0.01, 0.06),
        volatility: bits.column(ROWS, 0.1, 0.6),
        status: vec![Status::Ok; ROWS],
        terms,
        model,
        ..Table::default()
    };
    table.parameters[Parameter::Displacement as usize] = bits.column(ROWS, 0.0, 30.0);
    table
}

#[test]
fn every_row_is_valued_or_counted() {
    let mut bits = Bits(1);
    for _ in 0..4 {
        let table = table(&mut bits);
        let (quantity, multiplier) = (bits.column(ROWS, -5.0, 5.0), bits.column(ROWS, 1.0, 100.0));
        let group: Vec<u32> = (0..ROWS).map(|_| (bits.next() % GROUPS as u64) as u32).collect();
        let portfolio = Portfolio::new(table, &quantity, &multiplier, &group, GROUPS);
        let failed: usize = portfolio.failed().values().map(Vec::len).sum();
        assert_eq!(portfolio.rows_ok() + failed, ROWS);
        assert!(portfolio.rows_ok() > ROWS / 4 && failed > ROWS / 10, "{} and {failed}", portfolio.rows_ok());

        let usual = Scenario { spot_change: -0.2, volatility_shift: 0.1, rate_shift: 0.01, days: 30.0 };
        let wild = (0..6).map(|_| Scenario {
            spot_change: bits.number(0.1),
            volatility_shift: bits.number(-0.05),
            rate_shift: bits.number(0.0),
            days: bits.number(400.0),
        });
        let none = [f64::NAN, f64::INFINITY, -1.0, f64::MAX];
        let none = none.into_iter().flat_map(|x| {
            [
                Scenario { spot_change: x, ..Scenario::NONE },
                Scenario { volatility_shift: x, ..Scenario::NONE },
                Scenario { rate_shift: x, ..Scenario::NONE },
                Scenario { days: x, ..Scenario::NONE },
            ]
        });
        let scenarios: Vec<Scenario> = [Scenario::NONE, usual].into_iter().chain(wild).chain(none).collect();
        for (scenario, outcome) in scenarios.iter().zip(revalue(&portfolio, &scenarios, || {})) {
            let values = row_values(&portfolio, scenario);
            let valued = values.iter().filter(|value| !value.is_nan()).count();
            assert!(values.iter().all(|value| value.is_nan() || value.is_finite()), "{scenario:?}");
            assert_eq!(outcome.all_failed() + valued, portfolio.rows_ok(), "{scenario:?}: {}", outcome.fault);
            assert!(outcome.value.iter().all(|value| !value.is_nan()), "{scenario:?}: {:?}", outcome.value);
            assert_eq!(outcome.fault.is_ok(), outcome.all_failed() == 0, "{scenario:?}");
        }
        // A row that is valued in the market as it is has a value in the scenario that leaves it.
        assert_eq!(revalue(&portfolio, &[Scenario::NONE], || {})[0].all_failed(), 0);
        for sensitivities in Sensitivities::of(&portfolio) {
            assert!(sensitivities.rows_failed <= portfolio.rows_ok());
        }
    }
}

#[test]
fn a_shift_that_is_no_number_leaves_no_value() {
    let mut bits = Bits(2);
    let table = table(&mut bits);
    let one = vec![1.0; ROWS];
    let portfolio = Portfolio::new(table, &one, &one, &[0; ROWS], 1);
    let scenario = Scenario { volatility_shift: f64::NAN, ..Scenario::NONE };
    let outcome = &revalue(&portfolio, &[scenario], || {})[0];
    assert_eq!((outcome.all_failed(), outcome.fault), (portfolio.rows_ok(), Status::BadVolatility));
}
