"""Threads, forks, interrupts and the end of the interpreter."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from zomma import black_scholes

STRIKES = np.linspace(50.0, 150.0, 200_000)


def run(script, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | environment,
    )


def test_a_forked_child_prices_large_batches():
    """The parent's threads do not follow into the child; its own are made there."""
    ran = run("""
        import multiprocessing, numpy as np, zomma
        strikes = np.linspace(50.0, 150.0, 200_000)
        def total(rate):
            return float(zomma.black_scholes.price("call", 100.0, strikes, 1.0, rate, 0.2).sum())
        here = [total(rate) for rate in (0.0, 0.01, 0.02, 0.03)]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(total, (0.0, 0.01, 0.02, 0.03)) == here
        assert total(0.0) == here[0]
        print("done")
    """)
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr


@pytest.mark.parametrize("rows", [3, 700])
def test_a_forked_child_runs_every_solver(rows):
    ran = run(f"""
        import multiprocessing, numpy as np
        from zomma import american, heston, monte_carlo
        terms = (100.0, np.linspace(90.0, 110.0, {rows}), 0.5, 0.05)
        model = dict(v0=0.04, kappa=1.5, theta_v=0.04, sigma_v=0.3, rho_v=-0.5)
        def everything(kind):
            price = american.price(kind, *terms, 0.2)
            return (
                price.sum(),
                american.greeks(kind, *terms, 0.2)["delta"].sum(),
                np.nansum(american.implied_volatility(kind, *terms, price, on_error="nan")),
                heston.greeks(kind, *terms, **model)["vega"].sum(),
                monte_carlo.price(kind, *terms, 0.2, paths=4096).price.sum(),
            )
        here = [everything(kind) for kind in ("call", "put")]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(everything, ("call", "put")) == here
        print("done")
    """)
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr


def test_many_python_threads_price_at_once():
    expected = black_scholes.greeks("put", 100.0, STRIKES, 0.5, 0.05, 0.2)
    wrong = []

    def work():
        for _ in range(5):
            got = black_scholes.greeks("put", 100.0, STRIKES, 0.5, 0.05, 0.2)
            wrong.extend(name for name in expected if not np.array_equal(got[name], expected[name], equal_nan=True))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_bits_do_not_depend_on_the_number_of_threads():
    script = """
        import hashlib, numpy as np, zomma
        strikes = np.linspace(50.0, 150.0, 200_000)
        print(hashlib.sha256(zomma.black_scholes.price("call", 100.0, strikes, 1.0, 0.01, 0.2).tobytes()).hexdigest())
    """
    assert run(script, RAYON_NUM_THREADS="1").stdout == run(script, RAYON_NUM_THREADS="7").stdout != ""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timer")
def test_an_interrupt_ends_a_long_batch():
    ran = run("""
        import signal, numpy as np, zomma
        strikes = np.broadcast_to(100.0, 1 << 26)
        def interrupt(*_):
            raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            zomma.black_scholes.implied_volatility("call", 100.0, strikes, 1.0, 0.01, 8.0)
        except KeyboardInterrupt:
            print("interrupted")
    """)
    assert (ran.returncode, ran.stdout) == (0, "interrupted\n"), ran.stderr


def test_arrays_that_outlive_the_interpreter_do_no_harm():
    ran = run("""
        import sys, numpy as np, zomma
        x = np.arange(1000.0)
        sys.kept = [x, zomma.from_dlpack(x), np.asarray(zomma.Array(x)), zomma.Array(x).__dlpack__()]
        sys.kept.append(zomma.from_dlpack(x).__dlpack__(max_version=(1, 0)))
        sys.modules["__main__"].__dict__["loop"] = sys.kept
        sys.kept.append(sys.kept)
    """)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
