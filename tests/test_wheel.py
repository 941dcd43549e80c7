"""What ``pip install diffmpm`` gives: built, installed in a clean environment, run from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"kernels", "mpm", "upsample", "render", "bridge", "configs", "experiments", "scripts"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, so that neither leftovers get in nor build folders come out."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in (*PACKAGES, "tests", "docs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", target, source], check=True)
    (file,) = target.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def diffmpm(wheel, tmp_path_factory) -> Path:
    """The command of an environment that holds the wheel and, by reference, this one's libraries."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, wheel], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # Python reads no .pth file of a folder that is named in one: an editable diffmpm over there stays out.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "diffmpm"


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_wheel_holds_the_packages_and_their_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    for folder, pattern in (
        ("configs", "*.yaml"),
        ("configs/meshes", "*.obj"),
        *((name, "**/*.py") for name in PACKAGES),
    ):
        files = {str(path.relative_to(ROOT)) for path in (ROOT / folder).glob(pattern)}
        assert files
        assert files <= set(names)


def test_installed_command_uses_the_wheel(diffmpm, empty):
    python = diffmpm.parent / "python"
    code = "import configs, experiments.cli; print(configs.__file__); print(experiments.cli.__file__)"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert all(Path(path).is_relative_to(diffmpm.parent.parent) for path in found)


def test_installed_command_shows_info(diffmpm, empty):
    shown = subprocess.run([diffmpm, "info"], capture_output=True, text=True, check=True).stdout
    assert "not installed" not in shown
    assert "sphere_to_rabbit" in shown
    assert "torus" in shown


def test_installed_command_runs_a_preset_by_name(diffmpm, empty):
    small = [
        "runtime.backend=cpu",
        "source.points_per_cell=1",
        "target.points_per_cell=1",
        "optimize.episodes=1",
        "optimize.iterations=1",
        "optimize.steps=2",
        "optimize.control_stride=1",
        "cameras={orbit: {count: 1}}",
        "render.width=32",
        "render.height=32",
    ]
    command = [diffmpm, "run", "sphere_to_rabbit", *small, "--output", "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert (empty / "out" / "config.yaml").is_file()
    assert json.loads((empty / "out" / "metrics.json").read_text())
    assert [path.name for path in empty.iterdir()] == ["out"]
