"""The comparison of physics alone with render guidance."""

import json

import pytest

from experiments import guidance

TINY = [
    "source.points_per_cell=1",
    "target.points_per_cell=1",
    "optimize.episodes=1",
    "optimize.iterations=1",
    "optimize.steps=6",
    "output.video=false",
    "render.width=32",
    "render.height=32",
]


def _row(error: float, floor: float) -> dict[str, dict]:
    end = dict.fromkeys(guidance.MEASURES, error) | {"pieces": 1}
    return {"end": end, "floor": dict.fromkeys(guidance.MEASURES, floor)}


def test_what_lies_above_the_floor_is_what_can_be_lowered():
    physics = guidance.summary([_row(0.30, 0.10), _row(0.50, 0.10)])["silhouette_error"]
    guided = guidance.summary([_row(0.25, 0.10)])["silhouette_error"]
    assert physics["mean"] == pytest.approx(0.4)
    assert physics["spread"] == pytest.approx(0.2 / 2**0.5)
    assert guidance.lowered(physics, guided, above_floor=True) == pytest.approx(0.5)
    assert guidance.lowered(physics, guided, above_floor=False) == pytest.approx(0.375)


def test_it_runs_what_is_missing_and_reports(tmp_path, capfd):
    arguments = ["torus", "--seeds", "1", "--output", str(tmp_path), "--set", *TINY]
    assert guidance.main(arguments) == 0
    assert capfd.readouterr().out.count("diffmpm run") == 2
    report = json.loads((tmp_path / "guidance.json").read_text())["torus"]
    assert set(report["runs"]) == {"morph_physics_0", "morph_rendered_0"}
    assert guidance.main(arguments) == 0
    assert "diffmpm run" not in capfd.readouterr().out


def test_a_missing_mesh_ends_with_one_line(tmp_path, capfd):
    assert guidance.main(["nothing.obj", "--output", str(tmp_path)]) == 2
    assert "nothing.obj" in capfd.readouterr().err
