#!/usr/bin/env python3
"""The layers of docs/design.md, enforced: who may include whom, and which calls live where; and a tidy tree.

    python3 tests/test_layers.py

Standard library only. First each rule is shown a snippet that breaks it and must object; then the tree is checked.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent

# A file includes only its own folder and what stands in an earlier row. Folders of one row do not know each other.
LAYERS = (("core",), ("model",), ("config", "physics"), ("gpu",), ("kernels", "simd", "stages"), ("io", "comm"),
          ("pipeline", "mock"), ("cli", "python"), ("main",))
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# The two exceptions: physics names the options of model/config; stages run the loops that simd/ compiles per machine.
SIDEWAYS = {("stages", "simd")}

CODE = (".hpp", ".cpp", ".cu", ".cuh", ".h")
PARTICLE_LOOP = r"\b(Stars|Gas|Buffer|std::span)\b"
RULES = (  # (what is looked for, in code without comments and strings; where it may stand; what to say)
    (r"\bMPI_\w+|#\s*include\s*<mpi\.h>", r"src/comm/", "MPI belongs to src/comm"),
    (r"\bnccl[A-Z]\w+|#\s*include\s*<nccl\.h>", r"src/comm/nccl", "NCCL belongs to src/comm/nccl.cpp"),
    (r"\bH5[A-Z]{1,2}\w*|\bhid_t\b|#\s*include\s*<hdf5\.h>", r"(src|include/tessera)/io/", "HDF5 belongs to io/"),
    (r"\bcuda[A-Z]\w*|\bcufft\w*|\b(thread|block)Idx\b|__global__", r"(src|include/tessera)/(gpu|kernels)/",
     "CUDA belongs to gpu/ and kernels/"),
    (r"__CUDA\w*", r"include/tessera/core/hd\.hpp$", "__CUDA... is looked at by core/hd.hpp alone"),
    (r"(?<![\w.>])(std::)?(exit|quick_exit|_exit)\s*\(", r"$^", "nothing exits but main, by returning"),
)
# In pieces, so that this file does not name them itself.
FORBIDDEN_WORDS = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
TEXT = (*CODE, ".py", ".sh", ".cmake", ".txt", ".md", ".json", ".toml", ".in", ".slurm")


def bare(source):
    """The source without comments and the content of strings, line by line as it was; include lines stay whole."""
    pattern = re.compile(r'R"([^()\\\s]*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.DOTALL)

    def blank(match):
        line_start = source.rfind("\n", 0, match.start()) + 1
        if match.group().startswith('"') and re.match(r"\s*#\s*include\b", source[line_start:match.start()]):
            return match.group()
        return '""' + "\n" * match.group().count("\n") if match.group()[0] in "R\"'" else "\n" * match.group().count("\n")
    return pattern.sub(blank, source)


def component(path):
    """The layer's folder of a file of src/ or include/tessera/ ('include/tessera/io/fits.hpp' -> 'io')."""
    parts = path.split("/")
    inside = parts[2:] if parts[0] == "include" else parts[1:]
    if len(inside) > 1:
        return inside[0]
    stem = inside[0].split(".")[0]
    return stem if stem in LEVEL else "pipeline"


def check_includes(path, code):
    here = component(path)
    if here not in LEVEL:
        return [f"{path}: folder '{here}' has no place in the layers (tests/test_layers.py, docs/design.md)"]
    faults = []
    for match in re.finditer(r'^\s*#\s*include\s*"([^"]+)"', code, re.MULTILINE):
        target, line = match.group(1), code.count("\n", 0, match.start(1)) + 1
        if path.startswith("include/") and not target.startswith("tessera/"):
            faults.append(f"{path}:{line}: a public header includes only public headers, not \"{target}\"")
            continue
        if target.startswith("tessera/"):
            there = component("include/" + target)
        else:
            there = component("src/" + target) if "/" in target else here
        if there not in LEVEL:
            faults.append(f"{path}:{line}: '{there}' of \"{target}\" has no place in the layers")
        elif there != here and (here, there) not in SIDEWAYS and LEVEL[there] >= LEVEL[here]:
            faults.append(f"{path}:{line}: {here} may not include \"{target}\" of {there}: it stands below or beside it")
    return faults


def check_code(path, source):
    """All that is wrong with one source file of src/ or include/."""
    code = bare(source)
    faults = check_includes(path, code)
    rules = list(RULES)
    if component(path) == "physics":
        rules.append((PARTICLE_LOOP, r"$^", "physics is a function of values: no particles, no arrays of them"))
    for pattern, allowed, message in rules:
        if re.match(allowed, path):
            continue
        for match in re.finditer(pattern, code):
            line = code.count("\n", 0, match.start()) + 1
            faults.append(f"{path}:{line}: '{match.group().strip()}': {message}")
    return faults


def types_of(source):
    """Types that a file of kernels defines, in whatever namespace."""
    return set(re.findall(r"\b(?:struct|class|union|enum(?:\s+class)?)\s+(?:alignas\s*\([^)]*\)\s*)?(\w+)[^;{}()]*\{", bare(source)))


def check_types(sources):
    """Types of one name in two files of kernels (path -> source): their layouts may differ, and the linker takes either."""
    seen, faults = {}, []
    for path, source in sorted(sources.items()):
        for name in sorted(types_of(source)):
            if name in seen:
                faults.append(f"{path}: '{name}' is also a type of {seen[name]}: kernels' types have names of their own")
            seen.setdefault(name, path)
    return faults


def check_words(path, text):
    return [f"{path}:{text.count(chr(10), 0, m.start()) + 1}: '{m.group()}': finish it or leave it out"
            for m in FORBIDDEN_WORDS.finditer(text)]


def check_links(path, text, exists):
    """Links of a Markdown file to files that are not in the tree."""
    faults = []
    for match in re.finditer(r"\]\(([^)#\s]+)(#[^)]*)?\)", text):
        target = match.group(1)
        if "://" not in target and not exists(str(Path(path).parent / target)):
            faults.append(f"{path}:{text.count(chr(10), 0, match.start()) + 1}: there is no {target}")
    return faults


def check_format(paths):
    """Files that clang-format would change; None where it is not installed."""
    program = shutil.which("clang-format")
    if program is None:
        return None
    result = subprocess.run([program, "--dry-run", "-Werror", *paths], cwd=TREE, capture_output=True, text=True)
    changed = sorted(set(re.findall(r"^([^\s:]+):\d+:\d+: error", result.stderr, re.MULTILINE)))
    return [f"{path}: not as clang-format would have it (clang-format -i {path})" for path in changed]


def self_test():
    """Every rule is broken once and must object; what is allowed must pass."""
    bad = (
        ("include/tessera/core/a.hpp", '#include "tessera/model/cube.hpp"', "may not include"),
        ("include/tessera/physics/a.hpp", '#include "tessera/io/hdf5.hpp"', "may not include"),
        ("src/io/a.cpp", '#include "tessera/comm/comm.hpp"', "may not include"),
        ("src/comm/a.cpp", '#include "io/b.hpp"', "may not include"),
        ("src/stages/a.cpp", '#include "tessera/pipeline.hpp"', "may not include"),
        ("src/pipeline.cpp", '#include "cli/commands.hpp"', "may not include"),
        ("include/tessera/io/a.hpp", '#include "io/private.hpp"', "only public headers"),
        ("src/somewhere/a.cpp", "int a;", "no place in the layers"),
        ("src/io/a.cpp", "void f() { MPI_Barrier(c); }", "MPI belongs"),
        ("src/main.cpp", "#include <mpi.h>", "MPI belongs"),
        ("src/stages/a.cpp", "ncclAllReduce(a);", "NCCL belongs"),
        ("src/comm/comm.cpp", "ncclAllReduce(a);", "NCCL belongs"),
        ("src/device_team.cpp", "#include <nccl.h>", "NCCL belongs"),
        ("src/stages/a.cpp", "/* fine */ H5Fopen(name);", "HDF5 belongs"),
        ("src/mock/a.cpp", "hid_t id;", "HDF5 belongs"),
        ("include/tessera/core/a.hpp", "#ifdef __CUDACC__", "core/hd.hpp alone"),
        ("src/stages/a.cpp", "cudaMalloc(p, n);", "CUDA belongs"),
        ("src/pipeline.cpp", "int i = threadIdx.x;", "CUDA belongs"),
        ("src/kernels/a.cu", '#include "tessera/stages.hpp"', "may not include"),
        ("include/tessera/gpu/a.hpp", '#include "kernels/b.hpp"', "only public headers"),
        ("src/cli/a.cpp", "if (x) std::exit(1);", "nothing exits"),
        ("src/cli/a.cpp", "{ exit (1); }", "nothing exits"),
        ("include/tessera/physics/a.hpp", "void f(const Stars& s);", "function of values"),
        ("include/tessera/physics/a.hpp", "void f(std::span<float> s);", "function of values"),
    )
    good = (
        ("src/stages/a.cpp", '// MPI_Init, exit(1), H5Fopen and Stars\n#include "tessera/physics/ssp.hpp"\n'
                             'auto s = "MPI_Init exit(1)"; auto r = R"(H5Fopen __CUDACC__)"; char c = \'"\'; int i = 1\'000;'),
        ("src/io/a.cpp", '#include "io/b.hpp"\n#include "b.hpp"\nH5Fopen(n);'),
        ("src/comm/comm.cpp", "MPI_Init(); std::_Exit(code);"),
        ("src/comm/nccl.cpp", "#include <nccl.h>\nncclResult_t r = ncclGroupEnd();"),
        ("include/tessera/core/hd.hpp", "#ifdef __CUDACC__"),
        ("include/tessera/physics/a.hpp", '#include "tessera/model/config.hpp"\n/* of Stars */ double f(double x);'),
        ("src/kernels/a.cu", '#include "tessera/gpu/launch.hpp"\n#include "tessera/physics/ssp.hpp"\nint i = threadIdx.x;'),
        ("src/pipeline_gpu.cpp", '#include "kernels/project.hpp"\n#include "tessera/stages.hpp"'),
        ("src/cli/a.cpp", '#include "tessera/pipeline.hpp"\n#include "tessera/io/fits.hpp"\nsession.exit();'),
        ("src/stages/a.cpp", '#include "simd/kernels.hpp"'),
    )
    faults = []
    for path, source, expected in bad:
        if not any(expected in fault for fault in check_code(path, source)):
            faults.append(f"self-test: {path} with {source!r} passed, expected '{expected}'")
    for path, source in good:
        faults += [f"self-test: {source!r} was refused: {fault}" for fault in check_code(path, source)]
    same = {"a.cu": "struct Args { int i; };\nstruct B;", "b.hpp": "// struct C {}\nstruct Args : Base {};\nenum class D : int {};",
            "c.cu": "struct B {}; void f(struct D d); enum D {};"}
    if [f.split("'")[1] for f in check_types(same)] != ["Args", "D"]:
        faults.append(f"self-test: types of one name are not found as they should be: {check_types(same)}")
    if [f.split(":")[1] for f in check_words("a", "x\n// " + "TO" + "DO: later\n")] != ["2"] or check_words("a", "todos"):
        faults.append("self-test: the forbidden words are not found as they should be")
    if len(check_links("docs/a.md", "[x](b.md) ![y](../c.png#z) [w](https://d.e)", {"docs/../c.png"}.__contains__)) != 1:
        faults.append("self-test: a link to nowhere is not found, or a good one is refused")
    if bare("a /* \n\n */ b\n// c\nd").count("\n") != 4:
        faults.append("self-test: comments take lines away")
    return faults


def files():
    """Files of the tree by path, as git knows them (with new ones), or all where there is no git."""
    try:
        listed = subprocess.run(["git", "-c", f"safe.directory={TREE}", "ls-files", "-co", "--exclude-standard"], cwd=TREE,
                                capture_output=True, text=True, check=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):
        listed = [str(p.relative_to(TREE)) for p in TREE.rglob("*") if not re.search(r"(^|/)(build|\.git)", str(p.parent))]
    return sorted(path for path in set(listed) if path and (TREE / path).is_file())


def main():
    faults = self_test()
    paths = files()
    code = [p for p in paths if p.endswith(CODE) and p.startswith(("src/", "include/"))]
    if len(code) < 20:
        faults.append(f"only {len(code)} source files found below {TREE}")
    for path in code:
        faults += check_code(path, (TREE / path).read_text())
    faults += check_types({p: (TREE / p).read_text() for p in code if p.startswith("src/kernels/")})
    for path in paths:
        if path.endswith(TEXT):
            faults += check_words(path, (TREE / path).read_text(errors="replace"))
        if path.endswith(".md"):
            faults += check_links(path, (TREE / path).read_text(), lambda target: (TREE / target).exists())
    formatted = check_format([p for p in paths if p.endswith(CODE)])
    if formatted is None:
        print("clang-format is not installed: the format was not checked")
    faults += formatted or []
    print("\n".join(faults))
    print(f"{len(code)} source files, {len(paths)} files in all, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
