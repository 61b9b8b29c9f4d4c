"""European options under Kou's double-exponential jump diffusion on NumPy arrays: prices, Greeks and the gradient by the parameters.

Jump_intensity jumps a year, whose logarithm is exponential on either side.
Other arguments, their units, broadcasting and `on_error` are those of `zomma.black_scholes`. Rows of one expiry, market and set of
parameters are valued together, the more the cheaper.

====================  ==================================================================================================
`volatility`          per square root of a year, without the jumps
`jump_intensity`      jumps a year
`jump_up_probability` share of jumps that go up
`jump_up_rate`        rate of the exponential size of upward jumps, above 1
`jump_down_rate`      rate of the exponential size of downward jumps, above 0
====================  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence

from zomma._arguments import Answer, Column, OnError, Units, Words
from zomma._characteristic import CharacteristicModel

__all__ = ["gradient", "greeks", "price"]

_MODEL = CharacteristicModel("kou")


def price(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    volatility: Column,
    jump_intensity: Column,
    jump_up_probability: Column,
    jump_up_rate: Column,
    jump_down_rate: Column,
    *,
    dividend_yield: Column | None = None,
    on_error: OnError = "raise",
) -> Answer:
    """Price of European options, in the currency of spot and strike.

    >>> import zomma
    >>> model = dict(volatility=0.16, jump_intensity=1.0, jump_up_probability=0.4, jump_up_rate=10.0, jump_down_rate=5.0)
    >>> round(zomma.kou.price("call", 100.0, 105.0, 0.5, 0.03, **model), 8)
    5.00786577
    """
    numbers = (spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility, jump_intensity, jump_up_probability, jump_up_rate, jump_down_rate)
    return _MODEL.price(option_type, numbers, on_error)


def greeks(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    volatility: Column,
    jump_intensity: Column,
    jump_up_probability: Column,
    jump_up_rate: Column,
    jump_down_rate: Column,
    *,
    dividend_yield: Column | None = None,
    names: Sequence[str] | None = None,
    units: Units = "raw",
    on_error: OnError = "raise",
) -> Answer:
    """Price and Greeks as a dict by name, or those of `names`.

    The names and units are those of `zomma.black_scholes.greeks` but for vomma, veta and ultima, which are not made. Vega and what is
    derived from it are by `volatility`.
    """
    numbers = (spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility, jump_intensity, jump_up_probability, jump_up_rate, jump_down_rate)
    return _MODEL.greeks(option_type, numbers, names, units, on_error)


def gradient(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    volatility: Column,
    jump_intensity: Column,
    jump_up_probability: Column,
    jump_up_rate: Column,
    jump_down_rate: Column,
    *,
    dividend_yield: Column | None = None,
    on_error: OnError = "raise",
) -> Answer:
    """Price, its raw derivatives by the market (delta, gamma, theta, rho, phi, dual_delta, dual_gamma) and, under their own names, by
    the model's parameters, as a dict: what a calibration needs."""
    numbers = (spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility, jump_intensity, jump_up_probability, jump_up_rate, jump_down_rate)
    return _MODEL.gradient(option_type, numbers, on_error)
