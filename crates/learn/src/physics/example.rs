//! The config that `zomma train pinn --example` prints.

/// A commented config: Black–Scholes.
pub const EXAMPLE: &str = r#"# A network that solves the Black-Scholes equation: no price is learned from, only the equation.
# Train it:  zomma train pinn pinn.toml -o runs/pinn      Go on after a stop:  the same with --resume

[problem]
equation = "black_scholes"  # or local_volatility, heston, each with its own table

[problem.domain]            # the options for which it is to be good; all are inputs of the one network
spot_over_strike = [0.5, 2.0]
expiry_years = [0.003, 3.0]
volatility = [0.05, 1.5]    # under heston the root of the variance now
risk_free_rate = [-0.02, 0.08]

# [problem.local_volatility]  # s(S, t) = vol * g(ln(F/reference)) * h(t), g(y) = 1 + skew*tanh(y/width) + smile*tanh(y/width)^2,
# skew = -0.3                 # h(t)^2 = 1 + (short_over_long^2 - 1) * exp(-t/decay_years), F the forward at expiry
# smile = 0.2
# width = 0.5
# short_over_long = 1.2
# decay_years = 0.5
# reference = 100.0
# strike_over_reference = [0.6, 1.6]

# [problem.heston]
# kappa = 1.5
# theta_v = 0.06
# sigma_v = 0.5
# rho_v = -0.6

[network]
width = 24                  # units of a hidden layer
depth = 3                   # hidden layers
activation = "tanh"         # gelu, silu, tanh, softplus, sine
envelope_decay = 1.0        # how fast the ansatz falls with the standardised moneyness

[loss]
weighting = "fixed"         # gradient_norm, ntk: move the weights of body, wings and near expiry at every round
weights = [1.0, 1.0, 1.0]
kept = 0.5                  # share of the old weights that a round keeps
weight_decay = 0.0
gradient_penalty = 0.0

[sampling]
points = 4096               # collocation points, drawn anew for every round
adaptive = 0.5              # share that is drawn where the residual is large
candidates = 4              # for each of these
power = 1.0                 # of the residual
held_out = 4096             # points that are never trained on
seed = 1

[training]
adam_rounds = 3
adam_steps = 100            # of each
learning_rate = 0.005
rounds = 20                 # of L-BFGS, at most
steps = 300                 # of each
memory = 50
tolerance = 1e-4            # root mean square of the held-out residual at which training is done
patience = 4                # rounds without a residual better by a twentieth after which it is done as well
# minutes = 10.0            # or after so long

[validation]
options = 20000             # compared with the closed form or the series (256 with finite differences under local_volatility)
compared = 16               # of these with Monte Carlo and finite differences
paths = 65536

[tracking]                  # who is told, beside the run's folder
experiment = "zomma"
every = 100                 # steps between two points; the end of a round is always told
# run_name = "pinn"         # the folder's name where absent
# mlflow = "http://127.0.0.1:5000"
# wandb = true              # a folder for `wandb sync` where WANDB_API_KEY is not set
"#;
