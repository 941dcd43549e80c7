"""The short programs of examples/ do what they say."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"

pytestmark = pytest.mark.runtime("cpu", "float32")


def main_of(name: str):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]


def test_learn_material():
    """Both parameters within 1 % from the final positions alone."""
    assert main_of("learn_material")() == pytest.approx((1.0, 1.0), rel=0.01)
