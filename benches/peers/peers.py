"""Zomma beside QuantLib, py_vollib_vectorized and FinancePy: the same rows in one process, with the error of each.

Every rival gets its inputs ready-made, in the form that it likes best, and is timed on the call alone: arrays where it takes arrays,
a loop over prepared objects where it takes one option. A rival that cannot be imported, or fails at a task, is named with its reason.
"""

import argparse
import importlib
import importlib.metadata
import os
import platform
import sys
import time
import warnings
from dataclasses import dataclass

import mpmath
import numpy as np

warnings.simplefilter("ignore")
GREEKS = ("delta", "gamma", "vega", "theta", "rho")


@dataclass
class Rows:
    """Options as columns; the model's parameters are the same in every row."""

    kind: np.ndarray
    spot: np.ndarray
    strike: np.ndarray
    years: np.ndarray
    rate: np.ndarray
    dividend: np.ndarray
    volatility: np.ndarray

    def head(self, rows):
        return Rows(*(column[:rows] for column in vars(self).values()))

    def __len__(self):
        return len(self.spot)

    @property
    def columns(self):
        return self.spot, self.strike, self.years, self.rate


def make_rows(count, kind=None, most_days=730):
    rng = np.random.default_rng(20261124)
    days = rng.integers(20, most_days, count)
    return Rows(
        kind=np.where(rng.random(count) < 0.5, "c", "p") if kind is None else np.full(count, kind),
        spot=np.full(count, 100.0),
        strike=rng.uniform(80.0, 120.0, count),
        years=days / 365.0,
        rate=rng.uniform(0.0, 0.06, count),
        dividend=rng.uniform(0.0, 0.04, count),
        volatility=rng.uniform(0.1, 0.6, count),
    )


def exact_black(rows):
    """Price and five Greeks in 50 digits."""
    out = {name: np.empty(len(rows)) for name in ("price", *GREEKS)}
    with mpmath.workdps(50):
        for i in range(len(rows)):
            sign = 1 if rows.kind[i] == "c" else -1
            s, k, t, r, q, v = (mpmath.mpf(float(x[i])) for x in (*rows.columns, rows.dividend, rows.volatility))
            total = v * mpmath.sqrt(t)
            d1 = (mpmath.log(s / k) + (r - q + v * v / 2) * t) / total
            d2 = d1 - total
            grown, discounted = s * mpmath.exp(-q * t), k * mpmath.exp(-r * t)
            n1, n2, density = mpmath.ncdf(sign * d1), mpmath.ncdf(sign * d2), mpmath.npdf(d1)
            out["price"][i] = sign * (grown * n1 - discounted * n2)
            out["delta"][i] = sign * grown / s * n1
            out["gamma"][i] = grown * density / (s * s * total)
            out["vega"][i] = grown * density * mpmath.sqrt(t)
            out["theta"][i] = sign * (q * grown * n1 - r * discounted * n2) - grown * density * v / (2 * mpmath.sqrt(t))
            out["rho"][i] = sign * t * discounted * n2
    return out


HESTON = dict(v0=0.04, kappa=1.5, theta_v=0.05, sigma_v=0.4, rho_v=-0.7)


def zomma_rivals():
    import zomma
    from zomma import american, black_scholes, heston

    def at(rows):
        return (rows.kind, *rows.columns)

    def greeks(rows):
        got = black_scholes.greeks(*at(rows), rows.volatility, dividend_yield=rows.dividend, names=GREEKS)
        return np.stack([got[name] for name in GREEKS])

    rivals = {
        "price": {"": lambda rows: lambda: black_scholes.price(*at(rows), rows.volatility, dividend_yield=rows.dividend)},
        "greeks": {"": lambda rows: lambda: greeks(rows)},
        "implied": {"": lambda rows, prices: lambda: black_scholes.implied_volatility(*at(rows), prices, dividend_yield=rows.dividend)},
        "american": {
            accuracy: lambda rows, accuracy=accuracy: lambda: american.price(
                *at(rows), rows.volatility, dividend_yield=rows.dividend, accuracy=accuracy
            )
            for accuracy in ("quick", "fast", "accurate", "high_precision")
        },
        "heston": {"": lambda rows: lambda: heston.price(*at(rows), **HESTON, dividend_yield=rows.dividend)},
    }
    # The arrays themselves, without the stacking that the comparison needs.
    timed = {
        "greeks": lambda rows: lambda: black_scholes.greeks(
            *at(rows), rows.volatility, dividend_yield=rows.dividend, names=GREEKS
        )
    }
    return zomma.__version__, rivals, timed


def quantlib_rivals():
    import QuantLib as ql

    today = ql.Date(2, 1, 2025)
    ql.Settings.instance().evaluationDate = today
    day_count = ql.Actual365Fixed()

    def flat(rate):
        return ql.YieldTermStructureHandle(ql.FlatForward(today, float(rate), day_count))

    def side(letter):
        return ql.Option.Call if letter == "c" else ql.Option.Put

    def black_terms(rows):
        discount = np.exp(-rows.rate * rows.years)
        forward = rows.spot * np.exp((rows.rate - rows.dividend) * rows.years)
        deviation = rows.volatility * np.sqrt(rows.years)
        return [side(letter) for letter in rows.kind], forward.tolist(), deviation.tolist(), discount.tolist()

    def price(rows):
        sides, forward, deviation, discount = black_terms(rows)
        terms = list(zip(sides, rows.strike.tolist(), forward, deviation, discount))
        return lambda: np.array([ql.blackFormula(*term) for term in terms])

    def greeks(rows):
        sides, forward, deviation, discount = black_terms(rows)
        payoffs = [ql.PlainVanillaPayoff(it, strike) for it, strike in zip(sides, rows.strike.tolist())]
        terms = list(zip(payoffs, forward, deviation, discount, rows.spot.tolist(), rows.years.tolist()))

        def run():
            out = []
            for payoff, forward, deviation, discount, spot, years in terms:
                it = ql.BlackCalculator(payoff, forward, deviation, discount)
                out.append((it.delta(spot), it.gamma(spot), it.vega(years), it.theta(spot, years), it.rho(years)))
            return np.array(out).T

        return run

    def implied(rows, prices):
        sides, forward, _, discount = black_terms(rows)
        terms = list(zip(sides, rows.strike.tolist(), forward, prices.tolist(), discount))
        root = np.sqrt(rows.years)
        return lambda: np.array([ql.blackFormulaImpliedStdDev(*term, 0.0, ql.nullDouble(), 1e-14, 200) for term in terms]) / root

    def options(rows, exercise, engine):
        """Options with engines of their own, which `recalculate` values anew."""
        made = []
        for i in range(len(rows)):
            payoff = ql.PlainVanillaPayoff(side(rows.kind[i]), float(rows.strike[i]))
            option = ql.VanillaOption(payoff, exercise(today + round(float(rows.years[i]) * 365)))
            option.setPricingEngine(engine(rows, i))
            made.append(option)

        def run():
            out = np.empty(len(made))
            for i, option in enumerate(made):
                option.recalculate()
                out[i] = option.NPV()
            return out

        return run

    def american_engine(scheme, equation):
        def engine(rows, i):
            quote = ql.QuoteHandle(ql.SimpleQuote(float(rows.spot[i])))
            volatility = ql.BlackConstantVol(today, ql.NullCalendar(), float(rows.volatility[i]), day_count)
            market = flat(rows.dividend[i]), flat(rows.rate[i]), ql.BlackVolTermStructureHandle(volatility)
            return ql.QdFpAmericanEngine(ql.BlackScholesMertonProcess(quote, *market), scheme, equation)

        return engine

    def american(scheme, equation=ql.QdFpAmericanEngine.Auto):
        return lambda rows: options(rows, lambda end: ql.AmericanExercise(today, end), american_engine(scheme, equation))

    def heston(engine_of):
        def engine(rows, i):
            quote = ql.QuoteHandle(ql.SimpleQuote(float(rows.spot[i])))
            process = ql.HestonProcess(flat(rows.rate[i]), flat(rows.dividend[i]), quote, *HESTON.values())
            return engine_of(ql.HestonModel(process))

        return lambda rows: options(rows, ql.EuropeanExercise, engine)

    schemes = ql.QdFpAmericanEngine
    rivals = {
        "price": {"blackFormula": price},
        "greeks": {"BlackCalculator": greeks},
        "implied": {"blackFormulaImpliedStdDev": implied},
        "american": {
            "QdFp fast": american(schemes.fastScheme()),
            "QdFp accurate": american(schemes.accurateScheme()),
            "QdFp high precision": american(schemes.highPrecisionScheme()),
        },
        "heston": {
            "AnalyticHestonEngine": heston(lambda model: ql.AnalyticHestonEngine(model)),
            "COSHestonEngine": heston(lambda model: ql.COSHestonEngine(model)),
        },
    }
    exact = {
        "american": american(schemes.highPrecisionScheme(), schemes.FP_A),
        "heston": heston(lambda model: ql.AnalyticHestonEngine(model, 1e-14, 10_000_000)),
    }
    return ql.__version__, rivals, exact


def vollib_rivals():
    import py_vollib_vectorized as vollib

    merton = dict(model="black_scholes_merton", return_as="numpy")

    def at(rows):
        return rows.kind, *rows.columns, rows.volatility

    def greeks(rows):
        def run():
            got = vollib.get_all_greeks(*at(rows), rows.dividend, model="black_scholes_merton", return_as="dict")
            return got

        return run

    def greeks_by_five_calls(rows):
        calls = [getattr(vollib, f"vectorized_{name}") for name in GREEKS]

        def run():
            return {name: call(*at(rows), rows.dividend, **merton) for name, call in zip(GREEKS, calls)}

        return run

    def as_raw(got):
        # Per point of volatility and per day: brought back to per 1.00 and per year. Its rho moves the rate at a fixed carry, with a yield
        # another quantity: not compared, and left out.
        scale = {"vega": 100.0, "theta": 365.0}
        return np.stack([np.asarray(got[name]) * scale.get(name, 1.0) for name in GREEKS if name != "rho"])

    rivals = {
        "price": {"": lambda rows: lambda: vollib.vectorized_black_scholes_merton(*at(rows), rows.dividend, return_as="numpy")},
        "greeks": {
            "get_all_greeks (rho not compared)": greeks,
            "five calls (rho not compared)": greeks_by_five_calls,
        },
        "implied": {"": lambda rows, prices: lambda: vollib.vectorized_implied_volatility(prices, *rows.columns, rows.kind, rows.dividend, **merton)},
    }
    return importlib.metadata.version("py_vollib_vectorized"), rivals, as_raw


def financepy_rivals():
    # It greets on standard output.
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()):
        import financepy
        from financepy.models import black_scholes_analytic as black
        from financepy.models.heston import Heston
        from financepy.products.equity.equity_vanilla_option import EquityVanillaOption
        from financepy.utils.date import Date
        from financepy.utils.global_types import OptionTypes

    european = {"c": OptionTypes.EUROPEAN_CALL, "p": OptionTypes.EUROPEAN_PUT}

    def at(rows):
        codes = np.array([european[letter].value for letter in rows.kind])
        return (rows.spot, rows.years, rows.strike, rows.rate, rows.dividend), codes

    def price(rows):
        terms, codes = at(rows)
        return lambda: black.bs_value(*terms, rows.volatility, codes)

    def greeks(rows):
        terms, codes = at(rows)
        calls = [getattr(black, f"bs_{name}") for name in GREEKS]
        return lambda: np.stack([call(*terms, rows.volatility, codes) for call in calls])

    def implied(rows, prices):
        terms, codes = at(rows)
        return lambda: black.bs_implied_volatility(*terms, prices, codes)

    def american(name):
        def prepare(rows):
            call = getattr(black, name)
            codes = {"baw_value": {"c": 1, "p": -1}}.get(name) or {"c": OptionTypes.AMERICAN_CALL.value, "p": OptionTypes.AMERICAN_PUT.value}
            columns = (rows.spot, rows.years, rows.strike, rows.rate, rows.dividend, rows.volatility)
            terms = [(*map(float, row), codes[kind]) for *row, kind in zip(*columns, rows.kind)]
            return lambda: np.array([call(*term) for term in terms])

        return prepare

    def heston(rows):
        model = Heston(*(HESTON[name] for name in ("v0", "kappa", "theta_v", "sigma_v", "rho_v")))
        today = Date(2, 1, 2025)
        if not (rows.kind == "c").all():
            raise ValueError("values calls alone")
        options = [EquityVanillaOption(today.add_days(round(float(years) * 365)), strike, european["c"]) for strike, years in zip(rows.strike.tolist(), rows.years)]
        terms = list(zip(options, rows.spot.tolist(), rows.rate.tolist(), rows.dividend.tolist()))
        return lambda: np.array([model.value_lewis(today, *term) for term in terms])

    rivals = {
        "price": {"": price},
        "greeks": {"": greeks},
        "implied": {"": implied},
        "american": {"Barone-Adesi-Whaley": american("baw_value"), "Bjerksund-Stensland": american("bjerksund_stensland_value")},
        "heston": {"Lewis": heston},
    }
    return importlib.metadata.version("financepy"), rivals, None


def best_seconds(run, budget):
    """The least time of a call, of at least two after a first one, which compiles where a rival compiles."""
    result = run()
    best, spent, calls = float("inf"), 0.0, 0
    while calls < 2 or (spent < budget and calls < 50):
        started = time.perf_counter()
        run()
        took = time.perf_counter() - started
        best, spent, calls = min(best, took), spent + took, calls + 1
    return best, result


TASKS = {
    # Title, rows of ours, of a rival that takes arrays, of one that takes one option, rows whose error is looked at, its unit.
    "price": ("price, Black-Scholes-Merton", 1_000_000, 200_000, 20_000, 1000, "currency, spot 100"),
    "greeks": ("delta, gamma, vega, theta, rho", 1_000_000, 200_000, 10_000, 1000, "per unit and year"),
    "implied": ("implied volatility", 1_000_000, 200_000, 10_000, 1000, "per square root of a year"),
    "american": ("American put", 4_000, 1_000, 100, 100, "currency, spot 100"),
    "heston": ("Heston call, 8 expiries", 20_000, 100, 100, 100, "currency, spot 100"),
}
LOOPS = {"QuantLib"}


def task_rows(task, count):
    if task == "american":
        rows = make_rows(count, "p")
        rows.rate = np.maximum(rows.rate, 0.005)
        return rows
    if task == "heston":
        # A surface: few expiries with a market each, many strikes.
        rows = make_rows(count, "c")
        place = np.arange(count) % 8
        rows.years, rows.rate, rows.dividend = (column[:8][place] for column in (rows.years, rows.rate, rows.dividend))
        return rows
    rows = make_rows(count)
    if task == "implied":
        # Out of the money by at most two deviations: there the price, as rounded, determines the volatility.
        rng = np.random.default_rng(7)
        deviations = rng.uniform(-2.0, 2.0, count)
        forward = rows.spot * np.exp((rows.rate - rows.dividend) * rows.years)
        rows.strike = forward * np.exp(deviations * rows.volatility * np.sqrt(rows.years))
        rows.kind = np.where(deviations > 0.0, "c", "p")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", help=f"of {', '.join(TASKS)}; all where none is named")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows: whether it runs, not how fast")
    arguments = parser.parse_args()
    for task in arguments.tasks:
        if task not in TASKS:
            parser.error(f"{task}: allowed are {', '.join(TASKS)}")
    rivals, versions = {}, {}
    loaders = {"zomma": zomma_rivals, "QuantLib": quantlib_rivals, "py_vollib_vectorized": vollib_rivals, "FinancePy": financepy_rivals}
    extra = {}
    for name, load in loaders.items():
        try:
            versions[name], rivals[name], extra[name] = load()
        except Exception as error:
            print(f"{name}: cannot be imported: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    if "zomma" not in rivals:
        sys.exit("zomma itself is needed")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__}")
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    for task in arguments.tasks or TASKS:
        compare(task, rivals, extra, arguments.quick)


def compare(task, rivals, extra, quick):
    title, ours, arrays, loops, looked_at, unit = TASKS[task]
    shrink = 100 if quick else 1
    looked_at = max(looked_at // shrink, 10)
    everything = task_rows(task, max(ours // shrink, looked_at))
    checked = everything.head(looked_at)
    exact, of = reference(task, checked, extra)
    print(f"\n{title}; errors ({unit}) against {of}, {looked_at} rows")
    print(f"  {'':<52}{'rows':>9}{'ns a row':>13}{'ratio':>9}  {'max error':<10}")
    prices = rivals["zomma"]["price"][""](everything)() if task == "implied" else None
    base = None
    for name, tasks in rivals.items():
        for variant, prepare in tasks.get(task, {}).items():
            label = f"{name} {variant}".strip()
            count = ours if name == "zomma" else loops if name in LOOPS else arrays
            rows = everything.head(max(count // shrink, looked_at))
            given = (lambda it: (it, prices[: len(it)])) if task == "implied" else (lambda it: (it,))
            try:
                got, held = prepare(*given(checked))(), exact
                if name == "py_vollib_vectorized" and task == "greeks":
                    got, held = extra[name](got), exact[[greek != "rho" for greek in GREEKS]]
                error, without = largest_error(got, held)
                timed = extra["zomma"].get(task, prepare) if name == "zomma" else prepare
                seconds, _ = best_seconds(timed(*given(rows)), 0.05 if quick else 2.0)
            except Exception as fault:
                print(f"  {label:<52}cannot compute this: {type(fault).__name__}: {str(fault).splitlines()[0] if str(fault) else ''}")
                continue
            each = seconds / len(rows) * 1e9
            base = base or each
            left = f"  {without} of {held.size} values are NaN" if without else ""
            print(f"  {label:<52}{len(rows):>9}{each:>13.1f}{each / base:>9.1f}  {error:<10.1e}{left}")
        if task not in tasks:
            print(f"  {name:<52}does not do this")


def largest_error(got, exact):
    """The largest error of the values that are there (NaN where none is), and how many are NaN that the reference has."""
    off = np.abs(np.asarray(got, dtype=float).reshape(exact.shape) - exact)[~np.isnan(exact)]
    there = off[~np.isnan(off)]
    return (float(there.max()) if there.size else np.nan), off.size - there.size


def reference(task, rows, extra):
    """Values to hold results against, and what they are."""
    if task == "price":
        return exact_black(rows)["price"], "50 digits"
    if task == "greeks":
        values = exact_black(rows)
        return np.stack([values[name] for name in GREEKS]), "50 digits"
    if task == "implied":
        return rows.volatility, "the volatility that made the price"
    if "QuantLib" not in extra:
        from zomma import american, heston

        arguments = (rows.kind, *rows.columns)
        if task == "american":
            return american.price(*arguments, rows.volatility, dividend_yield=rows.dividend, accuracy="high_precision"), "our own high precision"
        return heston.price(*arguments, **HESTON, dividend_yield=rows.dividend), "our own values: QuantLib is missing"
    what = {"american": "QuantLib's high precision, equation A", "heston": "QuantLib's AnalyticHestonEngine at 1e-14"}
    return extra["QuantLib"][task](rows)(), what[task]


if __name__ == "__main__":
    main()
