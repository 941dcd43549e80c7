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
@pytest.mark.parametrize(
    "column", [column for column in sand_column.COLUMNS if column[1] == sand_column.FINEST[column[0]]]
)
def test_run_out(column):
    assert_passes(sand_column.run(columns=(column,)))
