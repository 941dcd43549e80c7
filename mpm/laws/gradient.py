"""The stress's gradient, for free: Taichi's autodiff of the pointwise law, over fields.

Autodiff over arrays is wrong on Vulkan, so the law's inputs and outputs live in fields here. Fields cannot be resized
and may only be made on the thread that started Taichi: the workspace is made in the forward pass and grows by doubling.
"""

import weakref

import taichi as ti
from taichi.lang import impl

from kernels.arrays import real_dtype
from mpm.laws.law import Law


@ti.data_oriented
class StressGradient:
    """Fields f, k, parameters -> tau of one law with their gradients, for up to ``capacity`` particles."""

    def __init__(self, law: Law, capacity: int):
        self.law = law
        self.capacity = capacity
        matrix = dict(dtype=real_dtype(), shape=capacity, needs_grad=True, layout=ti.Layout.SOA)
        self.f = ti.Matrix.field(3, 3, **matrix)
        self.k = ti.Matrix.field(3, 3, **matrix)
        self.tau = ti.Matrix.field(3, 3, **matrix)
        self.parameters = ti.Vector.field(len(law.parameters), **matrix)

    @ti.kernel
    def stress(self, n: ti.i32):
        """tau = kirchhoff_stress(f, k, parameters) for the first ``n`` particles."""
        for p in range(n):
            self.tau[p] = self.law.kirchhoff_stress(self.f[p], self.k[p], self.parameters[p])


# The program is not kept alive: destroyed after the next one has started, it would free that one's memory.
_workspaces: dict[str, tuple[weakref.ref, StressGradient]] = {}


def stress_gradient(law: Law, n: int) -> StressGradient:
    """The running Taichi program's workspace of ``law`` with room for ``n`` particles."""
    program = impl.get_runtime().prog
    owner, workspace = _workspaces.get(law.name, (None, None))
    if owner is None or workspace is None or owner() is not program or workspace.capacity < n:
        workspace = StressGradient(law, max(1024, 1 << (n - 1).bit_length()))
        _workspaces[law.name] = (weakref.ref(program), workspace)
    return workspace
