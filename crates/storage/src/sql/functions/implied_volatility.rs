//! Implied volatilities and what became of each price, by the batch formulae of `zomma iv`.

use arrow_schema::DataType;
use zomma_base::Status;
use zomma_pricing::{
    black::Model,
    implied_vol::{self, BsmPriceColumns, PriceColumns},
};

use super::{
    FunctionInfo, Shape,
    arguments::{Argument, Kind, Rows},
    black::statuses,
    scalar::Scalar,
};

/// Arguments of a price on spot.
const ON_SPOT: &[Argument] = &[
    Argument::of("option_type", Kind::OptionType),
    Argument::number("price"),
    Argument::number("spot"),
    Argument::number("strike"),
    Argument::number("expiry_years"),
    Argument::number("risk_free_rate"),
    Argument::number("dividend_yield"),
];

/// Arguments of a price on a forward.
const ON_FORWARD: &[Argument] = &[
    Argument::of("option_type", Kind::OptionType),
    Argument::number("price"),
    Argument::number("forward"),
    Argument::number("strike"),
    Argument::number("expiry_years"),
    Argument::number("risk_free_rate"),
];

/// Every function of this file.
pub(super) fn functions() -> Vec<Scalar> {
    [Model::Bsm, Model::Black76].into_iter().flat_map(|model| [volatility(model), status(model)]).collect()
}

fn info(name: &str, model: Model) -> FunctionInfo {
    let (name, arguments, call) = match model {
        Model::Bsm => (name.to_owned(), ON_SPOT, "('call', 6.05, 100, 100, 0.5, 0.03, 0.01)"),
        Model::Black76 => (format!("black76_{name}"), ON_FORWARD, "('call', 5.55, 100, 100, 0.5, 0.03)"),
    };
    FunctionInfo {
        shape: Shape::Row,
        arguments: arguments.to_vec(),
        returns: "float",
        unit: "per square root of a year",
        about: "volatility that gives the price of a European option".into(),
        example: format!("{name}{call}"),
        name,
    }
}

fn volatility(model: Model) -> Scalar {
    Scalar::new(
        info("implied_volatility", model),
        DataType::Float64,
        Box::new(move |rows| {
            let (values, status) = evaluate(rows, model);
            Ok(rows.floats(values, |row| status[row].is_ok()))
        }),
    )
}

fn status(model: Model) -> Scalar {
    let info = FunctionInfo {
        returns: "text",
        unit: "no unit",
        about: "ok, or why there is no volatility: below_intrinsic, above_maximum, undetermined, bad_strike …".into(),
        ..info("implied_volatility_status", model)
    };
    Scalar::new(info, DataType::Utf8, Box::new(move |rows| Ok(statuses(rows, &evaluate(rows, model).1))))
}

fn evaluate(rows: &Rows, model: Model) -> (Vec<f64>, Vec<Status>) {
    let (option_type, unknown) = rows.option_types(0);
    let mut values = vec![f64::NAN; rows.len()];
    let mut status = vec![Status::Ok; rows.len()];
    let [price, underlying, strike, expiry_years, risk_free_rate] = [1, 2, 3, 4, 5].map(|at| rows.numbers(at));
    match model {
        Model::Bsm => {
            let columns = BsmPriceColumns {
                option_type: &option_type,
                spot: underlying,
                strike,
                expiry_years,
                risk_free_rate,
                dividend_yield: rows.numbers(6),
                price,
            };
            implied_vol::implied_volatility_bsm(&columns, &mut values, &mut status);
        }
        Model::Black76 => {
            let discounts: Vec<f64> =
                risk_free_rate.iter().zip(expiry_years).map(|(rate, years)| (-rate * years).exp()).collect();
            let columns = PriceColumns {
                option_type: &option_type,
                forward: underlying,
                strike,
                expiry_years,
                discount_factor: &discounts,
                price,
            };
            implied_vol::implied_volatility(&columns, &mut values, &mut status);
            // The discount factor is made of the rate: the fault is named by what was given.
            for (status, rate) in status.iter_mut().zip(risk_free_rate) {
                if !rate.is_finite() {
                    *status = Status::BadRate;
                }
            }
        }
    }
    for row in unknown {
        status[row] = Status::BadOptionType;
    }
    (values, status)
}
