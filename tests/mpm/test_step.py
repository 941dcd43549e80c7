"""The step and its adjoint against the plain torch twin and its autograd."""

import pytest
import torch

from bridge.diffmpm import DiffMPM
from tests.mpm.scenes import make_cloud, make_config
from tests.reference import mpm as twin

STATE = ("x", "v", "C", "F", "F_total")
STABILISED = {"f_smoothing": 0.3, "j_min": 0.93, "bulk_viscosity": 0.4, "drag": 0.7}
NEO_HOOKEAN = {"law": "neo_hookean", "youngs_modulus": 40.0, "poissons_ratio": 0.3}
BOX = {"x_min": "sticky", "x_max": "slip", "y_min": "separate", "y_max": "separate", "z_min": "slip"}
CASES = {
    "quadratic": {},
    "cubic": {"kernel": "cubic"},
    "neo-hookean": {"material": NEO_HOOKEAN},
    "hencky": {"material": {**NEO_HOOKEAN, "law": "hencky"}},
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
    inputs = _inputs()
    seeds = {key: torch.randn_like(inputs["F" if key == "F_total" else key]) for key in STATE}
    for value in inputs.values():
        value.requires_grad_()

    ours = _ours(config, inputs)
    theirs = _theirs(config, inputs)
    gradients = []
    for states in (ours, theirs):
        loss = sum((seeds[key] * states[key]).sum() for key in STATE)
        gradients.append(torch.autograd.grad(loss, list(inputs.values())))
    for key in STATE:
        torch.testing.assert_close(ours[key], theirs[key], rtol=1e-10, atol=1e-12)
    for name, mine, other in zip(inputs, *gradients, strict=True):
        assert float((mine - other).norm()) <= 1e-9 * max(1e-3, float(other.norm())), name


def _inputs():
    cloud = make_cloud()
    n = len(cloud["x"])
    return {
        **cloud,
        "dF": 0.1 * torch.randn(2, n, 3, 3, dtype=torch.float64),
        "mass": 0.05 + 0.1 * torch.rand(n, dtype=torch.float64),
        "volume": 0.02 + 0.02 * torch.rand(n, dtype=torch.float64),
        "lam": 10 + 20 * torch.rand(n, dtype=torch.float64),
        "mu": torch.tensor(15.0, dtype=torch.float64),
        "gravity": torch.tensor([0.3, -9.8, 0.7], dtype=torch.float64),
    }


def _ours(config, inputs):
    sim = DiffMPM(config, lam=inputs["lam"], mu=inputs["mu"])
    state = sim(
        *(inputs[key] for key in ("x", "v", "C", "F")),
        dF=inputs["dF"],
        steps=4,
        gravity=inputs["gravity"],
        mass=inputs["mass"],
        volume=inputs["volume"],
    )
    return {key: getattr(state, key) for key in STATE}


def _theirs(config, inputs):
    state = {key: inputs[key] for key in ("x", "v", "C", "F")}
    state["F_total"] = torch.eye(3, dtype=torch.float64).expand_as(inputs["F"])
    parameters = [inputs[key] for key in ("mass", "volume", "lam", "mu", "gravity")]
    for step in range(4):
        dF = inputs["dF"][step // 2] if step % 2 == 0 else None
        state = twin.step(state, dF, *parameters, config)
    return state
