"""Options at expiry and at a strike of zero by their limits; Greeks and early exercise by simulation; the grid's report."""

import numpy as np
import pytest
import zomma
from zomma import american, bachelier, black_scholes, displaced, finite_difference, monte_carlo

DIVERGE_AT_EXPIRY = {"gamma", "theta", "charm", "veta", "speed", "zomma", "color", "dual_gamma"}


def test_limits_are_given_only_where_they_are_asked_for():
    spot, strikes = 100.0, np.array([90.0, 100.0, 110.0, 0.0])
    _, status = black_scholes.price("call", spot, strikes, 0.0, 0.05, 0.2, on_error="status")
    assert [zomma.Status(code).name for code in status] == ["EXPIRED", "EXPIRED", "EXPIRED", "BAD_STRIKE"]
    assert black_scholes.price("call", spot, strikes, 0.0, 0.05, 0.2, limits=True).tolist() == [10.0, 0.0, 0.0, 100.0]
    it = black_scholes.greeks("call", spot, strikes, 0.0, 0.05, 0.2, names=["delta", "vega", "rho"], limits=True)
    assert it["delta"].tolist() == [1.0, 0.5, 0.0, 1.0]
    assert not it["vega"].any() and not it["rho"].any()


def test_what_diverges_has_a_status_and_leaves_the_rest():
    call = ("call", 100.0, np.array([100.0, 90.0]), 0.0, 0.05, 0.2)
    it, status = black_scholes.greeks(*call, dividend_yield=0.02, limits=True, on_error="status")
    assert [zomma.Status(code).name for code in status] == ["DIVERGES", "OK"]
    assert {name for name, column in it.items() if np.isnan(column[0])} == DIVERGE_AT_EXPIRY | {"lambda"}
    assert all(np.isfinite(column[1]) for column in it.values())
    assert it["theta"][1] == pytest.approx(0.02 * 100.0 - 0.05 * 90.0, abs=1e-12)
    with pytest.raises(zomma.RowError, match="without bound") as caught:
        black_scholes.greeks(*call, limits=True)
    assert caught.value.status is zomma.Status.DIVERGES and caught.value.index == (0,)
    assert black_scholes.greeks("put", 100.0, 100.0, 0.0, 0.05, 0.2, limits=True, on_error="nan")["delta"] == -0.5
    fast = black_scholes.greeks(*call, names=["price", "theta"], limits=True, on_error="nan")
    assert np.isnan(fast["theta"][0]) and fast["price"].tolist() == [0.0, 10.0]


def test_greeks_tend_to_the_limits():
    strikes = np.array([80.0, 99.0, 101.0, 130.0])
    for kind in ("call", "put"):
        limit = black_scholes.greeks(kind, 100.0, strikes, 0.0, 0.05, 0.2, dividend_yield=0.02, limits=True)
        near = black_scholes.greeks(kind, 100.0, strikes, 1e-9, 0.05, 0.2, dividend_yield=0.02)
        for name, column in limit.items():
            if name != "lambda":
                np.testing.assert_allclose(column, near[name], atol=1e-6, err_msg=name)


@pytest.mark.parametrize("module, extra", [(bachelier, {}), (displaced, {"displacement": 10.0})])
def test_other_models_have_them_too(module, extra):
    volatility = 20.0 if module is bachelier else 0.2
    call = dict(option_type="call", spot=100.0, strike=np.array([90.0, 100.0]), expiry_years=0.0, risk_free_rate=0.05, volatility=volatility)
    assert module.price(**call, **extra, limits=True).tolist() == [10.0, 0.0]
    assert module.greeks(**call, **extra, names=["delta"], limits=True)["delta"].tolist() == [1.0, 0.5]
    _, status = module.greeks(**call, **extra, limits=True, on_error="status")
    assert [zomma.Status(code).name for code in status] == ["OK", "DIVERGES"]
    _, status = module.greeks(**call, **extra, on_error="status")
    assert [zomma.Status(code).name for code in status] == ["EXPIRED", "EXPIRED"]


def test_a_price_alone_says_so_whatever_is_asked_for_beside_it():
    pd = pytest.importorskip("pandas", reason="no pandas")
    table = pd.DataFrame({"option_type": ["put"], "strike": [100.0]})
    put = dict(spot=95.0, expiry_years=2.0, risk_free_rate=-0.01, dividend_yield=-0.05, volatility=0.15, exercise_style="american")
    for names in (["price", "phi"], ["price", "lambda"], ["price", "delta"]):
        it = zomma.greeks(table, **put, names=names)
        assert it["status"].tolist() == ["price_alone"] and it["price"][0] > 5.0 and it[names[1]].isna().all()
    assert zomma.price(table, **put)["status"].tolist() == ["ok"]


def test_tables_have_them_too():
    pd = pytest.importorskip("pandas", reason="no pandas")
    table = pd.DataFrame({"option_type": ["call", "put"], "strike": [90.0, 100.0]})
    market = dict(spot=100.0, expiry_years=0.0, risk_free_rate=0.05, volatility=0.2)
    assert zomma.price(table, **market)["status"].tolist() == ["expired", "expired"]
    it = zomma.greeks(table, **market, names=["price", "delta", "gamma"], limits=True)
    assert it["status"].tolist() == ["ok", "diverges"]
    assert it["delta"].tolist() == [1.0, -0.5] and it["gamma"].isna().tolist() == [False, True]
    assert zomma.greeks(table, **market, names=["delta"], limits=True)["status"].tolist() == ["ok", "ok"]


def test_american_options_of_little_volatility_have_greeks():
    it = american.greeks("put", np.array([95.0, 105.0, 34.0]), 100.0, 1.0, np.array([0.05, 0.05, 0.02]), 5e-5, dividend_yield=np.array([0.01, 0.01, 0.06]))
    years = np.log(0.06 * 34.0 / (0.02 * 100.0)) / 0.04
    np.testing.assert_allclose(it["delta"], [-1.0, 0.0, -np.exp(-0.06 * years)], atol=1e-7)
    assert all(np.isfinite(column[[0, 2]]).all() for column in it.values())
    with pytest.raises(zomma.RowError) as caught:
        american.greeks("put", 100.01, 100.0, 1.0, -0.02, 5e-5, dividend_yield=-0.04)
    assert caught.value.status is zomma.Status.TWO_BOUNDARIES


@pytest.mark.parametrize("method", ["pathwise", "likelihood_ratio"])
@pytest.mark.parametrize("sampling", ["sobol", "antithetic", "independent"])
def test_simulated_greeks_are_the_formulas(method, sampling):
    strikes = np.array([[95.0], [110.0]])
    it = monte_carlo.greeks("put", 100.0, strikes, 0.75, 0.04, 0.25, dividend_yield=0.02, method=method, sampling=sampling, seed=3)
    exact = black_scholes.greeks("put", 100.0, strikes, 0.75, 0.04, 0.25, dividend_yield=0.02)
    assert list(it) == ["price", "delta", "gamma", "vega", "theta", "rho", "phi", "dual_delta"]
    for name, found in it.items():
        assert found.price.shape == (2, 1) and (found.standard_error > 0.0).all()
        assert (np.abs(found.price - exact[name]) < 5.0 * found.standard_error + 1e-9).all(), name
    again = monte_carlo.greeks("put", 100.0, 95.0, 0.75, 0.04, 0.25, dividend_yield=0.02, method=method, sampling=sampling, seed=3)
    assert isinstance(again["delta"].price, float) and again["delta"].price == it["delta"].price[0, 0]


def test_tables_have_the_standard_errors_of_simulated_greeks():
    pd = pytest.importorskip("pandas", reason="no pandas")
    table = pd.DataFrame({"option_type": ["call", "put"], "strike": [95.0, 105.0], "model": ["bsm", "heston"]})
    market = dict(spot=100.0, expiry_years=0.5, risk_free_rate=0.04, volatility=0.2)
    heston = dict(v0=0.04, kappa=2.0, theta_v=0.04, sigma_v=0.3, rho_v=-0.5)
    it = zomma.greeks(table, **market, **heston, names=["price", "vega", "lambda"], method="monte_carlo", paths=4096, units="trader")
    assert list(it.columns[3:]) == ["price", "vega", "lambda", "standard_error", "vega_standard_error", "status"]
    exact = black_scholes.greeks("call", 100.0, 95.0, 0.5, 0.04, 0.2, units="trader")
    assert abs(it["vega"][0] - exact["vega"]) < 5.0 * it["vega_standard_error"][0] < 0.1 * exact["vega"]
    assert it["vega_standard_error"].isna().tolist() == [False, True] and it["standard_error"].notna().all()


def test_simulated_greeks_refuse_by_name():
    option = ("call", 100.0, 100.0, 1.0, 0.05, 0.2)
    for argument, given in {
        "digital": dict(payoff="digital"),
        "payoff": dict(payoff="cliquet"),
        "all the time": dict(payoff="up_and_out", barrier=120.0, method="likelihood_ratio"),
        "pathwise Greeks of a barrier": dict(payoff="up_and_out", barrier=120.0, dates=4),
        "Greeks of a lookback": dict(payoff="lookback", dates=4, method="likelihood_ratio"),
        "barrier: is needed": dict(payoff="up_and_out", dates=4, method="likelihood_ratio"),
        "dates": dict(payoff="asian"),
        "method": dict(method="finite"),
        "sampling": dict(sampling="halton"),
        "paths": dict(paths=1.5),
    }.items():
        with pytest.raises((ValueError, TypeError), match=argument):
            monte_carlo.greeks(*option, **given)
    with pytest.raises(ValueError, match="volatility"):
        monte_carlo.greeks("call", 100.0, 100.0, 1.0, 0.05, 0.0)
    digital = monte_carlo.greeks(*option, payoff="digital", method="likelihood_ratio")
    assert digital["dual_delta"].price == pytest.approx(-digital["delta"].price, rel=1e-9)


def test_greeks_of_barriers_and_lookbacks_by_simulation():
    option = ("call", 100.0, 100.0, 1.0, 0.05, 0.2)
    barrier = dict(barrier=130.0, dates=4, method="likelihood_ratio", seed=3)
    parts = [monte_carlo.greeks(*option, payoff=f"up_and_{kind}", **barrier) for kind in ("in", "out")]
    exact = black_scholes.greeks(*option)
    for name, found in parts[0].items():
        other = parts[1][name]
        error = np.hypot(found.standard_error, other.standard_error)
        assert abs(found.price + other.price - exact[name]) < 5.0 * error and error > 0.0, name
    priced = monte_carlo.price(*option, payoff="up_and_out", barrier=130.0, dates=4, seed=3)
    assert parts[1]["price"].price == pytest.approx(priced.price, rel=1e-12)
    # A lookback that is looked at once pays the better of the spot now and then.
    once = monte_carlo.greeks("call", 100.0, 95.0, 1.0, 0.05, 0.2, payoff="lookback", dates=1, seed=3)
    assert abs(once["vega"].price - exact["vega"]) < 5.0 * once["vega"].standard_error
    delta = np.exp(-0.05) + exact["price"] / 100.0
    assert abs(once["delta"].price - delta) < 5.0 * once["delta"].standard_error


def test_early_exercise_by_simulation_is_the_boundarys():
    spots, strikes = 36.0, np.array([40.0, 44.0])
    it = monte_carlo.american("put", spots, strikes, 1.0, 0.06, 0.2, seed=5)
    exact = american.price("put", spots, strikes, 1.0, 0.06, 0.2)
    # Fifty dates are worth a hundredth less than any time, and the rule misses little.
    assert ((it.price <= exact + 4.0 * it.standard_error) & (it.price > exact - 0.02 - 4.0 * it.standard_error)).all(), (it, exact)
    assert it.exercise_value.tolist() == [4.0, 8.0]
    assert (it.price == np.maximum(it.held, it.exercise_value)).all() and it.paths == 65_536
    laguerre = monte_carlo.american("put", spots, 40.0, 1.0, 0.06, 0.2, seed=5, basis="laguerre", degree=3, regression_paths=20_000)
    assert laguerre.price == pytest.approx(it.price[0], abs=0.03)
    heston = dict(model="heston", v0=0.04, kappa=2.0, theta_v=0.04, sigma_v=1e-9, rho_v=0.0)
    constant = monte_carlo.american("put", spots, 40.0, 1.0, 0.06, exercise_dates=16, paths=16_384, **heston)
    assert constant.price == pytest.approx(exact[0], abs=0.06)
    for argument, given in {
        "degree": dict(degree=9),
        "dates": dict(exercise_dates=0),
        "basis": dict(basis="hermite"),
        "model": dict(model="kou"),
        "paths": dict(regression_paths=1),
    }.items():
        with pytest.raises(ValueError, match=argument):
            monte_carlo.american("put", 36.0, 40.0, 1.0, 0.06, 0.2, **given)
    with pytest.raises(ValueError, match="strike"):
        monte_carlo.american("put", 36.0, -40.0, 1.0, 0.06, 0.2)


def test_the_grids_report_shows_order_and_stability():
    option = ("put", 100.0, 105.0, 1.0, 0.05, 0.2)
    exact = black_scholes.price(*option)
    # A scheme of first order takes four times the steps from one grid to the next, so that it is of the second in the cells.
    for scheme in ("tr_bdf2", "rannacher", "implicit_euler"):
        it = finite_difference.report(*option, exercise="european", scheme=scheme, space_steps=640, time_steps=64)
        assert isinstance(it, finite_difference.Report)
        assert it.order == pytest.approx(2.0, abs=0.4), scheme
        assert abs(it.values[2] - exact) < 0.02 and it.values[2] != it.values[0]
        assert 0.0 <= it.amplification <= 1.0 and it.upwind_nodes == 0 and it.peclet < 1.0
        assert it.explicit_steps > it.time_steps > 0
    american_report = finite_difference.report(*option, dividends=[(0.5, 2.0)])
    assert american_report.price == pytest.approx(
        finite_difference.price(*option, dividends=[(0.5, 2.0)]), abs=2.0 * american_report.error + 1e-3
    )
    with pytest.raises(ValueError, match="explicit_steps"):
        finite_difference.report(*option, scheme="explicit", exercise="european")
    for argument, given in {
        "scheme": dict(scheme="euler"),
        "space_steps": dict(space_steps=3),
        "time_steps": dict(time_steps=0),
        "deviations": dict(deviations=0.5),
        "exercise": dict(exercise="sometimes"),
    }.items():
        with pytest.raises(ValueError, match=argument):
            finite_difference.report(*option, **given)
    with pytest.raises(ValueError, match="volatility"):
        finite_difference.report("put", 100.0, 105.0, 1.0, 0.05, 0.0)
