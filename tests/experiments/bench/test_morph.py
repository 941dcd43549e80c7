"""The comparison with the reference implementation, on a small file of its kind."""

import json

import numpy as np
import pytest
import torch

from bridge.mass_matching import rasterize_particle_mass
from configs.load import load_config
from experiments.bench import morph as bench_morph

pytestmark = pytest.mark.runtime("cpu", "float32")

NODES = (17, 17, 17)
SMALL = ["optimize.episodes=2", "optimize.iterations=2", "optimize.steps=4", "optimize.control_stride=2"]


@pytest.fixture
def file(tmp_path):
    """A cube of 6³ particles that is to become a plate."""
    cube, plate = (
        np.stack(np.meshgrid(*(0.5 * (np.arange(n) - (n - 1) / 2) for n in shape), indexing="ij"), -1).reshape(-1, 3)
        for shape in ((6, 6, 6), (9, 6, 4))
    )
    grid = bench_morph.in_reference_units(load_config("morph_physics"), NODES).mpm
    mass = torch.full((len(plate),), bench_morph.MASS)
    target = rasterize_particle_mass(torch.tensor(plate, dtype=torch.float32), mass, grid)
    path = tmp_path / "reference.npz"
    np.savez(path, source_x=cube, source_vol=np.full(len(cube), 0.125), target_mass=target.numpy())
    return path


def test_it_counts_and_reports_what_the_reference_reports(file, tmp_path, capfd):
    output = tmp_path / "out"
    assert bench_morph.main([str(file), "--set", *SMALL, "--output", str(output)]) == 0
    assert "kinetic energy" in capfd.readouterr().out
    course = json.loads((output / "comparison.json").read_text())["course"]
    # an episode: its start, and in each of two updates an adjoint and at least one trial, of 4 steps each
    assert course[0]["evaluations"] >= 4 * (1 + 2 * 2)
    assert course[1]["loss"] < course[0]["loss"]
    end = np.load(output / "particles.npz")
    assert course[1]["kinetic_energy"] == pytest.approx(0.5 * bench_morph.MASS * (end["v"].astype(float) ** 2).sum())


def test_the_loss_is_the_references_whatever_the_contrast(file):
    data = bench_morph._read(file)
    config = load_config("morph_physics", ["loss.mass.full_cell=10"])
    losses = [bench_morph.ReferenceMorph(c, data).loss for c in (config, load_config("morph_physics"))]
    assert losses[0] == losses[1]


def test_free_particles_do_better_but_keep_their_centre(file):
    data = bench_morph._read(file)
    there, elsewhere = (bench_morph.ReferenceMorph(load_config("morph_physics"), data) for _ in range(2))
    elsewhere.target_mass = torch.roll(elsewhere.target_mass, 2, dims=0)
    low, high = (bench_morph.free_particles_loss(morph, iterations=60) for morph in (there, elsewhere))
    assert low < 0.05 * there.loss
    assert high > 10 * low


def test_the_budget_is_kept(file):
    morph = bench_morph.ReferenceMorph(load_config("morph_physics", SMALL), bench_morph._read(file))
    assert len(list(morph.run(budget=1, goal=0.0, max_energy=0.0))) == 1


def test_mistakes(file, tmp_path, capfd):
    assert bench_morph.main([str(tmp_path / "none.npz")]) == 2
    assert "none.npz: no such file" in capfd.readouterr().err
    assert bench_morph.main([str(file), "--preset", "morph_rendered"]) == 2
    assert "expected a morph by mass and without images" in capfd.readouterr().err
