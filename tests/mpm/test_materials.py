"""Several materials in one simulation, parameters given in every form, laws of one's own."""

from typing import Literal

import pytest
import taichi as ti
import torch

from bridge.diffmpm import DiffMPM
from configs.base import Positive
from configs.errors import InputError
from configs.material import MaterialConfig
from configs.mpm import MPMConfig
from kernels.linalg import eye3, frobenius
from mpm.laws import LAWS, register_law
from mpm.laws.law import Law
from tests.directional import directional_error
from tests.mpm.scenes import make_cloud, make_config

SOLID = {"youngs_modulus": 40.0, "poissons_ratio": 0.3, "density": 2.0}
MATERIALS = [
    {"law": "fixed_corotated", **SOLID},
    {"law": "von_mises", **SOLID, "yield_stress": 3.0, "hardening": 2.0},
    {"law": "fluid", "bulk_modulus": 30.0, "dynamic_viscosity": 0.5, "density": 1.0},
    {"law": "drucker_prager", **SOLID, "cohesion": 0.5},
    {"law": "herschel_bulkley", **SOLID, "yield_stress": 2.0, "consistency": 1.0, "exponent": 0.7},
]
FAR = 20.0


@pytest.fixture
def mixed():
    grid = {"origin": (-2.0, -2.1, -1.9), "spacing": 0.5, "size": (10, 11, 170)}
    return MPMConfig(grid=grid, dt=0.01, materials=MATERIALS)


def test_each_body_moves_as_if_alone(mixed):
    """Five clouds of five laws, too far apart to touch, in one rollout and in five."""
    cloud, bodies = make_cloud(), len(MATERIALS)
    n = len(cloud["x"])
    shift = FAR * torch.arange(bodies, dtype=torch.float64).repeat_interleave(n)
    x = cloud["x"].repeat(bodies, 1)
    x[:, 2] += shift
    together = DiffMPM(mixed)(
        x,
        *(cloud[name].repeat(bodies, *([1] * (cloud[name].ndim - 1))) for name in ("v", "C", "F")),
        material_id=torch.arange(bodies).repeat_interleave(n),
        steps=6,
    )
    for body, material in enumerate(MATERIALS):
        alone = DiffMPM(make_config(material=material, dt=0.01))(**cloud, steps=6)
        rows = slice(body * n, (body + 1) * n)
        torch.testing.assert_close(together.F[rows], alone.F, rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(together.v[rows], alone.v, rtol=1e-8, atol=1e-10)


def test_parameters_in_every_form(mixed):
    """A number, per material and per particle: the same rollout, and gradients that add up."""
    cloud = make_cloud()
    n = len(cloud["x"])
    ids = torch.arange(n) % len(MATERIALS)
    table = torch.tensor([0.0, 3.0, 0.0, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    full = table.detach()[ids].requires_grad_()

    def loss(value):
        state = DiffMPM(mixed)(**cloud, material_id=ids, params={"yield_stress": value}, steps=6)
        return (state.x**2).sum() + (state.F**2).sum()

    a, b = loss(table), loss(full)
    assert float(a.detach()) == pytest.approx(float(b.detach()), rel=1e-14)
    by_material, by_particle = torch.autograd.grad(a, table)[0], torch.autograd.grad(b, full)[0]
    assert float(by_material.abs()[[1, 4]].min()) > 0
    torch.testing.assert_close(by_material, torch.zeros_like(table).index_add(0, ids, by_particle), rtol=1e-10, atol=0)


PARAMETERS = ["hardening", "yield_stress", "cohesion", "friction_angle", "consistency", "exponent", "gamma"]


@pytest.mark.parametrize("name", ["x", "v", "F", "lam", "mu", "bulk_modulus", "dynamic_viscosity", *PARAMETERS])
def test_gradients_of_the_mixture(mixed, name):
    """All laws in contact, and in flow, in one rollout."""
    cloud = make_cloud(20)
    ids = torch.arange(20) % len(MATERIALS)
    sim = DiffMPM(mixed)
    inputs = dict(cloud)
    for key in sim.parameter_names:
        inputs[key] = torch.tensor([m.parameters.get(key, 0.0) for m in mixed.all_materials], dtype=torch.float64)

    def objective(x, v, C, F, lam, mu, **params):
        state = DiffMPM(mixed, lam=lam, mu=mu)(x, v, C, F, material_id=ids, params=params, steps=6)
        total = x.new_zeros(())
        for value in (state.x, state.v, state.C, state.F, state.F_total, state.internal):
            seed = torch.sin(torch.arange(value.numel(), dtype=value.dtype)).reshape(value.shape)
            total = total + (seed * value).sum() + 0.5 * (value**2).sum()
        return total

    inputs["C"] = cloud["C"]
    used = torch.tensor([float(name not in m.parameters) for m in mixed.all_materials], dtype=torch.float64)
    if name in sim.parameter_names:  # the numbers of other laws' materials mean nothing
        inputs[name] = inputs[name] + 0.5 * used
    # the share of some parameters is small in the whole: a step that leaves more digits of it
    assert directional_error(objective, inputs, name, step=1e-6 if name in cloud else 1e-4) <= 1e-6


def test_automatic_gradients_equal_those_by_hand():
    """Each hand-written stress adjoint against Taichi's autodiff of the same law."""
    cloud = make_cloud()
    for name in ("fixed_corotated", "neo_hookean", "hencky"):
        gradients = []
        for hand in (True, False):
            law = LAWS[name]
            try:
                if not hand:
                    register_law(Law(name, law.parameters, law.kinematics, law.energy, law.kirchhoff_stress))
                sim = DiffMPM(make_config(material={**SOLID, "law": name}))
            finally:
                register_law(law)
            leaves = {key: value.clone().requires_grad_() for key, value in cloud.items()}
            state = sim(**leaves, steps=4)
            gradients.append(torch.autograd.grad((state.x**2).sum() + (state.F**2).sum(), list(leaves.values())))
        for mine, automatic in zip(*gradients, strict=True):
            torch.testing.assert_close(mine, automatic, rtol=1e-10, atol=1e-12)


class SpringConfig(MaterialConfig):
    """A law of a user's own."""

    law: Literal["spring"] = "spring"
    stiffness: Positive = 10.0

    @property
    def parameters(self):
        return {"stiffness": self.stiffness}

    @property
    def wave_modulus(self):
        return 2 * self.stiffness


@ti.func
def _spring_energy(f, k, parameters):
    e = 0.5 * (f.transpose() @ f - eye3())
    return parameters[0] * frobenius(e, e)


@ti.func
def _spring_stress(f, k, c, parameters):
    e = 0.5 * (f.transpose() @ f - eye3())
    return 2.0 * parameters[0] * (f @ e @ f.transpose())


def test_a_law_of_ones_own_has_its_gradient_for_free():
    register_law(Law("spring", ("stiffness",), "none", _spring_energy, _spring_stress))
    try:
        config = make_config(material=SpringConfig(density=2.0))

        def objective(F, stiffness):
            cloud = make_cloud()
            state = DiffMPM(config)(cloud["x"], F=F, params={"stiffness": stiffness}, steps=5)
            return (state.x**2).sum() + (state.F**2).sum()

        inputs = {"F": make_cloud()["F"], "stiffness": torch.tensor(12.0, dtype=torch.float64)}
        assert directional_error(objective, inputs, "F") <= 1e-6
        assert directional_error(objective, inputs, "stiffness") <= 1e-6
    finally:
        del LAWS["spring"]
    with pytest.raises(InputError, match=r"mpm.material.law is spring; expected one of .*register_law adds one"):
        DiffMPM(config)


def test_material_ids_are_asked_for(mixed):
    with pytest.raises(InputError, match=r"material_id is missing; mpm\.materials has 5"):
        DiffMPM(mixed)(**make_cloud(), steps=1)


def test_a_fluid_has_no_lame_parameters():
    config = make_config(material={"law": "fluid"}, dt=1e-3)
    with pytest.raises(InputError, match="lam is given; the laws in use have bulk_modulus"):
        DiffMPM(config, lam=3.0)
    with pytest.raises(InputError, match="E and nu are given; the laws in use have bulk_modulus"):
        DiffMPM.from_young(config, E=1.0, nu=0.3)


@pytest.mark.parametrize(
    ("law", "name", "value", "accepted"),
    [
        ("drucker_prager", "friction_angle", 0.0, "above 0 and below 90"),
        ("drucker_prager", "cohesion", -1.0, "at least 0"),
        ("von_mises", "yield_stress", -1.0, "at least 0"),
        ("herschel_bulkley", "consistency", 0.0, "above 0"),
        ("herschel_bulkley", "exponent", 1.5, "above 0 and at most 1"),
        ("fluid", "gamma", 0.5, "at least 1"),
        ("fluid", "dynamic_viscosity", float("nan"), "at least 0"),
    ],
)
def test_parameters_outside_their_range(mixed, law, name, value, accepted):
    """Of the particles of the law that has the parameter; the others' rows hold 0."""
    x = make_cloud(10)["x"]
    ids = torch.arange(10) % len(MATERIALS)
    number = [material["law"] for material in MATERIALS].index(law)
    message = rf"{name} is {value:g} for particle {number} and \d in all; expected {accepted}"
    with pytest.raises(InputError, match=message):
        DiffMPM(mixed)(x, material_id=ids, params={name: value}, steps=1)


def test_elastic_parameters_outside_their_range():
    config, x = make_config(), make_cloud()["x"]
    with pytest.raises(InputError, match="lam is -30 for particle 0 and 12 in all; expected at least -2 mu / 3"):
        DiffMPM(config, lam=-30.0, mu=40.0)(x, steps=1)
    DiffMPM(config, lam=-26.0, mu=40.0)(x, steps=1)
    with pytest.raises(InputError, match=r"poissons_ratio is 0\.5; expected above -1 and below 0.5"):
        DiffMPM.from_young(config, E=40.0, nu=0.5)(x, steps=1)
    E = torch.full((12,), 40.0)
    E[3] = -2.0
    with pytest.raises(InputError, match="youngs_modulus is -2 at index 3 and 1 in all; expected above 0"):
        DiffMPM.from_young(config, E=E, nu=0.3)(x, steps=1)


def test_a_law_of_ones_own_limits_the_time_step_of_a_mixture():
    register_law(Law("spring", ("stiffness",), "none", _spring_energy, _spring_stress))
    try:
        stiff = SpringConfig(stiffness=1e4, density=2.0)
        config = make_config(material=MPMConfig().material, materials=[{"law": "fluid", "bulk_modulus": 1.0}, stiff])
        with pytest.raises(InputError, match=r"the largest stable step for this grid and material is 0\.005"):
            DiffMPM(config)(**make_cloud(), material_id=torch.zeros(12, dtype=torch.int64), steps=1)
    finally:
        del LAWS["spring"]
