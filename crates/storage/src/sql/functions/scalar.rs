//! A function of ours as DataFusion sees it: the planner's questions answered from its description, the rows given to its formula.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use datafusion::{
    common::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility},
};

use super::{
    FunctionInfo,
    arguments::{self, Rows},
};

/// Values all rows of a call.
pub(super) type Formula = Box<dyn Fn(&Rows) -> Result<ArrayRef> + Send + Sync>;

/// A function that gives one value a row.
pub(super) struct Scalar {
    info: FunctionInfo,
    returns: DataType,
    signature: Signature,
    formula: Formula,
}

impl Scalar {
    /// By its description, what it returns, and its formula.
    pub(super) fn new(info: FunctionInfo, returns: DataType, formula: Formula) -> Self {
        Self { info, returns, signature: Signature::user_defined(Volatility::Immutable), formula }
    }

    /// Its description.
    pub(super) fn info(&self) -> &FunctionInfo {
        &self.info
    }
}

impl ScalarUDFImpl for Scalar {
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
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = Rows::of(&self.info.arguments, call.args, call.number_rows)?;
        Ok(ColumnarValue::Array((self.formula)(&rows)?))
    }
}

// Names are unique among functions, so that they tell one from another.
impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.info.name == other.info.name
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.info.name.hash(state);
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Scalar").field("name", &self.info.name).finish_non_exhaustive()
    }
}
