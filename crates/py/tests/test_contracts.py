"""Cash dividends, barriers, digitals, Asians, lookbacks and Bermudan options against QuantLib, and tables that mix them by row."""

import numpy as np
import pandas
import polars
import pyarrow
import pytest
import zomma
from zomma import bachelier, black_scholes, displaced, exotic, finite_difference

ql = pytest.importorskip("QuantLib", reason="no QuantLib")

SPOT, RATE, YIELD, VOLATILITY = 100.0, 0.04, 0.01, 0.3
TODAY = ql.Date(2, 1, 2025)
DAYS = ql.Actual365Fixed()


def flat(rate):
    return ql.YieldTermStructureHandle(ql.FlatForward(TODAY, rate, DAYS))


@pytest.fixture
def process():
    ql.Settings.instance().evaluationDate = TODAY
    vol = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(TODAY, ql.NullCalendar(), VOLATILITY, DAYS))
    return ql.BlackScholesMertonProcess(ql.QuoteHandle(ql.SimpleQuote(SPOT)), flat(YIELD), flat(RATE), vol)


def row(kind, strike, days):
    return (kind, SPOT, strike, days / 365.0, RATE, VOLATILITY)


def vanilla(kind, strike):
    return ql.PlainVanillaPayoff(ql.Option.Call if kind == "call" else ql.Option.Put, strike)


def value(option, engine):
    option.setPricingEngine(engine)
    return option.NPV()


@pytest.mark.parametrize("kind", ["call", "put"])
@pytest.mark.parametrize("exercise", ["european", "american"])
def test_cash_dividends_are_quantlibs(process, kind, exercise):
    """Its finite differences under the spot model, on a grid of its own: to both errors."""
    days, dividends = 200, [(40, 2.0), (130, 2.0)]
    strikes = np.array([85.0, 100.0, 115.0])
    ends = TODAY + days
    style = ql.EuropeanExercise(ends) if exercise == "european" else ql.AmericanExercise(TODAY, ends)
    paid = ql.DividendVector([TODAY + day for day, _ in dividends], [amount for _, amount in dividends])
    expected = [
        value(ql.VanillaOption(vanilla(kind, strike), style), ql.FdBlackScholesVanillaEngine(process, paid, 400, 1600))
        for strike in strikes
    ]
    own = [(day / 365.0, amount) for day, amount in dividends]
    arguments = dict(dividend_yield=YIELD, dividends=own, exercise=exercise)
    got = finite_difference.greeks(*row(kind, strikes, days), **arguments, accuracy="accurate", names=["price", "error_estimate", "delta"])
    np.testing.assert_allclose(got["price"], expected, rtol=0.0, atol=4e-3)
    assert (got["error_estimate"] > 0.0).all() and (got["error_estimate"] < 2e-3).all()
    assert (np.sign(got["delta"]) == (1.0 if kind == "call" else -1.0)).all()
    price = finite_difference.price(*row(kind, strikes, days), **arguments)
    back = finite_difference.implied_volatility(*row(kind, strikes, days)[:5], price, **arguments)
    np.testing.assert_allclose(back, VOLATILITY, rtol=2e-3)


def test_bermudan_options_are_quantlibs(process):
    dates = [50, 100]
    option = ql.VanillaOption(vanilla("put", 105.0), ql.BermudanExercise([TODAY + day for day in (*dates, 200)]))
    expected = value(option, ql.FdBlackScholesVanillaEngine(process, 800, 1600))
    times = [day / 365.0 for day in dates]
    got = finite_difference.price(*row("put", 105.0, 200), dividend_yield=YIELD, exercise="bermudan", exercise_times=times)
    assert abs(got - expected) < 1e-3
    with pytest.raises(zomma.RowError, match="exercise_times") as caught:
        finite_difference.price(*row("put", 105.0, 200), exercise="bermudan")
    assert caught.value.status == zomma.Status.BAD_EXERCISE_TIMES


@pytest.mark.parametrize(("word", "kind"), [("down_and_out", "DownOut"), ("down_and_in", "DownIn"), ("up_and_out", "UpOut"), ("up_and_in", "UpIn")])
def test_barriers_are_quantlibs(process, word, kind):
    level = 90.0 if word.startswith("down") else 115.0
    for option_type in ("call", "put"):
        for strike in (80.0, 95.0, 120.0):
            terms = (getattr(ql.Barrier, kind), level, 3.0, vanilla(option_type, strike), ql.EuropeanExercise(TODAY + 182))
            expected = value(ql.BarrierOption(*terms), ql.AnalyticBarrierEngine(process))
            arguments = dict(barrier=level, barrier_type=word, rebate=3.0, dividend_yield=YIELD)
            got = exotic.barrier(*row(option_type, strike, 182), **arguments)
            assert abs(got - expected) < 1e-10, (option_type, strike)
            grid = exotic.barrier(*row(option_type, strike, 182), **arguments, method="finite_difference", names=["price", "error_estimate"])
            assert abs(grid["price"] - expected) < max(grid["error_estimate"], 1e-4)


def test_double_barriers_are_quantlibs(process):
    for word, kind in (("double_out", ql.DoubleBarrier.KnockOut), ("double_in", ql.DoubleBarrier.KnockIn)):
        option = ql.DoubleBarrierOption(kind, 80.0, 130.0, 0.0, vanilla("call", 100.0), ql.EuropeanExercise(TODAY + 182))
        expected = value(option, ql.AnalyticDoubleBarrierEngine(process))
        got = exotic.barrier(*row("call", 100.0, 182), barrier=80.0, barrier_upper=130.0, barrier_type=word, dividend_yield=YIELD)
        assert abs(got - expected) < 1e-4, word


def test_digitals_are_quantlibs(process):
    strikes = np.array([90.0, 105.0])
    for kind, side in (("call", ql.Option.Call), ("put", ql.Option.Put)):
        for pays, payoff in (("cash", lambda k: ql.CashOrNothingPayoff(side, k, 10.0)), ("asset", lambda k: ql.AssetOrNothingPayoff(side, k))):
            end = ql.EuropeanExercise(TODAY + 182)
            expected = [value(ql.VanillaOption(payoff(float(k)), end), ql.AnalyticEuropeanEngine(process)) for k in strikes]
            got = exotic.digital(*row(kind, strikes, 182), pays=pays, cash_amount=10.0, dividend_yield=YIELD)
            np.testing.assert_allclose(got, expected, rtol=1e-11)


def test_asians_are_quantlibs(process):
    dates = [TODAY + 30 * month for month in range(1, 7)]
    end = ql.EuropeanExercise(TODAY + 180)
    geometric = ql.DiscreteAveragingAsianOption(ql.Average().Geometric, 1.0, 0, dates, vanilla("call", 100.0), end)
    expected = value(geometric, ql.AnalyticDiscreteGeometricAveragePriceAsianEngine(process))
    arguments = (*row("call", 100.0, 180),)
    got = exotic.asian(*arguments, average="geometric", observation_dates=6, dividend_yield=YIELD)
    assert abs(got - expected) < 1e-10
    arithmetic = ql.DiscreteAveragingAsianOption(ql.Average().Arithmetic, 0.0, 0, dates, vanilla("call", 100.0), end)
    engine = ql.MCDiscreteArithmeticAPEngine(process, "ld", brownianBridge=True, controlVariate=True, requiredSamples=65535)
    expected = value(arithmetic, engine)
    names = ["price", "delta", "theta", "error_estimate"]
    it = exotic.asian(*arguments, observation_dates=6, dividend_yield=YIELD, names=names)
    assert abs(it["price"] - expected) < 4.0 * it["error_estimate"] + 1e-3 and it["error_estimate"] < 1e-3
    assert 0.4 < it["delta"] < 0.7 and np.isnan(it["theta"])
    again = [exotic.asian(*arguments, observation_dates=6, dividend_yield=YIELD, seed=seed) for seed in (5, 5, 6)]
    assert again[0] == again[1] != again[2]


def test_lookbacks_are_quantlibs(process):
    end = ql.EuropeanExercise(TODAY + 182)
    for kind, side, extreme in (("call", ql.Option.Call, 95.0), ("put", ql.Option.Put, 107.0)):
        option = ql.ContinuousFloatingLookbackOption(extreme, ql.FloatingTypePayoff(side), end)
        expected = value(option, ql.AnalyticContinuousFloatingLookbackEngine(process))
        got = exotic.lookback(*row(kind, 100.0, 182), strike_type="floating", extreme=extreme, dividend_yield=YIELD)
        assert abs(got - expected) < 1e-8
        extreme = 104.0 if kind == "call" else 97.0
        option = ql.ContinuousFixedLookbackOption(extreme, vanilla(kind, 102.0), end)
        expected = value(option, ql.AnalyticContinuousFixedLookbackEngine(process))
        got = exotic.lookback(*row(kind, 102.0, 182), extreme=extreme, dividend_yield=YIELD)
        assert abs(got - expected) < 1e-8


def test_normal_and_displaced_prices_are_quantlibs():
    discount = np.exp(-RATE * 0.5)
    for kind, side in (("call", ql.Option.Call), ("put", ql.Option.Put)):
        expected = ql.bachelierBlackFormula(side, 95.0, 100.0, 20.0 * np.sqrt(0.5), discount)
        got = bachelier.price(kind, 100.0, 95.0, 0.5, RATE, 20.0, underlying="forward")
        assert abs(got - expected) < 1e-10
        expected = ql.blackFormula(side, 95.0, 100.0, 0.25 * np.sqrt(0.5), discount, 12.0)
        it = displaced.greeks(kind, 100.0, 95.0, 0.5, RATE, 0.25, 12.0, underlying="forward")
        assert abs(it["price"] - expected) < 1e-10 and np.isnan(it["phi"])
    spot = displaced.price("call", np.array([100.0, -20.0]), 95.0, 0.5, RATE, 0.25, 0.0, on_error="nan")
    assert spot[0] == pytest.approx(black_scholes.price("call", 100.0, 95.0, 0.5, RATE, 0.25), abs=1e-12) and np.isnan(spot[1])


def cells(table, name):
    if isinstance(table, pandas.DataFrame):
        return [None if pandas.isna(cell) else cell for cell in table[name].tolist()]
    return table[name].to_list() if isinstance(table, polars.DataFrame) else table[name].to_pylist()


@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame, pyarrow.table])
def test_a_table_mixes_models_styles_and_contracts(make):
    absent = [None] * 6
    table = make(
        {
            "model": ["bsm", "bachelier", "heston", "bsm", "bsm", "bsm"],
            "exercise_style": ["american", None, "american", None, "bermudan", None],
            "option_type": ["put"] * 6,
            "payoff": [*absent[:5], "cash_or_nothing"],
            "barrier_type": [None, None, None, "down_and_out", None, None],
            "barrier": [None, None, None, 80.0, None, None],
            "dividends": ["0.1:1.5;0.3:1.5", *absent[1:]],
            "exercise_times": [*absent[:4], "0.25", None],
            "spot": [100.0] * 6,
            "strike": [105.0] * 6,
            "expiry_years": [0.5] * 6,
            "risk_free_rate": [0.04] * 6,
            "volatility": [0.25, 25.0, None, 0.25, 0.25, 0.25],
            "v0": [None, None, 0.0625, None, None, None],
            "kappa": [None, None, 2.0, None, None, None],
            "theta_v": [None, None, 0.0625, None, None, None],
            "sigma_v": [None, None, 0.4, None, None, None],
            "rho_v": [None, None, -0.6, None, None, None],
        }
    )
    got = zomma.greeks(table, names=["price", "delta", "vega"])
    assert cells(got, "status") == ["ok"] * 6
    price = cells(got, "price")
    market = ("put", 100.0, 105.0, 0.5, 0.04)
    assert price[0] == pytest.approx(finite_difference.price(*market, 0.25, dividends=[(0.1, 1.5), (0.3, 1.5)]), abs=1e-10)
    assert price[1] == bachelier.price(*market, 25.0)
    assert price[3] == exotic.barrier(*market, 0.25, barrier=80.0, barrier_type="down_and_out")
    assert price[4] == finite_difference.price(*market, 0.25, exercise="bermudan", exercise_times=[0.25])
    assert price[5] == exotic.digital(*market, 0.25)
    heston = zomma.heston.price(*market, v0=0.0625, kappa=2.0, theta_v=0.0625, sigma_v=0.4, rho_v=-0.6)
    assert heston < price[2] < heston + 0.5
    assert [error is None for error in cells(got, "error_estimate")] == [False, True, False, True, False, True]
    assert all(cell is not None for cell in cells(got, "delta"))
    grid = zomma.price(table, method="finite_difference")
    assert cells(grid, "status") == ["ok", "bad_method", "ok", "ok", "ok", "ok"]
    vols = zomma.implied_volatility(got)
    assert cells(vols, "status")[:1] + cells(vols, "status")[3:] == ["ok", "several_volatilities", "ok", "several_volatilities"]
    for row in (0, 4):
        assert cells(vols, "implied_volatility")[row] == pytest.approx(0.25, rel=1e-4)


def test_volatilities_of_barriers_digitals_and_bermudans_come_back():
    volatility = np.array([[0.15], [0.3], [0.6]])
    strikes = np.array([85.0, 92.0, 97.0])
    calls = ("call", 100.0, strikes, 0.5, 0.03)
    below = dict(barrier=80.0, barrier_type="down_and_out")
    price = exotic.barrier(*calls, volatility, **below)
    got = exotic.barrier_implied_volatility(*calls, price, **below)
    np.testing.assert_allclose(got, np.broadcast_to(volatility, (3, 3)), rtol=1e-10)
    # Struck under the forward it pays the less often, the more the spot moves.
    price = exotic.digital(*calls, volatility, cash_amount=5.0)
    got = exotic.digital_implied_volatility(*calls, price, cash_amount=5.0)
    np.testing.assert_allclose(got, np.broadcast_to(volatility, (3, 3)), rtol=1e-10)
    bermudan = dict(exercise="bermudan", exercise_times=[0.125, 0.25])
    puts = ("put", 100.0, np.array([90.0, 100.0]), 0.5, 0.03)
    price = finite_difference.price(*puts, volatility, **bermudan)
    np.testing.assert_allclose(finite_difference.implied_volatility(*puts, price, **bermudan), np.broadcast_to(volatility, (3, 2)), rtol=1e-5)
    with pytest.raises(zomma.RowError, match="price is 0.2893: more than one volatility gives it") as caught:
        exotic.digital_implied_volatility("call", 100.0, 110.0, 0.5, 0.03, 0.2893)
    assert caught.value.status is zomma.Status.SEVERAL_VOLATILITIES


def test_a_yield_that_is_no_number_is_a_status_and_an_absent_one_is_zero():
    columns = {"option_type": ["call"] * 2, "spot": [100.0] * 2, "strike": [100.0] * 2, "dividend_yield": [float("nan"), 0.02]}
    given = dict(expiry_years=1.0, risk_free_rate=0.05, volatility=0.2)
    plain = black_scholes.price("call", 100.0, 100.0, 1.0, 0.05, 0.2)
    for make in (pandas.DataFrame, polars.DataFrame, lambda columns: pyarrow.table(columns)):
        got = zomma.price(make(columns), **given)
        assert cells(got, "status") == ["bad_yield", "ok"] and cells(got, "price")[0] is None, make
        assert cells(zomma.implied_volatility(got, **given, price=10.0), "status") == ["bad_yield", "ok"], make
    holed = columns | {"dividend_yield": [None, 0.02]}
    for table in (polars.DataFrame(holed), pyarrow.table(holed), pandas.DataFrame(holed).astype({"dividend_yield": "Float64"})):
        assert cells(zomma.price(table, **given), "price")[0] == plain
    with pytest.raises(zomma.RowError, match="dividend_yield is nan"):
        zomma.price(pandas.DataFrame(columns), **given, on_error="raise")


def test_settings_are_checked_whatever_the_rows_are():
    table = polars.DataFrame({"option_type": ["call"]})
    given = dict(spot=100.0, strike=100.0, expiry_years=1.0, risk_free_rate=0.05, volatility=0.2)
    for wrong, words in [(dict(method="guess"), "method: .guess."), (dict(accuracy="best"), "accuracy: .best."), (dict(paths=1), "paths: 1")]:
        with pytest.raises(ValueError, match=words):
            zomma.price(table, **given, **wrong)
    got = zomma.price(table, **given, method="monte_carlo", paths=4096)
    assert 0.0 < got["standard_error"][0] < 0.1 and abs(got["price"][0] - 10.45) < 0.5


def test_dividends_may_be_a_keyword():
    table = polars.DataFrame({"option_type": ["call", "put"], "exercise_style": ["american", "european"]})
    given = dict(spot=100.0, strike=100.0, expiry_years=1.0, risk_free_rate=0.05, volatility=0.2)
    got = zomma.price(table, **given, dividends=[(0.25, 2.0), (0.75, 2.0)])
    same = zomma.price(table, **given, dividends="0.25:2;0.75:2")
    assert got["price"].to_list() == same["price"].to_list() and got["error_estimate"].min() > 0.0
    late = zomma.price(table, **given, dividends="1.5:2")
    assert late["status"].to_list() == ["dividend_after_expiry"] * 2
    with pytest.raises(TypeError, match="dividends: .*pairs of years and amounts are allowed"):
        zomma.price(table, **given, dividends=[0.25, 2.0])


def test_arguments_broadcast_and_errors_name_them():
    strikes = np.array([[90.0], [110.0]])
    got = exotic.barrier(["call", "put"], 100.0, strikes, 0.5, 0.03, 0.2, barrier=[80.0, 85.0], barrier_type="down_and_out")
    assert got.shape == (2, 2)
    assert got[1, 1] == exotic.barrier("put", 100.0, 110.0, 0.5, 0.03, 0.2, barrier=85.0, barrier_type="down_and_out")
    with pytest.raises(zomma.RowError, match=r"^row 0, 1: barrier is 101\.0: the spot is there or beyond already; 2 of 4 rows") as caught:
        exotic.barrier("call", 100.0, strikes, 0.5, 0.03, 0.2, barrier=[80.0, 101.0], barrier_type="down_and_out")
    assert (caught.value.index, caught.value.status) == ((0, 1), zomma.Status.BARRIER_HIT)
    values, status = exotic.barrier("call", 100.0, 100.0, 0.5, 0.03, 0.2, barrier=101.0, barrier_type="down_and_out", on_error="status")
    assert np.isnan(values) and status is zomma.Status.BARRIER_HIT
    for wrong, words in [
        (dict(barrier=90.0, barrier_type="sideways"), "barrier_type: 'sideways': allowed are 'down_and_out'"),
        (dict(barrier=90.0, barrier_type="up_and_in", method="guess"), "method: \"guess\": allowed are 'auto'"),
        (dict(barrier=[90.0] * 3, barrier_type=["up_and_in"] * 2), "do not broadcast"),
        (dict(barrier=90.0, barrier_type="down_and_in", paths=3), "paths: 3"),
        (dict(barrier=90.0, barrier_type="down_and_in", names=["detla"]), "names: \"detla\""),
    ]:
        with pytest.raises(ValueError, match=words):
            exotic.barrier("call", 100.0, 100.0, 0.5, 0.03, 0.2, **wrong)
    assert exotic.lookback("call", np.zeros(0), 100.0, 0.5, 0.03, 0.2).shape == (0,)
