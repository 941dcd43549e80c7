"""Tensors into Taichi arrays and back, on the CPU's shared memory and through kernels elsewhere."""

import pytest
import taichi as ti
import torch

from bridge.exchange import from_torch, load, to_torch
from kernels.arrays import real_array


def round_trip(tensor, expected_dtype):
    back = to_torch(from_torch(tensor), tuple(tensor.shape), tensor.device)
    assert back.dtype == expected_dtype
    torch.testing.assert_close(back, tensor.detach().to(expected_dtype), rtol=0, atol=0)


def check_all(real):
    round_trip(torch.randn(5, 3), real)
    round_trip(torch.randn(4, 3, 3, dtype=torch.float64).float().double(), real)
    round_trip(torch.randn(3, 7).T, real)  # not contiguous
    round_trip(torch.randn(6, 1).expand(6, 4), real)
    round_trip(torch.randn(5, 3, requires_grad=True), real)
    round_trip(torch.tensor([-1, 2**31 - 1]), torch.int32)  # int64
    round_trip(torch.zeros(0, 3), real)


def test_cpu_float64():
    check_all(torch.float64)


@pytest.mark.runtime("cpu", "float32")
def test_cpu_float32():
    check_all(torch.float32)


@pytest.mark.runtime("vulkan", "float32")
def test_vulkan():
    check_all(torch.float32)


def test_copies_share_no_memory():
    tensor = torch.ones(4, dtype=torch.float64)
    array = from_torch(tensor)
    back = to_torch(array, (4,), "cpu")
    load(torch.zeros(4), array)
    assert (tensor == 1).all()
    assert (back == 1).all()


@ti.kernel
def _double(a: ti.types.ndarray()):
    for i in ti.grouped(a):
        a[i] = 2 * a[i]


def test_kernels_and_tensors_see_each_others_writes():
    array = real_array(2, 2)
    for _ in range(3):
        load(to_torch(array, (2, 2), "cpu") + 1, array)
        _double(array)
    assert (to_torch(array, (2, 2), "cpu") == 14).all()
