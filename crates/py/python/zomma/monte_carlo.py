"""Prices by simulation under Black-Scholes-Merton, Merton, Heston and Bates: many strikes on the same paths, early exercise, and several
assets; Greeks under Black-Scholes-Merton.

The same seed gives the same numbers on any machine and any number of threads. Models, schemes and errors: docs/monte-carlo.md.
"""

from __future__ import annotations

import operator
from typing import Any, Literal, NamedTuple

import numpy as np

from zomma import _zomma
from zomma._arguments import Column

__all__ = ["Estimate", "ExerciseEstimate", "american", "basket", "greeks", "price"]


class Estimate(NamedTuple):
    """A price by simulation; floats where the strike was a number, else arrays of the strike's shape."""

    price: Any
    """Mean of the discounted payoff."""
    standard_error: Any
    """Of the mean, from the scatter of independent samples."""
    paths: int
    """Paths simulated."""


class ExerciseEstimate(NamedTuple):
    """A price with early exercise; floats where the strike was a number, else arrays of the strike's shape."""

    price: Any
    """The better of holding and exercise now."""
    standard_error: Any
    """Of the value of holding."""
    paths: int
    """Paths simulated, beside those of the regression."""
    held: Any
    """What it is worth not exercised now: biased low by what the rule misses, and low alone."""
    exercise_value: Any
    """What exercise pays now."""


def price(
    option_type: str,
    spot: float,
    strike: Column,
    expiry_years: float,
    risk_free_rate: float,
    volatility: float | None = None,
    *,
    dividend_yield: float = 0.0,
    model: Literal["bsm", "merton", "heston", "bates"] = "bsm",
    v0: float | None = None,
    kappa: float | None = None,
    theta_v: float | None = None,
    sigma_v: float | None = None,
    rho_v: float | None = None,
    jump_intensity: float | None = None,
    jump_mean: float | None = None,
    jump_std: float | None = None,
    payoff: str = "european",
    dates: int | None = None,
    barrier: float | None = None,
    rebate: float = 0.0,
    paths: int = 65_536,
    steps: int | None = None,
    seed: int = 0,
    sampling: Literal["sobol", "antithetic", "independent"] = "sobol",
    replications: int = 16,
    control: Literal["spot", "black_scholes", "geometric_asian"] | None = None,
    control_volatility: float | None = None,
) -> Estimate:
    """Price of one payoff at one or many strikes, and its standard error.

    ==================  ==================================================================================================
    `payoff`            'european', 'digital' (1 unit of currency), 'asian' or 'geometric_asian' (average over the dates),
                        'lookback' (of fixed strike), 'up_and_out', 'up_and_in', 'down_and_out' or 'down_and_in'
    `dates`             equally spaced, the last at expiry: of the average or the look back (needed there); of a barrier, which is
                        watched all the time without them
    `barrier`           level of the barrier; `rebate` is paid at expiry where it kills
    `paths`, `steps`    how many; `steps` is by itself the dates, times what brings it to 64 a year (and 32 in all) under Heston and Bates
    `sampling`          'sobol' with a Brownian bridge, in `replications` scrambled ones; 'antithetic'; 'independent'
    `control`           a control variate, whose known mean lessens the error: 'spot' at expiry; 'black_scholes', the European or
                        digital option of the same strike on a path of `control_volatility` with the spot's own random numbers;
                        'geometric_asian' for an 'asian' under 'bsm'. Its coefficient comes from other paths: no bias
    ==================  ==================================================================================================

    ValueError names what is wrong.

    >>> import zomma
    >>> it = zomma.monte_carlo.price("call", 100.0, [95.0, 105.0], 0.5, 0.05, 0.2, seed=7)
    >>> exact = zomma.black_scholes.price("call", 100.0, [95.0, 105.0], 0.5, 0.05, 0.2)
    >>> bool((abs(it.price - exact) < 5 * it.standard_error).all()), bool((it.standard_error < 0.001).all())
    (True, True)
    """
    given = _given(
        spot=spot, expiry_years=expiry_years, risk_free_rate=risk_free_rate, dividend_yield=dividend_yield, volatility=volatility,
        barrier=barrier, rebate=rebate, v0=v0, kappa=kappa, theta_v=theta_v, sigma_v=sigma_v, rho_v=rho_v,
        jump_intensity=jump_intensity, jump_mean=jump_mean, jump_std=jump_std, control_volatility=control_volatility,
    )  # fmt: skip
    if control_volatility is not None and control != "black_scholes":
        raise ValueError(f"control_volatility: is that of control='black_scholes', not of {control!r}")
    if dates is None and payoff in ("asian", "geometric_asian", "lookback"):
        raise ValueError(f"dates: are needed for payoff={payoff!r}")
    if steps is None:
        steps = _steps(model, dates or 1, expiry_years)
    words: dict[str, str] = {"model": model, "payoff": payoff, "sampling": sampling}
    if control is not None:
        words["control"] = control
    given_counts = {"paths": paths, "steps": steps, "seed": seed, "replications": replications, "dates": dates or 0}
    counts = {name: _count(name, value) for name, value in given_counts.items()}
    strikes = np.asarray(strike, dtype=np.float64)
    prices, errors, simulated = _zomma.monte_carlo(option_type, strikes.ravel().tolist(), given, words, counts)
    return Estimate(_shaped(prices, strikes), _shaped(errors, strikes), simulated)


def greeks(
    option_type: str,
    spot: float,
    strike: Column,
    expiry_years: float,
    risk_free_rate: float,
    volatility: float,
    *,
    dividend_yield: float = 0.0,
    payoff: str = "european",
    dates: int | None = None,
    barrier: float | None = None,
    rebate: float = 0.0,
    method: Literal["pathwise", "likelihood_ratio"] = "pathwise",
    paths: int = 65_536,
    seed: int = 0,
    sampling: Literal["sobol", "antithetic", "independent"] = "sobol",
    replications: int = 16,
) -> dict[str, Estimate]:
    """Price, delta, gamma, vega, theta, rho, phi and dual_delta under Black-Scholes-Merton, each with its standard error: a dict by name.

    Raw units: those of `zomma.black_scholes.greeks`. 'pathwise' differentiates the payoff along the path, with the smaller errors;
    'likelihood_ratio' the path's density, for a digital too, which the other refuses. Gamma by 'pathwise' is the likelihood ratio of the
    pathwise delta. `payoff` is any of `price`: of 'lookback' by 'pathwise', and of a barrier that is looked at on `dates` by
    'likelihood_ratio'. The other arguments are those of `price`.

    >>> import zomma
    >>> it = zomma.monte_carlo.greeks("call", 100.0, 105.0, 0.5, 0.05, 0.2, seed=7)
    >>> exact = zomma.black_scholes.greeks("call", 100.0, 105.0, 0.5, 0.05, 0.2)
    >>> all(abs(it[name].price - exact[name]) < 5 * it[name].standard_error for name in it)
    True
    """
    given = _given(
        spot=spot, expiry_years=expiry_years, risk_free_rate=risk_free_rate, dividend_yield=dividend_yield, volatility=volatility,
        barrier=barrier, rebate=rebate,
    )  # fmt: skip
    if dates is None and payoff in ("asian", "geometric_asian", "lookback"):
        raise ValueError(f"dates: are needed for payoff={payoff!r}")
    words: dict[str, str] = {"payoff": payoff, "sampling": sampling, "method": method}
    given_counts = {"paths": paths, "steps": 1, "seed": seed, "replications": replications, "dates": dates or 0}
    counts = {name: _count(name, value) for name, value in given_counts.items()}
    strikes = np.asarray(strike, dtype=np.float64)
    found, simulated = _zomma.monte_carlo_greeks(option_type, strikes.ravel().tolist(), given, words, counts)
    return {name: Estimate(_shaped(values, strikes), _shaped(errors, strikes), simulated) for name, values, errors in found}


def american(
    option_type: str,
    spot: float,
    strike: Column,
    expiry_years: float,
    risk_free_rate: float,
    volatility: float | None = None,
    *,
    dividend_yield: float = 0.0,
    model: Literal["bsm", "merton", "heston", "bates"] = "bsm",
    v0: float | None = None,
    kappa: float | None = None,
    theta_v: float | None = None,
    sigma_v: float | None = None,
    rho_v: float | None = None,
    jump_intensity: float | None = None,
    jump_mean: float | None = None,
    jump_std: float | None = None,
    exercise_dates: int = 50,
    regression_paths: int | None = None,
    basis: Literal["monomials", "laguerre"] = "monomials",
    degree: int = 4,
    paths: int = 65_536,
    steps: int | None = None,
    seed: int = 0,
    sampling: Literal["sobol", "antithetic", "independent"] = "sobol",
    replications: int = 16,
) -> ExerciseEstimate:
    """Price of a call or put that may be exercised on dates, by Longstaff and Schwartz in two passes, and its standard error.

    ====================  ================================================================================================
    `exercise_dates`      equally spaced, the last at expiry; exercise now is weighed against holding. More of them come nearer to an
                          option that is exercised at any time
    `regression_paths`    paths on which the value of holding is regressed; as many as `paths` where absent. The rule that follows is
                          tried on independent ones, so that its value is biased low alone
    `basis`, `degree`     functions of spot by strike: 'monomials' or 'laguerre', 1 to 8 of them beside the constant
    `steps`               a multiple of the dates; by itself what brings it to 64 a year (and 32 in all) under Heston and Bates
    ====================  ================================================================================================

    The other arguments are those of `price`. ValueError names what is wrong.

    >>> import zomma
    >>> it = zomma.monte_carlo.american("put", 36.0, 40.0, 1.0, 0.06, 0.2, seed=7)
    >>> bool(4.44 < it.price < 4.49 and it.standard_error < 0.01), it.exercise_value
    (True, 4.0)
    """
    given = _given(
        spot=spot, expiry_years=expiry_years, risk_free_rate=risk_free_rate, dividend_yield=dividend_yield, volatility=volatility,
        v0=v0, kappa=kappa, theta_v=theta_v, sigma_v=sigma_v, rho_v=rho_v,
        jump_intensity=jump_intensity, jump_mean=jump_mean, jump_std=jump_std,
    )  # fmt: skip
    if steps is None:
        steps = _steps(model, max(1, _count("exercise_dates", exercise_dates)), expiry_years)
    words: dict[str, str] = {"model": model, "sampling": sampling, "basis": basis}
    given_counts = {
        "paths": paths,
        "steps": steps,
        "seed": seed,
        "replications": replications,
        "exercise_dates": exercise_dates,
        "regression_paths": paths if regression_paths is None else regression_paths,
        "degree": degree,
    }
    counts = {name: _count(name, value) for name, value in given_counts.items()}
    strikes = np.asarray(strike, dtype=np.float64)
    held, errors, now, simulated = _zomma.monte_carlo_american(option_type, strikes.ravel().tolist(), given, words, counts)
    prices = [max(pair) for pair in zip(held, now, strict=True)]
    return ExerciseEstimate(
        _shaped(prices, strikes), _shaped(errors, strikes), simulated, _shaped(held, strikes), _shaped(now, strikes)
    )


def basket(
    option_type: str,
    spots: Column,
    strike: float,
    expiry_years: float,
    risk_free_rate: float,
    volatilities: Column,
    correlation: Column,
    *,
    weights: Column | None = None,
    dividend_yields: Column = 0.0,
    on: Literal["basket", "geometric", "best", "worst"] = "basket",
    exercise_dates: int = 0,
    paths: int = 65_536,
    seed: int = 0,
    sampling: Literal["sobol", "antithetic", "independent"] = "sobol",
    replications: int = 16,
) -> Estimate:
    """Price of a call or put on 1 to 50 assets that move together under Black-Scholes, and its standard error.

    ==================  ==================================================================================================
    `spots`             of the assets; `volatilities` and `dividend_yields` are numbers, or one for each
    `correlation`       a number for every pair, or a symmetric matrix with a unit diagonal, positive definite
    `on`                'basket' (the sum of weight times spot), 'geometric' (the product of spots to their weights), 'best' or
                        'worst' of the assets
    `weights`           one for each asset; 1/n where absent
    `exercise_dates`    so many equally spaced dates of exercise, the last at expiry (Longstaff and Schwartz: biased low by what the
                        rule misses); none where 0
    ==================  ==================================================================================================

    ValueError names what is wrong, of a correlation that is not positive definite with its smallest eigenvalue.

    >>> import zomma
    >>> it = zomma.monte_carlo.basket("call", [100.0, 90.0], 100.0, 1.0, 0.05, 0.2, 0.5, on="best", seed=7)
    >>> bool(12.3 < it.price < 12.4 and it.standard_error < 0.01)
    True
    """
    of_each = np.atleast_1d(np.asarray(spots, dtype=np.float64)).ravel()
    count = of_each.size
    matrix = np.asarray(correlation, dtype=np.float64)
    if matrix.ndim == 0:
        matrix = np.where(np.eye(count, dtype=bool), 1.0, matrix)
    if matrix.shape != (count, count):
        raise ValueError(f"correlation: shape {matrix.shape}; allowed: a number, or {(count, count)}")

    def column(name: str, value: Column | None, default: float | None = None) -> list[float]:
        given = np.asarray(default if value is None else value, dtype=np.float64)
        if given.ndim == 0:
            given = np.full(count, given)
        if given.shape != (count,):
            raise ValueError(f"{name}: shape {given.shape}; allowed: a number, or one for each of the {count} spots")
        return given.tolist()

    columns = {
        "spots": of_each.tolist(),
        "volatilities": column("volatilities", volatilities),
        "dividend_yields": column("dividend_yields", dividend_yields),
        "weights": column("weights", weights, 1.0 / max(count, 1)),
        "correlation": matrix.ravel().tolist(),
    }
    numbers = {"strike": float(strike), "expiry_years": float(expiry_years), "risk_free_rate": float(risk_free_rate)}
    given_counts = {"paths": paths, "steps": 1, "seed": seed, "replications": replications, "exercise_dates": exercise_dates}
    counts = {name: _count(name, value) for name, value in given_counts.items()}
    return Estimate(*_zomma.basket(option_type, columns, numbers, {"on": on, "sampling": sampling}, counts))


def _given(**numbers: float | None) -> dict[str, float]:
    """The numbers that the caller gave."""
    return {name: float(number) for name, number in numbers.items() if number is not None}


def _steps(model: str, dates: int, expiry_years: float) -> int:
    """Steps that the dates divide: 64 a year or so where the model needs them, and no fewer than 32."""
    a_year, least = (64, 32) if model in ("heston", "bates") else (1, 1)
    wanted = max(least, a_year * min(float(expiry_years), 100.0))
    return dates * max(1, round(wanted / dates)) if expiry_years > 0 else dates


def _shaped(values: list[float], strikes: Any) -> Any:
    """A float where the strike was a number, else an array of its shape."""
    return values[0] if strikes.ndim == 0 else np.reshape(values, strikes.shape)


def _count(name: str, value: Any) -> int:
    """A whole number that the engine can count by, or an error that names the argument."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: {value!r}; allowed: a whole number") from None
    if not 0 <= number < 2**64:
        raise ValueError(f"{name}: {value!r}; allowed: 0 to 2**64 - 1")
    return number
