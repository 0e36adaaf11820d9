"""A CUDA build on a machine without a GPU, or with all of them hidden: one clear message, exit code 1, nothing written."""

import os
import shutil
import sys
import tempfile

from small_run import SmallRun, program

os.environ.update({"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "CUDA_VISIBLE_DEVICES": ""})
failed = 0

with tempfile.TemporaryDirectory() as folder:
    small = SmallRun(program(), folder, galaxies=2, stars=3000)
    before = sorted(os.listdir(folder))
    launchers = [()] + ([("mpirun", "-np", "2", "--oversubscribe")] if shutil.which("mpirun") else [])
    for launcher in launchers:
        said = small.run("run", "config.json", "--set", "resources.backend=cuda", launcher=launcher, code=1)
        expected = "tessera: error: resources.backend cuda: no GPU was found: "
        ranks = "" if not launcher else "; on ranks 0 ("
        if said.count("error: ") != 1 or expected not in said or ranks not in said or sorted(os.listdir(folder)) != before:
            failed += 1
            print(f"FAILED: {' '.join(launcher)}: {said}; now there are {sorted(os.listdir(folder))}")
        print(said.splitlines()[0])
    # Left to itself the program observes on the CPU.
    small.run("run", "config.json", "--set", "resources.backend=auto")

sys.exit(failed > 0)
