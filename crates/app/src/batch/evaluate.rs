//! Values a request: Black's formulae and American exercise on the device that was chosen, what has no kernel on the processor.

use std::ops::Range;

use zomma_base::Status;
use zomma_gpu::{GpuError, recovery::Place};
use zomma_pricing::{
    american::{self, Accuracy, device},
    black::{self, Greek, GreekColumns, Model, RowColumns},
    valuation::{self, American, Kind, Method, Order, Results, Table},
};

use super::{
    args::{Plan, Precision, Units},
    engine::Engine,
    implied,
    request::Request,
};

/// What a row takes on a device, in bytes: six numbers and a type in, a flag and the results out.
pub(super) const fn bytes_per_row(results: usize) -> usize {
    (6 + results) * size_of::<f64>() + 2 * size_of::<u32>()
}

/// Values every row of a request.
pub fn evaluate(request: &Request, plan: &Plan) -> anyhow::Result<Results> {
    let mut results = match (&plan.network, plan.verb.order()) {
        (Some(network), _) => network.evaluate(request),
        (None, Some((order, units))) => {
            let mut results = values(&request.table, order, plan)?;
            in_units(&mut results, order, units);
            if plan.error_column.is_some() {
                let mut error = std::mem::take(&mut results.error);
                // Where no row's engine states one.
                error.resize(results.status.len(), f64::NAN);
                results.columns.push(error);
            }
            if plan.greek_errors {
                let mut errors = std::mem::take(&mut results.greek_errors);
                errors.resize_with(order.simulated().count(), || vec![f64::NAN; results.status.len()]);
                for ((greek, _), mut column) in order.simulated().zip(errors) {
                    let divisor = units.divisor(greek);
                    column.iter_mut().for_each(|error| *error /= divisor);
                    results.columns.push(column);
                }
            }
            results
        }
        (None, None) => implied::evaluate(request, &plan.engine)?,
    };
    for (row, _) in results.status.iter().enumerate().filter(|(_, status)| !status.has_numbers()) {
        results.columns.iter_mut().for_each(|column| column[row] = f64::NAN);
    }
    if plan.precision == Precision::F32 {
        results.columns.iter_mut().flatten().for_each(|value| *value = f64::from(*value as f32));
    }
    Ok(results)
}

fn values(table: &Table, order: Order, plan: &Plan) -> anyhow::Result<Results> {
    valuation::evaluate_with(table, order, &plan.settings, |kind, part| match kind {
        Kind::Black(model) => black_rows(part, model, order, &plan.engine),
        Kind::American(underlying) if plan.settings.method != Method::Tree => {
            valuation::evaluate_american(underlying, part, order, &plan.settings, |rows, accuracy, wanted, status| {
                american_rows(rows, accuracy, wanted, status, &plan.engine)
            })
        }
        _ => Ok(valuation::evaluate_kind(kind, part, order, &plan.settings)),
    })
}

fn black_rows(table: &Table, model: Model, order: Order, engine: &Engine) -> anyhow::Result<Results> {
    let rows = table.columns();
    let mut status = vec![Status::Ok; table.len()];
    let columns = if order == Order::None {
        vec![price(&rows, model, engine, &mut status)?]
    } else {
        let mut all = greeks(&rows, model, engine, &mut status)?;
        order.quantities().map(|greek| std::mem::take(&mut all.columns_mut()[greek as usize])).collect()
    };
    Ok(Results { columns, status, ..Results::default() })
}

fn american_rows(
    rows: &RowColumns<'_>,
    accuracy: &Accuracy,
    wanted: American<'_>,
    status: &mut [Status],
    engine: &Engine,
) -> anyhow::Result<()> {
    let count = status.len();
    match wanted {
        American::Price(out) => engine.compute(count, device::price_bytes_per_row(accuracy), |place, at| {
            let (rows, out, status) = (rows.part(at.clone()), &mut out[at.clone()], &mut status[at]);
            match place {
                Place::Cpu => american::price_batch(&rows, accuracy, out, status),
                Place::Device(compute) => device::price(compute, &rows, accuracy, out, status)?,
            }
            Ok(())
        }),
        American::Greeks(greeks) => engine.compute(count, device::greeks_bytes_per_row(accuracy), |place, at| {
            let (rows, status) = (rows.part(at.clone()), &mut status[at.clone()]);
            in_place(greeks, count, at, |out| {
                match place {
                    Place::Cpu => american::greeks_batch(&rows, accuracy, out, status),
                    Place::Device(compute) => device::greeks(compute, &rows, accuracy, out, status)?,
                }
                Ok(())
            })
        }),
    }
}

/// Lets `fill` write the rows `at` of `greeks`, which has `count`: a batch that went whole, as nearly all do, is written where it belongs, a
/// piece is copied there.
fn in_place(
    greeks: &mut GreekColumns,
    count: usize,
    at: Range<usize>,
    fill: impl FnOnce(&mut GreekColumns) -> Result<(), GpuError>,
) -> Result<(), GpuError> {
    if at.len() == count {
        return fill(greeks);
    }
    let mut piece = GreekColumns::zeros(at.len());
    fill(&mut piece)?;
    for (whole, part) in greeks.columns_mut().iter_mut().zip(piece.columns_mut()) {
        whole[at.clone()].copy_from_slice(part);
    }
    Ok(())
}

fn price(rows: &RowColumns<'_>, model: Model, engine: &Engine, status: &mut [Status]) -> anyhow::Result<Vec<f64>> {
    let mut price = vec![0.0; status.len()];
    engine.compute(status.len(), bytes_per_row(1), |place, at| {
        let (rows, out) = (rows.part(at.clone()), &mut price[at.clone()]);
        match place {
            Place::Cpu => black::price(&rows, model, out, &mut status[at]),
            Place::Device(compute) => black::launch::price(compute, &rows, model, out, &mut status[at])?,
        }
        Ok(())
    })?;
    Ok(price)
}

fn greeks(rows: &RowColumns<'_>, model: Model, engine: &Engine, status: &mut [Status]) -> anyhow::Result<GreekColumns> {
    let count = status.len();
    let mut greeks = GreekColumns::zeros(count);
    engine.compute(count, bytes_per_row(Greek::ALL.len()), |place, at| {
        let (rows, status) = (rows.part(at.clone()), &mut status[at.clone()]);
        in_place(&mut greeks, count, at, |out| {
            match place {
                Place::Cpu => black::greeks(&rows, model, out, status),
                Place::Device(compute) => black::launch::greeks(compute, &rows, model, out, status)?,
            }
            Ok(())
        })
    })?;
    Ok(greeks)
}

fn in_units(results: &mut Results, order: Order, units: Units) {
    for (greek, column) in order.quantities().zip(&mut results.columns) {
        let divisor = units.divisor(greek);
        if divisor != 1.0 {
            column.iter_mut().for_each(|value| *value /= divisor);
        }
    }
}
