# The cube file, FITS export and SSP libraries.
tessera_test(cube_file)
