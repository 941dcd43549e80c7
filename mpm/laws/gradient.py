"""A law's gradient, for free: Taichi's autodiff of its pointwise functions, over fields.

Autodiff over arrays is wrong on Vulkan, so a law's inputs and outputs live in fields here. Fields cannot be resized
and may only be made on the thread that started Taichi: workspaces are made in the forward pass and grow by doubling.
"""

import weakref
from typing import Any

import taichi as ti
from taichi.lang import impl

from kernels.arrays import real_dtype
from kernels.linalg import eye3
from mpm.laws.law import Law


@ti.data_oriented
class StressGradient:
    """Fields f, k, c, parameters -> tau of one law with their gradients, for up to ``capacity`` particles."""

    def __init__(self, law: Law, capacity: int):
        self.law, self.capacity = law, capacity
        self.f, self.k, self.tau = (_matrix(capacity) for _ in range(3))
        self.c = _matrix(capacity if law.viscous else 1)
        self.parameters = _vector(len(law.parameters), capacity)

    @ti.kernel
    def evaluate(self, n: ti.i32):
        """tau = kirchhoff_stress(f, k, c, parameters) for the first ``n`` particles."""
        for p in range(n):
            c = 0.0 * eye3()
            if ti.static(self.law.viscous):
                c = self.c[p]
            self.tau[p] = self.law.kirchhoff_stress(self.f[p], self.k[p], c, self.parameters[p])


@ti.data_oriented
class FlowGradient:
    """Fields strain, internal, parameters -> returned, kept of one plastic law, for up to ``capacity`` particles."""

    def __init__(self, law: Law, capacity: int):
        self.law, self.capacity = law, capacity
        self.flow: Any = law.flow
        self.strain, self.returned = _matrix(capacity), _matrix(capacity)
        size = max(1, len(law.internal))
        self.internal, self.kept = _vector(size, capacity), _vector(size, capacity)
        self.parameters = _vector(len(law.parameters), capacity)
        self.dt = ti.field(real_dtype(), shape=())

    @ti.kernel
    def evaluate(self, n: ti.i32):
        """returned, kept = flow(strain, internal, parameters, dt) for the first ``n`` particles."""
        for p in range(n):
            returned, kept = self.flow(self.strain[p], self.internal[p], self.parameters[p], self.dt[None])
            self.returned[p] = returned
            self.kept[p] = kept


def _matrix(capacity: int):
    return ti.Matrix.field(3, 3, real_dtype(), shape=capacity, needs_grad=True, layout=ti.Layout.SOA)


def _vector(size: int, capacity: int):
    return ti.Vector.field(size, real_dtype(), shape=capacity, needs_grad=True, layout=ti.Layout.SOA)


# The program is not kept alive: destroyed after the next one has started, it would free that one's memory.
_workspaces: dict[tuple[type, str], tuple[weakref.ref, Any]] = {}


def stress_gradient(law: Law, n: int) -> StressGradient:
    """The running Taichi program's workspace of the law's stress with room for ``n`` particles."""
    return _workspace(StressGradient, law, n)


def flow_gradient(law: Law, n: int) -> FlowGradient:
    """The running Taichi program's workspace of the law's flow with room for ``n`` particles."""
    return _workspace(FlowGradient, law, n)


def _workspace(kind: type, law: Law, n: int):
    program = impl.get_runtime().prog
    owner, workspace = _workspaces.get((kind, law.name), (lambda: None, None))
    if workspace is None or owner() is not program or workspace.capacity < n or workspace.law is not law:
        workspace = kind(law, max(1024, 1 << (n - 1).bit_length()))
        _workspaces[kind, law.name] = (weakref.ref(program), workspace)
    return workspace
