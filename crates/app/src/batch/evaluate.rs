//! Values a request: Black's formulae on the device that was chosen, what has no kernel on the processor.

use zomma_base::Status;
use zomma_gpu::recovery::Place;
use zomma_pricing::{
    black::{self, Greek, GreekColumns, Model, RowColumns},
    valuation::{self, Kind, Order, Results, Table},
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
        (Some(network), _) => network.evaluate(&request.table),
        (None, Some((order, units))) => {
            let mut results = values(&request.table, order, plan)?;
            in_units(&mut results, order, units);
            if plan.error_column.is_some() {
                let mut error = std::mem::take(&mut results.error);
                // Where no row's engine states one.
                error.resize(results.status.len(), f64::NAN);
                results.columns.push(error);
            }
            results
        }
        (None, None) => implied::evaluate(request, &plan.engine)?,
    };
    for (row, _) in results.status.iter().enumerate().filter(|(_, status)| !status.is_ok()) {
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
    Ok(Results { columns, status, error: Vec::new() })
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
        let rows = rows.part(at.clone());
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
