"""Bodies full of particles: number, volume, symmetry; sizes that cannot be filled."""

import numpy as np
import pytest

from configs.errors import InputError
from mpm.primitives import fill_box, fill_cylinder, fill_sphere


def test_a_box_is_filled_exactly():
    x = fill_box((0.4, 0.2, 0.6), 0.1)
    assert len(x) == 4 * 2 * 6
    np.testing.assert_allclose(x.max(axis=0), (0.15, 0.05, 0.25))
    np.testing.assert_allclose(x.min(axis=0), -x.max(axis=0))
    assert len(np.unique(x, axis=0)) == len(x)


def test_sides_that_the_pitch_does_not_divide_are_spread_evenly():
    x = fill_box((0.34, 0.1, 0.1), 0.1)
    np.testing.assert_allclose(x[:, 0], np.array([-1, 0, 1]) * 0.34 / 3)


@pytest.mark.parametrize(
    ("x", "volume"),
    [(fill_sphere(0.5, 0.05), np.pi / 6), (fill_cylinder(0.5, 0.8, 0.05), 0.2 * np.pi)],
    ids=["sphere", "cylinder"],
)
def test_round_shapes_have_their_volume_and_lie_inside(x, volume):
    assert len(x) * 0.05**3 == pytest.approx(volume, rel=0.01)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-12)
    assert np.hypot(x[:, 0], x[:, 2]).max() <= 0.5


@pytest.mark.parametrize(("sides", "pitch"), [((1, 1, 0.04), 0.1), ((1, 1, 1), 1e-4)])
def test_what_cannot_be_filled_is_refused(sides, pitch):
    with pytest.raises(InputError, match="expected 1 to 2e\\+08"):
        fill_box(sides, pitch)
