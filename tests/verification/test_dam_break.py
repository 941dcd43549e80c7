"""The front of a collapsing column of water against the experiment."""

import pytest

from experiments.verification import dam_break
from tests.verification.assertions import assert_passes


@pytest.mark.slow
def test_front():
    assert_passes(dam_break.run())
