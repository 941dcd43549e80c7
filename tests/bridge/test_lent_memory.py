"""The rasterizer's stages work on torch's memory: without copies, and without touching what others hold."""

import pytest
import taichi as ti
import torch

from bridge.exchange import clear, hand_over, load, to_torch
from bridge.lent_memory import TorchArray, launches
from bridge.rasterization import rasterization
from kernels.arrays import claim_untouched, int_array, real_array, scratch_array
from kernels.launch import prepared
from tests.render.scenes import leaves, random_scene


@prepared
@ti.kernel
def _scale(factor: ti.template(), source: ti.types.ndarray(ndim=1), target: ti.types.ndarray(ndim=1), n: ti.i32):
    for i in range(n):
        target[i] += factor * source[i]


def test_kernels_take_lent_arrays_and_template_values():
    values = torch.arange(4, dtype=torch.float64)
    with launches():
        source, target = real_array(4), real_array(4)
        load(values, source)
        _scale(2, source, target, 4)
        _scale(3, source, target, 3)
        torch.testing.assert_close(to_torch(target, (4,), "cpu"), torch.tensor([0.0, 5, 10, 6], dtype=torch.float64))
    plain_source, plain_target = real_array(4), real_array(4)
    plain_source.from_numpy(values.numpy())
    _scale(2, plain_source, plain_target, 4)  # the same kernel over Taichi's own arrays
    assert plain_target.to_numpy().tolist() == [0, 2, 4, 6]


@pytest.mark.skipif("config.getoption('--backend') != 'cpu'", reason="on CUDA a tensor of the CPU must be copied")
def test_a_tensor_is_adopted_where_it_fits():
    with launches():
        array = real_array(3)
        assert isinstance(array, TorchArray)
        for tensor, shared in ((torch.zeros(3, dtype=torch.float64), True), (torch.zeros(3), False)):
            load(tensor, array)
            assert (to_torch(array, (3,), "cpu").data_ptr() == tensor.data_ptr()) == shared


def test_what_was_handed_over_stays():
    with launches():
        array = scratch_array(3)
        array.fill(7.0)
        tensor = hand_over(array, (3,), "cpu")
        assert to_torch(array, (3,), "cpu").tolist() == [0, 0, 0]
        clear(array)
    assert tensor.tolist() == [7, 7, 7]


def test_only_arrays_that_nobody_wrote_to_are_claimed():
    with launches():
        fresh, written = real_array(3), real_array(3)
        written.fill(1.0)
        assert not claim_untouched([fresh, written])
        assert claim_untouched([fresh, int_array(3)])
        assert not claim_untouched([fresh])
    assert not claim_untouched([real_array(3)])


@pytest.mark.parametrize("name", ["means", "covars", "opacities", "colors"])
def test_an_input_changed_before_backward_is_an_error(name):
    """The adjoint reads the caller's memory: torch must notice."""
    given = leaves(random_scene(n=5))
    inputs = {**given, name: given[name] * 1.0}
    images, _, _ = rasterization(quats=None, scales=None, **inputs)
    inputs[name].detach().mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        images.sum().backward()


def test_outputs_may_be_changed_in_place():
    given = leaves(random_scene(n=5))
    images, alphas, _ = rasterization(quats=None, scales=None, **given, render_mode="RGB+ED")
    ((images.clamp_(0, 0.5) ** 2).sum() + alphas.mul_(2).sum()).backward()
    fresh = leaves(random_scene(n=5))
    expected, expected_alphas, _ = rasterization(quats=None, scales=None, **fresh, render_mode="RGB+ED")
    ((expected.clamp(0, 0.5) ** 2).sum() + 2 * expected_alphas.sum()).backward()
    torch.testing.assert_close(given["means"].grad, fresh["means"].grad, rtol=1e-12, atol=1e-12)


def test_gradients_of_one_graph_do_not_share_memory():
    given = leaves(random_scene(n=5))
    images, _, _ = rasterization(quats=None, scales=None, **given)
    first = torch.autograd.grad(images.sum(), given["means"], retain_graph=True)[0]
    kept = first.clone()
    torch.autograd.grad((images**2).sum(), given["means"])
    assert torch.equal(first, kept)
