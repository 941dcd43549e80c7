"""A turned body is at rest, a spinning one keeps its angular momentum."""

from experiments.verification import rigid_rotation
from tests.verification.assertions import assert_passes


def test_rigid_rotation():
    assert_passes(rigid_rotation.run())
