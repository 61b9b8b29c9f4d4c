"""American options on NumPy arrays: prices, Greeks and implied volatilities by spectral collocation of the exercise boundary.

Arguments, their units, broadcasting and `on_error` are those of `zomma.black_scholes`. `accuracy` is how far the boundary is resolved:
'quick' (1e-6 of strike), 'fast' (1e-8), 'accurate' (1e-10), or 'high_precision' (1e-12), for terms up to three years, volatilities of 5 to 100 % and
rates of 0 to 12 %; beyond, the first three were off by up to 5e-5, 3e-6 and 2e-9. Where the boundary's method does not go, finite differences make the
prices of the first two; by the others an option that is exercised between two boundaries (a put with dividend_yield < risk_free_rate < 0) has no answer. Methods and accuracy: docs/valuation.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from zomma import _zomma
from zomma._arguments import Answer, Column, OnError, Units, Words, list_of_names

__all__ = ["greeks", "implied_volatility", "price"]


def price(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    volatility: Column,
    *,
    dividend_yield: Column | None = None,
    accuracy: Literal["quick", "fast", "accurate", "high_precision"] = "fast",
    on_error: OnError = "raise",
) -> Answer:
    """Price of American options with a continuous yield, in the currency of spot and strike.

    >>> import zomma
    >>> round(zomma.american.price("put", 100.0, 100.0, 1.0, 0.05, 0.2, accuracy="high_precision"), 6)
    6.090371
    """
    numbers = (spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility)
    return _zomma.american("price", option_type, numbers, accuracy, None, "raw", on_error)


def greeks(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    volatility: Column,
    *,
    dividend_yield: Column | None = None,
    accuracy: Literal["quick", "fast", "accurate", "high_precision"] = "fast",
    names: Sequence[str] | None = None,
    units: Units = "raw",
    on_error: OnError = "raise",
) -> Answer:
    """Price and Greeks as a dict by name, or those of `names`.

    The names and units are those of `zomma.black_scholes.greeks`. Lambda is NaN where the price is 0. Those of third order want 'accurate':
    docs/american.md. An option that finite differences value has no Greeks; `names=["price"]` alone gives what `price` gives.

    >>> import zomma
    >>> it = zomma.american.greeks("put", 100.0, 100.0, 1.0, 0.05, 0.2, names=["delta", "theta"])
    >>> round(it["delta"], 4), round(it["theta"], 3)
    (-0.4111, -2.238)
    """
    numbers = (spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility)
    return _zomma.american("greeks", option_type, numbers, accuracy, list_of_names(names), units, on_error)


def implied_volatility(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    price: Column,
    *,
    dividend_yield: Column | None = None,
    on_error: OnError = "raise",
) -> Answer:
    """Implied volatility of American options, per square root of a year, to about six digits.

    A price that is no more than exercise now gives has no volatility: see `on_error`.

    >>> import zomma
    >>> round(zomma.american.implied_volatility("put", 100.0, 100.0, 1.0, 0.05, price=6.09037061), 5)
    0.2
    """
    numbers = (spot, strike, expiry_years, risk_free_rate, dividend_yield, price)
    return _zomma.american("implied_volatility", option_type, numbers, "fast", None, "raw", on_error)
