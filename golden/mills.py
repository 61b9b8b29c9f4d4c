#!/usr/bin/env python3
"""Prints the coefficients of crates/pricing/src/math/normal.rs: the rational minimax fit of the hazard rate's excess. Needs mpmath.

r(x) = n(x)/(1 − N(x)) − x is fitted by R/P of degrees 10 and 11 on [0, ∞) to relative accuracy; Mills' ratio is 1/(x + r).
Remez exchange over Chebyshev points of s = (x − 2)/(x + 2), the levelled error linearised about the last denominator.
usage: python3 golden/mills.py [DEGREE]
"""
import sys

from mpmath import cos, erfc, exp, lu_solve, matrix, mp, mpf, pi, sqrt

DIGITS, CENTRE, GRID, ROUNDS = 70, 2, 1200, 6


def excess(x):
    if x > 60:
        tail = mpf(0)
        for n in range(200, 0, -1):
            tail = n / (x + tail)
        return tail
    with mp.workdps(DIGITS + 10 + int(x * x / 4)):
        return 1 / (sqrt(pi / 2) * exp(x * x / 2) * erfc(x / sqrt(mpf(2)))) - x


def value(coefficients, x):
    return sum(c * x**i for i, c in enumerate(coefficients))


def remez(n):
    unknowns = 2 * n + 3
    nodes = [-cos(pi * (i + mpf(1) / 2) / GRID) for i in range(GRID)]
    xs = [CENTRE * (1 + s) / (1 - s) for s in nodes]
    rs = [excess(x) for x in xs]
    reference = [i * (GRID - 1) // (unknowns - 1) for i in range(unknowns)]
    last = None
    for _ in range(ROUNDS):
        a, b = matrix(unknowns, unknowns), matrix(unknowns, 1)
        for row, g in enumerate(reference):
            x, r = xs[g], rs[g]
            scale = 1 / (1 + x) ** n
            for j in range(n + 1):
                a[row, j] = x**j * scale
                a[row, n + 1 + j] = -r * x ** (j + 1) * scale
            a[row, 2 * n + 2] = -((-1) ** row) * r * (value(last, x) if last else 1) * scale
            b[row] = r * scale
        solution = lu_solve(a, b)
        top = [solution[j] for j in range(n + 1)]
        bottom = last = [mpf(1)] + [solution[n + 1 + j] for j in range(n + 1)]
        errors = [(value(top, x) / value(bottom, x) - r) / r for x, r in zip(xs, rs)]
        extrema = []
        for i, error in enumerate(errors):
            if not extrema or (error > 0) != (errors[extrema[-1]] > 0):
                extrema.append(i)
            elif abs(error) > abs(errors[extrema[-1]]):
                extrema[-1] = i
        if len(extrema) < unknowns:
            break
        while len(extrema) > unknowns:
            extrema.pop(0 if abs(errors[extrema[0]]) < abs(errors[extrema[-1]]) else -1)
        reference = extrema
    return top, bottom, max(abs(e) for e in errors)


if __name__ == "__main__":
    mp.dps = DIGITS
    top, bottom, worst = remez(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
    print("R", [float(c) for c in top])
    print("P", [float(c) for c in bottom])
    print("largest relative error", mp.nstr(worst, 3))
