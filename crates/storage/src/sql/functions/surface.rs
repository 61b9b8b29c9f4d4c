//! Volatilities of the surfaces that the table `surfaces` keeps as text.

use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use datafusion::common::{Result, exec_datafusion_err};
use zomma_base::Status;
use zomma_pricing::surface::fitted::{Places, SavedSurface};

use super::{
    FunctionInfo, Shape,
    arguments::{Argument, Kind, Rows},
    scalar::Scalar,
};

const ARGUMENTS: &[Argument] =
    &[Argument::of("surface", Kind::Text), Argument::number("strike"), Argument::number("expiry_years")];

/// `surface_volatility(surface, strike, expiry_years)`.
pub(super) fn function() -> Scalar {
    let info = FunctionInfo {
        name: "surface_volatility".into(),
        shape: Shape::Row,
        arguments: ARGUMENTS.to_vec(),
        returns: "float",
        unit: "per square root of a year",
        about: "volatility of a surface of `zomma surface fit` at a strike, against the surface's own forward; null where it \
                has none"
            .into(),
        example: "surface_volatility(surface, 100, 0.5)".into(),
    };
    Scalar::new(
        info,
        DataType::Float64,
        Box::new(|rows| {
            let values = volatilities(rows)?;
            Ok(rows.floats(values, |_| true))
        }),
    )
}

fn volatilities(rows: &Rows) -> Result<Vec<f64>> {
    let texts = rows.column(0).as_string_view();
    let (strikes, years) = (rows.numbers(1), rows.numbers(2));
    let mut values = vec![f64::NAN; rows.len()];
    let asked: Vec<usize> =
        (0..rows.len()).filter(|&row| rows.nulls().is_none_or(|nulls| nulls.is_valid(row))).collect();
    // A surface is read once for all rows in a row that ask it, and asked for them together.
    for run in asked.chunk_by(|&one, &next| texts.value(one) == texts.value(next)) {
        let surface = SavedSurface::from_json(texts.value(run[0]))
            .map_err(|error| exec_datafusion_err!("surface_volatility: the text {error}"))?;
        let of = |column: &[f64]| run.iter().map(|&row| column[row]).collect::<Vec<f64>>();
        let (strike, expiry_years, none) = (of(strikes), of(years), vec![f64::NAN; run.len()]);
        let places = Places { strike: &strike, log_moneyness: &none, forward: &none, expiry_years: &expiry_years };
        let (mut volatilities, mut status) = (vec![f64::NAN; run.len()], vec![Status::Ok; run.len()]);
        surface.implied_vols_at(&places, &mut volatilities, &mut status);
        for (row, volatility) in run.iter().zip(volatilities) {
            values[*row] = volatility;
        }
    }
    Ok(values)
}
