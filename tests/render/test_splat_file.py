"""The standard .ply layout: what is written is what is read."""

from dataclasses import replace

import numpy as np
import pytest
from plyfile import PlyData

from configs.errors import InputError
from render.splat_file import SplatFile, load_splats, save_scene, save_splats


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
    assert not read.normals.any()


def random_scene(n, degree, seed=0):
    rng = np.random.default_rng(seed)
    shapes = [(n, 3), (n, 4), (n, 3), (n,), (n, (degree + 1) ** 2, 3), (n, 3)]
    means, quats, scales, opacities, coeffs, normals = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    return SplatFile(means, quats, np.exp(scales), 1 / (1 + np.exp(-opacities)), coeffs, normals)


def assert_equal(read, scene, rtol):
    for name in SplatFile.__dataclass_fields__:
        np.testing.assert_allclose(getattr(read, name), getattr(scene, name), rtol=rtol, err_msg=name)
        assert getattr(read, name).dtype == np.float32


@pytest.mark.parametrize("degree", range(5))
@pytest.mark.parametrize("text", [False, True])
def test_scenes_with_harmonics(tmp_path, degree, text):
    scene = random_scene(20, degree)
    save_scene(tmp_path / "a.ply", scene, text)
    assert (b"format ascii" in (tmp_path / "a.ply").read_bytes()[:40]) == text
    read = load_splats(tmp_path / "a.ply")
    assert_equal(read, scene, 1e-5)
    assert read.sh_degree == degree


def test_npz_keeps_every_number(tmp_path):
    scene = random_scene(20, 2)
    save_scene(tmp_path / "a.npz", scene)
    assert_equal(load_splats(tmp_path / "a.npz"), scene, 0)


def test_normals_may_be_missing_or_unused(tmp_path):
    scene = random_scene(4, 0)
    save_scene(tmp_path / "a.ply", scene)
    whole = (tmp_path / "a.ply").read_bytes()
    (tmp_path / "without.ply").write_bytes(whole.replace(b"float nx", b"float mx"))
    assert not load_splats(tmp_path / "without.ply").normals.any()
    ply = PlyData.read(str(tmp_path / "a.ply"), mmap=False)
    ply["vertex"]["ny"][2] = np.nan
    ply.write(str(tmp_path / "unused.ply"))
    kept = load_splats(tmp_path / "unused.ply").normals
    assert not kept[2].any()
    np.testing.assert_array_equal(kept[3], scene.normals[3])
    values = {name: value for name, value in vars(scene).items() if name != "normals"}
    np.savez(tmp_path / "older.npz", **values)
    assert not load_splats(tmp_path / "older.npz").normals.any()


def test_channels_of_harmonics_stay_apart(tmp_path):
    """f_rest is channel by channel: all of red, then green, then blue."""
    scene = random_scene(1, 1)
    save_scene(tmp_path / "a.ply", scene)
    vertex = PlyData.read(str(tmp_path / "a.ply"))["vertex"]
    written = np.array([vertex[f"f_rest_{i}"][0] for i in range(9)])
    np.testing.assert_array_equal(written.reshape(3, 3), scene.sh_coeffs[0, 1:].T)


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
    (tmp_path / "header.ply").write_bytes(whole[:200])
    with pytest.raises(InputError, match="not a readable"):
        load_splats(tmp_path / "header.ply")
    ply = PlyData.read(str(tmp_path / "a.ply"), mmap=False)
    ply.text = True
    ply.write(str(tmp_path / "ascii.ply"))
    (tmp_path / "ascii.ply").write_text("\n".join((tmp_path / "ascii.ply").read_text().splitlines()[:-2]))
    with pytest.raises(InputError, match="not a readable"):
        load_splats(tmp_path / "ascii.ply")
    ply["vertex"]["x"][2] = np.nan
    ply.write(str(tmp_path / "nan.ply"))
    with pytest.raises(InputError, match=r"means is not finite, first at index \(2, 0\)"):
        load_splats(tmp_path / "nan.ply")
    (tmp_path / "mesh.ply").write_text("ply\nformat ascii 1.0\nelement face 0\nproperty int a\nend_header\n")
    with pytest.raises(InputError, match="not a readable"):
        load_splats(tmp_path / "mesh.ply")
    (tmp_path / "foreign.ply").write_bytes(whole.replace(b"scale_1", b"other_1"))
    with pytest.raises(InputError, match="lacks scale_1"):
        load_splats(tmp_path / "foreign.ply")
    (tmp_path / "rest.ply").write_bytes(whole.replace(b"f_rest_44", b"g_rest_44"))
    with pytest.raises(InputError, match="44 properties f_rest"):
        load_splats(tmp_path / "rest.ply")
    (tmp_path / "count.ply").write_bytes(whole.replace(b"vertex 5", b"vertex 99999999999999"))
    with pytest.raises(InputError, match="not a readable"):
        load_splats(tmp_path / "count.ply")
    with pytest.raises(InputError, match=r"ends with '\.obj'; expected \.ply or \.npz"):
        load_splats(tmp_path / "a.obj")
    scene = random_scene(3, 1)
    save_scene(tmp_path / "a.npz", scene)
    (tmp_path / "short.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-40])
    with pytest.raises(InputError, match="not a readable scene"):
        load_splats(tmp_path / "short.npz")
    np.savez(tmp_path / "foreign.npz", means=scene.means)
    with pytest.raises(InputError, match="not a readable scene"):
        load_splats(tmp_path / "foreign.npz")
    bad = SplatFile(
        scene.means * np.float32(np.nan), *(getattr(scene, f) for f in list(SplatFile.__dataclass_fields__)[1:])
    )
    with pytest.raises(InputError, match=r"means is not finite, first at index \(0, 0\)"):
        save_scene(tmp_path / "c.ply", bad)
    with pytest.raises(InputError, match="covars has shape"):
        save_splats(tmp_path / "b.ply", np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(2), np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("opacities", 1.5, r"opacities is 1\.5 at index \(2,\); expected 0 to 1"),
        ("opacities", -0.5, r"opacities is -0\.5 at index \(2,\); expected 0 to 1"),
        ("scales", -0.1, r"scales is -0\.1 at index \(2, 0\); expected 0 to inf"),
    ],
)
def test_values_out_of_range_are_not_clipped_in_silence(tmp_path, name, value, message):
    scene = random_scene(3, 0)
    changed = getattr(scene, name).copy()
    changed[2] = value
    with pytest.raises(InputError, match=message):
        save_scene(tmp_path / "a.ply", replace(scene, **{name: changed}))


def test_endings_of_any_case(tmp_path):
    scene = random_scene(3, 1)
    for name in ("A.PLY", "A.NPZ"):
        save_scene(tmp_path / name, scene)
        assert_equal(load_splats(tmp_path / name), scene, 1e-5)
