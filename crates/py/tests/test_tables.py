"""Tables of pandas, Polars and PyArrow against the same columns as arrays, and what is not copied on the way."""

import numpy as np
import pandas
import polars
import pyarrow
import pytest
import zomma
from zomma import black_scholes

RNG = np.random.default_rng(11)
ROWS = 1000
COLUMNS = {
    "option_type": np.where(RNG.random(ROWS) < 0.5, "call", "put"),
    "spot": RNG.uniform(80.0, 120.0, ROWS),
    "strike": RNG.uniform(80.0, 120.0, ROWS),
    "expiry_years": RNG.uniform(0.05, 2.0, ROWS),
    "risk_free_rate": RNG.uniform(-0.01, 0.06, ROWS),
    "dividend_yield": RNG.uniform(0.0, 0.04, ROWS),
    "volatility": RNG.uniform(0.1, 0.6, ROWS),
}
KINDS = {
    "pandas": pandas.DataFrame,
    "polars": polars.DataFrame,
    "pyarrow": lambda columns: pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()}),
}


class Stream:
    """A table of a kind that zomma does not know, in batches of a few rows."""

    def __init__(self, columns):
        table = pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()})
        self.table = pyarrow.Table.from_batches(table.to_batches(max_chunksize=300), schema=table.schema)

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def cells(table, name):
    """A column as a list, with None for absent cells."""
    if isinstance(table, zomma.Table):
        table = pyarrow.table(table)
    column = table[name]
    if isinstance(column, pandas.Series):
        return [None if pandas.isna(cell) else cell for cell in column.tolist()]
    return column.to_list() if isinstance(column, polars.Series) else column.to_pylist()


@pytest.fixture(params=[*KINDS, "stream"])
def make(request):
    return KINDS.get(request.param, Stream)


def test_results_are_those_of_the_arrays(make):
    table = make(COLUMNS)
    expected = black_scholes.greeks(**COLUMNS)
    got = zomma.greeks(table)
    assert isinstance(got, zomma.Table if make is Stream else type(table))
    for name, values in expected.items():
        np.testing.assert_array_equal(cells(got, name), values)
    assert cells(got, "status") == ["ok"] * ROWS
    np.testing.assert_array_equal(cells(got, "strike"), COLUMNS["strike"])
    some = zomma.greeks(table, names=["vega", "delta"], units="trader")
    some_expected = black_scholes.greeks(**COLUMNS, names=["vega", "delta"], units="trader")
    np.testing.assert_array_equal(cells(some, "vega"), some_expected["vega"])
    priced = zomma.price(table)
    np.testing.assert_array_equal(cells(priced, "price"), black_scholes.price(**COLUMNS))
    back = zomma.implied_volatility(priced)
    assert cells(back, "price") == cells(priced, "price")
    arguments = {name: values for name, values in COLUMNS.items() if name != "volatility"}
    expected = black_scholes.implied_volatility(**arguments, price=black_scholes.price(**COLUMNS), on_error="nan")
    assert cells(back, "implied_volatility") == [None if np.isnan(cell) else cell for cell in expected]


def test_rows_keep_their_order_and_say_what_is_wrong(make):
    table = make(
        {
            "model": ["bsm", None, "BLACK76", "", "sabr", "bsm", "bsm", "bsm"],
            "exercise_style": ["european", None, "", "European", "european", "quarterly", "european", "european"],
            "option_type": ["call", "P", " put ", "C", "call", "call", None, "call"],
            "spot": [100.0, None, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0],
            "forward": [None, 100.0, 101.0, None, None, None, None, None],
            "strike": [100, 100, 100, 100, 100, 100, 100, -1],
            "expiry_years": [1.0] * 8,
            "risk_free_rate": [0.05] * 8,
            "dividend_yield": [0.02, 0.02, *[0.0] * 6],
            "volatility": [0.2] * 8,
        }
    )
    got = zomma.price(table)
    price = black_scholes.price
    assert cells(got, "price") == [
        price("call", 100.0, 100.0, 1.0, 0.05, 0.2, dividend_yield=0.02),
        price("put", 100.0, 100.0, 1.0, 0.05, 0.2, model="black76"),
        price("put", 101.0, 100.0, 1.0, 0.05, 0.2, model="black76"),
        price("call", 100.0, 100.0, 1.0, 0.05, 0.2),
        *[None] * 4,
    ]
    assert cells(got, "status") == ["ok"] * 4 + ["bad_model", "bad_exercise_style", "bad_option_type", "bad_strike"]
    greeks = zomma.greeks(table)
    assert [cell is None for cell in cells(greeks, "phi")] == [False, True, True, False] + [True] * 4
    with pytest.raises(zomma.RowError, match=r"^row 4: model: not known, or not valued here; 4 of 8 rows") as caught:
        zomma.price(table, on_error="raise")
    assert (caught.value.index, caught.value.status) == ((4,), zomma.Status.BAD_MODEL)


def test_an_error_has_the_value():
    table = pandas.DataFrame({"option_type": ["call", "put"], "strike": [100.0, -5.0]})
    with pytest.raises(zomma.RowError, match=r"^row 1: strike is -5\.0: must be finite and above 0; 1 of 2 rows") as caught:
        zomma.price(table, spot=100.0, expiry_years=1.0, risk_free_rate=0.0, volatility=0.2, on_error="raise")
    assert (caught.value.argument, caught.value.value) == ("strike", -5.0)
    got = zomma.price(table, forward=100.0, spot=-1.0, model="black76", expiry_years=1.0, risk_free_rate=0.0, volatility=0.2)
    assert got["status"].tolist() == ["ok", "bad_strike"]
    got = zomma.price(table, forward=-1.0, expiry_years=1.0, risk_free_rate=0.0, volatility=0.2)
    assert got["status"].tolist() == ["bad_forward", "bad_forward"]


def test_a_keyword_wins_over_the_tables_column(make):
    got = zomma.price(make(COLUMNS), volatility=0.3, option_type="put")
    np.testing.assert_array_equal(cells(got, "price"), black_scholes.price(**COLUMNS | {"volatility": 0.3, "option_type": "put"}))
    np.testing.assert_array_equal(cells(got, "volatility"), COLUMNS["volatility"])


def test_an_index_and_foreign_columns_of_pandas_are_kept():
    table = pandas.DataFrame(COLUMNS, index=[f"row {i}" for i in range(ROWS)]).assign(mixed=[1, "a"] * (ROWS // 2), status="old")
    before = table.copy()
    got = zomma.price(table)
    assert got.index.equals(table.index) and list(got.columns) == [*COLUMNS, "mixed", "price", "status"]
    pandas.testing.assert_frame_equal(table, before)
    got = zomma.price(table.assign(option_type=table["option_type"].astype("category")))
    np.testing.assert_array_equal(got["price"], black_scholes.price(**COLUMNS))


def test_columns_without_a_cell_are_as_none():
    plain = {"option_type": ["call", "put"], "spot": 100.0, "strike": [90.0, 110.0], "expiry_years": 1.0}
    numbers = {"risk_free_rate": 0.03, "volatility": 0.2}
    empty = {"note": [None, None], "model": [None, None], "dividend_yield": [None, None], "exercise_times": [None, None]}
    expected = black_scholes.price("call", 100.0, 90.0, 1.0, 0.03, 0.2)
    for table in (polars.DataFrame(plain | empty), pyarrow.Table.from_pydict({k: v for k, v in (polars.DataFrame(plain).to_dict(as_series=False) | empty).items()})):
        got = zomma.price(table, **numbers)
        assert cells(got, "price")[0] == expected
        assert cells(got, "note") == [None, None]
    # What pandas reads of an empty column of text.
    holes = pandas.DataFrame(plain).assign(model=np.nan, exercise_style=np.nan, barrier_type=np.nan, dividends=np.nan)
    assert zomma.price(holes, **numbers)["price"][0] == expected
    with pytest.raises(TypeError, match="column model is of type Float64: words are allowed"):
        zomma.price(holes.assign(model=[1.0, np.nan]), **numbers)


@pytest.mark.parametrize(
    "dtype", [polars.Float32, polars.Int16, polars.UInt8, polars.Decimal(10, 2)], ids=["f32", "i16", "u8", "decimal"]
)
def test_other_numbers_are_converted(dtype):
    strike = polars.Series("strike", [90, 100, 110]).cast(dtype)
    table = polars.DataFrame({"option_type": ["call"] * 3}).with_columns(strike)
    got = zomma.price(table, spot=100.0, expiry_years=1.0, risk_free_rate=0.05, volatility=0.2)
    expected = black_scholes.price("call", 100.0, [90.0, 100.0, 110.0], 1.0, 0.05, 0.2)
    assert got["price"].to_list() == expected.tolist()
    assert got.schema["strike"] == dtype


@pytest.mark.parametrize("dtype", [polars.Categorical, polars.Enum(["put", "call"]), polars.String])
def test_words_of_every_kind_are_read(dtype):
    types = polars.Series("option_type", ["call", None, "put"]).cast(dtype)
    got = zomma.price(polars.DataFrame([types]), spot=100.0, strike=90.0, expiry_years=1.0, risk_free_rate=0.05, volatility=0.2)
    assert got["status"].to_list() == ["ok", "bad_option_type", "ok"]


def test_float64_is_not_copied():
    table = pyarrow.table({"strike": COLUMNS["strike"], "holed": [1.0, None] * (ROWS // 2)})
    ours = zomma.Table(table)
    assert ours.numbers("strike").pointer == table["strike"].chunk(0).buffers()[1].address
    assert np.isnan(np.asarray(ours.numbers("holed"))).tolist() == [False, True] * (ROWS // 2)
    assert not np.asarray(ours.numbers("strike")).flags.writeable
    again = pyarrow.table(ours)
    assert again["strike"].chunk(0).buffers()[1].address == table["strike"].chunk(0).buffers()[1].address
    results = COLUMNS["spot"].copy()
    added = pyarrow.table(ours.with_results({"price": results}, np.zeros(ROWS, dtype=np.uint8), True))
    assert added["price"].chunk(0).buffers()[1].address == results.ctypes.data
    address = results.ctypes.data
    del results, ours, table, again
    assert added["price"].chunk(0).buffers()[1].address == address and added["price"].to_pylist() == COLUMNS["spot"].tolist()


def test_a_table_without_rows(make):
    table = make({name: values[:0] for name, values in COLUMNS.items()})
    got = zomma.greeks(table)
    assert cells(got, "delta") == cells(got, "status") == []


def test_what_is_missing_or_wrong_is_named():
    table = polars.DataFrame(COLUMNS)
    with pytest.raises(ValueError, match=r"missing column strike, volatility; found \[option_type, spot,"):
        zomma.price(table.drop("strike", "volatility"))
    with pytest.raises(ValueError, match="missing column option_type"):
        zomma.price(table.drop("option_type"))
    with pytest.raises(ValueError, match="missing column price"):
        zomma.implied_volatility(table)
    with pytest.raises(TypeError, match="vol: no such column is read: allowed are barrier, barrier_type"):
        zomma.price(table, vol=0.2)
    with pytest.raises(TypeError, match="column strike is of type Utf8View: numbers are allowed"):
        zomma.price(table.with_columns(strike=polars.lit("x")))
    with pytest.raises(TypeError, match="column option_type is of type Float64: words are allowed"):
        zomma.price(table.with_columns(option_type=polars.lit(1.0)))
    with pytest.raises(TypeError, match="LazyFrame has no __arrow_c_stream__"):
        zomma.price(table.lazy())
    with pytest.raises(ValueError, match="on_error: 'nan': allowed are 'raise' and 'status'"):
        zomma.price(table, on_error="nan")
    with pytest.raises(ValueError, match="model: 'sabr': allowed are 'bsm'"):
        zomma.price(table, model="sabr")
    with pytest.raises(ValueError, match="names: .detla"):
        zomma.greeks(table, names=["detla"])
    twice = pyarrow.table([[1.0], [2.0]], names=["strike", "strike"])
    with pytest.raises(ValueError, match="column strike stands twice"):
        zomma.price(twice, option_type="call", spot=100.0, expiry_years=1.0, risk_free_rate=0.05, volatility=0.2)
