"""Covariances kept from growing, shrinking and thinning too much, and the adjoint of that.

With Σ = Q diag(exp l) Qᵀ, l̄ the mean of l, and l₀ = ln of the same mean at rest, (σ⁶ t²)^(1/3),

    Σ' = Q diag(exp l') Qᵀ,   l' = l₀ + clamp(l̄ − l₀, ± 2 ln G) + a (l − l̄),   a = min(1, 2 ln A / (max l − min l)).

No ratio of standard deviations exceeds A, no linear size changes by more than a factor G, and what is within both
limits passes unchanged. Σ' is positive definite where Σ is not. The adjoint is that of an isotropic tensor function:
divided differences off the diagonal of the eigenvectors' frame (Daleckii and Krein, 1965), finite for equal
eigenvalues. Where the two largest or smallest are equal, max l and min l have a kink: one side of it is taken.
"""

import math

import taichi as ti

from kernels.arrays import real_array
from kernels.linalg import add_mat3, load_mat3, store_mat3
from kernels.symmetric import eig_sym3, exp_difference, log_difference

UNLIMITED = 1e6
"""Logarithm that no ratio reaches."""


class Limits:
    """Arrays of one evaluation for ``m`` Gaussians; None means no limit."""

    def __init__(self, m: int, max_anisotropy: float | None, max_growth: float | None):
        self.m = m
        self.spread = UNLIMITED if max_anisotropy is None else 2 * math.log(max_anisotropy)
        self.growth = UNLIMITED if max_growth is None else 2 * math.log(max_growth)
        self.sigma = real_array(m, needs_grad=True)
        self.thickness = real_array(m, needs_grad=True)
        self.covars = real_array(m, 3, 3, needs_grad=True)
        self.limited = real_array(m, 3, 3, needs_grad=True)


@ti.ad.grad_replaced
def limit_covariances(c: Limits) -> None:
    """``limited`` from ``covars``, ``sigma`` and ``thickness``."""
    _limit(c.m, c.spread, c.growth, c.sigma, c.thickness, c.covars, c.limited)


@ti.ad.grad_for(limit_covariances)
def limit_covariances_grad(c: Limits) -> None:
    """Add to the gradients of ``covars``, ``sigma`` and ``thickness`` what that of ``limited`` says."""
    bars = c.limited.grad, c.covars.grad, c.sigma.grad, c.thickness.grad
    _limit_grad(c.m, c.spread, c.growth, c.sigma, c.thickness, c.covars, *bars)


@ti.func
def _rest(sigma, thickness):
    """Mean logarithm of the eigenvalues at rest."""
    return 2.0 * ti.log(sigma) + 2.0 / 3.0 * ti.log(thickness)


@ti.func
def _logarithms(values):
    """ln of the eigenvalues; those that vanish or are negative by rounding count as 1e-12 of the largest."""
    return ti.log(ti.max(values, 1e-12 * values.max(), 1e-30))


@ti.func
def _limited(logs, rest, spread, growth):
    """l', the factor a, and whether the size is within its limit."""
    mean, extent = logs.sum() / 3.0, logs.max() - logs.min()
    a = 1.0
    if extent > spread:
        a = spread / extent
    change = mean - rest
    inside = ti.abs(change) <= growth
    return rest + ti.max(-growth, ti.min(growth, change)) + a * (logs - mean), a, inside


@ti.kernel
def _limit(
    m: ti.i32,
    spread: float,
    growth: float,
    sigma: ti.types.ndarray(),
    thickness: ti.types.ndarray(),
    covars: ti.types.ndarray(),
    limited: ti.types.ndarray(),
):
    for j in range(m):
        covar = load_mat3(covars, j)
        values, q = eig_sym3(covar)
        logs, a, inside = _limited(_logarithms(values), _rest(sigma[j], thickness[j]), spread, growth)
        if a < 1.0 or not inside:
            scaled = q
            for row, column in ti.static(ti.ndrange(3, 3)):
                scaled[row, column] = q[row, column] * ti.exp(logs[column])
            covar = scaled @ q.transpose()
            covar = 0.5 * (covar + covar.transpose())
        store_mat3(limited, j, covar)


@ti.kernel
def _limit_grad(
    m: ti.i32,
    spread: float,
    growth: float,
    sigma: ti.types.ndarray(),
    thickness: ti.types.ndarray(),
    covars: ti.types.ndarray(),
    limited_bar: ti.types.ndarray(),
    covars_bar: ti.types.ndarray(),
    sigma_bar: ti.types.ndarray(),
    thickness_bar: ti.types.ndarray(),
):
    for j in range(m):
        bar = load_mat3(limited_bar, j)
        bar = 0.5 * (bar + bar.transpose())
        values, q = eig_sym3(load_mat3(covars, j))
        logs = _logarithms(values)
        new, a, inside = _limited(logs, _rest(sigma[j], thickness[j]), spread, growth)
        if a < 1.0 or not inside:
            inner = q.transpose() @ bar @ q
            # on the diagonal: through l' = size + a (logs − mean)
            to_new = ti.Vector([inner[i, i] * ti.exp(new[i]) for i in ti.static(range(3))])
            size_bar = to_new.sum()
            logs_bar = a * (to_new - size_bar / 3.0)
            if inside:
                logs_bar += size_bar / 3.0
            else:
                sigma_bar[j] += 2.0 * size_bar / sigma[j]
                thickness_bar[j] += 2.0 / 3.0 * size_bar / thickness[j]
            if a < 1.0:
                a_bar = to_new.dot(logs - logs.sum() / 3.0) * a / (logs.max() - logs.min())
                for i in ti.static(range(3)):
                    if logs[i] == logs.max():
                        logs_bar[i] -= a_bar
                    elif logs[i] == logs.min():
                        logs_bar[i] += a_bar
            floor = ti.max(1e-12 * values.max(), 1e-30)
            for i, k in ti.static(ti.ndrange(3, 3)):
                if ti.static(i == k):
                    inner[i, i] = ti.select(values[i] > floor, logs_bar[i] / ti.max(values[i], floor), 0.0)
                else:
                    low, high = ti.max(values[i], floor), ti.max(values[k], floor)
                    inner[i, k] *= a * exp_difference(new[i], new[k]) * log_difference(low, high)
            bar = q @ inner @ q.transpose()
        add_mat3(covars_bar, j, bar)
