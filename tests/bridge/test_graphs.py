"""Every stage is one node of torch's graph: freed by the first backward unless that is asked to keep it."""

import weakref

import pytest
import torch
from taichi.lang import impl

import bridge
from bridge import runtime
from configs.mpm import MPMConfig

CONFIG = MPMConfig(
    grid={"origin": (-1, -1, -1), "spacing": 0.25, "size": (9, 9, 9)},
    dt=0.01,
    material={"youngs_modulus": 100.0, "density": 100.0},
)


def _rollout(x):
    return bridge.DiffMPM(CONFIG)(x, steps=2).x


def _mass_matching(x):
    mass = torch.ones(len(x), dtype=x.dtype)
    target = bridge.rasterize_particle_mass(x.detach() + 0.1, mass, CONFIG)
    return bridge.mass_matching_loss(x, mass, target, CONFIG)


def _gaussians(x):
    return bridge.SurfaceUpsampler(spacing=0.125)(x, torch.eye(3, dtype=x.dtype).expand(len(x), 3, 3)).means


def _image(x):
    viewmats = torch.eye(4, dtype=x.dtype)[None].clone()
    viewmats[0, 2, 3] = 3.0
    Ks = torch.tensor([[[20.0, 0, 8], [0, 20, 8], [0, 0, 1]]], dtype=x.dtype)
    n = len(x)
    quats, ones = torch.eye(4, dtype=x.dtype)[0].expand(n, 4), torch.ones(n, 3, dtype=x.dtype)
    return bridge.rasterization(x, quats, 0.1 * ones, 0.5 * ones[:, 0], ones, viewmats, Ks, 16, 16)[0]


@pytest.mark.parametrize("stage", [_rollout, _mass_matching, _gaussians, _image])
def test_a_second_backward_needs_retain_graph(stage):
    """A plain sum saves no tensor of its own: the stage itself must refuse."""
    x = (0.5 * torch.rand(20, 3, dtype=torch.float64) - 0.25).requires_grad_()
    output = stage(x)
    seeds = torch.ones_like(output)
    (first,) = torch.autograd.grad(output, x, seeds, retain_graph=True)
    assert float(first.abs().sum()) > 0
    torch.testing.assert_close(torch.autograd.grad(output, x, seeds)[0], first, rtol=1e-11, atol=1e-13)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(output, x, seeds)


@pytest.mark.parametrize("stage", [_rollout, _mass_matching, _gaussians, _image])
def test_a_graph_ends_with_its_runtime(stage):
    x = (0.5 * torch.rand(20, 3, dtype=torch.float64) - 0.25).requires_grad_()
    output = stage(x).sum()
    _restart()
    with pytest.raises(RuntimeError, match="build it anew"):
        output.backward()


def test_a_simulator_ends_with_its_runtime():
    simulate = bridge.DiffMPM(CONFIG)
    _restart()
    with pytest.raises(RuntimeError, match="build it anew"):
        simulate(torch.zeros(1, 3), steps=1)


def test_nothing_keeps_a_runtime_alive_that_was_reset():
    """Destroyed later, Taichi's program would free the memory of the next."""
    program = weakref.ref(impl.get_runtime().prog)
    x = (0.1 * torch.arange(12, dtype=torch.float64).reshape(4, 3) - 0.5).requires_grad_()
    outputs = [_rollout(x), _mass_matching(x), _image(x)]
    sum(output.sum() for output in outputs).backward()
    _restart()
    assert program() is None


def _restart():
    runtime.reset()
    runtime.init("cpu", torch.float64)
