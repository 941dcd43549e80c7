"""The deterministic mode: repeats and recomputed segments are equal bit for bit."""

import pytest
import torch

from bridge import runtime
from bridge.diffmpm import DiffMPM
from mpm.state import INTERNAL
from tests.mpm.scenes import make_cloud, make_config

STEPS, N = 30, 300
SAND = {"law": "drucker_prager", "youngs_modulus": 40.0, "poissons_ratio": 0.3, "density": 2.0}


@pytest.fixture
def deterministic():
    runtime.reset()
    runtime.init("cpu", torch.float32, deterministic=True)
    yield
    runtime.reset()


def _gradients(**changes):
    cloud = {name: value.float().requires_grad_() for name, value in make_cloud(N).items()}
    state = DiffMPM(make_config(material=SAND, **changes))(**cloud, steps=STEPS, record_every=10)
    loss = sum((frame.x**2).sum() + (frame.F**2).sum() for frame in state.frames)
    return state, torch.autograd.grad(loss, list(cloud.values()))


def test_repeats_and_segments(deterministic):
    budget = 14.5 * (INTERNAL + 1) * N * 4 / 2**20  # 14 states instead of 31
    state, full = _gradients()
    for changes in ({}, {"memory_budget_mb": budget}, {"memory_budget_mb": budget / 2, "checkpoints": "host"}):
        again, gradients = _gradients(**changes)
        assert torch.equal(again.x, state.x)
        assert torch.equal(again.F, state.F)
        for mine, other in zip(gradients, full, strict=True):
            assert torch.equal(mine, other)
