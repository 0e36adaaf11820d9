# The GPU kernels on the CPU's fibres. These tests need neither MPI nor the library, so that the builds under sanitizers stay
# small (presets simt-asan, simt-tsan: cmake --build --preset simt-tsan; ctest --preset simt-tsan).
if(TESSERA_SIMT)
  add_subdirectory(gpu)
  tessera_test(gpu_pipeline)
  tessera_test(gpu_gradients SOURCES test_gpu_gradients.cpp adjoint_oracle.cpp)
  tessera_test(gpu_dense SOURCES test_gpu_dense.cpp oracle.cpp)
endif()
