"""The dot-product test through 200 steps."""

import pytest

from experiments.verification import gradients
from experiments.verification.case import Outcome
from tests.verification.assertions import assert_passes


def test_all_inputs_together():
    assert_passes(Outcome([gradients.joint("fixed_corotated", "quadratic")]))


@pytest.mark.slow
def test_every_input_law_and_spline():
    assert_passes(gradients.run())
