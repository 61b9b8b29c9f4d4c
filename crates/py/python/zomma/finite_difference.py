"""Options on a spot that pays cash dividends, and Bermudan ones, by finite differences on NumPy arrays.

Arguments, their units, broadcasting and `on_error` are those of `zomma.black_scholes`. `dividends` are pairs of years from now and currency
a share, [(0.25, 1.2), (0.5, 1.2)], of every row; between them the spot is lognormal. `exercise` is 'european', 'american', or 'bermudan' at
`exercise_times` beside expiry. `accuracy` is the grid: 'quick' and 'fast' (160 cells, 40 steps), 'accurate' and 'high_precision' with twice
as many each. Method and accuracy: docs/finite-difference.md.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from zomma import _zomma
from zomma._arguments import Accuracy, Answer, Column, OnError, Units, Words, list_of_names
from zomma._contracts import Dividends, engine, market, texts
from zomma._valuation import call

__all__ = ["Report", "greeks", "implied_volatility", "price", "report"]

Exercise: TypeAlias = Literal["european"] | Literal["american"] | Literal["bermudan"]

_MADE = ("price", "delta", "gamma", "vega", "theta", "rho", "phi", "lambda", "error_estimate")


class Report(NamedTuple):
    """One option on three nested grids."""

    price: float
    """Extrapolated from the two finest grids, at order two."""
    error: float
    """How far off the finest grid may be, and the price at most."""
    delta: float
    gamma: float
    theta: float
    """Per year of calendar time."""
    values: tuple[float, float, float]
    """On the three grids, the coarsest first; the last one has the cells and steps that were asked for."""
    order: float | None
    """The order of convergence that the three show, in the cells; None where they do not converge in one direction. Schemes of first order in
    time take four times the steps from one grid to the next."""
    order_error: float | None
    """Error of the last of `values` by that order; None without one."""
    peclet: float
    """Greatest |r − q| h/(σ²S): above 1 central differences lose their sign."""
    upwind_nodes: int
    """Nodes whose drift is differenced upwind for that reason."""
    amplification: float
    """What a step leaves of the stiffest mode: 0 damps it at once, near 1 it oscillates, above 1 it grows."""
    monotone: bool
    """Whether no weight of a step is negative, so that values cannot overshoot."""
    explicit_steps: float
    """Time steps that the explicit scheme would need on this grid."""
    time_steps: int
    """Time steps taken."""


Scheme: TypeAlias = (
    Literal["tr_bdf2"] | Literal["rannacher"] | Literal["crank_nicolson"] | Literal["implicit_euler"] | Literal["explicit"]
)


def report(
    option_type: Literal["call"] | Literal["put"],
    spot: float,
    strike: float,
    expiry_years: float,
    risk_free_rate: float,
    volatility: float,
    *,
    dividend_yield: float = 0.0,
    dividends: Dividends = (),
    exercise: Exercise = "american",
    exercise_times: Sequence[float] = (),
    scheme: Scheme = "tr_bdf2",
    space_steps: int = 160,
    time_steps: int = 40,
    deviations: float = 5.0,
) -> Report:
    """How good the grid's answer is for one option: the order of convergence observed on three nested grids, and the scheme's stability.

    `space_steps` and `time_steps` are the cells and steps of the finest grid, `deviations` how many standard deviations of the spot's
    logarithm it reaches beyond spot and strike. ValueError names what is wrong, also where 'explicit' would be unstable.

    >>> import zomma
    >>> it = zomma.finite_difference.report("put", 100.0, 100.0, 1.0, 0.05, 0.2, exercise="european", space_steps=320, time_steps=80)
    >>> exact = zomma.black_scholes.price("put", 100.0, 100.0, 1.0, 0.05, 0.2)
    >>> abs(it.price - exact) < it.error < 0.01, 1.7 < it.order < 2.3, it.amplification < 1.0
    (True, True, True)
    """
    numbers = {
        "spot": spot,
        "strike": strike,
        "expiry_years": expiry_years,
        "risk_free_rate": risk_free_rate,
        "dividend_yield": dividend_yield,
        "volatility": volatility,
        "deviations": deviations,
    }
    given = {name: float(number) for name, number in numbers.items()}
    cash = [(float(time), float(amount)) for time, amount in dividends]
    times = (cash, [float(time) for time in exercise_times])
    words: dict[str, str] = {"exercise": exercise, "scheme": scheme}
    counts = {name: operator.index(count) for name, count in (("space_steps", space_steps), ("time_steps", time_steps))}
    found = _zomma.finite_difference_report(option_type, given, words, counts, times)
    return Report(**(found | {"values": tuple(found["values"])}))


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
