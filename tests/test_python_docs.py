"""The examples of docs/python.md, run as they stand there, each in a process of its own."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import python_scene as scene

ARGUMENTS = scene.arguments()
DOCS = Path(__file__).resolve().parent.parent / "docs" / "python.md"
DEBIAN = "/usr/lib/python3/dist-packages"  # has PyTorch where this Python has none


def run(code, folder):
    environment = os.environ | {"PYTHONPATH": os.path.abspath(ARGUMENTS.module)}
    # Behind all other folders, so that nothing else is taken from there.
    lead = f"import sys; sys.path.append({DEBIAN!r})\n" if "torch" in code else ""
    return subprocess.run([sys.executable, "-c", lead + code], cwd=folder, env=environment, capture_output=True, text=True)


def main():
    import tessera
    if "bc03lr" not in tessera._core.ssp_names():
        scene.skip("no library bc03lr (jobs/fetch-ssp.sh)")
    examples = re.findall(r"^```python\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    failed = skipped = 0
    with tempfile.TemporaryDirectory() as folder:
        for code in examples:
            title = code.split("\n", 1)[0]
            result = run(code, folder)
            if result.returncode != 0 and re.search(r"No module named '(jax|torch|optax)'", result.stderr):
                skipped += 1
                print(f"skipped: {title}: {result.stderr.splitlines()[-1]}")
            elif result.returncode != 0:
                failed += 1
                print(f"failed: {title}\n{result.stdout}{result.stderr}")
            else:
                print(f"passed: {title}\n{result.stdout}")
    print(f"{len(examples)} examples, {failed} failed, {skipped} skipped")
    if len(examples) < 3:
        sys.exit(f"{DOCS}: only {len(examples)} examples")
    sys.exit(1 if failed else scene.EXIT_SKIPPED if skipped == len(examples) else 0)


if __name__ == "__main__":
    main()
