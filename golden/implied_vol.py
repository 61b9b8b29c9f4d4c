#!/usr/bin/env python3
"""Implied volatilities at 60 digits and more, and the coefficients of the Mills ratio.

Rows whose price is the nearest double of the exact value, and the volatility that gives exactly that
double ("volatility"), which is the best answer that exists. "condition" is the out-of-the-money value over volatility·vega: how many
times the relative error of that value the volatility inherits; "noise" is what rounding may move the volatility by, relative to it. The seed is fixed; a second run writes the same bytes.

    python3 golden/implied_vol.py FOLDER       writes FOLDER/implied_vol.csv
    python3 golden/implied_vol.py --mills      prints the coefficients in crates/pricing/src/implied_vol/mills.rs

Needs mpmath.
"""

import os
import random
import struct
import sys

from mpmath import cos, erfc, exp, log, mp, mpf, nstr, pi, sqrt


def next_up(x):
    return struct.unpack("<d", struct.pack("<q", struct.unpack("<q", struct.pack("<d", x))[0] + 1))[0]


def normal(x):
    return erfc(-x / sqrt(2)) / 2


def out_of_the_money(forward, strike, s):
    """Undiscounted out-of-the-money Black value and its derivative in s, all mpf."""
    lesser, k = min(forward, strike), abs(log(forward / strike))
    d1 = s / 2 - k / s
    return lesser * (normal(d1) - exp(k) * normal(d1 - s)), lesser * exp(-d1 * d1 / 2) / sqrt(2 * pi)


def digits_for(k, s):
    """Enough that the cancellation in the Black formula leaves 50 digits."""
    return int(60 + (k / s + s) ** 2 / 4 + 2 * max(0, -float(log(s, 10))) + 2 * max(0, -float(log(k, 10)) if k else 0))


def solve(forward, strike, value, s):
    """The total volatility at which the out-of-the-money value is `value`, by Newton's method on its logarithm from `s`."""
    for _ in range(60):
        v, vega = out_of_the_money(forward, strike, s)
        step = (log(value) - log(v)) * v / vega
        s += step
        if abs(step) < s * mpf(10) ** -30:
            return s
    return None


def row(model, kind, a, strike, years, x, y, volatility):
    """x, y: discount factor and 1 (black76: a is the forward), or rate and yield (bsm: a is the spot)."""
    mp.dps = 60
    a_, k_, t_, x_, y_ = mpf(a), mpf(strike), mpf(years), mpf(x), mpf(y)
    s = mpf(volatility) * sqrt(t_)
    mp.dps = min(4000, digits_for(float(abs(log(a_ / k_))), float(s)))
    s = mpf(volatility) * sqrt(t_)
    discount = x_ if model == "black76" else exp(-x_ * t_)
    forward = a_ if model == "black76" else a_ * exp((x_ - y_) * t_)
    value, _ = out_of_the_money(forward, k_, s)
    in_the_money = (forward > k_) == (kind == "call") and forward != k_
    intrinsic = abs(forward - k_) if in_the_money else mpf(0)
    price = float(discount * (value + intrinsic))
    if price == 0:
        return None
    time_value = mpf(price) / discount - intrinsic
    upper = min(forward, k_)
    if time_value <= 0 or time_value >= upper:
        return (model, kind, a, strike, years, x, y, price, "", "", "")
    s = solve(forward, k_, time_value, s)
    if s is None or s <= 0:
        return (model, kind, a, strike, years, x, y, price, "", "", "")
    value, vega = out_of_the_money(forward, k_, s)
    error = mpf(next_up(price) - price) / 2
    if model == "bsm" and in_the_money:  # the discounted spot and strike are doubles too: an ulp each
        error += sum(mpf(next_up(leg) - leg) for leg in (float(discount * forward), float(discount * k_)))
    noise = error / discount / (vega * s)
    if mpf("5e-4") < noise < mpf("2e-3"):  # too near to where the status changes
        return None
    if noise > mpf("1e-3"):
        return (model, kind, a, strike, years, x, y, price, "", "", "")
    condition = value / (vega * s)
    return (model, kind, a, strike, years, x, y, price, nstr(s / sqrt(t_), 20), nstr(condition, 3), nstr(noise, 3))


def cases():
    rng = random.Random(20150401)
    u, log_u = rng.uniform, lambda lo, hi: 10 ** rng.uniform(lo, hi)
    side = lambda: rng.choice(["call", "put"])
    for _ in range(260):  # as markets quote
        years, vol = log_u(-2.5, 0.5), u(0.05, 0.9)
        strike = 100 * float(exp(vol * years**0.5 * u(-3, 3)))
        yield "black76", side(), 100.0, strike, years, float(exp(-u(-0.02, 0.08) * years)), 1.0, vol
    for _ in range(160):  # deep wings
        years, vol, strike = log_u(-2, 0), u(0.05, 1.5), 100 * float(exp(u(-4, 4)))
        yield "black76", "call" if strike > 100 else "put", 100.0, strike, years, 1.0, 1.0, vol
    for _ in range(160):  # near the money, short and quiet
        years, vol, strike = log_u(-5, 0), log_u(-4, 0), 100 * (1 + rng.choice([-1, 1]) * log_u(-14, -2))
        yield "black76", side(), 100.0, strike, years, 1.0, 1.0, vol
    for _ in range(40):  # at the money
        yield "black76", side(), 100.0, 100.0, log_u(-4, 1), 1.0, 1.0, log_u(-6, 0.7)
    for _ in range(160):  # great total volatility
        yield "black76", side(), 100.0, 100 * float(exp(u(-5, 5))), log_u(0, 1.4), 1.0, 1.0, u(0.5, 4)
    for _ in range(200):  # in the money
        years, vol = log_u(-2, 0.5), u(0.05, 0.9)
        strike = 100 * float(exp(vol * years**0.5 * u(-8, 8)))
        yield "black76", "call" if strike < 100 else "put", 100.0, strike, years, float(exp(-u(-0.02, 0.08) * years)), 1.0, vol
    for _ in range(60):  # the ends of the number range
        scale = 10.0 ** rng.randint(-120, 120)
        yield "black76", side(), scale, scale * float(exp(u(-1, 1))), log_u(-1, 0), 1.0, 1.0, u(0.1, 1)
    for _ in range(60):  # prices near the smallest number
        k = u(0.01, 30)
        yield "black76", "call", 1.0, float(exp(k)), 1.0, 1.0, 1.0, k / (2 * (u(600, 735) - k / 2)) ** 0.5
    for _ in range(200):  # with the branch points between
        k = log_u(-6, 1.5)
        s = (2 * k) ** 0.5 * u(0.3, 1.7) if rng.random() < 0.5 else (2 * k) ** 0.5 + u(0, 3)
        yield "black76", "call", 1.0, float(exp(k)), 1.0, 1.0, 1.0, s
    for _ in range(240):  # on spot
        years, vol, rate, dividend = log_u(-2.5, 1), u(0.05, 1.2), u(-0.03, 0.12), u(-0.01, 0.1)
        strike = 100 * float(exp(vol * years**0.5 * u(-4, 4)))
        yield "bsm", side(), 100.0, strike, years, rate, dividend, vol


def mills_coefficients():
    """R(a) = u·G(u), u = 1/(a + 5): Chebyshev interpolation of G over −0.8 ≤ a < ∞, cut at degree 27, in monomials of v = a/(a + 5).

    The expansion is about a = 0 because Horner's scheme is most exact there, and the inversion most sensitive."""
    mp.dps = 60
    scale = 1 / (5 - mpf("0.8"))

    def mills(a):
        if a < 200:
            return sqrt(pi / 2) * exp(a * a / 2) * erfc(a / sqrt(2))
        fraction = mpf(0)
        for n in range(120, 0, -1):
            fraction = n / (a + fraction)
        return 1 / (a + fraction)

    nodes, degree = 61, 27
    points = [cos(pi * (j + mpf(1) / 2) / nodes) for j in range(nodes)]
    values = [mills(2 / (scale * (1 + x)) - 5) * 2 / (scale * (1 + x)) for x in points]
    chebyshev = [
        (2 if n else 1) * sum(f * cos(pi * n * (j + mpf(1) / 2) / nodes) for j, f in enumerate(values)) / nodes for n in range(degree + 1)
    ]

    def times_x(polynomial):  # x = 2u/scale − 1 and u = (1 − v)/5
        shift, slope = 2 / (5 * scale) - 1, -2 / (5 * scale)
        return [shift * c + slope * b for c, b in zip(polynomial + [mpf(0)], [mpf(0)] + polynomial)]

    before, now, total = [mpf(1)], times_x([mpf(1)]), [mpf(0)] * (degree + 1)
    for n, c in enumerate(chebyshev):
        for i, t in enumerate(before if n == 0 else now):
            total[i] += c * t
        if n:
            following = [2 * t for t in times_x(now)]
            for i, t in enumerate(before):
                following[i] -= t
            before, now = now, following
    for low, high in zip(total + [mpf(0)], [mpf(0)] + total):  # R = G·(1 − v)/5
        print(repr(float((low - high) / 5)))


def main():
    if sys.argv[1:] == ["--mills"]:
        return mills_coefficients()
    with open(os.path.join(sys.argv[1], "implied_vol.csv"), "w", newline="\n") as f:
        f.write("model,option_type,underlying,strike,expiry_years,discount_factor_or_rate,one_or_yield,price,volatility,condition,noise\n")
        for case in cases():
            r = row(*case)
            if r is not None:
                f.write(",".join(x if isinstance(x, str) else repr(x) for x in r) + "\n")


if __name__ == "__main__":
    main()
