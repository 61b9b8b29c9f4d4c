"""Types of arguments and answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = str | Sequence[str] | NDArray[Any]
"""'call' or 'put', or an array of them."""
Column: TypeAlias = Any
"""A number, a list, a NumPy array, or whatever has `__array__` or `__dlpack__`."""
OnError: TypeAlias = Literal["raise"] | Literal["nan"] | Literal["status"]
Units: TypeAlias = Literal["raw"] | Literal["trader"]
Answer: TypeAlias = Any
"""A float where all arguments were numbers, else an array of float64; with on_error='status' a pair of it and the status or statuses."""
Numbers: TypeAlias = NDArray[np.float64]
Accuracy: TypeAlias = Literal["quick"] | Literal["fast"] | Literal["accurate"] | Literal["high_precision"]
"""How fine the boundary of American options, the tree or the grid is."""
Method: TypeAlias = (
    Literal["auto"]
    | Literal["closed_form"]
    | Literal["series"]
    | Literal["integral"]
    | Literal["collocation"]
    | Literal["tree"]
    | Literal["finite_difference"]
    | Literal["monte_carlo"]
)
"""How rows are valued: docs/valuation.md."""


def list_of_names(names: Sequence[str] | None) -> list[str] | None:
    """The argument `names` as a list. A word alone would be taken for its letters."""
    if isinstance(names, str):
        raise TypeError(f"names: {names!r}: a list of names is allowed")
    return None if names is None else list(names)
