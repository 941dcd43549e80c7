"""Which particles are at the surface, and where it faces."""

import numpy as np
import pytest
import trimesh

from configs.errors import InputError
from mpm.particles import fill_mesh
from tests.reference.surface import cone_cover, neighbour_asymmetry, principal_axes, smoothed_normals
from upsample.detection import (
    CONE,
    COVER,
    K_SURFACE,
    SHEET,
    detect_surface,
    normalisation,
    support_of,
    surface_weight,
    typical_spacing,
)

SPACING = 0.5


def cloud(n=300, seed=0):
    """Uneven particles in a box, with one far away."""
    x = np.random.default_rng(seed).uniform(-1, 1, (n, 3)) * (3, 2, 1)
    x[17] = (40, -30, 20)
    return x


def nearest(points, others):
    """Distance from each point to the nearest of the others."""
    return np.array([np.sqrt(((others - p) ** 2).sum(axis=1).min()) for p in points])


@pytest.mark.parametrize("k", [K_SURFACE, 60])
def test_weights_and_normals_are_those_of_the_twin(k):
    x = cloud()
    support = support_of(k)
    full, radius = normalisation(support), support * SPACING
    weight, normals = surface_weight(x, SPACING, k)
    asymmetry, density, outwards = neighbour_asymmetry(x, radius)
    values, axes = principal_axes(x, radius)
    flat = 1 - values[:, 0] / np.maximum(SHEET * values.sum(axis=1), 1e-12)
    sheet = (flat > 0) & (values[:, 1] > SHEET * values.sum(axis=1))
    open_above = 1 - COVER * cone_cover(x, radius, normals, CONE) / full.cone
    one_sided, sparse = asymmetry / full.asymmetry * open_above, (1 - density / full.density) / 0.9
    wanted = np.maximum.reduce([one_sided, sparse, np.where(sheet, flat, 0)])
    np.testing.assert_allclose(weight, np.clip(wanted, 0, 1), rtol=0, atol=1e-9)
    assert 0.1 < (open_above < 0.8).mean() < 0.9
    rest = ~sheet & (np.arange(len(x)) != 17)
    others = np.arange(len(x)) != 17
    expected = smoothed_normals(x[others], radius, asymmetry[others], outwards[others])[rest[others]]
    np.testing.assert_allclose(normals[rest], expected, rtol=0, atol=1e-7)
    along = np.abs((normals * axes[:, :, 0]).sum(axis=1))
    np.testing.assert_allclose(along[sheet], 1, rtol=0, atol=1e-9)


def test_the_flat_face_of_a_lattice_has_a_weight_of_one():
    block = np.stack(np.meshgrid(*[np.arange(9)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) * SPACING
    for k in (30, K_SURFACE, 80):
        weight = surface_weight(block, SPACING, k)[0].reshape(9, 9, 9)
        assert weight[4, 4, 0] == pytest.approx(1, abs=0.02)
        assert weight[4, 4, 4] < 0.05


def test_the_surface_of_a_sphere():
    radius = 13.5 * SPACING
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    x = fill_mesh(sphere.vertices, sphere.faces, SPACING)
    surface = detect_surface(x, SPACING)
    depth = radius - np.linalg.norm(x[surface.index], axis=1)
    assert len(x) > 10_000
    assert (depth <= SPACING).mean() >= 0.99
    # the selected particles lie as near to any place of the surface as any particle does
    samples = sphere.vertices[::5]
    np.testing.assert_allclose(nearest(samples, x[surface.index]), nearest(samples, x), atol=0.2 * SPACING)
    outwards = x[surface.index] / np.linalg.norm(x[surface.index], axis=1, keepdims=True)
    angles = np.degrees(np.arccos(np.clip((surface.normals * outwards).sum(axis=1), -1, 1)))
    assert np.median(angles) < 5
    assert angles.max() < 20


def test_uneven_particles_stay_inside():
    radius = 13.5 * SPACING
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    x = fill_mesh(sphere.vertices, sphere.faces, SPACING, jitter=0.5)
    depth = radius - np.linalg.norm(x[detect_surface(x, SPACING).index], axis=1)
    assert (depth <= SPACING).mean() >= 0.97
    assert depth.max() < 1.5 * SPACING


def test_a_sheet_of_one_layer_is_all_surface():
    i, j = np.meshgrid(np.arange(9), np.arange(9), indexing="ij")
    sheet = np.stack([i, j, 0 * i], axis=-1).reshape(-1, 3) * SPACING
    bent = sheet + [0, 0, 0.1] * np.sin(sheet[:, :1])
    for x in (sheet, bent):
        surface = detect_surface(x, SPACING)
        assert len(surface.index) == 81
        assert (np.abs(surface.normals[:, 2]) > 0.9).all()


def test_the_inner_face_of_a_hollow_body_faces_the_hollow():
    grid = np.stack(np.meshgrid(*[np.arange(-10, 11)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) * 1.0
    radius = np.linalg.norm(grid, axis=1)
    x = grid[(radius > 4.5) & (radius < 9.5)]
    surface = detect_surface(x, 1.0)
    radial = x[surface.index] / np.linalg.norm(x[surface.index], axis=1, keepdims=True)
    inner = np.linalg.norm(x[surface.index], axis=1) < 7
    facing = (surface.normals * radial).sum(axis=1)
    assert inner.sum() > 100
    assert (facing[inner] < -0.8).all()
    assert (facing[~inner] > 0.8).all()


def test_rigid_motion_moves_the_normals_and_keeps_the_selection():
    box = trimesh.creation.box((3, 4, 5))
    x = fill_mesh(box.vertices, box.faces, SPACING) + np.random.default_rng(2).normal(size=3) * 1e-3
    turn = trimesh.transformations.random_rotation_matrix(np.random.default_rng(1).random(3))[:3, :3]
    still, moved = detect_surface(x, SPACING), detect_surface(x @ turn.T + (100, 0, -50), SPACING)
    assert (still.index == moved.index).all()
    np.testing.assert_allclose(moved.normals, still.normals @ turn.T, atol=1e-6)


def test_repeats_are_equal_bit_for_bit():
    first, second = (surface_weight(cloud(), SPACING) for _ in range(2))
    assert (first[0] == second[0]).all()
    assert (first[1] == second[1]).all()


def test_one_particle_is_surface():
    surface = detect_surface(np.array([[1.0, 2.0, 3.0]]), SPACING)
    assert surface.index.tolist() == [0]
    assert surface.normals.tolist() == [[0, 0, 1]]


def test_spacing():
    box = trimesh.creation.box((3, 4, 5))
    x = fill_mesh(box.vertices, box.faces, 0.3)
    assert typical_spacing(x) == pytest.approx(0.3)
    with pytest.raises(InputError, match="expected spacing as a number"):
        typical_spacing(x[:1])
    with pytest.raises(InputError, match="coincide"):
        typical_spacing(np.zeros((10, 3)))


def test_nothing_reaches_the_threshold():
    inside = np.zeros((60, 3))  # all on one place: balanced and dense
    with pytest.raises(InputError, match="smaller surface_threshold"):
        detect_surface(inside, SPACING)
