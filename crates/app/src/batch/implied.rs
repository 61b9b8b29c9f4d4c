//! The volatilities of a request's prices: European ones on the device that was chosen, others on the processor.

use zomma_base::Status;
use zomma_gpu::recovery::Place;
use zomma_pricing::{
    black::{Model, RowColumns},
    implied_vol::{self, BsmPriceColumns, PriceColumns},
    valuation::{self, Kind, Order, Results, Settings, Table},
};

use super::{engine::Engine, evaluate::bytes_per_row, request::Request};

/// The volatility of every row's price.
pub(super) fn evaluate(request: &Request, engine: &Engine) -> anyhow::Result<Results> {
    // The price travels in the place of the volatility, which it determines.
    let table = Table { volatility: request.price.clone(), ..request.table.clone() };
    valuation::evaluate_with(&table, Order::None, &Settings::default(), |kind, part| {
        let rows = part.columns();
        let mut status = vec![Status::Ok; part.len()];
        let column = match kind {
            Kind::Black(Model::Bsm) => on_spot(&rows, engine, &mut status)?,
            Kind::Black(Model::Black76) => on_forward(&rows, engine, &mut status)?,
            _ => return Ok(valuation::implied_volatility_kind(kind, part)),
        };
        Ok(Results { columns: vec![column], status, ..Results::default() })
    })
}

fn on_spot(rows: &RowColumns<'_>, engine: &Engine, status: &mut [Status]) -> anyhow::Result<Vec<f64>> {
    let mut volatility = vec![f64::NAN; status.len()];
    engine.compute(status.len(), bytes_per_row(1), |place, at| {
        let part = rows.part(at.clone());
        let rows = BsmPriceColumns {
            option_type: part.option_type,
            spot: part.spot,
            strike: part.strike,
            expiry_years: part.expiry_years,
            risk_free_rate: part.risk_free_rate,
            dividend_yield: part.dividend_yield,
            price: part.volatility,
        };
        let (out, status) = (&mut volatility[at.clone()], &mut status[at]);
        match place {
            Place::Cpu => implied_vol::implied_volatility_bsm(&rows, out, status),
            Place::Device(compute) => implied_vol::launch::implied_volatility_bsm(compute, &rows, out, status)?,
        }
        Ok(())
    })?;
    Ok(volatility)
}

fn on_forward(rows: &RowColumns<'_>, engine: &Engine, status: &mut [Status]) -> anyhow::Result<Vec<f64>> {
    let mut volatility = vec![f64::NAN; status.len()];
    let discount_factor: Vec<f64> =
        rows.risk_free_rate.iter().zip(rows.expiry_years).map(|(rate, years)| (-rate * years).exp()).collect();
    engine.compute(status.len(), bytes_per_row(1), |place, at| {
        let part = rows.part(at.clone());
        let rows = PriceColumns {
            option_type: part.option_type,
            forward: part.spot,
            strike: part.strike,
            expiry_years: part.expiry_years,
            discount_factor: &discount_factor[at.clone()],
            price: part.volatility,
        };
        let (out, status) = (&mut volatility[at.clone()], &mut status[at]);
        match place {
            Place::Cpu => implied_vol::implied_volatility(&rows, out, status),
            Place::Device(compute) => implied_vol::launch::implied_volatility(compute, &rows, out, status)?,
        }
        Ok(())
    })?;
    // The discount factor is made of the rate that the user gave: the fault is named by the field.
    for (status, rate) in status.iter_mut().zip(rows.risk_free_rate) {
        if !rate.is_finite() {
            *status = Status::BadRate;
        }
    }
    Ok(volatility)
}
