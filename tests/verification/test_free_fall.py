"""An elastic body in free fall follows the scheme's own parabola."""

from experiments.verification import free_fall
from tests.verification.assertions import assert_passes


def test_free_fall():
    assert_passes(free_fall.run())
