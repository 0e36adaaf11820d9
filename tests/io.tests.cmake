tessera_test(hdf5)
