//! Builds a graph: nodes in the order in which they are asked for, constants by name, each name once.

use std::collections::BTreeSet;

use super::Precision;
use super::proto::{
    AttributeProto, DimensionProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto, attribute_type, data_type,
};

/// The name of the only input: rows × inputs of the pricing model.
pub const INPUT: &str = "inputs";
/// The name of the only output, rows × 1, of a network of prices.
pub const OUTPUT: &str = "price";
/// The name of the only output of a network of implied volatilities, whose price is an input.
pub const VOLATILITY_OUTPUT: &str = "volatility";
/// The name of the side that may have any length.
const BATCH: &str = "batch";

/// A graph on its way.
pub(super) struct GraphBuilder {
    precision: Precision,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

impl GraphBuilder {
    pub(super) fn new(precision: Precision) -> Self {
        Self { precision, nodes: Vec::new(), initializers: Vec::new() }
    }

    /// A node with one output, which has the node's name. Gives the name.
    pub(super) fn node(&mut self, name: &str, operator: &str, inputs: &[&str]) -> String {
        self.node_with(name, operator, inputs, Vec::new())
    }

    /// The same with attributes.
    pub(super) fn node_with(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> String {
        self.push(name, operator, inputs, vec![name.to_owned()], attribute);
        name.to_owned()
    }

    /// The columns of a tensor, rows × 1 each, by a node called `name`.
    pub(super) fn columns(&mut self, name: &str, of: &str, names: &[&str]) -> Vec<String> {
        let widths = self.whole_numbers(&format!("{name}/widths"), &vec![1; names.len()]);
        let outputs: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.push(name, "Split", &[of, &widths], outputs.clone(), vec![int("axis", 1)]);
        outputs
    }

    fn push(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&str],
        output: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) {
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output,
            name: Some(name.to_owned()),
            op_type: Some(operator.to_owned()),
            attribute,
        });
    }

    /// A constant of features and the output transform, of their precision; the same number is kept once.
    pub(super) fn scalar(&mut self, value: f64) -> String {
        self.vector(&format!("constant/{value:?}"), &[value], &[])
    }

    /// A vector of features, of their precision.
    pub(super) fn vector(&mut self, name: &str, values: &[f64], dims: &[i64]) -> String {
        let (data_type, bytes) = match self.precision.features() {
            data_type::FLOAT => (data_type::FLOAT, values.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect()),
            _ => (data_type::DOUBLE, values.iter().flat_map(|x| x.to_le_bytes()).collect()),
        };
        self.constant(name, dims, data_type, bytes)
    }

    /// A constant of the layers, of their precision.
    pub(super) fn weights<T: Copy + Into<f64>>(&mut self, name: &str, values: &[T], dims: &[i64]) -> String {
        let values = values.iter().map(|x| (*x).into());
        let (data_type, bytes) = match self.precision.layers() {
            data_type::DOUBLE => (data_type::DOUBLE, values.flat_map(f64::to_le_bytes).collect()),
            _ => (data_type::FLOAT, values.flat_map(|x| (x as f32).to_le_bytes()).collect()),
        };
        self.constant(name, dims, data_type, bytes)
    }

    /// Whole numbers of 64 bits.
    fn whole_numbers(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(name, &[values.len() as i64], data_type::INT64, bytes)
    }

    /// A constant of any type; one of the same name is there already and is the same.
    pub(super) fn constant(&mut self, name: &str, dims: &[i64], data_type: i32, bytes: Vec<u8>) -> String {
        if !self.initializers.iter().any(|tensor| tensor.name.as_deref() == Some(name)) {
            self.initializers.push(TensorProto {
                dims: dims.to_vec(),
                data_type: Some(data_type),
                name: Some(name.to_owned()),
                raw_data: Some(bytes),
            });
        }
        name.to_owned()
    }

    /// From the precision of features to that of layers.
    pub(super) fn cast_for_layers(&mut self, name: &str, from: &str) -> String {
        self.cast(name, from, [self.precision.features(), self.precision.layers()])
    }

    /// Back.
    pub(super) fn cast_for_features(&mut self, name: &str, from: &str) -> String {
        self.cast(name, from, [self.precision.layers(), self.precision.features()])
    }

    /// An operator of the layers that runtimes have in f32 alone.
    pub(super) fn single_node(&mut self, name: &str, operator: &str, of: &str) -> String {
        let types = [self.precision.layers(), data_type::FLOAT];
        let single = self.cast(&format!("{name}/f32"), of, types);
        if single == of {
            return self.node(name, operator, &[of]);
        }
        let value = self.node(&format!("{name}/of_f32"), operator, &[&single]);
        self.cast(name, &value, [types[1], types[0]])
    }

    fn cast(&mut self, name: &str, of: &str, [from, to]: [i32; 2]) -> String {
        if from == to {
            return of.to_owned();
        }
        self.node_with(name, "Cast", &[of], vec![int("to", i64::from(to))])
    }

    /// Takes out what is computed or kept for nobody but `output`.
    fn prune(&mut self, output: &str) {
        let mut taken = BTreeSet::from([output.to_owned()]);
        // Who takes comes after who gives.
        let mut kept: Vec<NodeProto> = Vec::with_capacity(self.nodes.len());
        while let Some(node) = self.nodes.pop() {
            if node.output.iter().any(|output| taken.contains(output)) {
                taken.extend(node.input.iter().cloned());
                kept.push(node);
            }
        }
        kept.reverse();
        self.nodes = kept;
        self.initializers.retain(|tensor| tensor.name.as_ref().is_some_and(|name| taken.contains(name)));
    }

    /// The graph, with its input of so many columns; `value` becomes the output of that name, which `says` something.
    pub(super) fn finish(mut self, inputs: i64, value: &str, (output, says): (&str, &str), doc: String) -> GraphProto {
        self.node(output, "Identity", &[value]);
        self.prune(output);
        let element = self.precision.features();
        GraphProto {
            node: self.nodes,
            name: Some("zomma".into()),
            initializer: self.initializers,
            doc_string: Some(doc),
            input: vec![rows_of(INPUT, inputs, element, "a row's inputs, in the order of the metadata's zomma.inputs")],
            output: vec![rows_of(output, 1, element, says)],
        }
    }
}

/// A value of any number of rows.
fn rows_of(name: &str, columns: i64, element: i32, doc: &str) -> ValueInfoProto {
    let rows = DimensionProto { dim_value: None, dim_param: Some(BATCH.into()) };
    let columns = DimensionProto { dim_value: Some(columns), dim_param: None };
    let tensor =
        TensorTypeProto { elem_type: Some(element), shape: Some(TensorShapeProto { dim: vec![rows, columns] }) };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { tensor_type: Some(tensor) }),
        doc_string: Some(doc.into()),
    }
}

/// An attribute that is a whole number.
pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: Some(name.into()), f: None, i: Some(value), r#type: Some(attribute_type::INT) }
}

/// An attribute that is a float.
pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: Some(name.into()), f: Some(value), i: None, r#type: Some(attribute_type::FLOAT) }
}
