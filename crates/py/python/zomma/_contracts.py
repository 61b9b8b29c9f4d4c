"""Contracts on a lognormal spot: what `zomma.exotic` and `zomma.finite_difference` say of market, dates and engine, as columns and settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from zomma._arguments import Column

__all__ = ["Dividends", "engine", "market", "texts"]

Dividends: TypeAlias = Sequence[tuple[float, float]]
"""Pairs of years from now and currency a share."""


def market(
    spot: Column,
    strike: Column,
    expiry_years: Column,
    risk_free_rate: Column,
    dividend_yield: Column | None,
    **others: Column | None,
) -> dict[str, Any]:
    """Columns of numbers by name: the market's, and those of the contract; one that is None is left out where they are read."""
    of_market = {"spot": spot, "strike": strike, "expiry_years": expiry_years, "risk_free_rate": risk_free_rate}
    return of_market | {"dividend_yield": dividend_yield} | others


def engine(method: str, accuracy: str, paths: int | None = None, seed: int | None = None) -> dict[str, Any]:
    """How rows are valued; what is None is the engine's own choice."""
    given = {"method": method, "accuracy": accuracy, "paths": paths, "seed": seed}
    return {name: value for name, value in given.items() if value is not None}


def texts(dividends: Dividends | None, exercise_times: Sequence[float] | None = None) -> dict[str, object]:
    """Cash dividends and exercise times, where there are any."""
    given: dict[str, object] = {}
    if dividends is not None and len(dividends):
        given["dividends"] = dividends
    if exercise_times is not None:
        given["exercise_times"] = exercise_times
    return given
