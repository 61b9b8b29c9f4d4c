"""Options on a spot that pays cash dividends, and Bermudan ones, by finite differences on NumPy arrays.

Arguments, their units, broadcasting and `on_error` are those of `zomma.black_scholes`. `dividends` are pairs of years from now and currency
a share, [(0.25, 1.2), (0.5, 1.2)], of every row; between them the spot is lognormal. `exercise` is 'european', 'american', or 'bermudan' at
`exercise_times` beside expiry. `accuracy` is the grid: 'quick' and 'fast' (160 cells, 40 steps), 'accurate' and 'high_precision' with twice
as many each. Method and accuracy: docs/finite-difference.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from zomma._arguments import Accuracy, Answer, Column, OnError, Units, Words, list_of_names
from zomma._contracts import Dividends, engine, market, texts
from zomma._valuation import call

__all__ = ["greeks", "implied_volatility", "price"]

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
    numbers = market(spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility=volatility)
    words, cells = {"option_type": option_type, "exercise_style": exercise}, texts(dividends, exercise_times)
    return call("greeks", words, numbers, cells, settings=engine("finite_difference", accuracy), names=None, on_error=on_error)


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
    wanted = list_of_names(_MADE if names is None else names) or []
    unknown = next((name for name in wanted if name not in _MADE), None)
    if unknown is not None:
        raise ValueError(f"names: {unknown!r}: allowed are {', '.join(_MADE)}")
    numbers = market(spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility=volatility)
    words, cells = {"option_type": option_type, "exercise_style": exercise}, texts(dividends, exercise_times)
    return call("greeks", words, numbers, cells, settings=engine("finite_difference", accuracy), names=wanted, units=units, on_error=on_error)


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
    exercise: Exercise = "american",
    exercise_times: Sequence[float] | None = None,
    on_error: OnError = "raise",
) -> Answer:
    """Implied volatility of a price on a spot that pays cash dividends, or of a Bermudan one, to the grid's error.

    >>> import zomma
    >>> call = ("call", 100.0, 100.0, 1.0, 0.06)
    >>> round(zomma.finite_difference.implied_volatility(*call, price=11.1062, dividends=[(0.5, 7.0)], exercise="european"), 4)
    0.3
    """
    numbers = market(spot, strike, expiry_years, risk_free_rate, dividend_yield, price=price)
    words, cells = {"option_type": option_type, "exercise_style": exercise}, texts(dividends, exercise_times)
    return call("implied_volatility", words, numbers, cells, settings={}, names=None, on_error=on_error)
