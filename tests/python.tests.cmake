# The Python package `tessera`: the module against the program, JAX and PyTorch, the examples of docs/python.md.
foreach(part module stubs jax torch docs)
  tessera_python_test(python_${part} test_python_${part}.py --module ${PROJECT_BINARY_DIR}/python)
endforeach()

# analysis/fits, where its packages are there.
tessera_python_test(fits_parameters ../analysis/tests/test_parameter_fits.py --module ${PROJECT_BINARY_DIR}/python)
tessera_python_test(fits_histories_and_network ../analysis/tests/test_histories_and_network.py
                    --module ${PROJECT_BINARY_DIR}/python)
