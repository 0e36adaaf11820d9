# Configuration, telescopes, command line, run.
tessera_test(config)
tessera_test(telescopes)
tessera_test(centre)
set(TESSERA_WORKSHOP bad_input.cpp workshop.cpp process.cpp)
tessera_test(run SOURCES test_run.cpp workshop.cpp process.cpp TIMEOUT 600)
tessera_test(selection SOURCES test_selection.cpp snapshot_tree.cpp workshop.cpp process.cpp)
tessera_test(bad_config SOURCES test_bad_config.cpp ${TESSERA_WORKSHOP} TIMEOUT 600)
tessera_test(bad_files SOURCES test_bad_files.cpp ${TESSERA_WORKSHOP} TIMEOUT 600)

tessera_python_test(schema test_schema.py)

# Each fuzz target has a driver of its own, and with clang and TESSERA_FUZZ is a libFuzzer binary too.
add_executable(fuzz_config fuzz_config.cpp)
target_link_libraries(fuzz_config PRIVATE tessera tessera_warnings)
add_test(NAME fuzz_config COMMAND fuzz_config)
if(TESSERA_FUZZ)
  add_executable(libfuzzer_config fuzz_config.cpp)
  target_compile_definitions(libfuzzer_config PRIVATE TESSERA_LIBFUZZER)
  target_compile_options(libfuzzer_config PRIVATE -fsanitize=fuzzer)
  target_link_options(libfuzzer_config PRIVATE -fsanitize=fuzzer)
  target_link_libraries(libfuzzer_config PRIVATE tessera tessera_warnings)
endif()
