"""What became of a row."""

from enum import IntEnum


class Status(IntEnum):
    """What became of a row. The words are those of the columns `status` that the command line writes."""

    OK = 0
    """The row's numbers are right."""
    BAD_ROW = 1
    """The row has more cells than the header."""
    BAD_OPTION_TYPE = 2
    """The field is empty or not among `call`, `put`."""
    BAD_EXERCISE_STYLE = 3
    """The field is not among `european`, `american`, or the style is not supported by the verb."""
    BAD_MODEL = 4
    """The model is not known to the verb."""
    BAD_SPOT = 5
    """The spot is absent, not finite, or not above zero."""
    BAD_FORWARD = 6
    """The forward is absent, not finite, or not above zero."""
    BAD_STRIKE = 7
    """The strike is absent, not finite, or not above zero."""
    BAD_EXPIRY = 8
    """The expiry is absent or cannot be read."""
    BAD_QUOTE_DATE = 9
    """The date or time of the quote is absent or cannot be read."""
    BAD_RATE = 10
    """The rate is absent or not finite."""
    BAD_YIELD = 11
    """The dividend yield is not finite."""
    BAD_VOLATILITY = 12
    """The volatility is absent, not finite, or below zero."""
    BAD_PRICE = 13
    """The price is absent, not finite, or below zero."""
    BAD_QUANTITY = 14
    """The quantity of a position is absent or not finite."""
    BAD_MULTIPLIER = 15
    """The multiplier of a position is not a finite number above zero."""
    BAD_QUOTE = 16
    """The quote is not a finite number at or above zero."""
    EXPIRED = 17
    """The expiry instant is at or before the valuation instant."""
    BELOW_INTRINSIC = 18
    """The price is below the intrinsic value of the forward: no volatility gives it."""
    ABOVE_MAXIMUM = 19
    """The price is at or above the largest value that any volatility gives."""
    UNDETERMINED = 20
    """The price, as rounded, does not determine a volatility."""
    NOT_CONVERGED = 21
    """An iteration ended without meeting its tolerance."""
    OVERFLOW = 22
    """The result is not representable (overflow)."""
    CROSSED_QUOTE = 23
    """Bid above ask."""
    ZERO_BID = 24
    """An ask, and a bid that is zero or empty: nobody buys."""
    NO_QUOTE = 25
    """Neither a bid nor an ask."""
    DUPLICATE = 26
    """The contract stands in an earlier row of the same chain."""
    STALE_QUOTE = 27
    """Bid and ask repeat those of the day before in a file that repeats that day."""
    NO_FORWARD = 28
    """No forward could be found for the row's expiry."""
    NO_SURFACE = 29
    """No slice of the surface covers the row."""
    NO_HISTORY = 30
    """A real-world density needs a price history, and there is none."""
    BAD_V0 = 31
    """The variance now, `v0`, is absent, not finite, or below zero."""
    BAD_KAPPA = 32
    """The speed of mean reversion, `kappa`, is absent, not finite, or not above zero."""
    BAD_THETA_V = 33
    """The long-run variance, `theta_v`, is absent, not finite, or below zero."""
    BAD_SIGMA_V = 34
    """The volatility of variance, `sigma_v`, is absent, not finite, or below zero."""
    BAD_RHO_V = 35
    """The correlation of spot and variance, `rho_v`, is absent or not within −1 and 1."""
    BAD_JUMP_INTENSITY = 36
    """The jumps a year, `jump_intensity`, are absent, not finite, or below zero."""
    BAD_JUMP_MEAN = 37
    """The mean of a jump's logarithm, `jump_mean`, is absent or not finite."""
    BAD_JUMP_STD = 38
    """The deviation of a jump's logarithm, `jump_std`, is absent, not finite, or below zero."""
    BAD_JUMP_UP_PROBABILITY = 39
    """The share of upward jumps, `jump_up_probability`, is absent or not within 0 and 1."""
    BAD_JUMP_UP_RATE = 40
    """The rate of upward jumps' sizes, `jump_up_rate`, is absent, not finite, or not above 1."""
    BAD_JUMP_DOWN_RATE = 41
    """The rate of downward jumps' sizes, `jump_down_rate`, is absent, not finite, or not above zero."""
    BAD_VG_THETA = 42
    """The drift of variance gamma, `vg_theta`, is absent or not finite, or leaves the spot without a mean."""
    BAD_VG_NU = 43
    """The variance rate of variance gamma, `vg_nu`, is absent, not finite, or below zero."""
    BAD_DISPLACEMENT = 44
    """The displacement is absent or not finite, or leaves the displaced spot or strike not above zero."""
    BAD_BARRIER = 45
    """The barrier is absent, not finite, or not above zero."""
    BARRIER_HIT = 46
    """The spot is at or beyond the barrier already."""
    BAD_REBATE = 47
    """The rebate is not finite or below zero."""
    BAD_DIVIDEND = 48
    """A cash dividend's amount is not finite or below zero, or its time is not finite or below zero."""
    TWO_BOUNDARIES = 49
    """Early exercise pays between two boundaries here, which the method does not handle."""
    BAD_METHOD = 50
    """The method does not value this model or exercise style."""
    BAD_CURRENCY = 51
    """The currency has no rate to the reporting currency."""
    BAD_LOG_MONEYNESS = 52
    """The log-moneyness is not finite."""
    ARBITRAGE = 53
    """The surface has arbitrage there: local volatility, or the density, is none."""
    TOO_FEW_QUOTES = 54
    """Fewer quotes at different strikes than a shape has parameters."""
    BAD_PAYOFF = 55
    """The payoff is not among those known, or its model or the verb does not know it."""
    BAD_BARRIER_TYPE = 56
    """The kind of barrier is not among those known, or its payoff has no barrier."""
    BAD_OBSERVATION_DATES = 57
    """The observation dates are no whole number above zero, or absent where the payoff needs them."""
    BAD_EXERCISE_TIMES = 58
    """The exercise times of a Bermudan option are absent, cannot be read, or are not between now and expiry."""
    BAD_EXTREME = 59
    """The extreme so far of a lookback is not a finite number above zero, or is given where it cannot be used."""
    BAD_CASH = 60
    """The amount of a cash-or-nothing option is not finite or below zero."""
    DIVIDEND_AFTER_EXPIRY = 61
    """A cash dividend of the row's own falls at or after its expiry."""
    DIVIDEND_ABOVE_SPOT = 62
    """The cash dividends before expiry are worth the spot or more."""
    SEVERAL_VOLATILITIES = 63
    """More than one volatility gives the price."""
    DIVERGES = 64
    """Some of the Greeks asked for grow without bound towards this limit: they are NaN, the row's other numbers are right."""
    PRICE_ALONE = 65
    """The price is right; the engine that takes such a row makes no Greeks, and they are NaN."""

    def __str__(self) -> str:
        return self.name.lower()
