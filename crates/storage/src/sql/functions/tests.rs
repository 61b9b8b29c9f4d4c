use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, cast::AsArray,
    types::Float64Type,
};
use datafusion::prelude::SessionContext;
use proptest::prelude::*;
use zomma_base::{OptionType, Status};
use zomma_pricing::{
    black::{self, Greek, GreekColumns, Model, RowColumns},
    implied_vol::{self, BsmPriceColumns},
};

use super::*;

/// The answer of a query over a table `rows`.
fn ask(rows: Option<RecordBatch>, sql: &str) -> Result<RecordBatch, String> {
    let context = SessionContext::new();
    register(&context);
    let answer = async {
        if let Some(rows) = rows {
            context.register_batch("rows", rows)?;
        }
        let frame = context.sql(sql).await?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await?;
        Ok(datafusion::arrow::compute::concat_batches(&schema, &batches)?)
    };
    crate::block_on(answer).map_err(|error: datafusion::error::DataFusionError| error.to_string())
}

fn floats(batch: &RecordBatch, column: usize) -> Vec<Option<f64>> {
    batch.column(column).as_primitive::<Float64Type>().iter().collect()
}

fn one(sql: &str) -> Option<f64> {
    floats(&ask(None, sql).unwrap(), 0)[0]
}

fn text(batch: &RecordBatch, column: usize) -> Vec<Option<String>> {
    batch.column(column).as_string::<i32>().iter().map(|text| text.map(ToOwned::to_owned)).collect()
}

/// Options of which some have a field that no option may have.
#[derive(Debug, Clone)]
struct Options {
    option_type: Vec<OptionType>,
    columns: [Vec<f64>; 6],
}

fn options() -> impl Strategy<Value = Options> {
    let row = (
        any::<bool>(),
        prop_oneof![8 => 1.0..1000.0_f64, 1 => Just(-1.0), 1 => Just(f64::NAN)],
        prop_oneof![8 => 1.0..1000.0_f64, 1 => Just(0.0)],
        prop_oneof![8 => 0.001..5.0_f64, 1 => Just(0.0)],
        -0.05..0.15_f64,
        -0.05..0.10_f64,
        prop_oneof![8 => 0.01..2.0_f64, 1 => Just(0.0), 1 => Just(f64::INFINITY)],
    );
    prop::collection::vec(row, 1..300).prop_map(|rows| Options {
        option_type: rows.iter().map(|row| if row.0 { OptionType::Call } else { OptionType::Put }).collect(),
        columns: [
            rows.iter().map(|row| row.1).collect(),
            rows.iter().map(|row| row.2).collect(),
            rows.iter().map(|row| row.3).collect(),
            rows.iter().map(|row| row.4).collect(),
            rows.iter().map(|row| row.5).collect(),
            rows.iter().map(|row| row.6).collect(),
        ],
    })
}

const NAMES: [&str; 6] = ["spot", "strike", "expiry_years", "risk_free_rate", "dividend_yield", "volatility"];
const ON_SPOT: &str = "option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility";
const ON_FORWARD: &str = "option_type, spot, strike, expiry_years, risk_free_rate, volatility";

impl Options {
    fn batch(&self) -> RecordBatch {
        let types: ArrayRef =
            Arc::new(StringArray::from_iter_values(self.option_type.iter().map(|option| option.as_str())));
        let numbers = NAMES
            .iter()
            .zip(&self.columns)
            .map(|(name, column)| (*name, Arc::new(Float64Array::from(column.clone())) as ArrayRef));
        RecordBatch::try_from_iter(std::iter::once(("option_type", types)).chain(numbers)).unwrap()
    }

    fn columns<'a>(&'a self, no_yield: &'a [f64], model: Model) -> RowColumns<'a> {
        let [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility] = &self.columns;
        let dividend_yield = if model == Model::Bsm { dividend_yield } else { no_yield };
        let option_type = &self.option_type;
        RowColumns { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
    }
}

/// The bits that a result must have; none where it must be null.
fn bits(value: f64, status: Status) -> Option<u64> {
    (status.is_ok() && value.is_finite()).then(|| value.to_bits())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn prices_and_greeks_are_those_of_the_batch_formulae_bit_for_bit(options in options()) {
        let rows = options.option_type.len();
        let no_yield = vec![0.0; rows];
        for (model, arguments, prefix, price) in
            [(Model::Bsm, ON_SPOT, "", "bs_price"), (Model::Black76, ON_FORWARD, "black76_", "black76_price")]
        {
            let columns = options.columns(&no_yield, model);
            let mut status = vec![Status::Ok; rows];
            let mut prices = vec![0.0; rows];
            black::price(&columns, model, &mut prices, &mut status);
            let mut all = GreekColumns::zeros(rows);
            black::greeks(&columns, model, &mut all, &mut status);
            let greeks: Vec<_> =
                Greek::ALL.into_iter().skip(1).filter(|greek| model == Model::Bsm || *greek != Greek::Phi).collect();
            let each: Vec<_> = greeks.iter().map(|greek| format!("{prefix}{}({arguments})", greek.as_str())).collect();
            let sql = format!(
                "SELECT {price}({arguments}), g['status'], g['zomma'], {} FROM (SELECT *, {prefix}greeks({arguments}) AS g FROM rows)",
                each.join(", ")
            );
            let answer = ask(Some(options.batch()), &sql).unwrap();
            let wanted: Vec<_> = prices.iter().zip(&status).map(|(price, status)| bits(*price, *status)).collect();
            let found = |column| floats(&answer, column).into_iter().map(|v| v.map(f64::to_bits)).collect::<Vec<_>>();
            prop_assert_eq!(found(0), wanted);
            let said: Vec<_> = status.iter().map(|status| Some(status.as_str().to_owned())).collect();
            prop_assert_eq!(text(&answer, 1), said);
            for (at, greek) in greeks.iter().enumerate() {
                let wanted: Vec<_> =
                    all.column(*greek).iter().zip(&status).map(|(value, status)| bits(*value, *status)).collect();
                prop_assert_eq!(found(at + 3), wanted.clone(), "{:?} {:?}", greek, model);
                if *greek == Greek::Zomma {
                    prop_assert_eq!(found(2), wanted);
                }
            }
        }
    }

    #[test]
    fn implied_volatilities_are_those_of_the_batch_formula_bit_for_bit(options in options()) {
        let rows = options.option_type.len();
        // What stands for a volatility is taken for a price: any of them, of which many have no volatility.
        let [spot, strike, expiry_years, risk_free_rate, dividend_yield, price] = &options.columns;
        let price: Vec<f64> = price.iter().zip(spot).map(|(share, spot)| share * spot / 4.0).collect();
        let columns = BsmPriceColumns {
            option_type: &options.option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, price: &price,
        };
        let (mut wanted, mut status) = (vec![0.0; rows], vec![Status::Ok; rows]);
        implied_vol::implied_volatility_bsm(&columns, &mut wanted, &mut status);
        let arguments = "option_type, volatility * spot / 4.0, spot, strike, expiry_years, risk_free_rate, dividend_yield";
        let sql = format!("SELECT implied_volatility({arguments}), implied_volatility_status({arguments}) FROM rows");
        let answer = ask(Some(options.batch()), &sql).unwrap();
        let wanted: Vec<_> = wanted.iter().zip(&status).map(|(value, status)| bits(*value, *status)).collect();
        prop_assert_eq!(floats(&answer, 0).into_iter().map(|v| v.map(f64::to_bits)).collect::<Vec<_>>(), wanted);
        let said: Vec<_> = status.iter().map(|status| Some(status.as_str().to_owned())).collect();
        prop_assert_eq!(text(&answer, 1), said);
    }
}

#[test]
fn a_volatility_gives_back_its_price_under_black_76() {
    let price = "black76_price('put', 100, 95, 0.5, 0.02, 0.31)";
    let back = one(&format!("SELECT black76_implied_volatility('put', {price}, 100, 95, 0.5, 0.02)")).unwrap();
    assert!((back - 0.31).abs() < 1e-14, "{back}");
    let bad = "SELECT black76_implied_volatility_status('put', 3, 100, 95, 0.5, CAST('NaN' AS double))";
    assert_eq!(text(&ask(None, bad).unwrap(), 0), [Some("bad_rate".to_owned())]);
}

#[test]
fn a_null_gives_null_and_a_bad_row_its_status() {
    let call = |option: &str, spot: &str| format!("greeks({option}, {spot}, 100, 0.5, 0.03, 0.01, 0.2)");
    let all = |call: &str| {
        let answer = ask(None, &format!("SELECT g['delta'], g['status'] FROM (SELECT {call} AS g)")).unwrap();
        (floats(&answer, 0)[0], text(&answer, 1)[0].clone())
    };
    assert_eq!(all(&call("NULL", "100")), (None, None));
    assert_eq!(all(&call("'call'", "NULL")), (None, None));
    assert_eq!(all(&call("'straddle'", "100")), (None, Some("bad_option_type".into())));
    assert_eq!(all(&call("'call'", "-1")), (None, Some("bad_spot".into())));
    let (delta, status) = all(&call("' C '", "100"));
    assert_eq!((delta.map(|delta| (delta * 100.0).round()), status), (Some(55.0), Some("ok".into())));
    // At the money without volatility gamma is infinite, which is no number to count on.
    assert_eq!(one("SELECT gamma('call', 100, 100, 0.5, 0, 0, 0)"), None);
    assert_eq!(one("SELECT bs_price('call', 100, 90, 0.5, 0, 0, 0)"), Some(10.0));
}

#[test]
fn wrong_arguments_are_named_with_what_is_allowed() {
    let refused = |sql: &str, words: &[&str]| {
        let said = ask(None, &format!("SELECT {sql}")).unwrap_err();
        assert!(words.iter().all(|word| said.contains(word)), "{sql}: {said}");
    };
    refused("bs_price('call', 100, 'cheap', 1, 0, 0, 0.2)", &["bs_price: argument 3 (strike)", "Utf8", "a number"]);
    refused("bs_price(1, 100, 100, 1, 0, 0, 0.2)", &["argument 1 (option_type)", "Int64", "call or put"]);
    refused("bs_price('call', 100)", &["bs_price takes 7 arguments, not 2", "bs_price(option_type, spot, strike"]);
    refused("delta()", &["delta takes 7 arguments, not 0"]);
    refused("year_fraction(1, 2)", &["year_fraction: argument 1 (time)", "a timestamp"]);
    refused("vwap('a', 1)", &["vwap: argument 1 (price)", "a number"]);
    refused("vwap(DISTINCT 1, 1)", &["vwap", "DISTINCT"]);
}

#[test]
fn years_count_from_instants_dates_and_clocks_of_new_york() {
    let years = |from: &str, to: &str| one(&format!("SELECT year_fraction({from}, {to})"));
    assert_eq!(years("'2019-04-25T19:45:00Z'", "'2020-04-24T19:45:00Z'"), Some(1.0));
    assert_eq!(years("timestamp '2019-04-25T15:45:00'", "'2020-04-24T19:45:00Z'"), Some(1.0));
    // The close of a day in summer is 20:00 UTC.
    assert_eq!(years("'2019-04-25T20:00:00Z'", "date '2019-04-26'"), Some(1.0 / 365.0));
    assert_eq!(years("'2019-04-26'", "'2019-04-25'"), Some(-1.0 / 365.0));
    assert_eq!(
        years("arrow_cast('2019-04-25T19:45:00Z', 'Timestamp(Second, Some(\"UTC\"))')", "'2020-04-24T15:45'"),
        Some(1.0)
    );
    assert_eq!(years("'soon'", "'2019-04-25'"), None);
    assert_eq!(years("NULL", "'2019-04-25'"), None);
}

fn trades(prices: &[Option<f64>], sizes: &[Option<i64>]) -> RecordBatch {
    let times = TimestampNanosecondArray::from_iter_values((0..prices.len() as i64).map(|i| i * 86_400_000_000_000));
    RecordBatch::try_from_iter([
        ("time", Arc::new(times.with_timezone("UTC")) as ArrayRef),
        ("price", Arc::new(Float64Array::from(prices.to_vec())) as ArrayRef),
        ("size", Arc::new(Int64Array::from(sizes.to_vec())) as ArrayRef),
    ])
    .unwrap()
}

#[test]
fn a_vwap_leaves_out_what_has_no_price_or_size() {
    let nan = f64::NAN;
    let rows = trades(
        &[Some(10.0), Some(20.0), None, Some(nan), Some(30.0), Some(40.0)],
        &[Some(3), Some(1), Some(9), Some(9), None, Some(-5)],
    );
    let answer = ask(Some(rows.clone()), "SELECT vwap(price, size) FROM rows").unwrap();
    assert_eq!(floats(&answer, 0), [Some(12.5)]);
    let none = ask(Some(rows.clone()), "SELECT vwap(price, size) FROM rows WHERE price > 25").unwrap();
    assert_eq!(floats(&none, 0), [None]);
    let window = "SELECT vwap(price, size) OVER (ORDER BY time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM rows ORDER BY time";
    let moving = ask(Some(rows), window).unwrap();
    assert_eq!(floats(&moving, 0), [Some(10.0), Some(12.5), Some(20.0), None, None, None]);
}

#[test]
fn a_realised_volatility_does_not_hang_on_the_order_of_rows() {
    // Four returns of ±10 % in logarithms over four days.
    let step = 0.1_f64.exp();
    let prices = [100.0, 100.0 * step, 100.0, 100.0 * step, 100.0];
    let rows = trades(&prices.map(Some), &[Some(1); 5]);
    let wanted = (4.0 * 0.01 / (4.0 / 365.0_f64)).sqrt();
    for order in ["time", "time DESC", "price"] {
        let sql = format!("SELECT realised_volatility(price, time) FROM (SELECT * FROM rows ORDER BY {order})");
        let found = floats(&ask(Some(rows.clone()), &sql).unwrap(), 0)[0].unwrap();
        assert!((found - wanted).abs() < 1e-12, "{order}: {found} {wanted}");
    }
    let grouped = "SELECT realised_volatility(price, time) FROM rows GROUP BY price > 0";
    assert!((floats(&ask(Some(rows.clone()), grouped).unwrap(), 0)[0].unwrap() - wanted).abs() < 1e-12);
    let single = "SELECT realised_volatility(price, time) FROM rows WHERE price = 0 OR time < '1970-01-02'";
    assert_eq!(floats(&ask(Some(rows), single).unwrap(), 0), [None]);
}

#[test]
fn every_example_runs_and_names_are_said_once() {
    let listed = functions();
    let names: std::collections::BTreeSet<_> = listed.iter().map(|function| &function.name).collect();
    assert_eq!(names.len(), listed.len());
    for function in listed.iter().filter(|function| !function.example.contains("surface,")) {
        let rows = trades(&[Some(10.0), Some(11.0)], &[Some(1), Some(2)]);
        let sql = format!("SELECT {} FROM rows", function.example.replace("close", "price"));
        let answer = ask(Some(rows), &sql).unwrap();
        assert!(answer.num_rows() > 0 && answer.column(0).null_count() == 0, "{sql}");
    }
}
