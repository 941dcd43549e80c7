"""Single precision follows double through long rollouts."""

import pytest

from experiments.verification import gradient_growth
from tests.verification.assertions import assert_passes


@pytest.mark.slow
def test_float32_follows_float64():
    assert_passes(gradient_growth.run())
