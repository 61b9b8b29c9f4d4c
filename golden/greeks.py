#!/usr/bin/env python3
"""Writes greeks.csv: value and 18 Greeks of European options at exact doubles, with their condition numbers. Needs mpmath (gmpy2 helps).

The closed forms are evaluated to 110 digits. The condition number of a quantity f is max(1, Σ|x ∂f/∂x| / |f|) over spot (or forward),
strike, expiry, rate, yield and volatility, by central differences with relative steps of 1e-30: to some 40 digits.

usage: python3 golden/greeks.py   (deterministic: its own seed)
Columns: model, option_type, the six inputs, then value and condition of each quantity; an absent quantity is empty.
"""
import csv
import pathlib
import random

from mpmath import erfc, exp, findroot, log, mp, mpf, pi, sqrt

mp.dps = 110
SEED = 77_2026
STEP = mpf(10) ** -30
FIELDS = ["spot", "strike", "expiry_years", "risk_free_rate", "dividend_yield", "volatility"]
NAMES = ["price", "delta", "gamma", "vega", "theta", "rho", "phi", "vanna", "charm", "vomma", "veta", "vera", "speed", "zomma",
         "color", "ultima", "dual_delta", "dual_gamma", "lambda"]  # fmt: skip


def quantities(model, omega, x):
    """The closed forms, in the order of NAMES; phi under Black-76 is None."""
    s, k, t, r, q, sigma = x
    if model == "black76":
        q = r
    root = sqrt(t)
    v = sigma * root
    d1 = (log(s / k) + (r - q) * t) / v + v / 2
    d2 = d1 - v
    cdf = lambda z: erfc(-z / sqrt(mpf(2))) / 2
    pdf = exp(-d1 * d1 / 2) / sqrt(2 * pi)
    dq, dr = exp(-q * t), exp(-r * t)
    n1, n2 = cdf(omega * d1), cdf(omega * d2)
    price = omega * (s * dq * n1 - k * dr * n2)
    delta = omega * dq * n1
    gamma = dq * pdf / (s * v)
    vega = s * dq * pdf * root
    d1_t = (r - q) / v - d2 / (2 * t)  # ∂d1/∂T
    out = {
        "price": price,
        "delta": delta,
        "gamma": gamma,
        "vega": vega,
        "theta": -vega * sigma / (2 * t) + omega * (q * s * dq * n1 - r * k * dr * n2),
        "rho": omega * t * k * dr * n2,
        "phi": -omega * t * s * dq * n1,
        "vanna": -dq * pdf * d2 / sigma,
        "charm": q * delta - dq * pdf * d1_t,
        "vomma": vega * d1 * d2 / sigma,
        "veta": vega * (q + d1 * d1_t - 1 / (2 * t)),
        "vera": -t * k * dr * exp(-d2 * d2 / 2) / sqrt(2 * pi) * d1 / sigma,
        "speed": -gamma / s * (d1 / v + 1),
        "zomma": gamma * (d1 * d2 - 1) / sigma,
        "color": gamma * (q + d1 * d1_t + 1 / (2 * t)),
        "ultima": vega / sigma**2 * (d1 * d2 * (d1 * d2 - 1) - d1 * d1 - d2 * d2),
        "dual_delta": -omega * dr * n2,
        "dual_gamma": dr * exp(-d2 * d2 / 2) / sqrt(2 * pi) / (k * v),
        "lambda": s * delta / price,
    }
    if model == "black76":
        out.update(rho=-t * price, phi=None, vera=-t * vega)
    return [out[name] for name in NAMES]


def with_conditions(model, omega, inputs):
    """[(value, condition)] in the order of NAMES."""
    x = [mpf(v) for v in inputs]
    values = quantities(model, omega, x)
    sums = [mpf(0)] * len(values)
    for i, xi in enumerate(x):
        if xi == 0 or (model == "black76" and FIELDS[i] == "dividend_yield"):
            continue
        up, down = list(x), list(x)
        up[i], down[i] = xi * (1 + STEP), xi * (1 - STEP)
        for j, (a, b) in enumerate(zip(quantities(model, omega, up), quantities(model, omega, down))):
            if a is not None:
                sums[j] += abs((a - b) / (2 * STEP))
    return [(f, None if f is None else max(mpf(1), c / abs(f)) if f else mpf(1)) for f, c in zip(values, sums)]


def market(rng):
    spot = round(10 ** rng.uniform(0.5, 4), 2)
    expiry = round(10 ** rng.uniform(-2.3, 0.6), 6)
    volatility = round(rng.uniform(0.08, 0.9), 4)
    strike = round(spot * 2.718281828 ** (rng.gauss(0, 1) * volatility * expiry**0.5), 2)
    return spot, max(strike, 0.01), expiry, round(rng.uniform(0, 0.06), 4), round(rng.uniform(0, 0.03), 4), volatility


def deep_wing(rng):
    spot, _, expiry, rate, dividend, volatility = market(rng)
    d = rng.choice([-1, 1]) * rng.uniform(5, 36)
    return spot, spot * 2.718281828 ** (d * volatility * expiry**0.5), expiry, rate, dividend, volatility


def ultra_short(rng):
    spot = round(rng.uniform(50, 6000), 2)
    expiry = rng.uniform(0.2, 24) / 8760
    volatility = rng.uniform(0.05, 1.5)
    strike = spot * 2.718281828 ** (rng.uniform(-12, 12) * volatility * expiry**0.5)
    return spot, strike, expiry, rng.uniform(-0.01, 0.08), rng.uniform(0, 0.04), volatility


def extreme_volatility(rng):
    volatility = rng.choice([0.01, 0.012, 0.02, 1.5, 2.0, 3.0, rng.uniform(0.01, 0.03), rng.uniform(1, 3)])
    expiry = 10 ** rng.uniform(-3, 1.4)
    v = volatility * expiry**0.5
    strike = 100 * 2.718281828 ** (rng.uniform(-8, 8) * min(v, 3))
    return 100.0, strike, expiry, rng.uniform(-0.02, 0.1), rng.uniform(-0.01, 0.05), volatility


def negative_rate(rng):
    spot, strike, expiry, *_, volatility = market(rng)
    return spot, strike, expiry * 3, -rng.uniform(0, 0.05), rng.uniform(-0.04, 0.04), volatility


def long_dated(rng):
    volatility = rng.uniform(0.05, 0.8)
    return 100.0, 100 * 2.718281828 ** rng.gauss(0, 1.5), rng.uniform(5, 50), rng.uniform(-0.01, 0.1), rng.uniform(0, 0.06), volatility


def at_the_money(rng):
    spot = round(rng.uniform(1, 5000), 2)
    rate = rng.choice([0.0, 0.0, 0.03, -0.01])
    return spot, spot, 10 ** rng.uniform(-4, 1), rate, rng.choice([rate, 0.0]), rng.uniform(0.01, 3)


def zero_rates(rng):
    spot, strike, expiry, *_, volatility = market(rng)
    return spot, strike, expiry, rng.choice([0.0, 0.02]), 0.0, volatility


def vanishing(rng):
    """The strike, as rounded, at which one Greek crosses zero: there its terms cancel."""
    name = rng.choice(["theta", "charm", "vomma", "vanna", "veta", "vera", "speed", "zomma", "color", "ultima"])
    while True:
        spot, _, expiry, rate, dividend, volatility = market(rng)
        rate += 0.02
        v = mpf(volatility) * sqrt(mpf(expiry))
        f = lambda d: quantities("bsm", 1, [mpf(spot), spot * exp(d * v), mpf(expiry), mpf(rate), mpf(dividend), mpf(volatility)])[
            NAMES.index(name)
        ]
        d = mpf(rng.uniform(-3, 3))
        try:
            with mp.workdps(30):
                d = findroot(f, (d, d + mpf("0.05")), tol=1e-25, maxsteps=30)
        except (ValueError, ZeroDivisionError):
            continue
        if abs(d) < 5:
            return spot, float(spot * exp(d * v)), expiry, rate, dividend, volatility


GROUPS = [(market, 80), (deep_wing, 90), (ultra_short, 60), (extreme_volatility, 70), (negative_rate, 40), (long_dated, 40),
          (at_the_money, 40), (zero_rates, 20), (vanishing, 60)]  # fmt: skip


def main():
    rng = random.Random(SEED)
    path = pathlib.Path(__file__).with_name("greeks.csv")
    with open(path, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["model", "option_type", *FIELDS, *(c for name in NAMES for c in (name, name + "_condition"))])
        for group, count in GROUPS:
            for i in range(count):
                inputs = group(rng)
                model = "black76" if i % 4 == 3 else "bsm"
                omega = 1 if rng.random() < 0.5 else -1
                row = [model, "call" if omega > 0 else "put", *map(repr, inputs)]
                for f, condition in with_conditions(model, omega, inputs):
                    row += ["", ""] if f is None else [mp.nstr(f, 19), mp.nstr(condition, 4)]
                out.writerow(row)


if __name__ == "__main__":
    main()
