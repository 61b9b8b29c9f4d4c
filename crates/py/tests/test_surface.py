"""zomma.surface: fitted, asked, checked, saved and drawn."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zomma

EXPIRIES = (0.1, 0.25, 0.5, 1.0)


def volatility(k: np.ndarray[Any, Any], years: float) -> np.ndarray[Any, Any]:
    """A surface free of arbitrage: SSVI with a flat term structure."""
    theta, rho = 0.04 * years, -0.6
    phi = 1.2 / np.sqrt(theta * (1.0 + theta))
    return np.sqrt(0.5 * theta * (1.0 + rho * phi * k + np.sqrt((phi * k + rho) ** 2 + 1.0 - rho**2)) / years)


def table() -> dict[str, Any]:
    columns: dict[str, list[Any]] = {name: [] for name in ("strike", "expiry_years", "forward", "implied_volatility")}
    for years in EXPIRIES:
        forward = 100.0 * np.exp(0.02 * years)
        k = np.linspace(-2.5, 1.5, 25) * 0.2 * np.sqrt(years)
        columns["strike"].extend(forward * np.exp(k))
        columns["expiry_years"].extend([years] * len(k))
        columns["forward"].extend([forward] * len(k))
        columns["implied_volatility"].extend(volatility(k, years))
    vols = np.array(columns["implied_volatility"])
    return columns | {"bid_volatility": vols - 0.002, "ask_volatility": vols + 0.002}


@pytest.fixture(scope="module")
def surface() -> zomma.surface.Surface:
    return zomma.surface.fit(table())


def test_it_meets_the_quotes_and_says_so(surface: zomma.surface.Surface) -> None:
    rows = table()
    vols = surface.implied_vol(np.array(rows["strike"]), np.array(rows["expiry_years"]))
    assert np.max(np.abs(vols - rows["implied_volatility"])) < 0.002
    assert surface.quality["inside"] == surface.quality["quotes"] == 100
    assert surface.model == "svi" and len(surface.slices) == 4 and surface.violations() == []
    assert "100 of 100 quotes inside" in repr(surface)


def test_mids_alone_say_nothing_of_bid_and_ask() -> None:
    mids = {name: column for name, column in table().items() if name not in ("bid_volatility", "ask_volatility")}
    fitted = zomma.surface.fit(mids)
    assert fitted.quality["inside"] is None and fitted.quality["quotes"] == 100
    assert "100 quotes>" in repr(fitted)


def test_points_are_broadcast_and_one_is_a_float(surface: zomma.surface.Surface) -> None:
    strikes, years = np.array([[90.0], [110.0]]), np.array([0.2, 0.4, 0.8])
    vols = surface.implied_vol(strikes, years)
    assert vols.shape == (2, 3)
    one = surface.implied_vol(90.0, 0.4)
    assert isinstance(one, float) and one == vols[0, 1]
    k = np.log(90.0 / surface.forward(0.4))
    # A strike's moneyness is the difference of two logarithms there, the logarithm of a quotient here: rounding apart.
    assert surface.implied_vol(log_moneyness=k, expiry=0.4) == pytest.approx(one, rel=1e-14)
    assert surface.implied_vol(90.0, 0.4, forward=90.0) == surface.implied_vol(log_moneyness=0.0, expiry=0.4)
    assert surface.total_variance(90.0, 0.4) == pytest.approx(one * one * 0.4, rel=1e-14)
    with pytest.raises(TypeError, match="expiry"):
        surface.implied_vol(90.0)


def test_density_sums_to_one_and_local_volatility_is_near_the_money_twice_as_steep(surface: zomma.surface.Surface) -> None:
    k = np.linspace(-3.0, 3.0, 6001)
    assert np.trapezoid(surface.density(log_moneyness=k, expiry=0.5), k) == pytest.approx(1.0, abs=1e-4)
    h = 0.02
    skew = [surface.implied_vol(log_moneyness=x, expiry=0.05) for x in (-h, h)]
    local = [surface.local_vol(log_moneyness=x, expiry=0.05) for x in (-h, h)]
    assert (local[1] - local[0]) / (skew[1] - skew[0]) == pytest.approx(2.0, rel=0.15)
    assert np.isnan(surface.implied_vol(100.0, -1.0))


def test_points_that_have_no_answer_are_told(surface: zomma.surface.Surface) -> None:
    strikes, years = np.array([[100.0], [-5.0]]), np.array([0.5, -1.0])
    for verb in (surface.implied_vol, surface.total_variance, surface.density, surface.local_vol):
        values, status = verb(strikes, years, on_error="status")
        expected = [[zomma.Status.OK, zomma.Status.EXPIRED], [zomma.Status.BAD_STRIKE, zomma.Status.EXPIRED]]
        np.testing.assert_array_equal(status, expected)
        np.testing.assert_array_equal(np.isnan(values), np.array(expected) != 0)
        np.testing.assert_array_equal(verb(strikes, years), values)
        with pytest.raises(zomma.RowError, match=r"point 0, 1: expiry is -1.0: must be above 0; 3 of 4 points") as caught:
            verb(strikes, years, on_error="raise")
        error = caught.value
        assert (error.argument, error.index, error.value, error.status) == ("expiry", (0, 1), -1.0, zomma.Status.EXPIRED)
    value, status = surface.implied_vol(log_moneyness=np.inf, expiry=0.5, on_error="status")
    assert np.isnan(value) and status is zomma.Status.BAD_LOG_MONEYNESS
    with pytest.raises(zomma.RowError, match=r"^log_moneyness is inf: must be finite$"):
        surface.implied_vol(log_moneyness=np.inf, expiry=0.5, on_error="raise")
    with pytest.raises(ValueError, match="on_error: 'drop': allowed are"):
        surface.implied_vol(100.0, 0.5, on_error="drop")  # type: ignore[arg-type]


def test_a_density_is_sound_where_the_local_volatility_alone_is_none() -> None:
    k, years = np.tile(np.linspace(-0.3, 0.3, 7), 2), np.repeat([0.5, 1.0], 7)
    # Total variance falls from the first expiry to the second.
    rows = {"log_moneyness": k, "expiry_years": years, "implied_volatility": np.where(years < 0.75, 0.3, 0.2)}
    fitted = zomma.surface.fit(rows, model="cubic_spline")
    density, status = fitted.density(log_moneyness=0.05, expiry=0.75, on_error="status")
    assert density > 0.0 and status is zomma.Status.OK
    assert fitted.density(log_moneyness=0.05, expiry=0.75, on_error="raise") == density
    local, status = fitted.local_vol(log_moneyness=0.05, expiry=0.75, on_error="status")
    assert np.isnan(local) and status is zomma.Status.ARBITRAGE


def test_a_saved_surface_keeps_the_permissions_of_the_file(surface: zomma.surface.Surface, tmp_path: Path) -> None:
    path = tmp_path / "surface.json"
    surface.save(path)
    for mode in (0o600, 0o664):
        path.chmod(mode)
        surface.save(path)
        assert path.stat().st_mode & 0o777 == mode


def test_svi_has_its_parameters_in_three_forms(surface: zomma.surface.Surface) -> None:
    wings = surface.svi("jump_wings")
    assert [entry["expiry_years"] for entry in wings] == list(EXPIRIES)
    for entry in wings:
        vol = surface.implied_vol(log_moneyness=0.0, expiry=entry["expiry_years"])
        assert entry["variance"] == pytest.approx(vol**2, rel=1e-12)
        assert entry["least_variance"] < entry["variance"] and entry["skew"] < 0.0
    raw, natural = surface.svi(), surface.svi("natural")
    assert set(raw[0]) == {"expiry_years", "a", "b", "rho", "m", "sigma"}
    for one, other in zip(raw, natural, strict=True):
        # b = omega zeta / 2 (Gatheral and Jacquier 2014, lemma 3.1).
        assert one["b"] == pytest.approx(other["omega"] * other["zeta"] / 2.0, rel=1e-12)
    with pytest.raises(ValueError, match='form: "x": allowed are raw, natural, jump_wings'):
        surface.svi("x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ssvi: has no SVI slices; svi has"):
        zomma.surface.fit(table(), model="ssvi").svi()


def test_a_surface_is_saved_whole_or_not_at_all(surface: zomma.surface.Surface, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, link = tmp_path / "surface.json", tmp_path / "link.json"
    path.write_text("before")
    link.symlink_to(path)

    def fail(*_: Any) -> None:
        raise OSError("full")

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", fail)
        with pytest.raises(OSError, match="full"):
            surface.save(path)
    assert path.read_text() == "before" and sorted(tmp_path.iterdir()) == [link, path]
    surface.save(link)
    assert link.is_symlink() and zomma.surface.load(path).quality == surface.quality
    assert sorted(tmp_path.iterdir()) == [link, path]


def test_rows_that_are_left_out_or_share_a_strike_are_noted() -> None:
    rows = table()
    strikes = list(rows["strike"])
    strikes[3], strikes[7], strikes[30] = -5.0, np.nan, strikes[31]
    notes = zomma.surface.fit(rows | {"strike": strikes}, on_error="drop").notes
    left_out, repeated = (next(note for note in notes if note["reason"] == reason) for reason in ("rows_left_out", "repeated_strikes"))
    assert (left_out["count"], left_out["of"], left_out["rows"], left_out["field"], left_out["value"]) == (2, 100, [3, 7], "strike", -5.0)
    assert repeated["expiry_years"] == 0.25 and repeated["rows"] == [[30, 31]]


def test_kriging_says_how_sure_it_is_and_others_that_they_do_not(surface: zomma.surface.Surface) -> None:
    kriging = zomma.surface.fit(table(), model="kriging")
    k = np.array([0.0, 1.0])
    relative = kriging.standard_error(log_moneyness=k, expiry=0.5) / kriging.implied_vol(log_moneyness=k, expiry=0.5)
    assert 0.0 < relative[0] < min(0.01, relative[1])
    assert np.isnan(kriging.standard_error(-100.0, 0.5))
    with pytest.raises(ValueError, match="svi: has no standard error; kriging has"):
        surface.standard_error(100.0, 0.5)


@pytest.mark.parametrize("model", zomma.surface.MODELS)
def test_every_model_fits_saves_and_reads_back_to_the_same_bits(model: str, tmp_path: Path) -> None:
    fitted = zomma.surface.fit(table(), model=model, underlying="XYZ")
    path = tmp_path / "surface.json"
    fitted.save(path)
    again = zomma.surface.load(path)
    strikes, years = np.linspace(70.0, 130.0, 13)[:, None], np.array([0.05, 0.1, 0.3, 1.0, 2.0])
    expected = fitted.implied_vol(strikes, years)
    assert np.all(np.isfinite(expected))
    np.testing.assert_array_equal(again.implied_vol(strikes, years), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).implied_vol(strikes, years), expected)
    assert again.model == model


def test_frames_are_read(surface: zomma.surface.Surface) -> None:
    pandas, polars, pyarrow = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    columns = {name: np.asarray(column) for name, column in table().items()}
    words = ["x"] * len(columns["strike"])
    for frame in (
        pandas.DataFrame(columns | {"other": words}),
        polars.DataFrame(columns | {"other": words}),
        pyarrow.table(columns),
    ):
        assert zomma.surface.fit(frame).implied_vol(95.0, 0.3) == surface.implied_vol(95.0, 0.3)


def test_what_is_wrong_is_named() -> None:
    rows = table()
    with pytest.raises(ValueError, match=r"missing column implied_volatility; found \[strike"):
        zomma.surface.fit({name: column for name, column in rows.items() if name != "implied_volatility"})
    with pytest.raises(ValueError, match="missing column forward, which a strike needs"):
        zomma.surface.fit({name: column for name, column in rows.items() if name != "forward"})
    with pytest.raises(ValueError, match='model: "x": allowed are svi'):
        zomma.surface.fit(rows, model="x")
    with pytest.raises(ValueError, match="weights|unknown variant"):
        zomma.surface.fit(rows, weights="x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="columns of several lengths"):
        zomma.surface.fit(rows | {"open_interest": [1.0]})
    for interest in ({}, {"open_interest": [0.0] * 100}):
        with pytest.raises(ValueError, match="weights='open_interest': no quote has an open_interest above 0"):
            zomma.surface.fit(rows | interest, weights="open_interest")
    with pytest.raises(TypeError, match="prior: int: allowed is a Surface"):
        zomma.surface.fit(rows, prior=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="spot: -1.0: must be finite and above 0"):
        zomma.surface.fit(rows, spot=-1.0)
    rows["strike"] = [-5.0, *rows["strike"][1:]]
    with pytest.raises(zomma.RowError, match=r"row 0: strike is -5.0: must be above 0.*1 of 100 rows"):
        zomma.surface.fit(rows)
    assert zomma.surface.fit(rows, on_error="drop").quality["quotes"] == 99
    with pytest.raises(ValueError, match="no quote"):
        zomma.surface.fit({name: [np.nan] for name in rows}, on_error="drop")


def test_a_file_that_is_no_surface_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"version": 99}')
    with pytest.raises(ValueError, match=r"x.json: version 99 of a surface"):
        zomma.surface.load(path)


def test_yesterday_pulls() -> None:
    rows = table()
    shifted = rows | {"implied_volatility": np.array(rows["implied_volatility"]) + 0.02}
    yesterday = zomma.surface.fit(rows)
    near = zomma.surface.fit(shifted, prior=yesterday, tikhonov=1e-9)
    assert near.implied_vol(log_moneyness=0.0, expiry=0.5) == pytest.approx(0.22, abs=0.002)


def test_it_draws(surface: zomma.surface.Surface, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = surface.plot()
    figure.savefig(tmp_path / "surface.png")
    assert len(figure.axes) == 4 and len(figure.axes[0].lines) == 4
    assert (tmp_path / "surface.png").stat().st_size > 10_000
