# Adjoints and tangents.
tessera_test(adjoint_physics)
tessera_test(adjoint_oracle SOURCES test_adjoint_oracle.cpp adjoint_oracle.cpp)
tessera_test(adjoint SOURCES test_adjoint.cpp adjoint_oracle.cpp)
tessera_test(adjoint_rubix)
tessera_test(gradient SOURCES test_gradient.cpp workshop.cpp process.cpp TIMEOUT 600)
tessera_test(adjoint_noise)
