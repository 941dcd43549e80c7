"""Silhouettes and depth of meshes and particles, in cases that can be computed by hand."""

import numpy as np
import pytest
import trimesh

from configs.errors import InputError
from experiments.mesh_image import rasterize_mesh
from experiments.silhouette import mesh_silhouettes, particle_silhouettes, silhouette_error, silhouette_iou
from experiments.views import Frame, View, fibonacci_directions, frame_around, orthographic_views

FRAME = Frame(np.array([1.0, -2.0, 0.5]), 2.0)
VIEWS = orthographic_views(FRAME)
PIXEL = (2 * FRAME.radius / 256) ** 2


def camera(eye=(0.0, 0.0, -5.0), focal=100.0, width=120, height=80):
    """A perspective camera at ``eye`` that looks along +z."""
    viewmat = np.eye(4)
    viewmat[:3, 3] = -np.asarray(eye)
    return View(viewmat, np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]), width, height)


def rays(view):
    """Direction (z = 1) of the ray through each pixel's centre, [H, W, 3]."""
    u, v = np.meshgrid(np.arange(view.width) + 0.5, np.arange(view.height) + 0.5)
    return np.stack([(u - view.K[0, 2]) / view.K[0, 0], (v - view.K[1, 2]) / view.K[1, 1], np.ones_like(u)], axis=-1)


def test_directions_are_even():
    directions = fibonacci_directions(12)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    assert np.linalg.norm(directions.mean(axis=0)) < 0.05
    np.testing.assert_allclose(directions.T @ directions / 12, np.eye(3) / 3, atol=0.05)
    angles = np.degrees(np.arccos(np.clip(directions @ directions.T - 2 * np.eye(12), -1, 1)))
    assert angles.min(axis=1).min() > 40


def test_views_are_rigid_and_look_at_the_center():
    for view in VIEWS:
        rotation = view.viewmat[:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)
        np.testing.assert_allclose(view.to_camera(view.eye), 0, atol=1e-12)
        middle = view.to_camera(FRAME.center)
        np.testing.assert_allclose(view.to_pixels(middle), (128, 128))
        assert middle[2] > FRAME.radius


def test_the_frame_contains_all_clouds_from_every_side():
    rng = np.random.default_rng(0)
    clouds = rng.normal(size=(40, 3)), rng.normal(size=(30, 3)) + 2
    for view in orthographic_views(frame_around(*clouds, margin=0.1)):
        for cloud in clouds:
            pixels = view.to_pixels(view.to_camera(cloud))
            assert (pixels > 0).all()
            assert (pixels < 256).all()
    with pytest.raises(InputError, match="not all finite"):
        frame_around(np.full((1, 3), np.nan))
    with pytest.raises(InputError, match="one place"):
        frame_around(np.zeros((4, 3)))


@pytest.mark.parametrize("radius", [0.3, 1.1])
def test_a_ball_covers_pi_r_squared(radius):
    ball = particle_silhouettes(FRAME.center[None], radius, VIEWS)
    sphere = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    mesh = mesh_silhouettes(sphere.vertices + FRAME.center, sphere.faces, VIEWS)
    for masks in (ball, mesh):
        np.testing.assert_allclose(masks.sum(axis=(1, 2)) * PIXEL, np.pi * radius**2, rtol=0.01)
    assert (silhouette_iou(ball, mesh) > 0.99).all()


def test_shifted_discs():
    radius, shift = 1.0, 0.6
    view = VIEWS[3]
    sideways = view.viewmat[0, :3]
    one, two = (particle_silhouettes((FRAME.center + s * sideways)[None], radius, [view]) for s in (0, shift))
    lens = 2 * radius**2 * np.arccos(shift / 2 / radius) - shift / 2 * np.sqrt(4 * radius**2 - shift**2)
    disc = np.pi * radius**2
    assert silhouette_iou(one, two)[0] == pytest.approx(lens / (2 * disc - lens), rel=0.01)
    assert silhouette_error(one, two)[0] == pytest.approx((2 * disc - 2 * lens) / disc, rel=0.01)
    assert silhouette_iou(one, one)[0] == 1
    assert silhouette_error(one, one)[0] == 0


def test_many_balls_are_the_union_of_each():
    x = FRAME.center + np.random.default_rng(1).uniform(-1.9, 1.9, (200, 3))  # some leave the image
    together = particle_silhouettes(x, 0.2, VIEWS[:2])
    alone = np.any([particle_silhouettes(p[None], 0.2, VIEWS[:2]) for p in x], axis=0)
    assert (together == alone).all()
    assert 0 < together.mean() < 1


def test_orthographic_area_of_a_box_is_that_of_its_faces():
    # Cauchy: the shadow of a convex body is half the sum of its faces' shadows
    box = trimesh.creation.box((1.0, 1.5, 2.0))
    masks = mesh_silhouettes(box.vertices + FRAME.center, box.faces, VIEWS)
    forward = np.array([view.viewmat[2, :3] for view in VIEWS])
    shadow = np.abs(forward) @ np.array([1.5 * 2, 1 * 2, 1 * 1.5])
    np.testing.assert_allclose(masks.sum(axis=(1, 2)) * PIXEL, shadow, rtol=0.01)


def test_perspective_depth_of_a_box():
    view = camera()
    box = trimesh.creation.box((2.0, 2.0, 2.0))  # its front is 4 away, 50 pixels wide
    mask, depth = rasterize_mesh(box.vertices, box.faces, view)
    xy = rays(view)[..., :2] * 4
    front = (np.abs(xy) < 1).all(axis=-1)
    assert (mask == front).all()
    np.testing.assert_allclose(depth[front], 4)
    assert (depth[~front] == 0).all()


def test_perspective_depth_of_a_slanted_plane_is_exact():
    view = camera()
    normal, offset = np.array([0.3, -0.4, 1.0]), 1.5
    xy = np.array([[-3.0, -2], [3, -2], [3, 2], [-3, 2]])
    corners = np.column_stack([xy, (offset - xy @ normal[:2]) / normal[2]])
    mask, depth = rasterize_mesh(corners, np.array([[0, 1, 2], [2, 3, 0]]), view)
    # normal · (eye + z ray) = offset
    wanted = (offset + 5 * normal[2]) / (rays(view) @ normal)
    assert mask.mean() > 0.5
    np.testing.assert_allclose(depth[mask], wanted[mask], rtol=1e-12)


def test_the_nearest_face_wins():
    near, far = trimesh.creation.box((0.5, 0.5, 0.5)), trimesh.creation.box((2.0, 2.0, 2.0))
    near.apply_translation((0, 0, -2.75))
    both = trimesh.util.concatenate([far, near])
    _, depth = rasterize_mesh(both.vertices, both.faces, camera())
    assert depth[40, 60] == pytest.approx(2.0)
    assert depth[40, 40] == pytest.approx(4.0)


def test_neighbouring_faces_leave_no_gap_and_share_no_pixel():
    # corners and edges exactly on pixel centres; each pixel of the square belongs to exactly one triangle
    view = camera(eye=(0, 0, -1), focal=100.0, width=64, height=64)
    axis = (np.arange(0, 65, 8) + 0.5 - 32) / 100
    grid = np.stack(np.meshgrid(axis, axis, [0.0], indexing="ij"), axis=-1).reshape(-1, 3)
    n = len(axis)
    square = np.array([[0, 1, n + 1], [0, n + 1, n]])
    faces = np.concatenate([square + i * n + j for i in range(n - 1) for j in range(n - 1)])
    counts = sum(rasterize_mesh(grid, face[None], view)[0].astype(int) for face in faces)
    assert (counts == 1).all()


@pytest.mark.parametrize("orthographic", [False, True])
def test_what_is_behind_the_camera_is_cut_off(orthographic):
    # a floor one unit below the camera, from far behind it to 10 in front
    view = camera(eye=(0, 0, 0))
    view = View(view.viewmat, view.K if not orthographic else np.diag([20.0, 20, 1]), 120, 80, orthographic)
    floor = np.array([[-9.0, 1, -20], [9, 1, -20], [9, 1, 10], [-9, 1, 10]])
    mask, depth = rasterize_mesh(floor, np.array([[0, 1, 2], [0, 2, 3]]), view)
    if orthographic:
        assert not mask.any()  # seen from its edge
        return
    directions = rays(view)
    z = 1 / np.maximum(directions[..., 1], 1e-9)
    wanted = (z < 10) & (np.abs(directions[..., 0] * z) < 9)
    assert (mask == wanted).all()
    np.testing.assert_allclose(depth[mask], z[mask])


def test_errors():
    with pytest.raises(InputError, match="1 of 3 positions are not finite"):
        particle_silhouettes(np.array([[0, 0, 0], [0, np.nan, np.inf], [1, 1, 1]]), 0.1, VIEWS[:1])
    with pytest.raises(InputError, match="radius is 0"):
        particle_silhouettes(np.zeros((1, 3)), 0, VIEWS[:1])
    nothing = np.zeros((2, 8, 8), dtype=bool)
    with pytest.raises(InputError, match="covers no pixel in view 0"):
        silhouette_error(nothing, nothing)
    assert (silhouette_iou(nothing, nothing) == 1).all()
