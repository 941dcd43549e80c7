"""The task simulate through the real command: files, conservation, mistakes, a simulation that breaks."""

import copy
import json
import re
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import yaml

from configs.body import BodyConfig
from experiments import cli
from experiments.simulate import Simulation
from experiments.simulate_scene import initial_velocity

pytestmark = pytest.mark.runtime("cpu", "float32")

CONFIG = {
    "task": "simulate",
    "mpm": {
        "grid": {"origin": [-1, -1, -1], "spacing": 0.125, "size": [17, 17, 17]},
        "dt": 0.005,
        "gravity": [0, -10, 0],
        "boundary": "separate",
        "material": {"youngs_modulus": 10000, "poissons_ratio": 0.2, "density": 1000},
    },
    "frames": 4,
    "frame_dt": 0.012,
    "bodies": [
        {"box": [0.25, 0.25, 0.25], "center": [-0.3, 0, 0], "velocity": {"linear": [1, 0, 0], "angular": [0, 2, 0]}},
        {"sphere": 0.2, "center": [0.3, 0.1, 0], "flows": True, "color": [1, 0, 0], "jitter": 0.2},
    ],
    "cameras": [{"eye": [0, 0, 4]}],
    "render": {"width": 32, "height": 24},
    "output": {"every": 2, "video_size": 40},
}
FILES = {
    "config.yaml",
    "versions.json",
    "metrics.json",
    "particles_final.npz",
    "splats_final.ply",
    "render.mp4",
    "frames",
}


def _run(tmp_path: Path, *overrides: str, config: dict = CONFIG) -> tuple[int, Path]:
    path = tmp_path / "scene.yaml"
    path.write_text(yaml.safe_dump(config))
    output = tmp_path / "out"
    return cli.main(["run", str(path), "--output", str(output), *overrides]), output


def _metrics(output: Path) -> dict:
    return json.loads((output / "metrics.json").read_text())


def test_a_run_writes_its_files(tmp_path):
    code, output = _run(tmp_path)
    assert code == 0
    assert {path.name for path in output.iterdir()} == FILES
    assert sorted(path.name for path in (output / "frames").iterdir()) == ["0000.npz", "0002.npz", "0004.npz"]
    start, last, final = (
        np.load(output / name) for name in ("frames/0000.npz", "frames/0004.npz", "particles_final.npz")
    )
    assert (np.bincount(start["body"]) == [64, 136]).all()
    assert start["F"].shape == (200, 3, 3)
    np.testing.assert_array_equal(last["x"], final["x"])
    video = iio.imread(output / "render.mp4", plugin="FFMPEG")
    assert video.shape == (5, 40, 54, 3)
    assert iio.immeta(output / "render.mp4", plugin="FFMPEG")["fps"] == pytest.approx(1 / 0.012, rel=1e-3)
    # the red sphere on the right, the blue box on the left
    assert video[0, 18, 31, 0] > 2 * video[0, 18, 31, 2]
    assert video[0, 20, 22, 2] > 1.5 * video[0, 20, 22, 0]


def test_free_fall_keeps_the_books(tmp_path):
    _, output = _run(tmp_path)
    metrics = _metrics(output)
    frames = metrics["frames"]
    assert metrics["finished"] is True
    assert metrics["steps_per_frame"] * metrics["dt"] == pytest.approx(0.012)
    assert metrics["dt"] <= 0.005
    assert [frame["time"] for frame in frames] == pytest.approx([0, 0.012, 0.024, 0.036, 0.048])
    mass = 1000 * 0.0625**3 * 200
    start = np.array(frames[0]["momentum"])
    assert start == pytest.approx([1000 * 0.0625**3 * 64, 0, 0], abs=1e-6)
    for frame in frames:
        assert frame["mass"] == pytest.approx(mass)
        expected = start + np.array([0, -10 * frame["time"] * mass, 0])
        assert frame["momentum"] == pytest.approx(expected, abs=1e-4 * mass)
        assert frame["det_F"][0] <= 1 <= frame["det_F"][1]
        assert frame["max_speed"] > 0.9


def test_each_body_has_its_material_and_frames_their_time_steps(tmp_path):
    config = copy.deepcopy(CONFIG)
    del config["mpm"]["material"]
    config["mpm"] |= {"dt": "auto", "materials": [{"law": "drucker_prager", "density": 1600}, {"law": "fluid"}]}
    config["bodies"][0]["material"], config["bodies"][1]["material"] = "fluid", 0
    code, output = _run(tmp_path, config=config)
    assert code == 0
    metrics = _metrics(output)
    assert (metrics["dt"], metrics["steps_per_frame"]) == ("auto", None)
    assert metrics["frames"][1]["time_steps"] >= 1
    mass = (64 * 1000 + 136 * 1600) * 0.0625**3
    assert [frame["mass"] for frame in metrics["frames"]] == pytest.approx([mass] * 5)
    assert metrics["frames"][-1]["momentum"][1] == pytest.approx(-10 * 0.048 * mass, rel=1e-4)
    assert metrics["frames"][-1]["escaped"] == 0
    assert np.load(output / "particles_final.npz")["internal"].shape[0] == 200


def test_colliders_move_and_are_drawn(tmp_path):
    config = copy.deepcopy(CONFIG)
    config["mpm"] |= {"gravity": [0, 0, 0], "dt": 0.004}
    config["bodies"] = [{"box": [0.25, 0.25, 0.25], "center": [0.06, 0, 0]}]
    ways = [{"time": 0.012, "position": [-0.3, 0, 0]}, {"time": 0.06, "position": [-0.1, 0, 0]}]
    config["mpm"]["colliders"] = [{"shape": "box", "half_size": [0.2, 0.3, 0.3], "keyframes": ways}]
    code, output = _run(tmp_path, config=config)
    assert code == 0
    momentum = [frame["momentum"][0] for frame in _metrics(output)["frames"]]
    assert momentum[:2] == pytest.approx([0, 0], abs=1e-6)  # not before its time
    pushed = 1000 * 0.0625**3 * 64 * 0.2 / 0.048  # with the velocity of the collider, which has just met it
    assert 0.2 * pushed < momentum[-1] < 2 * pushed
    video = iio.imread(output / "render.mp4", plugin="FFMPEG").astype(float)
    grey = np.abs(video - video.mean(axis=-1, keepdims=True)).max(axis=-1) < 20
    left = [np.argwhere(frame[20] < 220)[0, 0] for frame in video.mean(axis=-1)]
    assert grey[0, 20, left[0] + 2]
    assert left[0] == left[1] < left[-1]


def test_nothing_is_drawn_or_recorded_that_is_not_wanted(tmp_path):
    code, output = _run(tmp_path, "output.every=null", "output.video=false", "frames=1", "mpm.gravity=[0,0,0]")
    assert code == 0
    assert {path.name for path in output.iterdir()} == FILES - {"frames", "render.mp4"}


def test_a_second_run_leaves_no_frame_of_the_first(tmp_path):
    _run(tmp_path)
    _, output = _run(tmp_path, "frames=1", "output.every=1", "output.video=false")
    assert sorted(path.name for path in (output / "frames").iterdir()) == ["0000.npz", "0001.npz"]


def test_the_resolved_config_runs_again(tmp_path):
    turned = [
        "bodies.1.flows=null",
        "bodies.1.sphere=null",
        "bodies.1.cylinder=[0.1,0.4]",
        "bodies.1.rotation=[0,0,90]",
    ]
    mesh = ["bodies.0.box=null", "bodies.0.mesh=sphere", "bodies.0.extent=0.4"]
    _, output = _run(tmp_path, *turned, *mesh, "frames=1")
    start = np.load(output / "frames" / "0000.npz")
    extents = [np.ptp(start["x"][start["body"] == number], axis=0) for number in (0, 1)]
    np.testing.assert_allclose(extents, [[0.375, 0.375, 0.375], [0.4, 0.2, 0.2]], atol=0.1)
    again = tmp_path / "again"
    assert cli.main(["run", str(output / "config.yaml"), "--output", str(again)]) == 0
    first, second = (np.load(folder / "particles_final.npz")["x"] for folder in (output, again))
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_initial_velocity_is_linear_spin_and_twist():
    velocity = {"linear": [1, 2, 3], "angular": [0, 0, 2], "twist": [4, 0, 0]}
    body = BodyConfig.model_validate({"sphere": 1, "center": [1, 1, 1], "velocity": velocity})
    x = np.array([[1.0, 1, 1], [1, 2, 1], [1.5, 2, 1]])
    # the spin is (4 · 0.5, 0, 2) at the last point, r = (0.5, 1, 0)
    np.testing.assert_allclose(initial_velocity(body, x), [[1, 2, 3], [-1, 2, 3], [-1, 3, 5]])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["mpm.dt=0.2", "frame_dt=0.2"], r"mpm.dt is 0.2; the largest stable step .* is 0.03"),
        (["bodies.0.center=[-1,0,0]"], r"bodies.0: the box reaches from .* mpm.grid takes"),
        (["bodies.1.center=[-0.1,0,0]"], r"bodies.0 and bodies.1 overlap"),
        (["bodies.0.box=[0.01,1,1]"], r"bodies.0: a shape of 0.01 x 1 x 1 takes 0 particles"),
        (["bodies.0.box=null", "bodies.0.mesh=sphere", "bodies.0.extent=9"], r"bodies.0: the mesh reaches"),
    ],
)
def test_mistakes_end_in_one_line_and_code_2(tmp_path, capsys, overrides, message):
    code, output = _run(tmp_path, *overrides)
    assert code == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("diffmpm:")]
    assert len(error) == 1
    assert re.search(message, error[0])
    assert not output.exists()


def test_a_simulation_that_breaks_keeps_the_frame_before(tmp_path, capsys):
    code, output = _run(tmp_path, "mpm.boundary=none", "bodies.0.velocity.linear=[-20,0,0]", "output.every=1")
    assert code == 1
    error = capsys.readouterr().err
    assert re.search(r"frame \d: DiffMPM: \d+ particles left the grid", error)
    assert {path.name for path in output.iterdir()} == FILES
    metrics = _metrics(output)
    assert metrics["finished"] is False
    assert "left the grid" in metrics["failure"]
    count = len(metrics["frames"])
    assert 1 < count < 5
    last, final = (np.load(output / name) for name in (f"frames/{count - 1:04d}.npz", "particles_final.npz"))
    np.testing.assert_array_equal(last["x"], final["x"])


def test_particles_that_leave_are_counted_if_they_may(tmp_path):
    leaving = ["mpm.boundary=none", "mpm.escaped=deactivate", "bodies.0.velocity.linear=[-20,0,0]"]
    code, output = _run(tmp_path, *leaving)
    assert code == 0
    escaped = [frame["escaped"] for frame in _metrics(output)["frames"]]
    assert escaped == sorted(escaped)
    assert (escaped[0], escaped[-1]) == (0, 64)


def test_an_interruption_writes_what_is_there(tmp_path, monkeypatch):
    advance, calls = Simulation._advance, []

    def interrupt_the_third(self):
        calls.append(self)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return advance(self)

    monkeypatch.setattr(Simulation, "_advance", interrupt_the_third)
    code, output = _run(tmp_path)
    assert code == 130
    assert {path.name for path in output.iterdir()} == FILES
    metrics = _metrics(output)
    assert metrics["finished"] is False
    assert len(metrics["frames"]) == 3
    assert len(iio.imread(output / "render.mp4", plugin="FFMPEG")) == 3
