"""What each particle is made of: mass, volume, law and parameters, given as numbers, per material or per particle."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from bridge.checks import expect_shape
from configs.errors import InputError
from configs.mpm import MPMConfig
from mpm.laws.law import Law

ROUNDING = 1e-5
"""Of λ and μ in float32, relative."""


class Range(NamedTuple):
    """Physical range of a per-particle number."""

    low: float = 0.0
    low_included: bool = True
    high: float = math.inf
    high_included: bool = True

    def holds(self, v: Tensor) -> Tensor:
        """Which values are finite and inside."""
        above = v >= self.low if self.low_included else v > self.low
        below = v <= self.high if self.high_included else v < self.high
        return above & below & torch.isfinite(v)

    def __str__(self) -> str:
        low = f"{'at least' if self.low_included else 'above'} {self.low:g}"
        high = f"{'at most' if self.high_included else 'below'} {self.high:g}"
        words = ([low] if self.low > -math.inf else []) + ([high] if self.high < math.inf else [])
        return " and ".join(words) or "finite"


ANY = Range(-math.inf)
POSITIVE = Range(low_included=False)
RANGES = {
    "mass": POSITIVE,
    "volume": POSITIVE,
    "mu": Range(),
    "yield_stress": Range(),
    "hardening": Range(),
    "friction_angle": Range(0.0, False, 90.0, False),
    "cohesion": Range(),
    "consistency": POSITIVE,
    "exponent": Range(0.0, False, 1.0),
    "bulk_modulus": Range(),
    "gamma": Range(1.0),
    "dynamic_viscosity": Range(),
}
"""By name; a parameter of a user's own law may be any finite number."""


def default_parameter(config: MPMConfig, name: str) -> Tensor:
    """The configuration's value for each material, [M] or 0-d for one material; 0 where its law has none."""
    values = [material.parameters.get(name, 0.0) for material in config.all_materials]
    return torch.tensor(values if len(values) > 1 else values[0], dtype=torch.float64)


def check_material_id(material_id: Tensor | None, n: int, materials: int) -> None:
    """Raise unless each of ``n`` particles has one of the materials."""
    if material_id is None:
        if materials > 1:
            raise InputError(f"DiffMPM: material_id is missing; mpm.materials has {materials}: expected [N] of them")
        return
    expect_shape("DiffMPM", "material_id", material_id, (n,))
    if material_id.dtype.is_floating_point or material_id.dtype == torch.bool:
        raise InputError(f"DiffMPM: material_id has dtype {material_id.dtype}; expected an integer type")
    low, high = int(material_id.min()), int(material_id.max())
    if low < 0 or high >= materials:
        raise InputError(f"DiffMPM: material_id reaches from {low} to {high}; expected 0 to {materials - 1}")


def per_particle(name: str, value: float | Tensor, x: Tensor, material_id: Tensor | None, materials: int) -> Tensor:
    """A number, 0-d, per-material [M] or per-particle [N] tensor as [N]; gradients sum over what was spread."""
    value = value if isinstance(value, Tensor) else torch.tensor(float(value), dtype=torch.float64)
    n = x.shape[0]
    if value.ndim == 1 and materials > 1 and value.shape[0] == materials and material_id is not None:
        return value.to(x)[material_id.to(x.device).long()]
    if value.ndim > 0:
        expect_shape("DiffMPM", name, value, (n,))
    return value.to(x).expand(n)


def check_ranges(rows: dict[str, Tensor], laws: Sequence[Law], law_of: Tensor) -> None:
    """Raise for per-particle numbers that are not finite or outside their physical range.

    A particle's parameters of other laws than its own, ``laws[law_of[p]]``, are not looked at.
    """
    for name in ("volume", *rows):  # first, for the mass may follow from it
        has = [name in ("mass", "volume") or name in law.parameters for law in laws]
        v, accepted = rows[name].detach(), RANGES.get(name, ANY)
        _expect(name, v, accepted.holds(v), f"expected {accepted}", has, law_of)
    if "lam" in rows and "mu" in rows:
        lam, mu = rows["lam"].detach(), rows["mu"].detach()
        has = [{"lam", "mu"} <= set(law.parameters) for law in laws]
        why = "expected at least -2 mu / 3, a bulk modulus of at least 0"
        _expect("lam", lam, 3 * lam + 2 * mu >= -ROUNDING * mu, why, has, law_of)


def check_elastic(E: Tensor, nu: Tensor) -> None:
    """Raise for Young's moduli that are not above 0, or Poisson's ratios not above -1 and below 0.5."""
    ranges = {"youngs_modulus": POSITIVE, "poissons_ratio": Range(-1.0, False, 0.5, False)}
    for name, value in (("youngs_modulus", E), ("poissons_ratio", nu)):
        v = value.detach().reshape(-1)
        wrong = ~ranges[name].holds(v)
        if bool(wrong.any()):
            first = int(wrong.nonzero()[0])
            where = f" at index {first} and {int(wrong.sum())} in all" if value.ndim else ""
            raise InputError(f"DiffMPM: {name} is {float(v[first]):g}{where}; expected {ranges[name]}")


def _expect(name: str, v: Tensor, right: Tensor, expected: str, has: Sequence[bool], law_of: Tensor) -> None:
    """Raise unless all values [N] are ``right`` whose law ``has`` the parameter."""
    if bool(right.all()):
        return
    wrong = ~right
    if not all(has):
        wrong &= torch.tensor(has).to(v.device)[law_of.long()]
    if bool(wrong.any()):
        first = int(wrong.nonzero()[0])
        where = f"{float(v[first]):g} for particle {first} and {int(wrong.sum())} in all"
        raise InputError(f"DiffMPM: {name} is {where}; {expected}")
