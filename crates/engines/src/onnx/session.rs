//! A model that is ready to compute.

use std::path::{Path, PathBuf};

use ort::{
    session::{Session, builder::GraphOptimizationLevel},
    value::{TensorElementType, TensorRef, ValueType},
};

use super::{OnnxError, OnnxRuntime, Provider};

/// How a model is computed.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// By whom.
    pub provider: Provider,
    /// Threads on the CPU; all cores where absent.
    pub threads: Option<usize>,
    /// Beginning of the name of the file that a profile is written to; none is measured where absent.
    pub profile: Option<PathBuf>,
}

/// A model with one input, rows × inputs, and one output, rows × 1, of f64 or f32.
#[derive(Debug)]
pub struct OnnxSession {
    session: Session,
    element: TensorElementType,
    input: String,
    output: String,
    inputs: usize,
}

impl OnnxSession {
    /// Opens a model that is in memory.
    ///
    /// Errors: [`OnnxError::Missing`], [`OnnxError::Model`] for a model of other inputs and outputs, and what ONNX Runtime says of it.
    pub fn open(runtime: &OnnxRuntime, model: &[u8], options: &SessionOptions) -> Result<Self, OnnxError> {
        options.provider.check(runtime.path())?;
        // TensorRT's profile wants the input's name and width, which only a session knows; one on the CPU is cheap.
        let plain =
            build(runtime, &SessionOptions { profile: None, provider: Provider::Cpu, ..options.clone() }, None)?;
        let plain = Self::of(commit(plain, model)?)?;
        if options.provider == Provider::Cpu && options.profile.is_none() {
            return Ok(plain);
        }
        if matches!(options.provider, Provider::TensorRt(_)) && plain.element != TensorElementType::Float32 {
            let reason =
                "the model's features are in f64, which TensorRT does not compute: export it with --precision float";
            return Err(OnnxError::Model(reason.into()));
        }
        let builder = build(runtime, options, Some((&plain.input, plain.inputs)))?;
        Self::of(commit(builder, model)?)
    }

    fn of(session: Session) -> Result<Self, OnnxError> {
        let shown = |session: &Session| {
            let one = |outlet: &ort::value::Outlet| format!("{} {}", outlet.name(), outlet.dtype());
            let all = |outlets: &[ort::value::Outlet]| outlets.iter().map(one).collect::<Vec<_>>().join(", ");
            format!("{} to {}", all(session.inputs()), all(session.outputs()))
        };
        let ([input], [output]) = (session.inputs(), session.outputs()) else {
            return Err(not_a_network(&shown(&session)));
        };
        let (element, inputs) = match input.dtype() {
            ValueType::Tensor { ty, shape, .. } if shape.len() == 2 => (*ty, shape[1]),
            _ => return Err(not_a_network(&shown(&session))),
        };
        let is_float = matches!(element, TensorElementType::Float32 | TensorElementType::Float64);
        let (Ok(inputs), true, true) =
            (usize::try_from(inputs), is_float, output.dtype().tensor_type() == Some(element))
        else {
            return Err(not_a_network(&shown(&session)));
        };
        let (input, output) = (input.name().to_owned(), output.name().to_owned());
        Ok(Self { session, element, input, output, inputs })
    }

    /// Columns of the input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// What the network says of rows of inputs, one after the other.
    ///
    /// Errors: what ONNX Runtime says, and an output of another number of rows.
    pub fn prices(&mut self, inputs: &[f64]) -> Result<Vec<f64>, OnnxError> {
        let rows = inputs.len() / self.inputs.max(1);
        let shape = [rows, self.inputs];
        let failed = OnnxError::of::<()>;
        let prices = if self.element == TensorElementType::Float64 {
            let tensor = TensorRef::from_array_view((shape, inputs)).map_err(failed("taking the rows"))?;
            let given = ort::inputs![self.input.as_str() => tensor];
            let outputs = self.session.run(given).map_err(failed("computing"))?;
            outputs[self.output.as_str()].try_extract_tensor::<f64>().map_err(failed("giving prices"))?.1.to_vec()
        } else {
            let single: Vec<f32> = inputs.iter().map(|x| *x as f32).collect();
            let tensor = TensorRef::from_array_view((shape, &single[..])).map_err(failed("taking the rows"))?;
            let given = ort::inputs![self.input.as_str() => tensor];
            let outputs = self.session.run(given).map_err(failed("computing"))?;
            let prices = outputs[self.output.as_str()].try_extract_tensor::<f32>().map_err(failed("giving prices"))?.1;
            prices.iter().map(|price| f64::from(*price)).collect()
        };
        if prices.len() == rows {
            return Ok(prices);
        }
        Err(OnnxError::Model(format!("the model gives {} numbers for {rows} rows", prices.len())))
    }

    /// Ends the profile that was asked for; gives its file.
    ///
    /// Errors: what ONNX Runtime says.
    pub fn end_profile(&mut self) -> Result<PathBuf, OnnxError> {
        self.session.end_profiling().map(PathBuf::from).map_err(OnnxError::of("ending the profile"))
    }
}

fn not_a_network(shown: &str) -> OnnxError {
    OnnxError::Model(format!(
        "the model takes and gives {shown}; wanted is one tensor of rows and columns to one of prices"
    ))
}

fn build(
    runtime: &OnnxRuntime,
    options: &SessionOptions,
    input: Option<(&str, usize)>,
) -> Result<ort::session::builder::SessionBuilder, OnnxError> {
    let failed = OnnxError::of("its settings");
    let mut builder = Session::builder(runtime.environment()).map_err(OnnxError::of("beginning a session"))?;
    builder = builder.with_optimization_level(GraphOptimizationLevel::All).map_err(&failed)?;
    // Processors without VNNI add pairs of 8-bit products in 16 bits, which overflow; the other kernels are asked for there.
    builder = builder.with_precise_qmm().map_err(&failed)?;
    // Behind int8 weights of opset 21 it would round activations once more, to 8 bits of its own choosing: 1 leaves them in f32.
    builder = builder.with_config_entry("session.qdq_matmulnbits_accuracy_level", "1").map_err(&failed)?;
    if let Some(threads) = options.threads {
        builder = builder.with_intra_threads(threads).map_err(&failed)?;
    }
    if let Some(path) = &options.profile {
        builder = builder.with_profiling::<&Path>(path).map_err(&failed)?;
    }
    let Some((input, inputs)) = input else { return Ok(builder) };
    builder
        .with_execution_providers(options.provider.dispatch(input, inputs))
        .map_err(OnnxError::of("beginning with its provider"))
}

fn commit(mut builder: ort::session::builder::SessionBuilder, model: &[u8]) -> Result<Session, OnnxError> {
    builder.commit_from_memory(model).map_err(OnnxError::of("reading the model"))
}
