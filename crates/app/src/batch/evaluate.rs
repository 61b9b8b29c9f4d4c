//! Values a request: by model, on the device that was chosen.

use std::ops::Range;

use zomma_base::{OptionType, Status};
use zomma_gpu::recovery::Place;
use zomma_pricing::{
    black::{self, Greek, GreekColumns, Model, RowColumns},
    implied_vol::{self, BsmPriceColumns, PriceColumns},
};

use super::{
    Verb,
    args::{Plan, Precision, Units},
    engine::Engine,
    request::Request,
};

/// What a row takes on a device, in bytes: six numbers and a type in, a flag and the results out.
const fn bytes_per_row(results: usize) -> usize {
    (6 + results) * size_of::<f64>() + 2 * size_of::<u32>()
}

/// Result columns of one chunk, and a status a row. A row whose status is not `Ok` has NaN in every column.
#[derive(Debug)]
pub struct Results {
    pub columns: Vec<Vec<f64>>,
    pub status: Vec<Status>,
}

/// Values every row of a request.
pub fn evaluate(request: &Request, plan: &Plan) -> anyhow::Result<Results> {
    let rows = request.len();
    let black76_rows = request.model.iter().filter(|&&model| model == Model::Black76).count();
    let mut results = if black76_rows == 0 {
        evaluate_model(&Inputs::of(request), Model::Bsm, plan)?
    } else if black76_rows == rows {
        evaluate_model(&Inputs::of(request), Model::Black76, plan)?
    } else {
        evaluate_mixed(request, plan)?
    };
    for row in 0..rows {
        if !request.status[row].is_ok() {
            results.status[row] = request.status[row];
        }
        if !results.status[row].is_ok() {
            results.columns.iter_mut().for_each(|column| column[row] = f64::NAN);
        }
    }
    if plan.precision == Precision::F32 {
        results.columns.iter_mut().flatten().for_each(|value| *value = f64::from(*value as f32));
    }
    Ok(results)
}

/// Rows of both models in one chunk: each model's rows are gathered, valued, and put back.
fn evaluate_mixed(request: &Request, plan: &Plan) -> anyhow::Result<Results> {
    let rows = request.len();
    let mut results = Results {
        columns: vec![vec![f64::NAN; rows]; plan.verb.result_columns().len()],
        status: vec![Status::Ok; rows],
    };
    for model in [Model::Bsm, Model::Black76] {
        let picked: Vec<usize> = (0..rows).filter(|&row| request.model[row] == model).collect();
        let gathered = Gathered::of(request, &picked);
        let part = evaluate_model(&gathered.inputs(), model, plan)?;
        for (i, &row) in picked.iter().enumerate() {
            results.status[row] = part.status[i];
            for (to, from) in results.columns.iter_mut().zip(&part.columns) {
                to[row] = from[i];
            }
        }
    }
    Ok(results)
}

/// Columns of rows of one model.
struct Inputs<'a> {
    option_type: &'a [OptionType],
    spot: &'a [f64],
    strike: &'a [f64],
    expiry_years: &'a [f64],
    risk_free_rate: &'a [f64],
    dividend_yield: &'a [f64],
    given: &'a [f64],
}

impl<'a> Inputs<'a> {
    fn of(request: &'a Request) -> Self {
        Self {
            option_type: &request.option_type,
            spot: &request.spot,
            strike: &request.strike,
            expiry_years: &request.expiry_years,
            risk_free_rate: &request.risk_free_rate,
            dividend_yield: &request.dividend_yield,
            given: &request.given,
        }
    }
}

impl<'a> Inputs<'a> {
    /// Some of the rows.
    fn part(&self, at: &Range<usize>) -> Inputs<'a> {
        Inputs {
            option_type: &self.option_type[at.clone()],
            spot: &self.spot[at.clone()],
            strike: &self.strike[at.clone()],
            expiry_years: &self.expiry_years[at.clone()],
            risk_free_rate: &self.risk_free_rate[at.clone()],
            dividend_yield: &self.dividend_yield[at.clone()],
            given: &self.given[at.clone()],
        }
    }
}

/// Copies of some rows of a request.
struct Gathered {
    option_type: Vec<OptionType>,
    numbers: [Vec<f64>; 6],
}

impl Gathered {
    fn of(request: &Request, rows: &[usize]) -> Self {
        let gather = |column: &[f64]| rows.iter().map(|&row| column[row]).collect();
        Self {
            option_type: rows.iter().map(|&row| request.option_type[row]).collect(),
            numbers: [
                gather(&request.spot),
                gather(&request.strike),
                gather(&request.expiry_years),
                gather(&request.risk_free_rate),
                gather(&request.dividend_yield),
                gather(&request.given),
            ],
        }
    }

    fn inputs(&self) -> Inputs<'_> {
        let [spot, strike, expiry_years, risk_free_rate, dividend_yield, given] = &self.numbers;
        Inputs { option_type: &self.option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, given }
    }
}

fn evaluate_model(inputs: &Inputs<'_>, model: Model, plan: &Plan) -> anyhow::Result<Results> {
    let rows = inputs.strike.len();
    let mut status = vec![Status::Ok; rows];
    let columns = match plan.verb {
        Verb::Price => vec![price(inputs, model, &plan.engine, &mut status)?],
        Verb::Greeks(units) => greeks(inputs, model, &plan.engine, units, &mut status)?,
        Verb::ImpliedVolatility => vec![implied_volatility(inputs, model, &plan.engine, &mut status)?],
    };
    Ok(Results { columns, status })
}

fn row_columns<'a>(inputs: &Inputs<'a>) -> RowColumns<'a> {
    RowColumns {
        option_type: inputs.option_type,
        spot: inputs.spot,
        strike: inputs.strike,
        expiry_years: inputs.expiry_years,
        risk_free_rate: inputs.risk_free_rate,
        dividend_yield: inputs.dividend_yield,
        volatility: inputs.given,
    }
}

fn price(inputs: &Inputs<'_>, model: Model, engine: &Engine, status: &mut [Status]) -> anyhow::Result<Vec<f64>> {
    let mut price = vec![0.0; status.len()];
    engine.compute(status.len(), bytes_per_row(1), |place, at| {
        let (rows, out) = (row_columns(&inputs.part(&at)), &mut price[at.clone()]);
        match place {
            Place::Cpu => black::price(&rows, model, out, &mut status[at]),
            Place::Device(compute) => black::launch::price(compute, &rows, model, out, &mut status[at])?,
        }
        Ok(())
    })?;
    Ok(price)
}

fn greeks(
    inputs: &Inputs<'_>,
    model: Model,
    engine: &Engine,
    units: Units,
    status: &mut [Status],
) -> anyhow::Result<Vec<Vec<f64>>> {
    let count = status.len();
    let mut greeks = GreekColumns::zeros(count);
    engine.compute(count, bytes_per_row(Greek::ALL.len()), |place, at| {
        let rows = row_columns(&inputs.part(&at));
        // A batch that went whole, as nearly all do, is written where it belongs; a piece is copied there.
        let mut piece = (at.len() < count).then(|| GreekColumns::zeros(at.len()));
        let out = piece.as_mut().unwrap_or(&mut greeks);
        match place {
            Place::Cpu => black::greeks(&rows, model, out, &mut status[at.clone()]),
            Place::Device(compute) => black::launch::greeks(compute, &rows, model, out, &mut status[at.clone()])?,
        }
        if let Some(mut piece) = piece {
            for (whole, part) in greeks.columns_mut().iter_mut().zip(piece.columns_mut()) {
                whole[at.clone()].copy_from_slice(part);
            }
        }
        Ok(())
    })?;
    let mut columns = std::mem::take(greeks.columns_mut()).to_vec();
    for (greek, column) in Greek::ALL.into_iter().zip(&mut columns) {
        let divisor = units.divisor(greek);
        if divisor != 1.0 {
            column.iter_mut().for_each(|value| *value /= divisor);
        }
    }
    Ok(columns)
}

fn implied_volatility(
    inputs: &Inputs<'_>,
    model: Model,
    engine: &Engine,
    status: &mut [Status],
) -> anyhow::Result<Vec<f64>> {
    let mut volatility = vec![f64::NAN; status.len()];
    if model == Model::Bsm {
        engine.compute(status.len(), bytes_per_row(1), |place, at| {
            let part = inputs.part(&at);
            let rows = BsmPriceColumns {
                option_type: part.option_type,
                spot: part.spot,
                strike: part.strike,
                expiry_years: part.expiry_years,
                risk_free_rate: part.risk_free_rate,
                dividend_yield: part.dividend_yield,
                price: part.given,
            };
            let (out, status) = (&mut volatility[at.clone()], &mut status[at]);
            match place {
                Place::Cpu => implied_vol::implied_volatility_bsm(&rows, out, status),
                Place::Device(compute) => implied_vol::launch::implied_volatility_bsm(compute, &rows, out, status)?,
            }
            Ok(())
        })?;
        return Ok(volatility);
    }
    let discount_factor: Vec<f64> =
        inputs.risk_free_rate.iter().zip(inputs.expiry_years).map(|(rate, years)| (-rate * years).exp()).collect();
    engine.compute(status.len(), bytes_per_row(1), |place, at| {
        let part = inputs.part(&at);
        let rows = PriceColumns {
            option_type: part.option_type,
            forward: part.spot,
            strike: part.strike,
            expiry_years: part.expiry_years,
            discount_factor: &discount_factor[at.clone()],
            price: part.given,
        };
        let (out, status) = (&mut volatility[at.clone()], &mut status[at]);
        match place {
            Place::Cpu => implied_vol::implied_volatility(&rows, out, status),
            Place::Device(compute) => implied_vol::launch::implied_volatility(compute, &rows, out, status)?,
        }
        Ok(())
    })?;
    // The discount factor is made of the rate that the user gave: the fault is named by the field.
    for (status, rate) in status.iter_mut().zip(inputs.risk_free_rate) {
        if !rate.is_finite() {
            *status = Status::BadRate;
        }
    }
    Ok(volatility)
}
