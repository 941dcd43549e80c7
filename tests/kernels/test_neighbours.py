"""Neighbour search against scipy's cKDTree and against every distance."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from configs.errors import InputError
from kernels.arrays import from_numpy, real_array
from kernels.neighbours import MAX_K, NeighbourTree


def cloud(name, n=3000):
    rng = np.random.default_rng(3)
    x = rng.random((n, 3))
    if name == "planar":
        x[:, 2] = 0.3
    if name == "line":
        x[:, 1:] = 0
    if name == "clustered":  # clumps a millionth of the whole wide, and one point far off
        x = rng.random((8, 3))[rng.integers(0, 8, n)] + 1e-6 * x
        x[0] = 1000
    if name == "lattice":  # many equal distances
        x = np.stack(np.meshgrid(*[np.arange(12)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) * 0.5
    if name == "coincident":
        x[: n // 2] = x[0]
    return x


def queries(x):
    """Points of the cloud, points among them, points far outside."""
    rng = np.random.default_rng(4)
    among = x[rng.integers(0, len(x), 300)] + 0.01 * rng.normal(size=(300, 3))
    return np.concatenate([x[:100], among, 50 * rng.normal(size=(20, 3)), np.full((1, 3), 1e4)])


def nearest(x, y, k):
    index, distance = NeighbourTree(from_numpy(x), len(x)).nearest(from_numpy(y), len(y), k)
    return index.to_numpy().reshape(-1, k), distance.to_numpy().reshape(-1, k)


def within(x, y, radius):
    arrays = NeighbourTree(from_numpy(x), len(x)).within(from_numpy(y), len(y), radius)
    return [array.to_numpy() for array in arrays]


CLOUDS = ("random", "planar", "line", "clustered", "lattice", "coincident")


@pytest.mark.parametrize("k", [1, 7, 32, MAX_K])
@pytest.mark.parametrize("name", CLOUDS)
def test_nearest(name, k):
    x = cloud(name)
    y = queries(x)
    index, distance = nearest(x, y, k)
    wanted = cKDTree(x).query(y, k=k)[0].reshape(len(y), k)
    np.testing.assert_allclose(distance, wanted, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(x[index] - y[:, None], axis=2), wanted, rtol=1e-12, atol=1e-15)
    assert all(len(set(row)) == k for row in index)


def test_ties_go_by_index():
    x = cloud("lattice")
    y = x + 0.25  # the middle of each cell: eight nearest at one distance
    index, _ = nearest(x, y, 20)
    squares = ((y[:, None] - x) ** 2).sum(axis=2)  # exact: halves and quarters
    order = np.lexsort((np.broadcast_to(np.arange(len(x)), squares.shape), squares), axis=1)[:, :20]
    np.testing.assert_array_equal(index, order)


@pytest.mark.parametrize("name", CLOUDS)
def test_a_guess_changes_nothing(name):
    x = cloud(name)
    y = queries(x)
    rng = np.random.default_rng(5)
    tree = NeighbourTree(from_numpy(x), len(x))
    plain, _ = nearest(x, y, 9)
    random = np.array([rng.permutation(len(x))[:9] for _ in y])
    for guess in (plain, random):
        index, _ = tree.nearest(from_numpy(y), len(y), 9, from_numpy(guess.reshape(-1)))
        np.testing.assert_array_equal(index.to_numpy().reshape(-1, 9), plain)


@pytest.mark.parametrize("name", CLOUDS)
def test_within(name):
    x = cloud(name)
    y = queries(x)
    radius = 0.1037 if name != "lattice" else 1.2
    start, index, distance = within(x, y, radius)
    tree = cKDTree(x)
    loose = NeighbourTree(from_numpy(x), len(x)).within(from_numpy(y), len(y), radius, ordered=False)[1].to_numpy()
    for q, at in enumerate(y):
        mine, lengths = index[start[q] : start[q + 1]], distance[start[q] : start[q + 1]]
        assert sorted(mine) == sorted(tree.query_ball_point(at, radius))
        assert sorted(mine) == sorted(loose[start[q] : start[q + 1]])
        np.testing.assert_allclose(lengths, np.linalg.norm(x[mine] - at, axis=1), rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(np.lexsort((mine, lengths)), np.arange(len(mine)))


@pytest.mark.parametrize("n", [1, 2, 8, 9, 63, 65])
def test_few_points(n):
    x = cloud("random", n)
    y = queries(cloud("random"))
    wanted = cKDTree(x).query(y, k=n)[0].reshape(len(y), n)
    np.testing.assert_allclose(nearest(x, y, min(n, MAX_K))[1], wanted[:, :MAX_K], rtol=1e-12)


def test_no_queries():
    x = from_numpy(cloud("random"))
    tree = NeighbourTree(x, 3000)
    start, _, _ = tree.within(real_array(0, 3), 0, 0.1)
    assert start.to_numpy()[0] == 0
    tree.nearest(real_array(0, 3), 0, 5)


def test_errors():
    x = from_numpy(cloud("random"))
    with pytest.raises(InputError, match="there are no points"):
        NeighbourTree(real_array(0, 3), 0)
    for n, k in ((5, 6), (100, 65), (100, 0)):
        with pytest.raises(InputError, match=f"k is {k}; expected 1 to 64, at most the number of points, {n}"):
            NeighbourTree(x, n).nearest(x, 10, k)
    for radius in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="radius is"):
            NeighbourTree(x, 100).within(x, 10, radius)


@pytest.mark.parametrize(
    "_backend",
    [
        pytest.param("vulkan", marks=pytest.mark.runtime("vulkan", "float32")),
        pytest.param("cpu", marks=pytest.mark.runtime("cpu", "float32")),
        pytest.param("cuda", marks=pytest.mark.runtime("cuda", "float32")),
    ],
)
def test_float32(_backend):
    for name in ("random", "planar", "coincident"):
        x = cloud(name).astype(np.float32)
        y = queries(x).astype(np.float32)
        wanted = cKDTree(x.astype(float)).query(y.astype(float), k=16)[0]
        np.testing.assert_allclose(nearest(x, y, 16)[1], wanted, rtol=1e-5, atol=1e-6)
        start, _, distance = within(x, y, 0.1037)
        assert start[-1] == len(distance)
        assert (distance <= np.float32(0.1037)).all()
