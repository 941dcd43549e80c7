"""The short programs of docs/examples do what they say."""

import runpy
from pathlib import Path

import pytest

from render.splat_file import load_splats

EXAMPLES = Path(__file__).parent.parent.parent / "docs" / "examples"

pytestmark = pytest.mark.runtime("cpu", "float32")


def main_of(name: str):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]


def test_every_example_is_tested():
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in EXAMPLES.glob("*.py")} <= tested


def test_learn_material():
    """Both parameters within 1 % from the final positions alone."""
    assert main_of("learn_material")() == pytest.approx((1.0, 1.0), rel=0.01)


def test_throw_at_target():
    assert main_of("throw_at_target")() < 1e-3


def test_fit_image():
    before, after = main_of("fit_image")()
    assert before < 15
    assert after > 28


def test_cover_surface(tmp_path):
    splats = main_of("cover_surface")(str(tmp_path / "rabbit.ply"))
    assert len(load_splats(tmp_path / "rabbit.ply").means) == len(splats.means) == 20_000
