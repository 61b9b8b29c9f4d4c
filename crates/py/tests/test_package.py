"""The package as a whole: its version, its statuses, its stubs, and every example in its documentation."""

import doctest
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import zomma
from zomma import _zomma

ROOT = Path(__file__).parents[3]


def test_the_version_is_the_workspaces():
    manifest = (ROOT / "Cargo.toml").read_text()
    assert zomma.__version__ == re.search(r'^version = "(.+)"$', manifest, re.MULTILINE)[1]


def test_statuses_are_those_of_the_compiled_half():
    assert [(str(status), status.value) for status in zomma.Status] == _zomma.statuses()


DOCUMENTED = {
    "zomma": zomma,
    "zomma.gpu": zomma.gpu,
    "zomma.black_scholes": zomma.black_scholes,
    "zomma.price": zomma.price,
    "Array": zomma.Array,
    **{name: getattr(_zomma, name) for name in ("from_dlpack", "price", "greeks", "implied_volatility", "choose", "devices")},
    **{f"zomma.{name}.price": getattr(zomma, name).price for name in ("american", "bates", "heston", "kou", "merton", "variance_gamma")},
    "zomma.american.greeks": zomma.american.greeks,
    **{f"zomma.{name}.price": getattr(zomma, name).price for name in ("bachelier", "displaced", "finite_difference")},
    **{f"zomma.exotic.{name}": getattr(zomma.exotic, name) for name in ("asian", "barrier", "digital", "lookback")},
    "zomma.finite_difference.greeks": zomma.finite_difference.greeks,
    "zomma.finite_difference.implied_volatility": zomma.finite_difference.implied_volatility,
    "zomma.finite_difference.report": zomma.finite_difference.report,
    **{f"zomma.monte_carlo.{name}": getattr(zomma.monte_carlo, name) for name in ("american", "greeks", "price")},
    "zomma.american.implied_volatility": zomma.american.implied_volatility,
    **{f"zomma.gpu.{name}": getattr(zomma.gpu, name) for name in ("device", "inventory", "list")},
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples_print_what_they_say(name):
    item = DOCUMENTED[name]
    assert item.__doc__
    example = doctest.DocTestParser().get_doctest(item.__doc__, {}, name, None, 0)
    failed = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    said = []
    failed.run(example, out=said.append)
    assert failed.failures == 0, "".join(said)


def test_the_documentation_page_prints_what_it_says():
    text = (ROOT / "docs/python.md").read_text()
    blocks = re.findall(r"^```pycon\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 3
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "python.md", None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    said = []
    runner.run(example, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_the_example_script_runs(tmp_path):
    script = ROOT / "examples/implied_volatility.py"
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "implied volatility" in ran.stdout


def test_the_notebook_plots_and_holds_no_output(tmp_path):
    """Its cells, one after the other in one interpreter, as a notebook server runs them."""
    pytest.importorskip("matplotlib", reason="no matplotlib")
    notebook = json.loads((ROOT / "examples/options.ipynb").read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    script = tmp_path / "notebook.py"
    save = "for number in plt.get_fignums():\n    plt.figure(number).savefig(f'{number}.png')\n"
    script.write_text("\n\n".join("".join(cell["source"]) for cell in cells) + "\n\n" + save)
    environment = os.environ | {"MPLBACKEND": "agg", "MPLCONFIGDIR": str(tmp_path)}
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert "million a second" in ran.stdout
    plots = list(tmp_path.glob("*.png"))
    assert len(plots) == sum("plt.show()" in "".join(cell["source"]) for cell in cells) == 4
    assert all(plot.stat().st_size > 5000 for plot in plots)


def test_stubs_say_what_is_there(tmp_path):
    pytest.importorskip("mypy", reason="no mypy")
    ran = subprocess.run([sys.executable, "-m", "mypy.stubtest", "zomma", "--concise"], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_typed_callers_are_checked(tmp_path):
    pytest.importorskip("mypy", reason="no mypy")
    script = tmp_path / "caller.py"
    script.write_text(
        "import numpy as np, zomma\n"
        "from zomma import black_scholes as bs\n"
        "reveal_type(bs.price('call', 100.0, 100, 1.0, 0.0, 0.2))\n"
        "reveal_type(bs.price('call', np.zeros(3), 100.0, 1.0, 0.0, 0.2, on_error='status'))\n"
        "reveal_type(bs.greeks(['call', 'put'], zomma.Array([1.0]), [1.0], 1.0, 0.0, 0.2)['delta'])\n"
        "bs.price('call', 100.0, 100.0, 1.0, 0.0, 0.2, model='heston')\n"
    )
    ran = subprocess.run([sys.executable, "-m", "mypy", "--strict", script], capture_output=True, text=True, cwd=tmp_path)
    told = [re.sub(r"^.*?: ", "", line) for line in ran.stdout.splitlines()]
    assert told[0] == 'note: Revealed type is "float"', ran.stdout
    assert "tuple[numpy.ndarray[" in told[1] and "float64" in told[1] and "unsignedinteger" in told[1], ran.stdout
    assert "ndarray" in told[2] and "float64" in told[2], ran.stdout
    assert 'No overload variant of "price"' in told[3], ran.stdout


@pytest.mark.parametrize(
    "error",
    [
        zomma.RowError("x", "spot", (1,), -1.0, zomma.Status.BAD_SPOT),
        zomma.MissingFramework("x", "jax", "jax", {"CPU": "pip install jax"}),
        zomma.DeviceError("x"),
    ],
)
def test_exceptions_cross_processes(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and str(copy) == str(error) and vars(copy) == vars(error)
