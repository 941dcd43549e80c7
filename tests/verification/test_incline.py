"""Coulomb's friction lets a block slide with its acceleration, or holds it."""

import pytest

from experiments.verification import incline
from experiments.verification.case import Outcome
from tests.verification.assertions import assert_passes


@pytest.mark.parametrize("friction", incline.SLIDING)
def test_block_slides(friction):
    assert_passes(Outcome([incline.sliding(friction)[0]]))


def test_damped_block_rests():
    assert_passes(Outcome([incline.resting(incline.DAMPING)[0]]))


@pytest.mark.xfail(strict=True, reason="an undamped block trembles and creeps: docs/verification.md")
def test_undamped_block_rests():
    assert_passes(Outcome([incline.resting(0.0)[0]]))
