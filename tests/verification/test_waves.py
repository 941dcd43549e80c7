"""Pressure and shear waves travel at their speeds."""

from experiments.verification import waves
from tests.verification.assertions import assert_passes


def test_speeds():
    assert_passes(waves.run())
