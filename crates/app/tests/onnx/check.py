"""Holds exported models against ONNX's checker, and their prices by onnxruntime against the network's own.

Called with a folder that holds NAME.onnx and NAME.json, {"inputs": rows, "prices": what the network says, "allowed": by how much a price may
be off, over the price where that is above 1}. Where layers are in f32, by request (NAME does not end with auto), and ONNX's own reference evaluator, in NumPy, is off by more than a
fourth of that, so is the arithmetic: four times the evaluator's error are allowed then. Prints one line of JSON: how many models, for how many the
evaluator decided, and the worst difference over what was allowed.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

onnxruntime.set_default_logger_severity(3)
failed, worst, hard = [], 0.0, 0
models = sorted(pathlib.Path(sys.argv[1]).glob("*.onnx"))
for path in models:
    wanted = json.loads(path.with_suffix(".json").read_text())
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version >= 18, path
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    taken, given = session.get_inputs()[0], session.get_outputs()[0]
    assert taken.shape == ["batch", len(wanted["inputs"][0])] and given.shape == ["batch", 1], (path, taken, given)
    element = np.float64 if taken.type == "tensor(double)" else np.float32
    rows = np.array(wanted["inputs"], dtype=element)
    prices = np.array(wanted["prices"])
    def error(found):
        return np.abs(found[:, 0] - prices[: len(found)]) / np.maximum(np.abs(prices[: len(found)]), 1)

    allowed = wanted["allowed"]
    if not path.stem.endswith(("double", "auto")):
        arithmetic = float(error(ReferenceEvaluator(model).run(None, {"inputs": rows})[0]).max())
        hard += 4 * arithmetic > allowed
        allowed = max(allowed, 4 * arithmetic)
    # Any number of rows, one and none among them.
    for lot in [rows, rows[:1], rows[:0]]:
        found = session.run(None, {"inputs": lot})[0]
        assert found.dtype == element and found.shape == (len(lot), 1), (path, found.dtype, found.shape)
        if len(lot) == 0:
            continue
        off = error(found) / allowed
        worst = max(worst, float(off.max()))
        if not (off <= 1).all():
            failed.append(f"{path.name} {len(lot)} rows: {off.max()} times what is allowed")
print(json.dumps({"models": len(models), "hard": int(hard), "worst": worst, "failed": failed}))
