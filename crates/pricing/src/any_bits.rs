//! Batches of rows of any bits: nothing panics, and every row has a status that is not `Ok` and NaN, or `Ok` and numbers. The same rows in
//! every run.

use zomma_base::{OptionType, Status};

use crate::american::{self, Accuracy};
use crate::black::{self, Greek, GreekColumns, Model, Row, RowColumns, scalar};
use crate::implied_vol::{
    BsmPriceColumns, PriceColumns, implied_volatility, implied_volatility_bsm, implied_volatility_bsm_row,
};
use crate::portfolio::{self, Positions, Shock};

/// Where rules change: zeros, the least and the greatest numbers, those that are none.
const EDGES: [f64; 12] = [
    0.0,
    -0.0,
    f64::MIN_POSITIVE,
    5e-324,
    f64::MAX,
    f64::MIN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    f64::EPSILON,
    1.0,
    -1.0,
];

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below 1.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `usual` six times of ten; any bits, an edge, or any size else.
    fn number(&mut self, usual: f64) -> f64 {
        match self.next() % 10 {
            0 => f64::from_bits(self.next()),
            1 => EDGES[(self.next() % 12) as usize],
            2 => 10f64.powf(-12.0 + 24.0 * self.uniform()),
            3 => 10f64.powf(-3.0 + 4.0 * self.uniform()) * if self.next().is_multiple_of(2) { 1.0 } else { -1.0 },
            _ => usual,
        }
    }

    fn option_type(&mut self) -> OptionType {
        if self.next().is_multiple_of(2) { OptionType::Call } else { OptionType::Put }
    }

    fn row(&mut self) -> Row {
        let usual: [f64; 6] = std::array::from_fn(|_| self.uniform());
        Row {
            option_type: self.option_type(),
            spot: self.number(50.0 + 100.0 * usual[0]),
            strike: self.number(50.0 + 100.0 * usual[1]),
            expiry_years: self.number(3.0 * usual[2]),
            risk_free_rate: self.number(0.2 * usual[3] - 0.05),
            dividend_yield: self.number(0.2 * usual[4] - 0.05),
            volatility: self.number(usual[5]),
        }
    }
}

/// Rows as columns, and a number more of each.
#[derive(Default)]
struct Columns {
    option_type: Vec<OptionType>,
    numbers: [Vec<f64>; 7],
}

impl Columns {
    fn of(seed: u64, rows: usize) -> Self {
        let (mut bits, mut columns) = (Bits(seed), Self::default());
        for _ in 0..rows {
            let row = bits.row();
            // A price that the row may have, as often as not.
            let usual = scalar::price(&row, Model::Bsm).unwrap_or(5.0);
            let price = bits.number(usual);
            let Row { spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility, .. } = row;
            let numbers = [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility, price];
            columns.option_type.push(row.option_type);
            columns.numbers.iter_mut().zip(numbers).for_each(|(column, x)| column.push(x));
        }
        columns
    }

    fn rows(&self) -> RowColumns<'_> {
        let [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility, _] = &self.numbers;
        RowColumns {
            option_type: &self.option_type,
            spot,
            strike,
            expiry_years,
            risk_free_rate,
            dividend_yield,
            volatility,
        }
    }

    fn price(&self) -> &[f64] {
        &self.numbers[6]
    }

    fn len(&self) -> usize {
        self.option_type.len()
    }
}

/// Whether a row that is `Ok` may lack this quantity.
fn may_be_absent(greek: Greek, model: Model, price: f64) -> bool {
    greek == Greek::Phi && model == Model::Black76 || greek == Greek::Lambda && price == 0.0
}

/// That every row is one or the other, and both are among them.
fn either(what: &str, rows: &RowColumns<'_>, out: &[f64], status: &[Status]) {
    let mut ok = 0;
    for (i, (x, status)) in out.iter().zip(status).enumerate() {
        ok += usize::from(status.is_ok());
        let is_one = if status.is_ok() { x.is_finite() } else { x.is_nan() };
        assert!(is_one, "{what}, {:?}: {x} with {status}", rows.row(i));
    }
    assert!(ok > out.len() / 50 && ok < out.len() * 9 / 10, "{what}: {ok} of {}", out.len());
}

#[test]
fn black() {
    let columns = Columns::of(1, 40_000);
    let (rows, n) = (columns.rows(), columns.len());
    for model in [Model::Bsm, Model::Black76] {
        let (mut price, mut status) = (vec![0.0; n], vec![Status::Ok; n]);
        black::price(&rows, model, &mut price, &mut status);
        either("price", &rows, &price, &status);
        let (mut greeks, mut of_greeks) = (GreekColumns::zeros(n), vec![Status::Ok; n]);
        black::greeks(&rows, model, &mut greeks, &mut of_greeks);
        either("price beside Greeks", &rows, greeks.column(Greek::Price), &of_greeks);
        for (i, status) in of_greeks.iter().enumerate() {
            let row = rows.row(i);
            let twin = scalar::greeks(&row, model);
            assert_eq!(*status, twin.err().unwrap_or(Status::Ok), "{row:?}");
            for greek in Greek::ALL {
                let x = greeks.column(greek)[i];
                let absent = !status.is_ok() || may_be_absent(greek, model, greeks.column(Greek::Price)[i]);
                assert!(absent || !x.is_nan(), "{row:?} {model:?} {greek:?}: {x}");
            }
        }
    }
}

#[test]
fn implied_volatilities() {
    let columns = Columns::of(2, 40_000);
    let (rows, n) = (columns.rows(), columns.len());
    let (mut out, mut status) = (vec![0.0; n], vec![Status::Ok; n]);
    let prices = BsmPriceColumns {
        option_type: rows.option_type,
        spot: rows.spot,
        strike: rows.strike,
        expiry_years: rows.expiry_years,
        risk_free_rate: rows.risk_free_rate,
        dividend_yield: rows.dividend_yield,
        price: columns.price(),
    };
    implied_volatility_bsm(&prices, &mut out, &mut status);
    either("on spot", &rows, &out, &status);
    for i in (0..n).filter(|&i| status[i].is_ok()) {
        assert!(out[i] > 0.0, "{:?}: {}", rows.row(i), out[i]);
    }
    for (i, status) in status.iter().enumerate() {
        let twin = implied_volatility_bsm_row(&rows.row(i), columns.price()[i]);
        assert_eq!(*status, twin.err().unwrap_or(Status::Ok), "{:?} at {}", rows.row(i), columns.price()[i]);
    }
    // On the forward: the column of yields as that of discount factors.
    let prices = PriceColumns {
        option_type: rows.option_type,
        forward: rows.spot,
        strike: rows.strike,
        expiry_years: rows.expiry_years,
        discount_factor: &rows.dividend_yield.iter().map(|q| 10.0 * q).collect::<Vec<_>>(),
        price: columns.price(),
    };
    implied_volatility(&prices, &mut out, &mut status);
    either("on the forward", &rows, &out, &status);
}

#[test]
fn american_options() {
    let columns = Columns::of(3, 3_000);
    let (rows, n) = (columns.rows(), columns.len());
    for accuracy in [Accuracy::quick(), Accuracy::fast()] {
        let (mut price, mut status) = (vec![0.0; n], vec![Status::Ok; n]);
        american::price_batch(&rows, accuracy, &mut price, &mut status);
        either("price", &rows, &price, &status);
        let (mut greeks, mut of_greeks) = (GreekColumns::zeros(n), vec![Status::Ok; n]);
        american::greeks_batch(&rows, accuracy, &mut greeks, &mut of_greeks);
        either("price beside Greeks", &rows, greeks.column(Greek::Price), &of_greeks);
        for i in (0..n).filter(|&i| of_greeks[i].is_ok()) {
            for greek in Greek::ALL.into_iter().filter(|greek| *greek != Greek::Lambda) {
                assert!(!greeks.column(greek)[i].is_nan(), "{:?} {greek:?}", rows.row(i));
            }
        }
    }
    let (mut gradients, mut status) = (vec![american::Gradient::default(); n], vec![Status::Ok; n]);
    american::gradient_batch(&rows, Accuracy::fast(), &mut gradients, &mut status);
    let price: Vec<f64> = gradients.iter().map(|gradient| gradient.price).collect();
    either("price beside a gradient", &rows, &price, &status);
}

#[test]
fn american_implied_volatilities() {
    let columns = Columns::of(4, 500);
    let (rows, n) = (columns.rows(), columns.len());
    let (mut out, mut status) = (vec![0.0; n], vec![Status::Ok; n]);
    american::implied_volatility_batch(&rows, columns.price(), &mut out, &mut status);
    either("American", &rows, &out, &status);
}

#[test]
fn portfolios() {
    const GROUPS: usize = 5;
    let mut bits = Bits(5);
    for prices in [false, true] {
        let columns = Columns::of(6 + u64::from(prices), 5_000);
        let (rows, n) = (columns.rows(), columns.len());
        let positions = Positions {
            model: (0..n).map(|_| if bits.next().is_multiple_of(3) { Model::Black76 } else { Model::Bsm }).collect(),
            option_type: rows.option_type.to_vec(),
            spot: rows.spot.to_vec(),
            strike: rows.strike.to_vec(),
            expiry_years: rows.expiry_years.to_vec(),
            risk_free_rate: rows.risk_free_rate.to_vec(),
            dividend_yield: rows.dividend_yield.to_vec(),
            given: if prices { columns.price() } else { rows.volatility }.to_vec(),
            prices,
            quantity: (0..n).map(|_| bits.number(3.0)).collect(),
            multiplier: (0..n).map(|_| bits.number(100.0)).collect(),
            group: (0..n).map(|_| (bits.next() % GROUPS as u64) as u32).collect(),
        };
        let moved = Shock {
            spot_factor: bits.number(1.1),
            volatility_shift: bits.number(0.02),
            rate_shift: bits.number(0.01),
            years: bits.number(0.01),
            ..Shock::NONE
        };
        for shock in [Shock::NONE, Shock { spot_factor: 0.9, years: 0.1, ..Shock::NONE }, moved] {
            let totals = portfolio::sums(&positions.columns(), GROUPS, shock);
            let twin = portfolio::scalar::sums(&positions.columns(), GROUPS, shock);
            for (sums, twin) in totals.groups.iter().chain([&totals.total]).zip(twin.groups.iter().chain([&twin.total]))
            {
                assert_eq!((sums.rows_ok(), sums.failed()), (twin.rows_ok(), twin.failed()), "{shock:?}");
            }
            assert_eq!(totals.total.rows_ok() + totals.total.rows_failed(), n as u64);
        }
        // Row by row: what counts as valued has a value.
        for i in 0..n {
            let one = positions.columns().part(i..i + 1);
            let one = portfolio::PositionColumns { group: &[0], ..one };
            let totals = portfolio::sums(&one, 1, Shock::NONE);
            // A share of what is valued has a value; so many shares have one where it is representable.
            let of_one_share = portfolio::PositionColumns { quantity: &[1.0], multiplier: &[1.0], ..one };
            let share = portfolio::sums(&of_one_share, 1, Shock::NONE).total.get(Greek::Price);
            if totals.total.rows_ok() == 1 {
                let fits = share.map(|share| (share * (one.quantity[0] * one.multiplier[0])).is_finite());
                assert_eq!(Some(totals.total.get(Greek::Price).is_some()), fits, "{one:?}: {share:?}");
            }
        }
    }
}
