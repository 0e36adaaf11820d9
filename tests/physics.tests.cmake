tessera_test(accumulate SOURCES test_accumulate.cpp oracle.cpp)
tessera_test(rubix)
