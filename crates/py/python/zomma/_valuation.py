"""Rows of any model, style and contract: columns in, results, stated errors and statuses out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zomma import _zomma
from zomma._arguments import Answer, OnError, list_of_names
from zomma._errors import RowError
from zomma._status import Status

_Numbers: TypeAlias = NDArray[np.float64]
Columns: TypeAlias = tuple[dict[str, NDArray[np.uint8]], dict[str, _Numbers], dict[str, list[str | None]]]

GREEKS = (
    *("price", "delta", "gamma", "vega", "theta", "rho", "phi", "vanna", "charm", "vomma", "veta", "vera", "speed", "zomma", "color"),
    *("ultima", "dual_delta", "dual_gamma", "lambda"),
)
_words = _zomma.valuation_words()
WORDS: dict[str, tuple[str, ...]] = {"option_type": ("call", "put", "c", "p")} | {
    name: tuple(_words[name]) for name in ("model", "exercise_style", "payoff", "barrier_type")
}
"""The words of each column of words, by their places."""
PARAMETERS = {model: tuple(_words[f"parameters of {model}"]) for model in WORDS["model"]}
"""What each model reads beside spot and rates."""
NUMBERS: tuple[str, ...] = (
    *("spot", "forward", "strike", "expiry_years", "risk_free_rate", "dividend_yield", "volatility", "price"),
    *("cash_amount", "barrier", "barrier_upper", "rebate", "observation_dates", "extreme"),
    *_words["parameters"],
)
TEXTS = ("exercise_times", "dividends")
_ABSENT, _UNKNOWN = 255, 254


def evaluate(
    verb: str, rows: int, columns: Columns, settings: dict[str, Any], names: Sequence[str], units: str
) -> tuple[dict[str, _Numbers], _Numbers, NDArray[np.uint8]]:
    """Results by name, the errors that engines state, and the numbers of statuses."""
    return _zomma.valuation(verb, rows, columns, settings, list(names), units)


def text_of(name: str, given: Any) -> str | None:
    """A cell of times, or of times and amounts, as the command line writes it."""
    if given is None or isinstance(given, str):
        return given
    try:
        if name == "dividends":
            return ";".join(f"{float(time)!r}:{float(amount)!r}" for time, amount in given)
        return ";".join(repr(float(time)) for time in given)
    except (TypeError, ValueError) as fault:
        what = "pairs of years and amounts" if name == "dividends" else "years"
        raise TypeError(f"{name}: {given!r}: {what} are allowed") from fault


def _places(name: str, given: Any) -> NDArray[np.uint8]:
    """Words of an argument as their places."""
    words = np.asarray(given)
    known = {word: place for place, word in enumerate(WORDS[name])}
    places = [known.get(str(word).strip().lower(), _UNKNOWN) for word in words.ravel()]
    return np.array(places, dtype=np.uint8).reshape(words.shape)


def call(
    verb: str,
    words: dict[str, Any],
    numbers: dict[str, Any],
    texts: dict[str, Any],
    *,
    settings: dict[str, Any],
    names: Sequence[str] | None,
    units: str = "raw",
    on_error: OnError = "raise",
) -> Answer:
    """Arguments that broadcast as NumPy's do, and one answer: an array or a number, or a dict of them where there are `names`."""
    if on_error not in ("raise", "nan", "status"):
        raise ValueError(f"on_error: {on_error!r}: allowed are 'raise', 'nan' and 'status'")
    names = list_of_names(names)
    places = {name: _places(name, given) for name, given in words.items() if given is not None}
    for name, given in places.items():
        if given.ndim == 0 and given == _UNKNOWN:
            raise ValueError(f"{name}: {words[name]!r}: allowed are {', '.join(map(repr, WORDS[name]))}")
    columns = {name: np.asarray(given, dtype=np.float64) for name, given in numbers.items() if given is not None}
    try:
        shape = np.broadcast_shapes(*(given.shape for given in places.values()), *(column.shape for column in columns.values()))
    except ValueError:
        extents = {name: given.shape for name, given in places.items()} | {name: column.shape for name, column in columns.items()}
        shapes = ", ".join(f"{name} {extent}" for name, extent in extents.items() if extent)
        raise ValueError(f"arguments of shapes that do not broadcast: {shapes}") from None
    rows = int(np.prod(shape, dtype=np.int64))
    flat_words = {name: np.ascontiguousarray(np.broadcast_to(column, shape)).ravel() for name, column in places.items()}
    flat_numbers = {name: np.ascontiguousarray(np.broadcast_to(column, shape)).ravel() for name, column in columns.items()}
    flat_texts = {name: [text_of(name, given)] * rows for name, given in texts.items() if given is not None}
    wanted = ["price"] if names is None else [name for name in names if name != "error_estimate"]
    results, error, status = evaluate(verb, rows, (flat_words, flat_numbers, flat_texts), settings, wanted, units)
    results = {name: results[name] for name in results if verb == "implied_volatility" or name in wanted}
    if names is not None and "error_estimate" in names:
        results["error_estimate"] = error
    faulty = np.flatnonzero(status)
    if on_error == "raise" and len(faulty):
        _raise(int(faulty[0]), len(faulty), status, flat_numbers, shape)
    shaped: dict[str, Any] = {
        name: float(column[0]) if shape == () else column.reshape(shape) for name, column in results.items()
    }
    answer: Any = shaped if names is not None else next(iter(shaped.values()))
    if on_error != "status":
        return answer
    return answer, Status(int(status[0])) if shape == () else status.reshape(shape)


def _raise(row: int, count: int, status: NDArray[np.uint8], numbers: dict[str, _Numbers], shape: tuple[int, ...]) -> None:
    code = Status(int(status[row]))
    argument, words = _zomma.rule(code)
    index = tuple(int(place) for place in np.unravel_index(row, shape)) if shape else ()
    value = float(numbers[argument][row]) if argument in numbers else None
    what = words if argument is None else f"{argument}: {words}" if value is None else f"{argument} is {value}: {words}"
    if shape:
        rest = f"{count} of {len(status)} rows have no answer: on_error='status' or 'nan' keeps the others"
        what = f"row {', '.join(map(str, index))}: {what}; {rest}"
    raise RowError(what, argument, index, value, code)
