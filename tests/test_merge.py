"""tessera merge: the merged file has every dataset and attribute of the run in one piece, and Python reads it."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from small_run import SmallRun, contents, differences, program

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "analysis"))
from tessera_analysis import CubeFileError, Cubes  # noqa: E402

failed = 0
os.environ.update({"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"})


def check(holds, what):
    global failed
    if not holds:
        failed += 1
        print(f"FAILED: {what}")


with tempfile.TemporaryDirectory() as folder:
    small = SmallRun(program(), folder, views=2)
    small.run("run", "config.json", "--output", "cubes.hdf5")
    os.rename(small.path("cubes.hdf5"), small.path("whole.hdf5"))
    whole = contents(small.path("whole.hdf5"))
    check(sum(name.endswith("/flux") for name in whole) >= 8, "too few cubes to compare")

    # With more shards than galaxies some are empty.
    for shards in (3, 11):
        for shard in range(shards):
            small.run("run", "config.json", "--shard", f"{shard}/{shards}")
        for name, options in (("cubes.hdf5", ()), ("copy.hdf5", ("--copy",))):
            said = small.run("merge", "--output", name, *([] if name == "cubes.hdf5" else
                             [f"cubes.shard{i}.hdf5" for i in reversed(range(shards))]), *options)
            check(f"of {shards} shards" in said, f"no word of {shards} shards: {said}")
            merged = contents(small.path(name))
            check(not differences(whole, merged), f"{shards} shards, {name}: {differences(whole, merged)} differ")
        check(os.path.getsize(small.path("cubes.hdf5")) < 0.5 * os.path.getsize(small.path("copy.hdf5")),
              "the linked file is as large as the copy")
        if shards == 3 and shutil.which("mpirun"):
            two = ("mpirun", "-np", "2", "--oversubscribe")
            said = small.run("run", "config.json", "--shard", "1/3", launcher=two)
            check("complete already" in said, f"two ranks do not see that a shard is complete: {said}")
            small.run("run", "config.json", "--shard", "1/3", "--overwrite", launcher=two)
            small.run("merge", "--output", "cubes.hdf5")
            merged = contents(small.path("cubes.hdf5"))
            check(differences(whole, merged) == ["@ranks"], f"a shard of two ranks: {differences(whole, merged)} differ")
            small.run("run", "config.json", "--shard", "1/3", "--overwrite")
            small.run("merge", "--output", "cubes.hdf5")
        # Moved as a whole, and opened from elsewhere.
        os.mkdir(small.path("moved"))
        for name in os.listdir(folder):
            if name.startswith("cubes"):
                shutil.move(small.path(name), small.path("moved"))
        check(not differences(whole, contents(small.path("moved/cubes.hdf5"))), "moved, it is another")
        with Cubes(small.path("moved/cubes.hdf5")) as cubes, Cubes(small.path("whole.hdf5")) as one:
            check(cubes.all_views() == one.all_views(), "Python finds other galaxies")
            for subhalo, view in cubes.all_views():
                a, b = cubes.galaxy(subhalo, view), one.galaxy(subhalo, view)
                check(a.flux[...].tobytes() == b.flux[...].tobytes(), f"galaxy {subhalo}: another cube")
                check(all(np.array_equal(a.maps[m], b.maps[m], equal_nan=True) for m in b.maps), f"{subhalo}: maps")
            check(list(cubes.catalog["status"]) == list(one.catalog["status"]), "another catalogue")
            ids = cubes.galaxies
        if shards == 3:
            os.remove(small.path("moved/cubes.shard1.hdf5"))
            with Cubes(small.path("moved/cubes.hdf5")) as cubes:
                check(cubes.galaxies == ids, "without a shard the galaxies are others")
                missing = []
                for subhalo in ids:
                    try:
                        cubes[subhalo].flux[0, 0]
                    except CubeFileError as error:
                        missing.append(str(error))
                check(0 < len(missing) < len(ids), f"{len(missing)} of {len(ids)} galaxies are missing with a shard")
                check(all("cubes.shard1.hdf5" in m for m in missing), f"no word of the shard: {missing}")
        shutil.rmtree(small.path("moved"))

print("merge:", "failed" if failed else "as the run in one piece")
sys.exit(1 if failed else 0)
