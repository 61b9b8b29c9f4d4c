#!/usr/bin/env python3
"""Prints the rows of the table in crates/pricing/src/surface/sabr/formula.rs: Hagan's lognormal and normal volatility. Needs mpmath.

Hagan, Kumar, Lesniewski and Woodward (2002), "Managing smile risk", equations 2.17a-c and A.59a-c as printed, to 60 digits, with the
strike moved by 1e-30 of itself where it is the forward.

usage: python3 golden/sabr.py
"""
from mpmath import log, mp, mpf, nstr, sqrt

mp.dps = 60
CASES = [
    # alpha, beta, rho, nu, forward, strike, expiry_years
    ("0.3", "1", "-0.7", "0.9", "4200", "3600", "0.25"),
    ("0.3", "1", "-0.7", "0.9", "4200", "4200", "0.25"),
    ("0.3", "1", "-0.7", "0.9", "4200", "4201", "0.25"),
    ("0.05", "0.5", "-0.3", "0.4", "0.03", "0.01", "2"),
    ("0.05", "0.5", "-0.3", "0.4", "0.03", "0.0300001", "2"),
    ("0.05", "0.5", "0.6", "0.4", "0.03", "0.08", "10"),
    ("0.35", "0.25", "-0.1", "1", "1", "0.5", "1"),
    ("0.008", "0", "0.2", "0.35", "0.02", "0.05", "5"),
    ("2.5", "0.6", "-0.95", "3", "150", "220", "0.02"),
]


def x(z, rho):
    return log((sqrt(1 - 2 * rho * z + z * z) + z - rho) / (1 - rho))


for case in CASES:
    a, b, r, n, f, k, t = map(mpf, case)
    if f == k:
        k *= 1 + mpf("1e-30")
    m, g, y = 1 - b, sqrt(f * k), log(f / k)
    z = n / a * g**m * y
    lognormal = a / (g**m * (1 + m**2 / 24 * y**2 + m**4 / 1920 * y**4)) * z / x(z, r)
    lognormal *= 1 + (m**2 / 24 * a**2 / g ** (2 * m) + r * b * n * a / (4 * g**m) + (2 - 3 * r**2) / 24 * n**2) * t
    z = n / a * (f - k) / g**b
    normal = a * g**b * (1 + y**2 / 24 + y**4 / 1920) / (1 + m**2 / 24 * y**2 + m**4 / 1920 * y**4) * z / x(z, r)
    normal *= 1 + (-b * (2 - b) * a**2 / (24 * g ** (2 * m)) + r * b * n * a / (4 * g**m) + (2 - 3 * r**2) / 24 * n**2) * t
    print(f"([{', '.join(str(float(x)) for x in case)}], {nstr(lognormal, 16)}, {nstr(normal, 16)}),")
