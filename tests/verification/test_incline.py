"""Coulomb's friction lets a block slide with its acceleration, or holds it."""

import pytest

from experiments.verification import incline
from experiments.verification.case import Outcome
from tests.verification.assertions import assert_passes


@pytest.mark.parametrize("friction", incline.SLIDING)
def test_block_slides(friction):
    assert_passes(Outcome([incline.sliding(friction)[0]]))


def test_block_rests():
    """As it comes to rest under damping, and without damping from there on."""
    assert_passes(Outcome(incline.resting()[0]))
