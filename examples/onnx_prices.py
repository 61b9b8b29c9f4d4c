"""Calls and puts by an exported network: `python examples/onnx_prices.py black_scholes.onnx` (needs numpy and onnxruntime).

The network says the undiscounted call over the strike; spot, rate and yield act through the forward and the discount factor, and a put is
parity.
"""

import json
import sys

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=onnxruntime.get_available_providers())
metadata = session.get_modelmeta().custom_metadata_map
names = metadata["zomma.inputs"].split(",")
if names != ["moneyness", "expiry_years", "volatility"]:
    sys.exit(f"{sys.argv[1]} takes {names}: this example has a volatility alone")

spot, rate, dividend_yield, expiry_years, volatility = 100.0, 0.04, 0.01, 0.5, 0.2
strike = np.array([80.0, 90.0, 100.0, 110.0, 120.0])
forward = spot * np.exp((rate - dividend_yield) * expiry_years)
rows = np.column_stack([forward / strike, np.full(5, expiry_years), np.full(5, volatility)])

element = np.float64 if session.get_inputs()[0].type == "tensor(double)" else np.float32
undiscounted = session.run(None, {"inputs": rows.astype(element)})[0][:, 0] * strike
call = np.exp(-rate * expiry_years) * undiscounted
put = call - np.exp(-rate * expiry_years) * (forward - strike)

print(f"zomma {metadata['zomma.version']}: {metadata['zomma.network']}")
print(f"{'strike':>8}{'call':>10}{'put':>10}")
for row in range(len(strike)):
    print(f"{strike[row]:8.1f}{call[row]:10.4f}{put[row]:10.4f}")
for name, span in json.loads(metadata.get("zomma.domain", "{}")).items():
    print(f"trained on {name} from {span['min']} to {span['max']}")
