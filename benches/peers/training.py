"""Training steps of our own engine beside JAX: the same network, rows, loss, gradient and Adam, on the same machine in one run.

`training.py PROGRAM`, where PROGRAM is the example `training_rate` of zomma-learn: it writes its parameters and rows, so that both begin at
the same loss, which is checked. Both get the threads of the machine, or those of RAYON_NUM_THREADS.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

threads = os.environ.get("RAYON_NUM_THREADS")
if threads == "1":
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402


def measured(program, folder):
    return json.loads(subprocess.run([program, str(folder)], check=True, capture_output=True, text=True).stdout)


def problem(told, folder):
    """The network of the program's parameters, and its rows."""
    read = lambda name: np.fromfile(folder / name)  # noqa: E731
    width, depth, inputs, batch = told["width"], told["depth"], told["inputs"], told["batch"]
    flat, layers, at = read("parameters").astype(np.float32), [], 0
    for shape in [(2, width)] + [(width, width)] * (depth - 1) + [(width, 1)]:
        count = shape[0] * shape[1]
        weight, bias = flat[at : at + count].reshape(shape), flat[at + count : at + count + shape[1]]
        layers.append((jnp.asarray(weight), jnp.asarray(bias)))
        at += count + shape[1]
    if at != len(flat):
        raise SystemExit(f"{at} parameters of {len(flat)}: another layout")
    rows = [read("inputs").reshape(batch, inputs), read("prices"), read("differentials").reshape(batch, inputs)]
    return layers, [jnp.asarray(x.astype(np.float32)) for x in rows]


def losses(told):
    """The loss of prices alone, and with the derivatives by the inputs."""
    mean, deviation, weights = (jnp.asarray(told[key], jnp.float32) for key in ("mean", "deviation", "weights"))

    def prices(layers, rows):
        m, years, volatility = rows.T
        s = volatility * jnp.sqrt(years)
        x = jnp.log(m) / s
        shown = jnp.stack([x / jnp.sqrt(1 + (x / 5) ** 2), s], axis=1)
        a = (shown - mean) / deviation
        for weight, bias in layers[:-1]:
            a = jax.nn.silu(a @ weight + bias)
        r = (a @ layers[-1][0] + layers[-1][1])[:, 0]
        y = jax.nn.sigmoid(r + 2 * jnp.log(s))
        root = jnp.sqrt((m - 1) ** 2 + 4 * m * y)
        return 2 * m * y / (jnp.abs(m - 1) + root) + jnp.maximum(m - 1, 0), s

    def price_loss(found, s, wanted):
        return jnp.mean(((found - wanted) / jnp.maximum(s, 0.01)) ** 2)

    def values(layers, rows, wanted, _):
        found, s = prices(layers, rows)
        return price_loss(found, s, wanted)

    def differentials(layers, rows, wanted, slopes):
        found, pull, s = jax.vjp(lambda rows: prices(layers, rows), rows, has_aux=True)
        (by_input,) = pull(jnp.ones_like(found))
        return price_loss(found, s, wanted) + jnp.mean(jnp.sum(weights * (by_input - slopes) ** 2, axis=1))

    return {"values": values, "differentials": differentials}


def step_of(loss, rate):
    """Loss, gradient and a step of Adam, compiled as one."""

    @jax.jit
    def step(layers, mean, square, taken, *rows):
        value, slope = jax.value_and_grad(loss)(layers, *rows)
        taken = taken + 1
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, slope)
        square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, slope)
        by = lambda w, m, v: w - rate * (m / (1 - 0.9**taken)) / (jnp.sqrt(v / (1 - 0.999**taken)) + 1e-8)  # noqa: E731
        return value, jax.tree.map(by, layers, mean, square), mean, square, taken

    return step


def jax_rates(told, folder):
    layers, rows = problem(told, folder)
    rates = {}
    for name, loss in losses(told).items():
        step = step_of(loss, told["learning_rate"])
        zeros = jax.tree.map(jnp.zeros_like, layers)
        state = (layers, zeros, zeros, jnp.float32(0))
        first = float(step(*state, *rows)[0])
        least = float("inf")
        for _ in range(told["runs"]):
            begun = time.perf_counter()
            for _ in range(told["steps"]):
                value, *state = step(*state, *rows)
            jax.block_until_ready(state)
            least = min(least, time.perf_counter() - begun)
        last = float(step(*state, *rows)[0])
        rate = told["steps"] * told["batch"] / least
        rates[name] = {"rows_per_second": rate, "first_loss": first, "last_loss": last}
    return rates


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        told = measured(sys.argv[1], folder)
        peer = jax_rates(told, folder)
        # Once more after the peer, so that neither has the quieter half of the machine.
        again = measured(sys.argv[1], folder)
    print(f"{told['width']} x {told['depth']}, batch {told['batch']}, {told['threads']} threads, JAX {jax.__version__} on {jax.devices()}")
    print(f"{'':<16}{'native rows/s':>16}{'JAX rows/s':>16}{'ratio':>8}   first loss, last loss: native; JAX")
    for name, found in peer.items():
        mine = max((told[name], again[name]), key=lambda it: it["rows_per_second"])
        if abs(mine["first_loss"] / found["first_loss"] - 1) > 1e-3:
            raise SystemExit(f"{name}: other losses, {mine['first_loss']} and {found['first_loss']}: not the same work")
        ratio = mine["rows_per_second"] / found["rows_per_second"]
        both = "; ".join(f"{it['first_loss']:.4e}, {it['last_loss']:.4e}" for it in (mine, found))
        print(f"{name:<16}{mine['rows_per_second']:>16,.0f}{found['rows_per_second']:>16,.0f}{ratio:>8.2f}   {both}")


main()
