# The GPU kernels on the CPU's fibres. These tests need neither MPI nor the library, so that the builds under sanitizers stay
# small (presets simt-asan, simt-tsan: cmake --build --preset simt-tsan; ctest --preset simt-tsan).
if(TESSERA_SIMT)
  add_subdirectory(gpu)
  tessera_test(gpu_pipeline)
  tessera_test(gpu_team RANKS 2 4)
  tessera_test(nccl RANKS 1 2 3 LIBRARIES tessera_simt)
  tessera_python_test(gpu_ranks test_gpu_ranks.py)
endif()
if(TESSERA_CUDA)
  tessera_python_test(cuda_without_gpu test_cuda_without_gpu.py)
  set_tests_properties(cuda_without_gpu PROPERTIES LABELS "python;cuda")
endif()
