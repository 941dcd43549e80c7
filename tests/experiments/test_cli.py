"""The real command: exit codes, one line on stderr, and nothing heavy before the input is checked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import cli

ROOT = Path(__file__).parent.parent.parent
SCENE = "task: morph\nsource: {mesh: sphere}\ntarget: {mesh: rabbit}\n"


def diffmpm(*arguments, cwd) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "experiments.cli", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "override", "told"),
    [
        (None, "seed=1", "scene.yaml: no such file; expected a YAML file or a preset"),
        (SCENE + "mpm: [1,\n", "seed=1", "scene.yaml:5:"),
        (SCENE, "mpm.grdi=1", "mpm.grdi: unknown key; did you mean grid?"),
        (SCENE, "render.width=wide", 'render.width is "wide"; expected an integer'),
        (SCENE, "mpm.dt=-0.002", "mpm.dt is -0.002; expected a number greater than 0"),
        (SCENE, "mpm.grid.spacing=-1", "mpm.grid.spacing is -1; expected a number greater than 0"),
    ],
)
def test_bad_input_ends_in_one_line_and_exit_code_2(tmp_path, text, override, told):
    if text is not None:
        (tmp_path / "scene.yaml").write_text(text)
    done = diffmpm("run", "scene.yaml", override, "--output", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("diffmpm: ")
    assert told in done.stderr
    assert not (tmp_path / "out").exists()


def test_nothing_heavy_loads_before_the_input_is_checked(tmp_path):
    code = (
        "import sys; from experiments.cli import main; code = main(['run', 'sphere_to_rabbit', 'mpm.dt=-1']); "
        "print(code, sorted({'torch', 'taichi', 'trimesh', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "2 []\n"


def test_info_names_versions_backends_and_presets(tmp_path):
    done = diffmpm("info", cwd=tmp_path)
    assert done.returncode == 0
    for word in ("taichi", "torch", "cpu", "cuda", "vulkan", "sphere_to_rabbit", "rabbit"):
        assert word in done.stdout


@pytest.fixture
def runs(monkeypatch):
    """What the task would have been given."""
    given = []
    module = type(sys)("experiments.morph")
    module.run = lambda config, output: given.append((config, output))
    monkeypatch.setitem(sys.modules, "experiments.morph", module)
    return given


@pytest.mark.parametrize(
    "arguments",
    [
        ["sphere_to_rabbit", "seed=3", "mpm.dt=0.25", "--output", "out"],
        ["sphere_to_rabbit", "--output", "out", "seed=3", "mpm.dt=0.25"],
        ["sphere_to_rabbit", "seed=3", "--output", "out", "mpm.dt=0.25"],
        ["--output", "out", "sphere_to_rabbit", "seed=3", "mpm.dt=0.25"],
    ],
)
def test_overrides_may_stand_before_and_after_the_output(runs, arguments):
    assert cli.main(["run", *arguments]) == 0
    ((config, output),) = runs
    assert (config.seed, config.mpm.dt, output) == (3, 0.25, Path("out"))


def test_output_defaults_to_the_name_of_the_config(runs, capsys):
    assert cli.main(["run", "sphere_to_rabbit"]) == 0
    assert runs[0][1] == Path("outputs/sphere_to_rabbit")
    assert capsys.readouterr().out.endswith("results are in outputs/sphere_to_rabbit\n")


def test_output_that_is_a_file_is_refused(runs, tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert cli.main(["run", "sphere_to_rabbit", "--output", str(tmp_path / "out")]) == 2
    assert "expected a folder" in capsys.readouterr().err
    assert not runs


def test_unknown_option_is_refused(runs, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", "sphere_to_rabbit", "--outptu", "x"])
    assert caught.value.code == 2
    assert "--outptu" in capsys.readouterr().err
    assert not runs


def test_interrupt_ends_with_130(monkeypatch, runs):
    def interrupted(config, output):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["experiments.morph"], "run", interrupted)
    assert cli.main(["run", "sphere_to_rabbit"]) == 130
