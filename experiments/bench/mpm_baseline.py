"""The yardstick of ``bench mpm``: the way DiffTaichi's users write 3D MPM (Hu et al., ICLR 2020).

States of all steps in fields with gradients, the 27 nodes unrolled, Taichi's autodiff for every kernel, the grid
recomputed in the backward pass. Same particles, quadratic splines, neo-Hookean law.
"""

import taichi as ti

from kernels.arrays import real_dtype


@ti.data_oriented
class DiffTaichiStyle:
    """``n`` particles, ``steps`` steps, a grid of ``size``³ nodes over the unit cube."""

    def __init__(self, n: int, steps: int, size: int, dt: float, lam: float, mu: float, density: float):
        self.n, self.steps, self.size, self.dt = n, steps, size, dt
        self.h, self.real = 1.0 / size, real_dtype()
        self.volume = self.h**3 / 8
        self.mass, self.lam, self.mu = density * self.volume, lam, mu
        kind = {"dtype": real_dtype(), "needs_grad": True}
        self.x = ti.Vector.field(3, shape=(steps + 1, n), **kind)
        self.v = ti.Vector.field(3, shape=(steps + 1, n), **kind)
        self.C = ti.Matrix.field(3, 3, shape=(steps + 1, n), **kind)
        self.F = ti.Matrix.field(3, 3, shape=(steps + 1, n), **kind)
        self.grid_p = ti.Vector.field(3, shape=(size,) * 3, **kind)
        self.grid_v = ti.Vector.field(3, shape=(size,) * 3, **kind)
        self.grid_m = ti.field(shape=(size,) * 3, **kind)

    def start(self, x, v) -> None:
        """State 0 from NumPy arrays [N, 3]."""
        self._set(x, v)

    @ti.kernel
    def _set(self, x: ti.types.ndarray(), v: ti.types.ndarray()):
        for p in range(self.n):
            self.x[0, p] = ti.Vector([x[p, 0], x[p, 1], x[p, 2]])
            self.v[0, p] = ti.Vector([v[p, 0], v[p, 1], v[p, 2]])
            self.C[0, p] = ti.Matrix.zero(self.real, 3, 3)
            self.F[0, p] = ti.Matrix.identity(self.real, 3)

    @ti.kernel
    def _clear(self):
        for node in ti.grouped(self.grid_m):
            self.grid_p[node] = ti.Vector.zero(self.real, 3)
            self.grid_m[node] = 0.0
            self.grid_p.grad[node] = ti.Vector.zero(self.real, 3)
            self.grid_v.grad[node] = ti.Vector.zero(self.real, 3)
            self.grid_m.grad[node] = 0.0

    @ti.kernel
    def _p2g(self, s: ti.i32):
        for p in range(self.n):
            base = ti.cast(self.x[s, p] / self.h - 0.5, ti.i32)
            fx = self.x[s, p] / self.h - ti.cast(base, self.real)
            w = [0.5 * (1.5 - fx) ** 2, 0.75 - (fx - 1.0) ** 2, 0.5 * (fx - 0.5) ** 2]
            identity = ti.Matrix.identity(self.real, 3)
            f = (identity + self.dt * self.C[s, p]) @ self.F[s, p]
            self.F[s + 1, p] = f
            tau = self.mu * (f @ f.transpose() - identity) + self.lam * ti.log(f.determinant()) * identity
            affine = -(4.0 * self.dt * self.volume / self.h**2) * tau + self.mass * self.C[s, p]
            for i, j, k in ti.static(ti.ndrange(3, 3, 3)):
                offset = ti.Vector([i, j, k])
                d = (ti.cast(offset, self.real) - fx) * self.h
                weight = w[i][0] * w[j][1] * w[k][2]
                self.grid_p[base + offset] += weight * (self.mass * self.v[s, p] + affine @ d)
                self.grid_m[base + offset] += weight * self.mass

    @ti.kernel
    def _grid(self):
        for node in ti.grouped(self.grid_m):
            if self.grid_m[node] > 0.0:
                self.grid_v[node] = self.grid_p[node] / self.grid_m[node]

    @ti.kernel
    def _g2p(self, s: ti.i32):
        for p in range(self.n):
            base = ti.cast(self.x[s, p] / self.h - 0.5, ti.i32)
            fx = self.x[s, p] / self.h - ti.cast(base, self.real)
            w = [0.5 * (1.5 - fx) ** 2, 0.75 - (fx - 1.0) ** 2, 0.5 * (fx - 0.5) ** 2]
            v = ti.Vector.zero(self.real, 3)
            c = ti.Matrix.zero(self.real, 3, 3)
            for i, j, k in ti.static(ti.ndrange(3, 3, 3)):
                offset = ti.Vector([i, j, k])
                d = ti.cast(offset, self.real) - fx
                node_v = self.grid_v[base + offset]
                weight = w[i][0] * w[j][1] * w[k][2]
                v += weight * node_v
                c += 4.0 / self.h * weight * node_v.outer_product(d)
            self.v[s + 1, p] = v
            self.x[s + 1, p] = self.x[s, p] + self.dt * v
            self.C[s + 1, p] = c

    @ti.kernel
    def _seed(self):
        for s, p in self.x:
            self.x.grad[s, p] = ti.Vector.zero(self.real, 3)
            self.v.grad[s, p] = ti.Vector.zero(self.real, 3)
            self.C.grad[s, p] = ti.Matrix.zero(self.real, 3, 3)
            self.F.grad[s, p] = ti.Matrix.zero(self.real, 3, 3)
        for p in range(self.n):
            self.x.grad[self.steps, p] = ti.Vector.one(self.real, 3)

    def forward(self) -> None:
        """All steps."""
        for s in range(self.steps):
            self._clear()
            self._p2g(s)
            self._grid()
            self._g2p(s)

    def backward(self) -> None:
        """Gradient of Σ x by everything at step 0."""
        self._seed()
        for s in reversed(range(self.steps)):
            self._clear()
            self._p2g(s)
            self._grid()
            self._g2p.grad(s)
            self._grid.grad()
            self._p2g.grad(s)
