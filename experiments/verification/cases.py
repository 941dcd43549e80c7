"""All cases in the order of the report."""

from experiments.verification import (
    affine_field,
    bar_vibration,
    cantilever,
    colliding_disks,
    conservation,
    constitutive,
    convergence,
    dam_break,
    free_fall,
    gradient_growth,
    gradients,
    incline,
    rigid_rotation,
    sand_column,
    waves,
)

CASES = (
    conservation.TRANSFERS,
    conservation.DRIFT,
    affine_field.CASE,
    free_fall.CASE,
    rigid_rotation.CASE,
    bar_vibration.CASE,
    waves.CASE,
    colliding_disks.CASE,
    cantilever.CASE,
    constitutive.CASE,
    dam_break.CASE,
    sand_column.CASE,
    incline.CASE,
    convergence.CASE,
    gradient_growth.CASE,
    gradients.CASE,
)
