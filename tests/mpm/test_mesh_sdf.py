"""Sampled signed distances against every face tried for every point."""

import numpy as np
import pytest

from configs.mesh import mesh_path
from mpm.mesh import load_mesh
from mpm.mesh_sdf import BAND, closest_points, sample_distance
from tests.reference import signed_distance as slow


def _check(vertices, faces, resolution, count=200):
    """Points near the faces exactly, the others within a pitch, all on the right side."""
    sampled = sample_distance(vertices, faces, resolution, reach=0.1)
    index = np.random.default_rng(0).integers(0, sampled.samples.shape[:3], (count, 3))
    points = sampled.origin + sampled.pitch * index
    distance = slow.distance(vertices, faces, points)
    inside = np.abs(slow.winding_number(vertices, faces, points)) >= 0.5
    ours = sampled.samples[tuple(index.T)][:, 0]
    near = distance < 0.99 * BAND * sampled.pitch
    off = distance > 1e-9  # on a face, either sign is right
    assert near.sum() >= 10
    assert (inside & off).sum() >= 10
    np.testing.assert_array_equal((ours < 0)[off], inside[off])
    np.testing.assert_allclose(np.abs(ours[near]), distance[near], rtol=1e-9, atol=1e-12)
    assert np.abs(np.abs(ours) - distance).max() <= 0.5 * sampled.pitch


def test_box_mesh():
    _check(*load_mesh(mesh_path("box")), resolution=16)


def test_mesh_with_a_hole():
    """A tenth of the faces missing: still the inside that the winding number says."""
    vertices, faces = load_mesh(mesh_path("torus"))
    _check(vertices, faces[len(faces) // 10 :], resolution=20, count=100)


def test_gradient_is_a_unit_vector_outwards():
    vertices, faces = load_mesh(mesh_path("sphere"))
    center = (vertices.min(0) + vertices.max(0)) / 2
    sampled = sample_distance(vertices, faces, 24)
    points = sampled.origin + sampled.pitch * np.moveaxis(np.indices(sampled.samples.shape[:3]), 0, -1)
    phi, gradient = sampled.samples[..., 0], sampled.samples[..., 1:]
    outwards = (points - center) / np.linalg.norm(points - center, axis=-1, keepdims=True).clip(1e-9)
    near = np.abs(phi) < 2 * sampled.pitch
    assert ((gradient * outwards).sum(-1)[near] >= 0.97).all()


@pytest.mark.parametrize("place", ["face", "edge", "corner", "degenerate"])
def test_closest_point(place):
    triangle = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0]])
    expected = {
        "face": ((0.5, 0.5, 3.0), (0.5, 0.5, 0.0)),
        "edge": ((1.0, -1.0, 1.0), (1.0, 0.0, 0.0)),
        "corner": ((3.0, -1.0, 0.5), (2.0, 0.0, 0.0)),
        "degenerate": ((1.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
    }
    point, closest = expected[place]
    if place == "degenerate":
        triangle[2] = triangle[1]
    np.testing.assert_allclose(closest_points(np.array([point]), triangle[None]), [closest], atol=1e-12)
