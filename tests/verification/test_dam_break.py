"""The front of a collapsing column of water against the experiment."""

import pytest

from experiments.verification import dam_break
from tests.verification.assertions import assert_passes


@pytest.mark.slow
@pytest.mark.parametrize(
    "cells",
    [10, 20, pytest.param(40, marks=pytest.mark.xfail(strict=True, reason="12 % ahead: docs/verification.md"))],
)
def test_front(cells):
    assert_passes(dam_break.run(resolutions=(cells,)))
