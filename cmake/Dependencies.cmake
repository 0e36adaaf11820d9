# Everything from outside, found once, used through imported targets.
find_package(MPI REQUIRED COMPONENTS C)
set(HDF5_PREFER_PARALLEL ON)
find_package(HDF5 REQUIRED COMPONENTS C)
if(TESSERA_SIMT)
  find_package(Boost 1.74 REQUIRED COMPONENTS program_options context)
else()
  find_package(Boost 1.74 REQUIRED COMPONENTS program_options)
endif()
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(Eigen3 3.3 REQUIRED NO_MODULE)
find_package(nlohmann_json 3.9 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
# Products are called from many threads at once: the OpenBLAS that shares our OpenMP is preferred. Another one starts threads
# of its own with the program, and the one without threads has to be called in turns (src/stages/blas.cpp).
if(NOT TARGET BLAS::BLAS)
  find_library(TESSERA_OPENBLAS_OPENMP openblas NO_DEFAULT_PATH
               PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp /usr/lib64/openblas-openmp)
  if(TESSERA_OPENBLAS_OPENMP AND NOT BLA_VENDOR)
    add_library(BLAS::BLAS UNKNOWN IMPORTED)
    set_target_properties(BLAS::BLAS PROPERTIES IMPORTED_LOCATION "${TESSERA_OPENBLAS_OPENMP}")
  else()
    find_package(BLAS REQUIRED)
  endif()
endif()
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CFITSIO REQUIRED IMPORTED_TARGET cfitsio)
pkg_check_modules(DEFLATE REQUIRED IMPORTED_TARGET libdeflate)
pkg_check_modules(FFTWF REQUIRED IMPORTED_TARGET fftw3f)
find_path(RANDOM123_INCLUDE_DIR Random123/philox.h REQUIRED)

# Communicators that do not block, which can be aborted: since 2.14.
if(TESSERA_CUDA AND TESSERA_NCCL)
  find_package(CUDAToolkit REQUIRED)
  find_package(NCCL 2.14)
  if(NOT NCCL_FOUND)
    message(WARNING "NCCL was not found: the memory of GPUs that share a galaxy goes through the hosts' by MPI. "
      "Set NCCL_ROOT, or TESSERA_NCCL=OFF")
    set(TESSERA_NCCL OFF)
  endif()
endif()

if(NOT TARGET hdf5::hdf5)
  add_library(hdf5::hdf5 INTERFACE IMPORTED)
  set_target_properties(hdf5::hdf5 PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${HDF5_C_INCLUDE_DIRS}"
    INTERFACE_LINK_LIBRARIES "${HDF5_C_LIBRARIES}")
endif()
