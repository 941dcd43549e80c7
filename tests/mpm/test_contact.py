"""The answer of a velocity to a surface, against a plain twin, autograd and finite differences, in all branches."""

import pytest
import taichi as ti
import torch

from bridge.exchange import from_torch, to_torch
from kernels.linalg import load_vec3, store_vec3
from mpm.constants import WALLS
from mpm.contact import respond, respond_adjoint
from tests.directional import directional_error
from tests.reference import contact as twin

N = 100


@ti.kernel
def _respond(
    v: ti.types.ndarray(),
    u: ti.types.ndarray(),
    n: ti.types.ndarray(),
    friction: ti.types.ndarray(),
    kind: ti.i32,
    out: ti.types.ndarray(),
):
    for p in range(v.shape[0]):
        store_vec3(out, p, respond(load_vec3(v, p), load_vec3(u, p), load_vec3(n, p), friction[p], kind))


@ti.kernel
def _respond_adjoint(
    v: ti.types.ndarray(),
    u: ti.types.ndarray(),
    n: ti.types.ndarray(),
    friction: ti.types.ndarray(),
    kind: ti.i32,
    out_bar: ti.types.ndarray(),
    v_bar: ti.types.ndarray(),
    u_bar: ti.types.ndarray(),
    n_bar: ti.types.ndarray(),
    friction_bar: ti.types.ndarray(),
):
    for p in range(v.shape[0]):
        a, b, c, d = respond_adjoint(
            load_vec3(v, p), load_vec3(u, p), load_vec3(n, p), friction[p], kind, load_vec3(out_bar, p)
        )
        store_vec3(v_bar, p, a)
        store_vec3(u_bar, p, b)
        store_vec3(n_bar, p, c)
        friction_bar[p] = d


class _Respond(torch.autograd.Function):
    @staticmethod
    def forward(ctx, v, u, n, friction, kind):
        ctx.arrays, ctx.kind = [from_torch(value) for value in (v, u, n, friction)], WALLS[kind]
        out = from_torch(torch.zeros_like(v))
        _respond(*ctx.arrays, ctx.kind, out)
        return to_torch(out, tuple(v.shape), "cpu")

    @staticmethod
    def backward(ctx, out_bar):
        bars = [from_torch(torch.zeros(array.shape, dtype=torch.float64)) for array in ctx.arrays]
        _respond_adjoint(*ctx.arrays, ctx.kind, from_torch(out_bar), *bars)
        return *(to_torch(bar, tuple(bar.shape), "cpu") for bar in bars), None


def _cases():
    """Random encounters: about half approach, and of those some stick and some slide."""
    g = torch.Generator().manual_seed(3)
    v, u, n = torch.randn(3, N, 3, generator=g, dtype=torch.float64).unbind()
    n = n / n.norm(dim=1, keepdim=True)
    return {"v": v, "u": u, "n": n, "friction": 1.5 * torch.rand(N, generator=g, dtype=torch.float64)}


@pytest.mark.parametrize("kind", WALLS)
def test_equals_the_twin_and_its_autograd(kind):
    inputs = {name: value.requires_grad_() for name, value in _cases().items()}
    seed = torch.randn(N, 3, dtype=torch.float64)
    v, u, n, friction = inputs.values()
    results = [_Respond.apply(v, u, n, friction, kind), twin.respond(v, u, n, friction[:, None], kind)]
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-13)
    ours, theirs = (
        torch.autograd.grad((seed * out).sum(), inputs.values(), allow_unused=True, retain_graph=True)
        if out.requires_grad
        else 0
        for out in results
    )
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, torch.zeros_like(mine) if other is None else other, rtol=1e-11, atol=1e-12)


def test_the_cases_reach_every_branch():
    v, u, n, friction = _cases().values()
    r = v - u
    approach = (r * n).sum(1)
    speed = (r - approach[:, None] * n).norm(dim=1)
    leaves, sticks = approach >= 0, speed <= -friction * approach
    for branch in (leaves, ~leaves & sticks, ~leaves & ~sticks):
        assert branch.sum() >= 8


@pytest.mark.parametrize("kind", ["slip", "separate"])
@pytest.mark.parametrize("name", ["v", "u", "n", "friction"])
def test_finite_differences(name, kind):
    seed = torch.sin(torch.arange(3.0 * N, dtype=torch.float64)).reshape(N, 3)

    def objective(v, u, n, friction):
        out = _Respond.apply(v, u, n, friction, kind)
        return (seed * out).sum() + 0.5 * (out**2).sum()

    if (name, kind) == ("friction", "slip"):
        inputs = {key: value.requires_grad_() for key, value in _cases().items()}
        assert not torch.autograd.grad(objective(**inputs), inputs["friction"])[0].any()
    else:
        assert directional_error(objective, _cases(), name) <= 1e-6


def test_straight_on_without_friction():
    """No tangential velocity, as of a body that falls on level ground: its derivative passes all the same."""
    n = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)
    inputs = [-n, 0 * n, n, torch.zeros(1, dtype=torch.float64)]
    for value in inputs:
        value.requires_grad_()
    out = _Respond.apply(*inputs, "separate")
    assert not out.any()
    v_bar, u_bar, _, friction_bar = torch.autograd.grad(out.sum(), inputs)
    torch.testing.assert_close(v_bar, torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64))
    torch.testing.assert_close(u_bar, torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64))
    assert not friction_bar.any()


def test_friction_takes_no_more_than_its_share():
    v, u, n, friction = _cases().values()
    out = _Respond.apply(v, u, n, friction, "separate")
    approach = ((v - u) * n).sum(1).clamp_max(0)
    lost = (out - v) + approach[:, None] * n
    assert (lost.norm(dim=1) <= friction * -approach + 1e-12).all()
    assert ((((out - u) * n).sum(1) - ((v - u) * n).sum(1).clamp_min(0)).abs() <= 1e-12).all()
