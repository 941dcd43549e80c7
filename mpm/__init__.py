"""MLS-MPM in Taichi: particles from meshes, constitutive laws, transfers, grid, solver and its exact adjoint."""
