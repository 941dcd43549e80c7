"""Numbers that act at once on a running simulation: gravity, a control, and those of its materials."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bridge.mpm_material import RANGES, Range
from configs.material import ElasticConfig, MaterialConfig
from configs.mpm import MPMConfig

REACH = 30.0
"""A slider goes from a value divided by this to the value times this."""
HIDDEN = ("lam", "mu", "volume_correction")
LARGEST_POISSON = 0.49
CONTROLS = ("control xx", "control yy", "control zz")
STRONGEST = 0.02
"""End of a control's slider, in entries of the control deformation gradient, added once a frame."""


@dataclass
class Parameter:
    """One number with a slider."""

    name: str
    """As the configuration has it."""
    label: str
    value: float
    low: float
    high: float
    logarithmic: bool
    """Whether the slider shows its decimal logarithm."""
    material: int = 0
    """Place of the material that has it; −1 for none."""

    def __post_init__(self):
        self.start = self.value

    def set(self, value: float) -> bool:
        """Take a value within the slider's ends; whether that changed it."""
        before, self.value = self.value, min(max(value, self.low), self.high)
        return self.value != before


def parameters_of(mpm: MPMConfig) -> list[Parameter]:
    """All sliders of a simulation: gravity's strength, the control's diagonal, then those of each material."""
    strength = float(torch.tensor(mpm.gravity, dtype=torch.float64).norm())
    found = [Parameter("gravity", "gravity", strength, 0.0, 3 * strength, False, -1)] if strength else []
    found += [Parameter(name, name, 0.0, -STRONGEST, STRONGEST, False, -1) for name in CONTROLS]
    several = len(mpm.all_materials) > 1
    for number, material in enumerate(mpm.all_materials):
        values = _adjustable(material)
        prefix = f"{number} {material.law}: " if several else ""
        found += [_parameter(name, prefix + name, value, number) for name, value in values.items()]
    return found


def gravity_of(mpm: MPMConfig, parameters: Sequence[Parameter]) -> Tensor:
    """The acceleration [3] with the strength that the sliders ask for."""
    gravity = torch.tensor(mpm.gravity, dtype=torch.float64)
    strength = [p.value for p in parameters if p.name == "gravity"]
    return gravity * strength[0] / gravity.norm() if strength else gravity


def control_of(parameters: Sequence[Parameter]) -> Tensor:
    """The control deformation gradient [3, 3] that the sliders ask for, of all particles."""
    by_name = {p.name: p.value for p in parameters}
    return torch.diag(torch.tensor([by_name[name] for name in CONTROLS], dtype=torch.float64))


def material_values(mpm: MPMConfig, parameters: Sequence[Parameter]) -> dict[str, Tensor]:
    """Every parameter of the laws in use as the sliders ask for, one value a material; 0-d if there is one."""
    materials = [_changed(material, number, parameters) for number, material in enumerate(mpm.all_materials)]
    names = dict.fromkeys(name for material in materials for name in material.parameters)
    columns = {name: [material.parameters.get(name, 0.0) for material in materials] for name in names}
    return {
        name: torch.tensor(column if len(column) > 1 else column[0], dtype=torch.float64)
        for name, column in columns.items()
    }


def _changed(material: MaterialConfig, number: int, parameters: Sequence[Parameter]) -> MaterialConfig:
    return material.model_copy(update={p.name: p.value for p in parameters if p.material == number})


def _adjustable(material: MaterialConfig) -> dict[str, float]:
    values = {name: value for name, value in material.parameters.items() if name not in HIDDEN}
    if isinstance(material, ElasticConfig):
        young = {"youngs_modulus": material.youngs_modulus, "poissons_ratio": material.poissons_ratio}
        values = {**young, **values}
    return {name: value for name, value in values.items() if name in type(material).model_fields}


def _parameter(name: str, label: str, value: float, material: int) -> Parameter:
    if name == "poissons_ratio":
        return Parameter(name, label, value, min(value, 0.0), max(value, LARGEST_POISSON), False, material)
    smallest, _, largest, _ = RANGES.get(name, Range())
    if value == 0 or largest < float("inf"):
        high = largest if largest < float("inf") else 1.0
        return Parameter(name, label, value, smallest + 1e-3 * (value > 0), high * (1 - 1e-3), False, material)
    return Parameter(name, label, value, value / REACH, value * REACH, True, material)
