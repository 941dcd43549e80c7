"""The benchmark runs, and its scenes are what they are called. No times are asserted."""

import json

import numpy as np
import pytest
import torch

from experiments.bench import render as bench_render
from experiments.bench import scenes as bench_scenes
from experiments.bench.scenes import SCENES, BenchScene, find_scenes, make_scene
from scripts import bench
from tests.reference.rasterize import quaternion_covariance

pytestmark = pytest.mark.runtime("cpu", "float32")


def test_a_report_and_a_table(tmp_path, monkeypatch, capsys):
    tiny = {scene.name: scene for scene in (BenchScene("shell", 1000, 32, 24), BenchScene("cloud", 1000, 32, 24))}
    monkeypatch.setattr(bench_scenes, "SCENES", tiny)
    arguments = [
        "render",
        "--backend",
        "cpu",
        "--repeats",
        "2",
        "--output",
        str(tmp_path / "b.json"),
        "--scenes",
        *tiny,
    ]
    assert bench.main(arguments) == 0
    report = json.loads((tmp_path / "b.json").read_text())
    assert [result["scene"] for result in report["results"]] == list(tiny)
    for result in report["results"]:
        assert result["tile_hits"] > 0
        assert min(result[key] for key in ("forward_ms", "backward_ms", "total_ms", "cpu_ms")) > 0
    assert "shell-1k-32x24" in capsys.readouterr().out


def test_gsplat_runs_on_the_same_scene_where_it_is(monkeypatch):
    """A module of that name with the function stands in for it."""
    import sys
    import types

    monkeypatch.setitem(sys.modules, "gsplat", types.SimpleNamespace(__version__="0", rasterization=print))
    assert bench_render._gsplat("cpu") == {}
    assert bench_render._gsplat("cuda") == {"gsplat 0": print}


def test_shells_are_flat_on_the_sphere():
    scene = make_scene(BenchScene("shell", 1000, 32, 24), "cpu")
    covars = quaternion_covariance(scene["quats"], scene["scales"]).detach()
    normals = torch.linalg.eigh(covars)[1][:, :, 0]
    torch.testing.assert_close(
        (normals * scene["means"].detach()).sum(dim=1).abs(), torch.ones(1000), atol=1e-3, rtol=0
    )


def test_names_of_the_scenes():
    assert SCENES["shell-4M-1920x1080"].gaussians == 4_000_000
    assert {scene.kind for scene in SCENES.values()} == {"shell", "cloud"}
    assert np.prod([len(find_scenes([name])) for name in SCENES]) == 1


@pytest.mark.parametrize("arguments", [[], ["sorting"], ["render", "--scenes", "moon"], ["render", "--repeats", "0"]])
def test_mistakes_end_with_code_2(arguments, capsys):
    assert bench.main(arguments) == 2
    assert capsys.readouterr().err
