"""What each particle is made of: mass, volume, law and parameters, given as numbers, per material or per particle."""

import torch
from torch import Tensor

from bridge.checks import expect_shape
from configs.errors import InputError
from configs.mpm import MPMConfig

RANGES = {
    "mass": (0.0, False, float("inf")),
    "volume": (0.0, False, float("inf")),
    "mu": (0.0, True, float("inf")),
    "yield_stress": (0.0, True, float("inf")),
    "hardening": (0.0, True, float("inf")),
    "friction_angle": (0.0, True, 90.0),
    "cohesion": (0.0, True, float("inf")),
    "consistency": (0.0, True, float("inf")),
    "exponent": (0.0, True, 1.0),
    "bulk_modulus": (0.0, True, float("inf")),
    "gamma": (0.0, True, float("inf")),
    "dynamic_viscosity": (0.0, True, float("inf")),
}
"""Smallest value, whether it is allowed itself, and largest value of the per-particle numbers; 0 is what particles of
other laws have."""


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


def check_ranges(rows: dict[str, Tensor]) -> None:
    """Raise for per-particle numbers that are not finite or outside their physical range."""
    for name in ("volume", *rows):  # first, for the mass may follow from it
        low, included, high = RANGES.get(name, (-float("inf"), True, float("inf")))
        v = rows[name].detach()
        wrong = ~(((v >= low) if included else (v > low)) & (v <= high) & torch.isfinite(v))
        if bool(wrong.any()):
            first = int(wrong.nonzero()[0])
            text = f"{'at least' if included else 'above'} {low:g}" if low > -float("inf") else "finite"
            text += f", at most {high:g}" if high < float("inf") else ""
            where = f"{float(v[first]):g} for particle {first} and {int(wrong.sum())} in all"
            raise InputError(f"DiffMPM: {name} is {where}; expected {text}")
