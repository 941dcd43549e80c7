"""Ground floor: Taichi building blocks that several stages share.

Nothing here knows what a particle, a Gaussian or a torch tensor is.
"""

from kernels.shortcuts import take_shortcuts

take_shortcuts()
