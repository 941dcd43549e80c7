"""The task morph through the real command: files, progress of the loss, mistakes, a simulation that breaks."""

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import yaml

from bridge import runtime
from bridge.diffmpm import DiffMPM
from bridge.upsampler import SurfaceUpsampler
from configs.errors import InputError
from configs.load import PRESET_FOLDER, load_config, presets
from experiments import cli
from experiments.depth_image import save_depth
from experiments.morph import Morph
from experiments.morph_episode import at_rest
from experiments.morph_film import MorphFilm
from experiments.morph_objective import MorphObjective
from experiments.morph_scene import build_scene
from experiments.outputs import RunFolder
from experiments.surface_memory import SurfaceMemory

MORPHS = [name for name in presets() if "task: morph" in (PRESET_FOLDER / f"{name}.yaml").read_text()]

pytestmark = pytest.mark.runtime("cpu", "float32")

CONFIG = {
    "task": "morph",
    "source": {"mesh": "sphere", "extent": 0.9, "center": [0, 0, 0]},
    "target": {"mesh": "box", "volume": "source", "center": [0, 0, 0]},
    "mpm": {
        "grid": {"origin": [-1, -1, -1], "spacing": 0.125, "size": [17, 17, 17]},
        "dt": 0.02,
        "material": {"youngs_modulus": 1000, "poissons_ratio": 0.2, "density": 1000},
    },
    "cameras": {"orbit": {"count": 2, "radius": 4, "fov": 40}},
    "render": {"width": 32, "height": 24},
    "loss": {
        "mass": {"weight": 1},
        "velocity": {"weight": 10},
        "silhouette": {"weight": 100},
        "depth": {"weight": 1},
        "rgb": {"weight": 1},
    },
    "optimize": {"episodes": 2, "steps": 6, "control_stride": 2, "iterations": 3, "lr": 0.02},
    "output": {"every": 2, "video_size": 40, "fps": 10},
}
FILES = {
    "frames",
    "config.yaml",
    "versions.json",
    "metrics.json",
    "particles_final.npz",
    "splats_final.ply",
    "render.mp4",
    "before_after.png",
    "loss.png",
}


def _names(output: Path) -> set[str]:
    """All files but the event file, which must be one."""
    names = {path.name for path in output.iterdir()}
    events = {name for name in names if name.startswith("events.out.tfevents.")}
    assert len(events) == 1
    return names - events


def _run(tmp_path: Path, *overrides: str) -> tuple[int, Path]:
    tmp_path.mkdir(exist_ok=True)
    config = tmp_path / "morph.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    output = tmp_path / "out"
    return cli.main(["run", str(config), "--output", str(output), *overrides]), output


def test_a_run_lowers_its_objective_and_writes_its_files(tmp_path):
    code, output = _run(tmp_path)
    assert code == 0
    assert _names(output) == FILES
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["finished"] is True
    assert len(metrics["iterations"]) == 6
    first = [entry["objective"] for entry in metrics["iterations"] if entry["episode"] == 0]
    assert first == sorted(first, reverse=True)
    entry = metrics["iterations"][-1]
    assert set(entry["terms"]) == {"mass", "velocity", "silhouette", "depth", "rgb"}
    assert sum(entry["terms"].values()) == pytest.approx(entry["objective"], rel=1e-5)
    assert sum(entry["shares"].values()) == pytest.approx(1)
    assert metrics["end"]["silhouette_iou"] > metrics["start"]["silhouette_iou"]
    assert set(metrics["floor"]) == set(metrics["start"])
    particles = np.load(output / "particles_final.npz")
    assert particles["F"].shape == (len(particles["x"]), 3, 3)
    assert iio.imread(output / "render.mp4", plugin="FFMPEG").shape[1:] == (40, 54, 3)
    # the start, and three frames of each episode
    assert len(iio.imread(output / "render.mp4", plugin="FFMPEG")) == 1 + 2 * 3
    frames = sorted((output / "frames").iterdir())
    assert [path.name for path in frames] == [f"{number:04d}.{kind}" for number in range(7) for kind in ("npz", "png")]
    np.testing.assert_array_equal(np.load(frames[-2])["x"], particles["x"])


def test_the_resolved_config_runs_again(tmp_path):
    _, output = _run(tmp_path, "optimize.episodes=1", "loss.silhouette.weight=0", "loss.depth.weight=0")
    again = tmp_path / "again"
    assert cli.main(["run", str(output / "config.yaml"), "--output", str(again), "optimize.iterations=1"]) == 0
    assert json.loads((again / "metrics.json").read_text())["finished"] is True


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["mpm.dt=0.2"], r"mpm.dt is 0.2; the largest stable step .* is 0.119"),
        (["source.extent=3"], r"source: the mesh reaches from .* mpm.grid takes"),
        (["target.volume=30"], r"target: the mesh reaches from"),
        (["cameras.orbit.radius=0.1"], r"camera 0 at .* is inside the source"),
        (["cameras.orbit.target=[9,9,9]"], r"camera 0 at .* does not see the target"),
        (["runtime.backend=cuda"], r"no cuda device was found"),
        (["source.points_per_cell=1", "source.extent=0.01"], r"no point of a lattice|inside the mesh"),
    ],
)
def test_mistakes_end_in_one_line_and_code_2(tmp_path, capsys, monkeypatch, overrides, message):
    if overrides == ["runtime.backend=cuda"]:
        runtime.reset()
        monkeypatch.setattr(runtime, "_has", lambda arch: False)
    code, output = _run(tmp_path, *overrides)
    assert code == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("diffmpm:")]
    assert len(error) == 1
    assert re.search(message, error[0])
    assert not output.exists()


def test_a_simulation_that_breaks_keeps_the_last_good_state(tmp_path, capsys, monkeypatch):
    begin = MorphObjective.begin_episode

    def break_the_second_episode(self, start, episode=0):
        begin(self, start, episode)
        if self.rollouts > 4:
            self.start.v[7] = float("inf")

    monkeypatch.setattr(MorphObjective, "begin_episode", break_the_second_episode)
    monkeypatch.setattr("bridge.mpm_state.expect_finite", lambda *_: None)
    code, output = _run(tmp_path)
    assert code == 1
    assert "episode 2, iteration 4: DiffMPM:" in capsys.readouterr().err
    assert _names(output) == FILES
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["finished"] is False
    assert "particles" in metrics["failure"]
    assert np.isfinite(np.load(output / "particles_final.npz")["x"]).all()


def test_an_interruption_writes_what_is_there(tmp_path, monkeypatch):
    begin = MorphObjective.begin_episode

    def interrupt_the_second_episode(self, start, episode=0):
        begin(self, start, episode)
        if self.rollouts > 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(MorphObjective, "begin_episode", interrupt_the_second_episode)
    code, output = _run(tmp_path)
    assert code == 130
    assert _names(output) == FILES
    assert json.loads((output / "metrics.json").read_text())["finished"] is False


@pytest.mark.parametrize("stop", [3, 5])
def test_a_resumed_run_is_bit_equal(tmp_path, monkeypatch, stop):
    """Interrupted at the end of the first episode and within the second."""
    runtime.reset()
    small = [
        "runtime.deterministic=true",
        "output.checkpoints=1",
        "source.points_per_cell=1",
        "target.points_per_cell=1",
    ]
    _, whole = _run(tmp_path / "whole", *small)
    record, count = Morph._record, itertools.count(1)

    def interrupt_after_an_iteration(self, *arguments):
        if next(count) > stop:
            raise KeyboardInterrupt
        record(self, *arguments)

    monkeypatch.setattr(Morph, "_record", interrupt_after_an_iteration)
    code, output = _run(tmp_path / "halves", *small)
    assert code == 130
    monkeypatch.undo()
    assert _run(tmp_path / "halves", *small, "--resume")[0] == 0
    for name in ["particles_final.npz", *(f"frames/{number:04d}.npz" for number in range(7))]:
        a, b = np.load(whole / name), np.load(output / name)
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])
    assert (whole / "render.mp4").read_bytes() == (output / "render.mp4").read_bytes()
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (whole, output)]
    for entry in (*metrics, *(i for m in metrics for i in m["iterations"])):
        del entry["seconds"]
    assert metrics[0] == metrics[1]
    runtime.reset()


def test_resume_wants_its_own_checkpoint(tmp_path, capsys):
    few = ["optimize.episodes=1", "optimize.iterations=1", "output.video=false", "output.checkpoints=1"]
    assert _run(tmp_path, *few, "--resume")[0] == 2
    assert "has no checkpoint.pt" in capsys.readouterr().err
    assert _run(tmp_path, *few)[0] == 0
    assert _run(tmp_path, *few, "mpm.dt=0.01", "--resume")[0] == 2
    assert "belongs to another configuration" in capsys.readouterr().err


TERMS = (
    "fine_mass",
    "edges",
    "alignment",
    "size",
    "normals",
    "temporal",
    "volume",
    "elastic",
    "control",
    "control_change",
)


def test_every_term_and_choice_together(tmp_path):
    few = ["optimize.iterations=2", "output.video=false", "source.points_per_cell=4", "output.episodes=2"]
    terms = [f"loss.{name}.weight=0.1" for name in TERMS]
    choices = ["loss.render_share=1", "loss.conflict=project", "loss.mass.final_weight=0.5", "optimize.plasticity=0.5"]
    code, output = _run(tmp_path, *few, *terms, *choices)
    assert code == 0
    metrics = json.loads((output / "metrics.json").read_text())
    assert set(metrics["iterations"][-1]["terms"]) == {"mass", "velocity", "silhouette", "depth", "rgb", *TERMS}
    assert all(entry["accepted"] for entry in metrics["iterations"])
    episode = output / "ep001"  # every second is written
    assert not (output / "ep000").exists()
    summary = json.loads((episode / "ep001_summary.json").read_text())
    points, kinds = summary["num_surface_points"], ("render", "alpha", "depth", "normal", "comparison", "axis_hist")
    files = {f"ep001_{kind}.png" for kind in kinds} | {f"ep001_surface_{points}.ply", "ep001_gaussians.npz"}
    assert {path.name for path in episode.iterdir()} == files | {"ep001_summary.json"}
    assert summary["episode"] == 2
    assert 0 < summary["J_min"] <= summary["J_mean"]
    assert summary["loss_physics_final"] == metrics["iterations"][-1]["terms"]["mass"]
    assert np.load(episode / "ep001_gaussians.npz")["cov"].shape == (points, 3, 3)
    alpha, depth = (iio.imread(episode / f"ep001_{kind}.png") for kind in ("alpha", "depth"))
    assert depth.dtype == np.uint16
    middle = depth.shape[0] // 2, depth.shape[1] // 2
    assert alpha[middle].min() > 200
    # the orbit's radius is 4, the shape's about 0.45
    assert 3 < depth[middle] * summary["depth_unit"] < 4


def test_a_chain_of_targets(tmp_path):
    chain = ["optimize.episodes=1", "optimize.iterations=1", "output.video=false", "loss={mass: {weight: 1}}"]
    code, output = _run(tmp_path, *chain, "then=[{mesh: torus, volume: source, center: [0, 0, 0]}]")
    assert code == 0
    first, second = json.loads((output / "metrics.json").read_text())["iterations"]
    assert (first["episode"], second["episode"]) == (0, 1)
    assert second["objective"] > 2 * first["objective"]  # the second is measured against the torus


@pytest.mark.parametrize("name", MORPHS)
def test_presets_make_scenes(name):
    config = load_config(name)
    scene = build_scene(config)
    assert len(scene.particles.x) > 5000
    assert scene.target_alpha.amax(dim=(1, 2)).min() == 1


@pytest.mark.parametrize("choice", ["optimizer=lbfgs", "sweeps=2"])
def test_another_optimiser(tmp_path, choice):
    few = ["optimize.episodes=1", "optimize.iterations=1", "output.video=false", "loss={mass: {weight: 1}}"]
    code, output = _run(tmp_path, *few, f"optimize.{choice}")
    assert code == 0
    iterations = json.loads((output / "metrics.json").read_text())["iterations"]
    assert len(iterations) == (1 if choice == "optimizer=lbfgs" else 2 * 3)
    assert all(entry["accepted"] for entry in iterations)


def test_no_episode_ends_inside_out(tmp_path):
    """From there the next could not start."""
    (tmp_path / "morph.yaml").write_text(yaml.safe_dump(CONFIG))
    config = load_config(tmp_path / "morph.yaml", ["loss={mass: {weight: 1}}"])
    scene = build_scene(config)
    objective = MorphObjective(config, scene, DiffMPM(config.mpm), SurfaceUpsampler(config.upsample, scene.spacing))
    start = at_rest(scene.particles.x)
    objective.begin_episode(start)
    assert objective.refusal(start) is None
    for squeezed in (0.004, -1.0):
        F = start.F.clone()
        F[3, 0, 0] = squeezed
        assert re.search("1 particles are squeezed", objective.refusal(replace(start, F=F)))


def test_images_take_the_place_of_drawn_ones(tmp_path):
    (tmp_path / "morph.yaml").write_text(yaml.safe_dump(CONFIG))
    levels = np.random.default_rng(0).integers(0, 255, (2, 24, 32, 4), dtype=np.uint8)
    for number, image in enumerate(levels):
        iio.imwrite(tmp_path / f"{number}.png", image)
        save_depth(tmp_path / f"depth{number}.png", np.full((24, 32), 3.5 + number), 1e-3)
    images = "images={silhouette: [0.png, 1.png], rgb: [0.png, 1.png], depth: [depth0.png, depth1.png]}"
    scene = build_scene(load_config(tmp_path / "morph.yaml", [images]))
    np.testing.assert_allclose(scene.target_alpha, levels[..., 3] / 255, rtol=1e-6)
    np.testing.assert_allclose(scene.target_rgb, levels[..., :3] / 255, rtol=1e-6)
    assert scene.target_depth.amax(dim=(1, 2)).tolist() == [3.5, 4.5]
    for wrong, told in (
        ("images.silhouette=[0.png]", "1 images; expected one for each of the 2 cameras"),
        ("render.width=31", r"has \(24, 32\) rows and columns; expected \(24, 31\)"),
        ("images.rgb=[0.png, 2.png]", "no such file: 2.png"),
    ):
        with pytest.raises(InputError, match=told):
            build_scene(load_config(tmp_path / "morph.yaml", [images, wrong]))


def test_pictures_may_have_gaussians_of_another_size(tmp_path):
    (tmp_path / "morph.yaml").write_text(yaml.safe_dump(CONFIG))
    config = load_config(tmp_path / "morph.yaml", ["upsample.sigma0=0.4", "output.sigma0=0.8", "output.video=false"])
    scene = build_scene(config)
    of_losses = SurfaceUpsampler(config.upsample, scene.spacing)
    film = MorphFilm(config, scene, SurfaceMemory(of_losses), RunFolder(tmp_path / "run"))
    state = at_rest(scene.particles.x)
    film.start(state)
    drawn, seen = film.splats(state), of_losses(state.x, state.F_total, film.surface)
    np.testing.assert_allclose(drawn.means, seen.means)
    np.testing.assert_allclose(drawn.covars, 4 * seen.covars, rtol=1e-5, atol=1e-9)
