"""Models that are known by their characteristic functions: what `zomma.heston` and its kin ask of the compiled half."""

from __future__ import annotations

from collections.abc import Sequence

from zomma import _zomma
from zomma._arguments import Answer, Column, OnError, Units, Words, list_of_names

__all__ = ["CharacteristicModel"]


class CharacteristicModel:
    """One model. `numbers` are spot, strike, expiry_years, risk_free_rate, dividend_yield (None is 0), then its parameters in their order."""

    def __init__(self, name: str) -> None:
        self._name = name

    def price(self, option_type: Words, numbers: tuple[Column, ...], on_error: OnError) -> Answer:
        """Prices."""
        return _zomma.fourier(self._name, "price", option_type, numbers, None, "raw", on_error)

    def greeks(
        self, option_type: Words, numbers: tuple[Column, ...], names: Sequence[str] | None, units: Units, on_error: OnError
    ) -> Answer:
        """Price and Greeks by name; all that there are where `names` is None."""
        return _zomma.fourier(self._name, "greeks", option_type, numbers, list_of_names(names), units, on_error)

    def gradient(self, option_type: Words, numbers: tuple[Column, ...], on_error: OnError) -> Answer:
        """Price and its derivatives by the market and by the parameters, by name."""
        return _zomma.fourier(self._name, "gradient", option_type, numbers, None, "raw", on_error)
