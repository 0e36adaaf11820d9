# find_package(tessera) gives tessera::tessera.
include(CMakePackageConfigHelpers)
install(TARGETS tessera_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS tessera tessera_warnings ${TESSERA_BACKEND_LIBRARIES} EXPORT tesseraTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/tessera DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT tesseraTargets NAMESPACE tessera:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tessera)
configure_package_config_file(cmake/tesseraConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/tesseraConfig.cmake"
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tessera)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/tesseraConfigVersion.cmake"
                                 COMPATIBILITY SameMajorVersion)
install(FILES cmake/Dependencies.cmake cmake/FindNCCL.cmake "${CMAKE_CURRENT_BINARY_DIR}/tesseraConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/tesseraConfigVersion.cmake"
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tessera)
