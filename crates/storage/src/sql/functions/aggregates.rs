//! What our aggregates share with each other before DataFusion, and the one that needs no order: vwap.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow_array::{ArrayRef, cast::AsArray, types::Float64Type};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::{
    common::{Result, ScalarValue, plan_err},
    logical_expr::{
        Accumulator, AggregateUDFImpl, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::{AggregateOrderSensitivity, format_state_name},
    },
};

use super::{
    FunctionInfo, Shape,
    arguments::{self, Argument},
};

/// A function that gives one float of many rows.
pub(super) struct Aggregate {
    info: FunctionInfo,
    signature: Signature,
    /// Name and type of what an accumulator hands on to the one that joins it with others.
    state: Vec<(&'static str, DataType)>,
    accumulator: fn() -> Box<dyn Accumulator>,
}

impl Aggregate {
    /// By its description, what its accumulators hand on, and how one is begun.
    pub(super) fn new(
        info: FunctionInfo,
        state: Vec<(&'static str, DataType)>,
        accumulator: fn() -> Box<dyn Accumulator>,
    ) -> Self {
        Self { info, signature: Signature::user_defined(Volatility::Immutable), state, accumulator }
    }

    /// Its description.
    pub(super) fn info(&self) -> &FunctionInfo {
        &self.info
    }
}

impl AggregateUDFImpl for Aggregate {
    fn name(&self) -> &str {
        &self.info.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arguments::coerced(&self.info.arguments, given))
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        arguments::check(&self.info.name, &self.info.arguments, given)?;
        Ok(DataType::Float64)
    }

    fn accumulator(&self, call: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if call.is_distinct {
            return plan_err!("{}: DISTINCT is not supported, since equal rows count too", self.info.name);
        }
        Ok((self.accumulator)())
    }

    fn state_fields(&self, call: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field =
            |(name, of): &(&str, DataType)| Arc::new(Field::new(format_state_name(call.name, name), of.clone(), true));
        Ok(self.state.iter().map(field).collect())
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

// Names are unique among functions, so that they tell one from another.
impl PartialEq for Aggregate {
    fn eq(&self, other: &Self) -> bool {
        self.info.name == other.info.name
    }
}

impl Eq for Aggregate {}

impl Hash for Aggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.info.name.hash(state);
    }
}

impl fmt::Debug for Aggregate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Aggregate").field("name", &self.info.name).finish_non_exhaustive()
    }
}

/// `vwap(price, size)`.
pub(super) fn vwap() -> Aggregate {
    let info = FunctionInfo {
        name: "vwap".into(),
        shape: Shape::Aggregate,
        arguments: vec![Argument::number("price"), Argument::number("size")],
        returns: "float",
        unit: "unit of the price",
        about:
            "mean price weighted by size, over rows with a finite price and a size above 0; null where there is none"
                .into(),
        example: "vwap(price, size)".into(),
    };
    let state = vec![("turnover", DataType::Float64), ("size", DataType::Float64), ("rows", DataType::Int64)];
    Aggregate::new(info, state, || Box::new(Vwap::default()))
}

#[derive(Debug, Default)]
struct Vwap {
    turnover: f64,
    size: f64,
    rows: i64,
}

impl Vwap {
    /// Adds rows, or takes them back where `sign` is −1.
    fn count(&mut self, values: &[ArrayRef], sign: i64) {
        let [prices, sizes] = [0, 1].map(|at| values[at].as_primitive::<Float64Type>());
        for (price, size) in prices.iter().zip(sizes) {
            let (Some(price), Some(size)) = (price, size) else { continue };
            if price.is_finite() && size.is_finite() && size > 0.0 {
                self.turnover += sign as f64 * price * size;
                self.size += sign as f64 * size;
                self.rows += sign;
            }
        }
        if self.rows == 0 {
            // What rounding left of a window that is empty again.
            *self = Self::default();
        }
    }
}

impl Accumulator for Vwap {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count(values, 1);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count(values, -1);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let sum = |at: usize| states[at].as_primitive::<Float64Type>().iter().flatten().sum::<f64>();
        self.turnover += sum(0);
        self.size += sum(1);
        self.rows += states[2].as_primitive::<arrow_array::types::Int64Type>().iter().flatten().sum::<i64>();
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.turnover.into(), self.size.into(), self.rows.into()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mean = (self.rows > 0).then(|| self.turnover / self.size).filter(|mean| mean.is_finite());
        Ok(ScalarValue::Float64(mean))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
