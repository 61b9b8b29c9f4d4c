"""Options on a spot that pays cash dividends, and Bermudan ones, by finite differences on NumPy arrays.

Arguments, their units, broadcasting and `on_error` are those of `zomma.black_scholes`. `dividends` are pairs of years from now and currency
a share, [(0.25, 1.2), (0.5, 1.2)], of every row; between them the spot is lognormal. `exercise` is 'european', 'american', or 'bermudan' at
`exercise_times` beside expiry. `accuracy` is the grid: 'quick' and 'fast' (160 cells, 40 steps), 'accurate' and 'high_precision' with twice
as many each. Method and accuracy: docs/finite-difference.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from zomma._arguments import Accuracy, Answer, Column, OnError, Units, Words
from zomma._valuation import call

__all__ = ["greeks", "implied_volatility", "price"]

Dividends: TypeAlias = Sequence[tuple[float, float]]
Exercise: TypeAlias = Literal["european"] | Literal["american"] | Literal["bermudan"]

_MADE = ("price", "delta", "gamma", "vega", "theta", "rho", "phi", "lambda", "error_estimate")


def price(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    volatility: Column,
    *,
    dividend_yield: Column | None = None,
    dividends: Dividends = (),
    exercise: Exercise = "american",
    exercise_times: Sequence[float] | None = None,
    accuracy: Accuracy = "fast",
    on_error: OnError = "raise",
) -> Answer:
    """Price, in the currency of spot and strike.

    >>> import zomma
    >>> call = ("call", 100.0, 100.0, 1.0, 0.06, 0.3)
    >>> round(zomma.finite_difference.price(*call, dividends=[(0.5, 7.0)], exercise="european"), 3)
    11.106
    """
    numbers = dict(
        spot=spot, strike=strike, expiry_years=expiry_years, risk_free_rate=risk_free_rate, volatility=volatility,
        dividend_yield=dividend_yield,
    )  # fmt: skip
    words, texts = {"option_type": option_type, "exercise_style": exercise}, _texts(dividends, exercise_times)
    return call("greeks", words, numbers, texts, settings=_settings(accuracy), names=None, on_error=on_error)


def greeks(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    volatility: Column,
    *,
    dividend_yield: Column | None = None,
    dividends: Dividends = (),
    exercise: Exercise = "american",
    exercise_times: Sequence[float] | None = None,
    accuracy: Accuracy = "fast",
    names: Sequence[str] | None = None,
    units: Units = "raw",
    on_error: OnError = "raise",
) -> Answer:
    """Price, delta, gamma, vega, theta, rho, phi, lambda, and error_estimate (how far off the price may be) as a dict, or those of `names`.

    >>> import zomma
    >>> it = zomma.finite_difference.greeks("put", 100.0, 100.0, 1.0, 0.05, 0.2, dividends=[(0.5, 2.0)], names=["delta", "error_estimate"])
    >>> round(it["delta"], 3), it["error_estimate"] < 0.01
    (-0.442, True)
    """
    unknown = next((name for name in names or () if name not in _MADE), None)
    if unknown is not None:
        raise ValueError(f"names: {unknown!r}: allowed are {', '.join(_MADE)}")
    numbers = dict(
        spot=spot, strike=strike, expiry_years=expiry_years, risk_free_rate=risk_free_rate, volatility=volatility,
        dividend_yield=dividend_yield,
    )  # fmt: skip
    words, texts = {"option_type": option_type, "exercise_style": exercise}, _texts(dividends, exercise_times)
    wanted = list(_MADE if names is None else names)
    return call("greeks", words, numbers, texts, settings=_settings(accuracy), names=wanted, units=units, on_error=on_error)


def implied_volatility(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    price: Column,
    *,
    dividend_yield: Column | None = None,
    dividends: Dividends = (),
    exercise: Literal["european", "american"] = "american",
    on_error: OnError = "raise",
) -> Answer:
    """Implied volatility of a price on a spot that pays cash dividends, to the grid's error.

    >>> import zomma
    >>> call = ("call", 100.0, 100.0, 1.0, 0.06)
    >>> round(zomma.finite_difference.implied_volatility(*call, price=11.1062, dividends=[(0.5, 7.0)], exercise="european"), 4)
    0.3
    """
    numbers = dict(
        spot=spot, strike=strike, expiry_years=expiry_years, risk_free_rate=risk_free_rate, price=price, dividend_yield=dividend_yield
    )
    words, texts = {"option_type": option_type, "exercise_style": exercise}, _texts(dividends, None)
    return call("implied_volatility", words, numbers, texts, settings={}, names=None, on_error=on_error)


def _settings(accuracy: str) -> dict[str, str]:
    return {"method": "finite_difference", "accuracy": accuracy}


def _texts(dividends: Dividends, exercise_times: Sequence[float] | None) -> dict[str, object]:
    texts: dict[str, object] = {}
    if dividends is not None and len(dividends):
        texts["dividends"] = dividends
    if exercise_times is not None:
        texts["exercise_times"] = exercise_times
    return texts
