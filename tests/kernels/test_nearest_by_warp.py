"""CUDA's search with a warp for each query, against the one with a thread for each."""

import numpy as np
import pytest

from kernels.arrays import from_numpy
from kernels.nearest_by_warp import top_level
from kernels.neighbours import MAX_K, NeighbourTree
from tests.kernels.test_neighbours import CLOUDS, cloud, queries

on_cuda = pytest.mark.runtime("cuda", "float32")


def both(x, y, k, guess=None):
    """Indices and distances by warp, and by thread."""
    tree, at = NeighbourTree(from_numpy(x), len(x)), from_numpy(y)
    guess = None if guess is None else from_numpy(guess.reshape(-1))
    found = [tree.nearest(at, len(y), k, guess, by_warp=by_warp) for by_warp in (True, False)]
    return [[array.to_numpy().reshape(-1, k) for array in arrays] for arrays in found]


def compare(x, y, k, guess=None):
    """The same distances; not always the same indices, where two points differ in the last place."""
    x, y = x.astype(np.float32), y.astype(np.float32)
    (index, distance), (_, wanted) = both(x, y, k, guess)
    np.testing.assert_allclose(distance, wanted, rtol=1e-6, atol=1e-12)
    lengths = np.linalg.norm(x[index].astype(float) - y[:, None], axis=2)
    np.testing.assert_allclose(lengths, wanted, rtol=1e-5, atol=1e-6)
    assert all(len(set(row)) == k for row in index)


@on_cuda
@pytest.mark.parametrize("k", [1, 7, 31, 32, 33, MAX_K])
@pytest.mark.parametrize("name", CLOUDS)
def test_like_the_threads(name, k):
    x = cloud(name)
    compare(x, queries(x), k)


@on_cuda
@pytest.mark.parametrize("n", [1, 2, 32, 33, 64, 65, 1024, 1025, 40_000])
def test_trees_of_any_depth(n):
    x = cloud("random", n)
    compare(x, queries(cloud("random")), min(n, 20))


@on_cuda
def test_ties_go_by_index():
    x = cloud("lattice")
    (index, _), (wanted, _) = both(x.astype(np.float32), (x + 0.25).astype(np.float32), 20)  # squares are exact
    np.testing.assert_array_equal(index, wanted)


@on_cuda
@pytest.mark.parametrize("name", ["random", "clustered", "lattice"])
def test_guesses(name):
    x = cloud(name)
    y = queries(x)
    rng = np.random.default_rng(5)
    compare(x, y, 40, np.array([rng.permutation(len(x))[:40] for _ in y]))


@on_cuda
def test_repeats_are_equal():
    x = cloud("random").astype(np.float32)
    tree, at = NeighbourTree(from_numpy(x), len(x)), from_numpy(x)
    first, second = ([array.to_numpy() for array in tree.nearest(at, len(x), 32, by_warp=True)] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("groups", "top"), [(1, 1), (16, 16), (32, 32), (64, 2), (1024, 32), (2048, 2), (2**20, 32)])
def test_levels_that_a_warp_visits(groups, top):
    """Each is five below the one before; the lowest has the groups."""
    assert top_level(groups) == top
