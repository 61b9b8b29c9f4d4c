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
keep_best = 1
# early_stopping = 20       # looks at the held-out rows without a better network
bad_steps = 20              # steps in a row without a finite gradient before training stops
seed = 1
engine = "auto"             # auto, native, burn_cpu, burn_vulkan, burn_cuda

[tracking]                  # the run's folder has everything; who else is told of it
experiment = "zomma"
every = 100                 # steps between two points
wandb = false               # W&B where WANDB_API_KEY is set, else a folder that `wandb sync` uploads
# run_name = "first try"    # that of the folder where absent
# mlflow = "http://127.0.0.1:5000"
"#;
