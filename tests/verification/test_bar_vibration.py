"""The period of a bar in its first axial mode, and that its error falls with dx."""

from experiments.verification import bar_vibration
from tests.verification.assertions import assert_passes


def test_period():
    outcome = bar_vibration.run(resolutions=(13, 25, 50))
    assert_passes(outcome)
    errors = [check.error for check in outcome.checks if check.name.startswith("period")]
    assert errors[0] > errors[1] > errors[2]
