# The layers of docs/design.md; each public header on its own; the analysis package.
find_package(Python3 COMPONENTS Interpreter QUIET)
add_test(NAME layers COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/python.sh "${Python3_EXECUTABLE}"
         ${CMAKE_CURRENT_SOURCE_DIR}/test_layers.py)
set_tests_properties(layers PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120 LABELS python)

tessera_python_test(analysis ../analysis/tests/test_analysis.py)
tessera_python_test(analysis_benchmarks ../analysis/tests/test_benchmarks.py)

# One source a public header, which includes it twice and nothing before it: it must bring all it needs. Compiled once, by
# the builds without sanitizers.
if(NOT TESSERA_SANITIZE)
  file(GLOB_RECURSE TESSERA_HEADERS CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include
       ${PROJECT_SOURCE_DIR}/include/tessera/*.hpp)
  set(header_sources)
  foreach(header IN LISTS TESSERA_HEADERS)
    string(REPLACE "/" "_" name ${header})
    set(source ${CMAKE_CURRENT_BINARY_DIR}/headers/${name}.cpp)
    file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${header}\"\n#include \"${header}\"\n")
    list(APPEND header_sources ${source})
  endforeach()
  add_library(test_headers OBJECT ${header_sources})
  target_link_libraries(test_headers PRIVATE tessera tessera_warnings)
  target_include_directories(test_headers PRIVATE ${RANDOM123_INCLUDE_DIR})
endif()

# The installed package; with sanitizers the consumer would have to be built with them too.
if(NOT TESSERA_SANITIZE)
  add_test(NAME install COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/test_install.sh ${PROJECT_BINARY_DIR})
  set_tests_properties(install PROPERTIES TIMEOUT 120
    ENVIRONMENT "OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
endif()
