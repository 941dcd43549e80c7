"""Linear velocity fields pass the grid unchanged."""

from experiments.verification import affine_field
from tests.verification.assertions import assert_passes


def test_affine_field():
    assert_passes(affine_field.run())
