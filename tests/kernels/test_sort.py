"""Prefix sum and radix sort against NumPy."""

import contextlib

import numpy as np
import pytest
import taichi as ti
import torch

from kernels.arrays import from_numpy, int_array
from kernels.sort import CHUNK, MAX_INT, exclusive_scan, radix_sort, run_starts, running_sums


def check_scan(n):
    values = np.random.default_rng(n).integers(0, 100, n)
    offsets = int_array(n + 1)
    exclusive_scan(from_numpy(values), offsets, n)
    np.testing.assert_array_equal(offsets.to_numpy(), np.concatenate([[0], np.cumsum(values)]))


def check_sort(n, bits):
    rng = np.random.default_rng(n)
    keys, values = rng.integers(0, 2**bits, n), rng.permutation(n)
    sorted_keys, sorted_values = radix_sort(from_numpy(keys), from_numpy(values), n, bits)
    order = np.argsort(keys, kind="stable")
    np.testing.assert_array_equal(sorted_keys.to_numpy()[:n], keys[order])
    np.testing.assert_array_equal(sorted_values.to_numpy()[:n], values[order])


@pytest.mark.parametrize("n", [0, 1, CHUNK, CHUNK + 1, 100_000])
def test_scan(n):
    if n == 0:
        offsets = from_numpy(np.array([7]))
        exclusive_scan(int_array(0), offsets, 0)
        assert offsets.to_numpy()[0] == 0
    else:
        check_scan(n)


def test_scan_saturates_instead_of_wrapping_around():
    n = 3 * CHUNK
    offsets = int_array(n + 1)
    exclusive_scan(from_numpy(np.full(n, 10**6)), offsets, n)
    assert offsets.to_numpy()[n] == MAX_INT


@pytest.mark.parametrize(("n", "bits"), [(1, 31), (CHUNK, 8), (CHUNK + 1, 9), (50_000, 31), (50_000, 3)])
def test_sort_is_stable(n, bits):
    check_sort(n, bits)


@pytest.fixture(params=[False, True], ids=["our kernels", "torch"])
def lent(request):
    """With Taichi's memory and with torch's, which sorts few keys itself."""
    from bridge.lent_memory import launches

    with launches() if request.param else contextlib.nullcontext():
        yield


@pytest.mark.parametrize(("n", "bits"), [(1, 31), (4096, 31), (4097, 31), (3000, 3), (3000, 14), (3000, 15)])
def test_the_order_of_keys(lent, n, bits):
    keys = np.random.default_rng(n).integers(0, 2**bits, n).astype(np.int32)
    keys[0] = 2**bits - 1
    sorted_keys, order = radix_sort(filled(keys), None, n, bits)
    expected = np.argsort(keys, kind="stable")
    np.testing.assert_array_equal(order.to_numpy(), expected)
    starts = run_starts(sorted_keys, 100)
    np.testing.assert_array_equal(starts.to_numpy(), np.searchsorted(keys[expected], np.arange(101)))


def test_the_number_after_the_last_short_key(lent):
    keys = np.array([0, 2**14 - 1], np.int32)
    sorted_keys, _ = radix_sort(filled(keys), None, 2, 14)
    assert run_starts(sorted_keys, 2**14).to_numpy()[[0, 1, -2, -1]].tolist() == [0, 1, 1, 2]


def test_running_sums(lent):
    rng = np.random.default_rng(0)
    values, order = rng.integers(0, 9, (3, 50)).astype(np.int32), rng.permutation(150).astype(np.int32)
    sums = running_sums(filled(values), filled(order))
    np.testing.assert_array_equal(sums.to_numpy(), np.cumsum(values.ravel()[order]))


def filled(values):
    """An array of the memory in use."""
    array = int_array(*values.shape)
    if isinstance(array, ti.Ndarray):
        array.from_numpy(values)
    else:
        array.adopt(torch.from_numpy(values.copy()))
    return array


@pytest.mark.runtime("vulkan", "float32")
def test_vulkan():
    check_scan(5000)
    check_sort(20_000, 31)
