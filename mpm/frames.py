"""A recorded state as the arrays that another stage takes, joined to the tape."""

import taichi as ti

from kernels.linalg import load_mat3, load_vec3, store_mat3, store_vec3
from mpm.rollout import Rollout
from mpm.state import F_TOTAL, X, add_mat3, add_vec3, get_mat3, get_vec3


@ti.ad.grad_replaced
def export_frame(rollout: Rollout, frame: int, x: ti.Ndarray, f_total: ti.Ndarray) -> None:
    """``x [N, 3]`` and ``f_total [N, 3, 3]`` of ``rollout.frames[frame]``, to which a tape adds their gradients."""
    _export(rollout.frames[frame], rollout.n, x, f_total)


@ti.ad.grad_for(export_frame)
def _export_frame_grad(rollout: Rollout, frame: int, x: ti.Ndarray, f_total: ti.Ndarray) -> None:
    _add(rollout.frames[frame].grad, rollout.n, x.grad, f_total.grad)


@ti.kernel
def _export(
    frame: ti.types.ndarray(ndim=1),
    n: ti.i32,
    x: ti.types.ndarray(ndim=2),
    f_total: ti.types.ndarray(ndim=3),
):
    for p in range(n):
        store_vec3(x, p, get_vec3(frame, n, X, p))
        store_mat3(f_total, p, get_mat3(frame, n, F_TOTAL, p))


@ti.kernel
def _add(
    frame_bar: ti.types.ndarray(ndim=1),
    n: ti.i32,
    x_bar: ti.types.ndarray(ndim=2),
    f_total_bar: ti.types.ndarray(ndim=3),
):
    for p in range(n):
        add_vec3(frame_bar, n, X, p, load_vec3(x_bar, p))
        add_mat3(frame_bar, n, F_TOTAL, p, load_mat3(f_total_bar, p))
