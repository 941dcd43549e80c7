"""load_points: particles as tensors."""

import pytest
import torch
import trimesh

from bridge.points import load_points
from bridge.runtime import current
from configs.errors import InputError

BOX = trimesh.creation.box((1.0, 1.0, 1.0))


def test_masses_and_volumes(tmp_path):
    BOX.export(tmp_path / "box.stl")
    for mesh in (BOX, (BOX.vertices, BOX.faces), tmp_path / "box.stl", str(tmp_path / "box.stl")):
        particles = load_points(mesh, spacing=0.25, density=8.0)
        assert particles.x.shape == (5**3, 3)
        assert particles.x.dtype == current().dtype
        torch.testing.assert_close(particles.volume, torch.full((125,), 0.25**3, dtype=current().dtype))
        torch.testing.assert_close(particles.mass, torch.full((125,), 8 * 0.25**3, dtype=current().dtype))


def test_errors():
    for arguments, problem in (
        ((BOX, 0.25, -1.0), "density is -1"),
        ((BOX, -0.25), "pitch is -0.25"),
        ((3, 0.25), "mesh_or_path is a int"),
        (("none.obj", 0.25), "no such file"),
    ):
        with pytest.raises(InputError, match=problem):
            load_points(*arguments)
