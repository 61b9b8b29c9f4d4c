//! The kernels on a device against the scalar twins: Mesa's lavapipe is enough, and where there is no Vulkan device with f64 each test
//! says `skipped: no device`.

use cubecl::prelude::Runtime;
use zomma_base::{OptionType, Status};
use zomma_gpu::{Compute, Device, DeviceKind, GpuError, Job, Session, list};
use zomma_pricing::black::{self, Greek, GreekColumns, Model, Row, RowColumns, scalar};
use zomma_pricing::implied_vol::{self, BsmPriceColumns, PriceColumns};
use zomma_pricing::tolerance::{DEVICE_BLACK_CONDITION_EPS, DEVICE_IMPLIED_VOL_CONDITION_EPS};

fn vulkan() -> Option<Compute> {
    let found = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
    let Some(device) = found else {
        zomma_testkit::skip("no device");
        return None;
    };
    device.open().unwrap()
}

/// A generator of numbers in \[0, 1).
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next()
    }

    /// With a uniform logarithm.
    fn scale(&mut self, low: f64, high: f64) -> f64 {
        self.between(low.ln(), high.ln()).exp()
    }
}

/// Deep wings, one hour to thirty years, volatilities from 0.01 to 3, negative rates.
fn wide_rows(count: usize, seed: u64) -> Vec<Row> {
    let mut u = Uniform(seed);
    (0..count)
        .map(|i| {
            let (volatility, expiry_years) = (u.scale(0.01, 3.0), u.scale(1.0 / 8760.0, 30.0));
            let spot = u.scale(1.0, 10_000.0);
            // Up to eight standard deviations or a factor of e², whichever is nearer, and some at the money.
            let reach = (8.0 * volatility * expiry_years.sqrt()).min(2.0);
            let strike = if i % 16 == 0 { spot } else { spot * u.between(-reach, reach).exp() };
            Row {
                option_type: if u.next() < 0.5 { OptionType::Call } else { OptionType::Put },
                spot,
                strike,
                expiry_years,
                risk_free_rate: if i % 10 == 0 { 0.0 } else { u.between(-0.05, 0.15) },
                dividend_yield: if i % 7 == 0 { 0.0 } else { u.between(-0.03, 0.1) },
                volatility,
            }
        })
        .collect()
}

/// Rows as columns that own their values.
struct Columns {
    option_type: Vec<OptionType>,
    numbers: [Vec<f64>; 6],
}

impl Columns {
    fn new(rows: &[Row]) -> Self {
        let column = |of: fn(&Row) -> f64| rows.iter().map(of).collect::<Vec<_>>();
        Self {
            option_type: rows.iter().map(|row| row.option_type).collect(),
            numbers: [
                column(|row| row.spot),
                column(|row| row.strike),
                column(|row| row.expiry_years),
                column(|row| row.risk_free_rate),
                column(|row| row.dividend_yield),
                column(|row| row.volatility),
            ],
        }
    }

    fn as_rows(&self) -> RowColumns<'_> {
        let [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility] = &self.numbers;
        let option_type = &self.option_type;
        RowColumns { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
    }

    fn as_prices<'a>(&'a self, price: &'a [f64]) -> BsmPriceColumns<'a> {
        let [spot, strike, expiry_years, risk_free_rate, dividend_yield, _] = &self.numbers;
        BsmPriceColumns {
            option_type: &self.option_type,
            spot,
            strike,
            expiry_years,
            risk_free_rate,
            dividend_yield,
            price,
        }
    }
}

fn device_greeks(compute: &Compute, rows: &[Row], model: Model) -> (GreekColumns, Vec<Status>) {
    let mut out = GreekColumns::zeros(rows.len());
    let mut status = vec![Status::NotConverged; rows.len()];
    black::launch::greeks(compute, &Columns::new(rows).as_rows(), model, &mut out, &mut status).unwrap();
    (out, status)
}

/// Σ|x ∂f/∂x|/|f| over the six inputs for every quantity, by differences of the twin.
fn conditions(row: &Row, model: Model, at: &scalar::Quantities) -> scalar::Quantities {
    const STEP: f64 = 1e-7;
    let mut sum = [0.0; 19];
    for input in 0..6 {
        let moved = |by: f64| {
            let mut row = *row;
            let x = match input {
                0 => &mut row.spot,
                1 => &mut row.strike,
                2 => &mut row.expiry_years,
                3 => &mut row.risk_free_rate,
                4 => &mut row.dividend_yield,
                _ => &mut row.volatility,
            };
            *x *= 1.0 + by;
            scalar::greeks(&row, model).unwrap()
        };
        let (up, down) = (moved(STEP), moved(-STEP));
        for quantity in 0..19 {
            sum[quantity] += ((up[quantity] - down[quantity]) / (2.0 * STEP * at[quantity])).abs();
        }
    }
    sum.map(|condition| condition.max(1.0))
}

fn greeks_agree(model: Model) {
    let Some(compute) = vulkan() else { return };
    let rows = wide_rows(20_000, 7);
    let (out, status) = device_greeks(&compute, &rows, model);
    let mut worst = [(0.0_f64, 0); 19];
    for (i, row) in rows.iter().enumerate() {
        let twin = scalar::greeks(row, model).unwrap();
        assert_eq!(status[i], Status::Ok, "row {i}");
        let condition = conditions(row, model, &twin);
        for greek in Greek::ALL {
            let (want, got) = (twin[greek as usize], out.column(greek)[i]);
            // The accuracy contract ends where a number leaves the range of f64.
            if want.is_nan() || want.abs() < 1e-290 {
                assert_eq!(want.is_nan(), got.is_nan(), "{} of {row:?}", greek.as_str());
                assert!(got.is_nan() || got.abs() < 1e-289, "{} of {row:?}: {got} for {want}", greek.as_str());
                continue;
            }
            let error = (got - want).abs() / (f64::EPSILON * condition[greek as usize] * want.abs());
            // A difference that is no number is the worst of all, and stays it.
            if error > worst[greek as usize].0 || error.is_nan() {
                worst[greek as usize] = (error, i);
            }
        }
    }
    for greek in Greek::ALL {
        let (error, i) = worst[greek as usize];
        assert!(error <= DEVICE_BLACK_CONDITION_EPS, "{} of {:?}: {error} eps × condition", greek.as_str(), rows[i]);
    }
}

#[test]
fn greeks_agree_with_the_twin_over_the_whole_domain() {
    greeks_agree(Model::Bsm);
}

#[test]
fn greeks_of_a_forward_agree_with_the_twin() {
    greeks_agree(Model::Black76);
}

#[test]
fn the_price_alone_is_the_price_among_the_greeks() {
    let Some(compute) = vulkan() else { return };
    let rows = wide_rows(1_000, 8);
    let columns = Columns::new(&rows);
    let (mut price, mut status) = (vec![0.0; rows.len()], vec![Status::NotConverged; rows.len()]);
    black::launch::price(&compute, &columns.as_rows(), Model::Bsm, &mut price, &mut status).unwrap();
    let (all, _) = device_greeks(&compute, &rows, Model::Bsm);
    assert!(status.iter().all(|status| status.is_ok()));
    for (i, (alone, among)) in price.iter().zip(all.column(Greek::Price)).enumerate() {
        assert!((alone - among).abs() <= 4.0 * f64::EPSILON * rows[i].spot.max(rows[i].strike), "{alone} {among}");
    }
}

/// A good row with one field replaced.
fn broken(change: impl Fn(&mut Row)) -> Row {
    let mut row = Row {
        option_type: OptionType::Put,
        spot: 100.0,
        strike: 95.0,
        expiry_years: 0.5,
        risk_free_rate: 0.02,
        dividend_yield: 0.01,
        volatility: 0.2,
    };
    change(&mut row);
    row
}

#[test]
fn a_broken_row_has_the_twins_status_and_spoils_no_other() {
    let Some(compute) = vulkan() else { return };
    let mut rows = vec![broken(|_| {})];
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 5e-324, 1e308] {
        rows.push(broken(|row| row.spot = bad));
        rows.push(broken(|row| row.strike = bad));
        rows.push(broken(|row| row.expiry_years = bad));
        rows.push(broken(|row| row.risk_free_rate = bad));
        rows.push(broken(|row| row.dividend_yield = bad));
        rows.push(broken(|row| row.volatility = bad));
        rows.push(broken(|_| {}));
    }
    for model in [Model::Bsm, Model::Black76] {
        let (out, status) = device_greeks(&compute, &rows, model);
        for (i, row) in rows.iter().enumerate() {
            let twin = scalar::greeks(row, model);
            assert_eq!(status[i], twin.err().unwrap_or(Status::Ok), "{row:?}");
            for greek in Greek::ALL {
                let got = out.column(greek)[i];
                match twin {
                    Ok(twin) => {
                        let want = twin[greek as usize];
                        let close = (got - want).abs() <= 1e-11 * want.abs();
                        assert!(
                            close || got == want || got.is_nan() && want.is_nan(),
                            "{greek:?} {row:?} {got} {want}"
                        );
                    }
                    Err(_) => assert!(got.is_nan(), "{greek:?} {row:?}"),
                }
            }
        }
    }
}

/// How many rows of some width the device takes at once.
struct RowsPerChunk(usize);

impl Job for RowsPerChunk {
    type Output = usize;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<usize, GpuError> {
        Ok(session.rows_per_chunk(self.0))
    }
}

#[test]
fn a_batch_of_several_chunks_is_the_sum_of_its_parts() {
    let Some(compute) = vulkan() else { return };
    // Six inputs, 19 outputs, and two words of 32 bits.
    let rows_per_chunk = compute.run(RowsPerChunk(25 * 8 + 8)).unwrap();
    let few = wide_rows(1_009, 10);
    let rows: Vec<Row> = few.iter().cycle().take(2 * rows_per_chunk + 17).copied().collect();
    let (all, status) = device_greeks(&compute, &rows, Model::Bsm);
    let (part, _) = device_greeks(&compute, &few, Model::Bsm);
    assert!(status.iter().all(|status| status.is_ok()));
    for greek in [Greek::Price, Greek::Delta, Greek::Lambda] {
        let expected = part.column(greek).iter().cycle();
        assert!(all.column(greek).iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits()), "{greek:?}");
    }
}

#[test]
fn batches_of_none_one_and_many_rows_are_valued_whole_and_in_order() {
    let Some(compute) = vulkan() else { return };
    let (empty, _) = device_greeks(&compute, &[], Model::Bsm);
    assert!(empty.column(Greek::Price).is_empty());

    let rows = wide_rows(100_003, 9);
    let (all, status) = device_greeks(&compute, &rows, Model::Bsm);
    assert!(status.iter().all(|status| status.is_ok()));
    let (one, _) = device_greeks(&compute, &rows[100_002..], Model::Bsm);
    let reversed: Vec<Row> = rows.iter().rev().copied().collect();
    let (backwards, _) = device_greeks(&compute, &reversed, Model::Bsm);
    for greek in Greek::ALL {
        let bits = |x: f64| x.to_bits();
        assert_eq!(bits(one.column(greek)[0]), bits(all.column(greek)[100_002]), "{greek:?}");
        let mirrored = backwards.column(greek).iter().rev();
        assert!(all.column(greek).iter().zip(mirrored).all(|(&a, &b)| bits(a) == bits(b)), "{greek:?}");
    }
}

fn device_volatilities(compute: &Compute, rows: &BsmPriceColumns<'_>) -> (Vec<f64>, Vec<Status>) {
    let count = rows.price.len();
    let (mut out, mut status) = (vec![0.0; count], vec![Status::NotConverged; count]);
    implied_vol::launch::implied_volatility_bsm(compute, rows, &mut out, &mut status).unwrap();
    (out, status)
}

/// How much a volatility moves with its inputs: Σ|x ∂V/∂x| over inputs and price, over σ·vega.
fn volatility_condition(row: &Row, volatility: f64) -> f64 {
    let q = scalar::greeks(&Row { volatility, ..*row }, Model::Bsm).unwrap();
    let of = |greek: Greek| q[greek as usize];
    let moved = row.spot * of(Greek::Delta).abs()
        + row.strike * of(Greek::DualDelta).abs()
        + row.expiry_years * of(Greek::Theta).abs()
        + (row.risk_free_rate * of(Greek::Rho)).abs()
        + (row.dividend_yield * of(Greek::Phi)).abs()
        + of(Greek::Price);
    (moved / (volatility * of(Greek::Vega))).max(1.0)
}

#[test]
fn volatilities_and_statuses_agree_with_the_twin_over_the_whole_domain() {
    let Some(compute) = vulkan() else { return };
    let rows = wide_rows(20_000, 11);
    let columns = Columns::new(&rows);
    let price: Vec<f64> = rows.iter().map(|row| scalar::price(row, Model::Bsm).unwrap()).collect();
    let (out, status) = device_volatilities(&compute, &columns.as_prices(&price));
    let (mut twin, mut twin_status) = (vec![0.0; rows.len()], vec![Status::NotConverged; rows.len()]);
    implied_vol::implied_volatility_bsm(&columns.as_prices(&price), &mut twin, &mut twin_status);
    let (mut worst, mut at, mut valued) = (0.0, 0, 0);
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(status[i], twin_status[i], "{row:?} at {}", price[i]);
        if !status[i].is_ok() {
            assert!(out[i].is_nan());
            continue;
        }
        valued += 1;
        let error = (out[i] - twin[i]).abs() / (f64::EPSILON * volatility_condition(row, twin[i]) * twin[i]);
        if error > worst || error.is_nan() {
            (worst, at) = (error, i);
        }
    }
    assert!(valued > rows.len() / 2, "{valued}");
    assert!(worst <= DEVICE_IMPLIED_VOL_CONDITION_EPS, "{worst} eps × condition: {:?} at {}", rows[at], price[at]);
}

#[test]
fn volatilities_from_forwards_agree_with_the_twin() {
    let Some(compute) = vulkan() else { return };
    let mut rows = wide_rows(20_000, 12);
    rows.iter_mut().for_each(|row| row.dividend_yield = row.risk_free_rate);
    let columns = Columns::new(&rows);
    let price: Vec<f64> = rows.iter().map(|row| scalar::price(row, Model::Black76).unwrap()).collect();
    let discount: Vec<f64> = rows.iter().map(|row| (-row.risk_free_rate * row.expiry_years).exp()).collect();
    let [forward, strike, expiry_years, ..] = &columns.numbers;
    let option_type = &columns.option_type;
    let prices = PriceColumns { option_type, forward, strike, expiry_years, discount_factor: &discount, price: &price };
    let (mut out, mut status) = (vec![0.0; rows.len()], vec![Status::NotConverged; rows.len()]);
    implied_vol::launch::implied_volatility(&compute, &prices, &mut out, &mut status).unwrap();
    let (mut twin, mut twin_status) = (out.clone(), status.clone());
    implied_vol::implied_volatility(&prices, &mut twin, &mut twin_status);
    assert_eq!(status, twin_status);
    for (i, row) in rows.iter().enumerate().filter(|(i, _)| status[*i].is_ok()) {
        let error = (out[i] - twin[i]).abs() / (f64::EPSILON * volatility_condition(row, twin[i]) * twin[i]);
        assert!(error <= DEVICE_IMPLIED_VOL_CONDITION_EPS, "{error} eps × condition: {row:?}");
    }
}

#[test]
fn a_price_without_a_volatility_has_the_twins_status() {
    let Some(compute) = vulkan() else { return };
    let good = broken(|_| {});
    let mut rows = vec![];
    let mut price = vec![];
    for option_type in [OptionType::Call, OptionType::Put] {
        for strike in [50.0, 95.0, 100.0, 150.0] {
            let row = Row { option_type, strike, ..good };
            let flat = scalar::price(&Row { volatility: 0.0, ..row }, Model::Bsm).unwrap();
            let most = if option_type == OptionType::Call { 100.0 } else { strike };
            let asked = [
                0.0,
                -1.0,
                f64::NAN,
                f64::INFINITY,
                flat,
                flat * 0.5,
                flat + 1e-13,
                flat + 1.0,
                most,
                most * 0.999,
                1e-250,
            ];
            rows.extend(asked.map(|_| row));
            price.extend(asked);
        }
    }
    for bad in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
        for change in [
            |row: &mut Row, bad| row.spot = bad,
            |row: &mut Row, bad| row.strike = bad,
            |row: &mut Row, bad| row.expiry_years = bad,
            |row: &mut Row, bad| row.risk_free_rate = bad,
            |row: &mut Row, bad| row.dividend_yield = bad,
        ] {
            rows.push(broken(|row| change(row, bad)));
            price.push(3.0);
        }
    }
    let columns = Columns::new(&rows);
    let (out, status) = device_volatilities(&compute, &columns.as_prices(&price));
    let (mut twin, mut twin_status) = (vec![0.0; rows.len()], vec![Status::NotConverged; rows.len()]);
    implied_vol::implied_volatility_bsm(&columns.as_prices(&price), &mut twin, &mut twin_status);
    for i in 0..rows.len() {
        assert_eq!(status[i], twin_status[i], "{:?} at {}", rows[i], price[i]);
        assert_eq!(out[i].is_nan(), !status[i].is_ok(), "{:?} at {}", rows[i], price[i]);
    }
    assert!(status.iter().any(|status| status.is_ok()) && status.contains(&Status::BelowIntrinsic));
}

#[test]
fn volatilities_of_none_one_and_many_rows_come_back_in_order() {
    let Some(compute) = vulkan() else { return };
    assert!(device_volatilities(&compute, &Columns::new(&[]).as_prices(&[])).0.is_empty());
    let rows = wide_rows(100_003, 13);
    let price: Vec<f64> = rows.iter().map(|row| scalar::price(row, Model::Bsm).unwrap()).collect();
    let (all, _) = device_volatilities(&compute, &Columns::new(&rows).as_prices(&price));
    let last = 100_002;
    let (one, _) = device_volatilities(&compute, &Columns::new(&rows[last..]).as_prices(&price[last..]));
    assert_eq!(one[0].to_bits(), all[last].to_bits());
    let reversed: Vec<Row> = rows.iter().rev().copied().collect();
    let reversed_price: Vec<f64> = price.iter().rev().copied().collect();
    let (backwards, _) = device_volatilities(&compute, &Columns::new(&reversed).as_prices(&reversed_price));
    assert!(all.iter().zip(backwards.iter().rev()).all(|(a, b)| a.to_bits() == b.to_bits()));
}
