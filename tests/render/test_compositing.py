"""Both kinds of compositing kernel, and the stages under a tape without torch."""

import numpy as np
import pytest
import taichi as ti

from kernels.tape import copy_to_field, link
from render.compositing import Compositing, composite, composite_grad
from render.compositing_by_tile import spread_tiles
from render.covariance import Covariance, covariance
from render.projection import Projection, ProjectionSettings, project
from render.projection_adjoint import project_grad
from tests.render.scenes import random_scene

CAMERAS, N, CHANNELS, WIDTH, HEIGHT = 2, 40, 6, 37, 29


def numpy_scene():
    scene = random_scene(N, CAMERAS, CHANNELS, WIDTH, HEIGHT)
    return {name: value.numpy() for name, value in scene.items() if not isinstance(value, int)}


def make_stages(scene, threads, **options):
    projection = Projection(CAMERAS, N, ProjectionSettings(WIDTH, HEIGHT))
    for name in ("means", "covars", "opacities", "viewmats", "Ks"):
        getattr(projection, name).from_numpy(scene[name])
    stage = Compositing(CAMERAS, N, CHANNELS, WIDTH, HEIGHT, projection=projection, threads=threads, **options)
    stage.colors.from_numpy(scene["colors"])
    stage.backgrounds.from_numpy(scene["backgrounds"])
    return projection, stage


def evaluate(threads, depth):
    scene, rng = numpy_scene(), np.random.default_rng(0)
    projection, stage = make_stages(scene, threads, absgrad=True, depth=depth)
    project(projection)
    composite(stage)
    outputs = (stage.image, stage.alphas)
    for array in outputs:
        array.grad.from_numpy(rng.normal(size=array.shape))
    composite_grad(stage)
    project_grad(projection)
    inputs = (projection.means, projection.covars, projection.opacities, projection.viewmats, projection.Ks)
    gradients = [array.grad for array in (*inputs, stage.colors, stage.backgrounds)]
    return [array.to_numpy() for array in (*outputs, *gradients, stage.means2d_abs)]


@pytest.mark.parametrize("depth", ["none", "accumulated", "expected"])
def test_threads_by_tile_and_by_pixel_agree(depth):
    for by_tile, by_pixel in zip(evaluate("tile", depth), evaluate("pixel", depth), strict=True):
        np.testing.assert_allclose(by_pixel, by_tile, rtol=0, atol=1e-11 * np.abs(by_tile).max())


def test_gradients_are_added_to_what_is_there():
    projection, stage = make_stages(numpy_scene(), threads="tile")
    project(projection)
    composite(stage)
    stage.image.grad.fill(1.0)
    composite_grad(stage)
    project_grad(projection)
    once = projection.means.grad.to_numpy(), stage.colors.grad.to_numpy()
    composite_grad(stage)  # means2d.grad is now twice, means.grad thrice
    project_grad(projection)
    np.testing.assert_allclose(stage.colors.grad.to_numpy(), 2 * once[1], rtol=1e-12)
    np.testing.assert_allclose(projection.means.grad.to_numpy(), 3 * once[0], rtol=1e-10, atol=1e-12)


@ti.kernel
def _squares(image: ti.template(), loss: ti.template()):
    for index in ti.grouped(image):
        loss[None] += image[index] ** 2


def test_under_a_tape_without_torch():
    """Quaternions to pixels under one tape; the derivative along a random direction by central differences."""
    scene, rng = numpy_scene(), np.random.default_rng(1)
    quats, scales = rng.normal(size=(N, 4)), rng.uniform(0.1, 0.4, size=(N, 3))
    image, loss = (
        ti.field(float, (CAMERAS, HEIGHT, WIDTH, CHANNELS), needs_grad=True),
        ti.field(float, (), needs_grad=True),
    )

    def run(scales):
        shapes = Covariance(N)
        shapes.quats.from_numpy(quats)
        shapes.scales.from_numpy(scales)
        projection, stage = make_stages(scene, None)
        with ti.ad.Tape(loss, clear_gradients=True):
            covariance(shapes)
            link(shapes.covars, projection.covars)
            project(projection)
            composite(stage)
            copy_to_field(stage.image, image)
            _squares(image, loss)
        return loss[None], shapes.scales.grad.to_numpy()

    direction = rng.normal(size=scales.shape)
    h = 1e-7
    difference = (run(scales + h * direction)[0] - run(scales - h * direction)[0]) / (2 * h)
    assert abs(difference) > 1  # the image depends on the scales
    assert difference == pytest.approx((run(scales)[1] * direction).sum(), rel=1e-5)


@ti.kernel
def _spread_all(order: ti.types.ndarray(), tiles: ti.i32):
    for i in range(tiles):
        order[i] = spread_tiles(i, tiles)


@pytest.mark.parametrize("tiles", [1, 2, 3, 4, 5, 7, 12, 15, 16, 17, 99, 100, 101, 3600])
def test_threads_get_every_tile_once(tiles):
    order = ti.ndarray(ti.i32, tiles)
    _spread_all(order, tiles)
    assert sorted(order.to_numpy().tolist()) == list(range(tiles))


def test_arrays_of_their_own():
    stage = Compositing(1, 0, 3, 5, 4)
    stage.backgrounds.from_numpy(np.array([[0.1, 0.2, 0.3]]))
    composite(stage)
    np.testing.assert_allclose(stage.image.to_numpy(), np.broadcast_to([0.1, 0.2, 0.3], (1, 4, 5, 3)))
