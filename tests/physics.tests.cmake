tessera_test(accumulate SOURCES test_accumulate.cpp oracle.cpp)
