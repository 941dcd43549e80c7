"""Prefix sum and radix sort against NumPy."""

import numpy as np
import pytest

from kernels.arrays import from_numpy, int_array
from kernels.sort import CHUNK, MAX_INT, exclusive_scan, radix_sort


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


@pytest.mark.runtime("vulkan", "float32")
def test_vulkan():
    check_scan(5000)
    check_sort(20_000, 31)
