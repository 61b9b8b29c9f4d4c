use super::*;

fn refusal(from: &str, to: &str) -> String {
    assert!(EXAMPLE.contains(from), "{from}");
    TrainConfig::parse(&EXAMPLE.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn the_example_is_a_config_and_is_the_same_in_json() {
    let config = TrainConfig::parse(EXAMPLE).unwrap();
    assert_eq!((config.network.width, config.data.held_out, config.training.batch), (64, 65_536, 2048));
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(TrainConfig::parse(&json).unwrap(), config);
}

#[test]
fn the_other_examples_are_configs_of_at_most_ten_thousand_multiply_adds() {
    for (text, model) in [
        (HESTON_EXAMPLE, PricingModel::Heston),
        (IMPLIED_VOLATILITY_EXAMPLE, PricingModel::BlackScholesImpliedVolatility),
        (AMERICAN_EXAMPLE, PricingModel::American),
        (MONTE_CARLO_EXAMPLE, PricingModel::Heston),
    ] {
        let config = TrainConfig::parse(text).unwrap();
        assert_eq!(config.data.model, model);
        let features = config.network.features(&config.data);
        assert_eq!(features, model.default_features());
        let (width, depth) = (config.network.width, config.network.depth);
        assert!(width * (features.len() + width * (depth - 1) + 1) <= 10_000);
    }
}

#[test]
fn what_a_price_network_and_an_implied_volatility_network_may_not_have_is_refused() {
    let refusal = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        TrainConfig::parse(&text.replacen(from, to, 1)).unwrap_err().to_string()
    };
    for (text, from, to, words) in [
        (EXAMPLE, "output = \"bounds\"", "output = \"scaled\"", ["network.output: scaled", "bounds"]),
        (EXAMPLE, "output = \"bounds\"", "output = \"exercise\"", ["network.output: exercise", "exercised early"]),
        (EXAMPLE, "features = [", "features = [\"rate_share\", ", ["network.features: rate_share", "black_scholes"]),
        (
            AMERICAN_EXAMPLE,
            "risk_free_rate = { min = 0.0, max = 0.1 }",
            "risk_free_rate = { min = 0.0, max = 0.2 }",
            ["data.ranges: a rate times years of 0.6", "0.5 for American options"],
        ),
        (
            AMERICAN_EXAMPLE,
            "dividend_yield = { min = 0.0",
            "dividend_yield = { min = -0.01",
            ["data.ranges.dividend_yield", "0 ≤ min"],
        ),
        (
            EXAMPLE,
            "features = [",
            "features = [\"log_price_scale\", ",
            ["network.features: log_price_scale", "black_scholes"],
        ),
        (
            EXAMPLE,
            "features = [",
            "features = [\"variance_share\", ",
            ["network.features: variance_share", "black_scholes"],
        ),
        (
            IMPLIED_VOLATILITY_EXAMPLE,
            "output = \"scaled\"",
            "output = \"bounds\"",
            ["network.output: bounds", "scaled"],
        ),
        (
            IMPLIED_VOLATILITY_EXAMPLE,
            "features = [",
            "features = [\"total_volatility\", ",
            ["network.features: total_volatility", "log_price_scale"],
        ),
        (
            IMPLIED_VOLATILITY_EXAMPLE,
            "features = [",
            "features = [\"volatility\", ",
            ["network.features: volatility", "moneyness, expiry_years, price"],
        ),
        (IMPLIED_VOLATILITY_EXAMPLE, "max = 1.0", "max = 3.0", ["a deviation of 5.19", "≤ 4"]),
        (IMPLIED_VOLATILITY_EXAMPLE, "least_vega = 0.01", "least_vega = 0.0", ["data.least_vega: 0", "from"]),
        (
            IMPLIED_VOLATILITY_EXAMPLE,
            "seed = 1",
            "seed = 1\nnoise_half_spread = 0.01",
            ["data.noise_half_spread: 0.01", "implied volatilities"],
        ),
        (EXAMPLE, "seed = 1", "seed = 1\nnoise_half_spread = -0.01", ["data.noise_half_spread: -0.01", "from 0 to 1"]),
        (
            AMERICAN_EXAMPLE,
            "[data]",
            "[data]\nlabels = \"monte_carlo\"",
            ["data.labels: monte_carlo", "data.model = \"american\""],
        ),
        (
            IMPLIED_VOLATILITY_EXAMPLE,
            "[data]",
            "[data]\nlabels = \"monte_carlo\"",
            ["data.labels: monte_carlo", "the volatilities of payoffs"],
        ),
        (TABLE_EXAMPLE, "[data]", "[data]\nlabels = \"monte_carlo\"", ["data.labels: monte_carlo", "a table"]),
        (EXAMPLE, "[data]", "[data]\nlabels = \"simulated\"", ["simulated", "`monte_carlo`"]),
        (EXAMPLE, "[data]", "[data]\npaths_per_label = 4", ["data.paths_per_label: 4", "only with data.labels"]),
        (EXAMPLE, "[data]", "[data]\nsteps_per_path = 4", ["data.steps_per_path: 4", "only with data.labels"]),
        (MONTE_CARLO_EXAMPLE, "label = 2", "label = 3", ["data.paths_per_label: 3", "an even number"]),
        (MONTE_CARLO_EXAMPLE, "path = 32", "path = 0", ["data.steps_per_path: 0", "1 to 4096"]),
        (
            MONTE_CARLO_EXAMPLE,
            "[data]",
            "[data]\nshards = \"x\"",
            ["data.labels: monte_carlo", "exact with data.shards"],
        ),
        (
            MONTE_CARLO_EXAMPLE,
            "[data]",
            "[data]\nnoise_half_spread = 0.01",
            ["data.noise_half_spread: 0.01", "data.labels"],
        ),
        (
            EXAMPLE,
            "[data]",
            "[data]\nlabels = \"monte_carlo\"\nsteps_per_path = 8",
            ["data.steps_per_path: 8", "only with data.model = \"heston\""],
        ),
        (HESTON_EXAMPLE, "strikes = 8", "strikes = 0", ["data.strikes: 0", "1 to 4096"]),
    ] {
        let error = refusal(text, from, to);
        assert!(words.iter().all(|word| error.contains(word)), "{to}: {error}");
    }
}

#[test]
fn unknown_keys_are_refused_by_name_with_what_is_allowed() {
    for (from, to, words) in [
        ("width = 64", "widht = 64", ["widht", "width"]),
        ("batch = 2048", "batchsize = 2048", ["batchsize", "learning_rate"]),
        ("[data]", "[data]\nmodle = 1", ["modle", "held_out"]),
        ("volatility = {", "vol = {", ["vol is not allowed", "moneyness, expiry_years, volatility"]),
        ("max = 3.0", "most = 3.0", ["most", "`min`, `max`, `scale`"]),
        ("\"silu\"", "\"swish\"", ["swish", "`softplus`"]),
    ] {
        let error = refusal(from, to);
        assert!(words.iter().all(|word| error.contains(word)), "{to}: {error}");
    }
    let json = r#"{"data": {"model": "black_scholes", "ranges": {}}, "training": {"steps": 1}, "extra": 1}"#;
    let error = TrainConfig::parse(json).unwrap_err().to_string();
    assert!(error.contains("extra") && error.contains("`network`, `data`, `training`"), "{error}");
}

#[test]
fn impossible_values_are_named_with_what_is_allowed() {
    for (from, to, words) in [
        ("width = 64", "width = 0", ["network.width: 0", "1 to 4096"]),
        ("depth = 3", "depth = 1000", ["network.depth: 1000", "1 to 64"]),
        ("features = [", "features = [\"v0\", ", ["network.features: v0", "black_scholes has the inputs moneyness"]),
        ("features = [", "features = [\"total_volatility\", ", ["network.features: total_volatility", "once"]),
        ("[\"standardised_moneyness\", \"total_volatility\"]", "[]", ["an empty list", "one feature"]),
        ("min = 0.5, max = 2.0", "min = 2.0, max = 0.5", ["data.ranges.moneyness: 2 to 0.5", "min < max"]),
        ("min = 0.02", "min = -1.0", ["data.ranges.expiry_years", "≤ min"]),
        ("volatility = { min = 0.05, max = 1.0 }", "", ["data.ranges.volatility is missing", "least"]),
        ("minutes = 10.0", "", ["training.steps is missing", "minutes"]),
        ("minutes = 10.0", "minutes = 10.0\nsteps = 5", ["training.minutes: 10", "not both"]),
        ("learning_rate = 0.002", "learning_rate = -1.0", ["training.learning_rate: -1", "above 0"]),
        ("learning_rate = 0.002", "learning_rate = nan", ["training.learning_rate: NaN", "above 0"]),
        ("batch = 2048", "batch = 0", ["training.batch: 0", "1 to"]),
        ("# samples = 1000000", "samples = 100", ["data.samples: 100", "training.batch, 2048"]),
        ("held_out = 65536", "held_out = 65536\nbad_rows = 0.1", ["data.bad_rows: 0.1", "only with data.shards"]),
        ("held_out = 65536", "held_out = 65536\nshards = \"\"", ["data.shards", "s3://bucket/prefix"]),
        ("held_out = 65536", "shards = \"x\"\nsamples = 9999", ["data.samples: 9999", "not with data.shards"]),
        ("held_out = 65536", "shards = \"x\"\nshuffle_rows = 0", ["data.shuffle_rows: 0", "1 to"]),
        ("held_out = 65536", "shards = \"x\"\nbad_rows = 0.9", ["data.bad_rows: 0.9", "0 to 0.5"]),
        ("ema = 0.999", "ema = 1.0", ["training.ema: 1", "0.999999"]),
        ("evaluate_every = 2000", "evaluate_every = 0", ["training.evaluate_every: 0", "1 or more"]),
        ("ema = 0.999", "weight_decay = 0.1", ["training.weight_decay: 0.1", "adamw"]),
    ] {
        let error = refusal(from, to);
        assert!(words.iter().all(|word| error.contains(word)), "{to}: {error}");
    }
    let both = EXAMPLE.replace("dropout = 0.0", "dropout = 0.1").replace("\"auto\"", "\"native\"");
    let error = TrainConfig::parse(&both).unwrap_err().to_string();
    assert!(error.contains("training.engine: native") && error.contains("burn_cpu"), "{error}");
}
