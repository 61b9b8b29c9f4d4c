//! Prices and Greeks of European options, by the batch formulae of `zomma price` and `zomma greeks`.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray, StructArray};
use arrow_schema::{DataType, Field, Fields};
use zomma_base::Status;
use zomma_pricing::black::{self, Greek, GreekColumns, Model, RowColumns};

use super::{
    FunctionInfo, Shape,
    arguments::{Argument, Kind, Rows},
    scalar::Scalar,
};

/// Arguments under Black–Scholes–Merton.
const ON_SPOT: &[Argument] = &[
    Argument::of("option_type", Kind::OptionType),
    Argument::number("spot"),
    Argument::number("strike"),
    Argument::number("expiry_years"),
    Argument::number("risk_free_rate"),
    Argument::number("dividend_yield"),
    Argument::number("volatility"),
];

/// Arguments under Black-76.
const ON_FORWARD: &[Argument] = &[
    Argument::of("option_type", Kind::OptionType),
    Argument::number("forward"),
    Argument::number("strike"),
    Argument::number("expiry_years"),
    Argument::number("risk_free_rate"),
    Argument::number("volatility"),
];

/// What `greeks` returns as its last field.
const STATUS: &str = "status";

/// Every function of this file.
pub(super) fn functions() -> Vec<Scalar> {
    let mut functions = Vec::new();
    for model in [Model::Bsm, Model::Black76] {
        functions.push(price(model));
        functions.push(greeks(model));
        // Under Black-76 there is no yield to move.
        let quantities = Greek::ALL.into_iter().filter(|greek| match greek {
            Greek::Price => false,
            Greek::Phi => model == Model::Bsm,
            _ => true,
        });
        functions.extend(quantities.map(|quantity| greek(quantity, model)));
    }
    functions
}

fn arguments(model: Model) -> &'static [Argument] {
    match model {
        Model::Bsm => ON_SPOT,
        Model::Black76 => ON_FORWARD,
    }
}

fn named(name: &str, model: Model) -> String {
    match model {
        Model::Bsm => name.to_owned(),
        Model::Black76 => format!("black76_{name}"),
    }
}

fn formula(model: Model) -> &'static str {
    match model {
        Model::Bsm => "Black-Scholes-Merton",
        Model::Black76 => "Black-76",
    }
}

/// A call at the money, as the examples show it.
fn example(name: &str, model: Model) -> String {
    match model {
        Model::Bsm => format!("{name}('call', 100, 100, 0.5, 0.03, 0.01, 0.2)"),
        Model::Black76 => format!("{name}('call', 100, 100, 0.5, 0.03, 0.2)"),
    }
}

fn price(model: Model) -> Scalar {
    let name = match model {
        Model::Bsm => "bs_price".to_owned(),
        Model::Black76 => "black76_price".to_owned(),
    };
    let info = FunctionInfo {
        shape: Shape::Row,
        arguments: arguments(model).to_vec(),
        returns: "float",
        unit: "currency of the spot",
        about: format!("price of a European option under {}", formula(model)),
        example: example(&name, model),
        name,
    };
    Scalar::new(
        info,
        DataType::Float64,
        Box::new(move |rows| {
            let mut values = vec![f64::NAN; rows.len()];
            let status = evaluate(rows, model, |columns, status| black::price(columns, model, &mut values, status));
            Ok(rows.floats(values, |row| status[row].is_ok()))
        }),
    )
}

fn greek(quantity: Greek, model: Model) -> Scalar {
    let name = named(quantity.as_str(), model);
    let info = FunctionInfo {
        shape: Shape::Row,
        arguments: arguments(model).to_vec(),
        returns: "float",
        unit: unit(quantity),
        about: format!("{} of a European option under {}", definition(quantity), formula(model)),
        example: example(&name, model),
        name,
    };
    Scalar::new(
        info,
        DataType::Float64,
        Box::new(move |rows| {
            let mut columns = GreekColumns::zeros(rows.len());
            let status = evaluate(rows, model, |options, status| match quantity {
                Greek::Delta | Greek::Gamma | Greek::Vega | Greek::Theta | Greek::Rho => {
                    black::price_and_five(options, model, &mut columns, status);
                }
                _ => black::greeks(options, model, &mut columns, status),
            });
            let values = std::mem::take(&mut columns.columns_mut()[quantity as usize]);
            Ok(rows.floats(values, |row| status[row].is_ok()))
        }),
    )
}

fn greeks(model: Model) -> Scalar {
    let name = named("greeks", model);
    let info = FunctionInfo {
        shape: Shape::Row,
        arguments: arguments(model).to_vec(),
        returns: "struct",
        unit: "raw units by field",
        about: format!(
            "price, the 18 Greeks and status of a European option under {}, as fields of one value",
            formula(model)
        ),
        example: format!("{}['delta']", example(&name, model)),
        name,
    };
    let fields = greek_fields();
    let returns = DataType::Struct(fields.clone());
    Scalar::new(
        info,
        returns,
        Box::new(move |rows| {
            let mut columns = GreekColumns::zeros(rows.len());
            let status = evaluate(rows, model, |options, status| black::greeks(options, model, &mut columns, status));
            let mut arrays: Vec<ArrayRef> = columns
                .columns_mut()
                .iter_mut()
                .map(|column| rows.floats(std::mem::take(column), |row| status[row].is_ok()))
                .collect();
            arrays.push(statuses(rows, &status));
            Ok(Arc::new(StructArray::try_new(fields.clone(), arrays, rows.nulls().cloned())?))
        }),
    )
}

fn greek_fields() -> Fields {
    let numbers = Greek::ALL.into_iter().map(|greek| Field::new(greek.as_str(), DataType::Float64, true));
    numbers.chain([Field::new(STATUS, DataType::Utf8, true)]).collect()
}

/// Gives the rows to a formula; what became of each.
fn evaluate(rows: &Rows, model: Model, formula: impl FnOnce(&RowColumns<'_>, &mut [Status])) -> Vec<Status> {
    let (option_type, unknown) = rows.option_types(0);
    let mut status = vec![Status::Ok; rows.len()];
    // What Black-76 does not read.
    let no_yield = if model == Model::Black76 { vec![0.0; rows.len()] } else { Vec::new() };
    let columns = RowColumns {
        option_type: &option_type,
        spot: rows.numbers(1),
        strike: rows.numbers(2),
        expiry_years: rows.numbers(3),
        risk_free_rate: rows.numbers(4),
        dividend_yield: if model == Model::Bsm { rows.numbers(5) } else { &no_yield },
        volatility: rows.numbers(if model == Model::Bsm { 6 } else { 5 }),
    };
    formula(&columns, &mut status);
    for row in unknown {
        status[row] = Status::BadOptionType;
    }
    status
}

/// Statuses as text, null in the rows that have a null argument.
pub(super) fn statuses(rows: &Rows, status: &[Status]) -> ArrayRef {
    let is_null = |row: usize| rows.nulls().is_some_and(|nulls| nulls.is_null(row));
    let texts = status.iter().enumerate().map(|(row, status)| (!is_null(row)).then(|| status.as_str()));
    Arc::new(texts.collect::<StringArray>())
}

fn definition(quantity: Greek) -> &'static str {
    match quantity {
        Greek::Price => "V",
        Greek::Delta => "dV/dS",
        Greek::Gamma => "d2V/dS2",
        Greek::Vega => "dV/dvol",
        Greek::Theta => "-dV/dT (calendar decay)",
        Greek::Rho => "dV/dr",
        Greek::Phi => "dV/dq",
        Greek::Vanna => "d2V/dS dvol",
        Greek::Charm => "-d2V/dS dT",
        Greek::Vomma => "d2V/dvol2",
        Greek::Veta => "-d2V/dvol dT",
        Greek::Vera => "d2V/dvol dr",
        Greek::Speed => "d3V/dS3",
        Greek::Zomma => "d3V/dS2 dvol",
        Greek::Color => "-d3V/dS2 dT",
        Greek::Ultima => "d3V/dvol3",
        Greek::DualDelta => "dV/dK",
        Greek::DualGamma => "d2V/dK2",
        Greek::Lambda => "S delta/V",
    }
}

fn unit(quantity: Greek) -> &'static str {
    match quantity {
        Greek::Price => "currency",
        Greek::Delta | Greek::DualDelta | Greek::Lambda => "no unit",
        Greek::Gamma | Greek::DualGamma => "per currency",
        Greek::Vega | Greek::Rho | Greek::Phi => "currency per 1.00",
        Greek::Theta => "currency per year",
        Greek::Vanna => "per 1.00",
        Greek::Charm => "per year",
        Greek::Vomma | Greek::Vera => "currency per 1.00 squared",
        Greek::Veta => "currency per 1.00 and year",
        Greek::Speed => "per currency squared",
        Greek::Zomma => "per currency and 1.00",
        Greek::Color => "per currency and year",
        Greek::Ultima => "currency per 1.00 cubed",
    }
}
