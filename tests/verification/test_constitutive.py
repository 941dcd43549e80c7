"""Every law's stress against closed forms; steady plastic flow."""

from experiments.verification import constitutive
from tests.verification.assertions import assert_passes


def test_closed_forms():
    assert_passes(constitutive.run())
