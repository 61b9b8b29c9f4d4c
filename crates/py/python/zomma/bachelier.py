"""Options on a normal underlying (Bachelier's model), on NumPy arrays.

`volatility` is in currency per square root of a year; spot, forward and strike may be at or below zero. `underlying` is 'spot', with
`dividend_yield`, or 'forward': S-derivatives are then F-derivatives, rho = −T·V and phi is NaN. The other arguments, their units, broadcasting, `limits` and
`on_error` are those of `zomma.black_scholes`. Formulae and accuracy: docs/valuation.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from zomma._arguments import Answer, Column, OnError, Units, Words
from zomma._spot_or_forward import SpotOrForwardModel

__all__ = ["greeks", "price"]

_MODEL = SpotOrForwardModel("bachelier")


def price(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    volatility: Column,
    *,
    dividend_yield: Column | None = None,
    underlying: Literal["spot", "forward"] = "spot",
    limits: bool = False,
    on_error: OnError = "raise",
) -> Answer:
    """Price of European options, in the currency of spot and strike.

    >>> import zomma
    >>> round(zomma.bachelier.price("call", -5.0, 10.0, 0.5, 0.03, 20.0, underlying="forward"), 6)
    1.032715
    """
    numbers = dict(
        strike=strike, expiry_years=expiry_years, risk_free_rate=risk_free_rate, volatility=volatility,
        dividend_yield=dividend_yield,
    )  # fmt: skip
    return _MODEL.price(option_type, underlying, spot, numbers, limits=limits, on_error=on_error)


def greeks(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    volatility: Column,
    *,
    dividend_yield: Column | None = None,
    underlying: Literal["spot", "forward"] = "spot",
    names: Sequence[str] | None = None,
    units: Units = "raw",
    limits: bool = False,
    on_error: OnError = "raise",
) -> Answer:
    """Price and Greeks as a dict by name, or those of `names`: names and units are those of `zomma.black_scholes.greeks`."""
    numbers = dict(
        strike=strike, expiry_years=expiry_years, risk_free_rate=risk_free_rate, volatility=volatility,
        dividend_yield=dividend_yield,
    )  # fmt: skip
    return _MODEL.greeks(option_type, underlying, spot, numbers, names=names, units=units, limits=limits, on_error=on_error)
