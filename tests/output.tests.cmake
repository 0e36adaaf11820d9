# The cube file, FITS export and SSP libraries.
tessera_test(cube_file)
tessera_test(fits LIBRARIES PkgConfig::CFITSIO)
tessera_test(ssp_library LIBRARIES PkgConfig::CFITSIO)
tessera_python_test(fits_readers test_fits_readers.py)
