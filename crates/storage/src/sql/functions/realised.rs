//! Realised volatility of a column of prices, whatever order its rows come in.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float64Array, TimestampNanosecondArray,
    cast::AsArray,
    types::{Float64Type, TimestampNanosecondType},
};
use arrow_schema::{DataType, Field, TimeUnit};
use datafusion::{
    common::{Result, ScalarValue, utils::SingleRowListArrayBuilder},
    logical_expr::Accumulator,
};
use zomma_base::time::SECONDS_PER_YEAR;

use super::{
    FunctionInfo, Shape,
    aggregates::Aggregate,
    arguments::{Argument, Kind},
    years::instants,
};

/// `realised_volatility(price, time)`.
pub(super) fn function() -> Aggregate {
    let info = FunctionInfo {
        name: "realised_volatility".into(),
        shape: Shape::Aggregate,
        arguments: vec![Argument::number("price"), Argument::of("time", Kind::Time)],
        returns: "float",
        unit: "per square root of a year",
        about: "square root of the sum of squared log returns over the years from first to last time; prices not above 0 are \
                left out; null below two times"
            .into(),
        example: "realised_volatility(close, time)".into(),
    };
    let list = |of: DataType| DataType::List(Arc::new(Field::new_list_field(of, true)));
    let state = vec![("prices", list(DataType::Float64)), ("times", list(time_type()))];
    Aggregate::new(info, state, || Box::new(Realised::default()))
}

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, None)
}

/// All prices with their times: returns are of neighbours in time, which are known when the last row is.
#[derive(Debug, Default)]
struct Realised {
    /// Nanoseconds since the epoch, and price.
    points: Vec<(i64, f64)>,
}

impl Realised {
    /// RV annualised: √(Σ ln²(pᵢ/pᵢ₋₁) / years).
    fn volatility(&mut self) -> Option<f64> {
        // Of prices at one time the order is that of the prices: whatever it is, it must not hang on how rows were split.
        self.points.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let (first, last) = (self.points.first()?.0, self.points.last()?.0);
        let years = (i128::from(last) - i128::from(first)) as f64 / 1e9 / SECONDS_PER_YEAR;
        let variance: f64 = self.points.windows(2).map(|pair| (pair[1].1 / pair[0].1).ln().powi(2)).sum();
        Some((variance / years).sqrt()).filter(|volatility| years > 0.0 && volatility.is_finite())
    }
}

impl Accumulator for Realised {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let prices = values[0].as_primitive::<Float64Type>();
        for (price, time) in prices.iter().zip(instants(&values[1])?) {
            let time = time.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
            if let (Some(price), Some(time)) = (price, time)
                && price > 0.0
                && price.is_finite()
            {
                self.points.push((time, price));
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [prices, times] = [0, 1].map(|at| states[at].as_list::<i32>());
        for (prices, times) in prices.iter().zip(times.iter()) {
            let (Some(prices), Some(times)) = (prices, times) else { continue };
            let prices = prices.as_primitive::<Float64Type>().values().iter().copied();
            let times = times.as_primitive::<TimestampNanosecondType>().values().iter().copied();
            self.points.extend(times.zip(prices));
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (times, prices): (Vec<i64>, Vec<f64>) = std::mem::take(&mut self.points).into_iter().unzip();
        let list = |array: ArrayRef| SingleRowListArrayBuilder::new(array).build_list_scalar();
        Ok(vec![list(Arc::new(Float64Array::from(prices))), list(Arc::new(TimestampNanosecondArray::from(times)))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.volatility()))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.points.capacity() * size_of::<(i64, f64)>()
    }
}
