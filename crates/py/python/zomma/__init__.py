"""Prices, Greeks and implied volatilities of European options on NumPy arrays, and the devices that compute them.

>>> import numpy as np, zomma
>>> vols = zomma.black_scholes.implied_volatility(
...     "call", spot=100.0, strike=np.array([95.0, 100.0, 105.0]), expiry_years=0.5, risk_free_rate=0.03,
...     price=np.array([9.0, 6.0, 3.8]))
>>> vols.round(4)
array([0.1896, 0.1866, 0.1864])

The modules are `zomma.black_scholes`, `zomma.american`, `zomma.heston`, `zomma.bates`, `zomma.merton`, `zomma.kou`,
`zomma.variance_gamma`, `zomma.bachelier`, `zomma.displaced`, `zomma.exotic` (barriers, digitals, Asians, lookbacks), `zomma.finite_difference`
(cash dividends) and `zomma.monte_carlo` (pricing), `zomma.surface` (volatility surfaces), and `zomma.gpu` (devices). `zomma.price`,
`zomma.greeks` and `zomma.implied_volatility` take whole tables, mixed by row: pandas, Polars, PyArrow. `zomma.Array` and `zomma.from_dlpack` exchange
float64 memory with other frameworks without a copy.
"""

from zomma import (
    american,
    bachelier,
    bates,
    black_scholes,
    displaced,
    exotic,
    finite_difference,
    gpu,
    heston,
    kou,
    merton,
    monte_carlo,
    surface,
    variance_gamma,
)
from zomma._errors import DeviceError, MissingFramework, RowError
from zomma._status import Status
from zomma._tables import greeks, implied_volatility, price
from zomma._zomma import Array, Table, __version__, from_dlpack

__all__ = [
    "Array",
    "DeviceError",
    "MissingFramework",
    "RowError",
    "Status",
    "Table",
    "__version__",
    "american",
    "bachelier",
    "bates",
    "black_scholes",
    "displaced",
    "exotic",
    "finite_difference",
    "from_dlpack",
    "gpu",
    "greeks",
    "heston",
    "implied_volatility",
    "kou",
    "merton",
    "monte_carlo",
    "price",
    "surface",
    "variance_gamma",
]
