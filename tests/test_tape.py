"""Solver, upsampler and rasterizer in pure Taichi under one ``ti.ad.Tape``, equal to the torch path."""

import numpy as np
import pytest
import taichi as ti
import torch

from kernels.arrays import from_numpy, real_array, real_dtype
from kernels.tape import copy_to_field, link
from mpm.constants import GRAVITY, make_constants
from mpm.frames import export_frame
from mpm.solver import Solver, run
from mpm.state import INTERNAL
from render.compositing import Compositing, composite
from render.projection import Projection, ProjectionSettings, project
from tests import pipeline
from upsample.gaussians import Gaussians, deform_gaussians


def _make_rollout(solver, inputs):
    n = len(inputs["x"])
    rollout = solver.rollout(n=n, steps=pipeline.STEPS, intervals=pipeline.INTERVALS)
    state = np.zeros((INTERNAL, n))
    state[:3] = inputs["x"].T
    state[15:24] = state[24:33] = np.eye(3).reshape(9, 1)
    rollout.initial.from_numpy(state.reshape(-1))
    rollout.controls.from_numpy(inputs["dF"].numpy())
    volume = pipeline.CONFIG.grid.spacing**3 / 8
    mass = volume * pipeline.CONFIG.material.density
    material = [np.full(n, mass), np.full(n, volume), np.full(n, float(inputs["lam"])), inputs["mu"].numpy()]
    rollout.material.from_numpy(np.concatenate(material))
    constants = make_constants(pipeline.CONFIG, pipeline.CONFIG.dt)
    constants[GRAVITY : GRAVITY + 3] = inputs["gravity"].tolist()
    rollout.constants.from_numpy(constants)
    return rollout


def _make_gaussians(surface, n):
    g = Gaussians(n, len(surface.index))
    g.index.from_numpy(surface.index.numpy().astype(np.int32))
    g.rest_normals.from_numpy(surface.rest_normals.numpy())
    g.sigma.fill(pipeline.UPSAMPLE.sigma0 * pipeline.SPACING)
    g.thickness.fill(pipeline.UPSAMPLE.thickness)
    return g


def _make_renderer(m):
    viewmats, Ks = pipeline.make_cameras()
    projection = Projection(2, m, ProjectionSettings(pipeline.WIDTH, pipeline.HEIGHT))
    projection.viewmats.from_numpy(viewmats.numpy())
    projection.Ks.from_numpy(Ks.numpy())
    projection.opacities.fill(pipeline.UPSAMPLE.opacity)
    return projection, Compositing(2, m, 3, pipeline.WIDTH, pipeline.HEIGHT, projection=projection, depth="accumulated")


@ti.kernel
def _colors_of_normals(normals: ti.types.ndarray(), colors: ti.types.ndarray()):
    for j, k in normals:
        colors[j, k] = 0.5 + 0.5 * normals[j, k]


@ti.kernel
def _add_normals_grad(colors_bar: ti.types.ndarray(), normals_bar: ti.types.ndarray()):
    for j, k in normals_bar:
        normals_bar[j, k] += 0.5 * colors_bar[j, k]


@ti.ad.grad_replaced
def _shade(g, compositing):
    _colors_of_normals(g.normals, compositing.colors)


@ti.ad.grad_for(_shade)
def _shade_grad(g, compositing):
    _add_normals_grad(compositing.colors.grad, g.normals.grad)


@ti.kernel
def _weigh(image: ti.template(), weights: ti.types.ndarray(), loss: ti.template()):
    for index in ti.grouped(image):
        loss[None] += image[index] * weights[index]


def test_the_tape_equals_torch():
    reference_loss, reference = pipeline.gradients()
    inputs = pipeline.make_inputs()
    surface, n = pipeline.detect(inputs["x"]), len(inputs["x"])
    solver = Solver(pipeline.CONFIG)
    rollout, gaussians = _make_rollout(solver, inputs), _make_gaussians(surface, n)
    projection, compositing = _make_renderer(gaussians.m)
    outputs = (compositing.image, compositing.alphas)
    fields = [ti.field(real_dtype(), array.shape, needs_grad=True) for array in outputs]
    both = pipeline.pattern(torch.zeros(2, pipeline.HEIGHT, pipeline.WIDTH, 4, dtype=torch.float64))
    alpha = pipeline.pattern(torch.zeros(2, pipeline.HEIGHT, pipeline.WIDTH, 1, dtype=torch.float64))
    weights = [from_numpy(w.numpy()) for w in (both, alpha)]
    loss = ti.field(real_dtype(), (), needs_grad=True)
    x, f_total = real_array(n, 3, needs_grad=True), real_array(n, 3, 3, needs_grad=True)

    with ti.ad.Tape(loss):
        run(solver, rollout)
        export_frame(rollout, 0, x, f_total)
        link(x, gaussians.x)
        link(f_total, gaussians.F)
        deform_gaussians(gaussians)
        _shade(gaussians, compositing)
        link(gaussians.means, projection.means)
        link(gaussians.covars, projection.covars)
        project(projection)
        composite(compositing)
        for array, field, weight in zip(outputs, fields, weights, strict=True):
            copy_to_field(array, field)
            _weigh(field, weight, loss)

    assert loss[None] == pytest.approx(reference_loss, rel=1e-12)
    material = rollout.material.grad.to_numpy().reshape(4, n)
    mine = {
        "dF": rollout.controls.grad.to_numpy(),
        "x": rollout.initial.grad.to_numpy().reshape(INTERNAL, n)[:3].T,
        "lam": material[2].sum(),
        "mu": material[3],
        "gravity": rollout.constants.grad.to_numpy()[GRAVITY : GRAVITY + 3],
    }
    for name, gradient in mine.items():
        torch.testing.assert_close(torch.as_tensor(gradient), reference[name], rtol=1e-9, atol=1e-11)
