tessera_test(mock)
tessera_test(mock_galaxy)
tessera_test(mock_options)
tessera_python_test(illustris_python test_illustris_python.py)
