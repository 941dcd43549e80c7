"""Constitutive laws by name, as configs name them."""

from mpm.laws.fixed_corotated import FIXED_COROTATED
from mpm.laws.hencky import HENCKY
from mpm.laws.law import Law
from mpm.laws.neo_hookean import NEO_HOOKEAN

LAWS: dict[str, Law] = {law.name: law for law in (FIXED_COROTATED, NEO_HOOKEAN, HENCKY)}
