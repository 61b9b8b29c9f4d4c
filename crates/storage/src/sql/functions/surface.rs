//! Volatilities of the surfaces that the table `surfaces` keeps as text.

use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use datafusion::common::{Result, exec_datafusion_err};
use zomma_pricing::surface::fitted::{Place, SavedSurface};

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
    // A surface is read once for all rows in a row that ask it.
    let mut read: Option<(&str, SavedSurface)> = None;
    for row in (0..rows.len()).filter(|&row| rows.nulls().is_none_or(|nulls| nulls.is_valid(row))) {
        let text = texts.value(row);
        let surface = match read.take() {
            Some((last, surface)) if last == text => surface,
            _ => SavedSurface::from_json(text)
                .map_err(|error| exec_datafusion_err!("surface_volatility: the text {error}"))?,
        };
        let place = Place { strike: Some(strikes[row]), expiry_years: years[row], ..Place::default() };
        values[row] = surface.implied_vol_at(&place).0;
        read = Some((text, surface));
    }
    Ok(values)
}
