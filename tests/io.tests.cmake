tessera_test(hdf5)
tessera_test(hdf5_full_disk)
tessera_test(snapshot_cutout)
tessera_test(snapshot_tng)
tessera_test(snapshot_rubix)
tessera_test(snapshot_malformed)
tessera_test(fuzz_snapshot SOURCES fuzz_snapshot.cpp LIBRARIES ${CMAKE_DL_LIBS})
set_target_properties(test_fuzz_snapshot PROPERTIES ENABLE_EXPORTS ON)  # function names in its crash reports
tessera_test(cache)
