"""Pixels to controls, material, initial state: one gradient through all stages, on every backend."""

import pytest
import torch

from bridge import runtime
from tests.directional import directional_error
from tests.pipeline import LEAVES, detect, gradients, image_loss, make_inputs


@pytest.mark.parametrize("name", LEAVES)
def test_gradient_from_pixels(name):
    """20 steps, 2 cameras. The rasterizer's cut-offs are kinks: short differences must not step over one, while the
    weak dependence on λ and μ needs longer ones to rise above rounding."""
    inputs = make_inputs()
    surface = detect(inputs["x"])
    step = 1e-5 if name in ("lam", "mu") else 1e-7
    error = directional_error(lambda **leaves: image_loss(surface, **leaves), inputs, name, step=step)
    assert error <= 1e-4


def _check_against_float64():
    """This runtime's float32 gradients against the CPU's in float64."""
    here = runtime.current()
    loss, mine = gradients(torch.float32)
    runtime.reset()
    runtime.init("cpu", torch.float64)
    reference_loss, reference = gradients()
    runtime.reset()
    runtime.init(here.backend, here.dtype)
    assert loss == pytest.approx(reference_loss, rel=1e-4)
    for name in LEAVES:
        assert float((mine[name] - reference[name]).norm() / reference[name].norm()) <= 1e-2, name


@pytest.mark.runtime("cpu", "float32")
def test_float32():
    _check_against_float64()


@pytest.mark.runtime("vulkan", "float32")
def test_vulkan():
    _check_against_float64()


@pytest.mark.runtime("cuda", "float32")
def test_cuda():
    _check_against_float64()
