//! Columns of a table in the graph: scaled as the network's are, and its number in units of the target.
//!
//! Formula  asinh z = z/|z| · ln(|z| + √(z² + 1)), since runtimes have Asinh in f32 alone; masks of 0 and 1 give every column its own function, each of
//!          which is 0 at 0

use super::features::Shown;
use super::graph::{GraphBuilder, INPUT};
use crate::network::{InputColumn, Scaling, TableColumns};

/// Keeps 0/0 away; both precisions hold it.
const TINY: f64 = 1e-35;

/// Adds the scales' nodes.
pub(super) fn columns(graph: &mut GraphBuilder, table: &TableColumns) -> Shown {
    let count = [table.inputs.len() as i64];
    let vector = |graph: &mut GraphBuilder, name: &str, of: &dyn Fn(&InputColumn) -> f64| {
        let numbers: Vec<f64> = table.inputs.iter().map(of).collect();
        graph.vector(&format!("columns/{name}"), &numbers, &count)
    };
    let centre = vector(graph, "centre", &|column| column.centre);
    let unit = vector(graph, "unit", &|column| column.unit);
    let centred = graph.node("columns/centred", "Sub", &[INPUT, &centre]);
    let y = graph.node("columns/y", "Div", &[&centred, &unit]);
    let is_of = |scaling: Scaling| table.inputs.iter().any(|column| column.scaling == scaling);
    let mut curved = if is_of(Scaling::Log1p) || is_of(Scaling::Asinh) {
        let is_line =
            |column: &InputColumn| f64::from(u8::from(!matches!(column.scaling, Scaling::Log1p | Scaling::Asinh)));
        let mask = vector(graph, "is_line", &is_line);
        graph.node("columns/lines", "Mul", &[&y, &mask])
    } else {
        y.clone()
    };
    if is_of(Scaling::Log1p) {
        let mask = vector(graph, "is_log1p", &|column| f64::from(u8::from(column.scaling == Scaling::Log1p)));
        let z = graph.node("columns/log1p/z", "Mul", &[&y, &mask]);
        let one = graph.scalar(1.0);
        let above = graph.node("columns/log1p/one_more", "Add", &[&one, &z]);
        let log = graph.node("columns/log1p", "Log", &[&above]);
        curved = graph.node("columns/with_log1p", "Add", &[&curved, &log]);
    }
    if is_of(Scaling::Asinh) {
        let mask = vector(graph, "is_asinh", &|column| f64::from(u8::from(column.scaling == Scaling::Asinh)));
        let z = graph.node("columns/asinh/z", "Mul", &[&y, &mask]);
        let asinh = asinh(graph, &z);
        curved = graph.node("columns/with_asinh", "Add", &[&curved, &asinh]);
    }
    let mean = vector(graph, "mean", &|column| column.mean);
    let deviation = vector(graph, "deviation", &|column| column.deviation);
    let less = graph.node("columns/less_mean", "Sub", &[&curved, &mean]);
    let scaled = graph.node("columns/scaled", "Div", &[&less, &deviation]);
    let layers = graph.cast_for_layers("columns", &scaled);
    Shown { features: layers, moneyness: INPUT.to_owned(), deviation: None }
}

fn asinh(graph: &mut GraphBuilder, z: &str) -> String {
    let at = |part: &str| format!("columns/asinh/{part}");
    let (one, tiny) = (graph.scalar(1.0), graph.scalar(TINY));
    let size = graph.node(&at("size"), "Abs", &[z]);
    let square = graph.node(&at("square"), "Mul", &[z, z]);
    let more = graph.node(&at("square_and_one"), "Add", &[&square, &one]);
    let root = graph.node(&at("root"), "Sqrt", &[&more]);
    let sum = graph.node(&at("sum"), "Add", &[&size, &root]);
    let log = graph.node(&at("log"), "Log", &[&sum]);
    let never_0 = graph.node(&at("never_0"), "Max", &[&size, &tiny]);
    let sign = graph.node(&at("sign"), "Div", &[z, &never_0]);
    graph.node("columns/asinh", "Mul", &[&sign, &log])
}

/// The number in units of the target.
pub(super) fn target(graph: &mut GraphBuilder, table: &TableColumns, number: &str) -> String {
    let (mean, deviation) = (graph.scalar(table.target.mean), graph.scalar(table.target.deviation));
    let spread = graph.node("target/spread", "Mul", &[number, &deviation]);
    graph.node("target", "Add", &[&spread, &mean])
}

#[cfg(test)]
mod tests {
    use super::super::tests::interpreter::run;
    use super::super::{INPUTS_KEY, MODEL_KEY, Precision, decode, encode, export, metadata};
    use crate::config::{NetworkConfig, Normalisation, TableConfig};
    use crate::data::uniform;
    use crate::network::{Architecture, Features, OutputTransform, TableColumns};
    use crate::table::{RowStatus, TablePredictor};
    use crate::training::TrainedNetwork;

    #[test]
    fn a_network_of_a_table_is_its_predictor_in_every_precision() {
        let inputs: Vec<f64> = (0..5 * 200).map(|i| 30.0 * uniform(3, i) - 0.9).collect();
        let targets: Vec<f64> = (0..200).map(|i| 1e3 + 50.0 * uniform(4, i)).collect();
        for (scalings, norm, output) in [
            ("a = \"none\"", Normalisation::None, OutputTransform::None),
            (
                "a = \"robust\"\nb = \"log1p\"\nc = \"asinh\"\nd = \"log1p\"",
                Normalisation::None,
                OutputTransform::Positive,
            ),
            ("a = \"asinh\"\nb = \"none\"", Normalisation::Layer, OutputTransform::None),
            ("e = \"log1p\"", Normalisation::Batch, OutputTransform::None),
        ] {
            let text =
                format!("inputs = [\"a\", \"b\", \"c\", \"d\", \"e\"]\ntarget = \"y\"\n[scaling_of]\n{scalings}");
            let table: TableConfig = toml::from_str(&text).unwrap();
            let is_positive = output == OutputTransform::Positive;
            let columns = TableColumns::fit(&table, (&inputs, &targets), &[[-1.0, 30.0]; 5], is_positive).unwrap();
            let deviation = columns.target.deviation;
            let config = NetworkConfig { width: 9, depth: 2, norm, output, ..NetworkConfig::default() };
            let architecture = Architecture::new(&config, Features::of_table(columns));
            let layout = architecture.layout();
            let network = TrainedNetwork {
                parameters: layout.first_parameters(1.0, 5),
                statistics: layout.first_statistics(),
                architecture,
                step: 3,
                evaluation: None,
                data: None,
            };
            let predictor = TablePredictor::new(network.clone()).unwrap();
            let (mut wanted, mut status) = (vec![0.0; 200], vec![RowStatus::Ok; 200]);
            predictor.predict(&inputs, &mut wanted, &mut status);
            for precision in [Precision::Mixed, Precision::Float, Precision::Double] {
                let model = decode(&encode(&export(&network, None, precision).unwrap())).unwrap();
                assert_eq!(metadata(&model, MODEL_KEY), Some("table"));
                assert_eq!(metadata(&model, INPUTS_KEY), Some("a,b,c,d,e"));
                assert_eq!(metadata(&model, "zomma.output"), Some("y"));
                for (found, wanted) in run(&model, &inputs).into_iter().zip(&wanted) {
                    // f32 in the layers, and the mean of a thousand in f32 where all is.
                    let allowed = deviation * if norm == Normalisation::Layer { 1e-3 } else { 1e-5 } + 1e-3;
                    assert!((found - wanted).abs() < allowed, "{scalings} {precision:?}: {found} {wanted}");
                }
            }
        }
    }
}
