"""Second order in dx, first order in dt."""

from experiments.verification import convergence
from tests.verification.assertions import assert_passes


def test_orders():
    assert_passes(convergence.run())
