"""Two elastic disks meet and part."""

import pytest

from experiments.verification import colliding_disks
from tests.verification.assertions import assert_passes


def test_momentum_energy_and_contact():
    """On coarse grids; the finer one gives back more."""
    outcome = colliding_disks.run(resolutions=(20, 40))
    assert_passes(outcome)
    back = [check.measured for check in outcome.checks if check.name.startswith("kinetic")]
    assert back[1] > back[0]


@pytest.mark.slow
def test_kinetic_energy_comes_back():
    assert_passes(colliding_disks.run(resolutions=(colliding_disks.FINE,)))
