"""A collapsing column of sand: friction holds it back, and how far it runs out."""

import pytest

from experiments.verification import sand_column
from tests.verification.assertions import assert_passes


@pytest.mark.slow
def test_friction_shortens_the_run_out_and_steepens_the_heap():
    (_, loose, flat, _), (_, tight, steep, _) = (sand_column.collapse(1.0, 8, angle) for angle in (25.0, 40.0))
    assert tight[-1] - 1 < 0.8 * (loose[-1] - 1)
    assert steep[:, 1].max() > flat[:, 1].max()


@pytest.mark.slow
@pytest.mark.xfail(strict=True, reason="27 % too far: docs/verification.md")
def test_run_out():
    assert_passes(sand_column.run(columns=((2.0, 16),)))
