"""Prices, Greeks and implied volatilities against values of many digits, a closed form, and QuantLib."""

import csv
import math
import threading
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
import zomma
from zomma import black_scholes

GOLDEN = Path(__file__).parents[3] / "golden"
EPSILON = 2.0**-52
GREEKS = (
    "price delta gamma vega theta rho phi vanna charm vomma veta vera speed zomma color ultima dual_delta dual_gamma lambda"
).split()
INPUTS = ("spot", "strike", "expiry_years", "risk_free_rate", "volatility")


def golden_rows(model):
    with open(GOLDEN / "greeks.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == model]
    return rows, lambda name: np.array([float(row[name] or "nan") for row in rows])


def closed_form(option_type, spot, strike, years, rate, volatility, dividend=0.0):
    """Hull, Options, Futures and Other Derivatives, equations 17.4 and 17.5."""
    sign = 1.0 if option_type == "call" else -1.0
    total = volatility * math.sqrt(years)
    d1 = (math.log(spot / strike) + (rate - dividend + volatility**2 / 2) * years) / total
    cdf = NormalDist().cdf
    return sign * (spot * math.exp(-dividend * years) * cdf(sign * d1) - strike * math.exp(-rate * years) * cdf(sign * (d1 - total)))


@pytest.mark.parametrize("model", ["bsm", "black76"])
def test_greeks_are_the_golden_values(model):
    rows, column = golden_rows(model)
    assert len(rows) > 100
    dividend = {"dividend_yield": column("dividend_yield")} if model == "bsm" else {}
    got = black_scholes.greeks([row["option_type"] for row in rows], *map(column, INPUTS), model=model, **dividend)
    assert list(got) == [name for name in GREEKS if (model, name) != ("black76", "phi")]
    for name, values in got.items():
        expected, condition = column(name), column(f"{name}_condition")
        told = np.isfinite(expected) & (np.abs(expected) >= 1e-290)
        error = np.abs(values - expected)[told] / np.abs(expected[told])
        assert np.all(error <= 16 * EPSILON * np.maximum(condition[told], 1.0)), name
        assert told.sum() > len(rows) // 2, name


def test_price_alone_is_the_price_of_greeks():
    rows, column = golden_rows("bsm")
    arguments = ([row["option_type"] for row in rows], *map(column, INPUTS))
    dividend = column("dividend_yield")
    price = black_scholes.price(*arguments, dividend_yield=dividend)
    np.testing.assert_allclose(price, black_scholes.greeks(*arguments, dividend_yield=dividend)["price"], rtol=1e-13)


def test_trader_units_are_per_point_and_day():
    arguments = ("put", 100.0, 105.0, 0.5, 0.05, 0.2)
    raw, trader = (black_scholes.greeks(*arguments, units=units) for units in ("raw", "trader"))
    divisors = dict.fromkeys(("vega", "rho", "phi", "vanna", "zomma"), 100) | dict.fromkeys(("vomma", "vera"), 10_000)
    divisors |= dict.fromkeys(("theta", "charm", "color"), 365) | {"ultima": 1_000_000, "veta": 36_500}
    for name in GREEKS:
        assert trader[name] == raw[name] / divisors.get(name, 1), name


def test_numbers_give_a_float_and_agree_with_the_closed_form():
    got = black_scholes.price("call", 100.0, 105, np.float32(0.5), np.array(0.05), 0.2, dividend_yield=0.01)
    assert type(got) is float
    assert got == pytest.approx(closed_form("call", 100.0, 105.0, 0.5, 0.05, 0.2, 0.01), rel=1e-13)
    assert all(type(value) is float for value in black_scholes.greeks("put", 100.0, 105.0, 0.5, 0.05, 0.2).values())


def test_arguments_broadcast_as_numpy_does():
    strike = np.array([[90.0], [100.0], [110.0]])
    volatility = np.linspace(0.1, 0.4, 4)
    types = np.array(["call", "put"]).reshape(2, 1, 1)
    got = black_scholes.price(types, 100.0, strike, 0.5, 0.05, volatility)
    assert got.shape == np.broadcast_shapes(types.shape, strike.shape, volatility.shape) == (2, 3, 4)
    for i, j, k in np.ndindex(got.shape):
        expected = closed_form(types[i, 0, 0], 100.0, strike[j, 0], 0.5, 0.05, volatility[k])
        assert got[i, j, k] == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (1,), (1, 1), (2, 3, 4)])
def test_shapes_are_kept(shape):
    assert black_scholes.price("call", np.full(shape, 100.0), 100.0, 1.0, 0.0, 0.2).shape == shape
    values, status = black_scholes.implied_volatility("call", np.full(shape, 100.0), 100.0, 1.0, 0.0, 8.0, on_error="status")
    assert values.shape == status.shape == shape


@pytest.mark.parametrize(
    "layout",
    [
        lambda x: x[::-1].copy()[::-1],
        lambda x: np.repeat(x, 3)[::3],
        lambda x: x.astype(">f8"),
        lambda x: np.asfortranarray(np.stack([x, x]))[0],
        lambda x: np.frombuffer(b"\0" + x.tobytes(), dtype=np.uint8)[1:].view(np.float64),
        lambda x: x.tolist(),
        lambda x: zomma.Array(x),
        lambda x: np.ma.masked_array(x),
    ],
    ids=["reversed", "strided", "big-endian", "fortran", "unaligned", "list", "zomma.Array", "masked"],
)
def test_every_layout_gives_the_same_bits(layout):
    strike = np.linspace(50.0, 150.0, 1001)
    expected = black_scholes.price("put", 100.0, strike, 0.5, 0.05, 0.2)
    np.testing.assert_array_equal(black_scholes.price("put", 100.0, layout(strike), 0.5, 0.05, 0.2), expected)


def test_narrower_numbers_are_widened():
    for dtype in (np.float16, np.float32, np.int8, np.int64, np.uint16):
        strike = np.array([90, 100, 110], dtype=dtype)
        expected = black_scholes.price("call", 100.0, strike.astype(np.float64), 0.5, 0.05, 0.2)
        np.testing.assert_array_equal(black_scholes.price("call", 100.0, strike, 0.5, 0.05, 0.2), expected)


def test_inputs_are_not_written():
    strike = np.linspace(50.0, 150.0, 100_000)
    strike.flags.writeable = False
    before = strike.copy()
    black_scholes.greeks("call", 100.0, strike, 0.5, 0.05, 0.2)
    np.testing.assert_array_equal(strike, before)


def test_a_batch_of_several_chunks_is_its_rows():
    """A stretch of gathered rows has 2**16; constants, slices and walked arrays all cross its borders, and those of chunks and threads."""
    rows = 2**20 * 2 + 7
    strike = np.linspace(50.0, 150.0, rows)
    walked = np.linspace(0.1, 0.4, 2 * rows)[::2]
    types = np.where(np.arange(rows) % 2 == 0, "call", "put")
    got = black_scholes.price(types, 100.0, strike, 0.5, 0.05, walked)
    for row in (0, 2**16 - 1, 2**16, 2**21, rows - 1):
        assert got[row] == black_scholes.price(str(types[row]), 100.0, strike[row], 0.5, 0.05, walked[row])


@pytest.mark.parametrize("rows", [2**11 - 1, 2**11 + 1, 2**15 + 5, 2**17, 2**20 + 3])
@pytest.mark.parametrize("walked", [False, True])
def test_every_row_of_a_batch_has_its_own_value_and_fault(rows, walked):
    """Whatever thread it went to, and wherever memory of huge pages begins."""
    rng = np.random.default_rng(rows)
    strike = rng.uniform(80.0, 120.0, 2 * rows)[::2] if walked else rng.uniform(80.0, 120.0, rows)
    types = np.where(rng.random(rows) < 0.5, "c", "P")
    faulty = np.unique(rng.integers(0, rows, 7))
    strike[faulty[::2]] = -1.0
    types[faulty[1::2]] = "x"
    values, status = black_scholes.greeks(types, 100.0, strike, 0.5, 0.05, 0.2, names=["price", "delta"], on_error="status")
    bad = {0: zomma.Status.BAD_STRIKE, 1: zomma.Status.BAD_OPTION_TYPE}
    expected = np.zeros(rows, dtype=np.uint8)
    for place, row in enumerate(faulty):
        expected[row] = bad[place % 2]
    np.testing.assert_array_equal(status, expected)
    for column in values.values():
        assert column.flags.c_contiguous and column.flags.writeable and column.flags.aligned and column.shape == (rows,)
        np.testing.assert_array_equal(np.isnan(column), expected != 0)
    good = np.flatnonzero(expected == 0)
    rounded = np.where(types == "c", "call", "put")
    for row in good[rng.integers(0, len(good), 20)]:
        alone = black_scholes.greeks(str(rounded[row]), 100.0, strike[row], 0.5, 0.05, 0.2, names=["price", "delta"])
        assert (values["price"][row], values["delta"][row]) == (alone["price"], alone["delta"])
    with pytest.raises(zomma.RowError) as caught:
        black_scholes.price(types, 100.0, strike, 0.5, 0.05, 0.2)
    assert caught.value.index == (faulty[0],) and f"{len(faulty)} of {rows} rows" in str(caught.value)


def test_results_go_into_arrays_of_the_callers():
    strike = np.linspace(80.0, 120.0, 40_000)
    call = ("call", 100.0, strike, 0.5, 0.05, 0.2)
    fresh = black_scholes.greeks(*call, names=["vega", "delta", "price"])
    out = {"delta": np.full(strike.shape, 7.0), "vega": np.empty(strike.shape)}
    got = black_scholes.greeks(*call, names=["vega", "delta", "price"], out=out)
    assert got["delta"] is out["delta"] and got["vega"] is out["vega"] and list(got) == list(fresh)
    for name, values in fresh.items():
        np.testing.assert_array_equal(got[name], values)
    frozen = np.empty(strike.shape)
    frozen.flags.writeable = False
    for wrong, error, words in [
        ({"delta": np.empty(3)}, ValueError, r"out: of shape \[3\]: .*\[40000\]"),
        ({"delta": np.empty(2 * len(strike))[::2]}, ValueError, "in rows"),
        ({"delta": np.empty(strike.shape, dtype=np.float32)}, TypeError, "float64"),
        ({"delta": strike}, ValueError, "out: .*nothing else may be there"),
        # The same memory under another base.
        ({"delta": np.lib.stride_tricks.as_strided(strike, strike.shape)}, ValueError, "out: .*strike"),
        ({"delta": frozen}, ValueError, "out: "),
        ({"delta": out["vega"], "vega": out["vega"]}, ValueError, "out: "),
        ({"gamma": np.empty(strike.shape)}, ValueError, "out: .gamma.: is not among the results"),
    ]:
        with pytest.raises(error, match=words):
            black_scholes.greeks(*call, names=["delta", "vega"], out=wrong)
    assert strike[0] == 80.0
    with pytest.raises(ValueError, match="out: the arguments are all numbers"):
        black_scholes.greeks("call", 100.0, 90.0, 0.5, 0.05, 0.2, names=["delta"], out={"delta": np.empty(1)})


def test_words_anywhere_in_memory_are_read():
    words = np.array(["call", "put", "call"], dtype="<U4")
    apart = np.frombuffer(b"x" + words.tobytes(), dtype="<U4", offset=1)
    assert not apart.flags.aligned
    wanted = black_scholes.price(words, 100.0, 95.0, 0.5, 0.05, 0.2)
    np.testing.assert_array_equal(black_scholes.price(apart, 100.0, 95.0, 0.5, 0.05, 0.2), wanted)
    spread = black_scholes.price(apart[:, None], 100.0, [95.0, 95.0], 0.5, 0.05, 0.2)
    np.testing.assert_array_equal(spread, np.stack([wanted, wanted], axis=1))


WORDS = {
    "words": ["call", "put"],
    "letters": ["c", "P"],
    "bytes": [b"call", b"put"],
    "objects": np.array(["Call", "PUT"], dtype=object),
    "objects of both kinds": np.array([b"C", np.str_("put")], dtype=object),
    "wide cells": np.array(["call", "put"], dtype="U9"),
    "another byte order": np.array(["call", "put"]).astype(">U4"),
    "steps": np.array(["call", "?", "put", "?"])[::2],
}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_option_types_as_words(words):
    expected = [black_scholes.price(kind, 100.0, 105.0, 0.5, 0.05, 0.2) for kind in ("call", "put")]
    assert black_scholes.price(words, 100.0, 105.0, 0.5, 0.05, 0.2).tolist() == expected


@pytest.mark.parametrize("word", ["", "calls", "cal", "pu", "cput", "ｃ", "c\0c", "straddle"])
@pytest.mark.parametrize("dtype", ["U", "U9", "O"])
def test_other_words_are_no_option_types(word, dtype):
    words = np.array(["call", word, "p"], dtype=dtype)
    _, status = black_scholes.price(words, 100.0, 105.0, 0.5, 0.05, 0.2, on_error="status")
    assert [str(zomma.Status(code)) for code in status] == ["ok", "bad_option_type", "ok"]


def test_some_greeks_are_those_of_all():
    """The first six have a loop of their own; their bits may differ in the last place from those of the loop for all."""
    strike = np.linspace(60.0, 160.0, 100_001)
    for units in ("raw", "trader"):
        everything = black_scholes.greeks("put", 100.0, strike, 0.5, 0.05, 0.2, dividend_yield=0.02, units=units)
        for names in (["vega", "delta"], ("price",), ["rho", "ultima", "phi"], GREEKS):
            some = black_scholes.greeks("put", 100.0, strike, 0.5, 0.05, 0.2, dividend_yield=0.02, units=units, names=names)
            assert list(some) == list(names)
            for name, values in some.items():
                np.testing.assert_allclose(values, everything[name], rtol=1e-14)
    assert black_scholes.greeks("put", 100.0, 90.0, 0.5, 0.05, 0.2, model="black76", names=["phi"]) == {}
    with pytest.raises(ValueError, match="names.*detla.*allowed are price, delta"):
        black_scholes.greeks("put", 100.0, 90.0, 0.5, 0.05, 0.2, names=["detla"])
    for wrong in ("delta", 3, [3]):
        with pytest.raises(TypeError, match="^names: .*: a list of names is allowed$"):
            black_scholes.greeks("put", 100.0, 90.0, 0.5, 0.05, 0.2, names=wrong)
    for module, rest in [("american", ()), ("bachelier", ()), ("finite_difference", ()), ("merton", (0.5, 0.0, 0.1))]:
        with pytest.raises(TypeError, match="^names: 'delta': a list of names is allowed$"):
            getattr(zomma, module).greeks("put", 100.0, 90.0, 0.5, 0.05, 0.2, *rest, names="delta")


@pytest.mark.parametrize("on_error", ["raise", "status"])
def test_more_rows_than_memory_are_a_memory_error(on_error):
    # More bytes than an address has, so that no kernel promises them.
    row = np.broadcast_to(100.0, (10**8,))
    with pytest.raises(MemoryError, match=r"results of shape \[100000000, 100000000\]: "):
        black_scholes.price("call", row[:, None], row, 1.0, 0.05, 0.2, on_error=on_error)
    with pytest.raises(MemoryError, match="results of shape"):
        zomma.american.price("put", row[:, None], row, 1.0, 0.05, 0.2, on_error=on_error)


def test_implied_volatility_inverts_the_price():
    strike = np.linspace(80.0, 125.0, 1001)
    volatility = np.linspace(0.15, 0.6, 1001)
    for model, dividend in (("bsm", {"dividend_yield": 0.02}), ("black76", {})):
        for kind in ("call", "put"):
            price = black_scholes.price(kind, 100.0, strike, 0.75, 0.03, volatility, model=model, **dividend)
            got = black_scholes.implied_volatility(kind, 100.0, strike, 0.75, 0.03, price, model=model, **dividend)
            np.testing.assert_allclose(got, volatility, rtol=1e-11)


def test_statuses_of_rows():
    price = np.array([8.0, np.nan, -1.0, 1e9, 0.0])
    values, status = black_scholes.implied_volatility("call", 100.0, 100.0, 1.0, 0.0, price, on_error="status")
    S = zomma.Status
    assert status.tolist() == [S.OK, S.BAD_PRICE, S.BAD_PRICE, S.ABOVE_MAXIMUM, S.UNDETERMINED]
    assert np.isnan(values).tolist() == [False, True, True, True, True]
    nan = black_scholes.implied_volatility("call", 100.0, 100.0, 1.0, 0.0, price, on_error="nan")
    np.testing.assert_array_equal(nan, values)
    value, status = black_scholes.price("call", -1.0, 100.0, 1.0, 0.0, 0.2, on_error="status")
    assert math.isnan(value) and status is S.BAD_SPOT and str(status) == "bad_spot"
    greeks, status = black_scholes.greeks(["call", "?"], 100.0, 100.0, 1.0, 0.0, 0.2, on_error="status")
    assert status.tolist() == [S.OK, S.BAD_OPTION_TYPE]
    assert all(np.isnan(column).tolist() == [False, True] for column in greeks.values())


def test_a_masked_row_has_a_status_and_not_the_number_under_the_mask():
    spot = np.ma.masked_array([100.0, 100.0], mask=[False, True])
    _, status = black_scholes.price("call", spot, 100.0, 1.0, 0.0, 0.2, on_error="status")
    assert status.tolist() == [zomma.Status.OK, zomma.Status.BAD_SPOT]


def test_an_error_names_argument_row_value_and_rule():
    strike = np.full((2, 3), 100.0)
    strike[1, 2] = -5.0
    with pytest.raises(zomma.RowError) as caught:
        black_scholes.price("call", 100.0, strike, 1.0, 0.0, 0.2)
    error = caught.value
    assert (error.argument, error.index, error.value, error.status) == ("strike", (1, 2), -5.0, zomma.Status.BAD_STRIKE)
    assert str(error) == (
        "row 1, 2: strike is -5.0: must be finite and above 0; 1 of 6 rows have no answer: on_error='status' or 'nan' keeps the others"
    )
    with pytest.raises(zomma.RowError, match=r"^expiry_years is 0\.0: must be above 0: the option has expired$"):
        black_scholes.price("call", 100.0, 100.0, 0.0, 0.0, 0.2)
    with pytest.raises(zomma.RowError, match=r"^risk_free_rate is inf: must be finite$"):
        black_scholes.implied_volatility("call", 100.0, 100.0, 1.0, math.inf, 5.0, model="black76")


CALL = dict(option_type="call", spot=100.0, strike=100.0, expiry_years=1.0, risk_free_rate=0.0, volatility=0.2)


@pytest.mark.parametrize(
    ("change", "exception", "words"),
    [
        ({"option_type": "straddle"}, ValueError, ["option_type", "straddle", "'call' and 'put'"]),
        ({"option_type": 1}, TypeError, ["option_type", "int64"]),
        ({"spot": "100"}, TypeError, ["spot", "<U3"]),
        ({"spot": None}, TypeError, ["spot", "object"]),
        ({"spot": True}, TypeError, ["spot", "bool"]),
        ({"spot": 1j}, TypeError, ["spot", "complex128"]),
        ({"spot": 10**400}, ValueError, ["spot", "too large"]),
        ({"strike": np.longdouble(1)}, TypeError, ["strike", "round it"]),
        ({"expiry_years": np.array("2027-01-01", dtype="M8[D]")}, TypeError, ["expiry_years", "datetime64"]),
        ({"strike": [1.0, 2.0], "volatility": [0.1, 0.2, 0.3]}, ValueError, ["volatility", "strike [2]", "volatility [3]"]),
        ({"strike": [[1.0], [2.0, 3.0]]}, ValueError, ["strike", "inhomogeneous"]),
        ({"model": "heston"}, ValueError, ["model", "heston", "'bsm' and 'black76'"]),
        ({"model": "black76", "dividend_yield": 0.0}, ValueError, ["dividend_yield", "black76"]),
        ({"on_error": "ignore"}, ValueError, ["on_error", "ignore", "'raise', 'nan' and 'status'"]),
    ],
)
def test_bad_arguments_are_named(change, exception, words):
    with pytest.raises(exception) as caught:
        black_scholes.price(**(CALL | change))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_bad_units_are_named():
    with pytest.raises(ValueError, match="units.*imperial.*'raw' and 'trader'"):
        black_scholes.greeks(**CALL, units="imperial")


def test_the_interpreter_is_free_while_a_batch_runs():
    """Another thread counts while this one is inside one long call: with the lock held it could not have moved."""
    strike = np.linspace(50.0, 150.0, 2_000_000)
    inside, counted = threading.Event(), []

    def count():
        inside.wait()
        while inside.is_set():
            counted.append(len(counted))

    thread = threading.Thread(target=count)
    thread.start()
    inside.set()
    before = len(counted)
    black_scholes.greeks("call", 100.0, strike, 0.5, 0.05, 0.2)
    after = len(counted)
    inside.clear()
    thread.join()
    assert after > before


@pytest.mark.parametrize("kind", ["call", "put"])
def test_quantlib_agrees(kind):
    ql = pytest.importorskip("QuantLib", reason="no QuantLib")
    engine_type = ql.Option.Call if kind == "call" else ql.Option.Put
    rng = np.random.default_rng(7)
    rows = 500
    spot, strike = rng.uniform(50, 200, rows), rng.uniform(50, 200, rows)
    years, rate = rng.uniform(0.05, 3, rows), rng.uniform(-0.02, 0.1, rows)
    dividend, volatility = rng.uniform(0, 0.05, rows), rng.uniform(0.1, 0.8, rows)
    got = black_scholes.greeks(kind, spot, strike, years, rate, volatility, dividend_yield=dividend)
    for i in range(rows):
        growth, discount = math.exp(-dividend[i] * years[i]), math.exp(-rate[i] * years[i])
        payoff = ql.PlainVanillaPayoff(engine_type, strike[i])
        forward = spot[i] * growth / discount
        calculator = ql.BlackCalculator(payoff, forward, volatility[i] * math.sqrt(years[i]), discount)
        expected = {
            "price": calculator.value(),
            "delta": calculator.delta(spot[i]),
            "gamma": calculator.gamma(spot[i]),
            "vega": calculator.vega(years[i]),
            "rho": calculator.rho(years[i]),
            "phi": calculator.dividendRho(years[i]),
            "theta": calculator.theta(spot[i], years[i]),
        }
        for name, value in expected.items():
            assert got[name][i] == pytest.approx(value, rel=1e-8, abs=1e-9 * spot[i]), (name, i)
