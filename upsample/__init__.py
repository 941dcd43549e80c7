"""Particles (x, F) to surface Gaussians (means, covars): detection at rest, deformation with the material."""
