"""Volatility surfaces: fitted to a table of volatilities, asked at points, checked for arbitrage, drawn, saved.

>>> import zomma
>>> table = {
...     "strike": [90.0, 95.0, 100.0, 105.0, 110.0, 80.0, 90.0, 100.0, 110.0, 120.0],
...     "expiry_years": [0.25] * 5 + [1.0] * 5,
...     "forward": [100.5] * 5 + [102.0] * 5,
...     "implied_volatility": [0.260, 0.235, 0.213, 0.196, 0.187, 0.272, 0.245, 0.222, 0.205, 0.196],
... }
>>> surface = zomma.surface.fit(table)
>>> round(surface.implied_vol(100.0, 0.5), 3)
0.217
>>> surface.violations()
[]

A table is a dict of columns, or whatever has the Arrow C stream interface: a pandas or Polars frame, a PyArrow table. Its columns:

====================  ==================================================================================================
`strike`              in the currency of the forward; or `log_moneyness`, ln(strike/forward), which holds where there are both
`expiry_years`        years to the expiry instant, ACT/365F
`forward`             to that expiry; may be absent where there is `log_moneyness`
`implied_volatility`  of the mid, per square root of a year, as a decimal
`bid_volatility`      may be absent, also in single rows
`ask_volatility`      may be absent, also in single rows
`open_interest`       may be absent; read by weights="open_interest"
====================  ==================================================================================================
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zomma._arguments import Answer, Column, OnError
from zomma._errors import MissingFramework, RowError
from zomma._status import Status
from zomma._zomma import FittedSurface, Table, surface_models, surface_point_rule, surface_row_rule

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MODELS", "Surface", "fit", "load"]

MODELS: tuple[str, ...] = tuple(surface_models())
"""Names of the models; docs/surfaces.md says what each is, what it costs and where it fails."""

_Numbers: TypeAlias = NDArray[np.float64]
_Codes: TypeAlias = NDArray[np.uint8]
_DENSITY, _LOCAL_VOLATILITY = 2, 3
"""Places of two of the answers of a point."""
_COLUMNS = (
    *("strike", "log_moneyness", "expiry_years", "forward"),
    *("implied_volatility", "bid_volatility", "ask_volatility", "open_interest"),
)


class Surface:
    """A fitted surface. `zomma.surface.fit` and `zomma.surface.load` make one."""

    def __init__(self, fitted: FittedSurface) -> None:
        self._fitted = fitted
        self._described: dict[str, Any] | None = None

    # ---- what it says at points ------------------------------------------------------------------------------------------------

    def implied_vol(
        self,
        strike: Column | None = None,
        expiry: Column | None = None,
        *,
        log_moneyness: Column | None = None,
        forward: Column | None = None,
        on_error: OnError = "nan",
    ) -> Answer:
        """Black volatility at strikes and years to expiry, broadcast against each other.

        A strike is taken against `forward`, else the surface's own forward to that expiry; `log_moneyness` may stand in its place.
        A float where all arguments were numbers. A point that is none (a strike not above 0, an expiry past), or at which the surface has no
        value, is NaN; with on_error='raise' it is a RowError that names it, and on_error='status' gives a pair: the answer, and a `Status`
        for each point.
        """
        return self._ask(self._fitted.implied_vol, strike, expiry, log_moneyness, forward, on_error)

    def total_variance(
        self,
        strike: Column | None = None,
        expiry: Column | None = None,
        *,
        log_moneyness: Column | None = None,
        forward: Column | None = None,
        on_error: OnError = "nan",
    ) -> Answer:
        """σ²t, otherwise as `implied_vol`."""
        return self._ask(self._fitted.total_variance, strike, expiry, log_moneyness, forward, on_error)

    def density(
        self,
        strike: Column | None = None,
        expiry: Column | None = None,
        *,
        log_moneyness: Column | None = None,
        forward: Column | None = None,
        on_error: OnError = "nan",
    ) -> Answer:
        """Risk-neutral density of ln(S/F), otherwise as `implied_vol`; where it is negative the status is `ARBITRAGE`.

        A point whose density is not negative is sound here, even where the surface has no local volatility.
        """
        return self._ask(lambda *columns: self._part(_DENSITY, columns), strike, expiry, log_moneyness, forward, on_error)

    def local_vol(
        self,
        strike: Column | None = None,
        expiry: Column | None = None,
        *,
        log_moneyness: Column | None = None,
        forward: Column | None = None,
        on_error: OnError = "nan",
    ) -> Answer:
        """Dupire's local volatility, otherwise as `implied_vol`; NaN where the surface has arbitrage."""
        return self._ask(lambda *columns: self._part(_LOCAL_VOLATILITY, columns), strike, expiry, log_moneyness, forward, on_error)

    def standard_error(
        self,
        strike: Column | None = None,
        expiry: Column | None = None,
        *,
        log_moneyness: Column | None = None,
        forward: Column | None = None,
        on_error: OnError = "nan",
    ) -> Answer:
        """Standard deviation of `implied_vol` given the quotes, otherwise as that; of kriging alone, ValueError of any other model."""
        return self._ask(self._fitted.standard_error, strike, expiry, log_moneyness, forward, on_error)

    def forward(self, expiry: float) -> float:
        """The surface's forward to an expiry in years."""
        return self._fitted.forward(float(expiry))

    def _part(self, place: int, columns: tuple[_Numbers, ...]) -> tuple[_Numbers, _Codes]:
        """One of volatility, total variance, density and local volatility, with its statuses."""
        answers, status = self._fitted.at(*columns)
        answer = answers[place]
        if place == _DENSITY:
            # The status of a point is that of all its answers: arbitrage of the local volatility is none of the density's.
            status = np.where((status == int(Status.ARBITRAGE)) & (answer >= 0.0), int(Status.OK), status).astype(status.dtype)
        return answer, status

    @staticmethod
    def _ask(
        verb: Callable[..., tuple[_Numbers, _Codes]],
        strike: Column | None,
        expiry: Column | None,
        log_moneyness: Column | None,
        forward: Column | None,
        on_error: OnError,
    ) -> Answer:
        if on_error not in ("raise", "nan", "status"):
            raise ValueError(f"on_error: {on_error!r}: allowed are 'raise', 'nan' and 'status'")
        if expiry is None:
            raise TypeError("expiry: years to expiry are needed")
        if strike is None and log_moneyness is None:
            raise TypeError("strike: a strike, or log_moneyness, is needed")
        given = [np.nan if column is None else np.asarray(column, dtype=np.float64) for column in (strike, log_moneyness, forward, expiry)]
        columns = np.broadcast_arrays(*given)
        strikes, moneyness, forwards, years = (np.ascontiguousarray(column).ravel() for column in columns)
        values, status = verb(strikes, moneyness, forwards, years)
        shape = columns[0].shape
        faulty = np.flatnonzero(status)
        if on_error == "raise" and len(faulty):
            named = {"strike": strikes, "log_moneyness": moneyness, "forward": forwards, "expiry": years}
            _refuse_point(int(faulty[0]), len(faulty), status, named, shape)
        answer: Any = float(values[0]) if shape == () else values.reshape(shape)
        if on_error != "status":
            return answer
        return answer, Status(int(status[0])) if shape == () else status.reshape(shape)

    # ---- what it is ------------------------------------------------------------------------------------------------------------

    @property
    def _about(self) -> dict[str, Any]:
        if self._described is None:
            self._described = json.loads(self._fitted.to_json())
        return self._described

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self._about["surface"]["model"])

    @property
    def parameters(self) -> dict[str, Any]:
        """The model's parameters, as they are saved."""
        return {name: value for name, value in self._about["surface"].items() if name != "model"}

    @property
    def slices(self) -> list[dict[str, Any]]:
        """Each expiry: expiry_years, forward, log_moneyness_range, atm_volatility, quality."""
        return list(self._about["slices"])

    @property
    def quality(self) -> dict[str, Any]:
        """Quotes, how many lie inside bid-ask (None where none has either), and the error in volatility points."""
        return dict(self._about["quality"])

    @property
    def notes(self) -> list[dict[str, Any]]:
        """What was not treated as asked, and why: slices, rows that were left out and rows of one strike, by their places in the table."""
        return list(self._about.get("notes", []))

    def svi(self, form: Literal["raw", "natural", "jump_wings"] = "raw") -> list[dict[str, Any]]:
        """Parameters of the slices of an SVI surface, by name, with their `expiry_years`; ValueError of any other model.

        raw: a, b, rho, m, sigma. natural: delta, mu, rho, omega, zeta. jump_wings: variance, skew, put_slope, call_slope, least_variance
        (Gatheral and Jacquier 2014, section 3). None where a slice has no such form: a straight line has no natural one.
        """
        return [{"expiry_years": years, **dict(numbers)} for years, numbers in self._fitted.svi_slices(form)]

    @property
    def stability(self) -> list[dict[str, Any]]:
        """Parameters with standard errors, condition number and the effect of one tick; with expiry_years where they are one slice's."""
        return list(self._about.get("stability", []))

    def violations(self) -> list[dict[str, Any]]:
        """Static arbitrage: each stretch with its kind, expiry, place and size; empty where there is none."""
        found: list[dict[str, Any]] = json.loads(self._fitted.violations_json())
        return found

    def __repr__(self) -> str:
        quotes, inside = self.quality["quotes"], self.quality["inside"]
        met = f"{quotes} quotes" if inside is None else f"{inside} of {quotes} quotes inside bid-ask"
        return f"<zomma.surface.Surface {self.model}: {len(self.slices)} expiries, {met}>"

    # ---- where it goes ---------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the surface as `zomma surface` reads it. Numbers read back to the same bits.

        The file is written beside its place and then renamed: there is a whole surface at `path`, or what was there before. It keeps the
        permissions of the file whose place it takes.
        """
        text = self._fitted.to_json() + "\n"
        # A link stays a link.
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8")
            return
        beside = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
        try:
            beside.write_text(text, encoding="utf-8")
            if target.exists():
                # Another's file in a folder of ours: the new one has its own.
                with contextlib.suppress(OSError):
                    shutil.copymode(target, beside)
            os.replace(beside, target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def plot(self, expiries: Sequence[float] | None = None, *, points: int = 161) -> Figure:
        """Smiles, densities and local volatilities over log-moneyness and the volatility at the money over time, as a Matplotlib figure.

        `expiries` are years; where absent, those of the surface, twelve at most.
        """
        try:
            from matplotlib import colormaps
            from matplotlib.figure import Figure
        except ImportError as error:
            raise MissingFramework(
                "plot needs Matplotlib: pip install matplotlib", "matplotlib", "matplotlib", {"pip": "pip install matplotlib"}
            ) from error
        slices = self.slices
        if expiries is None:
            years = [entry["expiry_years"] for entry in slices]
            expiries = [years[i] for i in np.unique(np.linspace(0, len(years) - 1, min(12, len(years))).round().astype(int))]
        ranges = np.array([entry["log_moneyness_range"] for entry in slices])
        known = np.array([entry["expiry_years"] for entry in slices])
        figure = Figure(figsize=(12, 9), layout="constrained")
        axes = figure.subplots(2, 2)
        panels: list[tuple[Any, str, Any, float]] = [
            (axes[0, 0], "Implied volatility, %", self.implied_vol, 100.0),
            (axes[1, 0], "Density of ln(S/F)", self.density, 1.0),
            (axes[1, 1], "Local volatility, %", self.local_vol, 100.0),
        ]
        for place, expiry in enumerate(expiries):
            low, high = ranges[int(np.argmin(np.abs(known - expiry)))]
            k = np.linspace(low, high, points)
            colour = colormaps["viridis"](place / max(len(expiries) - 1, 1))
            for axis, _, verb, scale in panels:
                axis.plot(k, scale * verb(log_moneyness=k, expiry=expiry), color=colour, label=f"{expiry:.3f} years")
        for axis, title, _, _ in panels:
            axis.set(title=title, xlabel="log-moneyness")
        axes[0, 0].legend(fontsize="small")
        axes[0, 1].plot(known, 100.0 * self.implied_vol(log_moneyness=0.0, expiry=known), marker="o")
        axes[0, 1].set(title="At the money, %", xlabel="years")
        figure.suptitle(repr(self)[1:-1])
        return figure

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _from_json, (self._fitted.to_json(),)


def _refuse_point(row: int, count: int, status: _Codes, named: dict[str, _Numbers], shape: tuple[int, ...]) -> None:
    """Raises for the first point that has no answer."""
    code = Status(int(status[row]))
    argument, words = surface_point_rule(code)
    index = tuple(int(place) for place in np.unravel_index(row, shape)) if shape else ()
    value = None if argument is None else float(named[argument][row])
    what = words if argument is None else f"{argument} is {value}: {words}"
    if shape:
        rest = f"{count} of {len(status)} points have no answer: on_error='status' or 'nan' keeps the others"
        what = f"point {', '.join(map(str, index))}: {what}; {rest}"
    raise RowError(what, argument, index, value, code)


def _from_json(text: str) -> Surface:
    return Surface(FittedSurface.from_json(text))


def load(path: str | os.PathLike[str]) -> Surface:
    """A surface that `Surface.save` or `zomma surface fit` wrote, of this version or an older one."""
    try:
        return _from_json(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error


def _column(table: Any, name: str) -> _Numbers | None:
    """A column as contiguous float64; None where the table has none of this name."""
    if isinstance(table, Table):
        if name not in table.names:
            return None
        values: Any = table.numbers(name)
    elif name in table:
        values = table[name]
    else:
        return None
    return np.ascontiguousarray(np.asarray(values, dtype=np.float64).ravel())


def fit(
    table: Any,
    *,
    model: str = "svi",
    weights: Literal["bid_ask", "vega", "open_interest", "uniform"] = "bid_ask",
    residual: Literal["volatility", "price", "total_variance"] = "volatility",
    method: Literal["model_default", "least_squares", "maximum_likelihood"] = "model_default",
    tikhonov: float = 0.0,
    prior: Surface | None = None,
    spot: float | None = None,
    underlying: str | None = None,
    on_error: Literal["raise", "drop"] = "raise",
) -> Surface:
    """Fits a surface to a table of volatilities; the module's page says which columns.

    `method` is what the model does best: for svi under the default weights and residual a saturating loss that counts the quotes inside
    bid-ask, for all else least squares; or it is named. `tikhonov` above 0 pulls the parameters towards `prior` (yesterday's surface of the same model, say), or the model's typical ones.
    A row that is no quote (an expiry, forward, strike or volatility that is not finite and above 0) is an error that names it;
    on_error='drop' leaves it out and says so in `Surface.notes`, as is all else that could not be treated as asked. `prior` without
    `tikhonov` is where the fit starts, and no more.
    """
    if on_error not in ("raise", "drop"):
        raise ValueError(f"on_error: {on_error!r}: allowed are 'raise' and 'drop'")
    if not (np.isfinite(tikhonov) and tikhonov >= 0.0):
        raise ValueError(f"tikhonov: {tikhonov}: must be finite and not below 0")
    source = table if isinstance(table, dict | Table) else Table(_numeric(table))
    columns = [_column(source, name) for name in _COLUMNS]
    found = ", ".join(source.names if isinstance(source, Table) else source)
    named = dict(zip(_COLUMNS, columns, strict=True))
    for needed in ("expiry_years", "implied_volatility"):
        if named[needed] is None:
            raise ValueError(f"missing column {needed}; found [{found}]")
    if named["log_moneyness"] is None and (named["strike"] is None or named["forward"] is None):
        missing = "strike or log_moneyness" if named["strike"] is None else "forward, which a strike needs"
        raise ValueError(f"missing column {missing}; found [{found}]")
    lengths = {name: len(column) for name, column in named.items() if column is not None}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns of several lengths: {lengths}")
    interest = named["open_interest"]
    if weights == "open_interest" and (interest is None or not np.any(np.asarray(interest) > 0.0)):
        raise ValueError("weights='open_interest': no quote has an open_interest above 0")
    if prior is not None and not isinstance(prior, Surface):
        raise TypeError(f"prior: {type(prior).__name__}: allowed is a Surface")
    if spot is not None and not (np.isfinite(spot) and spot > 0.0):
        raise ValueError(f"spot: {spot}: must be finite and above 0")
    settings = {"residual": residual, "weights": weights, "estimator": method, "tikhonov": float(tikhonov)}
    before = None if prior is None else prior._fitted
    fitted, status = FittedSurface.fit(model, json.dumps(settings), columns, spot, underlying, before)
    faulty = np.flatnonzero(status)
    if len(faulty) and on_error == "raise":
        row = int(faulty[0])
        argument, words = surface_row_rule(int(status[row]))
        column = named.get(argument or "")
        value = None if column is None else float(column[row])
        rest = f"{len(faulty)} of {len(status)} rows are no quotes: on_error='drop' leaves them out"
        raise RowError(f"row {row}: {argument} is {value}: {words}; {rest}", argument, (row,), value, Status(int(status[row])))
    return Surface(fitted)


def _numeric(table: Any) -> Any:
    """Of a pandas frame, only the columns that matter, since others may hold what Arrow has no type for."""
    if type(table).__module__.partition(".")[0] != "pandas":
        return table
    return table[[name for name in table.columns if name in _COLUMNS]]
