"""European options under Black-Scholes-Merton and Black-76, on NumPy arrays.

Arguments are numbers, lists, NumPy arrays, or whatever has `__array__` or `__dlpack__` (on the host); they broadcast as NumPy's do,
and where all are numbers the result is a float. float32 and integers are widened to float64.

==================  ====================================================================================================
`option_type`       'call' or 'put', or an array of them ('c', 'p', and upper case do too)
`spot`              price of the underlying; the forward to expiry where model='black76'
`strike`            in the currency of `spot`
`expiry_years`      years to the expiry instant, ACT/365F
`risk_free_rate`    continuously compounded, per year, as a decimal: 0.05 is five percent
`dividend_yield`    continuously compounded, per year, as a decimal; 0 where left out
`volatility`        per square root of a year, as a decimal
`model`             'bsm', or 'black76' for options on a forward
`limits`            of price and greeks: True values an expiry or a strike of exactly 0 by its limit (`help(zomma.black_scholes.greeks)`);
                    else such rows are 'expired' and 'bad_strike'
`on_error`          'raise': a RowError for the first row that has no answer; 'nan': NaN there; 'status': (result, status)
==================  ====================================================================================================

`status` is an array of the numbers of `zomma.Status` (one Status where the result is a float). Large batches use every core, and
other Python threads run meanwhile.
"""

from zomma._zomma import greeks, implied_volatility, price

__all__ = ["greeks", "implied_volatility", "price"]
