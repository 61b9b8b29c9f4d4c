"""Skipped tests are counted where ./test counts them."""

import os


def pytest_runtest_logreport(report):
    if not report.skipped:
        return
    reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)
    log = os.environ.get("ZOMMA_SKIP_LOG")
    if log:
        with open(log, "a") as file:
            file.write(f"skipped: {reason} ({report.nodeid})\n")
