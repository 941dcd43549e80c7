"""First frequency and static deflection of a beam."""

import pytest

from experiments.verification import cantilever
from tests.verification.assertions import assert_passes


@pytest.mark.slow
def test_frequency_and_deflection():
    """Within 5 % at 8 cells of height, and better than at 4."""
    outcome = cantilever.run(resolutions=(4, 8))
    assert_passes(outcome)
    for number in ("first frequency", "static deflection"):
        coarse, fine = (check.error for check in outcome.checks if check.name.startswith(number))
        assert fine < coarse
