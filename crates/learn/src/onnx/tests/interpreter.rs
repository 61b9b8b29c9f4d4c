//! ONNX by the letter, as slow as it is plain: the operators that the exporter writes, from the specification of opset 18. Numbers are kept in
//! f64 and rounded to f32 where a tensor is of that type; an operator whose operands are of two types is an error, as in ONNX.

use std::collections::HashMap;

use libm::erf;

use super::super::proto::{AttributeProto, ModelProto, NodeProto, TensorProto, data_type};

#[derive(Clone, Debug)]
struct Tensor {
    shape: Vec<usize>,
    numbers: Vec<f64>,
    r#type: i32,
}

impl Tensor {
    fn rounded(mut self) -> Self {
        if self.r#type == data_type::FLOAT {
            self.numbers.iter_mut().for_each(|x| *x = f64::from(*x as f32));
        }
        self
    }

    fn of(tensor: &TensorProto) -> Self {
        let bytes = tensor.raw_data.as_ref().unwrap();
        let r#type = tensor.data_type.unwrap();
        let numbers = match r#type {
            data_type::FLOAT => {
                bytes.chunks_exact(4).map(|x| f64::from(f32::from_le_bytes(x.try_into().unwrap()))).collect()
            }
            data_type::DOUBLE => bytes.chunks_exact(8).map(|x| f64::from_le_bytes(x.try_into().unwrap())).collect(),
            data_type::INT64 => {
                bytes.chunks_exact(8).map(|x| i64::from_le_bytes(x.try_into().unwrap()) as f64).collect()
            }
            data_type::INT8 => bytes.iter().map(|x| f64::from(*x as i8)).collect(),
            data_type::UINT8 => bytes.iter().map(|x| f64::from(*x)).collect(),
            data_type::UINT16 => {
                bytes.chunks_exact(2).map(|x| f64::from(u16::from_le_bytes(x.try_into().unwrap()))).collect()
            }
            other => panic!("tensors of type {other}"),
        };
        Self { shape: tensor.dims.iter().map(|side| *side as usize).collect(), numbers, r#type }
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { numbers: self.numbers.iter().map(|x| f(*x)).collect(), ..self.clone() }
    }

    /// The number at a row and a column, with the sides that are missing or of length 1 stretched.
    fn at(&self, row: usize, column: usize) -> f64 {
        match self.shape[..] {
            [] => self.numbers[0],
            [columns] => self.numbers[if columns == 1 { 0 } else { column }],
            [rows, columns] => {
                let row = if rows == 1 { 0 } else { row };
                self.numbers[row * columns + if columns == 1 { 0 } else { column }]
            }
            _ => panic!("a shape of {:?}", self.shape),
        }
    }

    fn side(&self, from_the_end: usize) -> usize {
        self.shape.len().checked_sub(from_the_end).map_or(1, |at| self.shape[at])
    }

    fn with(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        assert_eq!(self.r#type, other.r#type, "operands of two types");
        let [rows, columns] = [2, 1].map(|side| self.side(side).max(other.side(side)));
        let numbers =
            (0..rows * columns).map(|i| f(self.at(i / columns, i % columns), other.at(i / columns, i % columns)));
        Self { shape: vec![rows, columns], numbers: numbers.collect(), r#type: self.r#type }
    }
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name))
}

/// Prices of rows, one after the other.
pub(in crate::onnx) fn run(model: &ModelProto, inputs: &[f64]) -> Vec<f64> {
    let graph = model.graph.as_ref().unwrap();
    let mut values: HashMap<String, Tensor> =
        graph.initializer.iter().map(|tensor| (tensor.name.clone().unwrap(), Tensor::of(tensor))).collect();
    let input = graph.input[0].r#type.as_ref().unwrap().tensor_type.as_ref().unwrap();
    let columns = input.shape.as_ref().unwrap().dim[1].dim_value.unwrap() as usize;
    let rows = Tensor {
        shape: vec![inputs.len() / columns, columns],
        numbers: inputs.to_vec(),
        r#type: input.elem_type.unwrap(),
    };
    values.insert(graph.input[0].name.clone().unwrap(), rows.rounded());
    for node in &graph.node {
        let given: Vec<&Tensor> = node.input.iter().map(|name| &values[name]).collect();
        let outputs = outputs(node, &given);
        assert_eq!(outputs.len(), node.output.len(), "{node:?}");
        values.extend(node.output.iter().cloned().zip(outputs.into_iter().map(Tensor::rounded)));
    }
    values[graph.output[0].name.as_ref().unwrap()].numbers.clone()
}

fn outputs(node: &NodeProto, given: &[&Tensor]) -> Vec<Tensor> {
    let one = given[0];
    vec![match node.op_type.as_deref().unwrap() {
        "Split" => return split(node, one),
        "Concat" => concat(given),
        "Gemm" => gemm(one, given[1]).with(given[2], |a, b| a + b),
        "MatMul" => gemm(one, given[1]),
        "QuantizeLinear" => quantise(given),
        "DequantizeLinear" => dequantise(node, given),
        "LayerNormalization" => layer_norm(node, given),
        "BatchNormalization" => batch_norm(node, given),
        "Identity" => one.clone(),
        "Cast" => Tensor { r#type: attribute(node, "to").unwrap().i.unwrap() as i32, ..one.clone() },
        "Add" => one.with(given[1], |a, b| a + b),
        "Sub" => one.with(given[1], |a, b| a - b),
        "Mul" => one.with(given[1], |a, b| a * b),
        "Div" => one.with(given[1], |a, b| a / b),
        "Less" => one.with(given[1], |a, b| f64::from(u8::from(a < b))),
        "Where" => {
            let chosen = one.with(given[1], |condition, x| if condition == 1.0 { x } else { f64::NAN });
            chosen.with(given[2], |x, other| if x.is_nan() { other } else { x })
        }
        "Max" => one.with(given[1], f64::max),
        "Min" => one.with(given[1], f64::min),
        "Neg" => one.map(|x| -x),
        "Abs" => one.map(f64::abs),
        "Exp" => one.map(f64::exp),
        "Log" => one.map(f64::ln),
        "Sqrt" => one.map(f64::sqrt),
        "Tanh" => one.map(f64::tanh),
        "Sin" => one.map(f64::sin),
        "Erf" => one.map(erf),
        "Relu" => one.map(|x| x.max(0.0)),
        "Sigmoid" => one.map(|x| 1.0 / (1.0 + (-x).exp())),
        "Softplus" => one.map(|x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        other => panic!("the operator {other}"),
    }]
}

fn split(node: &NodeProto, of: &Tensor) -> Vec<Tensor> {
    assert_eq!(attribute(node, "axis").unwrap().i, Some(1));
    let rows = of.shape[0];
    let column = |j: usize| Tensor {
        shape: vec![rows, 1],
        numbers: (0..rows).map(|i| of.at(i, j)).collect(),
        r#type: of.r#type,
    };
    (0..of.shape[1]).map(column).collect()
}

fn concat(given: &[&Tensor]) -> Tensor {
    let rows = given[0].shape[0];
    assert!(given.iter().all(|tensor| tensor.shape == [rows, 1] && tensor.r#type == given[0].r#type));
    let numbers = (0..rows).flat_map(|i| given.iter().map(move |tensor| tensor.at(i, 0))).collect();
    Tensor { shape: vec![rows, given.len()], numbers, r#type: given[0].r#type }
}

fn gemm(a: &Tensor, b: &Tensor) -> Tensor {
    assert!(a.r#type == b.r#type && a.shape[1] == b.shape[0]);
    let (rows, inner, columns) = (a.shape[0], a.shape[1], b.shape[1]);
    let number = |i: usize, j: usize| (0..inner).map(|k| a.at(i, k) * b.at(k, j)).sum::<f64>();
    let numbers = (0..rows * columns).map(|n| number(n / columns, n % columns)).collect();
    Tensor { shape: vec![rows, columns], numbers, r#type: a.r#type }
}

fn quantise(given: &[&Tensor]) -> Tensor {
    let [x, scale, zero] = given else { panic!("three operands") };
    assert!(x.r#type == scale.r#type && scale.shape.is_empty() && zero.shape.is_empty());
    let most = match zero.r#type {
        data_type::UINT8 => 255.0,
        data_type::UINT16 => 65535.0,
        other => panic!("integers of type {other}"),
    };
    // Rounded to f32 before it is rounded to a whole number, as f32 divides.
    let integer =
        |x: f64| (f64::from((x / scale.numbers[0]) as f32).round_ties_even() + zero.numbers[0]).clamp(0.0, most);
    Tensor { r#type: zero.r#type, ..x.map(integer) }
}

fn dequantise(node: &NodeProto, given: &[&Tensor]) -> Tensor {
    let [q, scale, zero] = given else { panic!("three operands") };
    assert_eq!(q.r#type, zero.r#type);
    // One scale, or one for each column.
    assert!(scale.shape == zero.shape && (scale.shape.is_empty() || attribute(node, "axis").unwrap().i == Some(1)));
    let columns = q.shape[1];
    let numbers = q.numbers.iter().enumerate().map(|(i, q)| (q - zero.at(0, i % columns)) * scale.at(0, i % columns));
    Tensor { shape: q.shape.clone(), numbers: numbers.collect(), r#type: scale.r#type }
}

fn epsilon(node: &NodeProto) -> f64 {
    f64::from(attribute(node, "epsilon").unwrap().f.unwrap())
}

fn layer_norm(node: &NodeProto, given: &[&Tensor]) -> Tensor {
    let [x, scale, shift] = given else { panic!("three operands") };
    assert_eq!(attribute(node, "axis").unwrap().i, Some(-1));
    let mut out = (*x).clone();
    for row in out.numbers.chunks_exact_mut(x.shape[1]) {
        let count = row.len() as f64;
        let mean = row.iter().sum::<f64>() / count;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        let inverse = (variance + epsilon(node)).sqrt().recip();
        for (j, x) in row.iter_mut().enumerate() {
            *x = (*x - mean) * inverse * scale.at(0, j) + shift.at(0, j);
        }
    }
    out
}

fn batch_norm(node: &NodeProto, given: &[&Tensor]) -> Tensor {
    let [x, scale, shift, mean, variance] = given else { panic!("five operands") };
    let mut out = (*x).clone();
    for row in out.numbers.chunks_exact_mut(x.shape[1]) {
        for (j, x) in row.iter_mut().enumerate() {
            let inverse = (variance.at(0, j) + epsilon(node)).sqrt().recip();
            *x = (*x - mean.at(0, j)) * inverse * scale.at(0, j) + shift.at(0, j);
        }
    }
    out
}
