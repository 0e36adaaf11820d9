# Shards, ends before the time, and a job array under a real Slurm.
tessera_test(merge SOURCES test_merge.cpp workshop.cpp process.cpp TIMEOUT 600)
tessera_python_test(merge_python test_merge.py)
tessera_python_test(stop test_stop.py)
tessera_test(parts SOURCES test_parts.cpp)
tessera_python_test(parts_python test_parts.py)
tessera_python_test(slurm_array test_slurm_array.py)
tessera_python_test(ranks test_ranks.py)
