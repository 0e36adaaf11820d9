#!/usr/bin/env python3
"""Every benchmark program runs on a tiny case and writes figures that suite.py can read. Nothing is timed.

    test_suite.py BUILD_DIR
"""

import json
import math
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def positive(value):
    return isinstance(value, (int, float)) and math.isfinite(value) and value > 0


def main():
    build = sys.argv[1]
    data = subprocess.run([f"{build}/tessera", "ssp", "info", "bc03lr"], capture_output=True, check=False)
    if data.returncode != 0:
        print("SKIP: the library bc03lr is not installed")
        return 77
    with tempfile.TemporaryDirectory() as work:
        results = pathlib.Path(work) / "results.json"
        run = [sys.executable, str(HERE / "suite.py"), "--build", build, "--output", str(results), "--tiny", "--runs", "1",
               "--libraries", "bc03lr", "--scratch", work]
        # In two goes: what the first measured stays.
        subprocess.run([*run, "--only", "kernels,forward,growth,threads,small"], check=True)
        subprocess.run([*run, "--only", "command,survey,ranks,output"], check=True)
        figures = json.loads(results.read_text())
        left = [p.name for p in pathlib.Path(work).iterdir() if p.name != results.name]
    assert figures["format"] == "tessera-benchmarks 1", figures["format"]
    assert figures["machine"]["cores"] >= 1 and figures["machine"]["simd"], figures["machine"]
    expected = {"machine", "kernels", "forward", "growth", "threads", "small", "command", "survey", "ranks", "output"}
    assert set(figures["parts"]) == expected, sorted(figures["parts"])
    for part, cases in figures["parts"].items():
        assert cases, part
        for key, case in cases.items():
            rate = case.get("median_seconds", case.get("giga_fma_per_second"))
            assert positive(rate) and case["commit"] and case["date"], (part, key, case)
    assert not left, f"left behind: {left}"
    return 0


if __name__ == "__main__":
    sys.exit(main())
