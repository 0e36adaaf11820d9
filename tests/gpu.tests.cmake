# The GPU kernels on the CPU's fibres. Those in gpu/ need neither MPI nor the library, so that the build under the race detector
# stays small (cmake --build --preset simt-tsan; ctest --preset simt-tsan). The others, of label device, are whole observations and
# gradients; preset simt-asan has them too.
if(TESSERA_SIMT)
  add_subdirectory(gpu)
  tessera_test(gpu_pipeline LABELS device)
  tessera_test(gpu_batch LABELS device LIBRARIES tessera_simt)
  tessera_test(gpu_team LABELS device RANKS 2 4)
  tessera_test(nccl LABELS device RANKS 1 2 3 LIBRARIES tessera_simt)
  tessera_python_test(gpu_ranks test_gpu_ranks.py)
  tessera_test(gpu_gradients LABELS device)
  tessera_test(gpu_dense LABELS device)
  add_custom_target(device_tests)
  add_dependencies(device_tests test_gpu_pipeline test_gpu_batch test_gpu_team test_nccl test_gpu_gradients test_gpu_dense)
endif()
if(TESSERA_CUDA)
  tessera_python_test(cuda_without_gpu test_cuda_without_gpu.py)
  set_tests_properties(cuda_without_gpu PROPERTIES LABELS "python;cuda")
endif()
