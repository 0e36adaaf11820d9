# The GPU kernels on the CPU's fibres. These tests need neither MPI nor the library, so that the builds under sanitizers stay
# small (presets simt-asan, simt-tsan: cmake --build --preset simt-tsan; ctest --preset simt-tsan).
if(TESSERA_SIMT)
  add_subdirectory(gpu)
  tessera_test(gpu_pipeline)
endif()
