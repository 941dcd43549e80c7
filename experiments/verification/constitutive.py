"""Every law against closed forms, its stress weighed through the public interface.

A lone particle that meets no other feels its own stress as a change of its affine velocity, C' = C − k Δt V τ / m, with
k = 4 / h² (docs/method.md 3.2 and 3.4). A light one is thus a balance for τ(F); one as heavy as can be keeps its C
whatever the stress, and so is driven along a strain path, plastic flow included.
"""

import math

import torch
from torch import Tensor

from bridge.diffmpm import DiffMPM, MPMState
from configs.material import (
    DruckerPragerConfig,
    FixedCorotatedConfig,
    FluidConfig,
    HenckyConfig,
    HerschelBulkleyConfig,
    MaterialConfig,
    NeoHookeanConfig,
    VonMisesConfig,
)
from configs.mpm import GridConfig, MPMConfig
from experiments.verification.case import Case, Check, Outcome, vanishing

ELASTIC = {"youngs_modulus": 1e5, "poissons_ratio": 0.3, "density": 1000.0}
LAM, MU = FixedCorotatedConfig(**ELASTIC).lam, FixedCorotatedConfig(**ELASTIC).mu
STRETCHES, SHEARS = (0.5, 0.8, 1.0, 1.25, 2.0), (-1.0, -0.1, 0.0, 0.3, 2.0)
HEAVY = 1e12
EXACT = 1e-10
TEXT = r"""The Kirchhoff stress $\tau$ that `DiffMPM` exerts, read from a lone particle's affine velocity, against
closed forms. Confined: $F = \mathrm{diag}(l, 1, 1)$, $l$ from 0.5 to 2. Uniaxial:
$F = \mathrm{diag}(l, l^{-\nu}, l^{-\nu})$, where Hencky's law has free sides and $\tau_{11} = E \ln l$: E in Pa is E
in Pa. Shear: $F_{12} = \gamma$ from −1 to 2. With $c = 2 / \sqrt{4 + \gamma^2}$:

| law | confined $\tau_{11}$, $\tau_{22}$ | shear $\tau_{12}$ |
| --- | --- | --- |
| fixed corotated | $(2\mu + \lambda)(l - 1)\, l$, $\lambda (l - 1)\, l$ | $2 \mu \gamma (1 - c / 2)$ |
| neo-Hookean | $\mu (l^2 - 1) + \lambda \ln l$, $\lambda \ln l$ | $\mu \gamma$ |
| Hencky | $(2 \mu + \lambda) \ln l$, $\lambda \ln l$ | $2 \mu c\, \mathrm{arsinh}(\gamma / 2)$ |
| fluid | $-\frac{K}{\gamma_T} (l^{-\gamma_T} - 1)\, l$, the same | $\eta\, \dot\gamma$ |

Plastic laws are driven: von Mises and Herschel–Bulkley in shear at rate $\dot\gamma$ until the stress is steady,
where $\sqrt{3/2}\, \lVert \mathrm{dev}\,\tau \rVert = \sigma_Y$ (von Mises) or
$\sigma_Y + \sqrt{3/2}\, \eta\, (\dot\gamma / \sqrt 2)^n$ (Herschel–Bulkley); Drucker–Prager in confined compression,
where the ratio of lateral and axial stress is Rankine's $(1 - \sin\varphi) / (1 + \sin\varphi)$ (the law's cone meets
Mohr and Coulomb's in triaxial compression), and in expansion, where the stress is 0. Errors are relative to the
largest stress of the path, or to the expected number."""


def lone(material: MaterialConfig, n: int, dt: float) -> tuple[DiffMPM, Tensor]:
    """A simulator and n places in it, too far from each other to meet."""
    config = MPMConfig(
        grid=GridConfig(origin=(-4.0, -4.0, -4.0), spacing=1.0, size=(5 * n + 8, 8, 8)), dt=dt, material=material
    )
    x = torch.zeros(n, 3, dtype=torch.float64)
    x[:, 0] = 5.0 * torch.arange(n)
    return DiffMPM(config), x - 0.13


def weighed(material: MaterialConfig, F: Tensor, C: Tensor | None = None, internal: Tensor | None = None) -> Tensor:
    """τ(F) [n, 3, 3], with affine velocity C [n, 3, 3] for laws with viscosity."""
    dt, volume, mass = 1e-3, 1.0, 1e3
    sim, x = lone(material, len(F), dt)
    C = torch.zeros_like(F) if C is None else C
    with torch.no_grad():
        state = sim(x, C=C, F=F, steps=1, mass=mass, volume=volume, internal=internal)
    return (C - state.C) * mass / (4.0 * dt * volume)


def driven(material: MaterialConfig, C: Tensor, steps: int, dt: float) -> MPMState:
    """The state of heavy particles whose velocity gradient is C [n, 3, 3] in every step."""
    sim, x = lone(material, len(C), dt)
    with torch.no_grad():
        return sim(x, C=C, steps=steps, mass=HEAVY * torch.ones(len(C), dtype=torch.float64), volume=1e-3)


def confined(stretch: Tensor, power: float = 0.0) -> Tensor:
    """diag(l, l^power, l^power), [n, 3, 3]."""
    return torch.diag_embed(torch.stack([stretch, stretch**power, stretch**power], dim=1))


def sheared(amount: Tensor) -> Tensor:
    """I + γ e₁ e₂ᵀ, [n, 3, 3]."""
    F = torch.eye(3, dtype=torch.float64).repeat(len(amount), 1, 1)
    F[:, 0, 1] = amount
    return F


def _deviation(measured: Tensor, exact: Tensor) -> float:
    return float((measured - exact).abs().max() / exact.abs().max())


def elastic_checks() -> list[Check]:
    """The reversible laws."""
    strain, g = torch.tensor(STRETCHES, dtype=torch.float64), torch.tensor(SHEARS, dtype=torch.float64)
    log, cosine = strain.log(), 2 / (4 + g**2).sqrt()
    forms = {
        FixedCorotatedConfig: (
            (2 * MU + LAM) * (strain - 1) * strain,
            LAM * (strain - 1) * strain,
            2 * MU * g * (1 - cosine / 2),
        ),
        NeoHookeanConfig: (MU * (strain**2 - 1) + LAM * log, LAM * log, MU * g),
        HenckyConfig: ((2 * MU + LAM) * log, LAM * log, 2 * MU * cosine * torch.asinh(g / 2)),
    }
    checks = []
    for section, (axial, lateral, shear) in forms.items():
        material = section(**ELASTIC)
        law = material.law
        tau = weighed(material, confined(strain))
        checks.append(vanishing(f"{law}, confined, axial", _deviation(tau[:, 0, 0], axial), EXACT))
        checks.append(vanishing(f"{law}, confined, lateral", _deviation(tau[:, 2, 2], lateral), EXACT))
        tau = weighed(material, sheared(g))
        checks.append(vanishing(f"{law}, shear", _deviation(tau[:, 0, 1], shear), EXACT))
    hencky = HenckyConfig(**ELASTIC)
    tau = weighed(hencky, confined(strain, -hencky.poissons_ratio))
    checks.append(vanishing("hencky, uniaxial, E ln l", _deviation(tau[:, 0, 0], hencky.youngs_modulus * log), EXACT))
    free = float(tau[:, 1, 1].abs().max() / tau[:, 0, 0].abs().max())
    return [*checks, vanishing("hencky, uniaxial, free side", free, EXACT)]


def fluid_checks() -> list[Check]:
    """Pressure and viscosity."""
    strain = torch.tensor((0.9, 0.95, 1.0, 1.05), dtype=torch.float64)
    water = FluidConfig(bulk_modulus=1e5, gamma=7.0, density=1000.0, dynamic_viscosity=3.0)
    pressure = water.bulk_modulus / water.gamma * (strain**-water.gamma - 1)
    tau = weighed(water, confined(strain))
    rate = torch.zeros(1, 3, 3, dtype=torch.float64)
    rate[:, 0, 1] = 0.7
    viscous = weighed(water, sheared(torch.zeros(1, dtype=torch.float64)), C=rate)
    return [
        vanishing("fluid, confined, axial", _deviation(tau[:, 0, 0], -pressure * strain), EXACT),
        vanishing("fluid, confined, lateral", _deviation(tau[:, 1, 1], -pressure * strain), EXACT),
        vanishing("fluid, shear at rate 0.7", _deviation(viscous[:, 0, 1], 3.0 * rate[:, 0, 1]), EXACT),
    ]


def shear_flow(material: MaterialConfig, rate: float, amount: float) -> float:
    """√(3/2) ‖dev τ‖ after a simple shear of that amount."""
    C = torch.zeros(1, 3, 3, dtype=torch.float64)
    C[:, 0, 1] = rate
    steps = 400
    end = driven(material, C, steps, amount / rate / steps)
    tau = 2 * MU * _log_strain(end.F)
    deviator = tau - tau.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] / 3 * torch.eye(3, dtype=torch.float64)
    return math.sqrt(1.5) * float(deviator.norm())


def _log_strain(F: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(F @ F.transpose(1, 2))
    return 0.5 * vectors @ torch.diag_embed(values.log()) @ vectors.transpose(1, 2)


def plastic_checks() -> list[Check]:
    """Steady states of the laws with flow."""
    metal = VonMisesConfig(**ELASTIC, yield_stress=500.0)
    foam = HerschelBulkleyConfig(**ELASTIC, yield_stress=500.0, consistency=20.0, exponent=0.5)
    sand = DruckerPragerConfig(**{**ELASTIC, "poissons_ratio": 0.1}, friction_angle=35.0)
    found = shear_flow(metal, 1.0, 0.5)
    checks = [vanishing("von_mises, shear, equivalent stress", abs(found / metal.yield_stress - 1), EXACT)]
    for rate in (0.01, 1.0, 100.0):
        # steady: the plastic rate is the whole deviatoric rate, ‖dev D‖ = γ̇ / √2
        excess = foam.consistency * (rate / math.sqrt(2)) ** foam.exponent
        steady = foam.yield_stress + math.sqrt(1.5) * excess
        found = shear_flow(foam, rate, 0.5)
        checks.append(vanishing(f"herschel_bulkley, shear at rate {rate:g}, stress", abs(found / steady - 1), 1e-4))
    squeeze = torch.zeros(2, 3, 3, dtype=torch.float64)
    squeeze[0, 0, 0], squeeze[1, 0, 0] = -1.0, 1.0
    end = driven(sand, squeeze, 200, 1e-4)
    strain = _log_strain(end.F)
    trace = strain.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
    tau = 2 * sand.mu * strain + sand.lam * trace * torch.eye(3, dtype=torch.float64)
    sine = math.sin(math.radians(sand.friction_angle))
    ratio, rankine = float(tau[0, 1, 1] / tau[0, 0, 0]), (1 - sine) / (1 + sine)
    checks.append(vanishing("drucker_prager, confined, lateral / axial", abs(ratio / rankine - 1), EXACT))
    checks.append(vanishing("drucker_prager, expanded, stress / E", float(tau[1].abs().max()) / 1e5, 1e-12))
    return checks


def run() -> Outcome:
    """All laws."""
    return Outcome([*elastic_checks(), *fluid_checks(), *plastic_checks()])


CASE = Case("constitutive", "Laws against closed forms", TEXT, run)
