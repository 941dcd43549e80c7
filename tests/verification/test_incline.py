"""Coulomb's friction lets a block slide with its acceleration, or holds it."""

from experiments.verification import incline
from tests.verification.assertions import assert_passes


def test_block_slides_or_rests():
    assert_passes(incline.run())
