"""The step and its adjoint against the plain torch twin and its autograd."""

import pytest
import torch

from bridge.diffmpm import DiffMPM
from tests.mpm.scenes import make_cloud, make_config
from tests.reference import mpm as twin

STATE = ("x", "v", "C", "F", "F_total")
STABILISED = {"f_smoothing": 0.3, "j_min": 0.93, "bulk_viscosity": 0.4, "drag": 0.7}
SOLID = {"youngs_modulus": 40.0, "poissons_ratio": 0.3}
NEO_HOOKEAN = {**SOLID, "law": "neo_hookean"}
PLASTIC = {
    "von_mises": {"yield_stress": 4.0, "hardening": 3.0},
    "drucker_prager": {"friction_angle": 30.0, "cohesion": 1.0},
    "herschel_bulkley": {"yield_stress": 2.0, "consistency": 3.0, "exponent": 0.6},
}
BOX = {"x_min": "sticky", "x_max": "slip", "y_min": "separate", "y_max": "separate", "z_min": "slip"}
CASES = {
    "quadratic": {},
    "cubic": {"kernel": "cubic"},
    "neo-hookean": {"material": NEO_HOOKEAN},
    "hencky": {"material": {**NEO_HOOKEAN, "law": "hencky"}},
    **{law: {"material": {**SOLID, "law": law, **numbers}} for law, numbers in PLASTIC.items()},
    "fluid": {"material": {"law": "fluid", "bulk_modulus": 30.0, "dynamic_viscosity": 1.5}},
    "stabilised von_mises": {"material": {**SOLID, "law": "von_mises", **PLASTIC["von_mises"]}, **STABILISED},
    "stabilised": STABILISED,
    "stabilised cubic neo-hookean": {"kernel": "cubic", "material": NEO_HOOKEAN, **STABILISED},
    **{
        wall: {"boundary": {**dict.fromkeys(("x_min", "y_min", "z_max"), wall), "thickness": 5}}
        for wall in ("sticky", "slip", "separate")
    },
    "mixed walls": {"boundary": {**BOX, "thickness": 5}},
}


@pytest.mark.parametrize("case", CASES)
def test_steps_and_gradients_equal_the_twin(case):
    config = make_config(**CASES[case])
    inputs = _inputs(config)
    seeds = {key: torch.randn_like(inputs["F" if key == "F_total" else key]) for key in STATE}
    for value in inputs.values():
        value.requires_grad_()

    ours = _ours(config, inputs)
    theirs = _theirs(config, inputs)
    gradients = []
    for states in (ours, theirs):
        loss = sum((seeds[key] * states[key]).sum() for key in STATE)
        gradients.append(torch.autograd.grad(loss, list(inputs.values()), allow_unused=True, materialize_grads=True))
    for key in STATE:
        torch.testing.assert_close(ours[key], theirs[key], rtol=1e-10, atol=1e-12)
    for name, mine, other in zip(inputs, *gradients, strict=True):
        assert float((mine - other).norm()) <= 1e-9 * max(1e-3, float(other.norm())), name


def _inputs(config):
    cloud = make_cloud()
    n = len(cloud["x"])
    inputs = {
        **cloud,
        "dF": 0.1 * torch.randn(2, n, 3, 3, dtype=torch.float64),
        "mass": 0.05 + 0.1 * torch.rand(n, dtype=torch.float64),
        "volume": 0.02 + 0.02 * torch.rand(n, dtype=torch.float64),
        "gravity": torch.tensor([0.3, -9.8, 0.7], dtype=torch.float64),
    }
    for name, value in config.material.parameters.items():
        inputs[name] = value * (0.8 + 0.2 * torch.rand(n, dtype=torch.float64))
    return inputs


def _ours(config, inputs):
    parameters = {name: inputs[name] for name in config.material.parameters}
    lame = {name: parameters.pop(name) for name in ("lam", "mu") if name in parameters}
    state = DiffMPM(config, **lame)(
        *(inputs[key] for key in ("x", "v", "C", "F")),
        dF=inputs["dF"],
        steps=4,
        gravity=inputs["gravity"],
        mass=inputs["mass"],
        volume=inputs["volume"],
        params=parameters,
    )
    return {key: getattr(state, key) for key in STATE}


def _theirs(config, inputs):
    state = {key: inputs[key] for key in ("x", "v", "C", "F")}
    state["F_total"] = torch.eye(3, dtype=torch.float64).expand_as(inputs["F"])
    state["internal"] = inputs["x"].new_zeros(len(inputs["x"]), 1)
    parameters = {name: inputs[name] for name in config.material.parameters}
    for step in range(4):
        dF = inputs["dF"][step // 2] if step % 2 == 0 else None
        state = twin.step(state, dF, inputs["mass"], inputs["volume"], parameters, inputs["gravity"], config)
    return state
