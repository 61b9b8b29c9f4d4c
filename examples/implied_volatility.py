"""Implied volatilities and Greeks of a small chain: `python examples/implied_volatility.py`."""

import numpy as np
import zomma
from zomma import black_scholes

strike = np.array([80.0, 90.0, 100.0, 110.0, 120.0])
option_type = np.array(["put", "put", "call", "call", "call"])
mid = np.array([0.35, 1.42, 5.60, 1.65, 127.0])  # the last one is no price that a call can have

market = {"spot": 100.0, "strike": strike, "expiry_years": 0.25, "risk_free_rate": 0.04}
volatility, status = black_scholes.implied_volatility(option_type, **market, price=mid, on_error="status")
greeks = black_scholes.greeks(option_type, **market, volatility=volatility, units="trader", on_error="nan")

print(f"implied volatility by zomma {zomma.__version__} on {zomma.gpu.choose('cpu')}")
print(f"{'type':5}{'strike':>8}{'price':>8}{'vol':>9}{'delta':>9}{'vega/pt':>9}{'theta/d':>9}  status")
for row in range(len(strike)):
    print(
        f"{option_type[row]:5}{strike[row]:8.1f}{mid[row]:8.2f}{volatility[row]:9.4f}{greeks['delta'][row]:9.4f}"
        f"{greeks['vega'][row]:9.4f}{greeks['theta'][row]:9.4f}  {zomma.Status(status[row])}"
    )
