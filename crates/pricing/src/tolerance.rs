//! The one table of tolerances: (function, oracle) to what is allowed. Tests and docs quote it.
//!
//! An ulp is one unit in the last place of the right answer. "50 digits" are the values of golden/, made with mpmath.

/// `math::exp`, every target, against 50 digits and against std.
pub const EXP_ULP: f64 = 1.0;
/// `math::ln_ratio`, every target, against 50 digits, relative even where a ≈ b.
pub const LN_RATIO_ULP: f64 = 2.0;
/// `math::normal_cdf`, every target, against 50 digits, relative down to N(−37.6).
pub const NORMAL_CDF_ULP: f64 = 5.0;
/// `math::mills`, every target, against 50 digits.
pub const MILLS_ULP: f64 = 3.0;
/// Every quantity of `black`, twin and every target, against 50 digits: multiples of ε = 2^−52 times the condition number
/// max(1, Σ|x ∂f/∂x|/|f|), for |f| ≥ 1e-290. The contract is 16; the most seen in 3,000 random rows is 2.8.
pub const BLACK_CONDITIONED_EPSILONS: f64 = 4.0;
/// Put-call parity of `black`, relative to max(S e^(−qT), K e^(−rT)).
pub const BLACK_PARITY: f64 = 1e-13;
/// `black`, every target against the twin: multiples of ε times the twin's condition by finite differences (both sides' errors).
pub const BLACK_TARGET_TO_TWIN_EPSILONS: f64 = 8.0;
/// `math::kernel` exp on a device, against libm, in units of 2^-52 relative.
pub const DEVICE_EXP_EPS: f64 = 1.5;
/// `math::kernel` ln_ratio and Mills' ratio on a device, against the scalar functions, in units of 2^-52 relative.
pub const DEVICE_MATH_EPS: f64 = 3.0;
/// `black::launch`, every quantity on a device against the scalar twin, in units of 2^-52 × condition.
pub const DEVICE_BLACK_CONDITION_EPS: f64 = 16.0;
/// `implied_vol::launch` on a device against the scalar twin, in units of 2^-52 × condition (Σ|x ∂V/∂x|/(σ·vega) over inputs and price).
pub const DEVICE_IMPLIED_VOL_CONDITION_EPS: f64 = 16.0;
/// `implied_vol`, twin and every target, against 60 digits: ulp times max(1, v/(σ·vega)), v the out-of-the-money value, where the rounded
/// price determines the volatility. Measured: 2.7 (twin), 2.3 (targets).
pub const IMPLIED_VOLATILITY_CONDITIONED_ULP: f64 = 4.0;
/// `american::tree` of 101 and 51 steps, extrapolated, against published values, and what `american::price` promises where the boundary's method does not
/// go (`american::beyond`): share of spot.
pub const AMERICAN_PRICE_SHARE_OF_SPOT: f64 = 2e-4;
/// `portfolio::batch`, what summing alone loses: 2^-52 × Σ|terms| of a group. The lanes are sums of 32, then a tree of six levels.
pub const PORTFOLIO_SUM_EPSILONS: f64 = 16.0;
/// `portfolio::batch`, every target against the twin in market rows (two deviations, a week to two years): share of Σ|terms|. Measured: 2.6e-15.
pub const PORTFOLIO_TWIN: f64 = 2e-14;
/// `monte_carlo::inverse_normal_cdf`, twin and targets, against 50 digits: 2^-52 relative.
pub const INVERSE_NORMAL_EPSILONS: f64 = 6.0;
/// `monte_carlo::batch`, every target against the twin: 2^-52 × (1 + Σ|steps of the logarithm|), relative. The random bits are the same.
pub const PATH_TWIN_EPSILONS: f64 = 16.0;
/// `portfolio::launch` on a device against the twin in market rows: share of Σ|terms| of a group. Measured: 3.1e-15.
pub const DEVICE_PORTFOLIO: f64 = 2e-14;
/// The same from prices, whose volatilities are both sides' own: their errors are multiplied by the price's condition. Measured: 1.1e-13.
pub const DEVICE_PORTFOLIO_OF_PRICES: f64 = 1e-12;
/// `monte_carlo::launch` on a device against the twin: as `PATH_TWIN_EPSILONS`.
pub const DEVICE_PATH_EPSILONS: f64 = 24.0;
/// `displaced` without a displacement against `black`, every Greek: 2^-52 × max(|Greek|, 1e-3), which holds what the chain rule cancels. Measured: 97.
pub const DISPLACED_CONDITION_EPSILONS: f64 = 400.0;
/// `displaced`: Bachelier against a displacement of 1e7, whose relative moves are normal but for 1e-6; absolute, forwards of 10.
pub const BACHELIER_LIMIT: f64 = 1e-4;
/// `displaced`: each Greek against five-point differences of the one before, relative to the greater of the two.
pub const GREEK_OF_GREEK: f64 = 1e-6;
/// `american::price_with` by `Accuracy::quick` against a much finer scheme, over the ranges of Andersen, Lake and Offengenden's section 6:
/// share of strike. Measured: 2e-7, and as much at volatilities of 5 to 100 % with yields from −2 %.
pub const AMERICAN_QUICK: f64 = 1e-6;
/// `american::price_with` by `Accuracy::fast` against a much finer scheme, over the ranges of Andersen, Lake and Offengenden's section 6:
/// share of strike. Measured: 6.2e-9.
pub const AMERICAN_FAST: f64 = 1e-8;
/// The same by `Accuracy::accurate`. Measured: 8e-11.
pub const AMERICAN_ACCURATE: f64 = 1e-10;
/// The same by `Accuracy::high_precision`. Measured: 3.3e-13.
pub const AMERICAN_HIGH_PRECISION: f64 = 1e-12;
/// `american`, lanes of every target against the twin: share of the greater of spot and strike. Measured: 2e-16 of it, but where the
/// last Newton step is near its limit a lane may take more of them.
pub const AMERICAN_LANES: f64 = 1e-13;
/// `american::tree` of 1,001 steps against `Accuracy::fast`: share of the greater of spot and strike. Measured: 1e-5.
pub const AMERICAN_TREE: f64 = 2e-5;
/// `american::greeks_with` by `Accuracy::accurate` against differences of `Accuracy::high_precision`: share of the Greek's scale (spot,
/// 1, 1/(Sσ√T), S√T, Sσ/√T, ST). Measured: 1e-7.
pub const AMERICAN_GREEKS: f64 = 1e-6;
/// The same of vanna, charm, veta and vera, whose oracle is a difference of second order. Measured: 2e-5.
pub const AMERICAN_GREEKS_MIXED: f64 = 1e-4;
/// `american::gradient_batch` against `american::greeks_with`, both by `Accuracy::accurate`: shares of the same scales. Measured: 1.9e-7.
pub const AMERICAN_GRADIENT: f64 = 1e-6;
/// The same of speed, zomma, color and ultima, whose oracle is a difference of third order.
pub const AMERICAN_GREEKS_THIRD: f64 = 1e-3;
/// `american::implied_volatility` at `american::price`, relative, where the price determines it. Measured: 1e-9.
pub const AMERICAN_IMPLIED_VOLATILITY: f64 = 1e-6;
/// `monte_carlo::price` under Heston against Lewis's values: what the quadratic-exponential scheme is off beside chance, times steps a year,
/// as a share of spot. Measured: 0.0036 at 8 steps a year, 0.002 at 16, less than chance beyond (docs/monte-carlo.md).
pub const HESTON_STEP_BIAS: f64 = 0.004;
/// `monte_carlo::prices`, AVX-512 and AVX2 against the baseline, share of spot: the random bits are the same, a path may take another branch.
pub const ENGINE_TARGETS: f64 = 1e-12;
/// `monte_carlo::prices` against `monte_carlo::twin` on the same random numbers, mean of 2,100 paths, share of spot.
pub const ENGINE_TWIN: f64 = 1e-12;
/// `fourier::twin` against exact values (Merton's series, Black–Scholes limits, 15 published digits, 30 digits): share of spot. Measured:
/// 1.2e-13.
pub const FOURIER_TWIN: f64 = 1e-12;
/// `fourier::price_slice` and `price_batch` against the twin and exact values, over the grid of docs/fourier.md: share of spot.
/// Measured: 1.9e-10.
pub const FOURIER_PRICE: f64 = 5e-10;
/// `monte_carlo::bermudan` and `assets_bermudan` against published values: share of the price by which a rule of least squares may be worse
/// than the best (and, against an American put, 50 dates a year than all), beside chance. Measured with 2^20 paths: 0.0025.
pub const EXERCISE_RULE_SHARE: f64 = 0.004;
/// `monte_carlo::price` under local volatility by Euler's scheme against a displaced diffusion: what it is off beside chance, times steps
/// a year, as a share of spot. Measured: 0.0026 from 2 to 64 steps.
pub const LOCAL_VOLATILITY_STEP_BIAS: f64 = 0.004;
/// `fourier::price_slice` against a cosine series of 3,000 terms on a wide interval, usual parameters: share of spot. Measured: 5e-12.
pub const FOURIER_COSINES: f64 = 2e-11;
/// `fourier`, fast gradient and Greeks against the twin's, and the twin's against differences of sixth order: share of the larger of the
/// number and its scale (1 for delta, gamma and theirs at spot 100, 100 for what is a price; ten times that for the fast path).
pub const FOURIER_DERIVATIVES: f64 = 2e-9;
/// `finite_difference::solve`, European on 160 × 40, against the closed form: share of spot. Measured: under 2e-7.
pub const FINITE_DIFFERENCE_EUROPEAN: f64 = 5e-7;
/// The same for delta; ten times it for gamma and theta as shares of themselves. Measured: under 1e-6.
pub const FINITE_DIFFERENCE_GREEKS: f64 = 2e-6;
/// The same with a cash dividend of up to 95 % of the spot, against the integral over the spot at its date: share of spot. Measured: under 5e-6.
pub const FINITE_DIFFERENCE_DIVIDEND_EUROPEAN: f64 = 5e-6;
/// `finite_difference::solve`, American, with cash dividends or without, against QuantLib, among its own methods, and of a price by the
/// volatility that it implies: relative. Measured: under 1e-4.
pub const FINITE_DIFFERENCE_AMERICAN: f64 = 2e-4;
/// `exotic::barrier`, in + out against the vanilla option: share of spot.
pub const EXOTIC_BARRIER: f64 = 1e-13;
/// `finite_difference::solve` with barriers watched always, on 160 × 40, against `exotic::barrier` and a sine series: share of spot.
/// Measured: under 5e-8.
pub const FINITE_DIFFERENCE_BARRIER: f64 = 2e-7;
/// `exotic` lookbacks against 50-digit limits and the integral of the extreme's distribution: share of spot.
pub const EXOTIC_LOOKBACK: f64 = 1e-12;
/// `finite_difference::solve_heston`, European on 120 × 60 × 40, against Lewis and the analytic engine: share of strike. Measured: 4.1e-6.
pub const FINITE_DIFFERENCE_HESTON: f64 = 1e-5;
/// The same, American, against Ikonen and Toivanen's table of four digits: share of strike. Measured: 1.7e-5.
pub const FINITE_DIFFERENCE_HESTON_AMERICAN: f64 = 2e-5;
/// `finite_difference::lanes`, every target against the twin, each quantity on the scale of its spot. Measured: 7.6e-12 (a gamma).
pub const FINITE_DIFFERENCE_LANES: f64 = 3e-11;
/// `monte_carlo::heston_device` on a device against the engine on the same random numbers, share of spot.
pub const DEVICE_HESTON: f64 = 1e-12;
/// `surface::batch::launch` on a device against the twin, total variance at the quotes, in half spreads. Sums are added in another order; where
/// that turns a decision, both still end where less than 1e-9 of the squared misses is left to gain, apart by about its root along a flat
/// valley. Measured: 3.3e-6 in 2,037 slices of SPX and AAPL, 1e-13 in the median.
pub const DEVICE_SURFACE_MISS: f64 = 1e-4;
/// The same of the root mean square of the misses, in half spreads. Measured: 1.3e-10.
pub const DEVICE_SURFACE_RMS: f64 = 1e-8;
/// The same of the least Durrleman g. Measured: 1.2e-6.
pub const DEVICE_SURFACE_G: f64 = 1e-4;
/// `american::device` on a device against the twin: share of the greater of spot and strike. Measured: 7e-17, but where the last Newton step
/// is near its limit a side may take more of them.
pub const DEVICE_AMERICAN: f64 = 1e-13;
/// The same of Greeks by `Accuracy::accurate`: share of the greater of the Greek and 1, strike 100. Measured: 7e-11 (vera, a second difference).
pub const DEVICE_AMERICAN_GREEKS: f64 = 1e-9;
