"""Portraits of meshes, and the benchmark whose meshes they show."""

import json

import numpy as np
import pytest
import torch
import trimesh

from experiments.bench import upsample as bench_upsample
from experiments.bench.splat_gallery import CONFIG, SIZE, main, portrait
from experiments.images import load_image

pytestmark = pytest.mark.runtime("cpu", "float32")


def test_a_portrait_shows_the_mesh_on_white():
    config = CONFIG.model_copy(update={"M": 5000})
    images = [portrait("box", axis, config).numpy() for axis in "yz"]
    for image in images:
        assert image.shape == (SIZE, SIZE, 3)
        seen = (image < 0.99).any(axis=2)
        assert 0.3 < seen.mean() < 0.8
        assert seen[SIZE // 2, SIZE // 2]
        assert not seen[[0, 0, -1, -1], [0, -1, 0, -1]].any()
        assert np.abs(np.argwhere(seen).mean(axis=0) - SIZE / 2).max() < 0.05 * SIZE
    assert np.abs(images[0] - images[1]).max() > 0.1


def test_the_gallery_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("experiments.bench.splat_gallery.portrait", lambda *_: torch.zeros(4, 4, 3))
    assert main([str(tmp_path / "a.png"), "box", "--z-up", *["box"] * 5]) == 0
    picture = load_image(tmp_path / "a.png")
    assert picture.shape == (8, 16, 3)
    assert (picture[4:, 8:] == 255).all()
    assert (picture[:4] == 0).all()
    monkeypatch.undo()
    assert main([str(tmp_path / "b.png"), "no such mesh"]) == 2
    assert "no such mesh" in capsys.readouterr().err


def test_the_benchmark(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_upsample, "SAMPLES", 20_000)
    options = ["--meshes", "box", "--gaussians", "5000", "--speed", "1000/500", "--repeats", "1", "--cpu-time"]
    assert bench_upsample.main([*options, "--json", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    (quality,), (speed,) = figures["quality"], figures["speed"]
    assert quality["distance"] < 0.35
    assert quality["hole"] < 1.5
    assert quality["variation"] < 0.35
    assert quality["left_out"] == 0
    assert speed["particles"] == 1000
    assert all(value > 0 for name, value in speed.items())


def test_only_what_particles_cannot_know_is_left_out(monkeypatch):
    """A box counts, and a torus; a plate half a spacing thick does not."""
    monkeypatch.setattr(bench_upsample, "SAMPLES", 20_000)
    box, plate = trimesh.creation.box((6, 6, 6)), trimesh.creation.box((4, 4, 0.25))
    plate.apply_translation((10, 0, 0))
    both = trimesh.util.concatenate([box, plate])
    samples, seen = bench_upsample.visible_samples(np.array(both.vertices), np.array(both.faces))
    thin = samples[:, 0] > 5
    assert 0.1 < thin.mean() < 0.2
    assert not seen[thin].any()
    assert seen[~thin].mean() > 0.99  # corners are at the limit
    assert bench_upsample.visible_samples(*bench_upsample.scaled_mesh("torus"))[1].all()
