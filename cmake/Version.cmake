# The commit goes into `tessera --version` and into every cube file. It is looked up at each build, and version.cpp is
# rewritten only where it changed.
if(CMAKE_SCRIPT_MODE_FILE)
  execute_process(COMMAND git -C "${SOURCE_DIR}" describe --always --dirty --abbrev=12
                  OUTPUT_VARIABLE TESSERA_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT TESSERA_COMMIT)
    set(TESSERA_COMMIT "unknown")
  endif()
  configure_file("${SOURCE_DIR}/cmake/version.cpp.in" "${OUTPUT}" @ONLY)
  return()
endif()

add_custom_target(tessera_version
  BYPRODUCTS "${CMAKE_CURRENT_BINARY_DIR}/version.cpp"
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${CMAKE_CURRENT_SOURCE_DIR} -DOUTPUT=${CMAKE_CURRENT_BINARY_DIR}/version.cpp
          -DPROJECT_VERSION=${PROJECT_VERSION} -DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE}
          -DCMAKE_CXX_COMPILER_ID=${CMAKE_CXX_COMPILER_ID} -DCMAKE_CXX_COMPILER_VERSION=${CMAKE_CXX_COMPILER_VERSION}
          -P "${CMAKE_CURRENT_LIST_FILE}"
  COMMENT "" VERBATIM)
