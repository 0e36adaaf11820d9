tessera_test(memory)
