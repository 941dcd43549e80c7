"""Rollouts, mass loss and exact adjoint against data of an independent double-precision program."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bridge.diffmpm import DiffMPM
from bridge.mass_matching import mass_matching_loss, rasterize_particle_mass
from configs.mpm import MPMConfig

DATA = Path(__file__).parents[1] / "data"
STATE = ("x", "v", "C", "F")


def _case(name, dtype):
    data = np.load(DATA / f"mpm_{name}.npz")
    values = {key: torch.tensor(data[key]) for key in data}
    values = {key: value.to(dtype) if value.is_floating_point() else value for key, value in values.items()}
    config = MPMConfig(
        grid={
            "origin": data["in/origin"].tolist(),
            "spacing": float(data["in/spacing"]),
            "size": [int(s) for s in data["in/size"]],
        },
        kernel="cubic",
        **{key: float(data[f"in/{key}"]) for key in ("dt", "drag", "f_smoothing", "j_min", "bulk_viscosity")},
    )
    return values, config


def _simulate(values, config, inputs, record_every=None):
    sim = DiffMPM(config, lam=values["in/lam"], mu=values["in/mu"])
    return sim(
        *(inputs[key] for key in STATE),
        dF=inputs["dF"],
        steps=int(values["in/steps"]),
        gravity=values["in/gravity"],
        mass=values["in/mass"],
        volume=values["in/volume"],
        record_every=record_every,
    )


def _error(value, reference):
    return float((value.detach() - reference).norm() / reference.norm())


def _check(name, dtype, state_bound, gradient_bound):
    values, config = _case(name, dtype)
    inputs = {key: values[f"in/{key}"].clone().requires_grad_() for key in (*STATE, "dF")}
    state = _simulate(values, config, inputs, record_every=1)
    for key in STATE:
        assert _error(getattr(state.frames[0], key), values[f"after1/{key}"]) <= state_bound, key
        assert _error(getattr(state, key), values[f"afterT/{key}"]) <= state_bound, key
    seeded = sum((values[f"seed/{key}"] * getattr(state, key)).sum() for key in STATE)
    loss = mass_matching_loss(state.x, values["in/mass"], values["target_mass"], config)
    assert float(loss.detach()) == pytest.approx(float(values["mass_loss"]), rel=state_bound)
    names = {"x": "x0", "v": "v0", "C": "C0", "F": "F0", "dF": "dF"}
    for objective, kind in ((seeded, "grad_seeded"), (loss, "grad_loss")):
        gradients = torch.autograd.grad(objective, list(inputs.values()), retain_graph=True)
        for key, gradient in zip(inputs, gradients, strict=True):
            assert _error(gradient, values[f"{kind}/{names[key]}"]) <= gradient_bound, (kind, key)


@pytest.mark.parametrize("name", ["default", "plain"])
def test_float64(name):
    _check(name, torch.float64, 1e-9, 1e-7)


@pytest.mark.parametrize("name", ["default", "plain"])
@pytest.mark.runtime("cpu", "float32")
def test_float32(name):
    _check(name, torch.float32, 1e-5, 1e-3)


@pytest.mark.runtime("vulkan", "float32")
def test_vulkan():
    _check("default", torch.float32, 1e-5, 1e-3)


@pytest.mark.parametrize("name", ["default", "plain"])
@pytest.mark.runtime("cuda", "float32")
def test_cuda(name):
    _check(name, torch.float32, 1e-5, 1e-3)


@pytest.mark.parametrize("name", ["default", "plain"])
def test_nodal_mass(name):
    values, config = _case(name, torch.float64)
    mass = rasterize_particle_mass(values["in/x"], values["in/mass"], config)
    assert _error(mass, values["mass_grid"]) <= 1e-12
