"""Models that stand on a spot or on its forward, as the caller says: what `zomma.bachelier` and `zomma.displaced` ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zomma._arguments import Answer, Column, OnError, Units, Words, list_of_names
from zomma._valuation import GREEKS, call

__all__ = ["SpotOrForwardModel"]


class SpotOrForwardModel:
    """One model. `numbers` are its columns but for the underlying."""

    def __init__(self, name: str) -> None:
        self._name = name

    def price(
        self,
        option_type: Words,
        underlying: str,
        spot: Column,
        numbers: dict[str, Column | None],
        *,
        limits: bool,
        on_error: OnError,
    ) -> Answer:
        """Prices."""
        words, columns = self._columns(option_type, underlying, spot, numbers)
        return call("greeks", words, columns, {}, settings={"limits": limits}, names=None, on_error=on_error)

    def greeks(
        self,
        option_type: Words,
        underlying: str,
        spot: Column,
        numbers: dict[str, Column | None],
        *,
        names: Sequence[str] | None,
        units: Units,
        limits: bool,
        on_error: OnError,
    ) -> Answer:
        """Price and Greeks by name; all of them where `names` is None."""
        words, columns = self._columns(option_type, underlying, spot, numbers)
        wanted = list_of_names(GREEKS if names is None else names)
        settings = {"limits": limits}
        return call("greeks", words, columns, {}, settings=settings, names=wanted, units=units, on_error=on_error)

    def _columns(
        self, option_type: Words, underlying: str, spot: Column, numbers: dict[str, Column | None]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        if underlying not in ("spot", "forward"):
            raise ValueError(f"underlying: {underlying!r}: allowed are 'spot' and 'forward'")
        return {"option_type": option_type, "model": self._name}, numbers | {underlying: spot}
