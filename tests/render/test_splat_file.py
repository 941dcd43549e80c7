"""The standard .ply layout: what is written is what is read."""

import numpy as np
import pytest
from plyfile import PlyData

from configs.errors import InputError
from render.splat_file import load_splats, save_splats


def random_splats(n, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, 3, 3)) * 0.1
    return rng.normal(size=(n, 3)), a @ a.transpose(0, 2, 1), rng.uniform(0.1, 0.9, n), rng.uniform(size=(n, 3))


def covariances(quats, scales):
    """From scipy, which is scalar-last."""
    from scipy.spatial.transform import Rotation

    r = Rotation.from_quat(quats[:, [1, 2, 3, 0]]).as_matrix()
    return r @ (scales[:, :, None] ** 2 * r.transpose(0, 2, 1))


def test_round_trip(tmp_path):
    means, covars, opacities, colors = random_splats(200)
    save_splats(tmp_path / "a.ply", means, covars, opacities, colors)
    read = load_splats(tmp_path / "a.ply")
    np.testing.assert_allclose(read.means, means, rtol=1e-6)
    np.testing.assert_allclose(read.opacities, opacities, rtol=1e-5)
    np.testing.assert_allclose(read.colors, colors, atol=1e-6)
    np.testing.assert_allclose(covariances(read.quats, read.scales), covars, atol=1e-6)
    assert read.sh_coeffs.shape == (200, 16, 3)


def test_layout_is_the_one_viewers_expect(tmp_path):
    save_splats(tmp_path / "a.ply", *random_splats(3))
    names = PlyData.read(str(tmp_path / "a.ply"))["vertex"].data.dtype.names
    assert names[:9] == ("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2")
    assert names[9:54] == tuple(f"f_rest_{i}" for i in range(45))
    assert names[54:] == ("opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3")


def test_half_turns_flat_gaussians_and_extreme_opacities(tmp_path):
    axes = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]]) / np.array([[1], [1], [1], [np.sqrt(2)]])
    turns = 2 * axes[:, :, None] * axes[:, None, :] - np.eye(3)
    covars = turns @ np.diag([1.0, 0.25, 0.0]) @ turns.transpose(0, 2, 1)
    save_splats(tmp_path / "a.ply", np.zeros((4, 3)), covars, [0, 1, 0, 1], np.zeros((4, 3)))
    read = load_splats(tmp_path / "a.ply")
    np.testing.assert_allclose(covariances(read.quats, read.scales), covars, atol=1e-6)
    np.testing.assert_allclose(read.opacities, [0, 1, 0, 1], atol=2e-6)


def test_ascii_and_no_gaussians(tmp_path):
    save_splats(tmp_path / "a.ply", *random_splats(5))
    ply = PlyData.read(str(tmp_path / "a.ply"), mmap=False)
    ply.text = True
    ply.write(str(tmp_path / "ascii.ply"))
    np.testing.assert_allclose(load_splats(tmp_path / "ascii.ply").scales, load_splats(tmp_path / "a.ply").scales)
    save_splats(tmp_path / "none.ply", *random_splats(0))
    assert load_splats(tmp_path / "none.ply").means.shape == (0, 3)


def test_broken_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_splats(tmp_path / "missing.ply")
    (tmp_path / "text.ply").write_text("not a ply file")
    with pytest.raises(InputError, match="not a readable"):
        load_splats(tmp_path / "text.ply")
    save_splats(tmp_path / "a.ply", *random_splats(5))
    whole = (tmp_path / "a.ply").read_bytes()
    (tmp_path / "short.ply").write_bytes(whole[:-10])
    with pytest.raises(InputError, match="not a readable"):
        load_splats(tmp_path / "short.ply")
    (tmp_path / "foreign.ply").write_bytes(whole.replace(b"scale_1", b"other_1"))
    with pytest.raises(InputError, match="lacks scale_1"):
        load_splats(tmp_path / "foreign.ply")
    with pytest.raises(InputError, match="covars has shape"):
        save_splats(tmp_path / "b.ply", np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(2), np.zeros((2, 3)))
