"""The stress that the viewer shows is the one that the simulator exerts."""

import pytest
import torch

import bridge
from bridge.stress import kirchhoff_stress
from configs.mpm import MPMConfig
from experiments.verification.constitutive import weighed

pytestmark = pytest.mark.runtime("cpu", "float64")


@pytest.mark.parametrize("law", ["neo_hookean", "fixed_corotated", "fluid"])
def test_equals_what_a_lone_particle_feels(law):
    F = torch.eye(3, dtype=torch.float64) + 0.2 * torch.rand(5, 3, 3, dtype=torch.float64)
    C = torch.randn(5, 3, 3, dtype=torch.float64)
    extra = {"dynamic_viscosity": 3.0} if law == "fluid" else {}
    config = MPMConfig.model_validate({"material": {"law": law, **extra}})
    x = torch.rand(5, 3, dtype=torch.float64)
    state = bridge.MPMState(x, torch.zeros_like(x), C, F, F)
    torch.testing.assert_close(
        kirchhoff_stress(bridge.DiffMPM(config), state), weighed(config.material, F, C), rtol=1e-8, atol=1e-6
    )


def test_each_particle_has_the_stress_of_its_material():
    config = MPMConfig.model_validate({"materials": [{"law": "neo_hookean"}, {"law": "hencky", "density": 10.0}]})
    F = torch.diag(torch.tensor([1.2, 0.9, 1.0], dtype=torch.float64)).expand(2, 3, 3)
    x = torch.rand(2, 3, dtype=torch.float64)
    state = bridge.MPMState(x, torch.zeros_like(x), torch.zeros_like(F), F, F)
    tau = kirchhoff_stress(bridge.DiffMPM(config), state, torch.tensor([0, 1]))
    for p, material in enumerate(config.materials):
        torch.testing.assert_close(tau[p], weighed(material, F[:1])[0], rtol=1e-8, atol=1e-6)
