"""The files of a run: readable, whole, and right."""

import json

import imageio.v2 as imageio
import numpy as np
import pytest
import torch
from plyfile import PlyData

from bridge.mpm_state import MPMState
from bridge.runtime import current
from bridge.upsampler import SurfaceUpsampler
from configs.errors import InputError
from configs.load import load_config
from configs.upsample import FigureConfig
from experiments.atomic import replacing
from experiments.figures import draw_losses
from experiments.images import to_bytes
from experiments.metrics import ShapeMetrics
from experiments.outputs import RunFolder
from render.point_file import save_points
from render.splat_file import load_splats


def names(folder):
    """All files, temporary ones too."""
    return sorted(path.name for path in folder.iterdir())


def test_config_is_read_back_equal(tmp_path):
    config = load_config("sphere_to_rabbit", ["mpm.dt=0.002"])
    RunFolder(tmp_path / "deep" / "run").write_config(config)
    assert load_config(tmp_path / "deep" / "run" / "config.yaml") == config


def test_versions_say_what_ran(tmp_path):
    RunFolder(tmp_path).write_versions(current())
    versions = json.loads((tmp_path / "versions.json").read_text())
    assert versions["taichi"] == "1.7.4"
    assert (versions["backend"], versions["dtype"]) == ("cpu", "float64")
    assert versions["device"]
    assert {"diffmpm", "python", "torch", "numpy", "trimesh", "git_commit"} <= set(versions)


def test_metrics_become_json(tmp_path):
    metrics = {
        "start": ShapeMetrics(0.5, 0.25, 1.0, 2.0, 4.0, 1, 8.0),
        "losses": torch.tensor([1.0, 2.0]),
        "seconds": (np.float32(0.5), float("nan"), np.array([1, 2])),
        "iterations": np.int64(3),
        "note": None,
    }
    RunFolder(tmp_path).write_metrics(metrics)
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        "start": {
            "silhouette_iou": 0.5,
            "silhouette_iou_min": 0.25,
            "silhouette_error": 1.0,
            "chamfer": 2.0,
            "hausdorff": 4.0,
            "pieces": 1,
            "volume": 8.0,
        },
        "losses": [1.0, 2.0],
        "seconds": [0.5, None, [1, 2]],
        "iterations": 3,
        "note": None,
    }


@pytest.mark.parametrize("internal", [None, torch.randn(5, 2)], ids=["elastic", "plastic"])
def test_particles(tmp_path, internal):
    x, v = (torch.randn(5, 3, requires_grad=True) for _ in range(2))
    state = MPMState(x, v, *(torch.randn(5, 3, 3) for _ in range(3)), internal=internal)
    RunFolder(tmp_path).write_particles(state)
    with np.load(tmp_path / "particles_final.npz") as stored:
        assert set(stored) == {"x", "v", "C", "F", "F_total"} | ({"internal"} if internal is not None else set())
        for name in stored:
            np.testing.assert_array_equal(stored[name], getattr(state, name).detach().numpy())


def test_splats(tmp_path):
    x = torch.rand(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    F = (torch.eye(3) + 0.1 * torch.rand(6, 3, 3, generator=torch.Generator().manual_seed(1))).double()
    splats = SurfaceUpsampler(spacing=0.3)(x.requires_grad_(), F)
    RunFolder(tmp_path).write_splats(splats)
    stored = load_splats(tmp_path / "splats_final.ply")
    for name in ("means", "opacities", "colors"):
        np.testing.assert_allclose(getattr(stored, name), getattr(splats, name).detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(
        np.sort(stored.scales, axis=1) ** 2, torch.linalg.eigvalsh(splats.covars.detach()).numpy(), rtol=1e-5
    )
    assert names(tmp_path) == ["splats_final.ply"]


def test_surface(tmp_path):
    x = torch.rand(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    F = torch.eye(3, dtype=torch.float64).expand(6, 3, 3)
    start, end = (SurfaceUpsampler(spacing=0.3)(x + move, F) for move in (0, 1))
    RunFolder(tmp_path).write_surface(start, end, FigureConfig(dpi=50, ptsize=4.0))
    assert names(tmp_path) == ["axis_histogram.png", "gaussians_final.npz", "points.png", "surface_final.ply"]
    vertices = PlyData.read(str(tmp_path / "surface_final.ply"))["vertex"]
    for columns, wanted in ((("x", "y", "z"), end.means), (("nx", "ny", "nz"), end.normals)):
        stored = np.stack([vertices[name] for name in columns], axis=1)
        np.testing.assert_allclose(stored, wanted.detach().numpy(), rtol=1e-6)
    with np.load(tmp_path / "gaussians_final.npz") as stored:
        assert {name: stored[name].shape for name in stored} == {
            "xyz": (6, 3),
            "cov": (6, 3, 3),
            "rgb": (6, 3),
            "opacity": (6, 1),
        }
        np.testing.assert_allclose(stored["cov"], end.covars.detach().numpy(), rtol=1e-6)
    for name, size in (("points.png", (180, 340)), ("axis_histogram.png", (130, 450))):
        picture = imageio.imread(tmp_path / name)
        assert picture.shape[:2] == size
        assert picture[..., :3].std() > 1
    with pytest.raises(InputError, match=r"expected \.ply"):
        save_points(tmp_path / "points.npz", end.means.detach(), end.normals.detach())
    with pytest.raises(InputError, match=r"normals has shape \(5, 3\); expected \(6, 3\)"):
        save_points(tmp_path / "points.ply", end.means.detach(), end.normals.detach()[:5])


@pytest.mark.parametrize(("height", "width"), [(48, 64), (49, 63)])
def test_video(tmp_path, height, width):
    with RunFolder(tmp_path).video(fps=10) as video:
        for level in (0.1, 0.5, 0.9):
            video.add(torch.full((height, width, 3), level))
        assert not (tmp_path / "render.mp4").exists()
    reader = imageio.get_reader(tmp_path / "render.mp4")
    frames = [np.asarray(frame) for frame in reader]
    assert reader.get_meta_data()["fps"] == 10
    assert [frame.shape for frame in frames] == [(height + height % 2, width + width % 2, 3)] * 3
    np.testing.assert_allclose([frame.mean() / 255 for frame in frames], [0.1, 0.5, 0.9], atol=0.02)
    assert names(tmp_path) == ["render.mp4"]


def test_an_interrupted_video_shows_the_frames_until_there(tmp_path):
    def interrupted():
        with RunFolder(tmp_path).video(fps=10) as video:
            video.add(np.zeros((32, 32, 3)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [frame.shape for frame in imageio.get_reader(tmp_path / "render.mp4")] == [(32, 32, 3)]
    with RunFolder(tmp_path / "empty").video(fps=10):
        pass
    assert names(tmp_path / "empty") == []


def test_before_and_after(tmp_path):
    folder = RunFolder(tmp_path)
    red, blue = np.zeros((40, 60, 3)), np.zeros((40, 60, 3))
    red[..., 0] = blue[..., 2] = 1
    folder.write_before_after({"start": red, "end": torch.from_numpy(blue)})
    picture = imageio.imread(tmp_path / "before_after.png")[..., :3].astype(int)
    is_red, is_blue = ((picture == color).all(axis=-1) for color in ((255, 0, 0), (0, 0, 255)))
    assert is_red.mean() > 0.3
    assert is_blue.mean() > 0.3
    assert is_red.nonzero()[1].max() < is_blue.nonzero()[1].min()
    assert names(tmp_path) == ["before_after.png"]


def test_loss_figure(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_losses({"objective": [3.0, 2.0, float("nan"), 1.0], "mass": [2.0, 1.0, 1.0, 0.5]}, episodes=[0, 2])
    picture = imageio.imread(tmp_path / "loss.png")[..., :3]
    assert (picture < 250).any(axis=-1).mean() > 0.01
    for curves in ({}, {"objective": []}, {"objective": [1.0]}, {"objective": [0.0, -1.0]}):
        draw_losses(tmp_path / "other.png", curves)


def test_bytes():
    image = to_bytes(np.array([[[-1.0, 0.5, 2.0]]]))
    assert image.tolist() == [[[0, 128, 255]]]
    assert to_bytes(image) is image
    for bad, problem in ((np.zeros((3, 4, 5)), r"shape \(3, 4, 5\)"), (np.full((1, 1, 3), np.nan), "3 values")):
        with pytest.raises(InputError, match=problem):
            to_bytes(bad)


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def failing():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_errors(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        RunFolder(tmp_path / "file" / "run")
    video = RunFolder(tmp_path).video(fps=10)
    with video:
        video.add(np.zeros((32, 32, 3)))
        with pytest.raises(InputError, match="a frame has shape"):
            video.add(np.zeros((16, 32, 3)))
