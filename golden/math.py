#!/usr/bin/env python3
"""Writes math.csv: elementary functions at exact doubles, to 50 digits, printed as the nearest double. Needs mpmath.

usage: python3 golden/math.py   (deterministic: its own seed)
Columns: function, x, y (0 where the function has one argument), value.
"""
import csv
import pathlib
import random

from mpmath import erfc, exp, log, mp, mpf, sqrt

mp.dps = 400  # e^(x²/2) erfc(x/√2) cancels to 300 digits at x = 38
SEED = 20260602


def normal_cdf(x):
    return erfc(-x / sqrt(mpf(2))) / 2


def mills(x):
    if x > 60:  # continued fraction
        tail = mpf(0)
        for n in range(400, 0, -1):
            tail = n / (x + tail)
        return 1 / (x + tail)
    return sqrt(mp.pi / 2) * exp(x * x / 2) * erfc(x / sqrt(mpf(2)))


def cases(rng):
    for _ in range(120):
        yield "exp", rng.uniform(-745, 709), 0.0
        yield "exp", rng.uniform(-1, 1) ** 3, 0.0
        yield "normal_cdf", rng.uniform(-37.5, 9), 0.0
        yield "normal_cdf", rng.uniform(-2, 2), 0.0
        yield "mills", rng.uniform(0, 40), 0.0
        yield "mills", 10 ** rng.uniform(-8, 12), 0.0
        strike = 10 ** rng.uniform(-3, 5)
        yield "ln_ratio", strike * (1 + rng.uniform(-1, 1) * 10 ** rng.uniform(-12, -0.5)), strike
        yield "ln_ratio", 10 ** rng.uniform(-3, 5), strike
    for x in (0.0, 1e-300, -708.3, -744.9, 709.78):
        yield "exp", x, 0.0
    yield "mills", 0.0, 0.0
    for x in (0.0, -1e-12, -37.6, 8.3):
        yield "normal_cdf", x, 0.0


FUNCTIONS = {
    "exp": lambda x, y: exp(x),
    "normal_cdf": lambda x, y: normal_cdf(x),
    "mills": lambda x, y: mills(x),
    "ln_ratio": lambda x, y: log(x) - log(y),
}


def main():
    path = pathlib.Path(__file__).with_name("math.csv")
    with open(path, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["function", "x", "y", "value"])
        for name, x, y in cases(random.Random(SEED)):
            out.writerow([name, repr(x), repr(y), mp.nstr(FUNCTIONS[name](mpf(x), mpf(y)), 20)])


if __name__ == "__main__":
    main()
