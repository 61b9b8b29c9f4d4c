"""Whole tables: whatever has the Arrow C stream interface in, the same kind with results and a status a row out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zomma import american, bates, black_scholes, heston, kou, merton, variance_gamma
from zomma._errors import RowError
from zomma._status import Status
from zomma._zomma import Table, rule

_Numbers: TypeAlias = NDArray[np.float64]
_Results: TypeAlias = dict[str, _Numbers]

# What Table.words gives for an empty cell, and for another word.
_ABSENT, _UNKNOWN = 255, 254

_EXERCISE_STYLES = ("european", "american")


_GREEKS = (
    *("price", "delta", "gamma", "vega", "theta", "rho", "phi", "vanna", "charm", "vomma", "veta", "vera", "speed", "zomma", "color"),
    *("ultima", "dual_delta", "dual_gamma", "lambda"),
)
_OF_FOURIER = tuple(name for name in _GREEKS if name not in ("vomma", "veta", "ultima"))


@dataclass(frozen=True)
class _Method:
    """How rows of one model and exercise style are valued."""

    module: Any
    parameters: tuple[str, ...] = ("volatility",)
    """Columns of the model, beside those of every option."""
    greeks: tuple[str, ...] = _GREEKS
    underlying: str = "spot"
    has_yield: bool = True
    fixed: dict[str, str] = field(default_factory=dict)


_VARIANCE = ("v0", "kappa", "theta_v", "sigma_v", "rho_v")
_JUMPS = ("jump_intensity", "jump_mean", "jump_std")
# By model and exercise style. The first model is that of a row which names none, the second that of one with a forward and no spot.
_METHODS: dict[tuple[str, str], _Method] = {
    ("bsm", "european"): _Method(black_scholes),
    ("black76", "european"): _Method(black_scholes, underlying="forward", has_yield=False, fixed={"model": "black76"}),
    ("bsm", "american"): _Method(american),
    ("heston", "european"): _Method(heston, _VARIANCE, _OF_FOURIER),
    ("bates", "european"): _Method(bates, (*_VARIANCE, *_JUMPS), _OF_FOURIER),
    ("merton", "european"): _Method(merton, ("volatility", *_JUMPS), _OF_FOURIER),
    ("kou", "european"): _Method(
        kou, ("volatility", "jump_intensity", "jump_up_probability", "jump_up_rate", "jump_down_rate"), _OF_FOURIER
    ),
    ("variance_gamma", "european"): _Method(variance_gamma, ("volatility", "vg_theta", "vg_nu"), _OF_FOURIER),
}
_MODELS = tuple(dict.fromkeys(model for model, _ in _METHODS))
_WORDS = ("option_type", "model", "exercise_style")
_NUMBERS = ("spot", "forward", "strike", "expiry_years", "risk_free_rate", "dividend_yield", "price")
_FIELDS = frozenset((*_WORDS, *_NUMBERS, *(name for method in _METHODS.values() for name in method.parameters)))


class _Columns:
    """The columns of a table, and what the caller gave for all rows instead."""

    def __init__(self, table: Any, given: dict[str, Any]) -> None:
        unknown = next((name for name in given if name not in _FIELDS), None)
        if unknown is not None:
            raise TypeError(f"{unknown}: no such column is read: allowed are {', '.join(sorted(_FIELDS))}")
        self.table = Table(table)
        self.rows = len(self.table)
        self.given = given

    def has(self, name: str) -> bool:
        return name in self.given or name in self.table.names

    def numbers(self, name: str) -> Any:
        return self.given[name] if name in self.given else self.table.numbers(name)

    def present(self, name: str) -> NDArray[np.bool_]:
        """Where a column has a number."""
        if not self.has(name):
            return np.zeros(self.rows, dtype=bool)
        return np.broadcast_to(~np.isnan(np.asarray(self.numbers(name), dtype=np.float64)), (self.rows,))

    def words(self, name: str, words: Sequence[str]) -> NDArray[np.uint8]:
        """The place of every row's word among `words`; all absent where there is no such column."""
        if name not in self.given:
            absent = np.full(self.rows, _ABSENT, dtype=np.uint8)
            return self.table.words(name, list(words)) if name in self.table.names else absent
        if self.given[name] not in words:
            raise ValueError(f"{name}: {self.given[name]!r}: allowed are {', '.join(map(repr, words))}")
        return np.full(self.rows, words.index(self.given[name]), dtype=np.uint8)

    def require(self, names: Iterable[str]) -> None:
        missing = [name for name in names if not self.has(name)]
        if missing:
            raise ValueError(f"missing column {', '.join(missing)}; found [{', '.join(self.table.names)}]")


def _methods(columns: _Columns) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Model and exercise style of every row, and the status of rows whose words are not known."""
    model = columns.words("model", _MODELS)
    style = columns.words("exercise_style", _EXERCISE_STYLES)
    status = np.zeros(columns.rows, dtype=np.uint8)
    unnamed = model == _ABSENT
    if unnamed.any():
        if columns.has("forward"):
            model = np.where(unnamed & columns.present("forward") & ~columns.present("spot"), 1, model).astype(np.uint8)
        model[model == _ABSENT] = 0
    style = np.where(style == _ABSENT, 0, style).astype(np.uint8)
    status[style == _UNKNOWN] = Status.BAD_EXERCISE_STYLE
    status[model == _UNKNOWN] = Status.BAD_MODEL
    return model, style, status


def _option_types(columns: _Columns) -> NDArray[np.bytes_]:
    letters = np.full(256, b"?", dtype="S1")
    letters[[0, 1, 2, 3]] = [b"c", b"p", b"c", b"p"]
    columns.require(["option_type"])
    return letters[columns.words("option_type", ("call", "put", "c", "p"))]


def _value(
    columns: _Columns,
    verb: str,
    call: Callable[[_Method, dict[str, Any]], tuple[_Results, NDArray[np.uint8]]],
    names: Sequence[str],
) -> tuple[_Results, NDArray[np.uint8]]:
    """Every row by its method: `call` values rows of one."""
    model, style, status = _methods(columns)
    option_type = _option_types(columns)
    kinds = model.astype(np.uint16) * 256 + style
    first = kinds[0] if columns.rows else np.uint16(0)
    present = [first] if (kinds == first).all() else np.unique(kinds)
    whole = len(present) == 1
    results: _Results = {name: np.full(0 if whole else columns.rows, np.nan) for name in names}
    for kind in present:
        model_place, style_place = int(kind) // 256, int(kind) % 256
        if _UNKNOWN in (model_place, style_place):
            continue
        at = slice(None) if whole else np.flatnonzero(kinds == kind)
        method = _METHODS.get((_MODELS[model_place], _EXERCISE_STYLES[style_place]))
        if method is None or not hasattr(method.module, verb):
            status[at] = Status.BAD_EXERCISE_STYLE if style_place else Status.BAD_MODEL
            continue
        parameters = ("price",) if verb == "implied_volatility" else method.parameters
        needed = (method.underlying, "strike", "expiry_years", "risk_free_rate", *parameters)
        columns.require(needed)

        def rows(name: str, at: Any = at) -> Any:
            column = columns.numbers(name)
            return column if whole or np.ndim(column) == 0 else np.asarray(column)[at]

        arguments = {name: rows(name) for name in needed}
        arguments["spot"] = arguments.pop(method.underlying)
        if method.has_yield and columns.has("dividend_yield"):
            dividend_yield = rows("dividend_yield")
            absent = np.isnan(dividend_yield)
            arguments["dividend_yield"] = np.where(absent, 0.0, dividend_yield) if np.any(absent) else dividend_yield
        values, codes = call(method, {"option_type": option_type[at], "on_error": "status"} | arguments | method.fixed)
        if method.underlying == "forward":
            codes[codes == Status.BAD_SPOT] = Status.BAD_FORWARD
        status[at] = codes
        for name, column in values.items():
            if whole:
                results[name] = column
            else:
                results[name][at] = column
    for name in names:
        if len(results[name]) != columns.rows:
            results[name] = np.full(columns.rows, np.nan)
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
    if argument is not None and columns.has(argument) and argument not in _WORDS:
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
    """What is read of a table: of a pandas one, only the columns that matter, since others may hold what Arrow has no type for."""
    if type(table).__module__.partition(".")[0] != "pandas" or all(name in _FIELDS for name in table.columns):
        return table
    return table[[name for name in table.columns if name in _FIELDS]]


def price(table: Any, *, on_error: Literal["status", "raise"] = "status", **columns: Any) -> Any:
    """The table with columns `price` and `status` behind it.

    `table` is whatever has the Arrow C stream interface: a pandas (2.2 or later) or Polars frame, a PyArrow table, a DuckDB relation.
    The answer is of the same kind, with every row in its order; a frame of another kind gives a zomma.Table.

    ==================  ==================================================================================================
    `option_type`       'call' or 'put', 'c' or 'p'
    `spot`              price of the underlying; or `forward`, its forward to expiry
    `strike`            in the currency of the underlying
    `expiry_years`      years to the expiry instant, ACT/365F
    `risk_free_rate`    continuously compounded, per year, as a decimal
    `dividend_yield`    continuously compounded, per year; 0 where absent
    `volatility`        per square root of a year, as a decimal
    `model`             'bsm', 'black76', 'heston', 'bates', 'merton', 'kou' or 'variance_gamma', with their parameters as columns;
                        where absent, 'black76' if there is a forward and no spot, else 'bsm'
    `exercise_style`    'european', also where absent; 'american' under 'bsm' (by `zomma.american`)
    ==================  ==================================================================================================

    A column may be given as a keyword, for all rows: price(table, risk_free_rate=0.03); it wins over the table's. float64 columns
    without absent cells are read where they lie. A row without an answer has an absent price and its reason in `status`;
    on_error='raise' is a RowError for the first of them.

    >>> import zomma, polars
    >>> table = polars.DataFrame({"option_type": ["call", "put"], "strike": [105.0, -1.0]})
    >>> it = zomma.price(table, spot=100.0, expiry_years=0.5, risk_free_rate=0.05, volatility=0.2)
    >>> it["price"].to_list(), it["status"].to_list()
    ([4.581680167540003, None], ['ok', 'bad_strike'])
    """
    read = _Columns(_source(table), columns)

    def call(method: _Method, arguments: dict[str, Any]) -> tuple[_Results, NDArray[np.uint8]]:
        values, status = method.module.price(**arguments)
        return {"price": values}, status

    results, status = _value(read, "price", call, ["price"])
    _refuse(status, read, on_error)
    return _answer(table, read, results, status)


def greeks(
    table: Any,
    *,
    names: Sequence[str] | None = None,
    units: Literal["raw", "trader"] = "raw",
    on_error: Literal["status", "raise"] = "status",
    **columns: Any,
) -> Any:
    """The table with `price`, the Greeks and `status` behind it; names=['delta', 'vega'] for those alone.

    The columns are those of `zomma.price`, the Greeks and their units those of `zomma.black_scholes.greeks`. A Greek that a row's
    model does not have is absent.
    """
    if names is not None and isinstance(names, str):
        raise TypeError(f"names: {names!r}: a list of names is allowed")
    wanted = list(_GREEKS if names is None else names)
    unknown = next((name for name in wanted if name not in _GREEKS), None)
    if unknown is not None:
        raise ValueError(f"names: {unknown!r}: allowed are {', '.join(_GREEKS)}")
    read = _Columns(_source(table), columns)

    def call(method: _Method, arguments: dict[str, Any]) -> tuple[_Results, NDArray[np.uint8]]:
        made = [name for name in wanted if name in method.greeks]
        answer: tuple[_Results, NDArray[np.uint8]] = method.module.greeks(**arguments, units=units, names=made)
        return answer

    results, status = _value(read, "greeks", call, wanted)
    _refuse(status, read, on_error)
    return _answer(table, read, results, status)


def implied_volatility(table: Any, *, on_error: Literal["status", "raise"] = "status", **columns: Any) -> Any:
    """The table with columns `implied_volatility` and `status` behind it, from its column `price`.

    The other columns are those of `zomma.price`.
    """
    read = _Columns(_source(table), columns)

    def call(method: _Method, arguments: dict[str, Any]) -> tuple[_Results, NDArray[np.uint8]]:
        values, status = method.module.implied_volatility(**arguments)
        return {"implied_volatility": values}, status

    results, status = _value(read, "implied_volatility", call, ["implied_volatility"])
    _refuse(status, read, on_error)
    return _answer(table, read, results, status)

