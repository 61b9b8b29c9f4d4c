"""Whole tables: whatever has the Arrow C stream interface in, the same kind with results and a status a row out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zomma import black_scholes
from zomma._arguments import Accuracy, Method, list_of_names
from zomma._errors import RowError
from zomma._status import Status
from zomma._valuation import GREEKS, NUMBERS, PARAMETERS, TEXTS, WORDS, evaluate, text_of
from zomma._zomma import Table, rule

_Numbers: TypeAlias = NDArray[np.float64]
_Results: TypeAlias = dict[str, _Numbers]

# What Table.words gives for an empty cell, and for another word.
_ABSENT, _UNKNOWN = 255, 254
_FIELDS = frozenset((*WORDS, *NUMBERS, *TEXTS))
# Columns of contracts that engines with an error of their own may value.
_OF_TERMS = ("payoff", "barrier_type", "exercise_times", "dividends")


class _Columns:
    """The columns of a table, and what the caller gave for all rows instead."""

    def __init__(self, table: Any, given: dict[str, Any]) -> None:
        unknown = next((name for name in given if name not in _FIELDS), None)
        if unknown is not None:
            raise TypeError(f"{unknown}: no such column is read: allowed are {', '.join(sorted(_FIELDS))}")
        self.frame = table
        self.table = Table(table)
        self.rows = len(self.table)
        self.given = given

    def has(self, name: str) -> bool:
        return name in self.given or name in self.table.names

    def numbers(self, name: str) -> _Numbers:
        column = np.asarray(self.given[name] if name in self.given else self.table.numbers(name), dtype=np.float64)
        if column.ndim > 1 or column.ndim == 1 and len(column) != self.rows:
            raise ValueError(f"{name}: of shape {column.shape}: a number or {self.rows} of them are allowed")
        return np.broadcast_to(column, (self.rows,))

    def given_or_read(self, name: str) -> Any:
        """A number for all rows, or the table's own memory."""
        return self.given[name] if name in self.given else self.table.numbers(name)

    def yields(self) -> _Numbers:
        """The dividend yield, 0 where a cell is absent. A NaN is a number that is none, also in pandas's float columns, which know no other
        hole: a yield that got lost is not one of 0."""
        column = self.numbers("dividend_yield")
        if "dividend_yield" in self.given or _is_float_of_pandas(self.frame, "dividend_yield"):
            return column
        absent = self.table.absent("dividend_yield")
        return np.where(absent, 0.0, column) if absent.any() else column

    def words(self, name: str, words: Sequence[str]) -> NDArray[np.uint8]:
        """The place of every row's word among `words`."""
        if name not in self.given:
            return self.table.words(name, list(words))
        if self.given[name] not in words:
            raise ValueError(f"{name}: {self.given[name]!r}: allowed are {', '.join(map(repr, words))}")
        return np.full(self.rows, words.index(self.given[name]), dtype=np.uint8)

    def texts(self, name: str) -> list[str | None]:
        if name in self.given:
            return [text_of(name, self.given[name])] * self.rows
        return self.table.texts(name)

    def require(self, names: Iterable[str]) -> None:
        missing = [name for name in names if not self.has(name)]
        if missing:
            raise ValueError(f"missing column {', '.join(missing)}; found [{', '.join(self.table.names)}]")


def _is_float_of_pandas(frame: Any, name: str) -> bool:
    if type(frame).__module__.partition(".")[0] != "pandas" or name not in frame.columns:
        return False
    return isinstance(frame[name].dtype, np.dtype) and frame[name].dtype.kind == "f"


def _formula(
    columns: _Columns, verb: str, names: Sequence[str], units: Any, model: NDArray[np.uint8] | None, *, limits: bool
) -> tuple[_Results, NDArray[np.uint8]] | None:
    """A table that is European, of one of Black's formulae throughout and without terms of its own, read where it lies; else None."""
    if any(columns.has(name) for name in (*_OF_TERMS, "barrier", "barrier_upper")):
        return None
    if columns.has("exercise_style"):
        style = columns.words("exercise_style", WORDS["exercise_style"])
        if not ((style == 0) | (style == _ABSENT)).all():
            return None
    if model is None:
        # Rows that name no model stand on a forward where there is no spot.
        kind = "black76" if columns.has("forward") and not columns.has("spot") else None if columns.has("forward") else "bsm"
    else:
        kind = next((name for place, name in enumerate(WORDS["model"]) if (model == place).all()), None)
    if kind not in ("bsm", "black76"):
        return None
    letters = np.full(256, b"?", dtype="S1")
    letters[[0, 1, 2, 3]] = [b"c", b"p", b"c", b"p"]
    arguments: dict[str, Any] = {
        "option_type": letters[columns.words("option_type", WORDS["option_type"])],
        "spot": columns.given_or_read("spot" if kind == "bsm" else "forward"),
        "model": kind,
        "on_error": "status",
    }
    given = "price" if verb == "implied_volatility" else "volatility"
    arguments |= {name: columns.given_or_read(name) for name in ("strike", "expiry_years", "risk_free_rate", given)}
    if kind == "bsm" and columns.has("dividend_yield"):
        arguments["dividend_yield"] = columns.yields()
    if verb != "implied_volatility":
        arguments["limits"] = limits
    results: _Results
    if verb == "implied_volatility":
        column, status = black_scholes.implied_volatility(**arguments)
        results = {"implied_volatility": column}
    elif list(names) == ["price"]:
        column, status = black_scholes.price(**arguments)
        results = {"price": column}
    else:
        made = [name for name in names if (kind, name) != ("black76", "phi")]
        found, status = black_scholes.greeks(**arguments, names=made, units=units)
        results = {name: found[name] if name in found else np.full(columns.rows, np.nan) for name in names}
    if kind == "black76":
        status[status == Status.BAD_SPOT] = Status.BAD_FORWARD
    return results, status


def _value(
    columns: _Columns, verb: str, names: Sequence[str], units: str, settings: dict[str, Any]
) -> tuple[_Results, NDArray[np.uint8]]:
    """Every row by its model, style and contract; what a row's engine states of its error is a column too where rows may have one."""
    columns.require(("option_type",))
    model = columns.words("model", WORDS["model"]) if columns.has("model") else None
    named = {"bsm"} if model is None else {WORDS["model"][place] for place in np.unique(model) if place < _UNKNOWN}
    if model is not None and (model == _ABSENT).any():
        named.add("bsm")
    # A row that names no model stands on its forward where it has no spot.
    underlying = "forward" if named == {"black76"} else "spot"
    needed = ["price"] if verb == "implied_volatility" else [name for model in sorted(named) for name in PARAMETERS[model]]
    needs_underlying = named == {"black76"} or not columns.has("forward")
    columns.require(((underlying,) if needs_underlying else ()) + ("strike", "expiry_years", "risk_free_rate", *dict.fromkeys(needed)))
    # What is wrong with the settings is wrong whatever the rows are.
    evaluate(verb, 0, ({}, {}, {}), settings, [], units)
    limits = bool(settings.get("limits"))
    if settings.get("method", "auto") in ("auto", "closed_form") and (
        found := _formula(columns, verb, names, units, model, limits=limits)
    ):
        return found
    words = {name: columns.words(name, known) for name, known in WORDS.items() if name != "model" and columns.has(name)}
    if model is not None:
        words["model"] = model
    unread = "volatility" if verb == "implied_volatility" else "price"
    numbers = {
        name: columns.yields() if name == "dividend_yield" else columns.numbers(name)
        for name in NUMBERS
        if name != unread and columns.has(name)
    }
    texts = {name: columns.texts(name) for name in TEXTS if columns.has(name)}
    results, error, status = evaluate(verb, columns.rows, (words, numbers, texts), settings, names, units)
    method = settings.get("method", "auto")
    stated = {"finite_difference": "error_estimate", "monte_carlo": "standard_error"}.get(method)
    if method == "auto" and any(columns.has(name) for name in _OF_TERMS):
        stated = "error_estimate"
    if verb != "implied_volatility" and stated is not None:
        # Behind the results, and before the standard errors of Greeks, as the command line has them.
        of_greeks = {name: results.pop(name) for name in list(results) if name not in names}
        results = {**results, stated: error, **of_greeks}
    return results, status


def _refuse(status: NDArray[np.uint8], columns: _Columns, on_error: str) -> None:
    """The exception for the first row that has no answer, where the caller wants one."""
    if on_error not in ("raise", "status"):
        raise ValueError(f"on_error: {on_error!r}: allowed are 'raise' and 'status'")
    faulty = np.flatnonzero(status)
    if on_error == "status" or len(faulty) == 0:
        return
    row = int(faulty[0])
    code = Status(int(status[row]))
    argument, words = rule(code)
    value = None
    if argument in NUMBERS and columns.has(argument):
        value = float(np.broadcast_to(columns.numbers(argument), (columns.rows,))[row])
    what = words if argument is None else f"{argument}: {words}" if value is None else f"{argument} is {value}: {words}"
    rest = f"{len(faulty)} of {columns.rows} rows have no answer: on_error='status' keeps the others"
    raise RowError(f"row {row}: {what}; {rest}", argument, (row,), value, code)


def _answer(table: Any, columns: _Columns, results: _Results, status: NDArray[np.uint8]) -> Any:
    """The caller's kind of table with the results behind its columns."""
    package = type(table).__module__.partition(".")[0]
    # A frame's own package is there already.
    library: Any = sys.modules.get(package)
    if package == "pandas":
        words = library.Categorical.from_codes(status.astype(np.int8), categories=[str(code) for code in Status])
        kept = table.drop(columns=[name for name in (*results, "status") if name in table.columns])
        return kept.assign(**results, status=words)
    answer = columns.table.with_results(results, status, package == "polars")
    if package == "polars":
        added = library.DataFrame(answer)
        return table.drop([name for name in added.columns if name in table.columns]).hstack(added)
    return library.table(answer) if package == "pyarrow" else answer


def _source(table: Any) -> Any:
    """What is read of a table: of a pandas one, only the columns that matter, since others may hold what Arrow has no type for; of a Polars one
    with columns of its type Null, which it hands over as Arrow's readers refuse, what is no such column, and holes of the type that is read."""
    if type(table).__module__.partition(".")[0] == "polars" and hasattr(table, "__arrow_c_stream__"):
        library: Any = sys.modules["polars"]
        empty = [name for name, kind in table.schema.items() if kind == library.Null]
        kinds = {name: library.Float64 if name in NUMBERS else library.String for name in empty if name in _FIELDS}
        return table.drop([name for name in empty if name not in _FIELDS]).cast(kinds) if empty else table
    if type(table).__module__.partition(".")[0] != "pandas" or all(name in _FIELDS for name in table.columns):
        return table
    return table[[name for name in table.columns if name in _FIELDS]]


def _settings(method: str, accuracy: str, simulation: dict[str, Any]) -> dict[str, Any]:
    return {"method": method, "accuracy": accuracy} | {name: value for name, value in simulation.items() if value is not None}


def price(
    table: Any,
    *,
    method: Method = "auto",
    accuracy: Accuracy = "fast",
    paths: int | None = None,
    seed: int | None = None,
    steps_per_year: float | None = None,
    limits: bool = False,
    on_error: Literal["status", "raise"] = "status",
    **columns: Any,
) -> Any:
    """The table with columns `price` and `status` behind it.

    `table` is whatever has the Arrow C stream interface: a pandas (2.2 or later) or Polars frame, a PyArrow table, a DuckDB relation.
    The answer is of the same kind, with every row in its order; a frame of another kind gives a zomma.Table.

    =====================  ===============================================================================================
    `option_type`          'call' or 'put', 'c' or 'p'
    `spot`                 price of the underlying; or `forward`, its forward to expiry
    `strike`               in the currency of the underlying
    `expiry_years`         years to the expiry instant, ACT/365F
    `risk_free_rate`       continuously compounded, per year, as a decimal
    `dividend_yield`       continuously compounded, per year; 0 where there is no column or no cell. A NaN is 'bad_yield'
    `volatility`           per square root of a year, as a decimal; in currency under 'bachelier'
    `model`                'bsm', 'black76', 'bachelier', 'displaced', 'heston', 'bates', 'merton', 'kou' or 'variance_gamma', with their
                           parameters as columns; where absent, 'black76' if there is a forward and no spot, else 'bsm'
    `exercise_style`       'european', also where absent; 'american', or 'bermudan' with `exercise_times` ('0.25;0.5')
    `dividends`            cash dividends before expiry, '0.25:1.2;0.5:1.2' (years from now, currency a share); as a keyword also
                           [(0.25, 1.2), (0.5, 1.2)]
    `barrier_type`         'down_and_out', 'down_and_in', 'up_and_out', 'up_and_in', 'double_out' or 'double_in', with `barrier`,
                           `barrier_upper` and `rebate`
    `payoff`               'vanilla', 'cash_or_nothing' (with `cash_amount`), 'asset_or_nothing', 'geometric_asian', 'arithmetic_asian',
                           'fixed_lookback' or 'floating_lookback' (with `extreme`)
    `observation_dates`    how many, equally spaced and the last at expiry: of a barrier, average or extreme; always where absent
    =====================  ===============================================================================================

    A column may be given as a keyword, for all rows: price(table, risk_free_rate=0.03); it wins over the table's. A row without an answer
    has an absent price and its reason in `status`; on_error='raise' is a RowError for the first of them.

    `method`, `accuracy`, `paths`, `seed` and `steps_per_year` are those of the command line (docs/valuation.md). Where grid or simulation
    may value rows, a column `error_estimate` (`standard_error` with method='monte_carlo') says how far off they may be. limits=True values
    European rows whose expiry or strike is exactly 0 by their limits: `zomma.black_scholes.greeks`.

    >>> import zomma, polars
    >>> table = polars.DataFrame({"option_type": ["call", "put"], "strike": [105.0, -1.0]})
    >>> it = zomma.price(table, spot=100.0, expiry_years=0.5, risk_free_rate=0.05, volatility=0.2)
    >>> it["price"].to_list(), it["status"].to_list()
    ([4.581680167540003, None], ['ok', 'bad_strike'])
    """
    read = _Columns(_source(table), columns)
    settings = _settings(method, accuracy, {"paths": paths, "seed": seed, "steps_per_year": steps_per_year, "limits": limits})
    results, status = _value(read, "greeks", ["price"], "raw", settings)
    _refuse(status, read, on_error)
    return _answer(table, read, results, status)


def greeks(
    table: Any,
    *,
    names: Sequence[str] | None = None,
    units: Literal["raw", "trader"] = "raw",
    method: Method = "auto",
    accuracy: Accuracy = "fast",
    paths: int | None = None,
    seed: int | None = None,
    steps_per_year: float | None = None,
    limits: bool = False,
    on_error: Literal["status", "raise"] = "status",
    **columns: Any,
) -> Any:
    """The table with `price`, the Greeks and `status` behind it; names=['delta', 'vega'] for those alone.

    The columns and methods are those of `zomma.price`, the Greeks and their units those of `zomma.black_scholes.greeks`. A Greek that a
    row's engine does not make is absent. With method='monte_carlo' columns `delta_standard_error` and so on follow `standard_error`.
    """
    wanted = list_of_names(GREEKS if names is None else names) or []
    unknown = next((name for name in wanted if name not in GREEKS), None)
    if unknown is not None:
        raise ValueError(f"names: {unknown!r}: allowed are {', '.join(GREEKS)}")
    read = _Columns(_source(table), columns)
    settings = _settings(method, accuracy, {"paths": paths, "seed": seed, "steps_per_year": steps_per_year, "limits": limits})
    results, status = _value(read, "greeks", wanted, units, settings)
    _refuse(status, read, on_error)
    return _answer(table, read, results, status)


def implied_volatility(table: Any, *, on_error: Literal["status", "raise"] = "status", **columns: Any) -> Any:
    """The table with columns `implied_volatility` and `status` behind it, from its column `price`.

    The other columns are those of `zomma.price`; European, American and Bermudan rows under 'bsm' and 'black76', with cash dividends too, and
    barriers and digitals where one volatility alone gives the price ('several_volatilities' else).
    """
    read = _Columns(_source(table), columns)
    results, status = _value(read, "implied_volatility", [], "raw", {})
    _refuse(status, read, on_error)
    return _answer(table, read, results, status)
