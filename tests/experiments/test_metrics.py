"""Chamfer distance, comparison with a target, and its floor."""

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from configs.errors import InputError
from experiments.metrics import TargetComparison, chamfer_distance, sample_mesh
from experiments.views import frame_around
from mpm.particles import fill_mesh
from upsample.detection import detect_surface

SPACING = 0.25
SPHERE = trimesh.creation.icosphere(subdivisions=3, radius=2.0)


def test_chamfer_agrees_with_a_tree():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7001, 3)), rng.normal(size=(3000, 3)) + 0.2  # several chunks
    wanted = (cKDTree(b).query(a)[0].mean() + cKDTree(a).query(b)[0].mean()) / 2
    assert chamfer_distance(a, b) == pytest.approx(wanted, rel=1e-12)
    assert chamfer_distance(a, a) == 0
    with pytest.raises(InputError, match="0 and 3000 points"):
        chamfer_distance(a[:0], b)


def test_chamfer_of_shifted_lattices_is_the_shift():
    plane = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0), [0.0]), axis=-1).reshape(-1, 3)
    assert chamfer_distance(plane, plane + (0, 0, 0.3)) == pytest.approx(0.3)


def test_samples_are_uniform_over_the_area():
    box = trimesh.creation.box((1.0, 2.0, 4.0))
    points = sample_mesh(box.vertices, box.faces, 20_000, seed=1)
    on_face = np.isclose(np.abs(points), np.array([0.5, 1.0, 2.0]))
    assert on_face.any(axis=1).all()
    areas = np.array([2 * 4, 1 * 4, 1 * 2])
    np.testing.assert_allclose(on_face.mean(axis=0), areas / areas.sum(), atol=0.015)
    assert np.abs(points.mean(axis=0)).max() < 0.05
    assert (points == sample_mesh(box.vertices, box.faces, 20_000, seed=1)).all()
    with pytest.raises(InputError, match="no area"):
        sample_mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]), 10)


def test_comparison_with_a_target():
    box = trimesh.creation.box((3.0, 3.0, 3.0))
    cube = fill_mesh(box.vertices, box.faces, SPACING)
    surface = detect_surface(cube, SPACING).index
    frame = frame_around(SPHERE.vertices, cube, cube + (2.0, 0, 0), margin=SPACING)
    target = TargetComparison(SPHERE.vertices, SPHERE.faces, SPACING, frame)
    floor, near, far = target.floor(), target.measure(cube, surface), target.measure(cube + (2.0, 0, 0), surface)
    assert floor.silhouette_iou > 0.9
    assert floor.chamfer < 0.7
    for better, worse in ((floor, near), (near, far)):
        assert better.silhouette_iou > worse.silhouette_iou >= worse.silhouette_iou_min
        assert better.silhouette_error < worse.silhouette_error
        assert better.chamfer < worse.chamfer


def test_figures_have_the_spacing_as_unit():
    x = fill_mesh(SPHERE.vertices, SPHERE.faces, SPACING)
    surface = detect_surface(x, SPACING).index

    def measured(scale):
        frame = frame_around(scale * SPHERE.vertices, margin=scale * SPACING)
        target = TargetComparison(scale * SPHERE.vertices, SPHERE.faces, scale * SPACING, frame)
        return target.measure(scale * x, surface)

    one, two = measured(1), measured(2)
    assert one.chamfer == pytest.approx(two.chamfer, rel=1e-9)
    assert one.silhouette_iou == pytest.approx(two.silhouette_iou, rel=1e-3)
