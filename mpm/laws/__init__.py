"""Constitutive laws by name, as configs name them."""

from configs.errors import InputError
from mpm.laws.drucker_prager import DRUCKER_PRAGER
from mpm.laws.fixed_corotated import FIXED_COROTATED
from mpm.laws.fluid import FLUID
from mpm.laws.hencky import HENCKY
from mpm.laws.herschel_bulkley import HERSCHEL_BULKLEY
from mpm.laws.law import Law
from mpm.laws.neo_hookean import NEO_HOOKEAN
from mpm.laws.von_mises import VON_MISES

LAWS: dict[str, Law] = {}
"""Name to law."""


def register_law(law: Law) -> Law:
    """Make a law known by its name, for ``MPMConfig(material=…)`` whose section has that ``law``."""
    if not law.parameters or len(set(law.parameters)) < len(law.parameters):
        raise InputError(
            f"register_law: {law.name} has parameters {law.parameters}; expected distinct names, at least one"
        )
    LAWS[law.name] = law
    return law


for _law in (FIXED_COROTATED, NEO_HOOKEAN, HENCKY, VON_MISES, DRUCKER_PRAGER, HERSCHEL_BULKLEY, FLUID):
    register_law(_law)
