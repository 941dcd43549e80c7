"""Acceleration fields at chosen points."""

import numpy as np
import pytest

from configs.mpm import MPMConfig
from mpm.forces import acceleration_field

GRID = {"origin": (-1, -1, -1), "spacing": 0.25, "size": (9, 9, 9)}


def _at(forces, *node):
    return acceleration_field(MPMConfig(grid=GRID, forces=forces))[node]


def test_no_forces_is_zero():
    field = acceleration_field(MPMConfig(grid=GRID))
    assert field.shape == (9, 9, 9, 3)
    assert not field.any()


@pytest.mark.parametrize(("power", "share"), [(0, 1), (1, 0.5), (-2, 4 / (1 + 1e-8))])
def test_radial(power, share):
    force = {"kind": "radial", "center": (0, 0, 0), "strength": -3, "reach": 1, "power": power, "softening": 5e-5}
    np.testing.assert_allclose(_at((force,), 6, 4, 4), (-3 * share, 0, 0), rtol=1e-7)
    np.testing.assert_allclose(_at((force,), 4, 4, 8), (0, 0, -3), rtol=1e-7)
    assert not _at((force,), 4, 4, 4).any()


def test_vortex():
    """Strongest at its reach, along axis × d, none on the axis."""
    force = {"kind": "vortex", "axis": (0, 3, 0), "strength": 2, "reach": 0.5}
    np.testing.assert_allclose(_at((force,), 6, 2, 4), (0, 0, -2), atol=1e-12)
    assert np.linalg.norm(_at((force,), 7, 4, 4)) < 2 > np.linalg.norm(_at((force,), 5, 4, 4))
    assert not _at((force,), 4, 7, 4).any()


def test_box_and_sum():
    box = {"kind": "box", "low": (-0.6, -2, -2), "high": (0.6, 0, 2), "acceleration": (0, 5, 0)}
    pull = {"kind": "radial", "strength": 1}
    np.testing.assert_allclose(_at((box,), 4, 4, 4), (0, 5, 0))
    np.testing.assert_allclose(_at((box,), 4, 5, 4), (0, 0, 0))
    np.testing.assert_allclose(_at((box, pull), 6, 4, 4), (1, 5, 0), atol=1e-12)
