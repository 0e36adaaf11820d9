#!/usr/bin/env python3
"""Registers, shared memory and spills of every GPU kernel, by ptxas, against a committed table.

    python3 tests/gpu/kernel_table.py --nvcc NVCC [--include DIR ...] [--write]

A kernel that spills fails; so does one that needs more registers or another amount of shared memory than
tests/reference/gpu_kernels.txt says, or is not in it. --write makes the table anew. Without nvcc: exit code 77.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
TABLE = TREE / "tests/reference/gpu_kernels.txt"
ARCHITECTURES = ("80", "90")
HEADER = f"# {'kernel':<34} {'architecture':<13} {'registers':>9} {'shared [byte]':>14} {'stack [byte]':>13}\n"


def demangled(name):
    text = subprocess.run(["c++filt", name], capture_output=True, text=True, check=True).stdout.strip()
    match = re.search(r"tessera::gpu::cuda::\(anonymous namespace\)::(\w+)", text)
    return match.group(1) if match else None


def figures(nvcc, includes, source, directory):
    """{(kernel, architecture): (registers, shared, stack, spills)} of one file; demands that it compiles without warnings."""
    command = [nvcc, "-std=c++20", "-DTESSERA_GPU_CUDA", f"-I{TREE}/include", f"-I{TREE}/src", *(f"-I{d}" for d in includes),
               "--Werror=all-warnings", "-Xptxas=-v", "-c", str(source), "-o", f"{directory}/out.o"]
    for a in ARCHITECTURES:
        command += ["-gencode", f"arch=compute_{a},code=sm_{a}"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{source}:\n{run.stdout}{run.stderr}")
    out = {}
    for part in re.split(r"Compiling entry function ", run.stdout + run.stderr)[1:]:
        name, architecture = re.match(r"'(\S+)' for 'sm_(\d+)'", part).groups()
        kernel = demangled(name)
        if kernel is None:
            continue
        number = lambda pattern: int((re.search(pattern, part) or [0, 0])[1])
        out[kernel, architecture] = (number(r"Used (\d+) registers"), number(r"(\d+) bytes smem"),
                                     number(r"(\d+) bytes (?:stack frame|cumulative stack)"),
                                     number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"))
    return out


def read_table():
    table = {}
    for line in TABLE.read_text().splitlines() if TABLE.exists() else ():
        if line and not line.startswith("#"):
            kernel, architecture, *numbers = line.split()
            table[kernel, architecture[3:]] = tuple(map(int, numbers))
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nvcc", default="")
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if not arguments.nvcc or "NOTFOUND" in arguments.nvcc:
        print("SKIP: there is no nvcc")
        return 77
    found = {}
    with tempfile.TemporaryDirectory() as directory:
        for source in sorted((TREE / "src/kernels").glob("*.cu")):
            found.update(figures(arguments.nvcc, arguments.include, source, directory))
    faults = [f"{kernel} on sm_{a}: {numbers[3]} bytes spilt" for (kernel, a), numbers in found.items() if numbers[3]]
    if arguments.write:
        rows = (f"{kernel:<36} sm_{a:<10} {n[0]:>9} {n[1]:>14} {n[2]:>13}\n" for (kernel, a), n in sorted(found.items()))
        TABLE.write_text("# Of every kernel, by tests/gpu/kernel_table.py --write; shared memory without the dynamic part.\n"
                         + HEADER + "".join(rows))
    table = read_table()
    for key, numbers in found.items():
        if key not in table:
            faults.append(f"{key[0]} on sm_{key[1]}: not in {TABLE.name} (--write)")
        elif numbers[0] > table[key][0] or numbers[1] != table[key][1]:
            faults.append(f"{key[0]} on sm_{key[1]}: {numbers[0]} registers and {numbers[1]} bytes of shared memory, "
                          f"{table[key][0]} and {table[key][1]} in {TABLE.name}")
    faults += [f"{kernel} on sm_{a}: in {TABLE.name}, but not in src/kernels" for kernel, a in table if (kernel, a) not in found]
    print("\n".join(faults))
    print(f"{len(found)} kernels and architectures, {len(faults)} faults")
    return 1 if faults or len(found) < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
