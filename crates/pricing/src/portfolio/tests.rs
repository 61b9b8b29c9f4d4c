//! The batch path and the twin against each other, and the laws of sums.

use proptest::prelude::*;
use zomma_base::{OptionType, Status};

use super::*;
use crate::black::{self, Greek, Model, Row};
use crate::tolerance::{PORTFOLIO_SUM_EPSILONS, PORTFOLIO_TWIN};

/// Positions of the tests.
pub(super) trait Book: Sized {
    fn push(&mut self, model: Model, row: &Row, quantity: f64, multiplier: f64, group: u32);
    fn market(n: usize, groups: u32, mixed: bool, seed: u64) -> Self;
    fn priced(self) -> Self;
    fn magnitudes(&self, groups: usize, shock: Shock) -> Vec<[f64; QUANTITIES]>;
}

impl Book for Positions {
    fn push(&mut self, model: Model, row: &Row, quantity: f64, multiplier: f64, group: u32) {
        self.model.push(model);
        self.option_type.push(row.option_type);
        self.spot.push(row.spot);
        self.strike.push(row.strike);
        self.expiry_years.push(row.expiry_years);
        self.risk_free_rate.push(row.risk_free_rate);
        self.dividend_yield.push(row.dividend_yield);
        self.given.push(row.volatility);
        self.quantity.push(quantity);
        self.multiplier.push(multiplier);
        self.group.push(group);
    }

    /// A market of `n` rows in `groups` groups: every third row Black-76 where `mixed`, long and short.
    fn market(n: usize, groups: u32, mixed: bool, seed: u64) -> Self {
        let mut state = seed;
        let mut uniform = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut book = Self::default();
        for i in 0..n {
            let spot = 50.0 + 100.0 * uniform();
            let expiry_years = 0.02 + 2.0 * uniform();
            let volatility = 0.1 + 0.5 * uniform();
            let deviations = 4.0 * uniform() - 2.0;
            let row = Row {
                option_type: if uniform() < 0.5 { OptionType::Call } else { OptionType::Put },
                spot,
                strike: spot * (deviations * volatility * expiry_years.sqrt()).exp(),
                expiry_years,
                risk_free_rate: 0.06 * uniform() - 0.01,
                dividend_yield: 0.03 * uniform(),
                volatility,
            };
            let model = if mixed && i % 3 == 0 { Model::Black76 } else { Model::Bsm };
            let group = ((uniform() * f64::from(groups)) as u32).min(groups - 1);
            book.push(model, &row, (40.0 * uniform() - 20.0).round(), 100.0, group);
        }
        book
    }

    /// The same market known by its prices.
    fn priced(mut self) -> Self {
        let columns = self.columns();
        let prices = (0..self.model.len())
            .map(|i| black::scalar::price(&columns.row(i, Shock::NONE).unwrap(), self.model[i]).unwrap())
            .collect();
        self.given = prices;
        self.prices = true;
        self
    }

    /// Σ|terms| by group and quantity: what an error is measured by. A term that is by chance near 0 counts as an average one: its error
    /// goes with the parts that cancel in it.
    fn magnitudes(&self, groups: usize, shock: Shock) -> Vec<[f64; QUANTITIES]> {
        let rows: Vec<_> =
            (0..self.model.len()).filter_map(|i| Some((i, scalar::terms(&self.columns(), i, shock).ok()?))).collect();
        let mut average = [0.0; QUANTITIES];
        for (_, terms) in &rows {
            average.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term.abs() / rows.len() as f64);
        }
        let mut magnitudes = vec![[0.0; QUANTITIES]; groups];
        for (i, terms) in rows {
            let sums = magnitudes[self.group[i] as usize].iter_mut();
            sums.zip(terms).zip(average).for_each(|((sum, term), average)| *sum += term.abs().max(average));
        }
        magnitudes
    }
}

/// Largest distance of two answers, over Σ|terms| of the group; counts must be the same.
pub(super) fn distance(a: &Totals, b: &Totals, magnitudes: &[[f64; QUANTITIES]]) -> f64 {
    let mut worst = 0.0f64;
    assert_eq!(a.groups.len(), b.groups.len());
    for ((a, b), magnitudes) in a.groups.iter().zip(&b.groups).zip(magnitudes) {
        assert_eq!((a.rows_ok(), a.failed()), (b.rows_ok(), b.failed()));
        for greek in Greek::ALL {
            let (x, y) =
                if greek == Greek::Lambda { (a.cash_delta(), b.cash_delta()) } else { (a.get(greek), b.get(greek)) };
            assert_eq!(x.is_some(), y.is_some(), "{}", greek.as_str());
            if let (Some(x), Some(y)) = (x, y)
                && x != y
            {
                worst = worst.max((x - y).abs() / magnitudes[greek as usize]);
            }
        }
    }
    worst
}

#[test]
fn every_target_sums_what_the_twin_sums() {
    for (n, groups, prices) in [(1, 1, false), (65, 1, true), (5000, 3, false), (5000, 1700, false), (5000, 7, true)] {
        let mut book = Positions::market(n, groups, true, 7);
        if prices {
            book = book.priced();
        }
        let shock = Shock {
            spot_factor: 1.03,
            volatility_shift: -0.02,
            volatility_floor: 0.05,
            rate_shift: 0.004,
            years: 0.003,
        };
        for shock in [Shock::NONE, shock] {
            let twin = scalar::sums(&book.columns(), groups as usize, shock);
            let magnitudes = book.magnitudes(groups as usize, shock);
            for target in Target::ALL.into_iter().filter(|target| target.is_available()) {
                let sums = batch::sums_on(target, &book.columns(), groups as usize, shock);
                let worst = distance(&sums, &twin, &magnitudes);
                assert!(worst <= PORTFOLIO_TWIN, "{n} rows, {groups} groups, {}: {worst:e}", target.as_str());
            }
        }
    }
}

#[test]
fn summing_loses_no_more_than_a_few_roundings() {
    // Against the very numbers that the vector path gives for each row, added with compensation: the error of summing alone.
    let book = Positions::market(20_000, 1, false, 3);
    let rows = book.columns();
    let Given::Volatility(volatility) = rows.given else { unreachable!("a market of volatilities") };
    let columns = black::RowColumns {
        option_type: rows.option_type,
        spot: rows.spot,
        strike: rows.strike,
        expiry_years: rows.expiry_years,
        risk_free_rate: rows.risk_free_rate,
        dividend_yield: rows.dividend_yield,
        volatility,
    };
    let (mut greeks, mut status) = (black::GreekColumns::zeros(rows.len()), vec![Status::NotConverged; rows.len()]);
    black::greeks(&columns, Model::Bsm, &mut greeks, &mut status);
    let sums = sums(&rows, 1, Shock::NONE);
    for greek in Greek::ALL.into_iter().filter(|&greek| greek != Greek::Lambda) {
        let (mut sum, mut lost, mut magnitude) = (0.0f64, 0.0f64, 0.0f64);
        for (i, x) in greeks.column(greek).iter().enumerate() {
            let term = rows.quantity[i] * rows.multiplier[i] * x;
            let next = sum + term;
            lost += if sum.abs() >= term.abs() { (sum - next) + term } else { (term - next) + sum };
            sum = next;
            magnitude += term.abs();
        }
        let error = (sums.total.get(greek).unwrap() - (sum + lost)).abs() / (magnitude * f64::EPSILON);
        assert!(error <= PORTFOLIO_SUM_EPSILONS, "{}: {error} epsilons", greek.as_str());
    }
}

#[test]
fn threads_change_no_bit() {
    let book = Positions::market(30_000, 40, true, 11);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| sums(&book.columns(), 40, Shock::NONE))
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(7));
}

#[test]
fn rows_that_fail_are_counted_and_not_summed() {
    let mut book = Positions::market(300, 2, true, 5);
    book.given[10] = f64::NAN;
    book.spot[13] = -1.0;
    book.spot[15] = f64::NAN;
    book.quantity[20] = f64::INFINITY;
    book.multiplier[21] = 0.0;
    (book.quantity[22], book.multiplier[22]) = (1e300, 1e300);
    book.expiry_years[23] = 0.0;
    let columns = book.columns();
    let whole = sums(&columns, 2, Shock::NONE);
    assert_eq!(whole.total.rows_ok(), 293);
    let wanted = [
        (Status::BadSpot, 1),
        (Status::BadForward, 1),
        (Status::BadVolatility, 1),
        (Status::BadQuantity, 1),
        (Status::BadMultiplier, 1),
        (Status::Expired, 1),
        (Status::Overflow, 1),
    ];
    assert_eq!(*whole.total.failed(), wanted.into());
    let failed: Vec<usize> = (0..300).filter(|&i| !columns.status(i, Shock::NONE).is_ok()).collect();
    assert_eq!(failed, [10, 13, 15, 20, 21, 22, 23]);
    // Without those rows the sums are the same to the rounding, and no row has failed.
    let mut good = Positions::default();
    for i in (0..300).filter(|i| !failed.contains(i)) {
        let row = Row { dividend_yield: book.dividend_yield[i], ..columns.row(i, Shock::NONE).unwrap() };
        good.push(book.model[i], &row, book.quantity[i], book.multiplier[i], book.group[i]);
    }
    let good_sums = sums(&good.columns(), 2, Shock::NONE);
    assert_eq!(good_sums.total.rows_failed(), 0);
    for greek in Greek::ALL {
        let (x, y) = (whole.total.get(greek).unwrap(), good_sums.total.get(greek).unwrap());
        assert!((x - y).abs() <= 1e-10 * x.abs().max(y.abs()), "{}: {x} {y}", greek.as_str());
    }
}

#[test]
fn a_row_without_volatility_is_summed_and_an_infinite_greek_is_absent() {
    let mut book = Positions::market(1, 1, false, 1);
    (book.given[0], book.strike[0]) = (0.0, book.spot[0] * 0.5);
    let deep = sums(&book.columns(), 1, Shock::NONE).total;
    assert_eq!((deep.rows_ok(), deep.get(Greek::Gamma)), (1, Some(0.0)));
    let at = book.spot[0];
    (book.strike[0], book.risk_free_rate[0], book.dividend_yield[0], book.quantity[0]) = (at, 0.0, 0.0, 2.0);
    let at_the_money = sums(&book.columns(), 1, Shock::NONE).total;
    assert_eq!((at_the_money.get(Greek::Price), at_the_money.get(Greek::Gamma)), (Some(0.0), None));
    assert_eq!(at_the_money.get(Greek::Lambda), None, "the value is 0");
    book.quantity[0] = 0.0;
    assert_eq!(sums(&book.columns(), 1, Shock::NONE).total.get(Greek::Gamma), Some(0.0), "nothing of it is held");
}

#[test]
fn phi_is_absent_of_forwards_alone_and_lambda_is_cash_delta_over_value() {
    let mut book = Positions::market(50, 1, false, 9);
    let spots = sums(&book.columns(), 1, Shock::NONE).total;
    assert!(spots.get(Greek::Phi).is_some());
    let lambda = spots.cash_delta().unwrap() / spots.get(Greek::Price).unwrap();
    assert_eq!(spots.get(Greek::Lambda), Some(lambda));
    book.model.fill(Model::Black76);
    assert_eq!(sums(&book.columns(), 1, Shock::NONE).total.get(Greek::Phi), None);
}

#[test]
fn lambda_of_the_sums_is_the_move_of_the_value_with_all_spots() {
    let book = Positions::market(400, 1, false, 21);
    let at = |spot_factor: f64| {
        let shock = Shock { spot_factor, ..Shock::NONE };
        sums(&book.columns(), 1, shock).total
    };
    let (up, down, here) = (at(1.0 + 1e-5), at(1.0 - 1e-5), at(1.0));
    let slope = (up.get(Greek::Price).unwrap() - down.get(Greek::Price).unwrap()) / 2e-5;
    let cash_delta = here.cash_delta().unwrap();
    assert!((slope - cash_delta).abs() <= 1e-6 * cash_delta.abs().max(1e4), "{slope} {cash_delta}");
}

#[test]
fn no_rows_and_no_groups_sum_to_nothing() {
    let none = Positions::default();
    assert_eq!(sums(&none.columns(), 0, Shock::NONE), Totals::default());
    let two = sums(&none.columns(), 2, Shock::NONE);
    assert_eq!((two.groups.len(), two.total.get(Greek::Price)), (2, Some(0.0)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Doubling every quantity doubles every sum to the bit, and the opposite book has the opposite sums.
    #[test]
    fn quantity_enters_once(n in 1usize..400, groups in 1u32..9, seed in any::<u64>(), power in -3i32..4) {
        let book = Positions::market(n, groups, true, seed);
        let factor = -f64::from(power).exp2();
        let mut scaled = book.clone();
        scaled.quantity.iter_mut().for_each(|quantity| *quantity *= factor);
        let (one, other) = (sums(&book.columns(), groups as usize, Shock::NONE), sums(&scaled.columns(), groups as usize, Shock::NONE));
        for (one, other) in one.groups.iter().zip(&other.groups) {
            for greek in Greek::ALL.into_iter().filter(|&greek| greek != Greek::Lambda) {
                prop_assert_eq!(one.get(greek).map(|x| x * factor), other.get(greek));
            }
        }
    }

    /// The groups of a partition add up to what one group of all rows has, and the order of rows moves roundings alone.
    #[test]
    fn groups_add_up_to_the_whole(n in 1usize..3000, groups in 1u32..40, seed in any::<u64>()) {
        let book = Positions::market(n, groups, true, seed);
        let mut whole = book.clone();
        whole.group.fill(0);
        let (parts, whole_sums) = (sums(&book.columns(), groups as usize, Shock::NONE), sums(&whole.columns(), 1, Shock::NONE));
        let magnitudes = whole.magnitudes(1, Shock::NONE);
        let total = Totals { groups: vec![parts.total], total: Sums::default() };
        prop_assert!(distance(&total, &whole_sums, &magnitudes) <= PORTFOLIO_SUM_EPSILONS * 2.0 * f64::EPSILON);
    }
}
