# Whether the Python module is built, and what it needs: TESSERA_HAS_PYTHON_MODULE.
set(TESSERA_HAS_PYTHON_MODULE OFF)
if(TESSERA_PYTHON_MODULE STREQUAL "AUTO")
  # Python would have to be built with the sanitizers too.
  if(TESSERA_SANITIZE OR NOT TESSERA_PYTHON)
    return()
  endif()
elseif(NOT TESSERA_PYTHON_MODULE)
  return()
endif()

if(TESSERA_PYTHON)
  set(Python_EXECUTABLE "${TESSERA_PYTHON}")
endif()
find_package(Python 3.9 QUIET COMPONENTS Interpreter Development.Module)
if(Python_FOUND)
  execute_process(COMMAND "${Python_EXECUTABLE}" -m nanobind --cmake_dir
                  OUTPUT_VARIABLE nanobind_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  find_package(nanobind CONFIG QUIET)
endif()
if(Python_FOUND AND nanobind_FOUND)
  set(TESSERA_HAS_PYTHON_MODULE ON)
  message(STATUS "Python module: for ${Python_EXECUTABLE}, nanobind ${nanobind_VERSION}")
  # The static library goes into a shared one. Nobody replaces its functions there.
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU,Clang>:-fno-semantic-interposition>)
elseif(NOT TESSERA_PYTHON_MODULE STREQUAL "AUTO")
  message(FATAL_ERROR "The Python module (TESSERA_PYTHON_MODULE) needs Python 3.9 with its headers (Debian: python3-dev) and "
                      "nanobind 2.4 (pip install nanobind) for ${Python_EXECUTABLE}; -DTESSERA_PYTHON= names another Python.")
endif()
