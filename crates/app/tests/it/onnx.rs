//! `zomma export` and `zomma onnx run`: random networks through the binary, held against ONNX's checker and ONNX Runtime.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use zomma_learn::{
    config::{DataConfig, NetworkConfig, Normalisation, PricingModel, TableConfig, TrainConfig},
    data::uniform,
    network::{Activation, Architecture, FeatureKind, Features, OutputTransform, TableColumns, value},
    physics::{EquationKind, PinnConfig, Solution},
    quantisation::{ActivationScale, QuantisationErrors, QuantisedLayer, QuantisedNetwork},
    training::TrainedNetwork,
};
use zomma_testkit::onnx_python;

use crate::program::{arg, run, run_env, table};

/// Random networks that are held against ONNX Runtime, each in every precision and in the one that is chosen where none is asked for.
const NETWORKS: u64 = 36;
/// Rows of each.
const ROWS: usize = 200;

fn rows(model: PricingModel, count: usize, seed: u64) -> Vec<f64> {
    let range = |name: &str| match name {
        "moneyness" => [0.5, 2.0],
        "expiry_years" => [0.02, 3.0],
        "volatility" => [0.05, 1.0],
        "v0" | "theta_v" => [0.01, 0.5],
        "kappa" => [0.1, 5.0],
        "sigma_v" => [0.1, 1.0],
        "price" => [1e-3, 0.3],
        _ => [-0.9, 0.3],
    };
    let names = model.input_names();
    (0..count * names.len())
        .map(|i| {
            let [low, high] = range(names[i % names.len()]);
            low + (high - low) * uniform(seed, i as u64)
        })
        .collect()
}

/// A network of random shape and parameters; every choice of a config comes up.
fn network(seed: u64) -> TrainedNetwork {
    let share = |of: u64| uniform(seed ^ 0x6f6e_6e78, of);
    let among = |of: u64, count: usize| (share(of) * count as f64) as usize;
    let model = [PricingModel::BlackScholes, PricingModel::Heston][among(0, 2)];
    let own = [
        FeatureKind::LogMoneyness,
        FeatureKind::SqrtExpiryYears,
        FeatureKind::TotalVolatility,
        if model == PricingModel::Heston { FeatureKind::RhoV } else { FeatureKind::Volatility },
        FeatureKind::ExpiryYears,
    ];
    let config = NetworkConfig {
        features: (share(1) < 0.5).then(|| own[..1 + among(2, own.len())].to_vec()),
        width: 1 + among(3, 96),
        depth: 1 + among(4, 5),
        residual: share(5) < 0.5,
        activation: Activation::ALL[(seed % 6) as usize],
        dropout: if share(6) < 0.3 { 0.2 } else { 0.0 },
        norm: [Normalisation::None, Normalisation::Layer, Normalisation::Batch][(seed / 6 % 3) as usize],
        output: [OutputTransform::Bounds, OutputTransform::Positive, OutputTransform::None][among(7, 3)],
    };
    of_config(&config, model, seed)
}

fn of_config(config: &NetworkConfig, model: PricingModel, seed: u64) -> TrainedNetwork {
    let kinds = config.features.clone().unwrap_or_else(|| model.default_features().to_vec());
    let architecture = Architecture::new(config, Features::unscaled(model, kinds).fit(&rows(model, 500, seed)));
    let layout = architecture.layout();
    let mut parameters = layout.first_parameters(1.0, seed);
    for place in layout.hidden.iter().filter_map(|layer| layer.norm.as_ref()).flatten() {
        for (i, x) in place.of_mut(&mut parameters).iter_mut().enumerate() {
            *x += 0.4 * (uniform(seed, (place.offset + i) as u64) - 0.5) as f32;
        }
    }
    let moved = |(i, x): (usize, &f32)| x + 0.5 * uniform(seed ^ 9, i as u64) as f32;
    let statistics = layout.first_statistics().iter().enumerate().map(moved).collect();
    TrainedNetwork { architecture, parameters, statistics, step: seed, evaluation: None, data: None }
}

fn twin(network: &TrainedNetwork, row: &[f64]) -> f64 {
    value(&network.architecture, &network.parameters, &network.statistics, row).price
}

/// A network in a folder.
fn kept(folder: &Path, network: &TrainedNetwork) -> PathBuf {
    let path = folder.join("network.bin");
    network.write(&path).unwrap();
    path
}

fn black_scholes(folder: &Path) -> (TrainedNetwork, PathBuf) {
    let network = of_config(&NetworkConfig::default(), PricingModel::BlackScholes, 3);
    let path = kept(folder, &network);
    (network, path)
}

#[test]
fn random_networks_pass_the_checker_and_are_themselves_in_onnxruntime() {
    let Some(python) = onnx_python::python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..NETWORKS {
        let network = network(seed);
        let binary = kept(folder.path(), &network);
        let model = network.architecture.features.model;
        for precision in ["auto", "mixed", "float", "double"] {
            let output = folder.path().join(format!("{seed:02}_{precision}.onnx"));
            let words = ["export", arg(&binary), "-o", arg(&output), "--precision", precision];
            run(if precision == "auto" { &words[..4] } else { &words }).ok();
            // Rows that f32 holds exactly, so that what is given is the same in every precision.
            let inputs: Vec<f64> = rows(model, ROWS, seed + 100).iter().map(|x| f64::from(*x as f32)).collect();
            let inputs: Vec<&[f64]> = inputs.chunks_exact(model.input_names().len()).collect();
            let prices: Vec<f64> = inputs.iter().map(|row| twin(&network, row)).collect();
            let allowed = if precision == "float" { 4e-6 } else { 1e-6 };
            let wanted = json!({ "inputs": inputs, "prices": prices, "allowed": allowed });
            fs::write(output.with_extension("json"), wanted.to_string()).unwrap();
        }
    }
    // Of the two in f32 the evaluator decides for a few; of the one in f64 for none.
    checked(&python, folder.path(), [4 * NETWORKS, NETWORKS / 2]);
}

/// Holds a folder of so many models against the checker and ONNX Runtime; for how many at most the evaluator may decide.
fn checked(python: &Path, folder: &Path, [models, hard]: [u64; 2]) {
    let script = zomma_testkit::workspace_root().join("crates/app/tests/onnx/check.py");
    let output = Command::new(python).args([&script, folder]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["models"].as_u64(), Some(models), "{found}");
    assert_eq!(found["failed"], json!([]), "{found}");
    assert!(found["hard"].as_u64().unwrap() <= hard, "{found}");
}

/// Exports a network by the binary in every precision, with what it says of its rows beside it.
fn exported(folder: &Path, name: &str, binary: &Path, (columns, inputs): (usize, &[f64]), says: &[f64]) {
    for precision in ["auto", "mixed", "float", "double"] {
        let output = folder.join(format!("{name}_{precision}.onnx"));
        let words = ["export", arg(binary), "-o", arg(&output), "--precision", precision];
        run(if precision == "auto" { &words[..4] } else { &words }).ok();
        let inputs: Vec<&[f64]> = inputs.chunks_exact(columns).collect();
        let allowed = if precision == "float" { 4e-6 } else { 1e-6 };
        let wanted = json!({ "inputs": inputs, "prices": says, "allowed": allowed });
        fs::write(output.with_extension("json"), wanted.to_string()).unwrap();
    }
}

/// A network of implied volatilities of random parameters.
fn of_volatilities(activation: Activation, output: OutputTransform, own: bool, seed: u64) -> TrainedNetwork {
    let kinds = [
        FeatureKind::LogMoneyness,
        FeatureKind::LogPriceScale,
        FeatureKind::SqrtExpiryYears,
        FeatureKind::MoneynessOverPrice,
        FeatureKind::ExpiryYears,
    ];
    let config = NetworkConfig {
        features: own.then(|| kinds.to_vec()),
        width: 24,
        activation,
        output,
        residual: own,
        ..NetworkConfig::default()
    };
    of_config(&config, PricingModel::BlackScholesImpliedVolatility, seed)
}

/// A network of an equation, of random parameters.
fn of_equation(equation: EquationKind, activation: Activation) -> Solution {
    let tables = match equation {
        EquationKind::BlackScholes => "",
        EquationKind::LocalVolatility => {
            "[problem.local_volatility]\nskew = -0.3\nsmile = 0.2\nshort_over_long = 1.4\nreference = 80.0\n"
        }
        EquationKind::Heston => "[problem.heston]\nkappa = 1.5\ntheta_v = 0.06\nsigma_v = 0.5\nrho_v = -0.6\n",
    };
    let text = format!(
        "[problem]\nequation = \"{}\"\n{tables}[network]\nwidth = 20\ndepth = 3\nactivation = \"{}\"\n",
        equation.as_str(),
        activation.as_str()
    );
    let mut solution = Solution::untrained(PinnConfig::parse(&text).unwrap());
    solution.parameters.iter_mut().for_each(|x| *x *= 1.5);
    *solution.parameters.last_mut().unwrap() = -2.0;
    solution
}

#[test]
fn networks_of_volatilities_and_of_equations_pass_the_checker_and_are_themselves_in_onnxruntime() {
    let Some(python) = onnx_python::python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let single = |x: &f64| f64::from(*x as f32);
    for (seed, activation) in Activation::ALL.into_iter().enumerate() {
        let output =
            [OutputTransform::Scaled, OutputTransform::Scaled, OutputTransform::Positive, OutputTransform::None]
                [seed % 4];
        let network = of_volatilities(activation, output, seed % 2 == 1, seed as u64);
        let binary = kept(folder.path(), &network);
        let inputs: Vec<f64> =
            rows(network.architecture.features.model, ROWS, seed as u64 + 7).iter().map(single).collect();
        let says: Vec<f64> = inputs.chunks_exact(3).map(|row| twin(&network, row)).collect();
        exported(folder.path(), &format!("volatility_{seed}"), &binary, (3, &inputs), &says);
    }
    let mut equations = 0;
    for equation in EquationKind::ALL {
        for activation in Activation::ALL.into_iter().filter(|activation| *activation != Activation::Relu) {
            let solution = of_equation(equation, activation);
            let binary = folder.path().join("network.bin");
            solution.write(&binary).unwrap();
            let ranges = solution.input_ranges().unwrap();
            let number = |i: usize| {
                let [least, most] = ranges[i % ranges.len()];
                least + (most - least) * uniform(equations + 40, i as u64)
            };
            let inputs: Vec<f64> = (0..ROWS * ranges.len()).map(number).map(|x| single(&x)).collect();
            let says = solution.calls(&inputs);
            exported(folder.path(), &format!("equation_{equations}"), &binary, (ranges.len(), &inputs), &says);
            equations += 1;
        }
    }
    let networks = Activation::ALL.len() as u64 + equations;
    checked(&python, folder.path(), [4 * networks, networks / 2]);
}

#[test]
fn volatilities_and_an_equations_prices_are_verified_and_computed_of_a_table() {
    let Some(python) = onnx_python::python() else { return };
    let library = onnx_python::library_folder(&python);
    let folder = tempfile::tempdir().unwrap();
    let [model, csv, output] = ["model.onnx", "options.csv", "out.csv"].map(|name| folder.path().join(name));
    let mut network = of_volatilities(Activation::Silu, OutputTransform::Scaled, false, 1);
    let example = run(&["train", "--example", "implied_volatility"]).ok().out;
    network.data = Some(DataConfig { least_vega: 0.1, ..TrainConfig::parse(&example).unwrap().data });
    // The last number is 0 then, and the volatility the row's scale.
    network.architecture.layout().out_weight.of_mut(&mut network.parameters).fill(0.0);
    let binary = kept(folder.path(), &network);
    let export = ["export", arg(&binary), "-o", arg(&model), "--verify", "--onnxruntime", arg(&library), "--json"];
    let said: Value = serde_json::from_str(&run(&export).ok().out).unwrap();
    assert!(said["verified"]["worst"].as_f64().unwrap() <= 1e-6, "{said}");
    assert!(said["verified"]["rows"].as_u64().unwrap() > 3000, "{said}");
    assert_eq!(
        (said["output"].as_str(), said["metadata"]["zomma.precision"].as_str()),
        (Some("volatility"), Some("double"))
    );
    // At the money the scale is √(2π)·price/√T; one in the wing with little vega, one above every volatility that was learned, one that is no price.
    fs::write(&csv, "moneyness,expiry_years,price\n1,1,0.08\n1.9,0.05,0.0000001\n1,1,0.9\n1,1,-0.1\n1,0.25,0.04\n")
        .unwrap();
    let words = ["onnx", "run", arg(&model), arg(&csv), "-o", arg(&output), "--onnxruntime", arg(&library)];
    let told = run(&words).ok();
    assert!(told.err.contains("3 of 5 rows have no volatility"), "{}", told.err);
    let found = table(&fs::read_to_string(&output).unwrap());
    let status: Vec<&str> = found.iter().map(|row| row["status"].as_str()).collect();
    assert_eq!(status, ["ok", "undetermined", "bad_price", "bad_price", "ok"]);
    for row in [0, 4] {
        let volatility: f64 = found[row]["volatility"].parse().unwrap();
        assert!((volatility - (2.0 * std::f64::consts::PI).sqrt() * 0.08).abs() < 1e-6, "{row}: {volatility}");
    }

    let solution = of_equation(EquationKind::LocalVolatility, Activation::Tanh);
    solution.write(&binary).unwrap();
    let said: Value = serde_json::from_str(&run(&export).ok().out).unwrap();
    assert!(said["verified"]["worst"].as_f64().unwrap() <= 1e-9, "{said}");
    assert_eq!(said["model"], "local_volatility");
    fs::write(&csv, "moneyness,expiry_years,strike_over_reference,volatility\n1.1,0.5,0.9,0.2\n1.1,0.5,9,0.2\n")
        .unwrap();
    assert!(run(&words).ok().err.contains("1 of 2 rows have no price"));
    let found = table(&fs::read_to_string(&output).unwrap());
    let price: f64 = found[0]["price"].parse().unwrap();
    assert!((price - solution.calls(&[1.1, 0.5, 0.9, 0.2])[0]).abs() < 1e-12, "{price}");
    assert_eq!(found[1]["status"], "bad_strike_over_reference");
    // It says its domain itself.
    let config = folder.path().join("config.json");
    fs::write(&config, &example).unwrap();
    run(&["export", arg(&binary), "-o", arg(&model), "--config", arg(&config)]).refused(2, &["--config", "equation"]);
}

/// A table's network by ONNX Runtime says what it says to `zomma predict`, row by row, with what lies outside of its training told apart.
#[test]
fn a_network_of_a_table_is_computed_as_it_predicts() {
    let Some(python) = onnx_python::python() else { return };
    let library = onnx_python::library_folder(&python);
    let folder = tempfile::tempdir().unwrap();
    let [model, csv, output, predicted] =
        ["model.onnx", "rows.csv", "out.csv", "predicted.csv"].map(|name| folder.path().join(name));
    let columns: TableConfig =
        toml::from_str("inputs = [\"a\", \"b\"]\ntarget = \"y\"\n[scaling_of]\nb = \"log1p\"").unwrap();
    let (inputs, targets) = ([1.0, 0.5, 2.0, 3.0, 4.0, 9.0], [10.0, 20.0, 60.0]);
    let columns = TableColumns::fit(&columns, (&inputs, &targets), &[[1.0, 4.0], [-0.5, 9.0]], false).unwrap();
    let config = NetworkConfig { width: 7, depth: 2, output: OutputTransform::None, ..NetworkConfig::default() };
    let architecture = Architecture::new(&config, Features::of_table(columns));
    let parameters = architecture.layout().first_parameters(1.0, 1);
    let statistics = architecture.layout().first_statistics();
    let network = TrainedNetwork { architecture, parameters, statistics, step: 0, evaluation: None, data: None };
    let binary = kept(folder.path(), &network);
    run(&["export", arg(&binary), "-o", arg(&model), "--precision", "double"]).ok();
    fs::write(&csv, "a,b\n2,3\n3.5,-0.4\n2,\n2,-1.5\n2,-0.7\n5,1\n").unwrap();
    let words = ["onnx", "run", arg(&model), arg(&csv), "-o", arg(&output), "--onnxruntime", arg(&library)];
    let said = run(&words).ok();
    assert!(said.err.contains("2 of 6 rows have no prediction"), "{}", said.err);
    run(&["predict", arg(&csv), "--network", arg(&binary), "-o", arg(&predicted)]).ok();
    let [found, wanted] = [&output, &predicted].map(|path| table(&fs::read_to_string(path).unwrap()));
    let status: Vec<&str> = found.iter().map(|row| row["status"].as_str()).collect();
    assert_eq!(status, ["ok", "ok", "bad_b", "not_finite", "outside_training", "outside_training"]);
    for (found, wanted) in found.iter().zip(&wanted) {
        let [found, wanted] = [found, wanted].map(|row| row["prediction"].parse::<f64>().ok());
        assert_eq!(found.is_some(), wanted.is_some());
        assert!(found.zip(wanted).is_none_or(|(found, wanted)| (found - wanted).abs() < 1e-4), "{found:?} {wanted:?}");
    }
}

#[test]
fn an_export_is_verified_and_prices_a_table() {
    let Some(python) = onnx_python::python() else { return };
    let library = onnx_python::library_folder(&python);
    let folder = tempfile::tempdir().unwrap();
    let (network, binary) = black_scholes(folder.path());
    let model = folder.path().join("model.onnx");
    // What it learned, for a network whose file does not say it.
    fs::write(folder.path().join("config.json"), run(&["train", "--example"]).ok().out).unwrap();
    let export = ["export", arg(&binary), "-o", arg(&model), "--verify", "--onnxruntime", arg(&library), "--json"];
    let said: Value = serde_json::from_str(&run(&export).ok().out).unwrap();
    assert!(said["verified"]["worst"].as_f64().unwrap() <= 1e-6, "{said}");
    assert_eq!((said["verified"]["rows"].as_u64(), said["opset"].as_u64()), (Some(10_000), Some(18)), "{said}");
    assert_eq!(said["operators"]["Gemm"].as_u64(), Some(4), "{said}");
    assert_eq!(said["metadata"]["zomma.inputs"], "moneyness,expiry_years,volatility");

    // Columns in another order, one more, rows that cannot be priced or are beyond what was learned.
    let csv = folder.path().join("options.csv");
    let text = "id,volatility,moneyness,expiry_years\na,0.2,1.1,0.5\nb,0.3,,0.5\nc,0.4,0.9,-1\nd,0.25,1,2\ne,5,1,1\n";
    fs::write(&csv, text).unwrap();
    let output = folder.path().join("prices.csv");
    let words = ["onnx", "run", arg(&model), arg(&csv), "-o", arg(&output)];
    let variable = [("ORT_DYLIB_PATH", arg(&library))];
    let told = run_env(&[&words[..], &["--profile"]].concat(), b"", &variable).ok();
    assert!(told.err.contains("3 of 5 rows have no price"), "{}", told.err);
    assert!(told.out.contains("hidden.0/sums") && told.out.contains("share"), "{}", told.out);
    let found = table(&fs::read_to_string(&output).unwrap());
    let status: Vec<&str> = found.iter().map(|row| row["status"].as_str()).collect();
    assert_eq!(status, ["ok", "bad_moneyness", "bad_expiry_years", "ok", "bad_volatility"]);
    for (row, inputs) in [(0, [1.1, 0.5, 0.2]), (3, [1.0, 2.0, 0.25])] {
        let price: f64 = found[row]["price"].parse().unwrap();
        assert!((price - twin(&network, &inputs)).abs() < 1e-6, "{row}: {price}");
    }
    assert_eq!((found[1]["price"].as_str(), found[1]["moneyness"].as_str()), ("", ""));
    // The same in lots of one row, as Parquet, for programs.
    let parquet = folder.path().join("prices.parquet");
    let words = ["onnx", "run", arg(&model), arg(&csv), "-o", arg(&parquet), "--batch", "1", "--profile", "--json"];
    let said: Value = serde_json::from_str(&run_env(&words, b"", &variable).ok().out).unwrap();
    let nodes = said["nodes"].as_array().unwrap();
    let shares: f64 = nodes.iter().map(|node| node["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9 && nodes.iter().all(|node| node["calls"].as_u64() == Some(2)), "{said}");
    let again = folder.path().join("again.csv");
    let words = ["onnx", "run", arg(&model), arg(&parquet), "-o", arg(&again)];
    run_env(&words, b"", &variable).ok();
    let again = table(&fs::read_to_string(&again).unwrap());
    let columns = |rows: &[std::collections::HashMap<String, String>]| {
        rows.iter().map(|row| row["status"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(columns(&again), columns(&found));
    // What cannot be had here is told: the package is for the CPU.
    let words = ["onnx", "run", arg(&model), arg(&csv), "-o", arg(&output), "--provider", "tensorrt"];
    run_env(&words, b"", &variable)
        .refused(1, &["tensorrt cannot be had here; missing: ", "libonnxruntime_providers_tensorrt.so", "in "]);
}

#[test]
fn a_model_that_is_not_the_network_is_not_written() {
    let Some(python) = onnx_python::python() else { return };
    let library = onnx_python::library_folder(&python);
    let folder = tempfile::tempdir().unwrap();
    let (_, binary) = black_scholes(folder.path());
    let model = folder.path().join("model.onnx");
    let words =
        ["export", arg(&binary), "-o", arg(&model), "--verify", "--tolerance", "0", "--onnxruntime", arg(&library)];
    run(&words).refused(1, &["are off by", "moneyness", "allowed: 0", "nothing was written", "--precision double"]);
    assert!(!model.exists());
}

#[test]
fn what_is_missing_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (_, binary) = black_scholes(folder.path());
    let model = folder.path().join("model.onnx");
    let export = ["export", arg(&binary), "-o", arg(&model)];
    let absent = folder.path().join("no_such.so");
    let verify = [&export[..], &["--verify", "--onnxruntime", arg(&absent)]].concat();
    run(&verify).refused(1, &["--onnxruntime", "no_such.so: cannot be read"]);
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let verify = [&export[..], &["--verify", "--onnxruntime", arg(&empty)]].concat();
    run(&verify).refused(1, &["empty: holds no libonnxruntime.so"]);
    let text = empty.join("libonnxruntime.so.1");
    fs::write(&text, "no library").unwrap();
    let verify = [&export[..], &["--verify"]].concat();
    run_env(&verify, b"", &[("ORT_DYLIB_PATH", arg(&text))])
        .refused(1, &["ORT_DYLIB_PATH", "libonnxruntime.so.1: cannot be loaded"]);
    assert!(!model.exists());
    // Nothing of the library is needed to write.
    run(&export).ok();
    assert!(model.is_file());
}

#[test]
fn networks_and_models_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_, binary) = black_scholes(folder.path());
    let [model, csv] = ["model.onnx", "options.csv"].map(|name| folder.path().join(name));
    run(&["export", arg(&binary)]).refused(2, &["--output"]);
    run(&["export", arg(&binary), "-o", arg(&model), "--rows", "5"]).refused(2, &["--verify"]);
    run(&["export", arg(&folder.path().join("absent")), "-o", arg(&model)]).refused(1, &["absent: cannot be read"]);
    let whole = fs::read(&binary).unwrap();
    fs::write(&binary, &whole[..whole.len() / 2]).unwrap();
    run(&["export", arg(&binary), "-o", arg(&model)]).refused(1, &["network.bin", "cut off or damaged"]);
    assert!(!model.exists());
    fs::write(&binary, &whole).unwrap();
    // A config of another network, beside it and named.
    let config = folder.path().join("config.json");
    let example = run(&["train", "--example"]).ok().out;
    fs::write(&config, example.replace("width = 64", "width = 32")).unwrap();
    run(&["export", arg(&binary), "-o", arg(&model)]).refused(1, &["config.json is not the config of", "--config"]);
    run(&["export", arg(&binary), "-o", arg(&model), "--config", arg(&config)]).refused(2, &["--config"]);
    fs::write(&config, example).unwrap();
    let said = run(&["export", arg(&binary), "-o", arg(&model), "--json"]).ok().out;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert!(said["metadata"]["zomma.domain"].as_str().unwrap().contains("volatility"), "{said}");
    // A full disk, or a folder that is none, leaves nothing behind.
    run(&["export", arg(&binary), "-o", arg(&folder.path().join("no/model.onnx"))]).refused(1, &["no/model.onnx"]);

    fs::write(&csv, "moneyness,expiry_years\n1.1,0.5\n").unwrap();
    let output = folder.path().join("out.csv");
    run(&["onnx", "run", arg(&model), arg(&csv), "-o", arg(&output)])
        .refused(1, &["options.csv: missing column volatility", "moneyness, expiry_years"]);
    fs::write(&model, "no model").unwrap();
    run(&["onnx", "run", arg(&model), arg(&csv), "-o", arg(&output)]).refused(1, &["model.onnx", "is no ONNX model"]);
    assert!(!output.exists());
    let words = ["onnx", "run", arg(&model), arg(&csv)];
    run(&[&words[..], &["--profile"]].concat()).refused(2, &["--output"]);
    run(&[&words[..], &["--fp16"]].concat()).refused(2, &["--fp16 is for --provider tensorrt"]);
    run(&[&words[..], &["--batch-sizes", "8,4,16"]].concat()).refused(2, &["--batch-sizes", "1,4096,65536"]);
    let tensorrt = ["--provider", "tensorrt", "--batch-sizes", "1,16,64", "--batch", "65"];
    run(&[&words[..], &tensorrt].concat()).refused(2, &["--batch: 65", "64"]);
}

#[test]
fn the_example_in_python_prices_calls_and_puts() {
    let Some(python) = onnx_python::python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (network, binary) = black_scholes(folder.path());
    let model = folder.path().join("model.onnx");
    fs::write(folder.path().join("config.json"), run(&["train", "--example"]).ok().out).unwrap();
    run(&["export", arg(&binary), "-o", arg(&model)]).ok();
    let script = zomma_testkit::workspace_root().join("examples/onnx_prices.py");
    let output = Command::new(python).args([&script, &model]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let forward = 100.0 * (0.03f64 * 0.5).exp();
    let call = 110.0 * (-0.02f64).exp() * twin(&network, &[forward / 110.0, 0.5, 0.2]);
    let put = call - (-0.02f64).exp() * (forward - 110.0);
    assert!(said.contains(&format!("   110.0{call:10.4}{put:10.4}\n")), "{call} {put} {said}");
    assert!(said.contains("trained on volatility from 0.05 to 1.0"), "{said}");
}

/// A network with its second and third hidden layer in integers.
fn quantised(bits: u32, model: PricingModel) -> QuantisedNetwork {
    let output = if model.is_implied_volatility() { OutputTransform::Scaled } else { OutputTransform::Bounds };
    let config = NetworkConfig { width: 32, residual: true, output, ..NetworkConfig::default() };
    let mut network = of_config(&config, model, 5);
    let layout = network.architecture.layout();
    let mut layers = Vec::new();
    for (layer, places) in layout.hidden.iter().enumerate().skip(1) {
        let weights = places.weight.of(&network.parameters);
        let most = |j: usize| weights.iter().skip(j).step_by(32).fold(0.0, |most: f32, w| most.max(w.abs()));
        let weight_scales: Vec<f32> = (0..32).map(|j| most(j) / 127.0).collect();
        let integers = weights.iter().enumerate().map(|(i, w)| (w / weight_scales[i % 32]).round() as i8);
        let quantised = QuantisedLayer {
            layer,
            inputs: 32,
            units: 32,
            activation: ActivationScale::over(bits, -1.0, 4.0),
            weights: integers.collect(),
            weight_scales,
            bias: places.bias.of(&network.parameters).to_vec(),
        };
        let weights = quantised.dequantised_weights();
        layers.push(quantised);
        places.weight.of_mut(&mut network.parameters).copy_from_slice(&weights);
    }
    let errors = QuantisationErrors { rows: 1000, quantised_rmse: 1e-3, ..QuantisationErrors::default() };
    QuantisedNetwork { network, layers, errors }
}

#[test]
fn a_quantised_network_is_exported_with_its_integers() {
    let folder = tempfile::tempdir().unwrap();
    let python = onnx_python::python();
    let volatility = PricingModel::BlackScholesImpliedVolatility;
    for (bits, opset, model_of) in
        [(8, 18, PricingModel::BlackScholes), (16, 21, PricingModel::BlackScholes), (16, 21, volatility)]
    {
        let [binary, model] = ["network.bin", "model.onnx"].map(|name| folder.path().join(name));
        quantised(bits, model_of).write(&binary).unwrap();
        let export = ["export", arg(&binary), "-o", arg(&model), "--json"];
        let said: Value = serde_json::from_str(&run(&export).ok().out).unwrap();
        assert_eq!((said["opset"].as_u64(), &said["operators"]["QuantizeLinear"]), (Some(opset), &json!(2)), "{said}");
        assert_eq!(said["operators"]["DequantizeLinear"], json!(4), "{said}");
        assert_eq!(said["metadata"]["zomma.activation_bits"], format!("{bits},{bits}"));
        run(&[&export[..], &["--precision", "double"]].concat()).refused(1, &["precision: double", "mixed or float"]);
        let Some(python) = &python else { continue };
        let library = onnx_python::library_folder(python);
        let verify = [&export[..], &["--verify", "--onnxruntime", arg(&library)]].concat();
        let said: Value = serde_json::from_str(&run(&verify).ok().out).unwrap();
        assert!(said["verified"]["median"].as_f64().unwrap() <= 1e-6, "{said}");
        let script = "import onnx, sys; onnx.checker.check_model(onnx.load(sys.argv[1]), full_check=True)";
        let output = Command::new(python).args(["-c", script, arg(&model)]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
