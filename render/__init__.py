"""3D Gaussian Splatting (Kerbl et al., SIGGRAPH 2023) with hand-written adjoints: project, bin, composite."""
