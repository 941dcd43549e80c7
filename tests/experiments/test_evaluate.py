"""Measures of finished runs against shapes whose measures are known."""

import json

import imageio.v2 as imageio
import numpy as np
import pytest

from configs.load import load_config
from experiments import cli
from experiments.evaluate import jitter
from experiments.images import Video
from experiments.morph_scene import placed_meshes
from experiments.outputs import RunFolder
from experiments.pieces import ball_volume, count_pieces
from mpm.particles import fill_mesh

pytestmark = pytest.mark.runtime("cpu", "float32")

CONFIG = """
task: morph
source: {mesh: box, extent: 0.8, center: [0, 0, 0]}
target: {mesh: sphere, volume: source, center: [0, 0, 0]}
mpm: {grid: {origin: [-1, -1, -1], spacing: 0.125, size: [17, 17, 17]}}
"""


def lattice(n: int) -> np.ndarray:
    axes = [np.arange(n, dtype=float)] * 3
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def test_pieces():
    cube, rng = 0.1 * lattice(5), np.random.default_rng(0)
    for gap, pieces in ((0.19, 1), (0.21, 2)):  # the second cube begins that far behind the first
        both = np.concatenate([cube, cube + (0.4 + gap, 0, 0)])
        assert count_pieces(rng.permutation(both), 0.1) == pieces
    snake = np.stack([0.15 * np.arange(300), np.zeros(300), np.zeros(300)], axis=1)
    assert count_pieces(rng.permutation(snake), 0.1) == 1
    assert count_pieces(np.concatenate([cube, cube[:3] + 50 * np.arange(1, 4)[:, None]]), 0.1) == 4


def test_ball_volume():
    x = 0.1 * lattice(12) + np.random.default_rng(0).random(3)
    # balls of 0.75 spacings cover the cube between the outermost particles but for small gaps, and a rim around it
    assert 11.5**3 < ball_volume(x, 0.1) < 12.5**3
    one = ball_volume(np.random.default_rng(1).random((400, 3)) * 30, 0.1)  # far apart
    assert one / 400 == pytest.approx(4 / 3 * np.pi * 0.75**3, rel=0.02)
    # neither a shift nor a lattice in step with the counting one changes much
    shifted = [ball_volume(0.1 * lattice(12) + shift, 0.1) for shift in (0.0, 0.02, 0.05)]
    assert np.ptp(shifted) < 0.02 * shifted[0]
    twice = np.concatenate([x, x])
    assert ball_volume(twice, 0.1) == ball_volume(x, 0.1)
    assert ball_volume(np.concatenate([x, x + 9]), 0.1) == pytest.approx(2 * ball_volume(x, 0.1), rel=1e-2)


def test_jitter():
    x, v = lattice(3), np.array([1.0, 2.0, 2.0])
    assert jitter([x + t * v for t in range(5)], 0.5) == pytest.approx(0)
    assert jitter([x + (t % 2) * v for t in range(5)], 0.5) == pytest.approx(2 * 3 / 0.5)


@pytest.fixture
def run(tmp_path):
    """A made-up run: the sphere at its floor, which went there evenly."""

    def make(name: str, end: np.ndarray | None = None):
        (tmp_path / "morph.yaml").write_text(CONFIG)
        config = load_config(tmp_path / "morph.yaml")
        folder = RunFolder(tmp_path / name)
        folder.write_config(config)
        filled = fill_mesh(*placed_meshes(config)[1], 0.0625)
        np.savez(folder.path / "particles_final.npz", x=filled if end is None else end)
        for number in range(3):
            folder.write_frame(number, {"x": filled + (number * 0.01, 0, 0)})
        return folder.path

    return make


def test_evaluate(run, tmp_path, capsys):
    folders = [run("perfect"), run("cube", 0.0625 * lattice(9) - 0.25)]
    assert cli.main(["evaluate", *map(str, folders), "--output", str(tmp_path / "table")]) == 0
    perfect, cube = json.loads((tmp_path / "table" / "evaluation.json").read_text()).values()
    ends, floor = perfect["end"], perfect["floor"]
    assert {key: value for key, value in ends.items() if key != "jitter"} == pytest.approx(
        {key: value for key, value in floor.items() if key != "jitter"}
    )
    assert ends["jitter"] == pytest.approx(0, abs=1e-6)
    assert cube["floor"] == floor  # both are seen in one frame
    assert cube["end"]["silhouette_iou"] < floor["silhouette_iou"]
    assert cube["end"]["hausdorff"] > 2 * floor["hausdorff"]
    assert abs(floor["volume_change"]) < 0.1
    assert imageio.imread(tmp_path / "table" / "evaluation.png").std() > 1
    assert "silhouette IoU" in capsys.readouterr().out
    assert cli.main(["evaluate", str(tmp_path)]) == 2
    assert "not the folder of a run" in capsys.readouterr().err


def test_compare(tmp_path, capsys):
    for name, frames, height in (("a", 2, 40), ("b", 4, 32)):
        (tmp_path / name).mkdir()
        with Video(tmp_path / name / "render.mp4", 10) as video:
            for number in range(frames):
                video.add(np.full((height, 48, 3), 0.2 * number))
    arguments = [str(tmp_path / "a"), str(tmp_path / "b"), "--output", str(tmp_path / "both.mp4")]
    assert cli.main(["compare", *arguments]) == 0
    images = [np.asarray(image) for image in imageio.get_reader(tmp_path / "both.mp4")]
    assert [image.shape for image in images] == [(68, 96, 3)] * 4
    assert images[3][48, 24].mean() == pytest.approx(255 * 0.2, abs=6)  # a waits at its end
    assert images[3][48, 72].mean() == pytest.approx(255 * 0.6, abs=6)
    assert images[0][:28].min() < 128  # the names
    assert cli.main(["compare", str(tmp_path), str(tmp_path / "b")]) == 2
    assert "no render.mp4" in capsys.readouterr().err
