"""Types of the compiled half. Users import from `zomma`, `zomma.black_scholes` and `zomma.gpu`."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, SupportsIndex, TypeAlias, final, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zomma._status import Status

__all__ = [
    "__version__",
    "american",
    "Array",
    "choose",
    "Device",
    "devices",
    "FittedSurface",
    "fourier",
    "finite_difference_report",
    "from_dlpack",
    "greeks",
    "implied_volatility",
    "inventory_json",
    "basket",
    "monte_carlo",
    "monte_carlo_american",
    "monte_carlo_greeks",
    "price",
    "rule",
    "statuses",
    "surface_models",
    "surface_point_rule",
    "surface_row_rule",
    "Table",
    "valuation",
    "valuation_words",
]

__version__: str

class _HasDLPack(Protocol):
    def __dlpack__(self, *, stream: Any = ...) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...

_Number: TypeAlias = float | np.floating[Any] | np.integer[Any]
_Column: TypeAlias = ArrayLike | _HasDLPack
_Word: TypeAlias = str
_Words: TypeAlias = str | Sequence[str] | NDArray[Any]
_Model: TypeAlias = Literal["bsm", "black76"]
_Units: TypeAlias = Literal["raw", "trader"]
_Numbers: TypeAlias = NDArray[np.float64]
_Codes: TypeAlias = NDArray[np.uint8]

@final
class Array:
    def __new__(cls, values: _Column) -> Array: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def dtype(self) -> np.dtype[np.float64]: ...
    @property
    def device(self) -> Literal["cpu"]: ...
    @property
    def readonly(self) -> bool: ...
    @property
    def pointer(self) -> int: ...
    @property
    def __array_interface__(self) -> dict[str, Any]: ...
    def copy(self) -> Array: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: Any, /) -> Any: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]: ...
    def __dlpack__(
        self,
        *,
        stream: None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[SupportsIndex, SupportsIndex] | None = None,
        copy: bool | None = None,
    ) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...

def from_dlpack(x: _HasDLPack, /, *, device: Literal["cpu"] | None = None, copy: bool | None = None) -> Array: ...

class _HasArrow(Protocol):
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@final
class Table:
    def __new__(cls, table: _HasArrow) -> Table: ...
    @property
    def names(self) -> list[str]: ...
    def __len__(self) -> int: ...
    def numbers(self, name: str) -> Array: ...
    def words(self, name: str, words: Sequence[str]) -> _Codes: ...
    def absent(self, name: str) -> NDArray[np.bool_]: ...
    def texts(self, name: str) -> list[str | None]: ...
    def with_results(self, results: dict[str, _Numbers], status: _Codes, results_only: bool) -> Table: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...

def valuation(
    verb: str,
    rows: int,
    columns: tuple[dict[str, _Codes], dict[str, _Numbers], dict[str, list[str | None]]],
    settings: dict[str, Any],
    names: list[str],
    units: str,
) -> tuple[dict[str, _Numbers], _Numbers, _Codes]: ...
def valuation_words() -> dict[str, list[str]]: ...

# Numbers alone give a number; one array among the arguments makes an array of the result.
@overload
def price(
    option_type: _Word,
    spot: _Number,
    strike: _Number,
    expiry_years: _Number,
    risk_free_rate: _Number,
    volatility: _Number,
    *,
    dividend_yield: _Number | None = None,
    model: _Model = "bsm",
    limits: bool = False,
    on_error: Literal["raise", "nan"] = "raise",
) -> float: ...
@overload
def price(
    option_type: _Word,
    spot: _Number,
    strike: _Number,
    expiry_years: _Number,
    risk_free_rate: _Number,
    volatility: _Number,
    *,
    dividend_yield: _Number | None = None,
    model: _Model = "bsm",
    limits: bool = False,
    on_error: Literal["status"],
) -> tuple[float, Status]: ...
@overload
def price(
    option_type: _Words,
    spot: _Column,
    strike: _Column,
    expiry_years: _Column,
    risk_free_rate: _Column,
    volatility: _Column,
    *,
    dividend_yield: _Column | None = None,
    model: _Model = "bsm",
    limits: bool = False,
    on_error: Literal["raise", "nan"] = "raise",
) -> _Numbers: ...
@overload
def price(
    option_type: _Words,
    spot: _Column,
    strike: _Column,
    expiry_years: _Column,
    risk_free_rate: _Column,
    volatility: _Column,
    *,
    dividend_yield: _Column | None = None,
    model: _Model = "bsm",
    limits: bool = False,
    on_error: Literal["status"],
) -> tuple[_Numbers, _Codes]: ...
@overload
def greeks(
    option_type: _Word,
    spot: _Number,
    strike: _Number,
    expiry_years: _Number,
    risk_free_rate: _Number,
    volatility: _Number,
    *,
    dividend_yield: _Number | None = None,
    model: _Model = "bsm",
    names: Sequence[str] | None = None,
    units: _Units = "raw",
    limits: bool = False,
    on_error: Literal["raise", "nan"] = "raise",
) -> dict[str, float]: ...
@overload
def greeks(
    option_type: _Word,
    spot: _Number,
    strike: _Number,
    expiry_years: _Number,
    risk_free_rate: _Number,
    volatility: _Number,
    *,
    dividend_yield: _Number | None = None,
    model: _Model = "bsm",
    names: Sequence[str] | None = None,
    units: _Units = "raw",
    limits: bool = False,
    on_error: Literal["status"],
) -> tuple[dict[str, float], Status]: ...
@overload
def greeks(
    option_type: _Words,
    spot: _Column,
    strike: _Column,
    expiry_years: _Column,
    risk_free_rate: _Column,
    volatility: _Column,
    *,
    dividend_yield: _Column | None = None,
    model: _Model = "bsm",
    names: Sequence[str] | None = None,
    units: _Units = "raw",
    limits: bool = False,
    on_error: Literal["raise", "nan"] = "raise",
    out: dict[str, _Numbers] | None = None,
) -> dict[str, _Numbers]: ...
@overload
def greeks(
    option_type: _Words,
    spot: _Column,
    strike: _Column,
    expiry_years: _Column,
    risk_free_rate: _Column,
    volatility: _Column,
    *,
    dividend_yield: _Column | None = None,
    model: _Model = "bsm",
    names: Sequence[str] | None = None,
    units: _Units = "raw",
    limits: bool = False,
    on_error: Literal["status"],
    out: dict[str, _Numbers] | None = None,
) -> tuple[dict[str, _Numbers], _Codes]: ...
@overload
def implied_volatility(
    option_type: _Word,
    spot: _Number,
    strike: _Number,
    expiry_years: _Number,
    risk_free_rate: _Number,
    price: _Number,
    *,
    dividend_yield: _Number | None = None,
    model: _Model = "bsm",
    on_error: Literal["raise", "nan"] = "raise",
) -> float: ...
@overload
def implied_volatility(
    option_type: _Word,
    spot: _Number,
    strike: _Number,
    expiry_years: _Number,
    risk_free_rate: _Number,
    price: _Number,
    *,
    dividend_yield: _Number | None = None,
    model: _Model = "bsm",
    on_error: Literal["status"],
) -> tuple[float, Status]: ...
@overload
def implied_volatility(
    option_type: _Words,
    spot: _Column,
    strike: _Column,
    expiry_years: _Column,
    risk_free_rate: _Column,
    price: _Column,
    *,
    dividend_yield: _Column | None = None,
    model: _Model = "bsm",
    on_error: Literal["raise", "nan"] = "raise",
) -> _Numbers: ...
@overload
def implied_volatility(
    option_type: _Words,
    spot: _Column,
    strike: _Column,
    expiry_years: _Column,
    risk_free_rate: _Column,
    price: _Column,
    *,
    dividend_yield: _Column | None = None,
    model: _Model = "bsm",
    on_error: Literal["status"],
) -> tuple[_Numbers, _Codes]: ...
@final
class Device:
    @property
    def kind(self) -> Literal["cpu", "cuda", "hip", "vulkan"]: ...
    @property
    def index(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def request(self) -> str: ...
    @property
    def has_f64(self) -> bool: ...
    @property
    def is_software(self) -> bool: ...
    @property
    def note(self) -> str | None: ...

def choose(request: str = "auto") -> Device: ...
def devices() -> list[Device]: ...
def inventory_json() -> str: ...
def american(
    verb: str,
    option_type: Any,
    numbers: Sequence[Any],
    accuracy: str,
    names: Sequence[str] | None,
    units: str,
    on_error: str,
) -> Any: ...
def monte_carlo(
    option_type: str,
    strikes: Sequence[float],
    numbers: dict[str, float],
    words: dict[str, str],
    counts: dict[str, int],
) -> tuple[list[float], list[float], int]: ...
def monte_carlo_greeks(
    option_type: str,
    strikes: Sequence[float],
    numbers: dict[str, float],
    words: dict[str, str],
    counts: dict[str, int],
) -> tuple[list[tuple[str, list[float], list[float]]], int]: ...
def monte_carlo_american(
    option_type: str,
    strikes: Sequence[float],
    numbers: dict[str, float],
    words: dict[str, str],
    counts: dict[str, int],
) -> tuple[list[float], list[float], list[float], int]: ...
def finite_difference_report(
    option_type: str,
    numbers: dict[str, float],
    words: dict[str, str],
    counts: dict[str, int],
    times: tuple[list[tuple[float, float]], list[float]],
) -> dict[str, Any]: ...
def basket(
    option_type: str,
    columns: dict[str, list[float]],
    numbers: dict[str, float],
    words: dict[str, str],
    counts: dict[str, int],
) -> tuple[float, float, int]: ...
def fourier(
    model: str,
    verb: str,
    option_type: Any,
    numbers: Sequence[Any],
    names: Sequence[str] | None,
    units: str,
    on_error: str,
) -> Any: ...
def rule(status: int) -> tuple[str | None, str]: ...
def statuses() -> list[tuple[str, int]]: ...

@final
class FittedSurface:
    @staticmethod
    def fit(
        model: str,
        settings: str,
        columns: Sequence[_Numbers | None],
        spot: float | None,
        underlying: str | None,
        prior: FittedSurface | None,
    ) -> tuple[FittedSurface, _Codes]: ...
    def at(
        self, strike: _Numbers, log_moneyness: _Numbers, forward: _Numbers, expiry_years: _Numbers
    ) -> tuple[list[_Numbers], _Codes]: ...
    def implied_vol(
        self, strike: _Numbers, log_moneyness: _Numbers, forward: _Numbers, expiry_years: _Numbers
    ) -> tuple[_Numbers, _Codes]: ...
    def total_variance(
        self, strike: _Numbers, log_moneyness: _Numbers, forward: _Numbers, expiry_years: _Numbers
    ) -> tuple[_Numbers, _Codes]: ...
    def standard_error(
        self, strike: _Numbers, log_moneyness: _Numbers, forward: _Numbers, expiry_years: _Numbers
    ) -> tuple[_Numbers, _Codes]: ...
    def svi_slices(self, form: str) -> list[tuple[float, list[tuple[str, float | None]]]]: ...
    def violations_json(self) -> str: ...
    def forward(self, expiry_years: float) -> float: ...
    def to_json(self) -> str: ...
    @staticmethod
    def from_json(text: str) -> FittedSurface: ...

def surface_models() -> list[str]: ...
def surface_point_rule(status: int) -> tuple[str | None, str]: ...
def surface_row_rule(status: int) -> tuple[str | None, str]: ...
