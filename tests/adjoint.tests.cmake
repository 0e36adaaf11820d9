# Adjoints and tangents.
tessera_test(adjoint_physics)
