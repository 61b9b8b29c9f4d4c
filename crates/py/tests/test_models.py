"""American options and the models with characteristic functions against QuantLib, against limits that are known, and by their calls."""

import math

import numpy as np
import pytest
import zomma
from zomma import american, bates, black_scholes, heston, kou, merton, monte_carlo, variance_gamma

ql = pytest.importorskip("QuantLib", reason="no QuantLib")

HESTON = dict(v0=0.04, kappa=1.5, theta_v=0.05, sigma_v=0.4, rho_v=-0.7)
JUMPS = dict(jump_intensity=0.5, jump_mean=-0.1, jump_std=0.15)
MODELS = {
    "heston": (heston, HESTON),
    "bates": (bates, HESTON | JUMPS),
    "merton": (merton, dict(volatility=0.2) | JUMPS),
    "kou": (kou, dict(volatility=0.16, jump_intensity=1.0, jump_up_probability=0.4, jump_up_rate=10.0, jump_down_rate=5.0)),
    "variance_gamma": (variance_gamma, dict(volatility=0.12, vg_theta=-0.14, vg_nu=0.2)),
}
RATE, YIELD, SPOT = 0.03, 0.01, 100.0
TODAY = ql.Date(2, 1, 2025)
ql.Settings.instance().evaluationDate = TODAY
DAYS = ql.Actual365Fixed()


def flat(rate):
    return ql.YieldTermStructureHandle(ql.FlatForward(TODAY, rate, DAYS))


def process(spot, rate, dividend, volatility):
    quote = ql.QuoteHandle(ql.SimpleQuote(spot))
    vol = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(TODAY, ql.NullCalendar(), volatility, DAYS))
    return ql.BlackScholesMertonProcess(quote, flat(dividend), flat(rate), vol)


def payoff(kind, strike):
    return ql.PlainVanillaPayoff(ql.Option.Call if kind == "call" else ql.Option.Put, strike)


def test_american_prices_are_quantlibs():
    """Its fixed-point engine of high precision, with equation A: with B it is a hundred times further from where its finer schemes go.

    The most seen on 60 rows: 1.1e-8 for a spot of 100."""
    rng = np.random.default_rng(3)
    rows = 60
    kind = np.where(rng.random(rows) < 0.5, "call", "put")
    strike, days = rng.uniform(70.0, 140.0, rows), rng.integers(20, 900, rows)
    rate, dividend, volatility = rng.uniform(0.0, 0.1, rows), rng.uniform(0.0, 0.08, rows), rng.uniform(0.1, 0.6, rows)
    expected = []
    for i in range(rows):
        market = process(SPOT, rate[i], dividend[i], volatility[i])
        option = ql.VanillaOption(payoff(kind[i], strike[i]), ql.AmericanExercise(TODAY, TODAY + int(days[i])))
        scheme, equation = ql.QdFpAmericanEngine.highPrecisionScheme(), ql.QdFpAmericanEngine.FP_A
        option.setPricingEngine(ql.QdFpAmericanEngine(market, scheme, equation))
        expected.append(option.NPV())
    arguments = (kind, SPOT, strike, days / 365.0, rate, volatility)
    for accuracy, most in (("high_precision", 2e-8), ("accurate", 1e-7), ("fast", 1e-6), ("quick", 1e-4)):
        got = american.price(*arguments, dividend_yield=dividend, accuracy=accuracy)
        np.testing.assert_allclose(got, expected, rtol=0.0, atol=most, err_msg=accuracy)
    european = black_scholes.price(*arguments, dividend_yield=dividend)
    premium = american.price(*arguments, dividend_yield=dividend) - european
    assert (premium > -1e-9).all() and premium.max() > 0.1
    clear = premium > 0.01
    got = american.implied_volatility(*arguments[:5], expected, dividend_yield=dividend, on_error="nan")
    stays = np.array(expected) > np.maximum(np.where(kind == "call", SPOT - strike, strike - SPOT), 0.0) + 1e-3
    np.testing.assert_allclose(got[clear & stays], volatility[clear & stays], rtol=1e-3)


def quantlib_price(model, kind, strike, days):
    option = ql.VanillaOption(payoff(kind, strike), ql.EuropeanExercise(TODAY + int(days)))
    quote = ql.QuoteHandle(ql.SimpleQuote(SPOT))
    p = MODELS[model][1]
    variance = [p.get(name) for name in HESTON]
    jumps = [p.get(name) for name in JUMPS]
    market = (flat(RATE), flat(YIELD), quote)
    if model == "heston":
        v0, kappa, theta, sigma, rho = variance
        it = ql.HestonModel(ql.HestonProcess(*market, v0, kappa, theta, sigma, rho))
        option.setPricingEngine(ql.AnalyticHestonEngine(it, 1e-13, 1_000_000))
    else:
        v0, kappa, theta, sigma, rho = variance
        # QuantLib's nu is the mean of a jump's logarithm.
        it = ql.BatesModel(ql.BatesProcess(*market, v0, kappa, theta, sigma, rho, *jumps))
        option.setPricingEngine(ql.BatesEngine(it, 1e-12, 100_000))
    return option.NPV()


@pytest.mark.parametrize(("model", "most"), [("heston", 1e-8), ("bates", 1e-7)])
def test_prices_of_models_are_quantlibs(model, most):
    module, parameters = MODELS[model]
    for days in (30, 182, 730):
        for kind in ("call", "put"):
            strikes = np.array([75.0, 90.0, 100.0, 110.0, 130.0])
            got = module.price(kind, SPOT, strikes, days / 365.0, RATE, **parameters, dividend_yield=YIELD)
            expected = [quantlib_price(model, kind, strike, days) for strike in strikes]
            np.testing.assert_allclose(got, expected, rtol=0.0, atol=most, err_msg=f"{kind}, {days} days")


def test_merton_is_the_sum_over_the_number_of_jumps():
    """Merton (1976): given n jumps the logarithm of the spot is normal."""
    p = MODELS["merton"][1]
    strike, years = np.array([80.0, 100.0, 125.0]), 0.75
    growth = p["jump_mean"] + p["jump_std"] ** 2 / 2
    expected = 0.0
    for n in range(40):
        volatility = math.sqrt(p["volatility"] ** 2 + n * p["jump_std"] ** 2 / years)
        carry = RATE - YIELD - p["jump_intensity"] * math.expm1(growth) + n * growth / years
        count = math.exp(-p["jump_intensity"] * years) * (p["jump_intensity"] * years) ** n / math.factorial(n)
        undiscounted = black_scholes.price("put", SPOT * math.exp(carry * years), strike, years, 0.0, volatility)
        expected += count * math.exp(-RATE * years) * undiscounted
    got = merton.price("put", SPOT, strike, years, RATE, **p, dividend_yield=YIELD)
    np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_variance_gamma_is_a_mixture_over_its_clock():
    """Madan, Carr and Chang (1998): given the gamma time g the logarithm of the spot is normal. The density's singularity at g = 0 of a
    short clock goes with x = g^b, and the rest by Gauss's rule."""
    p = MODELS["variance_gamma"][1]
    volatility, drift, nu = p["volatility"], p["vg_theta"], p["vg_nu"]
    node, weight = np.polynomial.legendre.leggauss(400)
    strike = np.array([75.0, 90.0, 100.0, 110.0, 130.0])[:, None]
    for years in (30 / 365, 0.5, 2.0):
        shape = years / nu
        power = min(shape, 1.0)
        most = (40 * nu + 8 * years) ** power
        x, dx = most * (node + 1) / 2, most * weight / 2
        clock = x ** (1 / power)
        density = clock ** (shape - power) * np.exp(-clock / nu) / (math.gamma(shape) * nu**shape * power)
        correction = math.log(1 - nu * (drift + volatility**2 / 2)) * shape
        spot = SPOT * np.exp((RATE - YIELD) * years + correction + (drift + volatility**2 / 2) * clock)
        given = black_scholes.price("put", spot, strike, 1.0, 0.0, volatility * np.sqrt(clock))
        expected = math.exp(-RATE * years) * (given * density * dx).sum(axis=1)
        got = variance_gamma.price("put", SPOT, strike[:, 0], years, RATE, **p, dividend_yield=YIELD)
        np.testing.assert_allclose(got, expected, rtol=0.0, atol=1e-7, err_msg=f"{years} years")


@pytest.mark.parametrize("model", MODELS)
def test_calls_and_puts_differ_by_the_forward(model):
    module, parameters = MODELS[model]
    strike, years = np.linspace(60.0, 160.0, 11), np.array([[0.1], [2.0]])
    call, put = (module.price(kind, SPOT, strike, years, RATE, **parameters, dividend_yield=YIELD) for kind in ("call", "put"))
    assert call.shape == (2, 11)
    forward = SPOT * np.exp(-YIELD * years) - strike * np.exp(-RATE * years)
    np.testing.assert_allclose(call - put, forward, atol=1e-10)


@pytest.mark.parametrize("model", MODELS)
def test_greeks_and_gradients_are_differences_of_prices(model):
    module, parameters = MODELS[model]
    base = dict(spot=SPOT, strike=95.0, expiry_years=0.6, risk_free_rate=RATE, dividend_yield=YIELD) | parameters

    def slope(name):
        step = 1e-4 * max(abs(base[name]), 0.01)
        up, down = (module.price("put", **base | {name: base[name] + sign * step}) for sign in (1, -1))
        return (up - down) / (2 * step)

    greeks, gradient = module.greeks("put", **base), module.gradient("put", **base)
    assert not {"vomma", "veta", "ultima"} & set(greeks) and {"delta", "zomma", "lambda"} < set(greeks)
    market = {"delta": slope("spot"), "rho": slope("risk_free_rate"), "phi": slope("dividend_yield")}
    market |= {"theta": -slope("expiry_years"), "dual_delta": slope("strike")}
    for name, expected in market.items():
        assert greeks[name] == pytest.approx(expected, rel=1e-5, abs=1e-6), name
        assert gradient[name] == pytest.approx(greeks[name], rel=1e-9), name
    for name in parameters:
        assert gradient[name] == pytest.approx(slope(name), rel=1e-4, abs=1e-5), name
    by_volatility = 2 * math.sqrt(base["v0"]) * gradient["v0"] if "v0" in base else gradient["volatility"]
    assert greeks["vega"] == pytest.approx(by_volatility, rel=1e-9)
    some = module.greeks("put", **base, names=["vega", "price"], units="trader")
    assert list(some) == ["vega", "price"] and some["vega"] == pytest.approx(greeks["vega"] / 100)
    assert some["price"] == pytest.approx(module.price("put", **base), rel=1e-9)
    with pytest.raises(ValueError, match="names: .ultima.: allowed are price, delta"):
        module.greeks("put", **base, names=["ultima"])


@pytest.mark.parametrize("model", MODELS)
def test_faulty_rows_are_told(model):
    module, parameters = MODELS[model]
    name = next(iter(parameters))
    values, status = module.price("call", SPOT, 100.0, 1.0, RATE, **parameters | {name: [parameters[name], -1.0]}, on_error="status")
    assert np.isfinite(values).tolist() == [True, False]
    assert [str(zomma.Status(code)) for code in status] == ["ok", f"bad_{name}"]
    with pytest.raises(zomma.RowError, match=f"^row 1: {name} is -1.0: must be finite and not below 0") as caught:
        module.greeks("call", SPOT, 100.0, 1.0, RATE, **parameters | {name: [parameters[name], -1.0]})
    assert (caught.value.argument, caught.value.index) == (name, (1,))


def test_american_greeks_are_differences_of_prices():
    base = dict(spot=SPOT, strike=104.0, expiry_years=0.7, risk_free_rate=0.06, volatility=0.25, dividend_yield=0.02)

    def value(**moved):
        return american.price("put", **base | moved, accuracy="high_precision")

    def slope(name):
        step = 1e-3 * base[name]
        return (value(**{name: base[name] + step}) - value(**{name: base[name] - step})) / (2 * step)

    greeks = american.greeks("put", **base, accuracy="high_precision")
    pairs = {"delta": "spot", "vega": "volatility", "rho": "risk_free_rate", "phi": "dividend_yield", "dual_delta": "strike"}
    for greek, argument in pairs.items():
        assert greeks[greek] == pytest.approx(slope(argument), rel=1e-4), greek
    assert greeks["theta"] == pytest.approx(-slope("expiry_years"), rel=1e-4)
    gamma = (value(spot=101.0) - 2 * value() + value(spot=99.0)) / 1.0
    assert greeks["gamma"] == pytest.approx(gamma, rel=1e-3)
    some = american.greeks("put", **base, names=["vega"], units="trader", accuracy="high_precision")
    assert some == {"vega": pytest.approx(greeks["vega"] / 100)}


def test_american_calls():
    assert type(american.price("put", 100.0, 100.0, 1.0, 0.05, 0.2)) is float
    strike = np.linspace(80.0, 120.0, 300).reshape(3, 100)
    got = american.price("put", 100.0, strike, 1.0, 0.05, 0.2)
    assert got.shape == (3, 100) and got[1, 7] == american.price("put", 100.0, strike[1, 7], 1.0, 0.05, 0.2)
    # A put with yield < rate < 0 has two boundaries.
    value, status = american.price("put", 100.0, 100.0, 1.0, -0.01, 0.2, dividend_yield=-0.03, accuracy="accurate", on_error="status")
    assert math.isnan(value) and status is zomma.Status.TWO_BOUNDARIES
    for accuracy in ("quick", "fast"):
        arguments = ("put", 100.0, np.array([95.0, 100.0]), 1.0, np.array([0.05, -0.01]), 0.2)
        rest = dict(dividend_yield=np.array([0.02, -0.03]), accuracy=accuracy)
        prices = american.price(*arguments, **rest)
        assert (prices > 0.0).all()
        # It has a price, which is all that is asked for, and no Greeks.
        assert (american.greeks(*arguments, **rest, names=["price"])["price"] == prices).all()
        got, status = american.greeks(*arguments, **rest, names=["price", "delta"], on_error="status")
        assert list(status == zomma.Status.TWO_BOUNDARIES) == [False, True] and np.isnan(got["delta"][1])
    with pytest.raises(ValueError, match="accuracy: .best.: allowed are 'quick', 'fast', 'accurate' and 'high_precision'"):
        american.price("put", 100.0, 100.0, 1.0, 0.05, 0.2, accuracy="best")
    with pytest.raises(zomma.RowError, match="^price is 1.0: below the intrinsic value"):
        american.implied_volatility("put", 90.0, 100.0, 1.0, 0.05, 1.0)


@pytest.mark.parametrize("sampling", ["sobol", "antithetic", "independent"])
@pytest.mark.parametrize("model", ["bsm", "merton", "heston", "bates"])
def test_simulated_prices_are_near_the_exact_ones(model, sampling):
    module, parameters = MODELS.get(model, (black_scholes, {"volatility": 0.2}))
    strike = np.array([[90.0, 100.0], [110.0, 120.0]])
    it = monte_carlo.price("call", SPOT, strike, 0.5, RATE, **parameters, model=model, sampling=sampling, seed=5, paths=32_768)
    exact = module.price("call", SPOT, strike, 0.5, RATE, **parameters)
    assert it.price.shape == it.standard_error.shape == (2, 2) and it.paths == 32_768
    # Two hundredths for what Heston's steps leave.
    assert (np.abs(it.price - exact) < 5 * it.standard_error + 0.02).all()
    again = monte_carlo.price("call", SPOT, 110.0, 0.5, RATE, **parameters, model=model, sampling=sampling, seed=5, paths=32_768)
    assert type(again.price) is float and again.price == it.price[1, 0]


def test_simulated_payoffs():
    terms = dict(spot=SPOT, strike=100.0, expiry_years=1.0, risk_free_rate=RATE, volatility=0.2, seed=3)
    european = monte_carlo.price("call", **terms).price
    parts = [monte_carlo.price("call", **terms, payoff=f"up_and_{kind}", barrier=130.0) for kind in ("in", "out")]
    assert sum(it.price for it in parts) == pytest.approx(european, abs=0.05)
    asian, geometric = (monte_carlo.price("call", **terms, payoff=kind, dates=12).price for kind in ("asian", "geometric_asian"))
    assert 0.0 < geometric < asian < european < monte_carlo.price("call", **terms, payoff="lookback", dates=12).price
    digital = monte_carlo.price("call", **terms, payoff="digital")
    exact = -black_scholes.greeks("call", SPOT, 100.0, 1.0, RATE, 0.2)["dual_delta"]
    assert digital.price == pytest.approx(exact, abs=5 * digital.standard_error + 1e-4)


def test_control_variates_lessen_the_error_and_leave_the_price():
    terms = dict(spot=SPOT, strike=np.array([90.0, 100.0]), expiry_years=1.0, risk_free_rate=RATE, seed=3, sampling="independent")
    asian = dict(volatility=0.2, payoff="asian", dates=12)
    heston = dict(model="heston", **MODELS["heston"][1])
    black = dict(control="black_scholes", control_volatility=0.2)
    # The least factor by which the error falls.
    for given, control, factor in [
        (asian, dict(control="geometric_asian"), 10.0),
        (dict(volatility=0.2), dict(control="spot"), 1.5),
        (heston, black, 1.2),
    ]:
        plain, controlled = monte_carlo.price("call", **terms, **given), monte_carlo.price("call", **terms, **given, **control)
        assert (controlled.standard_error * factor < plain.standard_error).all(), control
        assert (np.abs(controlled.price - plain.price) < 4 * np.hypot(plain.standard_error, controlled.standard_error)).all()
    perfect = monte_carlo.price("call", **terms, volatility=0.2, **black)
    assert perfect.price == pytest.approx(black_scholes.price("call", SPOT, terms["strike"], 1.0, RATE, 0.2), rel=1e-12)
    assert (perfect.standard_error < 1e-10).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"option_type": "straddle"}, "option_type: .straddle.: allowed are 'call' and 'put'"),
        ({"spot": -1.0}, "spot: must be finite and above 0"),
        ({"volatility": None}, "volatility: is needed here"),
        ({"model": "heston"}, "v0: is needed here"),
        ({"model": "sabr"}, "model: .sabr.: allowed are 'bsm'"),
        ({"payoff": "asian"}, "dates: are needed for payoff='asian'"),
        ({"payoff": "asian", "dates": 3, "steps": 7}, "3 dates: they must divide the 7 steps"),
        ({"payoff": "up_and_out"}, "barrier: is needed here"),
        ({"payoff": "up_and_out", "barrier": 90.0}, "barrier: the spot is at or beyond it already"),
        ({"payoff": "cliquet"}, "payoff: .cliquet.: allowed are 'european'"),
        ({"sampling": "halton"}, "sampling: .halton.: allowed are 'sobol'"),
        ({"control": "delta"}, "control: .delta.: allowed are 'spot', 'black_scholes' and 'geometric_asian'"),
        ({"control": "black_scholes"}, "control_volatility: is needed here"),
        ({"control": "black_scholes", "control_volatility": -0.1}, "control_volatility: -0.1: allowed is a finite number"),
        ({"control_volatility": 0.1}, "control_volatility: is that of control='black_scholes', not of None"),
        ({"control": "geometric_asian"}, "not supported: a geometric Asian control"),
        ({"paths": 1, "sampling": "independent"}, "1 paths: at least 2 are needed"),
        ({"seed": -1}, "seed: -1; allowed: 0 to"),
        ({"paths": 2**64}, "paths: 18446744073709551616; allowed"),
    ],
)
def test_what_cannot_be_simulated_is_named(change, words):
    terms = dict(option_type="call", spot=SPOT, strike=100.0, expiry_years=1.0, risk_free_rate=RATE, volatility=0.2)
    with pytest.raises(ValueError, match=words):
        monte_carlo.price(**terms | change)
    with pytest.raises(TypeError, match="paths: 1.5; allowed: a whole number"):
        monte_carlo.price(**terms, paths=1.5)


def test_options_on_several_assets():
    terms = dict(expiry_years=1.0, risk_free_rate=0.05, seed=3)
    one = monte_carlo.basket("call", [100.0], 95.0, volatilities=0.3, correlation=1.0, **terms)
    exact = black_scholes.price("call", 100.0, 95.0, 1.0, 0.05, 0.3)
    assert one.price == pytest.approx(exact, abs=5 * one.standard_error)
    geometric = monte_carlo.basket("put", [100.0, 120.0], 100.0, volatilities=[0.2, 0.3], correlation=0.4, on="geometric", **terms)
    # A product of lognormals is one: variance w'Cw, drift less half of each variance by weight.
    variance = 0.25 * (0.04 + 0.09 + 2 * 0.4 * 0.2 * 0.3)
    forward = np.sqrt(100.0 * 120.0) * np.exp(0.05 - 0.25 * (0.04 + 0.09) + 0.5 * variance)
    exact = black_scholes.price("put", forward, 100.0, 1.0, 0.05, np.sqrt(variance), model="black76")
    assert geometric.price == pytest.approx(exact, abs=5 * geometric.standard_error)
    # Broadie and Glasserman (1997): the maximum of two at strike 100, r 5 %, q 10 %, both volatilities 0.2, no correlation, three years, nine dates: 13.902.
    american = monte_carlo.basket("call", [100.0, 100.0], 100.0, 3.0, 0.05, 0.2, 0.0, dividend_yields=0.1, on="best", exercise_dates=9, seed=3)
    assert american.price == pytest.approx(13.902, abs=0.08)
    matrix = [[1.0, 0.9, 0.9], [0.9, 1.0, -0.9], [0.9, -0.9, 1.0]]
    for change, words in [
        ({"correlation": matrix}, "eigenvalue"),
        ({"correlation": np.eye(2)}, "correlation: shape"),
        ({"correlation": 1.5}, "1.5"),
        ({"volatilities": [0.2]}, "volatilities: shape"),
        ({"weights": [1.0, float("nan"), 0.0]}, "weights: must be finite"),
        ({"on": "middle"}, "on: .middle.: allowed are 'basket'"),
        ({"spots": np.full(51, 100.0)}, "51 assets"),
        ({"strike": -1.0}, "strike: "),
        ({"exercise_dates": -2}, "exercise_dates: -2; allowed"),
    ]:
        arguments = dict(spots=[100.0, 100.0, 100.0], strike=100.0, volatilities=0.2, correlation=0.5) | change
        with pytest.raises(ValueError, match=words):
            monte_carlo.basket("call", **arguments, **terms)


def test_tables_of_many_models():
    polars = pytest.importorskip("polars", reason="no polars")
    rows = [{"model": name, "exercise_style": "european"} | MODELS[name][1] for name in MODELS]
    rows += [{"model": "bsm", "exercise_style": "american", "volatility": 0.2}, {"model": "merton", "exercise_style": "american"} | MODELS["merton"][1]]
    table = polars.DataFrame(rows)
    market = dict(option_type="put", spot=SPOT, strike=95.0, expiry_years=0.6, risk_free_rate=RATE)
    got = zomma.price(table, **market)
    assert got["status"].to_list() == ["ok"] * 6 + ["bad_exercise_style"]
    for row, (module, parameters) in enumerate(MODELS.values()):
        assert got["price"][row] == pytest.approx(module.price(**market, **parameters), rel=1e-12)
    assert got["price"][5] == american.price(**market, volatility=0.2)
    greeks = zomma.greeks(table, **market, names=["delta", "vomma"])
    assert greeks["delta"].is_null().to_list() == [False] * 6 + [True]
    assert greeks["vomma"].is_null().to_list() == [False] * 6 + [True]
    assert greeks["delta"][5] == american.greeks(**market, volatility=0.2)["delta"]
