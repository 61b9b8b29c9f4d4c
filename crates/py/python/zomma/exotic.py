"""Barriers, digitals, Asians and lookbacks under Black-Scholes-Merton on NumPy arrays.

Arguments, their units, broadcasting and `on_error` are those of `zomma.black_scholes`. Each goes to its closed form where there is one,
else to a grid or a simulation: docs/valuation.md says which. `observation_dates` is how many dates, equally spaced and the last at expiry,
the barrier, average or extreme is looked at on; None is always. `names` asks for a dict of Greeks, and of error_estimate, which says how far
off a grid or simulation may be (NaN of a closed form). What an engine does not make is NaN.

Prices of barriers and digitals need not grow with the volatility. Implied volatilities are sought from 0.1 % to 1,000 %; a price that more
than one of them gives has none, and its row the status 'several_volatilities'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from zomma._arguments import Accuracy, Answer, Column, Method, OnError, Units, Words
from zomma._contracts import Dividends, engine, market, texts
from zomma._valuation import call

__all__ = ["asian", "barrier", "barrier_implied_volatility", "digital", "digital_implied_volatility", "lookback"]


def barrier(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    volatility: Column,
    *,
    barrier: Column,
    barrier_type: Words,
    barrier_upper: Column | None = None,
    rebate: Column | None = None,
    observation_dates: Column | None = None,
    exercise: Literal["european", "american"] = "european",
    dividends: Dividends | None = None,
    dividend_yield: Column | None = None,
    method: Method = "auto",
    accuracy: Accuracy = "fast",
    paths: int | None = None,
    seed: int | None = None,
    names: Sequence[str] | None = None,
    units: Units = "raw",
    on_error: OnError = "raise",
) -> Answer:
    """Price of an option that a barrier ends or starts: 'down_and_out', 'down_and_in', 'up_and_out', 'up_and_in', 'double_out', 'double_in'.

    A knock-out pays its `rebate` at the touch, a knock-in at expiry.

    >>> import zomma
    >>> call = ("call", 100.0, 100.0, 0.5, 0.08, 0.25)
    >>> round(zomma.exotic.barrier(*call, barrier=95.0, barrier_type="down_and_out", rebate=3.0, dividend_yield=0.04), 4)
    6.7924
    """
    columns = dict(barrier=barrier, barrier_upper=barrier_upper, rebate=rebate, observation_dates=observation_dates)
    numbers = market(spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility=volatility, **columns)
    words = {"option_type": option_type, "barrier_type": barrier_type, "exercise_style": exercise}
    settings = engine(method, accuracy, paths, seed)
    return call("greeks", words, numbers, texts(dividends), settings=settings, names=names, units=units, on_error=on_error)


def barrier_implied_volatility(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    price: Column,
    *,
    barrier: Column,
    barrier_type: Words,
    barrier_upper: Column | None = None,
    rebate: Column | None = None,
    observation_dates: Column | None = None,
    exercise: Literal["european", "american"] = "european",
    dividends: Dividends | None = None,
    dividend_yield: Column | None = None,
    on_error: OnError = "raise",
) -> Answer:
    """Implied volatility of the price of a `barrier` option, where one alone gives it.

    >>> import zomma
    >>> call = ("call", 100.0, 100.0, 0.5, 0.08)
    >>> terms = dict(barrier=95.0, barrier_type="down_and_out", dividend_yield=0.04)
    >>> price = zomma.exotic.barrier(*call, 0.25, **terms)
    >>> round(zomma.exotic.barrier_implied_volatility(*call, price, **terms), 10)
    0.25
    """
    columns = dict(barrier=barrier, barrier_upper=barrier_upper, rebate=rebate, observation_dates=observation_dates)
    numbers = market(spot, strike, expiry_years, risk_free_rate, dividend_yield, price=price, **columns)
    words = {"option_type": option_type, "barrier_type": barrier_type, "exercise_style": exercise}
    return call("implied_volatility", words, numbers, texts(dividends), settings={}, names=None, on_error=on_error)


def digital(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    volatility: Column,
    *,
    pays: Literal["cash", "asset"] = "cash",
    cash_amount: Column | None = None,
    exercise: Literal["european", "american"] = "european",
    dividends: Dividends | None = None,
    dividend_yield: Column | None = None,
    method: Method = "auto",
    accuracy: Accuracy = "fast",
    paths: int | None = None,
    seed: int | None = None,
    names: Sequence[str] | None = None,
    units: Units = "raw",
    on_error: OnError = "raise",
) -> Answer:
    """Price of an option that pays `cash_amount` (1 where left out), or the share, where it ends in the money.

    An American one is paid when the spot first touches the strike, in closed form; on a grid where waiting may pay (cash at a rate below 0, the
    share at a yield below 0) and with dividends.

    >>> import zomma
    >>> round(zomma.exotic.digital("call", 100.0, 110.0, 1.0, 0.05, 0.2, exercise="american"), 6)
    0.667971
    >>> round(zomma.exotic.digital("put", 100.0, 80.0, 0.75, 0.06, 0.35, cash_amount=10.0, dividend_yield=0.06), 4)
    2.671
    """
    columns = dict(cash_amount=cash_amount)
    numbers = market(spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility=volatility, **columns)
    words = {"option_type": option_type, "payoff": f"{pays}_or_nothing", "exercise_style": exercise}
    settings = engine(method, accuracy, paths, seed)
    return call("greeks", words, numbers, texts(dividends), settings=settings, names=names, units=units, on_error=on_error)


def digital_implied_volatility(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    price: Column,
    *,
    pays: Literal["cash", "asset"] = "cash",
    cash_amount: Column | None = None,
    exercise: Literal["european", "american"] = "european",
    dividends: Dividends | None = None,
    dividend_yield: Column | None = None,
    on_error: OnError = "raise",
) -> Answer:
    """Implied volatility of the price of a `digital` option, where one alone gives it.

    >>> import zomma
    >>> round(zomma.exotic.digital_implied_volatility("call", 100.0, 90.0, 0.5, 0.03, 0.7124656951), 8)
    0.25
    >>> zomma.exotic.digital_implied_volatility("call", 100.0, 110.0, 0.5, 0.03, 0.2893, on_error="status")
    (nan, <Status.SEVERAL_VOLATILITIES: 63>)
    """
    numbers = market(spot, strike, expiry_years, risk_free_rate, dividend_yield, price=price, cash_amount=cash_amount)
    words = {"option_type": option_type, "payoff": f"{pays}_or_nothing", "exercise_style": exercise}
    return call("implied_volatility", words, numbers, texts(dividends), settings={}, names=None, on_error=on_error)


def asian(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    volatility: Column,
    *,
    average: Literal["arithmetic", "geometric"] = "arithmetic",
    observation_dates: Column | None = None,
    dividend_yield: Column | None = None,
    method: Method = "auto",
    accuracy: Accuracy = "fast",
    paths: int | None = None,
    seed: int | None = None,
    names: Sequence[str] | None = None,
    units: Units = "raw",
    on_error: OnError = "raise",
) -> Answer:
    """Price of an option on the mean of the spots at `observation_dates` dates; a geometric one may be watched always.

    >>> import zomma
    >>> round(zomma.exotic.asian("put", 80.0, 85.0, 0.25, 0.05, 0.2, average="geometric", dividend_yield=-0.03), 4)
    4.6922
    """
    columns = dict(observation_dates=observation_dates)
    numbers = market(spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility=volatility, **columns)
    words = {"option_type": option_type, "payoff": f"{average}_asian"}
    settings = engine(method, accuracy, paths, seed)
    return call("greeks", words, numbers, {}, settings=settings, names=names, units=units, on_error=on_error)


def lookback(
    option_type: Words,
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    volatility: Column,
    *,
    strike_type: Literal["fixed", "floating"] = "fixed",
    extreme: Column | None = None,
    observation_dates: Column | None = None,
    dividend_yield: Column | None = None,
    method: Method = "auto",
    accuracy: Accuracy = "fast",
    paths: int | None = None,
    seed: int | None = None,
    names: Sequence[str] | None = None,
    units: Units = "raw",
    on_error: OnError = "raise",
) -> Answer:
    """Price of an option on the greatest or least spot until expiry: 'fixed' pays max(greatest − K, 0) or max(K − least, 0), 'floating'
    S − least (call) or greatest − S (put), whatever the strike. `extreme` is the one so far; the spot where left out.

    >>> import zomma
    >>> round(zomma.exotic.lookback("call", 120.0, 120.0, 0.5, 0.1, 0.3, strike_type="floating", extreme=100.0, dividend_yield=0.06), 4)
    25.3534
    """
    columns = dict(extreme=extreme, observation_dates=observation_dates)
    numbers = market(spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility=volatility, **columns)
    words = {"option_type": option_type, "payoff": f"{strike_type}_lookback"}
    settings = engine(method, accuracy, paths, seed)
    return call("greeks", words, numbers, {}, settings=settings, names=names, units=units, on_error=on_error)
