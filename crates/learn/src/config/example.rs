//! The config that `zomma train --example` prints.

/// A commented config of the Black–Scholes network.
pub const EXAMPLE: &str = r#"# A network that prices European options under Black-Scholes.
# Train it:  zomma train black_scholes.toml -o runs/black_scholes      Go on after a stop:  the same with --resume

[network]
# What the network is shown; made of the inputs inside the model, and scaled there. The pricing model's own choice where absent.
# log_moneyness, standardised_moneyness, total_volatility, expiry_years, sqrt_expiry_years, and the model's parameters by name.
features = ["standardised_moneyness", "total_volatility"]
width = 64                  # units of a hidden layer
depth = 3                   # hidden layers
residual = false            # each layer but the first adds to what it was given
activation = "silu"         # relu, gelu, silu, tanh, softplus, sine
norm = "none"               # none, layer, batch
dropout = 0.0
output = "bounds"           # bounds: between intrinsic value and forward, with put-call parity; positive; none

[data]
model = "black_scholes"     # or heston, with the ranges v0, kappa, theta_v, sigma_v, rho_v instead of volatility
# samples = 1000000         # rows drawn again and again; fresh ones for every step where absent
# shards = "shards/black_scholes"   # instead: rows of Parquet files, of `zomma labels` or of one's own (docs/training-data.md)
differentials = true        # learn the derivatives by every input with the price
near_the_money = 0.5        # share of training rows within five deviations of the forward
# noise_half_spread = 0.001 # prices to learn are off by up to half a spread, in strikes; none where absent
held_out = 65536            # rows that are priced but never learned
seed = 1

[data.ranges]               # scale = "linear" (default), "log" or "sqrt": how training rows are spread
moneyness = { min = 0.5, max = 2.0, scale = "log" }     # forward over strike
expiry_years = { min = 0.02, max = 3.0, scale = "sqrt" }
volatility = { min = 0.05, max = 1.0 }

[training]
minutes = 10.0              # or steps = 100000; only steps are the same on every machine
batch = 2048
optimiser = "adam"          # or adamw, with weight_decay
learning_rate = 0.002       # rises over warm_up steps, then falls along a cosine to final_share of it
warm_up = 200
final_share = 0.001
clip_norm = 10.0            # greatest norm of a gradient
ema = 0.999                 # the network that is kept is an average over the steps
accumulate = 1              # batches gathered before a step
differential_weight = 1.0   # of the derivatives' errors against the price's
price_scale = "total_volatility"  # or strike
evaluate_every = 2000       # steps
checkpoint_every = 2000
# checkpoints = "s3://research/runs/black_scholes"   # or a folder: go on from there where the run's own folder is lost
keep_best = 1
# early_stopping = 20       # looks at the held-out rows without a better network
bad_steps = 20              # steps in a row without a finite gradient before training stops
seed = 1
engine = "auto"             # auto, native, burn_cpu, burn_vulkan, burn_cuda
precision = "f32"           # or bf16, f16: what a step's matrix products are given; weights, sums and the network that is kept are f32
# loss_scale = 65536.0      # of f16: what the first gradients are multiplied by; halves where one overflows
# loss_scale_growth_steps = 2000    # good steps in a row after which it doubles

[tracking]                  # the run's folder has everything; who else is told of it
experiment = "zomma"
every = 100                 # steps between two points
wandb = false               # W&B where WANDB_API_KEY is set, else a folder that `wandb sync` uploads
# run_name = "first try"    # that of the folder where absent
# mlflow = "http://127.0.0.1:5000"
"#;

/// A commented config of the Heston network.
pub const HESTON_EXAMPLE: &str = r#"# A network that prices European options under Heston.
# Train it:  zomma train heston.toml -o runs/heston      Go on after a stop:  the same with --resume

[network]
# Time in units of the expiry leaves six pure numbers of Heston's seven inputs: these features are made of them. variance_deviation and
# variance_skewness say how far the smile bends and leans. log_moneyness, expiry_years, v0, kappa, theta_v, sigma_v, rho_v are to be had too.
features = ["standardised_moneyness", "total_volatility", "variance_deviation", "variance_skewness", "rho_v", "mean_reversion",
            "variance_share"]
width = 64                  # 8,704 multiply-adds an option
depth = 3
activation = "silu"
output = "bounds"           # between intrinsic value and forward, with put-call parity

[data]
model = "heston"
strikes = 8                 # training rows that share the characteristic function: a third of the time of rows that do not
differentials = true        # learn the derivatives by every input with the price
near_the_money = 0.75       # share of training rows within five deviations of the forward
held_out = 65536            # rows that are priced but never learned
seed = 1

[data.ranges]               # scale: how training rows are spread; held-out rows are even
moneyness = { min = 0.5, max = 2.0, scale = "log" }     # forward over strike
expiry_years = { min = 0.02, max = 3.0, scale = "sqrt" }
v0 = { min = 0.01, max = 0.5, scale = "sqrt" }
kappa = { min = 0.3, max = 5.0, scale = "sqrt" }
theta_v = { min = 0.01, max = 0.5, scale = "sqrt" }
sigma_v = { min = 0.1, max = 1.0 }
rho_v = { min = -0.9, max = 0.2 }

[training]
minutes = 10.0              # or steps = …
batch = 256                 # many small steps: in equal time a third of the error of batches of 1024
optimiser = "adam"
learning_rate = 0.007
warm_up = 200
final_share = 0.001
clip_norm = 10.0
ema = 0.999
differential_weight = 1.0   # of the derivatives' errors against the price's
price_scale = "total_volatility"  # or strike
evaluate_every = 20000
checkpoint_every = 20000
seed = 1
"#;

/// A commented config of the implied-volatility network.
pub const IMPLIED_VOLATILITY_EXAMPLE: &str = r#"# A network that says which Black-Scholes volatility a price implies.
# Train it:  zomma train implied_volatility.toml -o runs/implied_volatility      Go on after a stop:  the same with --resume

[network]
# Of the out-of-the-money option's price over the root of forward times strike: asinh(|k|/(√(2π) price)) and ln √(2π price² + k²).
features = ["moneyness_over_price", "log_price_scale"]
width = 64
depth = 3
activation = "silu"
output = "scaled"           # between 0 and 2 √((2π price² + k²)/expiry)

[data]
model = "black_scholes_implied_volatility"
least_vega = 0.01           # over the strike, per 1.00: below it a price determines no volatility; such rows are counted and left out
differentials = true        # learn the derivatives by every input with the volatility
held_out = 65536            # rows that are never learned
seed = 1

[data.ranges]               # rows are made of a volatility, whose price becomes the input
moneyness = { min = 0.5, max = 2.0 }                    # forward over strike
expiry_years = { min = 0.02, max = 3.0, scale = "sqrt" }
volatility = { min = 0.05, max = 1.0 }

[training]
minutes = 2.0               # or steps = …
batch = 256
learning_rate = 0.006
warm_up = 200
final_share = 0.001
clip_norm = 10.0
ema = 0.999
differential_weight = 0.3   # of the derivatives' errors against the volatility's
price_scale = "strike"      # the same error everywhere; total_volatility: the same share of the volatility's scale everywhere
evaluate_every = 2000
checkpoint_every = 2000
seed = 1
"#;

/// A commented config of a network of a table of one's own.
pub const TABLE_EXAMPLE: &str = r#"# A network that learns a column of a table from others: here where the mid will be in ten seconds, from what the book looks like now.
#   zomma features LOBSTER.zip --every 1s --features mid,relative_spread,imbalance:1,imbalance:5,ofi:10s -o day.parquet
#   zomma sql "SELECT * FROM (SELECT *, lead(mid, 10) OVER (ORDER BY time_ns) - mid AS move FROM 'day.parquet') WHERE move IS NOT NULL" \
#     -o table/day.parquet
# Train it:  zomma train table.toml -o runs/table            Use it:  zomma predict other.parquet --network runs/table/network.bin -o out.parquet

[network]
width = 32
depth = 2
activation = "silu"
output = "none"             # or positive, where no target is below 0
dropout = 0.0

[data]
model = "table"
shards = "table"            # the folder (or s3://bucket/prefix) of the Parquet files
held_out = 2000             # rows for each of the two parts that are not learned
# held_out_shards = ["2026-11.parquet"]   # instead of a hash of the rows, or of split_by
# bad_rows = 0.01           # share of rows that may be left out since a cell is empty or no number; 0 where absent
seed = 1

[data.table]
inputs = ["relative_spread", "imbalance:1", "imbalance:5", "ofi:10s"]
target = "move"
scaling = "standard"        # standard, robust, log1p, asinh, none: fitted to rows to learn from, kept with the network
split_by = "time_ns"        # the last rows by this column are held out; by a hash of the rows where absent
# weight = "trades"         # a column, 0 or more: what a row's error counts in the loss; every row as much as another where absent
gap = 1e10                  # left out before each part: as long as the target looks ahead, here ten seconds

[data.table.scaling_of]     # inputs that are scaled otherwise
"ofi:10s" = "asinh"

# [[data.table.derive]]     # columns that are made of the table's, here and where the network predicts; inputs may name them
# kind = "series"           # or "greeks", or "time": docs/training-data.md
# of = "mid"
# time = "time_ns"
# columns = ["return:5", "realised_volatility:60", "rsi:30"]

[training]
steps = 3000
batch = 512
optimiser = "adamw"
weight_decay = 0.01
learning_rate = 0.002
warm_up = 100
ema = 0.995
evaluate_every = 100
checkpoint_every = 500
early_stopping = 15
seed = 1
"#;

/// A commented config of the network of American options.
pub const AMERICAN_EXAMPLE: &str = r#"# A network that prices American options under Black-Scholes.
# Train it:  zomma train american.toml -o runs/american      Go on after a stop:  the same with --resume

[network]
# Rates and yields act over the expiry (rT, qT) and against the variance (r/(r + volatility^2)). Raw ones are risk_free_rate, dividend_yield.
features = ["standardised_moneyness", "standardised_forward", "total_volatility", "total_rate", "total_yield", "rate_share", "yield_share"]
width = 64
depth = 3
activation = "silu"
# between exercise value and spot: bounds, smooth, so that nothing is ever quite exercised; exercise, the exercise value itself where exercise is
# best: more exact
output = "bounds"

[data]
model = "american"          # calls: a put of (spot, strike, rate, yield) is the call of (strike, spot, yield, rate)
samples = 400000            # rows drawn again and again: a label with its derivatives is five prices by collocation
differentials = true        # learn the derivatives by every input with the price
near_the_money = 0.75       # share of training rows within five deviations of spot and forward
held_out = 65536            # rows that are priced but never learned
seed = 1

[data.ranges]               # scale: how training rows are spread; held-out rows are even
moneyness = { min = 0.5, max = 2.0, scale = "log" }     # spot over strike; of puts strike over spot
expiry_years = { min = 0.02, max = 3.0, scale = "sqrt" }
volatility = { min = 0.1, max = 0.8, scale = "sqrt" }
risk_free_rate = { min = 0.0, max = 0.1 }               # of puts the dividend yield
dividend_yield = { min = 0.0, max = 0.1 }               # of puts the rate: give both the same range

[training]
minutes = 10.0              # or steps = ...
batch = 256
optimiser = "adam"
learning_rate = 0.007
warm_up = 200
final_share = 0.001
clip_norm = 10.0
ema = 0.999
differential_weight = 1.0   # of the derivatives' errors against the price's
price_scale = "total_volatility"  # or strike
evaluate_every = 10000
checkpoint_every = 10000
seed = 1
"#;

/// A commented config of a Heston network that learns from simulated paths.
pub const MONTE_CARLO_EXAMPLE: &str = r#"# A network that prices European options under Heston, learned from simulated paths: no label is a price, every label is one in the mean.
# Train it:  zomma train monte_carlo.toml -o runs/monte_carlo      Go on after a stop:  the same with --resume

[network]
features = ["standardised_moneyness", "total_volatility", "variance_deviation", "variance_skewness", "rho_v", "mean_reversion",
            "variance_share"]
width = 64
depth = 3
activation = "silu"
output = "bounds"           # between intrinsic value and forward, with put-call parity

[data]
model = "heston"            # or black_scholes
labels = "monte_carlo"      # what paths pay, and its derivatives along them; exact: by the formula. Rows held out are exact whatever it is
paths_per_label = 2         # 1, or an even number: pairs of paths with opposite numbers
steps_per_path = 32         # of the quadratic-exponential scheme
differentials = true        # learn the derivatives along the paths with what they pay
near_the_money = 0.75       # share of training rows within five deviations of the forward
held_out = 65536            # rows that are priced but never learned
seed = 1

[data.ranges]               # scale: how training rows are spread; held-out rows are even
moneyness = { min = 0.5, max = 2.0, scale = "log" }     # forward over strike
expiry_years = { min = 0.02, max = 3.0, scale = "sqrt" }
v0 = { min = 0.01, max = 0.5, scale = "sqrt" }
kappa = { min = 0.3, max = 5.0, scale = "sqrt" }
theta_v = { min = 0.01, max = 0.5, scale = "sqrt" }
sigma_v = { min = 0.1, max = 1.0 }
rho_v = { min = -0.9, max = 0.2 }

[training]
minutes = 10.0              # or steps = ...
batch = 1024                # many rows: chance is what there is to average
optimiser = "adam"
learning_rate = 0.004
warm_up = 200
final_share = 0.001
clip_norm = 10.0
ema = 0.999
differential_weight = 1.0   # of the derivatives' errors against the price's
price_scale = "total_volatility"  # or strike
evaluate_every = 5000
checkpoint_every = 5000
seed = 1
"#;
