"""European options under Heston's stochastic variance with Merton's jumps on NumPy arrays: prices, Greeks and the gradient by the parameters.

Dv = kappa (theta_v − v) dt + sigma_v √v dW, and jump_intensity jumps a year, whose logarithm is normal.
Other arguments, their units, broadcasting and `on_error` are those of `zomma.black_scholes`. Rows of one expiry, market and set of
parameters are valued together, the more the cheaper.

====================  ==================================================================================================
`v0`                  variance now
`kappa`               speed of mean reversion, per year, above 0
`theta_v`             long-run variance
`sigma_v`             volatility of variance
`rho_v`               correlation of spot and variance, within −1 and 1
`jump_intensity`      jumps a year
`jump_mean`           mean of a jump's logarithm
`jump_std`            deviation of a jump's logarithm
====================  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence

from zomma._arguments import Answer, Column, OnError, Units, Words
from zomma._characteristic import CharacteristicModel

__all__ = ["gradient", "greeks", "price"]

_MODEL = CharacteristicModel("bates")


def price(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    v0: Column,
    kappa: Column,
    theta_v: Column,
    sigma_v: Column,
    rho_v: Column,
    jump_intensity: Column,
    jump_mean: Column,
    jump_std: Column,
    *,
    dividend_yield: Column | None = None,
    on_error: OnError = "raise",
) -> Answer:
    """Price of European options, in the currency of spot and strike.

    >>> import zomma
    >>> model = dict(v0=0.04, kappa=1.5, theta_v=0.04, sigma_v=0.3, rho_v=-0.7, jump_intensity=0.5, jump_mean=-0.1, jump_std=0.15)
    >>> round(zomma.bates.price("call", 100.0, 105.0, 0.5, 0.03, **model), 8)
    4.61765741
    """
    numbers = (spot, strike, expiry_years, risk_free_rate, dividend_yield, v0, kappa, theta_v, sigma_v, rho_v, jump_intensity, jump_mean, jump_std)
    return _MODEL.price(option_type, numbers, on_error)


def greeks(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    v0: Column,
    kappa: Column,
    theta_v: Column,
    sigma_v: Column,
    rho_v: Column,
    jump_intensity: Column,
    jump_mean: Column,
    jump_std: Column,
    *,
    dividend_yield: Column | None = None,
    names: Sequence[str] | None = None,
    units: Units = "raw",
    on_error: OnError = "raise",
) -> Answer:
    """Price and Greeks as a dict by name, or those of `names`.

    The names and units are those of `zomma.black_scholes.greeks` but for vomma, veta and ultima, which are not made. Vega and what is
    derived from it are by √v0.
    """
    numbers = (spot, strike, expiry_years, risk_free_rate, dividend_yield, v0, kappa, theta_v, sigma_v, rho_v, jump_intensity, jump_mean, jump_std)
    return _MODEL.greeks(option_type, numbers, names, units, on_error)


def gradient(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    v0: Column,
    kappa: Column,
    theta_v: Column,
    sigma_v: Column,
    rho_v: Column,
    jump_intensity: Column,
    jump_mean: Column,
    jump_std: Column,
    *,
    dividend_yield: Column | None = None,
    on_error: OnError = "raise",
) -> Answer:
    """Price, its raw derivatives by the market (delta, gamma, theta, rho, phi, dual_delta, dual_gamma) and, under their own names, by
    the model's parameters, as a dict: what a calibration needs."""
    numbers = (spot, strike, expiry_years, risk_free_rate, dividend_yield, v0, kappa, theta_v, sigma_v, rho_v, jump_intensity, jump_mean, jump_std)
    return _MODEL.gradient(option_type, numbers, on_error)
