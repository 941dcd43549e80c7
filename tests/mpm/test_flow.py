"""Return maps: on the yield surface afterwards, idempotent, volume kept, limits of the rate."""

import math

import pytest
import taichi as ti
import torch

from kernels.linalg import load_mat3, store_mat3
from mpm.laws import LAWS

LAM, MU, DT = 30.0, 20.0, 0.01
EYE = torch.eye(3, dtype=torch.float64)
RADIUS = math.sqrt(2 / 3)


def _flow(law_name, strain, internal=None, **values):
    """Returned strain [N, 3, 3] and internal variable [N] of the law's own Taichi function."""
    law = LAWS[law_name]
    flow, numbers = law.flow, [{"lam": LAM, "mu": MU, **values}[name] for name in law.parameters]

    @ti.kernel
    def evaluate(strain: ti.types.ndarray(), kept: ti.types.ndarray(), out: ti.types.ndarray()):
        for p in range(strain.shape[0]):
            returned, new = flow(load_mat3(strain, p), ti.Vector([kept[p]]), ti.Vector(numbers), DT)
            store_mat3(out, p, returned)
            kept[p] = new[0]

    kept = torch.zeros(len(strain), dtype=torch.float64) if internal is None else internal.clone()
    out = torch.zeros_like(strain)
    evaluate(strain.contiguous(), kept, out)
    return out, kept


def _strains(n=200, size=0.3):
    m = size * torch.randn(n, 3, 3, dtype=torch.float64)
    return (m + m.mT) / 2


def _parts(strain):
    trace = strain.diagonal(dim1=1, dim2=2).sum(1)
    return trace, (strain - trace[:, None, None] / 3 * EYE).norm(dim=(1, 2))


def test_von_mises():
    strain, values = _strains(), {"yield_stress": 4.0, "hardening": 0.0}
    returned, accumulated = _flow("von_mises", strain, **values)
    (trace, size), (before, trial) = _parts(returned), _parts(strain)
    limit = RADIUS * 4 / (2 * MU)
    torch.testing.assert_close(trace, before, rtol=0, atol=1e-14)
    torch.testing.assert_close(size, trial.clamp_max(limit), rtol=1e-10, atol=0)
    torch.testing.assert_close(accumulated, RADIUS * (trial - size), rtol=1e-10, atol=1e-15)
    assert 0 < int((trial > limit).sum()) < len(strain) or (trial > limit).all()
    torch.testing.assert_close(_flow("von_mises", returned, **values)[0], returned, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(_flow("von_mises", 0 * strain, **values)[0], 0 * strain, rtol=0, atol=0)


def test_hardening_moves_the_yield_surface():
    strain = _strains()
    returned, accumulated = _flow("von_mises", strain, yield_stress=1.0, hardening=5.0)
    stress = 2 * MU * _parts(returned)[1]
    torch.testing.assert_close(stress, RADIUS * (1 + 5 * accumulated), rtol=1e-10, atol=1e-12)
    again, same = _flow("von_mises", returned, accumulated, yield_stress=1.0, hardening=5.0)
    torch.testing.assert_close(again, returned, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(same, accumulated, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("cohesion", [0.0, 2.0])
def test_drucker_prager(cohesion):
    """Everything ends in the cone or at its tip; what was inside stays."""
    values = {"friction_angle": 35.0, "cohesion": cohesion, "volume_correction": 1.0}
    sine = math.sin(math.radians(35))
    alpha = RADIUS * 2 * sine / (3 - sine)
    strain = _strains() - 0.1 * EYE
    returned, gained = _flow("drucker_prager", strain, **values)
    (trace, size), (before, trial) = _parts(returned), _parts(strain)
    bulk = 3 * LAM + 2 * MU
    offset = 3 * cohesion / math.tan(math.radians(35))

    def excess(trace, size):
        return 2 * MU * size + alpha * (bulk * trace - offset)

    inside = excess(before, trial) <= 0
    tip = before >= offset / bulk
    assert inside.any()
    assert tip.any()
    assert (~inside & ~tip).any()
    torch.testing.assert_close(returned[inside], strain[inside], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(
        returned[tip], (offset / bulk / 3) * EYE.expand_as(returned[tip]), rtol=1e-10, atol=1e-14
    )
    sheared = ~inside & ~tip
    assert float(excess(trace, size)[sheared].abs().max()) <= 1e-10 * bulk
    torch.testing.assert_close(trace[sheared], before[sheared], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(gained, (before - trace).clamp_min(0), rtol=1e-10, atol=1e-14)
    again, _ = _flow("drucker_prager", returned, 0 * gained, **values)
    torch.testing.assert_close(again, returned, rtol=1e-10, atol=1e-12)


def test_volume_that_sand_gained_is_given_back():
    """Opened by 6 %, then compressed by 6 %: with the correction there is no stress, without it all of it."""
    opened, closed = 0.02 * EYE[None], -0.02 * EYE[None]
    for correction, expected in ((1.0, 0.0), (0.0, -0.06)):
        values = {"friction_angle": 35.0, "cohesion": 0.0, "volume_correction": correction}
        _, gained = _flow("drucker_prager", opened, **values)
        returned, _ = _flow("drucker_prager", closed, gained, **values)
        assert float(_parts(returned)[0]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("exponent", [1.0, 0.5, 0.2])
def test_herschel_bulkley(exponent):
    """The excess over the yield stress is η (rate)ⁿ with the rate of this very step."""
    strain = _strains()
    values = {"yield_stress": 1.5, "consistency": 0.7, "exponent": exponent}
    returned, _ = _flow("herschel_bulkley", strain, **values)
    size, trial = _parts(returned)[1], _parts(strain)[1]
    rate = (trial - size) / DT
    excess = 2 * MU * size - RADIUS * 1.5
    flowing = rate > 0
    torch.testing.assert_close(excess[flowing], 0.7 * rate[flowing] ** exponent, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(returned[~flowing], strain[~flowing], rtol=0, atol=0)


def test_herschel_bulkleys_limits():
    """Without viscosity it is von Mises's plastic, with a great one it is elastic."""
    strain = _strains()
    plastic = _flow("von_mises", strain, yield_stress=1.5, hardening=0.0)[0]
    thin = _flow("herschel_bulkley", strain, yield_stress=1.5, consistency=1e-9, exponent=1.0)[0]
    thick = _flow("herschel_bulkley", strain, yield_stress=1.5, consistency=1e9, exponent=1.0)[0]
    torch.testing.assert_close(thin, plastic, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(thick, strain, rtol=1e-6, atol=1e-8)
